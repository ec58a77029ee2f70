#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::check;
use crate::limits::STATEMENTS_JUDGED_MAX;
use crate::protocol::{Access, Class, Facts, Kind, Object, Request, Statement};

fn statement(verb: &str, objects: &[(&str, &str)], attributes: &[(&str, &str)]) -> Statement {
    let objects = objects.iter().map(|(kind, name)| Object {
        kind: (*kind).into(),
        name: (*name).into(),
        access: Access::Write,
    });
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Statement {
        verb: verb.into(),
        class: Class::Session,
        start: 0,
        end: 0,
        objects: objects.collect(),
        columns: Vec::new(),
        whole_row: false,
        unbounded_write: false,
        acts: Vec::new(),
        attributes: attributes.iter().map(own).collect(),
    }
}

fn rule(statements: Vec<Statement>) -> Option<(&'static str, &'static str)> {
    let facts = Facts { statements, second_opinion: String::new() };
    let refusal = check(&Request::for_test(Kind::SqlQuery, "", facts)).err()?;
    Some((refusal.rule, refusal.fault.sqlstate))
}

#[test]
fn what_changes_the_judgement_is_refused() {
    let fixed = Some(("core.settings", "42501"));
    for (verb, objects, attributes, expected) in [
        ("set", &[("setting", "search_path")][..], &[][..], None),
        ("set", &[("setting", "role")], &[], fixed),
        ("set", &[("setting", "ROLE")], &[], fixed),
        ("set", &[("setting", "session_authorization")], &[], fixed),
        ("set", &[("setting", "session_replication_role")], &[], fixed),
        ("set", &[("setting", "row_security")], &[], fixed),
        ("set", &[("setting", "standard_conforming_strings")], &[], fixed),
        (
            "set",
            &[("setting", "standard_conforming_strings")],
            &[("setting.standard_conforming_strings", "off")],
            fixed,
        ),
        (
            "set",
            &[("setting", "standard_conforming_strings")],
            &[("setting.standard_conforming_strings", "on")],
            None,
        ),
        ("set", &[("setting", "client_encoding")], &[("setting.client_encoding", "UTF8")], None),
        ("set", &[("setting", "client_encoding")], &[("setting.client_encoding", "SJIS")], fixed),
        // The harmless value of one setting excuses no other.
        (
            "set",
            &[("setting", "client_encoding"), ("setting", "role")],
            &[("setting.client_encoding", "UTF8")],
            fixed,
        ),
        (
            "set",
            &[("setting", "client_encoding")],
            &[("setting.client_encoding", "UTF8"), ("setting.client_encoding", "SJIS")],
            fixed,
        ),
        ("select", &[("setting", "*")], &[], fixed),
        ("select", &[("setting", "role"), ("function", "set_config")], &[], fixed),
        ("select", &[("function", "pg_catalog.set_config")], &[], fixed),
        ("select", &[("setting", "work_mem"), ("function", "set_config")], &[], None),
        ("update", &[("relation", "pg_catalog.pg_settings")], &[], fixed),
        ("alter_role", &[("setting", "row_security")], &[], fixed),
        ("reset", &[("setting", "role")], &[], None),
        ("copy_to", &[], &[], Some(("core.copy", "0A000"))),
        ("copy_from", &[], &[], Some(("core.copy", "0A000"))),
        ("copy_program", &[], &[], Some(("core.copy", "0A000"))),
        ("start_replication", &[], &[], Some(("core.replication", "0A000"))),
        ("select", &[], &[], None),
    ] {
        let found = rule(vec![statement(verb, objects, attributes)]);
        assert_eq!(found, expected, "{verb} {objects:?} {attributes:?}");
    }
}

#[test]
fn the_second_statement_is_looked_at_too() {
    let statements = vec![statement("select", &[], &[]), statement("copy_to", &[], &[])];
    assert!(rule(statements).is_some());
}

#[test]
fn a_flood_of_statements_is_refused() {
    let many = vec![statement("select", &[], &[]); STATEMENTS_JUDGED_MAX + 1];
    assert_eq!(rule(many), Some(("core.statements", "54000")));
    assert_eq!(rule(vec![statement("select", &[], &[]); STATEMENTS_JUDGED_MAX]), None);
}

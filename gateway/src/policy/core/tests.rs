#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::check;
use crate::limits::STATEMENTS_JUDGED_MAX;
use crate::policy::SettingRules;
use crate::protocol::{Class, Facts, Kind, Request, Statement};

fn statement(verb: &str) -> Statement {
    Statement::bare(verb, Class::Session)
}

fn rule(statements: Vec<Statement>) -> Option<(&'static str, &'static str)> {
    let facts = Facts { statements, second_opinion: String::new() };
    let refusal =
        check(&Request::for_test(Kind::SqlQuery, "", facts), &SettingRules::default()).err()?;
    Some((refusal.rule, refusal.fault.sqlstate))
}

#[test]
fn what_is_not_open_is_refused() {
    for (verb, expected) in
        [("start_replication", Some(("core.replication", "0A000"))), ("select", None)]
    {
        assert_eq!(rule(vec![statement(verb)]), expected, "{verb}");
    }
}

#[test]
fn the_second_statement_is_looked_at_too() {
    let statements = vec![statement("select"), statement("base_backup")];
    assert!(rule(statements).is_some());
}

#[test]
fn a_flood_of_statements_is_refused() {
    let many = vec![statement("select"); STATEMENTS_JUDGED_MAX + 1];
    assert_eq!(rule(many), Some(("core.statements", "54000")));
    assert_eq!(rule(vec![statement("select"); STATEMENTS_JUDGED_MAX]), None);
}

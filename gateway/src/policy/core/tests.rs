#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::check;
use crate::limits::STATEMENTS_JUDGED_MAX;
use crate::policy::SettingRules;
use crate::protocol::postgres::replication::{Scope, facts};
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

/// A command of a WAL sender, as its reader gives it.
fn command() -> Statement {
    let read = facts("IDENTIFY_SYSTEM", Scope::All).unwrap().unwrap();
    read.statements.into_iter().next().unwrap()
}

#[test]
fn a_replication_command_runs_only_as_one() {
    assert_eq!(rule(vec![command()]), Some(("core.replication", "0A000")));
    let second = vec![statement("select"), command()];
    assert_eq!(rule(second), Some(("core.replication", "0A000")));
    let facts = Facts { statements: vec![command()], second_opinion: String::new() };
    let request = Request::for_test(Kind::SqlReplication, "", facts);
    assert!(check(&request, &SettingRules::default()).is_ok());
}

#[test]
fn a_flood_of_statements_is_refused() {
    let many = vec![statement("select"); STATEMENTS_JUDGED_MAX + 1];
    assert_eq!(rule(many), Some(("core.statements", "54000")));
    assert_eq!(rule(vec![statement("select"); STATEMENTS_JUDGED_MAX]), None);
}

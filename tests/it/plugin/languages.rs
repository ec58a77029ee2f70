//! Plugins in every language: built by their own tools, and in force between psql and PostgreSQL.

use std::fmt::Write as _;

use portcullis_tests::languages::build;
use portcullis_tests::operator::{ALLOW, Stage};
use serde_json::Value;

const KINDS: [&str; 3] = ["masker", "risk-scorer", "approver"];

/// Every kind of plugin in a language, in one gateway, which runs the tests that each comes with
/// before it puts it in force.
fn in_force(language: &str) {
    let stage = Stage::new(ALLOW);
    let dir = stage.site.dir();
    let mut policy = "default = \"allow\"\n[risk]\ndeny_at = 80\n".to_owned();
    for kind in KINDS {
        let name = format!("{language}-{kind}");
        let file = build(dir, &name, language, kind);
        let (file, settings) = (Value::from(file.display().to_string()), settings(kind));
        let tests = Value::from(dir.join(&name).join("golden.json").display().to_string());
        write!(
            policy,
            "[[plugins]]\nname = \"{name}\"\nfile = {file}\ntests = {tests}\n\
             memory_mib_max = 64\ncall_millis_max = 2000\n[plugins.settings]\n{settings}\n"
        )
        .unwrap();
    }
    stage.site.set_policy(&policy);
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.okta.agent_token());
    let shown = psql.run("SELECT email AS harmless FROM customers WHERE id = 1").success("psql");
    assert_eq!(shown.trim(), "[hidden]");
    let found = psql.run("SELECT city, 'sk_live_' || id FROM customers WHERE id = 1");
    assert!(!found.success("psql").contains("sk_live_1"), "a secret is shown");
    let denied = psql.run("DO $$ BEGIN PERFORM 1; END $$").stderr;
    assert!(denied.contains("(rule guarded.code)"), "{denied}");
    let risky = psql.run("DELETE FROM products").stderr;
    assert!(risky.contains("(rule risk.deny_at)"), "{risky}");
    let bound = psql.run("SELECT name FROM products WHERE id = 1").success("psql");
    assert!(!bound.trim().is_empty());
}

/// What `settings.json` of a new plugin says.
fn settings(kind: &str) -> &'static str {
    match kind {
        "masker" => "columns = [\"public.customers.email\"]\nsecrets = [\"sk_live_\"]",
        "risk-scorer" => "verbs = { delete = 60, drop_table = 90 }\nunbounded = 80",
        _ => "tables = [\"public.orders\"]\napprovers = [\"data-owners\"]",
    }
}

#[test]
fn rust() {
    in_force("rust");
}

#[test]
fn python() {
    in_force("python");
}

#[test]
fn javascript() {
    in_force("js");
}

//! A plugin's own tests: what they compare, and what failing one means.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::fixtures::*;
use crate::policy::golden::request;
use crate::policy::{Golden, PluginSettings, Problem};
use crate::protocol::Kind;

fn read(cases: &str) -> Result<Golden, String> {
    Golden::read(format!("{{\"format\": 1, \"cases\": [{cases}]}}").as_bytes())
}

/// What becomes of one case: nothing when it passes.
fn failure(component: &[u8], case: &str) -> Option<String> {
    let (_dir, settings) = policy(&[component.to_vec()]);
    let results = engine().test(&settings.plugins[0], &read(case).unwrap()).unwrap();
    assert_eq!(results.len(), 1);
    results.into_iter().next().unwrap().failure
}

fn told(component: &[u8], case: &str) -> String {
    failure(component, case).expect("the case must fail")
}

#[test]
fn an_answer_is_compared_in_every_part() {
    let deny = guard_that(DENY);
    let case = |expect: &str| {
        format!("{{\"name\": \"n\", \"sql\": \"SELECT 1\", \"expect\": {{{expect}}}}}")
    };
    assert_eq!(failure(&deny, &case(r#""decision": "deny", "rule": "rule", "risk": 0"#)), None);
    let wrong = told(&deny, &case(r#""decision": "allow""#));
    assert_eq!(wrong, "decision: expected Allow, got Deny");
    let wrong = told(&deny, &case(r#""rule": "other""#));
    assert_eq!(wrong, "rule: expected Some(\"other\"), got Some(\"rule\")");
    let wrong = told(&scorer_that(30), &case(r#""risk": 31, "findings": ["x"]"#));
    assert_eq!(wrong, "risk: expected 31, got 30; findings: expected [\"x\"], got []");
    assert_eq!(failure(&scorer_that(30), &case(r#""risk": 30, "decision": "abstain""#)), None);
    assert_eq!(failure(&guard_that(HOLD), &case(r#""decision": "hold", "approvers": []"#)), None);
    assert!(told(&guard_that(ALLOW), &case(r#""decision": "abstain""#)).contains("got Allow"));
}

#[test]
fn bound_values_become_a_bind() {
    let values = [Some("x".to_owned()), None];
    let made = request("SELECT $1::text, $2::int", &values).unwrap();
    assert_eq!((made.kind(), made.facts().statements.len()), (Kind::SqlBind, 1));
    let bound: Vec<_> = made.parameters().iter().map(|one| one.value.as_deref()).collect();
    assert_eq!(bound, [Some(&b"x"[..]), None]);
    assert_eq!(request("SELECT 1", &[]).unwrap().kind(), Kind::SqlQuery);
}

#[test]
fn the_strictest_statement_counts() {
    let sql = "\"sql\": \"SELECT 1; SELECT 2\"";
    // Allows the first time that it is asked.
    let body = "(i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (i32.const 1)))
                (i32.const 1024)";
    let words = [0, 2048, 4, 2052, 3, 0, 0, 0, 0, 0, 0];
    let parts = [check(body), data(1024, &words), bytes_at(2048, b"rulewhy")];
    let component = component("approver", &parts.concat());
    let case = format!("{{\"name\": \"n\", {sql}, \"expect\": {{\"decision\": \"deny\"}}}}");
    assert_eq!(failure(&component, &case), None);
}

#[test]
fn rows_are_masked_and_compared() {
    let editor = editor(&[0], &[2], b"xy");
    let case = |rows: &str| {
        format!(
            "{{\"name\": \"n\", \"columns\": [{{\"name\": \"c\"}}], \"rows\": [[\"abc\"], [null]],
               \"expect\": {{\"rows\": {rows}}}}}"
        )
    };
    assert_eq!(failure(&editor, &case(r#"[["xy"], [null]]"#)), None);
    let wrong = told(&editor, &case(r#"[["abc"], [null]]"#));
    assert!(wrong.starts_with("rows: expected") && wrong.contains("xy"), "{wrong}");
}

#[test]
fn a_plugin_that_fails_fails_its_case() {
    let case = r#"{"name": "n", "sql": "SELECT 1", "expect": {"decision": "deny"}}"#;
    let trap = component("approver", &check("(unreachable)"));
    assert!(told(&trap, case).contains("the plugin failed: check"));
    let broken = r#"{"name": "n", "sql": "SELEKT 1", "expect": {"decision": "deny"}}"#;
    assert!(told(&guard_that(DENY), broken).contains("syntax error"), "no request was made");
    let scan = [plan("(i32.const 1024)"), data(1024, &[2048, 1]), data(2048, &[2, 0, 0, 0, 0, 0])];
    let scan = component("masker", &[&scan.concat(), &*scan_traps()].concat());
    let case = r#"{"name": "n", "columns": [{"name": "c"}], "rows": [["a"]],
                   "expect": {"withheld": true}}"#;
    assert!(told(&scan, case).contains("failed"), "a failure is no refusal");
}

fn scan_traps() -> String {
    scan("(unreachable)")
}

#[test]
fn what_can_t_fail_or_can_t_be_read_is_refused() {
    let refused = |case: &str| read(case).unwrap_err();
    assert!(refused(r#"{"name": "n", "sql": "SELECT 1", "expect": {}}"#).contains("can't fail"));
    assert!(refused(r#"{"name": "n", "expect": {"risk": 1}}"#).contains("either `sql`"));
    let both = r#"{"name": "n", "sql": "", "columns": [], "expect": {"risk": 1}}"#;
    assert!(refused(both).contains("either `sql`"));
    let rows = r#"{"name": "n", "sql": "SELECT 1", "expect": {"rows": []}}"#;
    assert!(refused(rows).contains("no rows to expect"));
    let risk = r#"{"name": "n", "columns": [], "rows": [[]], "expect": {"risk": 1}}"#;
    assert!(refused(risk).contains("expects `rows`"));
    let ragged = r#"{"name": "n", "columns": [{"name": "c"}], "rows": [["a", "b"]],
                     "expect": {"withheld": true}}"#;
    assert!(refused(ragged).contains("number of values"));
    assert!(refused(r#"{"name": "n", "sqll": "", "expect": {}}"#).contains("unknown field"));
    assert!(read("").unwrap_err().contains("0 cases"));
    let newer = Golden::read(br#"{"format": 2, "cases": []}"#).unwrap_err();
    assert!(newer.contains("expected 1"), "{newer}");
}

fn tested(component: &[u8], golden: &str) -> (tempfile::TempDir, PluginSettings) {
    let (dir, settings) = policy(&[component.to_vec()]);
    let file = dir.path().join("tests.json");
    std::fs::write(&file, format!("{{\"format\": 1, \"cases\": [{golden}]}}")).unwrap();
    let plugin = settings.plugins.into_iter().next().unwrap();
    (dir, PluginSettings { tests: Some(file), ..plugin })
}

#[test]
fn a_plugin_that_fails_its_tests_is_not_loaded() {
    let case = r#"{"name": "drops are refused", "sql": "DROP TABLE t",
                   "expect": {"decision": "deny"}}"#;
    let load = |component: &[u8], golden: &str| {
        let (_dir, plugin) = tested(component, golden);
        engine().load(&policy_of(vec![plugin])).map(|_| ())
    };
    assert!(load(&guard_that(DENY), case).is_ok());
    let told: Vec<String> =
        load(&guard_that(ALLOW), case).unwrap_err().iter().map(Problem::to_string).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("plugin \"p0\": "), "{told:?}");
    assert!(
        told[0].ends_with(
            "tests.json: test \"drops are refused\" failed: decision: expected Deny, got Allow"
        ),
        "{told:?}"
    );
    assert!(load(&guard_that(DENY), "{").unwrap_err()[0].message.contains("line 1"));
    let (dir, plugin) = tested(&guard_that(DENY), case);
    std::fs::remove_file(dir.path().join("tests.json")).unwrap();
    let told = engine().load(&policy_of(vec![plugin])).unwrap_err();
    assert!(told[0].message.contains("can't read"), "{told:?}");
}

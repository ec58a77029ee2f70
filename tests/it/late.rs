//! An approval that comes when nobody waits any more: the identical repeat runs once, and nothing
//! else does.

use std::sync::Arc;

use portcullis_tests::driver;
use portcullis_tests::gateway::Gateway;
use portcullis_tests::operator::{
    Stage, WAIT_SECS_MAX, ask, entries_of, one_plugin, questions, shop_policy, wait_for,
    wait_for_questions,
};
use portcullis_tests::plugins::component;
use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use serde_json::Value;

const DELETE: &str = "DELETE FROM orders WHERE id = 1;";
const COUNT: &str = "SELECT count(*) FROM orders";
/// So short that nobody answers in time.
const SECS: u32 = 1;
const PENDING: &str = "pending";
const EXPIRED: &str = "expired: nobody answered in time";

/// Has a statement expire, and then approved: gives the question's id.
fn expired_and_approved(stage: &Stage, gateway: &Gateway<'_>, script: &str) -> String {
    let output = gateway.psql(&stage.okta.agent_token()).run(script);
    assert_eq!(output.code, Some(3), "{}", output.stderr);
    let id = output.stderr.split_whitespace().find(|word| word.starts_with("apr_"));
    let id = id.expect("the question is named").trim_end_matches(':').to_owned();
    let asks = format!("Ask a member of data-owners to approve {id} within 900 s");
    assert!(output.stderr.contains(&asks), "{}", output.stderr);
    let approver = stage.approver_token();
    let listed = ask(gateway, &approver, &["approvals", "list"]).success("the list");
    assert!(listed.contains("LATE") && listed.contains("nobody waits any more"), "{listed}");
    let note = ["approvals", "approve", &id, "--note", "ticket 12"];
    let said = ask(gateway, &approver, &note).success("a late yes");
    assert!(said.contains("runs once when the same is sent again"), "{said}");
    id
}

/// True when the script ran without anybody being asked; else its question expired.
fn runs(stage: &Stage, gateway: &Gateway<'_>, script: &str) -> bool {
    let output = gateway.psql(&stage.okta.agent_token()).run(script);
    let asked = output.stderr.contains(PENDING);
    assert_eq!(output.code, Some(if asked { 3 } else { 0 }), "{}", output.stderr);
    assert_eq!(output.stderr.contains(EXPIRED), asked, "{}", output.stderr);
    !asked
}

#[test]
fn the_identical_repeat_runs_once() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    let id = expired_and_approved(&stage, &gateway, DELETE);
    assert_eq!(stage.count(COUNT), before, "a late yes runs nothing by itself");
    assert!(!runs(&stage, &gateway, "DELETE FROM orders WHERE id = 1 ;"), "other bytes");
    assert!(!runs(&stage, &gateway, "DELETE FROM orders WHERE id = 2;"), "another row");
    assert!(runs(&stage, &gateway, DELETE), "the identical repeat");
    assert_eq!(stage.count(COUNT), before - 1);
    assert!(!runs(&stage, &gateway, DELETE), "a yes is for one run");

    // Both facts are in the log, and the report of the session that ran it tells them.
    let log = stage.site.log_dir();
    let approver = stage.approver_token();
    let listed = ask(&gateway, &approver, &["sessions", "list"]).success("sessions list");
    let reports: Vec<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .map(|session| {
            ask(&gateway, &approver, &["sessions", "report", &session]).success("a report")
        })
        .collect();
    let ran: Vec<&String> = reports.iter().filter(|it| it.contains("too late for ses_")).collect();
    assert_eq!(ran.len(), 1, "{reports:?}");
    assert!(ran[0].contains("by bob@acme.test") && ran[0].contains(&id), "{}", ran[0]);
    assert!(ran[0].contains(&format!("under approval {id}")), "{}", ran[0]);
    assert!(gateway.stop().success());
    let late = entries_of(&log, "event");
    let late: Vec<&Value> = late.iter().filter(|it| it["body"]["event"] == "late_answer").collect();
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!(
        (&late[0]["body"]["id"], &late[0]["body"]["note"]),
        (&id.into(), &"ticket 12".into())
    );
    let mut ran = entries_of(&log, "request");
    ran.retain(|it| !it["body"]["approval"].is_null());
    assert_eq!(ran.len(), 1, "{ran:?}");
    assert_eq!(ran[0]["body"]["approval"]["binding"], late[0]["body"]["binding"]);
}

/// The state is what the target says it is, whoever changed it.
#[test]
fn another_state_of_the_session_has_no_use_for_it() {
    // Calling a function is free here, so that what it does to the session comes unseen.
    let settings = "[plugins.settings]\nrelations = [\"public.orders\"]\ndecide_within_secs = 1\n";
    let stage = Stage::new(&one_plugin(&component("approval-writes"), settings));
    let admin = |sql: &str| stage.postgres.admin().run(sql).success(sql);
    admin(
        "CREATE FUNCTION unseen() RETURNS text LANGUAGE sql \
         AS $$ SELECT set_config('search_' || 'path', 'pg_catalog, public', false) $$;
         CREATE ROLE other; GRANT other TO shop_app; GRANT ALL ON orders TO other;
         CREATE FUNCTION become() RETURNS text LANGUAGE sql \
         AS $$ SELECT set_config('ro' || 'le', 'other', false) $$",
    );
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    expired_and_approved(&stage, &gateway, DELETE);
    for first in ["SET search_path = public", "SELECT unseen()", "SELECT become()", "BEGIN"] {
        runs(&stage, &gateway, &format!("{first};\n")).then_some(()).expect(first);
        assert!(!runs(&stage, &gateway, &format!("{first};\n{DELETE}\n")), "{first}");
    }
    // What a rollback took back is the old state.
    let script = format!("BEGIN;\nSELECT unseen();\nROLLBACK;\n{DELETE}\n");
    assert!(runs(&stage, &gateway, &script), "the state is what it was");
    assert_eq!(stage.count(COUNT), before - 1);
}

#[test]
fn inside_a_transaction_a_question_ends_sooner_and_its_yes_is_for_a_transaction() {
    let policy = shop_policy(300).replace(
        "[approval]\n",
        "[approval]\ndecide_within_secs_in_transaction = 1\nlate_within_secs = 900\n",
    );
    let stage = Stage::new(&policy);
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    let script = format!("BEGIN;\n{DELETE}\nCOMMIT;\n");
    expired_and_approved(&stage, &gateway, &script);
    assert!(runs(&stage, &gateway, &script), "the same in a transaction again");
    assert_eq!(stage.count(COUNT), before - 1);
    // Outside of one there is the policy's whole time.
    let approver = stage.approver_token();
    let mut psql = gateway.psql(&stage.okta.agent_token()).start(DELETE);
    let id = wait_for_questions(&gateway, &approver, 1).remove(0);
    let listed = questions(&gateway, &approver);
    let question = listed.iter().find(|it| it["id"] == id.as_str()).unwrap();
    let secs = question["deadline_at"].as_u64().unwrap() - question["asked_at"].as_u64().unwrap();
    assert_eq!((secs, &question["runs_as"]), (300, &APP_ROLE.into()));
    assert_eq!(question["search_path"], "\"$user\", public");
    psql.kill();
}

#[test]
fn a_policy_change_voids_it_and_a_denial_stays_one() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    expired_and_approved(&stage, &gateway, DELETE);
    stage.site.set_policy(&format!("# changed\n{}", shop_policy(SECS)));
    portcullis_tests::operator::wait_for_stderr(&gateway, "the changed policy is in force", 1);
    assert!(!runs(&stage, &gateway, DELETE), "the old policy's yes");
    let approver = stage.approver_token();
    let listed = questions(&gateway, &approver);
    let id = listed[0]["id"].as_str().expect("the second question is late").to_owned();
    ask(&gateway, &approver, &["approvals", "deny", &id]).success("a late no");
    let again = ask(&gateway, &approver, &["approvals", "approve", &id]);
    assert!(again.stderr.contains("approval_unknown"), "{}", again.stderr);
    assert!(!runs(&stage, &gateway, DELETE), "a no runs nothing");
    assert_eq!(stage.count(COUNT), before);
}

#[test]
fn of_two_repeats_at_once_one_has_it() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    expired_and_approved(&stage, &gateway, DELETE);
    let token = stage.okta.agent_token();
    let start = || gateway.psql(&token).start(DELETE);
    let mut repeats = [start(), start(), start()];
    let ended = repeats.each_mut().map(|it| it.wait(WAIT_SECS_MAX).expect("psql ends").success());
    assert_eq!(ended.iter().filter(|ran| **ran).count(), 1, "{ended:?}");
}

#[test]
fn a_prepared_statement_has_it_with_the_same_values_only() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    let ca_pem = std::fs::read_to_string(gateway.ca_file()).unwrap();
    let (address, token) = (gateway.postgres_address(), stage.okta.agent_token());
    let runtime = stage.okta.runtime();
    let client = Arc::new(
        runtime
            .block_on(driver::connect(address, &ca_pem, APP_ROLE, DATABASE, &token))
            .expect("the agent signs in"),
    );
    let delete = |id: i32| {
        let client = Arc::clone(&client);
        let sql = "DELETE FROM orders WHERE id = $1";
        runtime.block_on(async move { client.execute(sql, &[&id]).await })
    };
    assert!(delete(5).is_err());
    let approver = stage.approver_token();
    let listed = wait_for("the late question", || {
        let listed = questions(&gateway, &approver);
        (!listed.is_empty()).then_some(listed)
    });
    assert_eq!(
        (&listed[0]["runs_as"], &listed[0]["kind"]),
        (&APP_ROLE.into(), &"sql_execute".into())
    );
    let approve = ["approvals", "approve", listed[0]["id"].as_str().unwrap()];
    ask(&gateway, &approver, &approve).success("a late yes");
    assert!(delete(6).is_err(), "another value");
    assert_eq!(delete(5).expect("the same value"), 1);
    assert!(delete(5).is_err(), "once");
    assert_eq!(stage.count(COUNT), before - 1);
    // The session is as usable as before: nothing of what was asked on the side is left.
    let rows = runtime.block_on(client.query("SELECT name FROM pg_prepared_statements", &[]));
    let names: Vec<String> = rows.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(!names.iter().any(|name| name.contains("portcullis")), "{names:?}");
}

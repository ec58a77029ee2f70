//! What a session may change of the settings that its statements were judged under, through real
//! psql: each way is refused before anything runs, and an open policy lets each of them run.

use portcullis_tests::operator::entries_of;
use portcullis_tests::postgres::APP_ROLE;
use serde_json::Value;

use crate::stage::Stage;

const OPEN: &str = "default = \"allow\"\n\n[settings]\ndeny = []\n";
const GUARDED: &str = "default = \"allow\"\n";

/// A schema and a role that a session has no business with, and a view of the settings in force.
const PREPARE: &str = "
    CREATE SCHEMA secret; CREATE TABLE secret.payroll AS SELECT 'canary-4711'::text AS pay;
    GRANT USAGE ON SCHEMA secret TO shop_app; GRANT SELECT ON secret.payroll TO shop_app;
    CREATE ROLE other; GRANT other TO shop_app; GRANT CREATE ON SCHEMA public TO shop_app;
    CREATE FUNCTION become() RETURNS void LANGUAGE plpgsql
        AS $$ BEGIN SET SESSION AUTHORIZATION shop_app; SET ROLE other; END $$;
    CREATE FUNCTION plain_strings() RETURNS void LANGUAGE sql
        AS $$ SELECT set_config('standard_conforming_' || 'strings', 'off', false) $$;";

/// Each way to change a setting: the statement, and what it does when nothing stops it.
const WAYS: [(&str, &str, &str); 14] = [
    ("SET search_path = secret", "SELECT pay FROM payroll", "canary-4711"),
    ("SET SCHEMA 'secret'", "SELECT pay FROM payroll", "canary-4711"),
    ("SET SESSION search_path TO public, secret", "SELECT pay FROM payroll", "canary-4711"),
    ("BEGIN; SET LOCAL search_path TO secret", "SELECT pay FROM payroll", "canary-4711"),
    ("SELECT set_config('search_path', 'secret', false)", "TABLE payroll", "canary-4711"),
    (
        "SELECT 1 FROM pg_catalog.set_config('SEARCH_PATH', 'secret', false)",
        "TABLE payroll",
        "canary",
    ),
    (
        "PREPARE s AS SELECT set_config('search_path', 'secret', false); EXECUTE s",
        "TABLE payroll",
        "canary",
    ),
    ("SET ROLE other", "SELECT current_user", "other"),
    ("BEGIN; SET LOCAL ROLE other", "SELECT current_user", "other"),
    ("SELECT set_config('role', 'other', false)", "SELECT current_user", "other"),
    ("SET row_security = off", "SHOW row_security", "off"),
    ("ALTER ROLE shop_app SET search_path = secret", "\\c\nTABLE payroll", "canary-4711"),
    (
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql SET search_path = secret \
         AS 'SELECT pay FROM secret.payroll'",
        "SELECT f()",
        "canary-4711",
    ),
    ("SET createrole_self_grant = 'set'", "SHOW createrole_self_grant", "set"),
];

#[test]
fn each_way_to_change_a_listed_setting_is_refused() {
    let stage = Stage::with_policy(GUARDED);
    stage.admin(PREPARE);
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.token());
    for (change, look, tell) in WAYS {
        let output = psql.run_past_errors(&format!("{change};\n{look};\n"));
        let told = format!("{}{}", output.stdout, output.stderr);
        assert!(!output.stdout.contains(tell), "{change}: {told}");
        assert!(told.contains("does not let a session change"), "{change}: {told}");
    }
    assert!(gateway.stop().success());
    let log = portcullis_tests::operator::entries_of(&stage.site.log_dir(), "request");
    let refused = log.iter().filter(|entry| entry["body"]["fault"] == "setting_denied").count();
    assert!(refused >= WAYS.len(), "{refused} refusals are recorded");
}

/// The guard taken away: every one of them does what it says. (PostgreSQL 15 has no
/// `createrole_self_grant`.)
#[test]
fn an_open_policy_lets_a_session_change_them() {
    let stage = Stage::with_policy(OPEN);
    stage.admin(PREPARE);
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.token());
    for (change, look, tell) in WAYS.iter().take(WAYS.len() - 1) {
        let output = psql.run_past_errors(&format!("{change};\n{look};\n"));
        assert!(output.stdout.contains(tell), "{change}: {} {}", output.stdout, output.stderr);
        stage.admin("ALTER ROLE shop_app RESET ALL");
    }
    // What the reading of SQL rests on stays shut.
    for change in [
        "SET standard_conforming_strings = off",
        "SET NAMES 'SJIS'",
        "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
        "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name LIKE 'standard%'",
        "CREATE VIEW v AS SELECT * FROM pg_settings",
    ] {
        let output = psql.message(change);
        assert!(output.stderr.contains("does not let a session change"), "{change}: {output:?}");
    }
}

#[test]
fn what_drivers_set_as_a_matter_of_course_works() {
    let stage = Stage::with_policy(GUARDED);
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.token());
    for text in [
        "SET search_path = public",
        "SELECT pg_catalog.set_config('search_path', '', false)",
        "SET search_path TO DEFAULT",
        "SET client_encoding = 'UTF8'",
        "SET standard_conforming_strings = on",
        "SET row_security = on",
        "SET extra_float_digits = 3",
        "SET statement_timeout = 0",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET SESSION AUTHORIZATION DEFAULT",
        "RESET ROLE",
        "RESET ALL",
        "DISCARD ALL",
    ] {
        psql.message(text).success(text);
    }
}

/// What the text does not show, the target tells, and the session ends with it.
#[test]
fn a_change_that_code_hides_ends_the_session() {
    let stage = Stage::with_policy(GUARDED);
    stage.admin(PREPARE);
    stage.admin("ALTER ROLE other SUPERUSER");
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.token());
    for call in ["SELECT become()", "SELECT plain_strings()", "DO 'BEGIN SET ROLE other; END'"] {
        let output = psql.run_past_errors(&format!("{call};\nSELECT 'still' || 'here';\n"));
        assert!(!output.stdout.contains("stillhere"), "{call}: {}", output.stdout);
        assert!(output.stderr.contains("the session ends because"), "{call}: {}", output.stderr);
    }
}

#[test]
fn a_role_whose_strings_read_differently_gets_no_session() {
    let stage = Stage::with_policy(GUARDED);
    stage.admin(&format!("ALTER ROLE {APP_ROLE} SET standard_conforming_strings = off"));
    let gateway = stage.site.start();
    let output = gateway.psql(&stage.token()).message("SELECT 1");
    assert!(output.stderr.contains("standard_conforming_strings became"), "{}", output.stderr);
}

/// An account that the operator made read-only stays so.
#[test]
fn a_read_only_account_cannot_open_itself() {
    let stage = Stage::with_policy(GUARDED);
    stage.admin(&format!("ALTER ROLE {APP_ROLE} SET default_transaction_read_only = on"));
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.token());
    for begin in ["BEGIN READ WRITE", "SET default_transaction_read_only = off"] {
        let script = format!("{begin};\nDELETE FROM orders WHERE id = 1;\nCOMMIT;\n");
        let output = psql.run_past_errors(&script);
        assert!(output.stderr.contains("does not let a session change"), "{}", output.stderr);
        assert!(output.stderr.contains("read-only transaction"), "{}", output.stderr);
    }
    psql.message("BEGIN READ ONLY").success("tighter is harmless");
}

#[test]
fn a_policy_may_have_a_person_asked() {
    let policy = "default = \"allow\"\n\n[approval]\napprovers = [\"data-owners\"]\n\n\
                  [settings]\nhold = [\"search_path\"]\n";
    let stage = portcullis_tests::operator::Stage::new(policy);
    let gateway = stage.site.start();
    let approver = stage.approver_token();
    let mut psql = gateway.psql(&stage.okta.agent_token()).start("SET search_path = secret");
    let open = portcullis_tests::operator::wait_for_questions(&gateway, &approver, 1);
    let questions = portcullis_tests::operator::questions(&gateway, &approver);
    assert_eq!(questions[0]["reason"], "`set` changes search_path");
    let deny = ["approvals", "deny", open[0].as_str()];
    portcullis_tests::operator::ask(&gateway, &approver, &deny).success("denying");
    let status = psql.wait(portcullis_tests::operator::WAIT_SECS_MAX).expect("psql ends");
    assert!(!status.success());
    let output = gateway.psql(&stage.okta.agent_token()).message("SET role = postgres");
    assert!(output.stderr.contains("does not let a session change role"), "{}", output.stderr);
}

/// A session's start may set what its statements may set, by the same rules.
#[test]
fn settings_at_the_start_follow_the_rules_of_set() {
    let stage = Stage::with_policy(&format!(
        "{GUARDED}\n[approval]\napprovers = [\"data-owners\"]\n\n[settings]\ndeny = \
         [\"search_path\", \"role\", \"work_mem\"]\nhold = [\"statement_timeout\"]\n"
    ));
    stage.admin(PREPARE);
    let gateway = stage.site.start();
    let psql = |options: &str| {
        let psql = gateway.psql(&stage.token()).environment("PGOPTIONS", options);
        psql.environment("PGTZ", "Asia/Tokyo").environment("PGDATESTYLE", "German")
    };
    let look = "SHOW TimeZone; SHOW DateStyle; SHOW lock_timeout; SHOW my.var; SHOW search_path";
    let shown = psql("-c lock_timeout=7s --my.var=a\\ b\\\\c -c search_path=public").run(look);
    let shown = shown.success("starting with allowed settings");
    assert_eq!(shown, "Asia/Tokyo\nGerman, DMY\n7s\na b\\c\npublic\n");
    for (options, says) in [
        ("-c search_path=secret", "search_path"),
        ("-csearch_path=public,secret", "search_path"),
        ("--search-path=secret", "search_path"),
        ("-c SEARCH_PATH=\"secret\"", "search_path"),
        ("-c lock_timeout=1s -c role=other", "role"),
        ("-c work_mem=5MB", "work_mem"),
        ("-c statement_timeout=5s", "a person would have to approve"),
        ("-c standard_conforming_strings=off", "standard_conforming_strings"),
        ("-c lock_timeout=nonsense", "nonsense"),
        ("-c port=1", "port"),
        ("-B 100", "options"),
    ] {
        let output = psql(options).run("TABLE payroll");
        assert_eq!(output.code, Some(2), "{options}: {}", output.stdout);
        assert!(output.stderr.contains("FATAL"), "{options}: {}", output.stderr);
        assert!(output.stderr.contains(says), "{options}: {}", output.stderr);
    }
    assert!(gateway.stop().success());
    let requests = entries_of(&stage.site.log_dir(), "request");
    let count = |state: &str| {
        let of = |it: &&Value| it["body"]["kind"] == "sql_setting" && it["body"]["state"] == state;
        requests.iter().filter(of).count()
    };
    assert_eq!(count("denied"), 8, "each refused setting is in the log");
    // Three of the first session, and those that stood beside or before what failed.
    assert_eq!(count("permitted"), 3 + 3, "so is each that was granted");
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use super::{DENIED, SettingRules};
use crate::protocol::postgres::statement::{Parsers, facts};
use crate::protocol::{Facts, Kind, Request, State};

fn read(text: &str) -> Facts {
    facts(text, Parsers::Compat).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// The rule that refuses a text, or `ok`.
fn rule(rules: &SettingRules, state: &State, text: &str) -> &'static str {
    let request = Request::for_test(Kind::SqlQuery, text, read(text));
    let request = request.with_for_test(Vec::new(), state.clone());
    let facts: Arc<Facts> = request.shared_facts();
    let mut refused = facts.statements.iter().filter_map(|one| rules.check(one, &request).err());
    refused.next().map_or("ok", |refusal| refusal.rule)
}

#[test]
fn every_way_to_change_a_listed_setting_is_refused() {
    let (rules, state) = (SettingRules::default(), State::default());
    for text in [
        "SET search_path = secret",
        "SET search_path = public, secret",
        "SET search_path = public, pg_catalog",
        "SET search_path = 'public, secret'",
        "SET search_path = pg_temp, public",
        "SET LOCAL search_path TO secret",
        "SET SESSION search_path TO secret",
        "SET SCHEMA 'secret'",
        "SET \"Search_Path\" = secret",
        "SELECT set_config('search_path', 'secret', true)",
        "SELECT pg_catalog.set_config('SEARCH_PATH', 'secret', false)",
        "SELECT 1 FROM set_config('search_path', 'secret', false)",
        "SELECT set_config('search_path', $1, false)",
        "SELECT set_config('search_path', current_user, false)",
        "INSERT INTO t SELECT set_config('role', 'postgres', false)",
        "EXPLAIN ANALYZE SELECT set_config('role', 'postgres', false)",
        "PREPARE p AS SELECT set_config('role', 'postgres', false)",
        "SET ROLE postgres",
        "SET ROLE NONE",
        "SET LOCAL ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "SET LOCAL SESSION AUTHORIZATION 'postgres'",
        "SET session_authorization = postgres",
        "SET row_security = off",
        "SET session_replication_role = replica",
        "ALTER ROLE app SET search_path = secret",
        "ALTER ROLE app SET search_path FROM CURRENT",
        "ALTER ROLE app RESET search_path",
        "ALTER ROLE app RESET ALL",
        "ALTER ROLE ALL IN DATABASE d SET role = postgres",
        "ALTER USER app SET role = postgres",
        "ALTER DATABASE d SET search_path = secret",
        "ALTER DATABASE d RESET ALL",
        "ALTER SYSTEM SET search_path = secret",
        "ALTER SYSTEM RESET ALL",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = secret AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET role FROM CURRENT AS 'SELECT 1'",
        "ALTER FUNCTION f() SET search_path = public",
        "ALTER FUNCTION f() RESET search_path",
        "BEGIN; SET LOCAL role = postgres; COMMIT",
        "CREATE VIEW v AS SELECT set_config('role', 'postgres', false)",
    ] {
        let found = rule(&rules, &state, text);
        assert!(found == "settings.deny" || found == "core.settings", "{text}: {found}");
    }
}

#[test]
fn what_leaves_everything_as_it_was_judged_passes() {
    let (rules, state) = (SettingRules::default(), State::default());
    for text in [
        "SET search_path = public",
        "SET search_path TO \"$user\", public",
        "SET search_path = pg_catalog, public",
        "SET search_path = ''",
        "SELECT set_config('search_path', '', false)",
        "SET search_path TO DEFAULT",
        "SET LOCAL search_path TO DEFAULT",
        "RESET search_path",
        "RESET ROLE",
        "RESET SESSION AUTHORIZATION",
        "SET SESSION AUTHORIZATION DEFAULT",
        "RESET ALL",
        "DISCARD ALL",
        "DISCARD PLANS",
        "SET row_security = on",
        "SET TIME ZONE 'UTC'",
        "SET TIME ZONE LOCAL",
        "SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
        "SET NAMES 'UTF8'",
        "SET XML OPTION DOCUMENT",
        "SET standard_conforming_strings = on",
        "SET work_mem = 65536",
        "BEGIN READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SELECT current_setting('role'), * FROM pg_settings",
        "SHOW ALL",
    ] {
        assert_eq!(rule(&rules, &state, text), "ok", "{text}");
    }
}

#[test]
fn no_policy_opens_what_the_reading_of_sql_rests_on() {
    let open = SettingRules { deny: Vec::new(), hold: Vec::new() };
    let state = State { read_only: true, ..State::default() };
    for text in [
        "SET standard_conforming_strings = off",
        "SET standard_conforming_strings FROM CURRENT; SET LOCAL standard_conforming_strings = 0",
        "SET client_encoding = 'SJIS'",
        "SET NAMES 'BIG5'",
        "SELECT set_config('client_' || 'encoding', 'SJIS', false)",
        "SELECT set_config(name, setting, false) FROM pg_settings",
        "SELECT set_config($1, $2, false)",
        "SELECT set_config(is_local => false, new_value => 'off', setting_name => 'row_security')",
        "SELECT other.set_config('a', 'b')",
        "ALTER ROLE app SET standard_conforming_strings = off",
        "ALTER ROLE app RESET standard_conforming_strings",
        "ALTER SYSTEM SET client_encoding = 'LATIN1'",
        "UPDATE pg_settings SET setting = 'off' WHERE name = 'row_security'",
        "UPDATE pg_catalog.pg_settings SET setting = 'off'",
        "CREATE VIEW v AS SELECT * FROM pg_settings",
        "CREATE RULE r AS ON INSERT TO t DO ALSO UPDATE pg_settings SET setting = 'off'",
    ] {
        assert_eq!(rule(&open, &state, text), "core.settings", "{text}");
    }
    for text in [
        "SET ROLE postgres",
        "SET search_path = secret",
        "SET SESSION AUTHORIZATION postgres",
        "SET session_replication_role = replica",
        "ALTER ROLE app SET search_path = secret",
        "ALTER ROLE app RESET ALL",
        "BEGIN READ WRITE",
        "CREATE TABLE t AS SELECT * FROM pg_settings",
    ] {
        assert_eq!(rule(&open, &state, text), "ok", "{text}");
    }
}

#[test]
fn a_session_that_begins_read_only_stays_so() {
    let (rules, state) = (SettingRules::default(), State { read_only: true, ..State::default() });
    for text in [
        "BEGIN READ WRITE",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
        "SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET transaction_read_only = off",
        "SET default_transaction_read_only TO false",
        "SELECT set_config('transaction_read_only', 'off', true)",
    ] {
        assert_eq!(rule(&rules, &state, text), "settings.deny", "{text}");
    }
    for text in ["BEGIN", "BEGIN READ ONLY", "SET TRANSACTION READ ONLY, DEFERRABLE"] {
        assert_eq!(rule(&rules, &state, text), "ok", "{text}");
    }
}

#[test]
fn a_policy_may_ask_about_a_setting() {
    let rules = SettingRules { deny: vec!["role".into()], hold: vec!["work_mem".into()] };
    let state = State::default();
    let held = |text: &str| {
        let facts = read(text);
        facts.statements.iter().find_map(|it| rules.held(it, &state).map(str::to_owned))
    };
    assert_eq!(held("SET work_mem = '1GB'").as_deref(), Some("work_mem"));
    assert_eq!(held("ALTER SYSTEM RESET ALL").as_deref(), Some("*"));
    assert_eq!(held("RESET work_mem"), None);
    assert_eq!(held("SET TIME ZONE 'UTC'"), None);
    let all = SettingRules { deny: vec!["*".into()], hold: Vec::new() };
    assert_eq!(rule(&all, &state, "SET TIME ZONE 'UTC'"), "settings.deny");
    assert!(DENIED.is_sorted());
}

//! What changes while sessions are open: policies, plugins, targets, access, keys.

use std::fs;
use std::path::{Path, PathBuf};

use portcullis::demo::issuer::MintRequest;
use portcullis_tests::components::{Guard, guard};
use portcullis_tests::gateway::Gateway;
use portcullis_tests::https::{self, Question};
use portcullis_tests::okta::{AGENT_CLIENT, alice};
use portcullis_tests::operator::{ALLOW, Stage, entries_of, one_plugin, wait_for, wait_for_stderr};
use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::wire::{Message, Wire};
use serde_json::Value;

const DENY: &str = "default = \"deny\"\n";
const POLICY_IN_FORCE: &str = "the changed policy is in force";
const POLICY_REFUSED: &str = "the changed policy is refused";
const CONFIG_REFUSED: &str = "the changed configuration is refused";
const CONFIG_IN_FORCE: &str = "the changed configuration is in force";

fn session(stage: &Stage, gateway: &Gateway<'_>) -> Wire {
    open(gateway, DATABASE, &stage.okta.agent_token())
}

fn open(gateway: &Gateway<'_>, database: &str, token: &str) -> Wire {
    let mut wire = gateway.wire_tls();
    let ready = wire.sign_in(APP_ROLE, database, token).unwrap();
    assert_eq!(ready.tag, b'Z', "{:?}", ready.field(b'M'));
    wire
}

/// The error of a statement that must be refused by a session that goes on.
fn refused(wire: &mut Wire) -> Message {
    let messages = wire.query("SELECT 7").unwrap();
    assert!(messages.iter().all(|message| message.tag != b'D'), "it ran: {messages:?}");
    messages.into_iter().find(|message| message.tag == b'E').expect("a refusal is an error")
}

fn runs(wire: &mut Wire) {
    let messages = wire.query("SELECT 7").unwrap();
    assert!(messages.iter().any(|message| message.tag == b'D'), "{messages:?}");
}

/// The fatal error of a session that the gateway ends.
fn ended(wire: &mut Wire, sqlstate: &str, words: &str) {
    let error = wire.message().expect("the session ends with an error");
    let field = |code| error.field(code).unwrap_or_default();
    assert_eq!((error.tag, field(b'V').as_str()), (b'E', "FATAL"), "{error:?}");
    assert_eq!(field(b'C'), sqlstate, "{}", field(b'M'));
    assert!(field(b'M').contains(words), "{}", field(b'M'));
}

fn status(gateway: &Gateway<'_>) -> Value {
    let question = Question { method: "GET", path: "/v1/status", headers: &[], body: "" };
    let answer = https::ask(gateway.admin_address(), question).expect("the admin endpoint answers");
    serde_json::from_str(&answer.body).expect("the status is JSON")
}

/// Puts a file in place as `plugin build` does: by renaming over the old one.
fn put(file: &Path, bytes: &[u8]) {
    let aside = file.with_extension("aside");
    fs::write(&aside, bytes).unwrap();
    fs::rename(aside, file).unwrap();
}

/// The events of this name, in order.
fn events(stage: &Stage, name: &str) -> Vec<Value> {
    let mut found = entries_of(&stage.site.log_dir(), "event");
    found.retain(|entry| entry["body"]["event"] == name);
    found
}

#[test]
fn an_edited_policy_judges_the_next_statement_of_an_open_session() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let mut wire = session(&stage, &gateway);
    runs(&mut wire);
    for round in 1..=2 {
        stage.site.set_policy(DENY);
        wait_for_stderr(&gateway, POLICY_IN_FORCE, 2 * round - 1);
        assert_eq!(refused(&mut wire).field(b'C').as_deref(), Some("42501"));
        stage.site.set_policy(ALLOW);
        wait_for_stderr(&gateway, POLICY_IN_FORCE, 2 * round);
        runs(&mut wire);
    }
    // One that has a mistake changes nothing.
    stage.site.set_policy("default = \"allow\"\n[risk]\ndeny_at = 800\n");
    wait_for_stderr(&gateway, CONFIG_REFUSED, 1);
    runs(&mut wire);
    assert!(gateway.stderr().contains("shop.policy.toml:3:"), "{}", gateway.stderr());
    drop(wire);
    assert!(gateway.stop().success());
    assert_eq!(events(&stage, "policy_loaded").len(), 5);
    assert_eq!(events(&stage, "config_rejected").len(), 1, "told once, not at every look");
}

/// A stage whose policy asks one plugin, and the plugin's file.
fn guarded(first: Guard) -> (Stage, PathBuf, tempfile::TempDir) {
    let dir = portcullis_tests::folder::temporary("plugin");
    let file = dir.path().join("one.wasm");
    fs::write(&file, guard(first)).unwrap();
    (Stage::new(&one_plugin(&file, "call_millis_max = 200\n")), file, dir)
}

#[test]
fn a_replaced_plugin_is_taken_up_and_a_broken_one_is_not() {
    let (stage, file, _dir) = guarded(Guard::Abstain);
    let gateway = stage.site.start();
    let mut wire = session(&stage, &gateway);
    runs(&mut wire);
    put(&file, &guard(Guard::Deny));
    wait_for_stderr(&gateway, POLICY_IN_FORCE, 1);
    let error = refused(&mut wire);
    assert!(error.field(b'M').unwrap().contains("why"), "{error:?}");

    // Each of these leaves the last good one at work.
    put(&file, b"\0asm, but not quite");
    wait_for_stderr(&gateway, POLICY_REFUSED, 1);
    assert!(refused(&mut wire).field(b'M').unwrap().contains("why"));
    put(&file, &guard(Guard::Log));
    wait_for_stderr(&gateway, POLICY_REFUSED, 2);
    assert!(refused(&mut wire).field(b'M').unwrap().contains("why"));
    assert_eq!(status(&gateway)["config_change_refused"], true);
    fs::remove_file(&file).unwrap();
    wait_for_stderr(&gateway, CONFIG_REFUSED, 1);
    assert!(refused(&mut wire).field(b'M').unwrap().contains("why"));
    assert!(refused(&mut session(&stage, &gateway)).field(b'M').unwrap().contains("why"));

    put(&file, &guard(Guard::Abstain));
    wait_for_stderr(&gateway, POLICY_IN_FORCE, 2);
    runs(&mut wire);
    assert_eq!(status(&gateway)["config_change_refused"], false);
    drop(wire);
    assert!(gateway.stop().success());
    let rejected = events(&stage, "policy_rejected");
    assert_eq!(rejected.len(), 2, "{rejected:?}");
    let reason = |at: usize| rejected[at]["body"]["reason"].as_str().unwrap();
    assert!(reason(0).contains("plugin \"one\""), "{}", reason(0));
    assert!(reason(1).contains("imports `portcullis:policy/log@"), "{}", reason(1));
    let missing = events(&stage, "config_rejected");
    assert!(missing[0]["body"]["reason"].as_str().unwrap().contains("one.wasm"), "{missing:?}");
}

#[test]
fn a_plugin_that_loops_grows_or_traps_denies_and_the_session_goes_on() {
    let (stage, file, _dir) = guarded(Guard::Loop);
    let gateway = stage.site.start();
    let mut wire = session(&stage, &gateway);
    for (count, (kind, next)) in
        [(Guard::Loop, Guard::Grow), (Guard::Grow, Guard::Trap), (Guard::Trap, Guard::Abstain)]
            .into_iter()
            .enumerate()
    {
        let error = refused(&mut wire);
        let told = error.field(b'M').unwrap_or_default();
        assert_eq!(error.field(b'C').as_deref(), Some("YA010"), "{kind:?}: {told}");
        assert!(told.contains("\"one\""), "{kind:?}: {told}");
        put(&file, &guard(next));
        wait_for_stderr(&gateway, POLICY_IN_FORCE, count + 1);
    }
    runs(&mut wire);
    drop(wire);
    assert!(gateway.stop().success());
    let mut denied = entries_of(&stage.site.log_dir(), "request");
    denied.retain(|entry| entry["body"]["state"] == "denied");
    assert_eq!(denied.len(), 3);
    assert!(denied.iter().all(|entry| entry["body"]["fault"] == "plugin_failed"), "{denied:?}");
}

#[test]
fn a_configuration_with_mistakes_keeps_the_last_good_one() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let mut wire = session(&stage, &gateway);
    let digest = status(&gateway)["config_digest"].clone();
    let good = fs::read_to_string(stage.site.config_file()).unwrap();
    stage.site.edit_config(|text| {
        let text = text.replace("shop.policy.toml", "later.policy.toml");
        format!("{text}groups_anny = [\"x\"]\n")
    });
    wait_for_stderr(&gateway, CONFIG_REFUSED, 1);
    let told = gateway.stderr();
    for mistake in ["later.policy.toml", "groups_anny"] {
        assert!(told.contains(mistake), "{told}");
    }
    runs(&mut wire);
    runs(&mut session(&stage, &gateway));
    assert_eq!(status(&gateway)["config_change_refused"], true);
    assert_eq!(status(&gateway)["config_digest"], digest);

    // A change that needs a restart is refused as well, and says so.
    stage
        .site
        .edit_config(|_| good.replace("organization = \"acme.test\"", "organization = \"b\""));
    wait_for_stderr(&gateway, "needs a restart", 1);
    runs(&mut wire);

    // A mistake that is mended in a file that only the refused configuration names.
    stage.site.edit_config(|_| good.replace("shop.policy.toml", "later.policy.toml"));
    wait_for_stderr(&gateway, CONFIG_REFUSED, 3);
    fs::write(stage.site.dir().join("later.policy.toml"), DENY).unwrap();
    wait_for_stderr(&gateway, POLICY_IN_FORCE, 1);
    wait_for_stderr(&gateway, CONFIG_IN_FORCE, 1);
    assert_eq!(refused(&mut wire).field(b'C').as_deref(), Some("42501"));
    let now = status(&gateway);
    assert_eq!(now["config_change_refused"], false);
    assert_ne!(now["config_digest"], digest);
    drop(wire);
    assert!(gateway.stop().success());
    assert_eq!(events(&stage, "config_rejected").len(), 3);
    assert_eq!(events(&stage, "config_change").len(), 1);
}

#[test]
fn targets_come_and_go() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let good = fs::read_to_string(stage.site.config_file()).unwrap();
    let (_, target) = good.split_once("[[targets]]").unwrap();
    let added = target.replace("name = \"shop\"", "name = \"archive\"");
    let token = stage.okta.agent_token();
    let refusal = gateway.wire_tls().sign_in(APP_ROLE, "archive", &token).unwrap();
    assert_eq!(refusal.field(b'C').as_deref(), Some("3D000"), "{refusal:?}");

    stage.site.edit_config(|text| format!("{text}\n[[targets]]{added}"));
    wait_for_stderr(&gateway, CONFIG_IN_FORCE, 1);
    let (mut shop, mut archive) = (session(&stage, &gateway), open(&gateway, "archive", &token));
    runs(&mut archive);

    stage.site.edit_config(|_| good.clone());
    wait_for_stderr(&gateway, CONFIG_IN_FORCE, 2);
    ended(&mut archive, "57P01", "target \"archive\" is no longer open to it");
    let refusal = gateway.wire_tls().sign_in(APP_ROLE, "archive", &token).unwrap();
    assert_eq!(refusal.field(b'C').as_deref(), Some("3D000"), "{refusal:?}");
    runs(&mut shop);
}

#[test]
fn access_that_is_withdrawn_ends_the_sessions_it_let_in() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let mut agents = session(&stage, &gateway);
    let alice_token = stage.okta.mint(&MintRequest::person(&alice(), "0oa9desktop"));
    let mut alices = open(&gateway, DATABASE, &alice_token);
    stage.site.edit_config(|text| format!("{text}clients_any = [\"{AGENT_CLIENT}\"]\n"));
    ended(&mut alices, "57P01", "no longer open to it");
    let refusal = gateway.wire_tls().sign_in(APP_ROLE, DATABASE, &alice_token).unwrap();
    assert_eq!(refusal.field(b'C').as_deref(), Some("28000"), "{refusal:?}");
    runs(&mut agents);
    runs(&mut session(&stage, &gateway));
    drop(agents);
    assert!(gateway.stop().success());
    let ends = entries_of(&stage.site.log_dir(), "session_end");
    let withdrawn =
        ends.iter().filter(|end| end["body"].to_string().contains("access_withdrawn")).count();
    assert_eq!(withdrawn, 1, "{ends:?}");
}

#[test]
fn a_withdrawn_key_ends_the_sessions_it_vouched_for() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let mut old = session(&stage, &gateway);
    runs(&mut old);
    stage.okta.issuer().rotate().unwrap();
    stage.okta.issuer().withdraw_old_keys();
    // A token of the new key makes the gateway read the keys, and notice.
    let mut new = wait_for("the new key", || {
        let mut wire = gateway.wire_tls();
        let ready = wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
        (ready.tag == b'Z').then_some(wire)
    });
    ended(&mut old, "28000", "key");
    runs(&mut new);
}

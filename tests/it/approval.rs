//! A statement that waits for a person: who may answer, what the answer does, and every way in
//! which the waiting ends without one.

use portcullis::demo::issuer::MintRequest;
use portcullis_tests::driver;
use portcullis_tests::gateway::{AGENTS, APPROVERS, Gateway};
use portcullis_tests::okta::{AGENT_CLIENT, Okta, alice, bob};
use portcullis_tests::operator::{
    CONSOLE_CLIENT, Stage, WAIT_SECS_MAX, ask, entries_of, questions, shop_policy, wait_for,
    wait_for_questions,
};
use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::process::Output;
use portcullis_tests::wire::{Message, Wire, c_string, frame};
use serde_json::{Value, json};

/// Longer than any of these tests holds a question open.
const SECS: u32 = 120;
const COUNT: &str = "SELECT count(*) FROM orders";

fn delete(id: u32) -> String {
    format!("DELETE FROM orders WHERE id = {id}")
}

fn failed_with(output: &Output, code: &str) {
    assert_eq!(output.code, Some(1), "{code} was expected: {}", output.stdout);
    assert!(output.stderr.contains(code), "{code} was expected: {}", output.stderr);
}

fn approve(gateway: &Gateway<'_>, token: &str, id: &str) {
    ask(gateway, token, &["approvals", "approve", id]).success("approving");
}

/// A session on the wire, ready for its first statement.
fn session(stage: &Stage, gateway: &Gateway<'_>) -> Wire {
    let mut wire = gateway.wire_tls();
    let ready = wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    assert_eq!(ready.tag, b'Z', "{:?}", ready.field(b'M'));
    wire
}

fn send(wire: &mut Wire, sql: &str) {
    wire.send(&frame(b'Q', &c_string(sql))).unwrap();
}

/// The SQLSTATE of the first error among these.
fn error(messages: &[Message]) -> Option<String> {
    messages.iter().find(|message| message.tag == b'E')?.field(b'C')
}

fn decisions(stage: &Stage) -> Vec<String> {
    let entries = entries_of(&stage.site.log_dir(), "approval");
    entries.iter().map(|e| e["body"]["decision"].as_str().unwrap().to_owned()).collect()
}

/// Entries of requests in this state.
fn requests(stage: &Stage, state: &str) -> Vec<Value> {
    let mut entries = entries_of(&stage.site.log_dir(), "request");
    entries.retain(|entry| entry["body"]["state"] == state);
    entries
}

#[test]
fn what_another_person_approves_runs_once() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    let mut psql = gateway.psql(&stage.okta.agent_token()).start(&delete(1));
    let approver = stage.approver_token();
    let ids = wait_for_questions(&gateway, &approver, 1);
    psql.wait_for_stderr(&format!("approval {} pending", ids[0]), WAIT_SECS_MAX);
    assert_eq!(stage.count(COUNT), before, "it ran while it waited");

    let note = ["approvals", "approve", ids[0].as_str(), "--note", "ticket 4711"];
    ask(&gateway, &approver, &note).success("approving");
    assert!(psql.wait(WAIT_SECS_MAX).expect("psql ends").success(), "{}", psql.stderr());
    assert_eq!(stage.count(COUNT), before - 1);
    failed_with(&ask(&gateway, &approver, &["approvals", "approve", &ids[0]]), "approval_unknown");
    assert_eq!(questions(&gateway, &approver).len(), 0);

    assert!(gateway.stop().success());
    assert_eq!(requests(&stage, "held").len(), 1);
    let permitted = requests(&stage, "permitted");
    assert_eq!(permitted.len(), 1, "{permitted:?}");
    assert_eq!(permitted[0]["body"]["approval"]["id"], ids[0].as_str());
    let approvals = entries_of(&stage.site.log_dir(), "approval");
    assert_eq!(approvals.len(), 1);
    assert_eq!(approvals[0]["body"]["decision"], "approved");
    assert_eq!(approvals[0]["body"]["by"]["subject"], "bob@acme.test");
    assert_eq!(approvals[0]["body"]["note"], "ticket 4711");
}

#[test]
fn a_denial_and_an_expiry_are_errors_that_the_session_survives() {
    let stage = Stage::new(&shop_policy(2));
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    let mut wire = session(&stage, &gateway);
    send(&mut wire, &delete(1));
    let approver = stage.approver_token();
    let id = wait_for_questions(&gateway, &approver, 1).remove(0);
    let note = ["approvals", "deny", &id, "--note", "not today\u{1b}[2J"];
    ask(&gateway, &approver, &note).success("denying");
    let messages = wire.messages_until(b'Z').unwrap();
    assert_eq!(error(&messages).as_deref(), Some("YA002"), "{messages:?}");
    let refusal = messages.iter().find(|message| message.tag == b'E').unwrap();
    let detail = refusal.field(b'D').expect("the note is told");
    assert!(detail.contains("not today") && !detail.contains('\u{1b}'), "{detail:?}");

    send(&mut wire, &delete(1));
    let messages = wire.messages_until(b'Z').unwrap();
    assert_eq!(error(&messages).as_deref(), Some("YA003"), "{messages:?}");
    let answer = wire.query("SELECT 7").unwrap();
    assert!(answer.iter().any(|message| message.tag == b'D'), "the session goes on");
    assert_eq!(stage.count(COUNT), before);
    drop(wire);
    assert!(gateway.stop().success());
    assert_eq!(decisions(&stage), ["denied", "expired"]);
    assert_eq!(requests(&stage, "permitted").len(), 1, "SELECT 7 alone");
}

/// A token of somebody who may approve by their groups, changed by `change`.
fn approver_like(okta: &Okta, change: impl FnOnce(&mut Value)) -> String {
    let issued = std::time::SystemTime::now();
    let issued = issued.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({
        "iss": okta.issuer().url(), "aud": portcullis_tests::okta::AUDIENCE,
        "sub": "carol@acme.test", "uid": "00u3carol", "cid": CONSOLE_CLIENT,
        "iat": issued, "exp": issued + 600, "groups": [APPROVERS],
    });
    change(&mut claims);
    let header = json!({ "alg": "RS256", "kid": okta.issuer().key_id() });
    okta.issuer().mint_raw(&header.to_string(), &claims.to_string()).unwrap()
}

#[test]
fn nobody_in_the_chain_that_asks_and_no_agent_may_answer() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    let okta = &stage.okta;
    let before = stage.count(COUNT);
    // Alice, through the agents' application, asks; she is an approver as well.
    let mut psql = gateway.psql(&okta.delegated_token(&alice_too())).start(&delete(1));
    let approver = stage.approver_token();
    let id = wait_for_questions(&gateway, &approver, 1).remove(0);
    let console = |person| okta.mint(&MintRequest::person(person, CONSOLE_CLIENT));
    let mut stranger = bob();
    stranger.groups = vec![AGENTS.into()];
    let refused = [
        (console(&alice_too()), "approver_is_requester"),
        (
            approver_like(okta, |claims| claims["email"] = json!("Alice+2@acme.test")),
            "approver_is_requester",
        ),
        (okta.person_token(&bob()), "approver_is_requester"),
        (okta.agent_token(), "approver_is_service"),
        (okta.delegated_token(&bob()), "approver_is_agent"),
        (
            approver_like(okta, |claims| claims["sub_profile"] = json!("ai_agent")),
            "approver_is_agent",
        ),
        (console(&stranger), "approver_group"),
    ];
    for (token, code) in &refused {
        for verb in ["approve", "deny"] {
            failed_with(&ask(&gateway, token, &["approvals", verb, &id]), code);
        }
    }
    let unsigned = format!("{approver}x");
    let output = ask(&gateway, &unsigned, &["approvals", "approve", &id]);
    assert_eq!(output.code, Some(1), "a broken token answered");
    assert_eq!(stage.count(COUNT), before);

    let carol = approver_like(okta, |_| {});
    approve(&gateway, &carol, &id);
    assert!(psql.wait(WAIT_SECS_MAX).expect("psql ends").success(), "{}", psql.stderr());
    assert_eq!(stage.count(COUNT), before - 1);
}

/// Alice as a member of the approvers.
fn alice_too() -> portcullis::demo::issuer::Person {
    let mut alice = alice();
    alice.groups.push(APPROVERS.into());
    alice
}

#[test]
fn what_its_client_gives_up_does_not_run() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    let approver = stage.approver_token();

    // Ctrl-C.
    let mut psql = gateway.psql(&stage.okta.agent_token()).start(&delete(1));
    let id = wait_for_questions(&gateway, &approver, 1).remove(0);
    psql.wait_for_stderr(&format!("approval {id} pending"), WAIT_SECS_MAX);
    psql.signal("INT");
    assert!(!psql.wait(WAIT_SECS_MAX).expect("psql ends").success());
    let told = || psql.stderr().contains("canceling statement due to user request").then_some(());
    wait_for("the error", told);
    failed_with(&ask(&gateway, &approver, &["approvals", "approve", &id]), "approval_unknown");

    // The client dies.
    let mut psql = gateway.psql(&stage.okta.agent_token()).start(&delete(2));
    let id = wait_for_questions(&gateway, &approver, 1).remove(0);
    psql.kill();
    wait_for_questions(&gateway, &approver, 0);
    // It did not take the question back, so it may still be answered; nothing runs by itself.
    let said = ask(&gateway, &approver, &["approvals", "approve", &id]).success("a late answer");
    assert!(said.contains("nobody waits"), "{said}");

    // It leaves by closing one direction only.
    let mut wire = session(&stage, &gateway);
    send(&mut wire, &delete(3));
    wait_for_questions(&gateway, &approver, 1);
    wire.socket().shutdown(std::net::Shutdown::Write).unwrap();
    wait_for_questions(&gateway, &approver, 0);

    assert_eq!(stage.count(COUNT), before);
    assert!(gateway.stop().success());
    assert_eq!(decisions(&stage), ["withdrawn"; 3]);
    assert_eq!(requests(&stage, "permitted").len(), 0);
}

#[test]
fn a_prepared_statement_waits_at_each_execution() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    let approver = stage.approver_token();
    let address = gateway.postgres_address();
    let ca_pem = std::fs::read_to_string(gateway.ca_file()).unwrap();
    let token = stage.okta.agent_token();
    let runtime = stage.okta.runtime();
    let client = runtime
        .block_on(driver::connect(address, &ca_pem, APP_ROLE, DATABASE, &token))
        .expect("the agent signs in");
    let client = std::sync::Arc::new(client);
    let statement = runtime
        .block_on(client.prepare("DELETE FROM orders WHERE id = $1"))
        .expect("preparing runs nothing, so nobody is asked");
    for id in [5_i32, 6] {
        let (client, statement) = (client.clone(), statement.clone());
        let task = runtime.spawn(async move { client.execute(&statement, &[&id]).await });
        let question = wait_for_questions(&gateway, &approver, 1).remove(0);
        approve(&gateway, &approver, &question);
        let rows = runtime.block_on(task).unwrap().expect("what was approved runs");
        assert_eq!(rows, 1);
    }
    assert_eq!(stage.count(COUNT), before - 2);
    drop((statement, client));
    assert!(gateway.stop().success());
    let mut ran = requests(&stage, "permitted");
    ran.retain(|entry| entry["body"]["kind"] == "sql_execute");
    assert_eq!(ran.len(), 2, "{ran:?}");
    assert_ne!(ran[0]["body"]["approval"]["binding"], ran[1]["body"]["approval"]["binding"]);
}

#[test]
fn two_sessions_wait_at_once_and_a_transaction_stays_the_clients() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    let approver = stage.approver_token();
    let (mut first, mut second) = (session(&stage, &gateway), session(&stage, &gateway));
    assert_eq!(first.query("BEGIN").unwrap().last().unwrap().body, b"T");
    send(&mut first, &delete(1));
    let one = wait_for_questions(&gateway, &approver, 1).remove(0);
    let open = questions(&gateway, &approver);
    assert_eq!(open[0]["in_transaction"], true, "{}", open[0]);
    send(&mut second, &delete(2));
    let both = wait_for_questions(&gateway, &approver, 2);
    let two = both.iter().find(|id| **id != one).unwrap();

    approve(&gateway, &approver, two);
    assert_eq!(error(&second.messages_until(b'Z').unwrap()), None);
    assert_eq!(stage.count(COUNT), before - 1, "the other one still waits");
    approve(&gateway, &approver, &one);
    let messages = first.messages_until(b'Z').unwrap();
    assert_eq!((error(&messages), messages.last().unwrap().body.as_slice()), (None, &b"T"[..]));
    first.query("ROLLBACK").unwrap();
    assert_eq!(stage.count(COUNT), before - 1);

    // A refusal in a transaction fails the transaction, as any error does.
    assert_eq!(first.query("BEGIN").unwrap().last().unwrap().body, b"T");
    send(&mut first, &delete(3));
    let three = wait_for_questions(&gateway, &approver, 1).remove(0);
    ask(&gateway, &approver, &["approvals", "deny", &three]).success("denying");
    let messages = first.messages_until(b'Z').unwrap();
    assert_eq!(error(&messages).as_deref(), Some("YA002"));
    assert_eq!(messages.last().unwrap().body, b"E");
    assert_eq!(error(&first.query("SELECT 1").unwrap()).as_deref(), Some("25P02"));
    assert_eq!(first.query("ROLLBACK").unwrap().last().unwrap().body, b"I");
}

#[test]
fn a_statement_cannot_dress_up_in_the_list() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    let approver = stage.approver_token();
    let mut wire = session(&stage, &gateway);
    let sql = "DELETE FROM orders WHERE id = 1 /* \u{1b}[2J\u{202e}\u{200b}\rapr_x  approved\n*/";
    send(&mut wire, sql);
    let id = wait_for_questions(&gateway, &approver, 1).remove(0);
    for arguments in [&["approvals", "list"][..], &["approvals", "list", "--json"]] {
        let shown = ask(&gateway, &approver, arguments).success("approvals list");
        assert!(shown.contains("DELETE FROM orders WHERE id = 1"), "{shown}");
        let tricks = ['\u{1b}', '\u{202e}', '\u{200b}', '\r'];
        assert!(!shown.contains(tricks), "{}", shown.escape_debug());
        assert!(shown.contains(&id), "{shown}");
    }
    let shown = ask(&gateway, &approver, &["approvals", "list"]).success("approvals list");
    let after = shown.lines().skip_while(|line| !line.contains("DELETE FROM"));
    assert!(after.take(2).all(|line| line.trim_start().starts_with('|')), "{shown}");
}

#[test]
fn a_gateway_that_dies_takes_its_questions_along() {
    let stage = Stage::new(&shop_policy(SECS));
    let gateway = stage.site.start();
    let before = stage.count(COUNT);
    let approver = stage.approver_token();
    let mut psql = gateway.psql(&stage.okta.agent_token()).start(&delete(1));
    let id = wait_for_questions(&gateway, &approver, 1).remove(0);
    gateway.kill();
    assert!(!psql.wait(WAIT_SECS_MAX).expect("psql ends").success());

    let gateway = stage.site.start();
    failed_with(&ask(&gateway, &approver, &["approvals", "approve", &id]), "approval_unknown");
    let listed = wait_for("the sessions", || {
        let listed = ask(&gateway, &approver, &["sessions", "list"]).success("sessions list");
        (!listed.is_empty()).then_some(listed)
    });
    let session: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert_eq!(session["state"], "torn", "{session}");
    assert_eq!(session["agent"], AGENT_CLIENT);
    assert_eq!(stage.count(COUNT), before);
    assert!(gateway.stop().success());
    assert_eq!(requests(&stage, "held").len(), 1);
    assert_eq!(requests(&stage, "permitted").len(), 0);
}

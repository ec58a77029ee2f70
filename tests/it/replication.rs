//! Replication sessions: which are opened, what they may do, and how their streams end.

use portcullis::demo::issuer::MintRequest;
use portcullis_tests::gateway::{Gateway, Setup, Site};
use portcullis_tests::okta::{Okta, bob};
use portcullis_tests::operator::{CONSOLE_CLIENT, ask, entries_of, wait_for_questions};
use portcullis_tests::postgres::{APP_ROLE, DATABASE, Postgres};
use portcullis_tests::wire::{
    Message, READ_SECS_MAX, VERSION_3_0, Wire, bind, c_string, execute, frame, parse, query,
    start_up, sync, tags, texts,
};

use crate::cancel::cancel_request;
use crate::masking::leaks;
use crate::stage::{Stage, approval, policy};

pub(crate) const OPEN: &str = "default = \"allow\"\n";
const SLOT: &str = "CREATE_REPLICATION_SLOT \"s\" LOGICAL \"test_decoding\" (SNAPSHOT 'nothing')";
const LOGICAL: &str = "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (\"skip-empty-xacts\" '1')";
pub(crate) const PHYSICAL: &str = "START_REPLICATION PHYSICAL 0/1000000 TIMELINE 1";

/// A server whose changes can be decoded, an account that may replicate, and a target that is
/// open to replication as far as `scope` says.
pub(crate) fn replicated(policy: &str, scope: &str) -> Stage {
    let postgres = Postgres::start_with(&["wal_level=logical"]);
    let okta = Okta::start();
    let mut setup = Setup::new(&postgres, okta.entry(), policy);
    setup.log = "buffered";
    let site = Site::new(&setup);
    let stage = Stage { postgres, okta, site };
    open_to(&stage, scope);
    stage.admin(&format!("ALTER ROLE {APP_ROLE} REPLICATION"));
    stage
}

/// The stage's masks, and no rule by risk.
pub(crate) fn masking(more: &str) -> String {
    policy(more).replace("[risk]\ndeny_at = 80\n", "")
}

fn open_to(stage: &Stage, scope: &str) {
    stage.site.edit_config(|text| {
        let kept = text.lines().filter(|line| !line.starts_with("replication = "));
        let text: Vec<&str> = kept.collect();
        let setting = format!("log = \"buffered\"\nreplication = \"{scope}\"");
        text.join("\n").replace("log = \"buffered\"", &setting)
    });
}

/// The start with these parameters, up to ReadyForQuery or an error.
fn start(stage: &Stage, gateway: &Gateway<'_>, more: &[(&str, &str)]) -> (Wire, Vec<Message>) {
    let token = stage.token();
    start_as(gateway, &token, more)
}

fn start_as(gateway: &Gateway<'_>, token: &str, more: &[(&str, &str)]) -> (Wire, Vec<Message>) {
    let mut wire = gateway.wire_tls();
    let base = [("user", APP_ROLE), ("database", DATABASE)];
    let base = base.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    let parameters: Vec<_> = base.chain(more).copied().collect();
    wire.send(&start_up(VERSION_3_0, &parameters)).unwrap();
    let mut messages = Vec::new();
    loop {
        let message = wire.message().unwrap();
        if (message.tag, message.body.as_slice()) == (b'R', &[0, 0, 0, 3][..]) {
            wire.send(&frame(b'p', &c_string(token))).unwrap();
        }
        let last = matches!(message.tag, b'E' | b'Z');
        messages.push(message);
        if last {
            return (wire, messages);
        }
    }
}

/// A replication session that is signed in.
pub(crate) fn session(stage: &Stage, gateway: &Gateway<'_>, mode: &str) -> Wire {
    let (wire, messages) = start(stage, gateway, &[("replication", mode)]);
    let last = messages.last().unwrap();
    assert_eq!(last.tag, b'Z', "{:?}", last.field(b'M'));
    wire
}

fn error(messages: &[Message]) -> (String, String) {
    let error = messages.iter().find(|message| message.tag == b'E');
    let error = error.unwrap_or_else(|| panic!("no error among {}", tags(messages)));
    (error.field(b'C').unwrap(), error.field(b'M').unwrap())
}

/// What CopyData messages of a stream of changes say; keep-alives are left out.
fn changes(messages: &[Message]) -> String {
    let data = messages.iter().filter(|message| message.tag == b'd' && message.body[0] == b'w');
    // Behind the kind stand two positions and a time.
    data.map(|message| format!("{}\n", String::from_utf8_lossy(&message.body[25..]))).collect()
}

/// Reads a stream until it says this.
fn stream_until(wire: &mut Wire, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        let message = wire.message().unwrap();
        assert_eq!(message.tag, b'd', "{:?}", message.field(b'M'));
        seen += &changes(&[message]);
    }
    seen
}

/// Starts the stream of changes and reads until it runs.
fn stream(wire: &mut Wire) {
    assert_eq!(tags(&wire.query(SLOT).unwrap()), "T D C Z");
    wire.send(&query(LOGICAL)).unwrap();
    assert_eq!(wire.message().unwrap().tag, b'W');
}

/// A standby status update: nothing written yet, and no answer wanted.
fn status() -> Vec<u8> {
    frame(b'd', &[&b"r"[..], &[0; 32], &[0]].concat())
}

fn done() -> Vec<u8> {
    frame(b'c', b"")
}

#[test]
fn a_target_says_which_replication_sessions_it_opens() {
    let stage = replicated(OPEN, "none");
    let yes = ["true", "on", "1", "yes", "T"];
    for (scope, database, physical) in [
        ("none", Some("0A000"), Some("0A000")),
        ("logical", None, Some("0A000")),
        ("all", None, None),
    ] {
        open_to(&stage, scope);
        let gateway = stage.site.start();
        let mut asked = vec![("database", database)];
        asked.extend(yes.map(|value| (value, physical)));
        asked.extend(["false", "off", "0", "no", "f"].map(|value| (value, None)));
        asked.extend(["", "o", "Database", "2", "tru e"].map(|value| (value, Some("08P01"))));
        for (value, sqlstate) in asked {
            let (mut wire, messages) = start(&stage, &gateway, &[("replication", value)]);
            let last = messages.last().unwrap();
            let state = if last.tag == b'E' { last.field(b'C') } else { None };
            assert_eq!(state.as_deref(), sqlstate, "{scope} {value}: {:?}", last.field(b'M'));
            if sqlstate.is_none() {
                let answers = wire.query("IDENTIFY_SYSTEM").unwrap();
                let walsender = value == "database" || yes.contains(&value);
                let expected = if walsender { "T D C Z" } else { "E Z" };
                assert_eq!(tags(&answers), expected, "{scope} {value}: {:?}", texts(&answers));
            }
        }
    }
}

/// What the packet itself says can't be said again in `options`, where it would come last and win.
#[test]
fn options_name_no_other_database_or_kind_of_session() {
    let stage = replicated(OPEN, "logical");
    stage.admin("CREATE DATABASE other");
    let gateway = stage.site.start();
    for (options, more) in [
        ("-c database=other", ("application_name", "x")),
        ("--database=other", ("replication", "database")),
        ("-c replication=true", ("application_name", "x")),
        ("-creplication=true", ("replication", "database")),
        ("-c user=postgres", ("application_name", "x")),
    ] {
        let (_, messages) = start(&stage, &gateway, &[("options", options), more]);
        assert_eq!(error(&messages).0, "08P01", "{options}");
    }
}

#[test]
fn a_stream_of_changes_runs_both_ways_and_is_in_the_log() {
    let stage = replicated(OPEN, "logical");
    let gateway = stage.site.start();
    let mut wire = session(&stage, &gateway, "database");
    let current = wire.query("SELECT current_database()").unwrap();
    assert_eq!(texts(&current), [Some(DATABASE.to_owned())], "SQL goes on");
    assert_eq!(tags(&wire.query("SHOW wal_level").unwrap()), "T D C Z");
    stream(&mut wire);
    stage.admin("UPDATE customers SET name = 'Streamed One' WHERE id = 42");
    assert!(stream_until(&mut wire, "COMMIT").contains("Streamed One"));
    wire.send(&status()).unwrap();
    stage.admin("UPDATE customers SET name = 'Streamed Two' WHERE id = 42");
    assert!(stream_until(&mut wire, "COMMIT").contains("Streamed Two"));
    wire.send(&done()).unwrap();
    let mut end = wire.messages_until(b'Z').unwrap();
    end.retain(|message| message.tag != b'd');
    assert_eq!(tags(&end), "c C C Z", "the client ends the stream");
    assert_eq!(tags(&wire.query("DROP_REPLICATION_SLOT \"s\"").unwrap()), "C Z");
    drop(wire);
    assert!(gateway.stop().success());

    let log = stage.site.log_dir();
    let requests = entries_of(&log, "request");
    let of = |kind: &str| requests.iter().filter(|it| it["body"]["kind"] == kind).count();
    assert_eq!(of("sql_replication"), 4, "SHOW, CREATE, START and DROP");
    assert_eq!(of("sql_copy_data"), 1, "the client's status");
    let started = requests.iter().find(|it| it["body"]["verbs"][0] == "start_replication");
    let started = started.expect("the stream is recorded");
    assert_eq!(started["body"]["class"], "admin");
    let object = started["body"]["objects"][0].to_string();
    assert!(object.contains("replication_slot") && object.contains("write"), "{object}");
    let number = &started["body"]["number"];
    let answers = entries_of(&log, "response");
    let answers = answers.iter().filter(|it| it["body"]["number"] == *number).count();
    assert!(answers >= 3, "the parts of the stream are recorded as they come: {answers}");
}

/// The target's setting, not the role's rights, decides what a replication session may ask for.
#[test]
fn a_target_open_to_logical_replication_gives_no_physical_one() {
    let stage = replicated(OPEN, "logical");
    let gateway = stage.site.start();
    let mut wire = session(&stage, &gateway, "database");
    for sql in [
        PHYSICAL,
        "BASE_BACKUP (LABEL 'x')",
        "CREATE_REPLICATION_SLOT p PHYSICAL",
        "TIMELINE_HISTORY 1",
    ] {
        let answers = wire.query(sql).unwrap();
        assert_eq!(tags(&answers), "E Z", "{sql}");
        assert_eq!(error(&answers).0, "42501", "{sql}: {}", error(&answers).1);
    }
    assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z");
    drop((wire, gateway));
    // The guard taken away: with "all" the server does it.
    open_to(&stage, "all");
    let gateway = stage.site.start();
    let mut wire = session(&stage, &gateway, "database");
    wire.send(&query(PHYSICAL)).unwrap();
    assert_eq!(wire.message().unwrap().tag, b'W');
}

#[test]
fn malformed_commands_and_other_words_are_native_errors() {
    let stage = replicated(OPEN, "all");
    let gateway = stage.site.start();
    let mut plain = stage.wire(&gateway);
    for sql in ["IDENTIFY_SYSTEM", LOGICAL, "BASE_BACKUP", SLOT] {
        assert_eq!(error(&plain.query(sql).unwrap()).0, "42601", "{sql}: a session of its own");
    }
    let mut logical = session(&stage, &gateway, "database");
    let mut physical = session(&stage, &gateway, "true");
    for (sql, state, bare) in [
        ("START_REPLICATION SLOT \"s LOGICAL 0/0", "42601", "42601"),
        ("START_REPLICATION 0/0; DROP TABLE customers", "42601", "42601"),
        ("SHOW work_mem; DROP TABLE customers", "42601", "42601"),
        ("IDENTIFY_SYSTEM /* */", "42601", "42601"),
        ("UPLOAD_MANIFEST", "42601", "42601"),
        ("DROP_REPLICATION_SLOT \"none\"", "42704", "42704"),
        ("identify_system", "42601", "0A000"),
        ("DROP TABLE nowhere", "42P01", "0A000"),
        ("", "", "0A000"),
    ] {
        for (wire, expected) in [(&mut logical, state), (&mut physical, bare)] {
            let answers = wire.query(sql).unwrap();
            if expected.is_empty() {
                assert_eq!(tags(&answers), "I Z", "{sql}");
                continue;
            }
            assert_eq!(tags(&answers), "E Z", "{sql}");
            assert_eq!(error(&answers).0, expected, "{sql}: {}", error(&answers).1);
        }
    }
    // The server takes no extended messages there, and says so itself.
    for (sql, state) in [("SELECT 1", "08P01"), ("IDENTIFY_SYSTEM", "0A000")] {
        let run = [parse("", sql), bind("", "", &[], false), execute("", 0), sync()];
        logical.send(&run.concat()).unwrap();
        assert_eq!(error(&logical.messages_until(b'Z').unwrap()).0, state, "{sql}");
    }
    assert_eq!(stage.admin("SELECT count(*) > 0 FROM customers"), "t\n");
    for wire in [&mut logical, &mut physical] {
        assert_eq!(tags(&wire.query("IDENTIFY_SYSTEM").unwrap()), "T D C Z");
    }
}

#[test]
fn where_values_are_masked_no_stream_and_no_backup_is_given() {
    for mode in ["strict", "standard", "values"] {
        let stage = replicated(&masking(&format!("\n[masking]\nmode = \"{mode}\"\n")), "all");
        let gateway = stage.site.start();
        let mut wire = session(&stage, &gateway, "database");
        assert_eq!(tags(&wire.query(SLOT).unwrap()), "T D C Z");
        stage.admin("UPDATE customers SET email = email WHERE id = 42");
        for sql in [LOGICAL, PHYSICAL, "BASE_BACKUP (LABEL 'x')"] {
            let answers = wire.query(sql).unwrap();
            let (state, message) = error(&answers);
            assert_eq!((tags(&answers).as_str(), state.as_str()), ("E Z", "42501"), "{sql}");
            assert!(message.contains("masking.stream"), "{mode}: {sql}: {message}");
        }
        let copy = "COPY (SELECT email FROM customers) TO STDOUT";
        assert_eq!(error(&wire.query(copy).unwrap()).0, "42501", "{mode}");
        let answers = wire.query("SELECT email, name FROM customers WHERE id = 42").unwrap();
        assert_eq!(texts(&answers), [Some("MASKED".into()), Some("Chidi Jansen".into())]);
        for sql in ["IDENTIFY_SYSTEM", "SHOW wal_level"] {
            let answers = wire.query(sql).unwrap();
            assert_eq!(tags(&answers), "T D C Z", "{sql}");
            assert_eq!(leaks(&format!("{:?}", texts(&answers))), None);
        }
    }
}

#[test]
fn plugins_and_people_decide_about_streams() {
    let policy = format!(
        "default = \"allow\"\n\n[approval]\napprovers = [\"data-owners\"]\n\
         decide_within_secs = 60\n{}",
        approval("\"start_replication\"")
    );
    let stage = replicated(&policy, "all");
    let gateway = stage.site.start();
    let approver = stage.okta.mint(&MintRequest::person(&bob(), CONSOLE_CLIENT));
    let mut wire = session(&stage, &gateway, "database");
    assert_eq!(tags(&wire.query(SLOT).unwrap()), "T D C Z");
    for answer in ["deny", "approve"] {
        wire.send(&query(LOGICAL)).unwrap();
        let open = wait_for_questions(&gateway, &approver, 1);
        let decide = ["approvals", answer, open[0].as_str()];
        ask(&gateway, &approver, &decide).success(answer);
        if answer == "deny" {
            assert_eq!(error(&wire.messages_until(b'Z').unwrap()).0, "YA002");
        }
    }
    wire.messages_until(b'W').unwrap();

    // Nothing is allowed unless somebody allows it.
    drop((wire, gateway));
    stage.site.set_policy("default = \"deny\"\n");
    let gateway = stage.site.start();
    let mut wire = session(&stage, &gateway, "true");
    assert_eq!(error(&wire.query("IDENTIFY_SYSTEM").unwrap()).0, "42501");
    assert_eq!(error(&wire.query(PHYSICAL).unwrap()).0, "42501");
}

const STREAMING: &str = "SELECT count(*) FROM pg_stat_replication";

#[test]
fn a_stream_that_is_cancelled_or_left_ends_on_the_server() {
    let stage = replicated(OPEN, "all");
    let gateway = stage.site.start();
    let (mut wire, messages) = start(&stage, &gateway, &[("replication", "database")]);
    let key = messages.iter().find(|message| message.tag == b'K').expect("a cancel key");
    stream(&mut wire);
    stage.wait_for(STREAMING, "1\n");
    let mut asking = gateway.wire();
    asking.send(&cancel_request(&key.body)).unwrap();
    assert!(asking.closed_within(READ_SECS_MAX).unwrap());
    let answers = wire.messages_until(b'Z').unwrap();
    assert_eq!(error(&answers).0, "57014");
    // What the client still says of the stream is dropped, as the server drops it.
    wire.send(&[status(), done()].concat()).unwrap();
    assert_eq!(tags(&wire.query("IDENTIFY_SYSTEM").unwrap()), "T D C Z", "the session goes on");

    let mut leaving = session(&stage, &gateway, "true");
    leaving.send(&query(PHYSICAL)).unwrap();
    leaving.messages_until(b'd').unwrap();
    drop((leaving, wire));
    stage.wait_for(STREAMING, "0\n");

    let mut ended = session(&stage, &gateway, "true");
    ended.send(&query(PHYSICAL)).unwrap();
    ended.messages_until(b'd').unwrap();
    stage.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
    assert_eq!(error(&ended.messages_until(b'E').unwrap()).0, "57P01");
    assert!(ended.closed_within(READ_SECS_MAX).unwrap());
}

#[test]
fn a_client_that_says_something_else_inside_a_stream_loses_its_session() {
    let stage = replicated(OPEN, "all");
    let gateway = stage.site.start();
    // From here on there is little to send: what is told must not meet a write under way.
    let here = stage.admin("SELECT pg_current_wal_flush_lsn()");
    let physical = format!("START_REPLICATION PHYSICAL {} TIMELINE 1", here.trim());
    for (what, bytes) in [
        ("a Query", query("DROP TABLE customers")),
        ("CopyFail", frame(b'f', &c_string("no"))),
        ("Sync", sync()),
        ("a Parse", parse("", "SELECT 1")),
    ] {
        let mut wire = session(&stage, &gateway, "true");
        wire.send(&query(&physical)).unwrap();
        assert_eq!(wire.message().unwrap().tag, b'W');
        wire.send(&bytes).unwrap();
        let messages: Vec<Message> = std::iter::from_fn(|| wire.message().ok()).collect();
        let told = messages.iter().find(|message| message.tag == b'E');
        assert!(told.is_none_or(|it| it.field(b'C').as_deref() == Some("08P01")), "{what}");
        assert!(messages.iter().all(|it| matches!(it.tag, b'd' | b'E')), "{what}");
    }
    stage.wait_for(STREAMING, "0\n");
    assert!(gateway.stop().success());
    let ends = entries_of(&stage.site.log_dir(), "session_end");
    let broken = |end: &&serde_json::Value| end.to_string().contains("protocol_violation");
    assert_eq!(ends.iter().filter(broken).count(), 4, "{ends:?}");
    assert_eq!(stage.admin("SELECT count(*) > 0 FROM customers"), "t\n");
}

#[test]
fn a_stream_ends_with_its_token_its_policy_and_its_targets_setting() {
    let stage = replicated(OPEN, "all");
    let gateway = stage.site.start();
    let until_end = |wire: &mut Wire| error(&wire.messages_until(b'E').unwrap());

    let mut short = MintRequest::client(&portcullis_tests::okta::agent());
    short.lifetime_secs = Some(3);
    let token = stage.okta.mint(&short);
    let (mut expiring, _) = start_as(&gateway, &token, &[("replication", "true")]);
    expiring.send(&query(PHYSICAL)).unwrap();
    let (state, message) = until_end(&mut expiring);
    assert!(message.contains("token has expired"), "{state} {message}");

    let mut wire = session(&stage, &gateway, "database");
    stream(&mut wire);
    stage.site.set_policy(&masking(""));
    let mut other = stage.wire(&gateway);
    let end = std::time::Instant::now() + READ_SECS_MAX;
    while !texts(&other.query("SELECT email FROM customers WHERE id = 42").unwrap())
        .contains(&Some("MASKED".to_owned()))
    {
        assert!(std::time::Instant::now() < end, "the policy never came into force");
    }
    stage.admin("UPDATE customers SET notes = email WHERE id = 42");
    let messages = wire.messages_until(b'E').unwrap();
    assert_eq!(error(&messages).0, "57P01", "{}", error(&messages).1);
    assert_eq!(leaks(&changes(&messages)), None, "nothing of what is masked now has left");

    stage.site.set_policy(OPEN);
    let mut wire = session(&stage, &gateway, "true");
    open_to(&stage, "logical");
    let (state, message) = until_end(&mut wire);
    assert_eq!(state, "57P01", "{message}");
    assert!(message.contains("no longer open"), "{message}");
}

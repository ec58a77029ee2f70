//! The log of record from outside: after a crash, after a change, on a full disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use portcullis_tests::clients::CLIENT_SECS_MAX;
use portcullis_tests::folder;
use portcullis_tests::gateway::binary;
use portcullis_tests::https::{self, Question};
use portcullis_tests::operator::{
    ALLOW, Stage, WAIT_SECS_MAX, ask, entries, entries_of, shop_policy, wait_for,
};
use portcullis_tests::process::{self, Output, Server};
use serde_json::Value;

/// Clients that write while the gateway is killed.
const WRITERS: usize = 4;
/// Statements that each of them has in store: more than it gets to.
const STATEMENTS: usize = 20_000;
/// Statements that each of them must see confirmed before the kill.
const CONFIRMED_MIN: usize = 40;

fn program(arguments: &[&str], path: &Path) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).arg(path);
    process::run(command, "", CLIENT_SECS_MAX)
}

/// The reports of the newest sessions in a log that no gateway holds.
fn reports(log: &Path, most: usize) -> Vec<Value> {
    let arguments = ["sessions", "list", "--limit", &most.to_string(), "--dir"];
    let listed = program(&arguments, log).success("sessions list");
    let ids = listed.lines().map(|line| {
        let session: Value = serde_json::from_str(line).expect("a session is JSON");
        session["id"].as_str().expect("a session has an id").to_owned()
    });
    ids.map(|id| {
        let arguments = ["sessions", "report", &id, "--format", "json", "--dir"];
        let report = program(&arguments, log).success("sessions report");
        serde_json::from_str(&report).expect("the report is JSON")
    })
    .collect()
}

/// Ids that requests of these sessions were recorded with, and ids in recorded replies.
fn recorded(reports: &[Value]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
    for moment in reports.iter().flat_map(|report| report["timeline"].as_array().unwrap()) {
        if let Some(text) = moment["command"]["text"].as_str() {
            let id = text.split('\'').nth(1).unwrap_or_default();
            asked.insert(id.to_owned());
        }
        let results = moment["results"].as_array().into_iter().flatten();
        for row in results.flat_map(|result| result["rows"].as_array().into_iter().flatten()) {
            answered.extend(row[0].as_str().map(str::to_owned));
        }
    }
    (asked, answered)
}

/// How often the gateway is killed where the environment says nothing: what fits the tests.
const KILLS: usize = 2;
/// The variable that says so.
const KILLS_VARIABLE: &str = "PORTCULLIS_LOG_KILLS";

#[test]
fn a_killed_gateway_has_lost_nothing_that_a_client_saw() {
    let kills = std::env::var(KILLS_VARIABLE).map_or(KILLS, |text| text.parse().expect("a number"));
    let stage = Stage::new(ALLOW);
    stage.make_marks();
    let mut confirmed = BTreeSet::new();
    for round in 0..kills {
        let gateway = stage.site.start();
        let start = |writer: usize| -> Server {
            let file = stage.site.dir().join(format!("writer-{writer}.sql"));
            let line = |row| {
                format!("INSERT INTO marks VALUES ('w{writer}-{round}-{row}') RETURNING id;\n")
            };
            fs::write(&file, (0..STATEMENTS).map(line).collect::<String>()).unwrap();
            gateway.psql(&stage.okta.agent_token()).start_file(&file)
        };
        let mut writers: Vec<Server> = (0..WRITERS).map(start).collect();
        // Another number each time, so that the kill falls into another moment of a commit.
        for _ in 0..CONFIRMED_MIN + round % 7 {
            confirmed.extend(writers.iter_mut().map(|writer| writer.line(WAIT_SECS_MAX)));
        }
        gateway.kill();
        for writer in &mut writers {
            confirmed.extend(writer.rest(WAIT_SECS_MAX));
            assert!(!writer.wait(WAIT_SECS_MAX).expect("psql ends").success(), "it got to the end");
        }
    }
    assert!(confirmed.len() >= kills * WRITERS * CONFIRMED_MIN, "{}", confirmed.len());

    // The next run says what the last one left.
    assert!(stage.site.start().stop().success());
    let log = stage.site.log_dir();
    let verdict = program(&["audit", "verify"], &log).success("audit verify");
    assert!(verdict.contains("intact"), "{verdict}");
    let reports = reports(&log, kills * WRITERS);
    assert_eq!(reports.len(), kills * WRITERS);
    for report in &reports {
        assert_eq!(report["session"]["state"], "torn", "{}", report["session"]);
        assert_eq!(report["gaps"], serde_json::json!([]));
    }
    let boots = entries_of(&log, "boot");
    assert_eq!(boots.len(), kills + 1);
    for boot in &boots[1..] {
        let (clean, torn) = (&boot["body"]["clean"], &boot["body"]["torn"]);
        assert_eq!((clean, torn), (&Value::from(false), &Value::from(WRITERS)), "{boot}");
    }

    let (asked, answered) = recorded(&reports);
    let lost: Vec<&String> = confirmed.difference(&answered).collect();
    assert!(lost.is_empty(), "the client saw replies that the log has not: {lost:?}");
    let rows = stage.postgres.admin().run("SELECT id FROM marks").success("reading the table");
    let unasked: Vec<&str> = rows.lines().filter(|id| !asked.contains(*id)).collect();
    assert!(unasked.is_empty(), "the target ran what the log has not: {unasked:?}");
    assert!(confirmed.iter().all(|id| asked.contains(id)));
    eprintln!("{kills} kills, {} replies seen, none lost", confirmed.len());
}

#[test]
fn one_changed_byte_is_found_and_its_entry_named() {
    let stage = Stage::new(ALLOW);
    let log = stage.log_with_a_session();
    program(&["audit", "verify"], &log).success("the log as it was written");
    let bytes = fs::read(log.join("log.redb")).unwrap();
    let needle = br#""state":"permitted""#;
    let places: Vec<usize> =
        (0..bytes.len() - needle.len()).filter(|at| bytes[*at..].starts_with(needle)).collect();
    assert!(places.len() >= 3, "the entries stand in the file as they are");
    let copy = stage.site.dir().join("changed.redb");
    let mut named = 0;
    for at in places {
        let mut changed = bytes.clone();
        changed[at + 9] = b'q';
        fs::write(&copy, changed).unwrap();
        let verdict = program(&["audit", "verify"], &copy);
        match verdict.code {
            Some(1) => {
                assert!(verdict.stdout.contains("tampered: first bad entry "), "{verdict:?}");
                named += 1;
            }
            // A page that redb has left behind is no part of the log.
            Some(0) => {}
            _ => panic!("{verdict:?}"),
        }
    }
    assert!(named >= 3, "{named} of the changes were found");

    // A log that lost its end agrees with itself; only a checkpoint kept elsewhere tells.
    let gone = program(&["audit", "verify"], &stage.site.dir().join("nothing.redb"));
    assert_eq!(gone.code, Some(3), "{gone:?}");
}

#[test]
fn a_log_put_back_is_told_by_a_checkpoint_kept_elsewhere() {
    let stage = Stage::new(ALLOW);
    let log = stage.log_with_a_session();
    let old = stage.site.dir().join("old.redb");
    fs::copy(log.join("log.redb"), &old).unwrap();
    let gateway = stage.site.start();
    gateway.psql(&stage.okta.agent_token()).run("SELECT 4").success("another session");
    let question = Question { method: "GET", path: "/v1/status", headers: &[], body: "" };
    let status = https::ask(gateway.admin_address(), question).expect("the endpoint answers");
    let status: Value = serde_json::from_str(&status.body).expect("the status is JSON");
    let checkpoint = stage.site.dir().join("checkpoint");
    fs::write(&checkpoint, status["log"]["checkpoint"].as_str().unwrap()).unwrap();
    assert!(gateway.stop().success());
    let pinned = ["audit", "verify", "--checkpoint", checkpoint.to_str().unwrap()];
    program(&pinned, &log).success("the log as it is");
    let verdict = program(&pinned, &old);
    assert_eq!(verdict.code, Some(2), "{verdict:?}");
    assert!(verdict.stdout.contains("rolled back"), "{verdict:?}");
}

#[test]
fn a_live_log_can_be_copied_judged_and_read_and_shows_masked_values_only() {
    let stage = Stage::new(&shop_policy(60));
    let gateway = stage.site.start();
    let auditor = stage.approver_token();
    let sql = "SELECT name, email, card_number FROM customers WHERE id = 42";
    let row = gateway.psql(&stage.okta.agent_token()).run(sql).success("a masked row");
    assert!(row.contains("Chidi Jansen") && row.contains("0005"), "{row}");
    let clear = ["chidi.jansen42@mail.example", "378282246310005"];
    assert!(!clear.iter().any(|value| row.contains(value)), "{row}");

    let copy = stage.site.dir().join("copy.redb");
    let copied = ["audit", "snapshot", "--out", copy.to_str().unwrap()];
    ask(&gateway, &auditor, &copied).success("audit snapshot");
    let verdict = program(&["audit", "verify"], &copy).success("verifying the copy");
    assert!(verdict.contains("intact"), "{verdict}");
    assert!(entries(&copy).iter().any(|entry| entry["type"] == "response"));

    let (listed, live) = wait_for("the end of the session", || {
        let listed = ask(&gateway, &auditor, &["sessions", "list"]).success("sessions list");
        let session: Value = serde_json::from_str(listed.lines().next()?).ok()?;
        (session["state"] == "ended").then(|| (listed.clone(), session))
    });
    let id = live["id"].as_str().unwrap();
    let shown = ask(&gateway, &auditor, &["sessions", "show", id]).success("sessions show");
    let told = ask(&gateway, &auditor, &["sessions", "report", id]).success("sessions report");
    for words in ["Chidi Jansen", "0005", sql] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // Somebody who is no auditor, and somebody who is nobody.
    let output = ask(&gateway, &stage.okta.agent_token(), &["sessions", "list"]);
    assert_eq!(output.code, Some(1), "an agent read the log: {}", output.stdout);
    // Nobody reads a log under a gateway's hands.
    let output = program(&["sessions", "list", "--dir"], &stage.site.log_dir());
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("in use by another process"), "{}", output.stderr);
    assert!(gateway.stop().success());

    let log = stage.site.log_dir();
    let at_rest = program(&["sessions", "list", "--dir"], &log).success("sessions list");
    assert_eq!(at_rest, listed, "the same at rest");
    let arguments = ["sessions", "report", id, "--dir"];
    let told_at_rest = program(&arguments, &log).success("sessions report");
    let shown_at_rest = program(&["sessions", "show", id, "--dir"], &log).success("show");
    for text in [&shown, &told, &told_at_rest, &shown_at_rest, &listed] {
        assert!(!clear.iter().any(|value| text.contains(value)), "{text}");
    }
    assert!(told_at_rest.contains("0005"), "{told_at_rest}");
    let looks = entries_of(&log, "event");
    let looks = looks.iter().filter(|entry| entry["body"]["event"] == "audit_access").count();
    assert!(looks >= 3, "who looked is recorded: {looks}");
}

/// What the verifier in Python says.
fn second(path: &Path, key: &Path) -> Output {
    let python = folder::cache().join("drivers/verifier/bin/python");
    assert!(python.exists(), "{} is missing: run scripts/setup.sh test", python.display());
    let mut command = Command::new(python);
    command.arg("-B").arg(folder::repository().join("docs/verify/verify.py")).arg(path);
    command.arg("--key").arg(key);
    process::run(command, "", CLIENT_SECS_MAX)
}

#[test]
fn a_bundle_and_tiles_prove_themselves_to_two_programs() {
    let stage = Stage::new(&shop_policy(60));
    let gateway = stage.site.start();
    let auditor = stage.approver_token();
    let sql = "SELECT name, email FROM customers WHERE id = 42";
    gateway.psql(&stage.okta.agent_token()).run(sql).success("a masked row");
    let id = wait_for("the end of the session", || {
        let listed = ask(&gateway, &auditor, &["sessions", "list"]).success("sessions list");
        let session: Value = serde_json::from_str(listed.lines().next()?).ok()?;
        (session["state"] == "ended").then(|| session["id"].as_str().unwrap().to_owned())
    });
    let bundle = stage.site.dir().join("session.tar");
    let asked = ["sessions", "report", &id, "--bundle", bundle.to_str().unwrap()];
    ask(&gateway, &auditor, &asked).success("sessions report --bundle");
    let live = ask(&gateway, &auditor, &["audit", "verify"]).success("the live log");
    assert!(live.contains("intact: audit."), "{live}");
    let agent = ask(&gateway, &stage.okta.agent_token(), &["audit", "verify"]);
    assert_eq!(agent.code, Some(3), "an agent got the log: {agent:?}");
    assert!(gateway.stop().success());

    let log = stage.site.log_dir();
    let key = log.join("log.vkey");
    let pinned = ["audit", "verify", "--key", key.to_str().unwrap()];
    let said = program(&pinned, &bundle).success("the bundle");
    assert!(said.contains("intact: one session of audit."), "{said}");
    second(&bundle, &key).success("the bundle, in Python");
    let looks = entries_of(&log, "event");
    let look = format!("bundle {id}");
    assert!(looks.iter().any(|entry| entry["body"]["what"] == look.as_str()), "{looks:?}");
    // It has what the client got, and not what was masked.
    let bytes = fs::read(&bundle).unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has(sql) && has("Chidi Jansen") && !has("chidi.jansen42@mail.example"));

    let tiles = stage.site.dir().join("tiles");
    let export = ["audit", "tiles", "--out", tiles.to_str().unwrap()];
    program(&export, &log).success("audit tiles");
    program(&pinned, &tiles).success("the tiles");
    second(&tiles, &key).success("the tiles, in Python");
    let at_rest = stage.site.dir().join("at-rest.tar");
    let asked = ["sessions", "report", &id, "--bundle", at_rest.to_str().unwrap(), "--dir"];
    program(&asked, &log).success("a bundle of a log at rest");
    program(&pinned, &at_rest).success("the bundle of a log at rest");

    // The entry itself, not the report of it.
    let needle = br#""type":"request""#;
    let at = (0..bytes.len()).find(|at| bytes[*at..].starts_with(needle)).unwrap();
    let mut changed = bytes;
    changed[at + 8] = b'q';
    fs::write(&bundle, changed).unwrap();
    let (ours, theirs) = (program(&pinned, &bundle), second(&bundle, &key));
    assert_eq!((ours.code, theirs.code), (Some(1), Some(1)), "{ours:?} {theirs:?}");
    let place = "first bad entry 1:";
    assert!(ours.stdout.contains(place) && theirs.stdout.contains(place), "{ours:?} {theirs:?}");
    fs::remove_dir_all(tiles.join("tile/entries")).unwrap();
    let (ours, theirs) = (program(&pinned, &tiles), second(&tiles, &key));
    assert_eq!((ours.code, theirs.code), (Some(2), Some(2)), "{ours:?} {theirs:?}");
}

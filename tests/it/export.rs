//! The log on its way to others: real receivers, killed at any moment on either side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use portcullis_tests::folder;
use portcullis_tests::gateway::Gateway;
use portcullis_tests::https::{self, Question};
use portcullis_tests::operator::{ALLOW, Stage, entries, folder_holds, status, wait_for};
use portcullis_tests::postgres::{APP_PASSWORD, APP_ROLE, DATABASE};
use portcullis_tests::receivers::{FakeSplunk, HEC_TOKEN, Rotel, Rsyslog, S3_SECRET, Seaweed};
use serde_json::Value;

/// How often either side is killed where the environment says nothing: what fits the tests.
const KILLS: usize = 10;
/// The variable that says so.
const KILLS_VARIABLE: &str = "PORTCULLIS_EXPORT_KILLS";
/// Longest wait for an export to have everything.
const BEHIND_SECS_MAX: Duration = Duration::from_secs(150);

/// Adds an export to the gateway's configuration.
fn add(stage: &Stage, name: &str, entry: &str) {
    let section = format!("\n[[export]]\nname = \"{name}\"\n{entry}");
    stage.site.edit_config(|text| text + &section);
}

/// Waits until every export has everything; gives the size of the log then.
fn caught_up(gateway: &Gateway<'_>) -> u64 {
    let end = Instant::now() + BEHIND_SECS_MAX;
    loop {
        let status = status(gateway);
        let exports = status["exports"].as_array().expect("the exports are listed");
        let size = status["log"]["size"].as_u64().expect("the log has a size");
        if exports.iter().all(|export| export["acknowledged"] == size) {
            return size;
        }
        assert!(Instant::now() < end, "an export is behind: {:#}", status["exports"]);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Indexes of the entries that a receiver's text names by their uid.
fn named(text: &str) -> BTreeSet<u64> {
    let places = text.split("audit.acme.test/gw-1/").skip(1);
    places
        .filter_map(|rest| {
            let (_, number) = rest.split_once('#')?;
            let digits = number.bytes().take_while(u8::is_ascii_digit).count();
            number[..digits].parse().ok()
        })
        .collect()
}

/// Every line of a receiver, by the uid in it: one uid, one text.
fn one_text_a_uid(what: &str, text: &str) -> usize {
    let mut seen: BTreeMap<u64, &str> = BTreeMap::new();
    let mut twice = 0;
    for line in text.lines() {
        let Some(index) = named(line).into_iter().next() else { continue };
        if let Some(before) = seen.insert(index, line) {
            assert_eq!(before, line, "{what}: two texts for entry {index}");
            twice += 1;
        }
    }
    twice
}

fn whole(what: &str, text: &str, size: u64) {
    let found = named(text);
    let missing: Vec<u64> = (0..size).filter(|index| !found.contains(index)).collect();
    assert!(missing.is_empty(), "{what} has not {missing:?} of {size}");
}

/// The files with the secrets of Splunk and S3.
fn secret_files(stage: &Stage) -> (PathBuf, PathBuf) {
    let (token, secret) = (stage.site.dir().join("hec"), stage.site.dir().join("s3.secret"));
    folder::write_private(&token, HEC_TOKEN);
    folder::write_private(&secret, S3_SECRET);
    (token, secret)
}

#[test]
fn every_receiver_gets_every_entry_and_no_secret() {
    let stage = Stage::new(ALLOW);
    let dir = stage.site.dir().join("receivers");
    let (closing, ending) =
        (Rsyslog::start(&dir.join("gtls"), "gtls"), Rsyslog::start(&dir.join("ossl"), "ossl"));
    let (rotel, seaweed) = (Rotel::start(&dir.join("rotel")), Seaweed::start(&dir.join("s3")));
    let splunk = FakeSplunk::start(&dir.join("splunk"), 0);
    let (token, secret) = secret_files(&stage);
    let file = stage.site.dir().join("siem.ndjson");
    let path = Value::from(file.display().to_string());
    add(&stage, "closing", &format!("{}format = \"cef\"\n", closing.entry()));
    let strict = format!(
        "{}format = \"ecs\"\nconfirm = \"close-notify\"\ninclude = \"statements\"\n",
        ending.entry()
    );
    add(&stage, "ending", &strict);
    add(&stage, "rotel", &format!("{}include = \"statements\"\n", rotel.entry()));
    add(&stage, "s3", &seaweed.entry(&secret));
    add(&stage, "splunk", &format!("{}include = \"statements\"\n", splunk.entry(&token)));
    add(&stage, "file", &format!("sink = \"file\"\nformat = \"ndjson\"\npath = {path}\n"));
    let gateway = stage.site.start();
    let agent = stage.okta.agent_token();
    let hostile = "SELECT 'canary-result-5f0e' || '1' /* \" \\ ] | = \u{1b}[2J\n<13>1 - forged \
                   audit.acme.test/gw-1/forged#999999 */";
    gateway.psql(&agent).run(hostile).success("a hostile statement");
    gateway.psql("not a token").run("SELECT 1");
    let size = caught_up(&gateway);
    assert!(size > 6, "{size}");
    let mut texts = vec![
        ("rsyslog gtls", closing.text()),
        ("rsyslog ossl", ending.text()),
        ("splunk", splunk.text()),
        ("file", std::fs::read_to_string(&file).unwrap()),
    ];
    let printed = wait_for("the collector's print", || {
        let text = rotel.text();
        (0..size).all(|index| named(&text).contains(&index)).then_some(text)
    });
    texts.push(("rotel", printed));
    texts.push(("s3", seaweed.text()));
    for (what, text) in &texts {
        whole(what, text, size);
        assert!(text.contains("checkpoint-"), "{what} got no checkpoint");
        for secret in [agent.as_str(), APP_PASSWORD, HEC_TOKEN, S3_SECRET, "canary-result-5f0e1"] {
            assert!(!text.contains(secret), "{what} holds {secret}");
        }
        let statement = text.contains("canary-result-5f0e");
        let asked = ["rsyslog ossl", "splunk", "rotel"].contains(what);
        assert_eq!(statement, asked, "{what}: statements only where asked for");
    }
    // No text of a client begins a line or a message of its own.
    for (what, text) in texts.iter().filter(|(what, _)| what.starts_with("rsyslog")) {
        assert!(text.lines().all(|line| line.contains("[portcullis@32473 uid=")), "{what}");
    }
    assert!(gateway.stop().success());
    for name in ["data/export", "data/log"] {
        let dir = stage.site.dir().join(name);
        for secret in [HEC_TOKEN, S3_SECRET] {
            assert!(!folder_holds(&dir, secret.as_bytes()), "{name} holds {secret}");
        }
    }
    word_for_word(&stage, &texts[3].1);
}

/// The entries as a file has them are those of the log.
fn word_for_word(stage: &Stage, text: &str) {
    let log = entries(&stage.site.log_dir());
    for line in text.lines().filter(|line| line.contains("\"index\"")) {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let index = line["index"].as_u64().expect("an entry has an index");
        let mut stored = log[usize::try_from(index).expect("it fits")].clone();
        stored.as_object_mut().expect("an entry is an object").remove("index");
        assert_eq!(line["entry"], stored);
    }
}

#[test]
fn a_delivery_that_the_indexer_lost_is_made_again() {
    let stage = Stage::new(ALLOW);
    let token = stage.site.dir().join("hec");
    folder::write_private(&token, HEC_TOKEN);
    let dir = stage.site.dir().join("splunk");
    let splunk = FakeSplunk::start(&dir, 1);
    add(&stage, "splunk", &splunk.entry(&token));
    let gateway = stage.site.start();
    // The first delivery was answered with 200 and lost: it must not count.
    wait_for("the first delivery", || {
        let status = status(&gateway);
        (status["exports"][0]["waiting_secs"].as_u64()? > 0).then_some(())
    });
    assert_eq!(status(&gateway)["exports"][0]["acknowledged"], 0);
    assert_eq!(splunk.text(), "");
    gateway.kill();
    let gateway = stage.site.start();
    let size = caught_up(&gateway);
    whole("splunk", &splunk.text(), size);
}

#[test]
fn nothing_is_lost_when_either_side_is_killed_at_any_moment() {
    let kills = std::env::var(KILLS_VARIABLE).ok().and_then(|text| text.parse().ok());
    let kills: usize = kills.unwrap_or(KILLS);
    let stage = Stage::new(ALLOW);
    let dir = stage.site.dir().join("receivers");
    let mut rsyslog = Rsyslog::start(&dir.join("ossl"), "ossl");
    let mut seaweed = Seaweed::start(&dir.join("s3"));
    let rotel = Rotel::start(&dir.join("rotel"));
    let splunk = FakeSplunk::start(&dir.join("splunk"), 0);
    let (token, secret) = secret_files(&stage);
    let file = stage.site.dir().join("siem.ndjson");
    let path = Value::from(file.display().to_string());
    add(&stage, "syslog", &format!("{}confirm = \"close-notify\"\n", rsyslog.entry()));
    add(&stage, "s3", &seaweed.entry(&secret));
    add(&stage, "rotel", &rotel.entry());
    add(&stage, "splunk", &splunk.entry(&token));
    add(&stage, "file", &format!("sink = \"file\"\npath = {path}\n"));
    let agent = stage.okta.agent_token();
    let statements = "SELECT 1;\n".repeat(20);
    let mut gateway = stage.site.start();
    for kill in 0..kills {
        let writer = stage.site.dir().join(format!("writer-{kill}.sql"));
        folder::write(&writer, &statements);
        let mut psql = gateway.psql(&agent).start_file(&writer);
        // A different moment each time: while statements are recorded, delivered, acknowledged.
        std::thread::sleep(Duration::from_millis(37 * (kill as u64 % 16)));
        match kill % 5 {
            0 | 2 => {
                gateway.kill();
                gateway = stage.site.start();
            }
            1 | 3 => rsyslog.kill_and_start(),
            _ => seaweed.kill_and_start(),
        }
        psql.kill();
    }
    let size = caught_up(&gateway);
    let printed = wait_for("the collector's print", || {
        let text = rotel.text();
        (0..size).all(|index| named(&text).contains(&index)).then_some(text)
    });
    let file = std::fs::read_to_string(&file).unwrap();
    let texts = [
        ("syslog", rsyslog.text()),
        ("splunk", splunk.text()),
        ("file", file),
        ("s3", seaweed.text()),
    ];
    for (what, text) in &texts {
        whole(what, text, size);
        let twice = one_text_a_uid(what, text);
        eprintln!("{kills} kills: {what} has {size} entries, {twice} of them twice");
    }
    whole("rotel", &printed, size);
    assert!(gateway.stop().success());
}

#[test]
fn a_sink_that_is_down_stops_sessions_only_where_it_is_told_to() {
    let stage = Stage::new(ALLOW);
    let sql = format!("CREATE TABLE marks (id text); GRANT ALL ON marks TO {APP_ROLE}");
    stage.postgres.admin().run(&sql).success("making a table");
    // Nobody listens there.
    let port = portcullis_tests::postgres::free_port();
    let entry = format!("sink = \"otlp\"\nurl = \"http://127.0.0.1:{port}\"\n");
    add(&stage, "down", &entry);
    let gateway = stage.site.start();
    let agent = stage.okta.agent_token();
    wait_for("the failure", || {
        let status = status(&gateway);
        let export = &status["exports"][0];
        (export["last_error"].is_string() && export["waiting_secs"].as_u64()? >= 6).then_some(())
    });
    gateway.psql(&agent).run("SELECT 1").success("a session while a sink is down");
    assert!(gateway.stop().success());

    stage
        .site
        .edit_config(|text| text.replace(&entry, &format!("{entry}fail_closed_after_secs = 5\n")));
    let gateway = stage.site.start();
    let mut wire = gateway.wire_tls();
    wire.sign_in(APP_ROLE, DATABASE, &agent).expect("a session begins before the time is up");
    wire.query("INSERT INTO marks VALUES ('early')").expect("it runs before the time is up");
    assert_eq!(stage.count("SELECT count(*) FROM marks"), 1);
    let refused = wait_for("the refusal", || {
        let output = gateway.psql(&agent).run("SELECT 1");
        (output.code != Some(0)).then_some(output)
    });
    assert!(refused.stderr.contains("\"down\" is behind"), "{}", refused.stderr);
    let question = Question { method: "GET", path: "/readyz", headers: &[], body: "" };
    let ready = https::ask(gateway.admin_address(), question).expect("the endpoint answers");
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.body.contains("export_behind"), "{}", ready.body);
    // The session that was open runs nothing more.
    let answered = wire.query("INSERT INTO marks VALUES ('late')");
    assert!(answered.is_err(), "{answered:?}");
    assert_eq!(stage.count("SELECT count(*) FROM marks"), 1);
}

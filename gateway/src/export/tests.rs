#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ocsf;

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::*;
use crate::audit::fixture::{begin, claims, decided, open, rows};
use crate::audit::reader::{Stored, Words};
use crate::audit::{EndReason, Event as LogEvent, Refusal, SessionNote};
use crate::identity::Claims;
use crate::policy::{Denied, PluginStamp, Verdict};

/// What every hostile text of these tests tries to smuggle into a line.
const HOSTILE: &str =
    "SELECT 1\r\n<13>1 - evil - - - forged\n|act=allowed \\ \"] \u{7}\u{85}\u{2028}x";

/// A log with an entry of every kind that the gateway itself writes.
async fn every_kind(log: &Log) {
    log.event(LogEvent::ConfigChange { digest: "d".to_owned() }).await.unwrap();
    let who = "https://example.okta.com bob".to_owned();
    let look = LogEvent::AuditAccess { who: who.clone(), what: "report ses_1".to_owned() };
    log.event(look).await.unwrap();
    let late = LogEvent::LateAnswer {
        id: "apr_1".to_owned(),
        session: "ses_1".to_owned(),
        by: who,
        decision: crate::audit::ApprovalDecision::Approved,
        binding: "ab".to_owned(),
        note: HOSTILE.to_owned(),
    };
    log.event(late).await.unwrap();
    let plugins: Vec<PluginStamp> = Vec::new();
    let loaded = LogEvent::PolicyLoaded { target: "shop".into(), digest: "d".into(), plugins };
    log.event(loaded).await.unwrap();
    let reason = HOSTILE.to_owned();
    log.event(LogEvent::PolicyRejected { target: "shop".into(), reason }).await.unwrap();
    let fault = Fault::new(Blame::Client, "token_expired", "28000", HOSTILE);
    for claims in [None, Some(hostile_claims())] {
        let listener = "pg".to_owned();
        let (peer, fault) = ("192.0.2.7:4711".parse().unwrap(), fault.clone());
        let refusal = Refusal { listener, peer, stage: "identity", fault, claims, detail: None };
        log.refusal(refusal).await;
    }
    let recorder = begin(log).await;
    let permit = recorder.permit(decided(HOSTILE)).await.unwrap();
    let number = permit.number();
    recorder.deny(&denied("DROP TABLE customers")).await.unwrap();
    let result = rows("email", &["hidden-result"]);
    recorder.release(vec![(number, result)]).await.unwrap().await.unwrap();
    let detail = HOSTILE.to_owned();
    recorder.note(SessionNote::ProtocolViolation { detail }).await.unwrap();
    recorder.end(EndReason::Downstream).await.unwrap();
    log.event(LogEvent::Shutdown { reason: "told to stop".to_owned() }).await.unwrap();
}

fn hostile_claims() -> Claims {
    Claims { subject: HOSTILE.to_owned(), email: Some("no address".to_owned()), ..claims() }
}

fn denied(text: &str) -> Denied {
    let fault = Fault::new(Blame::Policy, "policy_denied", "42501", "no");
    let request = crate::audit::fixture::request(text);
    Denied::for_test(request, crate::audit::fixture::ruling(Verdict::Deny), fault)
}

/// Every entry of a log as an event, and the checkpoint at its end.
fn events(log: &Log, statements: bool) -> Vec<Event> {
    let mut follower = log.reader().follow();
    let origin: Arc<str> = log.status().origin.into();
    let stretch = follower.stretch(0, usize::MAX, usize::MAX).unwrap();
    let mut events: Vec<Event> = stretch
        .entries
        .iter()
        .map(|stored| event::event(&origin, stored, &mut follower, statements).unwrap())
        .collect();
    events.push(event::anchor(&origin, stretch.size, 1, &stretch.checkpoint));
    events
}

#[tokio::test]
async fn no_text_leaves_its_line_or_its_field() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    every_kind(&log).await;
    for event in events(&log, true) {
        for format in [Format::Cef, Format::Ecs, Format::Ndjson, Format::Ocsf] {
            let line = format.line(&event);
            assert!(!line.contains(['\n', '\r']), "{format:?}: {line:?}");
            if format == Format::Cef {
                assert_eq!(bare_bars(&line), 7, "{line}");
                let words = ["act", "externalId", "msg", "suser"];
                for key in words.map(|word| format!(" {word}=")) {
                    assert!(line.matches(&key).count() <= 1, "{key} {line}");
                }
                assert!(!line.chars().any(char::is_control), "{line:?}");
            } else {
                let value: Value = serde_json::from_str(&line).unwrap();
                assert!(value.is_object());
            }
        }
    }
}

/// Bars of a CEF line's header that no backslash stands before.
fn bare_bars(line: &str) -> usize {
    let mut escaped = false;
    let mut bars = 0;
    for ch in line.chars() {
        bars += usize::from(ch == '|' && !escaped && bars < 7);
        escaped = ch == '\\' && !escaped;
    }
    bars
}

#[tokio::test]
async fn statements_go_out_only_when_asked_for_and_results_never() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    every_kind(&log).await;
    let text = |statements| -> String {
        let events = events(&log, statements);
        let formats = [Format::Cef, Format::Ecs, Format::Ndjson, Format::Ocsf];
        formats.iter().flat_map(|format| events.iter().map(|event| format.line(event))).collect()
    };
    let (bare, whole) = (text(false), text(true));
    assert!(!bare.contains("DROP TABLE customers"));
    assert_eq!(whole.matches("DROP TABLE customers").count(), 4, "once in each format");
    for text in [&bare, &whole] {
        assert!(!text.contains("hidden-result"), "a result left the log");
    }
    // Erased: the session's key is gone, and so is the statement.
    std::fs::write(dir.path().join("log/session.keys"), "").unwrap();
    assert!(!text(true).contains("DROP TABLE customers"));
}

#[tokio::test]
async fn the_follower_opens_requests_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    every_kind(&log).await;
    let mut follower = log.reader().follow();
    let stretch = follower.stretch(0, usize::MAX, usize::MAX).unwrap();
    let mut texts = 0;
    for Stored { index, line } in &stretch.entries {
        let entry = crate::audit::entry::Entry::read(line).unwrap();
        match follower.words(*index, &entry).unwrap() {
            Words::Text(text) => {
                assert_eq!(entry.kind, "request");
                assert!(text == HOSTILE || text == "DROP TABLE customers", "{text}");
                texts += 1;
            }
            Words::None => assert_ne!(entry.kind, "request"),
            Words::Gone => panic!("the key is there"),
        }
    }
    assert_eq!(texts, 2);
    assert_eq!(follower.stretch(3, 2, usize::MAX).unwrap().entries.len(), 2);
    assert_eq!(follower.stretch(3, 9, 1).unwrap().entries.len(), 1, "one at least");
    assert_eq!(follower.stretch(3, 1, 1).unwrap().entries[0].index, 3);
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let stored = Stored { index: 7, line: b"{\"v\":2}\nforged".to_vec() };
    let origin: Arc<str> = "audit.example/gw1/x".into();
    let event = event::event(&origin, &stored, &mut log.reader().follow(), true).unwrap();
    assert_eq!(event.uid, "audit.example/gw1/x#7");
    let line = Format::Ndjson.line(&event);
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["unreadable"], "{\"v\":2}\nforged");
    assert!(!line.contains('\n'));
}

fn to_file(path: &Path) -> ExportSettings {
    ExportSettings {
        name: "siem".to_owned(),
        sink: SinkSettings::File { path: path.to_owned() },
        format: Format::Ndjson,
        include: Include::Metadata,
        begin: Begin::Beginning,
        fail_closed_after_secs: Some(5),
    }
}

/// Runs the exporters until what `done` says; gives the exports.
async fn run_until(
    dir: &Path,
    log: &Log,
    settings: &ExportSettings,
    mut done: impl FnMut(&ExportStatus) -> bool,
) -> Exports {
    let (exports, exporters) =
        Exports::prepare(std::slice::from_ref(settings), &dir.join("export"), log).unwrap();
    let (stop, stopping) = watch::channel(false);
    let tasks: Vec<_> =
        exporters.into_iter().map(|one| tokio::spawn(one.run(stopping.clone()))).collect();
    let wait = async {
        while !done(&exports.status(log.status().size)[0]) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the exporter gets there");
    stop.send(true).unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    exports
}

fn indexes(path: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line["index"].as_u64()).collect()
}

#[tokio::test]
async fn a_file_gets_everything_once_across_restarts_rotation_and_a_torn_line() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let path = dir.path().join("siem.ndjson");
    let settings = to_file(&path);
    every_kind(&log).await;
    run_until(dir.path(), &log, &settings, |status| status.behind == 0).await;
    let first = log.status().size;
    assert_eq!(indexes(&path), (0..first).collect::<Vec<u64>>());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"checkpoint\":"), "the checkpoint goes down the stream");

    // A crash left a part of a line behind.
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"uid\":\"torn").unwrap();
    log.event(LogEvent::ConfigChange { digest: "e".to_owned() }).await.unwrap();
    run_until(dir.path(), &log, &settings, |status| status.behind == 0).await;
    assert_eq!(indexes(&path), (0..first + 1).collect::<Vec<u64>>());

    // Rotated away: the next lines begin a file of their own.
    let old = dir.path().join("siem.1");
    std::fs::rename(&path, &old).unwrap();
    log.event(LogEvent::ConfigChange { digest: "f".to_owned() }).await.unwrap();
    run_until(dir.path(), &log, &settings, |status| status.behind == 0).await;
    assert_eq!(indexes(&path), [first + 1]);
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_sink_that_cannot_be_written_is_said_and_stops_sessions_only_where_it_shall() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let settings = to_file(&dir.path().join("gone/siem.ndjson"));
    let exports =
        run_until(dir.path(), &log, &settings, |status| status.last_error.is_some()).await;
    let status = exports.status(log.status().size).remove(0);
    assert_eq!((status.behind, status.acknowledged), (1, 0));
    assert!(status.last_error.unwrap().contains("siem.ndjson"));
    assert!(exports.check().is_ok(), "not yet for long enough");
    exports.0[0].change(|progress| progress.oldest = Some(1));
    assert!(exports.check().is_ok(), "what waited before this run does not count");
    let later = State { began: 0, ..copy(&exports.0[0]) };
    later.change(|progress| progress.oldest = Some(wall() - 6_000_000_000));
    let late = Exports(Arc::from([Arc::new(later)]));
    assert_eq!(late.check().unwrap_err().code, "export_behind");
    let mut open = copy(&late.0[0]);
    open.settings.fail_closed_after_secs = None;
    open.change(|progress| progress.oldest = Some(1));
    assert!(Exports(Arc::from([Arc::new(open)])).check().is_ok(), "nobody asked for it");
}

fn copy(state: &State) -> State {
    let settings = state.settings.clone();
    State { settings, began: 0, progress: Mutex::default() }
}

#[tokio::test]
async fn a_log_that_was_put_back_or_changed_is_not_continued() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let settings = to_file(&dir.path().join("siem.ndjson"));
    run_until(dir.path(), &log, &settings, |status| status.behind == 0).await;
    let file = CursorFile::new(&dir.path().join("export"), "siem");
    let place = file.load().unwrap().unwrap();
    let again = |place: &cursor::Place| {
        file.store(place).unwrap();
        let exports =
            Exports::prepare(std::slice::from_ref(&settings), &dir.path().join("export"), &log);
        exports.map(|_| ()).map_err(|errors| errors.concat())
    };
    assert!(again(&place).is_ok());
    let ahead = cursor::Place { next: place.next + 1, ..place.clone() };
    assert!(again(&ahead).unwrap_err().contains("put back to an older state"));
    let other = cursor::Place { leaf: "00".repeat(32), ..place.clone() };
    assert!(again(&other).unwrap_err().contains("the log was changed"));
    let foreign = cursor::Place { origin: "audit.example/gw1/older".into(), ..ahead };
    assert!(again(&foreign).is_ok(), "another log is sent from its beginning");
    assert_eq!(file.load().unwrap().unwrap().next, 0);
}

#[tokio::test]
async fn a_sink_that_begins_at_the_end_gets_what_comes_after() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let path = dir.path().join("siem.ndjson");
    let settings = ExportSettings { begin: Begin::End, ..to_file(&path) };
    run_until(dir.path(), &log, &settings, |_| path.exists()).await;
    log.event(LogEvent::ConfigChange { digest: "d".to_owned() }).await.unwrap();
    run_until(dir.path(), &log, &settings, |status| status.behind == 0).await;
    assert_eq!(indexes(&path), [1]);
}

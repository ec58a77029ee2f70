#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::fixture::{begin, claims, decided, frame, open, request, rows, ruling};
use crate::audit::{ApprovalDecision, ApprovalOutcome, EndReason};
use crate::policy::{Ask, Held, Verdict};

#[test]
fn frames_become_tables() {
    let masked = rows("email", &["a***", "b***"]);
    let tables = read(masked.frames());
    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].columns, ["email"]);
    assert_eq!(tables[0].rows[1], [Some("b***".to_owned())]);
    assert_eq!(tables[0].words, ["SELECT 2"]);
}

#[test]
fn frames_from_anywhere_never_panic_and_hide_nothing() {
    let whole = rows("email", &["a", "b"]).frames().to_vec();
    for end in 1..whole.len() {
        assert!(!read(&whole[..end]).is_empty(), "cut at {end}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        read(&changed);
    }
    let error = frame(b'E', b"SERROR\0VERROR\0C42501\0Mno\0\0");
    assert_eq!(read(&error)[0].words, ["ERROR: 42501: no"]);
}

#[test]
fn long_results_say_how_much_is_missing() {
    let cells = vec!["x".repeat(100); 50];
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let table = read(rows("a", &cells).frames()).remove(0);
    assert_eq!((table.rows.len(), table.rows_total), (20, 50));
    assert!(table.rows[0][0].as_ref().unwrap().ends_with("[40 more]"));
}

/// A session with something of everything.
pub(super) async fn recorded(dir: &std::path::Path) -> SessionRecord {
    let log = open(dir);
    let recorder = begin(&log).await;
    let number = recorder.permit(decided("SELECT\n '\u{1b}[2J'")).await.unwrap().await.unwrap();
    let part = vec![(number.number(), rows("email", &["a***", "b***"]))];
    recorder.release(part).await.unwrap().await.unwrap();
    let ask = Ask { reason: "a write".to_owned(), approvers: Vec::new(), decide_within_secs: 60 };
    let held = Held::for_test(request("DELETE FROM t"), ruling(Verdict::Hold), ask);
    recorder.hold(&held, "apr_1", "aa", 5).await.unwrap();
    let outcome = ApprovalOutcome {
        id: "apr_1".to_owned(),
        number: 2,
        decision: ApprovalDecision::Denied,
        by: Some(claims()),
        note: Some("not today".to_owned()),
    };
    recorder.approval(&outcome).await.unwrap();
    recorder.end(EndReason::Downstream).await.unwrap();
    let reader = log.reader();
    let id = reader.sessions(1).unwrap().remove(0).id;
    reader.session(&id).unwrap().unwrap()
}

#[tokio::test]
async fn a_report_reads_like_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let record = recorded(dir.path()).await;
    let key = record.proof.checkpoint.lines().next().unwrap().to_owned();
    let report = report(&record, &key);
    let text = text(&report);
    for expected in [
        "agent-7",
        "ada@example.com",
        &"5e".repeat(32),
        "#1 PERMITTED risk 42",
        "sql.read (core, risk 42): reads customers",
        "      a***",
        "      SELECT 2",
        "#2 HELD FOR APPROVAL",
        "reason: a write",
        "#2 DENIED BY A PERSON (apr_1) by ada@example.com",
        "not today",
        "SESSION ENDED (downstream_closed)",
        "none is missing",
        "audit.example/gw1/",
    ] {
        assert!(text.contains(expected), "{expected} is missing in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "a report must not command the terminal");
    let json: serde_json::Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
    assert_eq!(json["timeline"][1]["command"]["text"], "SELECT\n '\u{1b}[2J'");
    assert_eq!(json["timeline"][2]["results"][0]["rows"][0][0], "a***");
}

#[test]
fn times_have_microseconds() {
    assert_eq!(rfc3339(1_700_000_000_123_456_789), "2023-11-14T22:13:20.123456Z");
}

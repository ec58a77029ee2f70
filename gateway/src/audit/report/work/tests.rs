#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::fixture::{claims, decided, open, rows};
use crate::audit::reader::WorkKind;
use crate::audit::verify::{Judgement, Pins, verify};
use crate::audit::{Durability, EndReason, Log};
use crate::identity::{Claims, Principal};
use crate::limits::WORK_SESSIONS_MAX;
use crate::session::Session;

async fn session_for(log: &Log, task: Option<&str>, ticket: Option<&str>) {
    let own = |id: Option<&str>| id.map(str::to_owned);
    let claims = Claims { task: own(task), ticket: own(ticket), ..claims() };
    let session = Session::for_test(Principal::for_test(claims));
    let recorder = log.begin(&session, Durability::Durable).await.unwrap();
    let number = recorder.permit(decided("SELECT 1")).await.unwrap().number();
    recorder.release(vec![(number, rows("a", &["1"]))]).await.unwrap().await.unwrap();
    recorder.end(EndReason::Downstream).await.unwrap();
}

#[tokio::test]
async fn a_task_is_all_of_its_sessions_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for (task, ticket) in
        [(Some("T-1"), None), (Some("T-2"), Some("T-1")), (None, None), (Some("T-1"), Some("O-1"))]
    {
        session_for(&log, task, ticket).await;
    }
    let reader = log.reader();
    let count = |kind, id| reader.work(kind, id).unwrap().map_or(0, |it| it.sessions.len());
    assert_eq!(count(WorkKind::Task, "T-1"), 2);
    assert_eq!(count(WorkKind::Ticket, "T-1"), 1);
    assert_eq!(count(WorkKind::Ticket, "O-1"), 1);
    assert_eq!(count(WorkKind::Task, "T"), 0);
    let record = reader.work(WorkKind::Task, "T-1").unwrap().unwrap();
    let report = work(&record, reader.public_key());
    assert_eq!((report.totals.sessions, report.totals.requests, report.totals.rows), (2, 2, 2));
    let text = report.written(Form::Text).unwrap();
    assert!(text.starts_with("TASK T-1\n"), "{text}");
    assert!(text.contains("task        T-1 (as the token says)"), "{text}");
    let html = report.written(Form::Html).unwrap();
    assert_eq!(html.matches("<!doctype html>").count(), 1);
    for session in &record.sessions {
        assert!(text.contains(&session.summary.id) && html.contains(&session.summary.id));
    }
    let json: serde_json::Value =
        serde_json::from_str(&report.written(Form::Json).unwrap()).unwrap();
    assert_eq!(json["kind"], "task");
    assert_eq!(json["sessions"][1]["session"]["ticket"]["id"], "O-1");
}

#[tokio::test]
async fn its_bundle_is_judged_session_by_session() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    session_for(&log, Some("T-1"), None).await;
    session_for(&log, Some("T-1"), None).await;
    let path = dir.path().join("t.tar");
    assert!(!log.work_bundle_to(WorkKind::Task, "T-9", &path).unwrap());
    assert!(log.work_bundle_to(WorkKind::Task, "T-1", &path).unwrap());
    let Judgement::Intact(checked) = verify(&path, &Pins::default()) else { panic!() };
    assert_eq!((checked.sessions, checked.entries), (2, 8));
    // Any byte of it, and a session for something else in place of one of its own.
    let bytes = std::fs::read(&path).unwrap();
    let changed = dir.path().join("changed.tar");
    for at in (600..bytes.len()).step_by(bytes.len() / 50) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        std::fs::write(&changed, bytes).unwrap();
        let judged = verify(&changed, &Pins::default());
        assert!(!matches!(judged, Judgement::Intact(_)), "byte {at}");
    }
}

#[tokio::test]
async fn too_many_sessions_are_refused_and_not_cut() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for _ in 0..=WORK_SESSIONS_MAX {
        session_for(&log, Some("T-1"), None).await;
    }
    let error = log.reader().work(WorkKind::Task, "T-1").unwrap_err().to_string();
    assert!(error.contains("more than"), "{error}");
}

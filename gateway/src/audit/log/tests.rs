#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::fixture::{claims, open};
use crate::fault::Blame;

#[tokio::test]
async fn events_and_refusals_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    assert_eq!(log.status().size, 1, "the boot entry");
    log.event(Event::ConfigChange { digest: "d".to_owned() }).await.unwrap();
    log.refusal(Refusal {
        listener: "pg".to_owned(),
        peer: "127.0.0.1:9".parse().unwrap(),
        stage: "identity",
        fault: Fault::new(Blame::Client, "token_expired", "28000", "the token has expired"),
        claims: Some(claims()),
        detail: None,
    })
    .await;
    let mut absurd = claims();
    absurd.subject = "x".repeat(ENTRY_BYTES_MAX);
    let fault = Fault::new(Blame::Client, "no_access", "28000", "no");
    let refusal = Refusal {
        listener: "pg".to_owned(),
        peer: "127.0.0.1:9".parse().unwrap(),
        stage: "session",
        fault,
        claims: Some(absurd),
        detail: None,
    };
    log.refusal(refusal).await;
    let status = log.status();
    assert_eq!((status.size, status.healthy), (4, true));
    assert!(status.origin.starts_with("audit.example/gw1/"));
    let key = crate::audit::checkpoint::VerifierKey::read(&status.public_key).unwrap();
    let signed = crate::audit::checkpoint::Checkpoint::verify(&status.checkpoint, &key).unwrap();
    assert_eq!(signed.size, 4);
}

#[test]
fn refusals_above_the_rate_are_counted() {
    let mut bucket =
        Bucket { saved_nanos: REFUSAL_BURST * REFUSAL_NANOS, last_nanos: 0, suppressed: 0 };
    let passed = (0..1000).filter(|_| bucket.pass(0).is_some()).count() as u64;
    assert_eq!(passed, REFUSAL_BURST);
    assert_eq!(bucket.pass(REFUSAL_NANOS), Some(1000 - REFUSAL_BURST));
    assert_eq!(bucket.pass(REFUSAL_NANOS), None, "the clock stood still");
    assert_eq!(bucket.pass(REFUSAL_NANOS * 2), Some(1));
}

#[tokio::test]
async fn a_full_queue_refuses_after_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let all = log.0.reserve(LOG_QUEUE_BYTES_MAX).await.unwrap();
    let fault = log.0.reserve(1).await.unwrap_err();
    assert_eq!(fault.code, "log_unavailable");
    drop(all);
    assert!(log.0.reserve(1).await.is_ok());
}

#[tokio::test]
async fn a_signed_entry_that_breaks_its_chain_is_found() {
    use crate::audit::entry::{Link, SessionNote};
    use crate::audit::store::{Mark, Place};
    use crate::audit::verify::{Pins, verify};

    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let link = Link { session: "ses_1", sequence: 5, previous: None };
    let frame = Frame {
        kind: kind::NOTE,
        link: Some(link),
        time: log.0.clock.now(),
        boot: "b",
        buffered: false,
        payload: None,
    };
    let line = frame.line(&SessionNote::CancelRequested { peer: "p".to_owned() }).unwrap();
    let place = Place { session: "ses_1".into(), sequence: 5, mark: Mark::First };
    let row = Row { leaf: leaf_hash(&line), line, parts: Vec::new(), place: Some(place) };
    log.0.enqueue(Item { row, key_line: None, room: None, notify: None, halts: None }).unwrap();
    log.event(Event::Shutdown { reason: "test".to_owned() }).await.unwrap();
    let folder = log.0.dir.clone();
    drop(log);
    let judgement = verify(&folder, &Pins::default()).to_string();
    assert!(judgement.contains("first bad entry 1"), "{judgement}");
}

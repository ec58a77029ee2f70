#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::*;
use crate::audit::committer::Notify;
use crate::audit::store::Row;

fn item(line: u8, notify: Option<Notify>) -> Item {
    let row = Row { line: vec![line], leaf: [0; 32], parts: Vec::new(), place: None };
    Item { row, key_line: None, room: None, notify, halts: None }
}

fn lines(batch: &[Item]) -> Vec<u8> {
    batch.iter().flat_map(|item| item.row.line.clone()).collect()
}

#[test]
fn entries_that_nobody_waits_for_share_a_batch_with_the_one_somebody_waits_for() {
    let (outgoing, incoming) = queue();
    let taker = std::thread::spawn(move || {
        let mut all = Vec::new();
        while let Some(batch) = incoming.take() {
            all.push(lines(&batch));
        }
        all
    });
    let (notify, _done) = oneshot::channel();
    outgoing.send(item(1, None)).unwrap();
    outgoing.send(item(2, None)).unwrap();
    outgoing.send(item(3, Some(notify))).unwrap();
    drop(outgoing);
    let all = taker.join().unwrap();
    assert_eq!(all.concat(), [1, 2, 3]);
}

#[test]
fn an_entry_that_somebody_waits_for_does_not_linger() {
    let (outgoing, _incoming) = queue();
    outgoing.send(item(1, None)).unwrap();
    assert!(outgoing.0.lock().lingers());
    let (notify, _done) = oneshot::channel();
    outgoing.send(item(2, Some(notify))).unwrap();
    assert!(!outgoing.0.lock().lingers());
}

#[test]
fn what_nobody_waits_for_is_taken_all_the_same() {
    let (outgoing, incoming) = queue();
    outgoing.send(item(7, None)).unwrap();
    let begun = Instant::now();
    assert_eq!(lines(&incoming.take().unwrap()), [7]);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_batch_is_bounded_and_the_rest_follows_at_once() {
    let (outgoing, incoming) = queue();
    for _ in 0..LOG_BATCH_ENTRIES_MAX + 2 {
        outgoing.send(item(0, None)).unwrap();
    }
    assert_eq!(incoming.take().unwrap().len(), LOG_BATCH_ENTRIES_MAX);
    assert!(!outgoing.0.lock().lingers());
    assert_eq!(incoming.take().unwrap().len(), 2);
    assert_eq!(outgoing.0.lock().bytes, 0);
}

#[test]
fn a_closed_queue_gives_what_it_holds_and_then_ends() {
    let (outgoing, incoming) = queue();
    outgoing.send(item(1, None)).unwrap();
    drop(outgoing);
    assert_eq!(lines(&incoming.take().unwrap()), [1]);
    assert!(incoming.take().is_none());
}

#[test]
fn whoever_waits_learns_that_the_committer_is_gone() {
    let (outgoing, incoming) = queue();
    let (notify, mut done) = oneshot::channel();
    outgoing.send(item(1, Some(notify))).unwrap();
    drop(incoming);
    assert!(matches!(done.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    let fault = outgoing.send(item(2, None)).unwrap_err();
    assert_eq!(fault.code, "log_unavailable");
}

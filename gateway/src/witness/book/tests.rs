#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::fixture::open;
use crate::audit::{Event, Log, LogStatus, Standing};

/// 2026-11-24.
const NOW: u64 = 1_795_500_000;
const NAME: &str = "witness.example/w1";

fn key(log: &Log) -> VerifierKey {
    VerifierKey::read(&log.status().public_key).unwrap()
}

async fn grow(log: &Log, by: u32) -> Standing {
    for number in 0..by {
        log.event(Event::ConfigChange { digest: number.to_string() }).await.unwrap();
    }
    log.reader().standing().unwrap().unwrap()
}

fn ask(standing: &Standing, old: u64) -> AddCheckpoint {
    let proof = standing.consistency(old).unwrap();
    AddCheckpoint { old, proof, checkpoint: standing.checkpoint().to_owned() }
}

fn add(book: &Book, asked: &AddCheckpoint) -> Answer {
    book.add(asked.text().as_bytes(), NOW)
}

fn lines(note: &str) -> String {
    format!("{}\n", note.split_once("\n\n").unwrap().0)
}

#[tokio::test]
async fn what_follows_is_cosigned_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let book = Book::open(&dir.path().join("w"), NAME, vec![key(&log)]).unwrap();
    let early = grow(&log, 3).await;
    let first = add(&book, &ask(&early, 0));
    assert_eq!(first.status, 200, "{}", first.body);
    let cosigned = book.key().cosigned(&lines(early.checkpoint()), &first.body);
    assert_eq!(cosigned.map(|(time, _)| time), Some(NOW));
    let late = grow(&log, 5).await;
    let told = add(&book, &ask(&late, 0));
    assert_eq!(told.body, format!("{}\n", early.size()));
    assert_eq!((told.status, told.media), (409, SIZE_TYPE));
    let mut wrong = ask(&late, early.size());
    wrong.proof[0][0] ^= 1;
    assert_eq!(add(&book, &wrong).status, 422);
    wrong.proof.clear();
    assert_eq!(add(&book, &wrong).status, 422);
    assert_eq!(add(&book, &ask(&late, early.size())).status, 200);
    // The same once more is cosigned again; what was before it never.
    assert_eq!(add(&book, &ask(&late, late.size())).status, 200);
    assert_eq!(add(&book, &ask(&early, early.size())).status, 409);
    assert_eq!(add(&book, &ask(&early, 0)).status, 409);
    let mut ahead = ask(&late, late.size());
    ahead.old += 1;
    assert_eq!(add(&book, &ahead).status, 400);
    assert_eq!(book.add(b"old 0\n\nnothing", NOW).status, 400);
}

#[tokio::test]
async fn only_known_logs_with_their_own_key_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, others) = (dir.path().join("a"), dir.path().join("b"));
    let (log, other) = (open(&ours), open(&others));
    let book = Book::open(&dir.path().join("w"), NAME, vec![key(&log)]).unwrap();
    let mine = grow(&log, 1).await;
    if log.status().origin == other.status().origin {
        // Begun in the same second: the same name under another key.
        let LogStatus { checkpoint, .. } = other.status();
        let asked = AddCheckpoint { old: 0, proof: Vec::new(), checkpoint };
        assert_eq!(add(&book, &asked).status, 403);
    }
    let stranger = mine.checkpoint().replacen("audit.example/gw1", "audit.example/gw2", 2);
    let asked = AddCheckpoint { old: 0, proof: Vec::new(), checkpoint: stranger };
    assert_eq!(add(&book, &asked).status, 404);
    let forged = mine.checkpoint().replacen("\n2\n", "\n3\n", 1);
    assert_ne!(forged, mine.checkpoint());
    let asked = AddCheckpoint { old: 0, proof: Vec::new(), checkpoint: forged };
    assert_eq!(add(&book, &asked).status, 403);
    assert_eq!(add(&book, &ask(&mine, 0)).status, 200);
}

#[tokio::test]
async fn it_remembers_over_a_restart_and_refuses_to_forget() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let folder = dir.path().join("w");
    let early = grow(&log, 3).await;
    let late = grow(&log, 3).await;
    let book = Book::open(&folder, NAME, vec![key(&log)]).unwrap();
    assert_eq!(add(&book, &ask(&late, 0)).status, 200);
    let public = book.key();
    drop(book);
    let book = Book::open(&folder, NAME, vec![key(&log)]).unwrap();
    assert_eq!(book.key(), public);
    assert_eq!(add(&book, &ask(&early, 0)).body, format!("{}\n", late.size()));
    drop(book);
    assert!(Book::open(&folder, "witness.example/w2", vec![key(&log)]).is_err());
    let state = folder.join(STATE_FILE);
    let kept = fs::read_to_string(&state).unwrap();
    fs::write(&state, kept.replace("gw1", "gw9")).unwrap();
    assert!(Book::open(&folder, NAME, vec![key(&log)]).is_ok(), "another log's is one too");
    fs::write(&state, kept.replacen("audit.", "audit:", 1)).unwrap();
    assert!(Book::open(&folder, NAME, vec![key(&log)]).is_err());
    fs::remove_file(&state).unwrap();
    let error = Book::open(&folder, NAME, vec![key(&log)]).err().unwrap();
    assert!(error.contains("a witness that forgot"), "{error}");
}

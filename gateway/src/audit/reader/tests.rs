#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use super::*;
use crate::audit::checkpoint::{Checkpoint, VerifierKey};
use crate::audit::fixture::{begin, decided, open, rows, settings};
use crate::audit::recorder::EndReason;
use crate::audit::store::tamper;
use crate::audit::verify::Chain;

/// A closed log with one finished session; gives its folder.
async fn grown(dir: &Path, permits: u64) -> PathBuf {
    let log = open(dir);
    let recorder = begin(&log).await;
    for _ in 0..permits {
        let number = recorder.permit(decided("SELECT 1")).await.unwrap().number();
        let _queued = recorder.release(vec![(number, rows("a", &["1"]))]).await.unwrap();
    }
    recorder.end(EndReason::Downstream).await.unwrap();
    settings(dir).dir
}

fn only(reader: &Reader) -> SessionRecord {
    let id = reader.sessions(10).unwrap().remove(0).id;
    reader.session(&id).unwrap().unwrap()
}

#[tokio::test]
async fn a_closed_log_is_read_and_proved_offline() {
    let dir = tempfile::tempdir().unwrap();
    let folder = grown(dir.path(), 400).await;
    let reader = Reader::open(&folder).unwrap();
    let record = only(&reader);
    assert_eq!((record.records.len(), record.gaps.len()), (802, 0));
    let plain = |record: &&Record| matches!(record.payload, Payload::Plain(_));
    assert_eq!(record.records.iter().filter(plain).count(), 800);
    let key = VerifierKey::read(reader.public_key()).unwrap();
    let signed = Checkpoint::verify(&record.checkpoint, &key).unwrap();
    let unhex = |text: &String| -> Hash {
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..64).step_by(2).map(byte).collect::<Vec<u8>>().try_into().unwrap()
    };
    let proof: Vec<Hash> = record.inclusion.hashes.iter().map(unhex).collect();
    let leaf = unhex(&record.inclusion.leaf);
    let index = record.inclusion.index;
    assert!(proof.len() <= 30);
    tree::check_inclusion(index, signed.size, &leaf, &proof, &signed.root).unwrap();
    assert!(reader.session("ses_of_nobody").unwrap().is_none());
}

#[tokio::test]
async fn a_copy_without_keys_shows_entries_but_no_content() {
    let dir = tempfile::tempdir().unwrap();
    let folder = grown(dir.path(), 1).await;
    std::fs::remove_file(folder.join("master.key")).unwrap();
    let record = only(&Reader::open(&folder).unwrap());
    assert_eq!(record.records[1].payload, Payload::Sealed);
    assert_eq!(record.gaps, Vec::<String>::new());
}

#[tokio::test]
async fn a_session_erased_by_its_key_stays_provable() {
    let dir = tempfile::tempdir().unwrap();
    let folder = grown(dir.path(), 1).await;
    std::fs::write(folder.join("session.keys"), "").unwrap();
    let record = only(&Reader::open(&folder).unwrap());
    assert_eq!(record.records[1].payload, Payload::Sealed);
    let judgement = crate::audit::verify::verify(&folder, &Default::default());
    assert_eq!(judgement.exit_code(), 0, "{judgement}");
}

#[tokio::test]
async fn changed_payloads_and_entries_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let folder = grown(dir.path(), 3).await;
    tamper::flip_blob(&folder.join(STORE_FILE));
    let reader = Reader::open(&folder).unwrap();
    assert_eq!(only(&reader).records[1].payload, Payload::Damaged);
    drop(reader);
    tamper::change_leaf(&folder.join(STORE_FILE), 4, false, |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("\"risk\":42", "\"risk\":10").into_bytes();
    });
    let record = only(&Reader::open(&folder).unwrap());
    assert!(!record.gaps.is_empty());
}

#[tokio::test]
async fn a_session_that_runs_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let recorder = begin(&log).await;
    recorder.permit(decided("SELECT 1")).await.unwrap().await.unwrap();
    let release = recorder.release(vec![(1, rows("a", &["1", "2"]))]).await.unwrap();
    release.await.unwrap();
    let summary = log.reader().sessions(1).unwrap().remove(0);
    assert_eq!(summary.state, SessionState::Open);
    assert_eq!((summary.entries, summary.requests, summary.rows), (3, 1, 2));
    assert_eq!((summary.agent.as_str(), summary.ended), ("agent-7", None));
}

#[tokio::test]
async fn a_chain_that_misses_repeats_or_outlives_an_entry_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = grown(dir.path(), 2).await;
    let record = only(&Reader::open(&folder).unwrap());
    let follow = |order: &[usize]| {
        let mut chain = Chain::default();
        let steps = order.iter().map(|at| &record.records[*at]);
        steps.map(|row| chain.follow(&row.entry, row.leaf)).collect::<Result<Vec<()>, _>>()
    };
    assert!(follow(&[0, 1, 2, 3, 4, 5]).is_ok());
    for wrong in [&[1][..], &[0, 2], &[0, 1, 1], &[0, 2, 1], &[0, 1, 2, 3, 5]] {
        assert!(follow(wrong).is_err(), "{wrong:?}");
    }
    assert!(follow(&[0, 1, 2, 3, 4, 5, 5]).unwrap_err().contains("after"));
}

#[tokio::test]
async fn a_session_end_that_sums_up_other_entries_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = grown(dir.path(), 1).await;
    let record = only(&Reader::open(&folder).unwrap());
    let mut chain = Chain::default();
    let (last, before) = record.records.split_last().unwrap();
    for row in before {
        chain.follow(&row.entry, row.leaf).unwrap();
    }
    let line = format!(
        concat!(
            r#"{{"v":1,"type":"session_end","sess":"s","sseq":3,"sprev":{},"#,
            r#""ts":1,"mono":1,"boot":"b","body":{}}}"#
        ),
        serde_json::to_string(&last.entry.sprev).unwrap(),
        last.entry.body.get().replacen("\"session_root\":\"", "\"session_root\":\"00", 1),
    );
    let forged = Entry::read(line.as_bytes()).unwrap();
    assert!(chain.follow(&forged, [0; 32]).unwrap_err().contains("sums up"));
}

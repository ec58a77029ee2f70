#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::fixture::{begin, decided, open, session, settings};
use crate::audit::reader::SessionState;
use crate::audit::store::faults::Disk;
use crate::audit::verify::{Judgement, Pins, verify};
use crate::audit::{Durability, Log, LogStatus};
use crate::limits::LOG_RESERVE_BYTES;

/// Writes of a test's session.
const REQUESTS: usize = 6;

fn log_on(disk: &Disk, dir: &Path) -> Result<Log, crate::audit::Error> {
    let folder = settings(dir).dir;
    fs::create_dir_all(&folder).unwrap();
    // Holes do here, where the disk is another.
    fs::File::create(folder.join("log.reserve")).unwrap().set_len(LOG_RESERVE_BYTES).unwrap();
    Log::open_with(&settings(dir), "digest", |_| Ok(Arc::new(disk.store()?)))
}

/// A session until the disk fails; gives what was last told to be durable.
async fn work(log: &Log) -> LogStatus {
    let mut told = log.status();
    let Ok(recorder) = log.begin(&session(), Durability::Durable).await else { return told };
    for number in 0..REQUESTS {
        told = log.status();
        let text = format!("SELECT {number} /* {} */", "x".repeat(3_000 * number));
        let Ok(pending) = recorder.permit(decided(&text)).await else { break };
        if pending.await.is_err() {
            break;
        }
        told = log.status();
    }
    told
}

/// Repeatable chance (Steele and others, SplitMix64).
fn chance(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Puts what is on the disk into the folder and judges it against what was told to be durable.
fn holds_what_was_told(dir: &Path, image: &[u8], told: &LogStatus, what: &str) {
    let folder = settings(dir).dir;
    fs::write(folder.join("log.redb"), image).unwrap();
    let log = Log::open(&settings(dir), "digest").unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(log.status().size > told.size, "{what}: entries were lost");
    drop(log);
    let checkpoint = dir.join("told.checkpoint");
    fs::write(&checkpoint, &told.checkpoint).unwrap();
    let pins = Pins { key_file: None, checkpoint_file: Some(checkpoint) };
    let judgement = verify(&folder, &pins);
    assert!(matches!(judgement, Judgement::Intact(_)), "{what}: {judgement}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_dies_at_any_call_loses_nothing_that_was_told() {
    let whole = Disk::default();
    let dir = tempfile::tempdir().unwrap();
    let log = log_on(&whole, dir.path()).unwrap();
    let from = whole.calls();
    work(&log).await;
    drop(log);
    let calls = whole.calls();
    assert!(calls > from + 50, "the session made too few calls to mean anything");
    for call in from + 1..calls {
        let (disk, dir) = (Disk::default(), tempfile::tempdir().unwrap());
        let log = log_on(&disk, dir.path()).unwrap();
        disk.dies_at(call);
        let told = work(&log).await;
        assert!(told.size > 0 && !told.checkpoint.is_empty());
        drop(log);
        let mut chance = chance(call);
        for cut in 0..3 {
            let image = disk.after_a_power_cut(&mut chance);
            holds_what_was_told(dir.path(), &image, &told, &format!("call {call}, cut {cut}"));
        }
    }
}

#[tokio::test]
async fn a_full_disk_halts_the_log_and_room_lets_it_go_on() {
    let (disk, dir) = (Disk::default(), tempfile::tempdir().unwrap());
    let log = log_on(&disk, dir.path()).unwrap();
    let before = begin(&log).await;
    before.permit(decided("SELECT 1")).await.unwrap().await.unwrap();
    let told = log.status();
    disk.fill(true);
    let fault = before.permit(decided("SELECT 2")).await.unwrap().await.unwrap_err();
    assert_eq!(fault.code, "log_unavailable");
    let full = log.status();
    assert_eq!((full.healthy, full.size), (false, told.size));
    assert!(log.begin(&session(), Durability::Buffered).await.is_err());
    disk.fill(false);
    while !log.status().healthy {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Entries of that session were refused, so its chain can't go on; a new one can.
    let fault = before.permit(decided("SELECT 3")).await.unwrap_err();
    assert_eq!(fault.code, "log_halted");
    let after = begin(&log).await;
    after.permit(decided("SELECT 4")).await.unwrap().await.unwrap();
    let sessions = log.reader().sessions(9).unwrap();
    let torn = sessions.iter().find(|session| session.state == SessionState::Torn).unwrap();
    assert_eq!(torn.reason.as_deref(), Some("log_halted"));
    drop((before, after, log));
    let mut none = || 2;
    holds_what_was_told(dir.path(), &disk.after_a_power_cut(&mut none), &told, "after the halt");
    let text = fs::read(settings(dir.path()).dir.join("log.redb")).unwrap();
    let holds = |word: &str| text.windows(word.len()).any(|part| part == word.as_bytes());
    assert!(holds(r#""event":"halt""#) && holds(r#""event":"resume""#));
}

#[tokio::test]
async fn a_disk_that_fails_for_another_reason_is_not_trusted_again() {
    let (disk, dir) = (Disk::default(), tempfile::tempdir().unwrap());
    let log = log_on(&disk, dir.path()).unwrap();
    let recorder = begin(&log).await;
    disk.dies_at(disk.calls() + 1);
    assert!(recorder.permit(decided("SELECT 1")).await.unwrap().await.is_err());
    disk.dies_at(u64::MAX);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!log.status().healthy);
    assert!(log.begin(&session(), Durability::Durable).await.is_err());
}

#[test]
fn a_gateway_without_room_for_the_reserve_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let reserve = settings(dir.path()).dir.join("log.reserve");
    assert_eq!(fs::metadata(&reserve).unwrap().len(), LOG_RESERVE_BYTES);
    fs::remove_file(&reserve).unwrap();
    fs::create_dir(&reserve).unwrap();
    let error = Log::open(&settings(dir.path()), "digest").unwrap_err().to_string();
    assert!(error.contains("keep room for the last entries"), "{error}");
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::Log;
use crate::audit::entry::Boot;
use crate::audit::fixture::{begin, decided, open, settings};
use crate::audit::recorder::EndReason;
use crate::audit::store::tamper;

async fn grown(dir: &Path, permits: u64) {
    let log = open(dir);
    let recorder = begin(&log).await;
    let mut last = None;
    for _ in 0..permits {
        last = Some(recorder.permit(decided("SELECT 1")).await.unwrap());
    }
    if let Some(last) = last {
        last.await.unwrap();
    }
    recorder.end(EndReason::Downstream).await.unwrap();
    log.event(Event::Shutdown { reason: "test".to_owned() }).await.unwrap();
}

fn refused(dir: &Path) -> Error {
    Log::open(&settings(dir), "digest").expect_err("the log opened")
}

#[tokio::test]
async fn a_log_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path(), 600).await;
    let log = open(dir.path());
    let status = log.status();
    assert_eq!(status.size, 605);
    drop(log);
    grown(dir.path(), 300).await;
    let judgement = crate::audit::verify::verify(&settings(dir.path()).dir, &Default::default());
    assert_eq!(judgement.exit_code(), 0, "{judgement}");
}

#[tokio::test]
async fn the_boot_entry_says_how_the_last_run_ended() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path(), 1).await;
    drop(open(dir.path()));
    drop(open(dir.path()));
    let store = crate::audit::store::Sealed::open(&settings(dir.path()).dir.join(STORE_FILE));
    let view = store.unwrap().view().unwrap();
    let size = view.size().unwrap();
    let boot =
        |index| Entry::read(&view.leaf(index).unwrap().unwrap()).unwrap().body::<Boot>().unwrap();
    assert!(boot(size - 2).clean, "the run before it stopped in good order");
    assert!(!boot(size - 1).clean, "the run before it did not say that it stopped");
}

#[tokio::test]
async fn a_folder_holds_one_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let error = refused(dir.path());
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    drop(log);
    let mut other = settings(dir.path());
    other.gateway = "gw2".to_owned();
    assert!(matches!(Log::open(&other, "d").err(), Some(Error::OtherLog { .. })));
    other.gateway = "a b".to_owned();
    assert!(matches!(Log::open(&other, "d").err(), Some(Error::Name { .. })));
}

#[tokio::test]
async fn a_changed_log_does_not_open() {
    for index in [2_u64, 300, 599] {
        let dir = tempfile::tempdir().unwrap();
        grown(dir.path(), 600).await;
        let file = settings(dir.path()).dir.join(STORE_FILE);
        let flip = |bytes: &mut Vec<u8>| bytes[20] ^= 1;
        tamper::change_leaf(&file, index, index == 2, flip);
        let error = refused(dir.path());
        assert!(matches!(error, Error::Tampered { .. }), "{index}: {error}");
        if index != 2 {
            assert!(error.to_string().contains(&format!("at entry {index}")), "{error}");
        }
    }
}

#[tokio::test]
async fn a_log_of_another_format_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path(), 1).await;
    let folder = settings(dir.path()).dir;
    tamper::put_meta(&folder.join(STORE_FILE), "format", "1");
    let error = refused(dir.path());
    assert!(matches!(&error, Error::Format { found, .. } if found == "1"), "{error}");
    let judgement = crate::audit::verify::verify(&folder, &Default::default());
    assert!(judgement.to_string().contains("has format \"1\""), "{judgement}");
}

#[tokio::test]
async fn a_cut_or_emptied_log_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path(), 5).await;
    let file = settings(dir.path()).dir.join(STORE_FILE);
    tamper::truncate(&file, 4, false);
    assert!(matches!(refused(dir.path()), Error::Tampered { .. }));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(refused(dir.path()), Error::Emptied { .. }));
}

#[tokio::test]
async fn a_log_without_its_key_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path(), 1).await;
    let folder = settings(dir.path()).dir;
    std::fs::remove_file(folder.join("signing.key")).unwrap();
    assert!(matches!(refused(dir.path()), Error::KeyMissing { .. }));
    keys::signing_key(&folder, true).unwrap();
    assert!(matches!(refused(dir.path()), Error::Tampered { .. }));
}

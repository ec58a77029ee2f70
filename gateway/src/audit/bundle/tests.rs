#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::fixture::{begin, decided, open, rows, settings};
use crate::audit::store::tamper;
use crate::audit::{EndReason, Log};

async fn grown(log: &Log) -> String {
    let recorder = begin(log).await;
    let number = recorder.permit(decided("SELECT 1")).await.unwrap().number();
    recorder.release(vec![(number, rows("a", &["1"]))]).await.unwrap().await.unwrap();
    recorder.end(EndReason::Downstream).await.unwrap();
    log.reader().sessions(1).unwrap().remove(0).id
}

#[tokio::test]
async fn a_bundle_has_everything_and_is_never_written_over_something() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let id = grown(&log).await;
    let path = dir.path().join("a.tar");
    assert!(!log.bundle_to("ses_none", &path).unwrap());
    assert!(log.bundle_to(&id, &path).unwrap());
    assert!(log.bundle_to(&id, &path).is_err(), "a file that is there is never overwritten");
    let bytes = std::fs::read(&path).unwrap();
    let names: Vec<&str> = archive::read(&bytes).unwrap().iter().map(|(name, _)| *name).collect();
    for name in [LEAVES, "payload/1.request", "payload/2.response", PAYLOAD_KEY, PROOF, MANIFEST] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
}

#[tokio::test]
async fn an_erased_session_has_a_bundle_without_payloads() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let id = grown(&log).await;
    drop(log);
    let folder = settings(dir.path()).dir;
    std::fs::write(folder.join("session.keys"), "").unwrap();
    let path = dir.path().join("a.tar");
    assert!(from_folder(&folder, &id, &path).unwrap());
    let bytes = std::fs::read(&path).unwrap();
    let names: Vec<&str> = archive::read(&bytes).unwrap().iter().map(|(name, _)| *name).collect();
    assert!(!names.iter().any(|name| name.starts_with("payload")), "{names:?}");
    let judgement = crate::audit::verify::verify(&path, &Default::default());
    assert_eq!(judgement.exit_code(), 0, "{judgement}");
}

#[tokio::test]
async fn a_session_that_was_changed_has_no_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let id = grown(&log).await;
    drop(log);
    let folder = settings(dir.path()).dir;
    let path = dir.path().join("a.tar");
    tamper::flip_blob(&folder.join("log.redb"));
    let error = from_folder(&folder, &id, &path).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
    tamper::change_leaf(&folder.join("log.redb"), 2, false, |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("\"risk\":42", "\"risk\":10").into_bytes();
    });
    let error = from_folder(&folder, &id, &path).unwrap_err().to_string();
    assert!(error.contains("does not name the session's previous entry"), "{error}");
    std::fs::remove_file(folder.join("signing.key")).unwrap();
    assert!(matches!(from_folder(&folder, &id, &path), Err(Error::KeyMissing { .. })));
}

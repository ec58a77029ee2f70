#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::request::AddCheckpoint;
use super::*;
use crate::audit::fixture::open;

fn file_anchor(path: &Path, required: bool) -> AnchorSettings {
    let place = AnchorPlace::File { path: path.to_owned() };
    AnchorSettings { name: "usb".to_owned(), place, required }
}

async fn compare(anchor: &AnchorSettings, standing: Option<&Standing>) -> Compared {
    let anchors = std::slice::from_ref(anchor);
    Anchors::compare(anchors, Path::new("unused"), standing).await.ok().unwrap()
}

fn outcome(compared: &Compared) -> AnchorOutcome {
    compared.checks[0].outcome
}

#[tokio::test]
async fn a_file_keeps_the_newest_checkpoint_and_tells() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let anchor = file_anchor(&dir.path().join("anchor"), false);
    let early = log.reader().standing().unwrap().unwrap();
    assert_eq!(outcome(&compare(&anchor, Some(&early)).await), AnchorOutcome::Empty);
    log.event(Event::ConfigChange { digest: "1".to_owned() }).await.unwrap();
    let mut compared = compare(&anchor, Some(&early)).await;
    let late = log.reader().standing().unwrap().unwrap();
    compared.anchorers[0].way.show(&late, true).await.unwrap();
    let kept = std::fs::read_to_string(dir.path().join("anchor")).unwrap();
    assert_eq!(kept, late.checkpoint());
    assert_eq!(outcome(&compare(&anchor, Some(&late)).await), AnchorOutcome::Agrees);
    // The log as it was before, a new log, and a changed file.
    for standing in [Some(&early), None] {
        let compared = compare(&anchor, standing).await;
        assert_eq!(outcome(&compared), AnchorOutcome::Contradicts);
        assert!(compared.objections().0);
    }
    std::fs::write(dir.path().join("anchor"), kept.replacen("\n2\n", "\n1\n", 1)).unwrap();
    assert_eq!(outcome(&compare(&anchor, Some(&late)).await), AnchorOutcome::Contradicts);
}

#[tokio::test]
async fn an_anchor_that_is_away_stops_the_start_only_when_required() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let standing = log.reader().standing().unwrap().unwrap();
    let away = dir.path().join("unmounted/anchor");
    for required in [false, true] {
        let compared = compare(&file_anchor(&away, required), Some(&standing)).await;
        assert_eq!(outcome(&compared), AnchorOutcome::Unreachable);
        let (contradicted, objections) = compared.objections();
        assert_eq!((contradicted, objections.len()), (false, usize::from(required)));
        assert!(compared.anchors.status()[0].last_error.is_some());
        compared.anchors.check().unwrap();
    }
}

#[tokio::test]
async fn a_contradiction_while_running_stops_the_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let path = dir.path().join("anchor");
    let standing = log.reader().standing().unwrap().unwrap();
    let mut compared = compare(&file_anchor(&path, false), Some(&standing)).await;
    std::fs::write(&path, "audit.example/gw1/20200101T000000Z\n").unwrap();
    compared.anchorers.remove(0).carry(&log).await;
    let fault = compared.anchors.check().unwrap_err();
    assert_eq!(fault.code, "log_contradicted");
    let mut last = Vec::new();
    log.reader()
        .entries(&mut |_, line| {
            last = line.to_vec();
            true
        })
        .unwrap();
    assert!(String::from_utf8_lossy(&last).contains(r#""event":"anchor_contradicts""#));
}

#[test]
fn a_request_has_one_form() {
    let request = AddCheckpoint { old: 7, proof: vec![[3; 32]], checkpoint: "a\n7\n".to_owned() };
    let text = request.text();
    assert_eq!(AddCheckpoint::read(text.as_bytes()), Some(request.clone()));
    for other in [
        text.replacen("old 7", "old 07", 1),
        text.replacen("old 7", "old  7", 1),
        text.replacen("old 7\n", "old 7\r\n", 1),
        text.replacen("\n\n", "\n", 1),
        text.replacen("old 7", "old 18446744073709551616", 1),
        text.replacen('=', "", 1),
    ] {
        assert_eq!(AddCheckpoint::read(other.as_bytes()), None, "{other}");
    }
    let long = AddCheckpoint { proof: vec![[3; 32]; 64], ..request };
    assert_eq!(AddCheckpoint::read(long.text().as_bytes()), None);
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::Event;
use crate::audit::fixture::{open, settings};
use crate::audit::tree::check_consistency;

fn config_change(number: u32) -> Event {
    Event::ConfigChange { digest: number.to_string() }
}

#[tokio::test]
async fn every_earlier_checkpoint_agrees_and_is_proved() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut kept = vec![log.status().checkpoint];
    for number in 0..20 {
        log.event(config_change(number)).await.unwrap();
        kept.push(log.status().checkpoint);
    }
    let standing = Standing::of(log.reader()).unwrap().unwrap();
    let newest = Checkpoint::verify(standing.checkpoint(), &standing.key).unwrap();
    for note in &kept {
        let old = Checkpoint::verify(note, &standing.key).unwrap();
        assert_eq!(standing.compare(note).unwrap(), Kept::Agrees(old.size));
        let proof = standing.consistency(old.size).unwrap();
        check_consistency(old.size, newest.size, &old.root, &newest.root, &proof).unwrap();
    }
}

#[tokio::test]
async fn a_rollback_a_fork_and_another_logs_checkpoint_contradict() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let early = log.status();
    let folder = settings(dir.path()).dir;
    drop(log);
    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let log = open(dir.path());
    log.event(config_change(1)).await.unwrap();
    let late = log.status();
    drop(log);
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(&copy, &folder).unwrap();
    let reader = Reader::open(&folder).unwrap();
    let back = Standing::of(reader).unwrap().unwrap();
    assert_eq!(back.compare(&early.checkpoint).unwrap(), Kept::Agrees(early.size));
    let Kept::Contradicts(what) = back.compare(&late.checkpoint).unwrap() else { panic!() };
    assert!(what.contains(&format!("{} entries, the log has {}", late.size, early.size)), "{what}");
    drop(back);
    // Grown past it, it is still another log.
    let log = open(dir.path());
    for number in 2..9 {
        log.event(config_change(number)).await.unwrap();
    }
    let fork = Standing::of(log.reader()).unwrap().unwrap();
    assert!(fork.size() > late.size);
    let Kept::Contradicts(what) = fork.compare(&late.checkpoint).unwrap() else { panic!() };
    assert!(what.contains("lead to the root"), "{what}");
    let other = tempfile::tempdir().unwrap();
    let other = open(other.path()).status().checkpoint;
    assert!(matches!(fork.compare(&other).unwrap(), Kept::Contradicts(_)));
    assert!(matches!(fork.compare("").unwrap(), Kept::Contradicts(_)));
}

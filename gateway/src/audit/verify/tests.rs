#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::fixture::{begin, decided, open, rows, settings};
use crate::audit::recorder::EndReason;
use crate::audit::store::tamper;

mod evidence;
mod mutations;
mod second;

/// A closed log with a finished session of `permits` requests; gives its store's path.
async fn grown(dir: &Path, permits: u64) -> PathBuf {
    let log = open(dir);
    let recorder = begin(&log).await;
    for _ in 0..permits {
        let number = recorder.permit(decided("SELECT 1")).await.unwrap().number();
        let _queued = recorder.release(vec![(number, rows("a", &["1"]))]).await.unwrap();
    }
    recorder.end(EndReason::Downstream).await.unwrap();
    settings(dir).dir.join(STORE_FILE)
}

fn judged(path: &Path) -> Judgement {
    verify(path, &Pins::default())
}

fn index(judgement: &Judgement) -> Option<u64> {
    match judgement {
        Judgement::Tampered { index, .. } => *index,
        other => panic!("not tampered: {other}"),
    }
}

#[tokio::test]
async fn one_byte_of_any_entry_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = grown(dir.path(), 150).await;
    assert!(matches!(judged(&file), Judgement::Intact(_)), "{}", judged(&file));
    for at in [0, 1, 2, 100, 255, 256, 301, 302] {
        let copy = dir.path().join(format!("copy-{at}.redb"));
        std::fs::copy(&file, &copy).unwrap();
        tamper::change_leaf(&copy, at, false, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
        let judgement = judged(&copy);
        assert_eq!(index(&judgement), Some(at), "{judgement}");
        assert_eq!(judgement.exit_code(), EXIT_TAMPERED);
    }
}

#[tokio::test]
async fn a_forger_with_the_tree_but_no_key_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let file = grown(dir.path(), 20).await;
    let attempt = |name: &str, change: &dyn Fn(&Path)| {
        let copy = dir.path().join(format!("{name}.redb"));
        std::fs::copy(&file, &copy).unwrap();
        change(&copy);
        judged(&copy)
    };
    let text = |bytes: &mut Vec<u8>| {
        let changed =
            String::from_utf8(bytes.clone()).unwrap().replace("\"risk\":42", "\"risk\":10");
        assert_ne!(changed.as_bytes(), bytes.as_slice());
        *bytes = changed.into_bytes();
    };
    index(&attempt("edit", &|copy| tamper::change_leaf(copy, 2, true, text)));
    index(&attempt("cut", &|copy| tamper::cut_out(copy, 2)));
    index(&attempt("swap", &|copy| tamper::swap_leaves(copy, 2, 4, true)));
    assert_eq!(
        index(&attempt("swap-plain", &|copy| tamper::swap_leaves(copy, 2, 4, false))),
        Some(2)
    );
    assert_eq!(index(&attempt("delete", &|copy| tamper::delete_leaf(copy, 7))), Some(7));
    let added = attempt("append", &|copy| tamper::append_leaf(copy, b"{}"));
    assert_eq!(index(&added), Some(43));
    let short = attempt("short", &|copy| tamper::truncate(copy, 30, false));
    assert_eq!(index(&short), Some(30));
    let again = attempt("repeat", &|copy| tamper::repeat_leaf(copy, 5));
    assert_eq!(index(&again), Some(6));
    assert_eq!(index(&attempt("trail", &|copy| tamper::trail(copy, 42))), Some(43));
    assert!(index(&attempt("trail-inside", &|copy| tamper::trail(copy, 7))).is_some());
    let blob = attempt("blob", &|copy| assert_eq!(tamper::flip_blob(copy), 2));
    assert_eq!(index(&blob), Some(2));
    let blob = attempt("no-blob", &|copy| assert_eq!(tamper::delete_blob(copy), 41));
    assert_eq!(index(&blob), Some(41));
}

#[tokio::test]
async fn tiles_checkpoints_and_indexes_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let file = grown(dir.path(), 140).await;
    let attempt = |name: &str, change: &dyn Fn(&Path)| {
        let copy = dir.path().join(format!("{name}.redb"));
        std::fs::copy(&file, &copy).unwrap();
        change(&copy);
        index(&judged(&copy))
    };
    assert_eq!(attempt("tile", &tamper::flip_tile), Some(1));
    let sizes = tamper::checkpoint_sizes(&file);
    let middle = sizes[sizes.len() / 2];
    attempt("note", &|copy| tamper::put_checkpoint(copy, middle, "x\n1\ny\n\nz\n"));
    attempt("extra", &|copy| tamper::put_checkpoint(copy, 1000, "x\n1\ny\n\nz\n"));
    attempt("zero", &|copy| tamper::put_checkpoint(copy, 0, "x\n0\ny\n\nz\n"));
    attempt("blob", &|copy| tamper::put_blob(copy, 9999));
    attempt("ghost", &tamper::put_ghost);
    let id = crate::audit::Reader::open(&settings(dir.path()).dir).unwrap();
    let id = id.sessions(1).unwrap().remove(0).id;
    attempt("hidden", &|copy| tamper::hide_session(copy, &id));
}

#[tokio::test]
async fn a_log_put_back_is_found_by_a_checkpoint_kept_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let file = grown(dir.path(), 3).await;
    let old = dir.path().join("old.redb");
    std::fs::copy(&file, &old).unwrap();
    let log = open(dir.path());
    let pin = dir.path().join("pinned.txt");
    std::fs::write(&pin, log.status().checkpoint).unwrap();
    drop(log);
    let pins = Pins { checkpoint_file: Some(pin), key_file: None };
    assert!(matches!(verify(&file, &pins), Judgement::Intact(_)));
    assert!(matches!(judged(&old), Judgement::Intact(_)), "alone, an old copy looks whole");
    let judgement = verify(&old, &pins);
    assert_eq!(judgement, Judgement::RolledBack { entries: 9, expected: 10 });
    assert_eq!(judgement.exit_code(), EXIT_ROLLED_BACK);
}

#[tokio::test]
async fn another_key_is_found_by_the_pinned_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = grown(dir.path(), 3).await;
    let other = tempfile::tempdir().unwrap();
    grown(other.path(), 3).await;
    let forged = settings(other.path()).dir;
    let ours = std::fs::read_to_string(settings(dir.path()).dir.join(PUBLIC_FILE)).unwrap();
    let pin = dir.path().join("pin.vkey");
    std::fs::write(&pin, &ours).unwrap();
    let pins = Pins { key_file: Some(pin), checkpoint_file: None };
    assert!(matches!(verify(&file, &pins), Judgement::Intact(_)));
    index(&verify(&forged, &pins));
    tamper::put_meta(&forged.join(STORE_FILE), "vkey", ours.trim());
    index(&verify(&forged, &pins));
}

#[tokio::test]
async fn what_can_not_be_judged_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let folder = settings(dir.path()).dir;
    let judgement = judged(&folder);
    assert_eq!(judgement.exit_code(), EXIT_CANNOT_JUDGE);
    assert!(judgement.to_string().contains("a gateway has it open"), "{judgement}");
    let copy = dir.path().join("copy.redb");
    log.snapshot_to(&copy).unwrap();
    assert!(matches!(judged(&copy), Judgement::Intact(_)), "{}", judged(&copy));
    assert!(log.snapshot_to(&copy).is_err(), "a file that is there is never overwritten");
    std::fs::write(&copy, b"not a store").unwrap();
    let judgement = judged(&copy);
    assert!(judgement.to_string().contains("redb refuses the file"), "{judgement}");
}

#[tokio::test]
async fn a_fork_is_found_by_a_checkpoint_of_the_other_branch() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path(), 3).await;
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for branch in [&ours, &theirs] {
        std::fs::create_dir(settings(branch.path()).dir).unwrap();
        for file in std::fs::read_dir(settings(dir.path()).dir).unwrap() {
            let path = file.unwrap().path();
            let to = settings(branch.path()).dir.join(path.file_name().unwrap());
            std::fs::copy(&path, to).unwrap();
        }
    }
    let log = open(ours.path());
    let pin = dir.path().join("pinned.txt");
    std::fs::write(&pin, log.status().checkpoint).unwrap();
    drop((log, open(theirs.path())));
    let pins = Pins { checkpoint_file: Some(pin), key_file: None };
    assert!(matches!(verify(&settings(ours.path()).dir, &pins), Judgement::Intact(_)));
    let judgement = verify(&settings(theirs.path()).dir, &pins);
    assert!(judgement.to_string().contains("your checkpoint signs"), "{judgement}");
}

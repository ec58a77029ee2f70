//! One small log in every form that the verifiers judge.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::audit::fixture::{ruling, words};
use crate::audit::recorder::EndReason;
use crate::audit::store::tamper::Rows;
use crate::audit::verify::tiles::Files;
use crate::audit::{ApprovalDecision, ApprovalOutcome, Event, tiles as export};
use crate::policy::{Ask, Held, Verdict};

/// Files by name.
pub(super) type Map = BTreeMap<String, Vec<u8>>;

impl Files for Map {
    fn file(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        Ok(self.get(name).cloned())
    }

    fn names(&self) -> std::io::Result<BTreeSet<String>> {
        Ok(self.keys().cloned().collect())
    }
}

/// One log, written down in every form.
pub(super) struct Evidence {
    pub(super) key: VerifierKey,
    pub(super) rows: Rows,
    pub(super) tiles: Map,
    /// Bundles of two sessions that ended.
    pub(super) bundles: [Vec<u8>; 2],
    /// The bundle of one that had not.
    pub(super) open: Vec<u8>,
}

impl Evidence {
    /// Three sessions that mix, and more entries than fit into one tile when `large`.
    pub(super) async fn new(large: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        let (one, two, three) = (begin(&log).await, begin(&log).await, begin(&log).await);
        for round in 0..if large { 90 } else { 3 } {
            for recorder in [&one, &two] {
                let number = recorder.permit(decided("SELECT 1")).await.unwrap().number();
                let part = vec![(number, rows("email", &["a***", "b***"])), (number, words())];
                recorder.release(part).await.unwrap().await.unwrap();
            }
            if round == 1 {
                held(&one).await;
                three.permit(decided("SELECT 3")).await.unwrap().await.unwrap();
            }
        }
        one.end(EndReason::Downstream).await.unwrap();
        log.event(Event::Shutdown { reason: "not yet".to_owned() }).await.unwrap();
        two.end(EndReason::Expired).await.unwrap();
        let ids: Vec<String> =
            log.reader().sessions(9).unwrap().into_iter().map(|it| it.id).collect();
        let bundle = |id: &String| {
            let path = dir.path().join(id);
            assert!(log.bundle_to(id, &path).unwrap());
            std::fs::read(path).unwrap()
        };
        let [open, second, first] = [bundle(&ids[0]), bundle(&ids[1]), bundle(&ids[2])];
        let copy = dir.path().join("copy.redb");
        log.snapshot_to(&copy).unwrap();
        let folder = dir.path().join("tiles");
        export::export(&copy, &folder).unwrap();
        let store = Sealed::open(&copy).unwrap();
        Self {
            key: VerifierKey::read(&log.status().public_key).unwrap(),
            rows: Rows::of(&store.view().unwrap()),
            tiles: map(&folder),
            bundles: [first, second],
            open,
        }
    }
}

async fn held(recorder: &crate::audit::Recorder) {
    let request = crate::audit::fixture::request("DELETE FROM t");
    let ask = Ask { reason: "a write".to_owned(), approvers: Vec::new(), decide_within_secs: 60 };
    let held = Held::for_test(request, ruling(Verdict::Hold), ask);
    let number = recorder.hold(&held, "apr_1", "aa", 5).await.unwrap();
    let outcome = ApprovalOutcome {
        id: "apr_1".to_owned(),
        number,
        decision: ApprovalDecision::Denied,
        by: None,
        note: None,
    };
    recorder.approval(&outcome).await.unwrap();
}

/// The files of a folder.
fn map(folder: &Path) -> Map {
    let files = crate::audit::verify::tiles::Folder(folder);
    let names = files.names().unwrap();
    names.into_iter().map(|name| (name.clone(), files.file(&name).unwrap().unwrap())).collect()
}

/// What a judgement says: exit code and first bad entry.
pub(super) fn said(judged: Judged<Checked>) -> (u8, Option<u64>) {
    match judged {
        Ok(_) => (EXIT_INTACT, None),
        Err(judgement) => match *judgement {
            Judgement::Tampered { index, .. } => (EXIT_TAMPERED, index),
            other => (other.exit_code(), None),
        },
    }
}

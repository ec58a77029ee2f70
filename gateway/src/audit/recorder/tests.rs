#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::audit::entry::RequestPayload;
use crate::audit::fixture::{begin, claims, decided, frame, open, request, rows, ruling, session};
use crate::audit::fixture::{settings, words};
use crate::audit::reader::{Payload, SessionState};
use crate::audit::store::{Batch, RedbStore, Store, StoreError, View};
use crate::audit::verify::{Judgement, Pins, verify};
use crate::audit::{Log, Reader};
use crate::policy::{Ask, Verdict as PolicyVerdict};
use crate::protocol::Outcome;

fn intact(dir: &Path) {
    let judgement = verify(&settings(dir).dir, &Pins::default());
    assert!(matches!(judgement, Judgement::Intact(_)), "{judgement}");
}

#[tokio::test]
async fn a_session_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let recorder = begin(&log).await;
    let pending = recorder.permit(decided("SELECT secret_word")).await.unwrap();
    assert_eq!(pending.number(), 1);
    let permit = pending.await.unwrap();
    assert_eq!((permit.number(), &permit.into_wire()[..]), (1, &b"SELECT secret_word"[..]));
    let release = recorder.release(vec![(1, rows("email", &["a***"])), (1, words())]).await;
    assert_eq!(release.unwrap().await.unwrap().into_frames().len(), 2);
    recorder.end(EndReason::Downstream).await.unwrap();
    let id = session_ids(&log.reader()).remove(0);
    let record = log.reader().session(&id).unwrap().unwrap();
    assert_eq!(record.gaps, Vec::<String>::new());
    let kinds: Vec<&str> = record.records.iter().map(|row| row.entry.kind.as_str()).collect();
    assert_eq!(kinds, ["session_start", "request", "response", "session_end"]);
    let Payload::Plain(json) = &record.records[1].payload else { panic!("sealed") };
    let payload: RequestPayload<'_> = serde_json::from_slice(json).unwrap();
    assert_eq!(payload.text, "SELECT secret_word");
    assert_eq!(payload.plugins.len(), 1);
    let end: SessionEnd = record.records[3].entry.body().unwrap();
    assert_eq!((end.entries, end.requests, end.rows), (3, 1, 1));
    assert_eq!(record.summary.state, SessionState::Ended);
    drop((recorder, log));
    intact(dir.path());
}

fn session_ids(reader: &Reader) -> Vec<String> {
    reader.sessions(1000).unwrap().into_iter().map(|session| session.id).collect()
}

#[tokio::test]
async fn a_batch_of_words_makes_no_entry_but_a_notice_does() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let recorder = begin(&log).await;
    let before = log.status().size;
    recorder.release(vec![(1, words())]).await.unwrap().await.unwrap();
    assert_eq!(log.status().size, before);
    let notice = Masked::for_test(Bytes::from(frame(b'N', b"quoted data")), 0, None);
    recorder.release(vec![(1, words()), (1, notice)]).await.unwrap().await.unwrap();
    assert_eq!(log.status().size, before + 1);
    let torn = Masked::for_test(Bytes::from_static(b"Z\0\0"), 0, None);
    recorder.release(vec![(1, torn)]).await.unwrap().await.unwrap();
    assert_eq!(log.status().size, before + 2);
}

#[tokio::test]
async fn a_thousand_outcomes_fit_into_one_entry() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let recorder = begin(&log).await;
    let part = || {
        let outcome = Outcome { tag: Some("\u{1}".repeat(900)), sqlstate: None, message: None };
        (1, Masked::for_test(Bytes::from(frame(b'C', b"x\0")), 0, Some(outcome)))
    };
    let release = recorder.release((0..1000).map(|_| part()).collect()).await.unwrap();
    assert_eq!(release.await.unwrap().into_frames().len(), 1000);
}

#[tokio::test]
async fn a_held_request_keeps_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let recorder = begin(&log).await;
    let ask = Ask { reason: "why".to_owned(), approvers: Vec::new(), decide_within_secs: 60 };
    let held = Held::for_test(request("DELETE"), ruling(PolicyVerdict::Hold), ask);
    assert_eq!(recorder.hold(&held, "apr_1", "aa", 5).await.unwrap(), 1);
    let outcome = ApprovalOutcome {
        id: "apr_1".to_owned(),
        number: 1,
        decision: ApprovalDecision::Approved,
        by: Some(claims()),
        note: None,
    };
    recorder.approval(&outcome).await.unwrap();
    assert_eq!(recorder.permit(decided("SELECT 1")).await.unwrap().number(), 2);
    let fault = Fault::new(crate::fault::Blame::Policy, "no", "42501", "no");
    let denied = Denied::for_test(request("DROP"), ruling(PolicyVerdict::Deny), fault);
    assert_eq!(recorder.deny(&denied).await.unwrap(), 3);
    recorder.end(EndReason::Downstream).await.unwrap();
    let summary = log.reader().sessions(1).unwrap().remove(0);
    assert_eq!((summary.requests, summary.denied, summary.held), (3, 1, 1));
    let late = recorder.permit(decided("SELECT 1")).await.err().unwrap();
    assert_eq!(late.code, "session_ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_tasks_keep_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let shared = begin(&log).await;
    let tasks = (0..16).map(|_| {
        let (log, shared) = (log.clone(), shared.clone());
        tokio::spawn(async move {
            let own = begin(&log).await;
            let mut last = 0;
            for _ in 0..20 {
                let pending = shared.permit(decided("SELECT 1")).await.unwrap();
                assert!(pending.number() > last, "the order of calls is the order of numbers");
                last = pending.number();
                let number = own.permit(decided("SELECT 2")).await.unwrap().await.unwrap().number();
                let part = vec![(number, rows("a", &["1", "2"]))];
                own.release(part).await.unwrap().await.unwrap();
                pending.await.unwrap();
            }
            own.end(EndReason::Downstream).await.unwrap();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    shared.end(EndReason::Shutdown).await.unwrap();
    let reader = log.reader();
    let sessions = reader.sessions(100).unwrap();
    assert_eq!(sessions.len(), 17);
    let all = sessions.iter().find(|session| session.requests == 320).unwrap();
    let record = reader.session(&all.id).unwrap().unwrap();
    assert_eq!(record.gaps, Vec::<String>::new());
    let numbers: Vec<u64> = record
        .records
        .iter()
        .filter_map(|row| row.entry.body::<entry::Request>().ok())
        .map(|request| request.number)
        .collect();
    assert_eq!(numbers, (1..=320).collect::<Vec<_>>());
    drop((reader, shared, log));
    intact(dir.path());
}

#[tokio::test]
async fn buffered_entries_say_so_and_approvals_never_are() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let recorder = log.begin(&session(), Durability::Buffered).await.unwrap();
    recorder.permit(decided("SELECT 1")).await.unwrap().await.unwrap();
    recorder.end(EndReason::Downstream).await.unwrap();
    let id = session_ids(&log.reader()).remove(0);
    let record = log.reader().session(&id).unwrap().unwrap();
    let marks: Vec<bool> =
        record.records.iter().map(|row| row.entry.durability.is_some()).collect();
    assert_eq!(marks, [false, true, false]);
}

#[tokio::test]
async fn a_recorder_that_goes_away_leaves_a_torn_session() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    drop(begin(&log).await);
    log.event(crate::audit::Event::Shutdown { reason: "test".to_owned() }).await.unwrap();
    let summary = log.reader().sessions(1).unwrap().remove(0);
    assert_eq!(summary.state, SessionState::Torn);
    assert_eq!(summary.reason.as_deref(), Some("dropped"));
}

/// A store on a disk that fills up.
struct Filling {
    store: RedbStore,
    full: Arc<AtomicBool>,
}

impl Store for Filling {
    fn commit(&self, batch: &Batch<'_>) -> Result<(), StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Failed("No space left on device".to_owned()));
        }
        self.store.commit(batch)
    }

    fn view(&self) -> Result<View, StoreError> {
        self.store.view()
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_keeps_refusing() {
    let dir = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&full);
    let log = Log::open_with(&settings(dir.path()), "digest", |path| {
        RedbStore::open(path).map(|store| Arc::new(Filling { store, full: switch }) as Arc<_>)
    })
    .unwrap();
    let recorder = begin(&log).await;
    recorder.permit(decided("SELECT 1")).await.unwrap().await.unwrap();
    let size = log.status().size;
    full.store(true, Ordering::SeqCst);
    let fault = recorder.permit(decided("SELECT 2")).await.unwrap().await.unwrap_err();
    assert_eq!((fault.code, fault.sqlstate), ("log_unavailable", "58030"));
    full.store(false, Ordering::SeqCst);
    assert!(recorder.permit(decided("SELECT 3")).await.is_err());
    assert!(recorder.release(vec![(1, rows("a", &["1"]))]).await.is_err());
    assert!(log.begin(&session(), Durability::Buffered).await.is_err());
    let status = log.status();
    assert_eq!((status.healthy, status.size), (false, size));
    drop((recorder, log));
    intact(dir.path());
}

#[tokio::test]
async fn secrets_are_not_in_any_file() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let recorder = begin(&log).await;
    let number = recorder.permit(decided("SELECT 'canary-in-text'")).await.unwrap();
    let number = number.await.unwrap().number();
    let part = vec![(number, rows("a", &["canary-in-row"]))];
    recorder.release(part).await.unwrap().await.unwrap();
    drop((recorder, log));
    for file in std::fs::read_dir(settings(dir.path()).dir).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(9).any(|window| window == b"canary-in");
        assert!(!found, "{}", path.display());
    }
}

const CHILD_DIR: &str = "AUDIT_TEST_CHILD_DIR";

/// Not a test of its own: the process that the next test kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child_under_load() {
    let Some(dir) = std::env::var_os(CHILD_DIR).map(std::path::PathBuf::from) else { return };
    let log = open(&dir);
    let tasks = (0..8).map(|task| {
        let (log, dir) = (log.clone(), dir.clone());
        tokio::spawn(async move {
            let session = session();
            let id = session.id().to_string();
            let recorder = log.begin(&session, Durability::Durable).await.unwrap();
            let mut acked = std::fs::File::create(dir.join(format!("acked-{task}"))).unwrap();
            for _ in 0..u64::MAX {
                let permit = recorder.permit(decided("SELECT 1")).await.unwrap().await.unwrap();
                acked.write_all(format!("{id} {}\n", permit.number()).as_bytes()).unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// What the child was told is durable.
fn acked(dir: &Path) -> Vec<(String, u64)> {
    let texts = (0..8).map(|task| std::fs::read_to_string(dir.join(format!("acked-{task}"))));
    let all: String = texts.map(Result::unwrap_or_default).collect();
    let whole = all.lines().filter_map(|line| line.split_once(' '));
    whole.filter_map(|(id, number)| Some((id.to_owned(), number.parse().ok()?))).collect()
}

#[tokio::test]
async fn a_killed_gateway_loses_nothing_it_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "audit::recorder::tests::child_under_load", "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while acked(dir.path()).len() < 200 {
        assert!(started.elapsed() < Duration::from_secs(60), "the child makes no progress");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    intact(dir.path());
    let log = open(dir.path());
    let reader = log.reader();
    let sessions = reader.sessions(100).unwrap();
    assert!(sessions.len() >= 8);
    assert!(sessions.iter().all(|session| session.state == SessionState::Torn));
    let confirmed = acked(dir.path());
    for session in &sessions {
        let last = confirmed.iter().filter(|(id, _)| *id == session.id).map(|(_, n)| *n).max();
        assert!(session.requests >= last.unwrap_or(0), "a confirmed request is lost");
    }
    drop((reader, log));
    intact(dir.path());
}

#[tokio::test]
async fn an_approved_request_runs_under_the_number_it_was_held_with() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let recorder = begin(&log).await;
    let ask = Ask { reason: "why".to_owned(), approvers: Vec::new(), decide_within_secs: 60 };
    let held = Held::for_test(request("DELETE"), ruling(PolicyVerdict::Hold), ask);
    let number = recorder.hold(&held, "apr_1", "aa", 5).await.unwrap();
    recorder.permit(decided("SELECT 1")).await.unwrap().await.unwrap();
    let stamp = |id: &str| ApprovalStamp {
        id: id.to_owned(),
        approver: "someone".to_owned(),
        binding: "aa".to_owned(),
    };
    let mut numbers = Vec::new();
    for id in ["apr_1", "apr_1", "apr_of_another_session"] {
        let verdict = Verdict { approval: Some(stamp(id)), ..Verdict::default() };
        let (request, ruling) = (request("DELETE"), ruling(PolicyVerdict::Hold));
        let state = RequestState::Permitted;
        let made = recorder.request(&request, &ruling, state, verdict, true).await;
        numbers.push(made.unwrap().0);
    }
    assert_eq!((number, numbers), (1, vec![1, 3, 4]));
}

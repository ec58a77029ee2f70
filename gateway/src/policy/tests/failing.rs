//! What a failure means under each `on_error`, how long a failing plugin is let alone, and that a
//! slow one keeps nobody else waiting.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::fixtures::*;
use crate::limits::PLUGIN_STRIKES;
use crate::policy::{Generation, Judged, OnError, PolicySettings, RiskAcceptance, Ruling, Verdict};

fn trap() -> Vec<u8> {
    component("approver", &check("(unreachable)"))
}

fn accepted(until: Option<u64>) -> OnError {
    OnError::Allow(RiskAcceptance { by: "Ann Lee".into(), because: "a trial".into(), until })
}

fn load(component: &[u8], on_error: OnError) -> Generation {
    let (_dir, mut settings) = policy(&[component.to_vec()]);
    settings.plugins[0].on_error = on_error;
    engine().load(&settings).unwrap()
}

fn judged(generation: &Generation) -> Ruling {
    match generation.judge(&mut instances(), select()) {
        Judged::Decided(it) => it.ruling().clone(),
        Judged::Denied(it) => it.ruling().clone(),
        Judged::Held(it) => it.ruling().clone(),
    }
}

#[test]
fn a_verdict_that_fails_denies_unless_somebody_answers_for_it() {
    for on_error in [OnError::Deny, OnError::Redact] {
        let ruling = judged(&load(&trap(), on_error));
        assert_eq!(ruling.verdict, Verdict::Deny);
        assert_eq!(ruling.findings[0].rule, "plugin_failed");
    }
    let ruling = judged(&load(&trap(), accepted(None)));
    assert_eq!(ruling.verdict, Verdict::Allow);
    let finding = &ruling.findings[0];
    assert_eq!((finding.rule.as_str(), finding.score), ("plugin_failed_allowed", 100));
    assert!(finding.message.contains("as Ann Lee answers for: a trial"), "{}", finding.message);
    assert_eq!(ruling.plugins[0].on_error.as_deref(), Some("allow"));
}

#[test]
fn an_acceptance_ends() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(judged(&load(&trap(), accepted(Some(now + 3600)))).verdict, Verdict::Allow);
    assert_eq!(judged(&load(&trap(), accepted(Some(now)))).verdict, Verdict::Deny);
}

#[test]
fn the_policy_s_default_counts_when_a_plugin_is_gone_on_without() {
    let (_dir, mut settings) = policy(&[trap()]);
    settings.plugins[0].on_error = accepted(None);
    settings.default_verdict = Verdict::Deny;
    let ruling = judged(&engine().load(&settings).unwrap());
    assert_eq!(ruling.verdict, Verdict::Deny);
}

/// Inspects the first column and stops itself at the cells.
fn blind() -> Vec<u8> {
    let parts = [
        plan("(i32.const 1024)"),
        data(1024, &[2048, 2]),
        data(2048, &[2, 0, 0, 0, 0, 0]),
        scan("(unreachable)"),
    ];
    component("masker", &parts.concat())
}

fn results(component: &[u8], on_error: OnError) -> Result<(Vec<String>, Vec<String>), String> {
    let generation = load(component, on_error);
    let columns = [column("a", "t.a"), column("b", "t.b")];
    let mut plan =
        generation.plan(&mut instances(), &columns).map_err(|fault| fault.code.to_owned())?;
    let mut shown = Vec::new();
    let mut marks = Vec::new();
    for row in [["a1", "b1"], ["a2", "b2"]] {
        let rows = rows(&[&[Some(row[0]), Some(row[1])]]);
        let masked = plan.mask(&rows).map_err(|fault| fault.code.to_owned())?;
        shown.extend(cells(masked.frames(), 2));
        marks.extend(masked.marks().failed.iter().map(|one| one.on_error.clone()));
        assert_eq!(masked.marks().plugins.len(), 1, "every part names the plugins");
    }
    Ok((shown, marks))
}

#[test]
fn a_failed_look_hides_what_it_should_have_seen() {
    assert_eq!(results(&blind(), OnError::Deny).unwrap_err(), "plugin_failed");
    let (shown, marks) = results(&blind(), OnError::Redact).unwrap();
    assert_eq!(shown, ["NULL", "b1", "NULL", "b2"]);
    assert_eq!(marks, ["redact", "redact"], "each part says so");
    let (shown, marks) = results(&blind(), accepted(None)).unwrap();
    assert_eq!(shown, ["a1", "b1", "a2", "b2"]);
    assert_eq!(marks, ["allow", "allow"]);
}

#[test]
fn a_failed_plan_hides_everything() {
    let broken = component("masker", &[plan("(unreachable)"), scan("(unreachable)")].concat());
    assert_eq!(results(&broken, OnError::Deny).unwrap_err(), "plugin_failed");
    assert_eq!(results(&broken, OnError::Redact).unwrap().0, ["NULL"; 4]);
    assert_eq!(results(&broken, accepted(None)).unwrap().0, ["a1", "b1", "a2", "b2"]);
    // What is hidden can't be told, so all of it is, and it is asked again next time.
    let learned =
        load(&broken, OnError::Redact).hidden(&mut instances(), &[column("a", "t.a")]).unwrap();
    assert!(learned.columns[0].is_some() && !learned.failed.is_empty());
    assert!(load(&broken, OnError::Deny).hides(&mut instances()).is_err());
}

#[test]
fn rows_after_a_failure_stay_withheld() {
    let generation = load(&blind(), OnError::Deny);
    let columns = [column("a", "t.a"), column("b", "t.b")];
    let mut plan = generation.plan(&mut instances(), &columns).unwrap();
    for _ in 0..2 {
        let fault = plan.mask(&rows(&[&[Some("a"), Some("b")]])).unwrap_err();
        assert_eq!(fault.code, "plugin_failed");
    }
    assert!(!plan.is_pass());
}

#[test]
fn a_plugin_that_fails_in_a_row_is_let_alone_in_its_session() {
    let generation = load(&trap(), OnError::Deny);
    let mut one = instances();
    let mut words = Vec::new();
    for _ in 0..=PLUGIN_STRIKES {
        let Judged::Denied(denied) = generation.judge(&mut one, select()) else { panic!() };
        words.push(denied.ruling().findings[0].message.clone());
    }
    assert!(words[PLUGIN_STRIKES as usize - 1].contains("it stopped itself"), "{words:?}");
    assert!(words[PLUGIN_STRIKES as usize].contains("is not asked for a while"), "{words:?}");
    // Another session is not held to that.
    let Judged::Denied(denied) = generation.judge(&mut instances(), select()) else { panic!() };
    assert!(denied.ruling().findings[0].message.contains("it stopped itself"));
    // The operator is told once, and how often.
    let traps = one.troubles().take();
    assert_eq!(traps.len(), 1);
    assert_eq!((traps[0].on_error, traps[0].plugin.name.as_str()), ("deny", "p0"));
    assert!(one.troubles().take().is_empty());
}

fn runaway() -> PolicySettings {
    let dir = tempfile::tempdir().unwrap().keep();
    let file = dir.join("loop.wasm");
    let looping = component("approver", &check("(loop br 0) (unreachable)"));
    std::fs::write(&file, looping).unwrap();
    policy_of(vec![plugin_settings("loop", &file)])
}

/// One thread for two tasks: the second runs only if the first leaves the thread.
#[test]
fn a_slow_call_leaves_its_thread_to_the_others() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let settings = runaway();
    let generation = Arc::new(engine().load(&settings).unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let before = runtime.block_on(async {
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (flag, policy) = (Arc::clone(&over), Arc::clone(&generation));
        let slow = tokio::spawn(async move {
            let _ = begun.send(());
            let judged = policy.judge(&mut instances(), select());
            flag.store(true, Ordering::SeqCst);
            assert!(matches!(judged, Judged::Denied(_)));
        });
        begins.await.unwrap();
        let flag = Arc::clone(&over);
        let other = tokio::spawn(async move { !flag.load(Ordering::SeqCst) });
        let before = other.await.unwrap();
        slow.await.unwrap();
        before
    });
    assert!(before, "the other task waited for the plugin");
    runtime.shutdown_timeout(Duration::from_secs(5));
    std::fs::remove_dir_all(settings.plugins[0].file.parent().unwrap()).unwrap();
}

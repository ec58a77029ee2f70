//! What becomes of results that plugins count.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use super::fixtures::*;
use crate::fault::Fault;
use crate::policy::{Finding, Masked, Mode, OnError, RiskAcceptance, words};

/// A meter that answers every part like this.
fn meter(observe: &str, answer: &[u32]) -> Vec<u8> {
    let parts = [
        check(MAKE_ZERO),
        export("meter", "observe", "(param i32)", observe),
        data(1024, answer),
        bytes_at(2048, b"rulewhy"),
    ];
    component("metering-approver", &parts.concat())
}

/// Pass; a note with score 7; stop.
const PASS: [u32; 1] = [0];
const NOTE: [u32; 6] = [1, 2048, 4, 7, 2052, 3];
const STOP: [u32; 5] = [2, 2048, 4, 2052, 3];
const SAID: &str = "(i32.const 1024)";

/// Two parts of a result, as this plugin takes them.
fn parts(
    component: Vec<u8>,
    mode: Mode,
    on_error: OnError,
) -> [Result<(Vec<Finding>, Masked), Fault>; 2] {
    let (_dir, mut settings) = policy(&[component]);
    settings.plugins[0].mode = mode;
    settings.plugins[0].on_error = on_error;
    let generation = Arc::new(engine().load(&settings).unwrap());
    let mut instances = instances();
    let mut plan = generation.plan(&mut instances, &[]).unwrap().metered_by(&generation);
    [(); 2].map(|()| {
        let notes = plan.count(&mut instances, false, (1, 10))?;
        Ok((notes, plan.counted(words(bytes::Bytes::from_static(b"part")))))
    })
}

fn code(part: &Result<(Vec<Finding>, Masked), Fault>) -> &str {
    part.as_ref().map_or_else(|fault| fault.code, |_| "")
}

#[test]
fn a_meter_passes_notes_and_stops() {
    let passed = parts(meter(SAID, &PASS), Mode::Enforce, OnError::Deny);
    assert!(passed.iter().all(|part| part.as_ref().unwrap().0.is_empty()));
    let noted = parts(meter(SAID, &NOTE), Mode::Enforce, OnError::Deny);
    let rules = noted.map(|part| part.unwrap().0[0].rule.clone());
    assert_eq!(rules, ["rule", "rule"]);
    let stopped = parts(meter(SAID, &STOP), Mode::Enforce, OnError::Deny);
    assert_eq!(stopped.each_ref().map(code), ["result_stopped"; 2]);
    assert!(stopped[0].as_ref().unwrap_err().message.ends_with("why (rule rule)"));
}

#[test]
fn a_meter_that_fails_withholds_unless_somebody_answers_for_it() {
    let trap = || meter("unreachable", &PASS);
    for on_error in [OnError::Deny, OnError::Redact] {
        let failed = parts(trap(), Mode::Enforce, on_error);
        assert_eq!(failed.each_ref().map(code), ["plugin_failed"; 2]);
    }
    let accepted = RiskAcceptance { by: "ann".into(), because: "a test".into(), until: None };
    let [first, second] = parts(trap(), Mode::Enforce, OnError::Allow(accepted));
    assert_eq!(first.unwrap().1.marks().failed.len(), 1);
    assert_eq!(second.unwrap().1.marks().failed.len(), 1, "it is not asked again");
}

#[test]
fn a_meter_that_does_not_act_is_heard_and_ends_nothing() {
    let [first, second] = parts(meter(SAID, &STOP), Mode::Shadow, OnError::Deny);
    assert_eq!(first.unwrap().1.marks().shadow[0].ended, "why");
    assert_eq!(code(&second), "");
    let [noted, _] = parts(meter(SAID, &NOTE), Mode::Shadow, OnError::Deny);
    assert!(noted.unwrap().0.is_empty());
}

#[test]
fn a_component_without_a_meter_is_not_asked() {
    let parts = parts(guard_that(DENY), Mode::Enforce, OnError::Deny);
    assert_eq!(parts.each_ref().map(code), ["", ""]);
}

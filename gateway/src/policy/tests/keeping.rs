//! What a session keeps of a plugin from one request to the next, and what nobody keeps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::fixtures::*;
use crate::limits::{PLUGIN_INSTANCE_CALLS_MAX, PLUGIN_INSTANCES_KEPT_MAX};
use crate::policy::{Generation, Instances, Judged};

/// A guard that abstains the first time an instance is asked; what comes then is `then`.
/// It frees what it was given, so that it can be asked without end.
fn once(then: &str) -> Vec<u8> {
    let body = format!(
        "(global.set $next (i32.const 65536))
         (if (i32.load (i32.const 4096)) (then {then}))
         (i32.store (i32.const 4096) (i32.const 1)) (i32.const 1024)"
    );
    let parts = [check(&body), data(1028, &[2048, 4, 2048, 4]), bytes_at(2048, b"rule")];
    component("approver", &parts.concat())
}

/// Denies from the second time on.
fn remembering() -> Vec<u8> {
    once("(i32.store (i32.const 1024) (i32.const 2))")
}

fn load(components: &[Vec<u8>]) -> Generation {
    let (_dir, settings) = policy(components);
    engine().load(&settings).unwrap()
}

/// The code of the denial, or `allowed`.
fn ask(generation: &Generation, instances: &mut Instances) -> &'static str {
    match generation.judge(instances, select()) {
        Judged::Decided(_) => "allowed",
        Judged::Denied(denied) => denied.fault().code,
        Judged::Held(_) => panic!("nothing is held"),
    }
}

#[test]
fn an_instance_serves_one_session_only() {
    let generation = load(&[remembering()]);
    let (mut one, mut other) = (instances(), instances());
    assert_eq!(ask(&generation, &mut one), "allowed");
    assert_eq!(ask(&generation, &mut one), "policy_denied", "the instance is kept");
    assert_eq!(ask(&generation, &mut other), "allowed", "and is nobody else's");
    assert_eq!(generation.places().taken(), 2);
    drop(one);
    assert_eq!(generation.places().taken(), 1, "a session takes its instances with it");
}

#[test]
fn an_instance_that_failed_is_dropped() {
    for failing in [
        once("(unreachable)"),
        once("(loop br 0)"),
        // A deny whose texts lie outside the memory.
        once(
            "(i32.store (i32.const 1024) (i32.const 2))
             (i32.store (i32.const 1028) (i32.const 0x7fff0000))",
        ),
        // A hold with more approver groups than anybody has.
        once(
            "(i32.store (i32.const 1024) (i32.const 3))
             (i32.store (i32.const 1044) (i32.const 6144))
             (i32.store (i32.const 1048) (i32.const 100))",
        ),
    ] {
        let generation = load(&[failing]);
        let mut instances = instances();
        for expected in ["allowed", "plugin_failed", "allowed", "plugin_failed"] {
            assert_eq!(ask(&generation, &mut instances), expected);
        }
    }
}

#[test]
fn the_other_plugins_outlive_one_that_failed() {
    let scorer = component("risk-scorer", &[score("(i32.const 1024)"), data(1024, &[1])].concat());
    let generation = load(&[scorer, once("(unreachable)")]);
    let mut instances = instances();
    ask(&generation, &mut instances);
    assert_eq!(generation.places().taken(), 2);
    assert_eq!(ask(&generation, &mut instances), "plugin_failed");
    assert_eq!(generation.places().taken(), 1);
}

#[test]
fn a_new_policy_starts_fresh_instances() {
    let (_dir, settings) = policy(&[remembering()]);
    let engine = engine();
    let (before, now) = (engine.load(&settings).unwrap(), engine.load(&settings).unwrap());
    let mut instances = instances();
    assert_eq!(ask(&before, &mut instances), "allowed");
    assert_eq!(ask(&now, &mut instances), "allowed");
    assert_eq!(ask(&now, &mut instances), "policy_denied");
    assert_eq!(ask(&before, &mut instances), "allowed", "the old one's are gone");
}

#[test]
fn an_inspected_result_has_its_instance_to_itself() {
    let generation = load(&[editor(&[0], &[2], b"xy")]);
    let mut instances = instances();
    let columns = [column("notes", "public.customers.notes")];
    let mut one = generation.plan(&mut instances, &columns).unwrap();
    let mut other = generation.plan(&mut instances, &columns).unwrap();
    assert_eq!(generation.places().taken(), 0);
    for plan in [&mut one, &mut other] {
        let masked = plan.mask(&rows(&[&[Some("abc")]])).unwrap();
        assert_eq!(cells(masked.frames(), 1), ["xy"]);
    }
}

#[test]
fn a_plan_without_inspection_keeps_the_instance() {
    let plans = [plan("(i32.const 1024)"), data(1024, &[2048, 1]), scan("(unreachable)")];
    let generation = load(&[component("masker", &plans.concat())]);
    let mut instances = instances();
    generation.plan(&mut instances, &[column("c", "t.c")]).unwrap();
    assert_eq!(generation.places().taken(), 1);
}

#[test]
fn without_a_place_every_request_gets_a_fresh_instance() {
    let generation = load(&[remembering()]);
    let all: Vec<_> =
        (0..PLUGIN_INSTANCES_KEPT_MAX).map(|_| generation.places().take().unwrap()).collect();
    let mut instances = instances();
    assert_eq!(ask(&generation, &mut instances), "allowed");
    assert_eq!(ask(&generation, &mut instances), "allowed");
    drop(all);
    assert_eq!(ask(&generation, &mut instances), "allowed");
    assert_eq!(ask(&generation, &mut instances), "policy_denied");
}

#[test]
fn a_worn_instance_is_replaced() {
    let generation = load(&[remembering()]);
    let mut instances = instances();
    assert_eq!(ask(&generation, &mut instances), "allowed");
    for _ in 1..PLUGIN_INSTANCE_CALLS_MAX {
        assert_eq!(ask(&generation, &mut instances), "policy_denied");
    }
    assert_eq!(ask(&generation, &mut instances), "allowed");
}

#[test]
fn an_instance_that_leaks_is_replaced_before_it_fails() {
    // 100 pages a time, of 256.
    let leaking = check("(drop (memory.grow (i32.const 100))) (i32.const 1024)");
    let generation = load(&[component("approver", &leaking)]);
    let mut instances = instances();
    for _ in 0..6 {
        assert_eq!(ask(&generation, &mut instances), "allowed");
    }
}

//! Plugins that do not act: they are asked, recorded, and change nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::fixtures::*;
use crate::policy::{Generation, Instances, Judged, Mode, Ruling, Verdict};

fn load(components: &[(Vec<u8>, Mode)]) -> Generation {
    let files: Vec<Vec<u8>> = components.iter().map(|(component, _)| component.clone()).collect();
    let (_dir, mut settings) = policy(&files);
    for (plugin, (_, mode)) in settings.plugins.iter_mut().zip(components) {
        plugin.mode = mode.clone();
    }
    settings.risk_deny_at = Some(80);
    engine().load(&settings).unwrap()
}

fn ruling(generation: &Generation, instances: &mut Instances) -> Ruling {
    match generation.judge(instances, select()) {
        Judged::Decided(it) => it.ruling().clone(),
        Judged::Denied(it) => it.ruling().clone(),
        Judged::Held(it) => it.ruling().clone(),
    }
}

#[test]
fn a_shadow_is_recorded_and_never_acts() {
    let trap = component("approver", &check("(unreachable)"));
    let generation = load(&[
        (guard_that(DENY), Mode::Shadow),
        (scorer_that(90), Mode::Shadow),
        (trap, Mode::Shadow),
        (guard_that(0), Mode::Shadow),
    ]);
    let ruling = ruling(&generation, &mut instances());
    assert_eq!((ruling.verdict, ruling.risk), (Verdict::Allow, 0));
    assert!(ruling.findings.is_empty(), "{:?}", ruling.findings);
    let said: Vec<_> = ruling
        .shadow
        .iter()
        .map(|one| (one.plugin.as_str(), one.verdict.as_str(), one.rule.as_str(), one.risk))
        .collect();
    let mut sorted = said.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            ("p0", "deny", "rule", 0),
            ("p1", "abstain", "", 90),
            ("p2", "failed", "plugin_failed", 0),
            ("p3", "abstain", "", 0),
        ]
    );
    assert_eq!(ruling.plugins[0].mode.as_deref(), Some("shadow"));
}

#[test]
fn a_shadow_is_asked_behind_a_denial_too() {
    let generation = load(&[(guard_that(DENY), Mode::Enforce), (guard_that(HOLD), Mode::Shadow)]);
    let ruling = ruling(&generation, &mut instances());
    assert_eq!(ruling.verdict, Verdict::Deny);
    assert_eq!(ruling.shadow[0].verdict, "hold");
}

#[test]
fn a_canary_acts_in_its_sessions_only() {
    let canary =
        |percent, principal: &str| Mode::Canary { percent, principals: vec![principal.to_owned()] };
    let acts = |mode: &Mode, instances: &mut Instances| {
        let ruling = ruling(&load(&[(guard_that(DENY), mode.clone())]), instances);
        assert_eq!(ruling.shadow.is_empty(), ruling.verdict == Verdict::Deny);
        ruling.verdict == Verdict::Deny
    };
    assert!(acts(&canary(0, "ann"), &mut instances()), "the fixture's subject");
    assert!(!acts(&canary(0, "bob"), &mut instances()));
    // The same session gives the same answer, and about so many of a hundred act.
    let draws: Vec<u8> =
        (0..1000).map(|n| crate::policy::mode::draw(&format!("ses_{n:032x}"))).collect();
    assert_eq!(draws[7], crate::policy::mode::draw(&format!("ses_{:032x}", 7)));
    assert!(draws.iter().all(|draw| *draw < 100));
    let few = draws.iter().filter(|draw| canary(30, "x").acts(**draw, "ann")).count();
    assert!((250..350).contains(&few), "{few}");
}

#[test]
fn a_masker_that_does_not_act_hides_nothing() {
    // Hides the first column, and replaces a cell of the second.
    let generation = load(&[
        (editor(&[0], &[2], b"xy"), Mode::Shadow),
        (
            component("masker", &[plan("(unreachable)"), scan("(unreachable)")].concat()),
            Mode::Shadow,
        ),
    ]);
    let mut hand = instances();
    assert!(!generation.protects(&hand));
    let mut plan = generation.plan(&mut hand, &[column("notes", "t.notes")]).unwrap();
    let masked = plan.mask(&rows(&[&[Some("abc")], &[Some("def")]])).unwrap();
    assert_eq!(cells(masked.frames(), 1), ["abc", "def"]);
    assert_eq!((masked.masked_cells(), masked.hidden().len()), (0, 0));
    let shadow = &masked.marks().shadow;
    assert_eq!((shadow[0].plugin.as_str(), shadow[0].cells), ("p0", 1));
    assert!(shadow[1].ended.contains("plan: it stopped itself"), "{shadow:?}");
    assert!(generation.hides(&mut hand).unwrap().columns.iter().all(Option::is_none));
}

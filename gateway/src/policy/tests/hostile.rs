//! Plugins that misbehave: whatever one does, the gateway stays up and refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use super::fixtures::*;
use crate::fault::{Blame, Fault};
use crate::policy::{Judged, Verdict};

/// What judging a SELECT by one plugin says.
fn denial(component: Vec<u8>) -> (Fault, String) {
    let (_dir, settings) = policy(&[component]);
    let generation = engine().load(&settings).unwrap();
    match generation.judge(&mut instances(), select()) {
        Judged::Denied(denied) => {
            assert_eq!(denied.ruling().verdict, Verdict::Deny);
            let finding = denied.ruling().findings.first().unwrap();
            assert_eq!((finding.plugin.as_str(), finding.rule.as_str()), ("p0", "plugin_failed"));
            (denied.fault().clone(), finding.message.clone())
        }
        other => panic!("a plugin that fails must deny: {other:?}"),
    }
}

#[test]
fn an_endless_loop_is_stopped() {
    let begun = Instant::now();
    let (fault, what) = denial(component("approver", &check("(loop br 0) (unreachable)")));
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(what.contains("longer than its 500 ms"), "{what}");
    assert_eq!(
        (fault.blame, fault.code, fault.sqlstate),
        (Blame::Plugin, "plugin_failed", "YA010")
    );
    assert!(fault.message.contains("\"p0\""), "{}", fault.message);
}

#[test]
fn a_trap_denies() {
    let (_, what) = denial(component("approver", &check("(unreachable)")));
    assert!(what.contains("check: it stopped itself"), "{what}");
}

#[test]
fn deep_recursion_is_stopped() {
    let recursion = "(func $deep (param i32) (result i32)
        (i32.add (call $deep (local.get 0)) (call $deep (i32.const 1))))";
    let parts = [recursion, &check("(call $deep (i32.const 0))")].concat();
    let (_, what) = denial(component("approver", &parts));
    assert!(what.contains("stack"), "{what}");
}

#[test]
fn memory_beyond_the_budget_is_refused() {
    // 256 pages are 16 MiB, and the module has 4 already.
    let grow = check("(drop (memory.grow (i32.const 256))) (i32.const 0)");
    let (_, what) = denial(component("approver", &grow));
    assert!(what.contains("more memory than its 16777216 bytes"), "{what}");
}

#[test]
fn tables_count_against_the_same_budget() {
    // Within the memory budget together with the memory: 15.75 MiB and then a table.
    let parts = [
        "(table $t 0 funcref)",
        &check(
            "(drop (memory.grow (i32.const 252)))
             (drop (table.grow $t (ref.null func) (i32.const 8))) (i32.const 0)",
        ),
    ]
    .concat();
    let (_, what) = denial(component("approver", &parts));
    assert!(what.contains("more memory"), "{what}");
}

#[test]
fn a_start_that_loops_is_stopped_at_load() {
    let parts = ["(func $loop (loop br 0))", "(start $loop)", &check(MAKE_ZERO)].concat();
    let (_dir, mut settings) = policy(&[component("approver", &parts)]);
    settings.plugins[0].call_millis_max = 20;
    let problems = engine().load(&settings).unwrap_err();
    assert!(problems[0].message.contains("longer than"), "{problems:?}");
}

#[test]
fn answers_outside_the_interface_deny() {
    let scorer = |words: &[u32], more: &str| {
        let parts = [&score("(i32.const 1024)"), &data(1024, words), more].concat();
        component("risk-scorer", &parts)
    };
    let (_, what) = denial(scorer_that(101));
    assert!(what.contains("above 100"), "{what}");
    // One finding at 2048 with a score of 200.
    let finding = data(2048, &[0, 0, 200, 0, 0]);
    let (_, what) = denial(scorer(&[1, 2048, 1], &finding));
    assert!(what.contains("above 100"), "{what}");
    // A message that is not UTF-8.
    let finding = [data(2048, &[0, 0, 1, 4096, 1]), bytes_at(4096, b"\xff")].concat();
    let (_, what) = denial(scorer(&[1, 2048, 1], &finding));
    assert!(what.contains("score:"), "{what}");
    // A list that reaches past the memory.
    denial(scorer(&[1, 0x7fff_0000, 1000], ""));
    // A list within the memory whose host copy would be large.
    let huge = [&score("(i32.const 1024)"), &data(1024, &[1, 2048, 12_000]), ""].concat();
    let (_dir, settings) = policy(&[component("risk-scorer", &huge)]);
    let generation = engine().load(&settings).unwrap();
    // Either refused, or clipped to the bound: never kept whole.
    match generation.judge(&mut instances(), select()) {
        Judged::Decided(decided) => assert!(decided.ruling().findings.len() <= 8),
        Judged::Denied(_) => {}
        Judged::Held(_) => panic!("nothing was held"),
    }
}

#[test]
fn findings_are_clipped_and_escaped() {
    let text = "\u{1b}]0;owned\u{7}".repeat(200);
    let one = [2048 + 400, 4, 7, 4096, u32::try_from(text.len()).unwrap()];
    let many: Vec<u32> = one.repeat(20);
    let parts = [
        score("(i32.const 1024)"),
        data(1024, &[5, 2048, 20]),
        data(2048, &many),
        bytes_at(2448, b"rule"),
        bytes_at(4096, text.as_bytes()),
    ];
    let (_dir, settings) = policy(&[component("risk-scorer", &parts.concat())]);
    let generation = engine().load(&settings).unwrap();
    let Judged::Decided(decided) = generation.judge(&mut instances(), select()) else { panic!() };
    let findings = &decided.ruling().findings;
    assert_eq!(findings.len(), 8);
    for finding in findings {
        assert_eq!((finding.rule.as_str(), finding.score), ("rule", 7));
        assert!(finding.message.len() <= 512);
        assert!(!finding.message.chars().any(char::is_control));
    }
    assert_eq!(decided.ruling().risk, 5);
}

fn masking(component: Vec<u8>) -> Result<Vec<String>, Fault> {
    let (_dir, settings) = policy(&[component]);
    let generation = engine().load(&settings).unwrap();
    let columns = [column("notes", "public.customers.notes")];
    let mut plan = generation.plan(&mut instances(), &columns)?;
    let masked = plan.mask(&rows(&[&[Some("abc")], &[None], &[Some("def")]]))?;
    Ok(cells(masked.frames(), 1))
}

#[test]
fn a_plan_of_the_wrong_length_withholds_the_result() {
    for plans in [0, 2] {
        let parts = [
            plan("(i32.const 1024)"),
            data(1024, &[2048, plans]),
            data(2048, &[0; 12]),
            scan(MAKE_ZERO),
        ];
        let fault = masking(component("masker", &parts.concat())).unwrap_err();
        assert_eq!(fault.code, "plugin_failed");
        assert!(fault.detail.unwrap().contains("plans for 1 columns"));
    }
}

#[test]
fn edits_are_not_trusted() {
    let null = 1 << 31;
    assert_eq!(masking(editor(&[0], &[2], b"xy")).unwrap(), ["xy", "NULL", "def"]);
    assert_eq!(masking(editor(&[0, 2], &[null, 1], b"z")).unwrap(), ["NULL", "NULL", "z"]);
    // A cell that is NULL stays so.
    assert_eq!(masking(editor(&[1], &[1], b"z")).unwrap(), ["abc", "NULL", "def"]);
    for (name, component) in [
        ("unsorted", editor(&[2, 0], &[1, 2], b"xy")),
        ("twice", editor(&[0, 0], &[1, 2], b"xy")),
        ("not there", editor(&[3], &[1], b"x")),
        ("fewer ends", editor(&[0, 2], &[1], b"x")),
        ("ends that go back", editor(&[0, 2], &[2, 1], b"xy")),
        ("ends past the data", editor(&[0], &[5], b"xy")),
        ("bytes left over", editor(&[0], &[1], b"xy")),
        ("NULL with bytes", editor(&[0], &[null | 2], b"xy")),
        ("not UTF-8", editor(&[0], &[1], b"\xff")),
        ("a NUL", editor(&[0], &[1], b"\0")),
        ("too large", editor(&[0], &[300], &[b'x'; 300])),
    ] {
        let fault = masking(component).unwrap_err();
        assert_eq!(fault.code, "plugin_failed", "{name}");
        assert!(fault.detail.unwrap().contains("scan:"), "{name}");
    }
}

#[test]
fn a_scan_that_traps_withholds_the_result() {
    let parts = [
        plan("(i32.const 1024)"),
        data(1024, &[2048, 1]),
        data(2048, &[2, 0, 0, 0, 0, 0]),
        scan("(unreachable)"),
    ];
    let fault = masking(component("masker", &parts.concat())).unwrap_err();
    assert_eq!((fault.code, fault.sqlstate), ("plugin_failed", "YA010"));
}

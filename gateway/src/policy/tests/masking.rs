//! Results under one and several maskers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::fixtures::*;
use crate::limits::SCAN_BATCH_ROWS_MAX;
use crate::protocol::Column;

/// A masker whose plan is the same for its only column.
fn planner(plan_words: [u32; 6]) -> Vec<u8> {
    let parts = [
        plan("(i32.const 1024)"),
        data(1024, &[2048, 1]),
        data(2048, &plan_words),
        bytes_at(3072, b"rule-text"),
        scan(MAKE_ZERO),
    ];
    component("masker", &parts.concat())
}

const PASS: [u32; 6] = [0; 6];
const NULL_OUT: [u32; 6] = [1, 0, 0, 0, 3072, 4];
const FIXED: [u32; 6] = [1, 1, 3077, 4, 3072, 4];
const HASH: [u32; 6] = [1, 2, 0, 0, 3072, 4];
const KEEP_LAST_2: [u32; 6] = [1, 4, 2, 0, 3072, 4];
const INSPECT: [u32; 6] = [2, 0, 0, 0, 0, 0];

fn masked(plans: &[[u32; 6]], column: &Column) -> Vec<String> {
    let components: Vec<_> = plans.iter().map(|words| planner(*words)).collect();
    let (_dir, settings) = policy(&components);
    let generation = engine().load(&settings).unwrap();
    let mut plan = generation.plan(&mut instances(), std::slice::from_ref(column)).unwrap();
    let masked = plan.mask(&rows(&[&[Some("secret")], &[None]])).unwrap();
    assert_eq!(masked.rows(), 2);
    cells(masked.frames(), 1)
}

#[test]
fn the_strictest_plan_counts() {
    let plain = column("c", "public.t.c");
    assert_eq!(masked(&[PASS], &plain), ["secret", "NULL"]);
    assert_eq!(masked(&[KEEP_LAST_2], &plain), ["****et", "NULL"]);
    assert_eq!(masked(&[FIXED], &plain), ["text", "NULL"]);
    assert_eq!(masked(&[HASH], &plain)[0].len(), 16);
    for plans in [[NULL_OUT, PASS], [PASS, NULL_OUT], [FIXED, NULL_OUT], [INSPECT, NULL_OUT]] {
        assert_eq!(masked(&plans, &plain), ["NULL", "NULL"]);
    }
    assert_eq!(masked(&[KEEP_LAST_2, FIXED], &plain), ["text", "NULL"]);
}

#[test]
fn a_computed_column_is_hidden_whole() {
    let computed = Column { exact: false, ..column("c", "public.t.c") };
    for plan in [KEEP_LAST_2, HASH] {
        assert_eq!(masked(&[plan], &computed), ["****", "NULL"]);
    }
}

#[test]
fn types_other_than_text_become_null() {
    for (type_name, binary) in [("int4", false), ("uuid", true), ("numeric", true)] {
        let other = Column { type_name: type_name.into(), binary, ..column("c", "public.t.c") };
        assert_eq!(masked(&[FIXED], &other), ["NULL", "NULL"], "{type_name}");
    }
}

#[test]
fn what_can_not_be_inspected_is_hidden() {
    let binary = Column { type_name: "numeric".into(), binary: true, ..column("c", "t.c") };
    assert_eq!(masked(&[INSPECT], &binary), ["NULL", "NULL"]);
}

#[test]
fn rows_pass_untouched_when_nothing_is_hidden() {
    let (_dir, settings) = policy(&[planner(PASS)]);
    let generation = engine().load(&settings).unwrap();
    let mut plan = generation.plan(&mut instances(), &[column("c", "t.c")]).unwrap();
    assert!(plan.is_pass());
    let given = rows(&[&[Some("x")]]);
    let masked = plan.mask(&given).unwrap();
    assert_eq!(masked.frames().as_ptr(), given.frames().as_ptr(), "the same bytes, not a copy");
    assert_eq!((masked.rows(), masked.masked_cells()), (1, 0));
}

#[test]
fn a_plan_names_its_rules() {
    let (_dir, settings) = policy(&[planner(HASH)]);
    let generation = engine().load(&settings).unwrap();
    let plan = generation.plan(&mut instances(), &[column("c", "t.c")]).unwrap();
    let named = &plan.masked_columns()[0];
    assert_eq!((named.plugin.as_str(), named.rule.as_str()), ("p0", "rule"));
    assert!(generation.masks());
}

#[test]
fn rows_that_differ_from_the_plan_are_withheld() {
    let (_dir, settings) = policy(&[planner(NULL_OUT)]);
    let generation = engine().load(&settings).unwrap();
    let mut plan = generation.plan(&mut instances(), &[column("c", "t.c")]).unwrap();
    let wider = rows(&[&[Some("a"), Some("secret")]]);
    assert_eq!(plan.mask(&wider).unwrap_err().code, "reply_malformed");
}

#[test]
fn every_batch_is_shown() {
    // Edits cell 0 of each batch: how many edits there are is how many batches there were.
    let (_dir, settings) = policy(&[editor(&[0], &[1], b"x")]);
    let generation = engine().load(&settings).unwrap();
    let mut plan = generation.plan(&mut instances(), &[column("c", "t.c")]).unwrap();
    let row: &[Option<&str>] = &[Some("abc")];
    let table = vec![row; SCAN_BATCH_ROWS_MAX + 1];
    assert_eq!(plan.mask(&rows(&table)).unwrap().masked_cells(), 2, "by rows");
    let long = "y".repeat(40_000);
    let row: &[Option<&str>] = &[Some(&long)];
    assert_eq!(plan.mask(&rows(&[row, row, row])).unwrap().masked_cells(), 3, "by bytes");
    let huge = "z".repeat(crate::limits::SCAN_CELL_BYTES_MAX + 1);
    let masked = plan.mask(&rows(&[&[Some("a")], &[Some(&huge)]])).unwrap();
    assert_eq!(cells(masked.frames(), 1), ["x", "NULL"], "too large to show is too large to pass");
}

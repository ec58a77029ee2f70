//! Cells that a plugin doesn't want to see, and results that no plugin has to see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::fixtures::*;
use crate::policy::host::CALLS;
use crate::policy::{Generation, Problem};

fn calls() -> u32 {
    CALLS.with(std::cell::Cell::get)
}

/// A masker that inspects its first column, wants cells with this pattern, and replaces the
/// first cell that it is shown by `X`.
fn choosy(pattern: &str) -> Vec<u8> {
    let size = u32::try_from(pattern.len()).unwrap();
    let prefilter = format!(
        "(func (export \"portcullis:policy/prefilter@{VERSION}#patterns\") (result i32) \
         (i32.const 5000))"
    );
    let parts = [
        plan("(i32.const 1024)"),
        data(1024, &[2048, 1]),
        data(2048, &[2, 0, 0, 0, 0, 0]),
        scan("(i32.const 1100)"),
        data(1100, &[1, 3072, 1, 4096, 1, 8192, 1]),
        data(3072, &[0]),
        data(4096, &[1]),
        bytes_at(8192, b"X"),
        prefilter,
        data(5000, &[5008, 1]),
        data(5008, &[5100, size]),
        bytes_at(5100, pattern.as_bytes()),
    ];
    component("filtering-masker", &parts.concat())
}

fn load(component: Vec<u8>) -> Result<Generation, Vec<Problem>> {
    let (_dir, settings) = policy(&[component]);
    engine().load(&settings)
}

#[test]
fn only_cells_with_a_match_reach_the_plugin() {
    let generation = load(choosy("[0-9]{4}")).unwrap();
    let columns = [column("c", "public.t.c")];
    let mut plan = generation.plan(&mut instances(), &columns).unwrap();
    let table = rows(&[&[Some("a")], &[None], &[Some("4111")], &[Some("b")]]);
    let masked = plan.mask(&table).unwrap();
    assert_eq!(cells(masked.frames(), 1), ["a", "NULL", "X", "b"]);
    assert_eq!(masked.masked_cells(), 1);

    let before = calls();
    let table = rows(&[&[Some("a")], &[None], &[Some("411")]]);
    let masked = plan.mask(&table).unwrap();
    assert_eq!((calls() - before, masked.masked_cells(), masked.rows()), (0, 0, 3));
    assert_eq!(masked.frames(), table.frames(), "not even copied");
    plan.mask(&rows(&[&[Some("4111")]])).unwrap();
    assert_eq!(calls() - before, 1, "the counter counts");
}

#[test]
fn a_pattern_that_cant_be_used_is_told_at_load() {
    let told = load(choosy("(")).unwrap_err()[0].to_string();
    assert!(told.starts_with("plugin \"p0\": prefilter: patterns[0] can't be used"), "{told}");
}

#[test]
fn a_result_without_inspected_columns_is_masked_without_a_call() {
    // Its first column is hidden; nothing is inspected.
    let hide = component(
        "masker",
        &[
            plan("(i32.const 1024)"),
            data(1024, &[2048, 2]),
            data(2048, &[1, 0, 0, 0, 3072, 4, 0, 0, 0, 0, 0, 0]),
            bytes_at(3072, b"rule"),
            scan("unreachable"),
        ]
        .concat(),
    );
    let generation = load(hide).unwrap();
    let columns = [column("a", "public.t.a"), column("b", "public.t.b")];
    let mut plan = generation.plan(&mut instances(), &columns).unwrap();
    let before = calls();
    let row: &[Option<&str>] = &[Some("x"), Some("y")];
    let masked = plan.mask(&rows(&vec![row; 1_000])).unwrap();
    assert_eq!((calls() - before, masked.masked_cells()), (0, 1_000));
}

#[test]
fn a_prefilter_without_a_masker_is_refused() {
    let prefilter = format!(
        "(func (export \"portcullis:policy/prefilter@{VERSION}#patterns\") (result i32) \
         (i32.const 5000))"
    );
    let world = "world filtering-approver { include approver; export prefilter; }";
    let parts = [check(MAKE_ZERO), prefilter].concat();
    let texts = [("p.wit", wit() + world)];
    let texts: Vec<(&str, &str)> =
        texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let component = component_of(&texts, "filtering-approver", &module("", &parts));
    let told = load(component).unwrap_err()[0].to_string();
    assert!(told.contains("exports `prefilter` without `mask`"), "{told}");
}

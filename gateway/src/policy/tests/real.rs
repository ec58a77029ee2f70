//! The plugins that ship, built as they ship.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::time::Instant;

use super::fixtures::*;
use crate::policy::{Engine, Generation, Golden, Judged, PolicySettings, Verdict, component};
use crate::protocol::{Class, Column, Statement};

/// Builds plugins once; tests that run at the same time wait for each other.
pub(super) fn build<const N: usize>(names: [&str; N]) -> [PathBuf; N] {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = top.join("target").join("plugins-tested");
    std::fs::create_dir_all(&out).unwrap();
    let turn = std::fs::File::create(out.join("lock")).unwrap();
    turn.lock().unwrap();
    names.map(|name| {
        let built = component::build(&top.join("plugins").join(name), &out).unwrap();
        assert_eq!(built.file, out.join(format!("{name}.wasm")));
        assert_eq!(built.sha256.len(), 64);
        built.file
    })
}

fn settings(files: &[PathBuf; 3]) -> PolicySettings {
    let [mask, risk, approval] = files;
    let mut mask = plugin_settings("mask", mask);
    mask.settings_json = r#"{"columns":[
        {"origin":"public.customers.email","mask":"hash"},
        {"name":"card_number","mask":{"keep_last":4}}],
        "inspect":["*.*.notes"],"find":["card"]}"#
        .into();
    let risk = plugin_settings("risk", risk);
    let mut approval = plugin_settings("approval", approval);
    approval.settings_json = r#"{"classes":["schema"],"risk_at":80}"#.into();
    PolicySettings { risk_deny_at: Some(90), ..policy_of(vec![mask, risk, approval]) }
}

fn verdict(generation: &Generation, statement: Statement) -> (Verdict, u8) {
    match generation.judge(&mut instances(), request(vec![statement])) {
        Judged::Decided(decided) => (Verdict::Allow, decided.ruling().risk),
        Judged::Denied(denied) => (Verdict::Deny, denied.ruling().risk),
        Judged::Held(held) => (Verdict::Hold, held.ruling().risk),
    }
}

#[test]
fn the_plugins_that_ship_judge_and_mask() {
    let files = build(["mask-columns", "risk-statement", "approval-writes"]);
    let settings = settings(&files);
    let cache = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let cold = Engine::new(Some(&cache.path().join("c"))).unwrap();
    cold.load(&settings).unwrap();
    let compiled = begun.elapsed();
    let begun = Instant::now();
    let engine = Engine::new(Some(&cache.path().join("c"))).unwrap();
    let generation = engine.load(&settings).unwrap();
    let cached = begun.elapsed();
    eprintln!("load: compiled {compiled:?}, cached {cached:?}, pooled {}", engine.pooled());
    assert!(cached < compiled, "compiled {compiled:?}, cached {cached:?}");

    let mut all = statement("delete", Class::Write, &["public.orders"]);
    assert_eq!(verdict(&generation, all.clone()), (Verdict::Allow, 40));
    all.unbounded_write = true;
    assert_eq!(verdict(&generation, all), (Verdict::Hold, 85));
    let table = statement("create_table", Class::Schema, &["public.t"]);
    assert_eq!(verdict(&generation, table), (Verdict::Hold, 50));
    let drop = statement("drop_table", Class::Schema, &["public.t"]);
    assert_eq!(verdict(&generation, drop), (Verdict::Deny, 90));

    mask(&generation);
    measure(&generation);

    let mut wrong = settings;
    wrong.plugins[0].settings_json = r#"{"columns":[{"origin":"email","mask":"hash"}]}"#.into();
    let told = engine.load(&wrong).unwrap_err()[0].to_string();
    assert!(told.starts_with("plugin \"mask\": settings.columns[0]: `origin` needs"), "{told}");
}

fn mask(generation: &Generation) {
    let columns = [
        column("anything", "public.customers.email"),
        column("c", "public.customers.card_number"),
        column("notes", "public.customers.notes"),
        column("id", "public.customers.id"),
        Column { exact: false, ..column("up", "public.customers.email") },
    ];
    let mut plan = generation.plan(&mut instances(), &columns).unwrap();
    let masked = plan
        .mask(&rows(&[
            &[Some("ann@x.org"), Some("4111111111111111"), None, Some("1"), Some("ANN@X.ORG")],
            &[Some("bob@x.org"), None, Some("paid 4111111111111111"), Some("2"), None],
        ]))
        .unwrap();
    let found = cells(masked.frames(), 5);
    assert_eq!(found[0].len(), 16);
    assert_ne!(found[0], found[5]);
    assert_eq!(found[1..5], ["************1111", "NULL", "1", "****"]);
    assert_eq!(found[6..], ["NULL", "paid ****************", "2", "NULL"]);
    assert_eq!(masked.masked_cells(), 5);
}

fn measure(generation: &Generation) {
    const TIMES: u32 = 500;
    let mut kept = instances();
    let begun = Instant::now();
    for _ in 0..TIMES {
        generation.judge(&mut kept, select());
    }
    eprintln!("judge by two plugins: {:?}", begun.elapsed() / TIMES);
    let columns = [column("c", "public.customers.card_number")];
    let begun = Instant::now();
    for _ in 0..TIMES {
        generation.plan(&mut kept, &columns).unwrap();
    }
    eprintln!("plan by one plugin: {:?}", begun.elapsed() / TIMES);
    let row: &[Option<&str>] = &[Some("4111111111111111")];
    let table = rows(&vec![row; 1000]);
    let mut plan = generation.plan(&mut instances(), &columns).unwrap();
    let begun = Instant::now();
    plan.mask(&table).unwrap();
    eprintln!("mask 1000 cells: {:?}", begun.elapsed());
    let mut plan =
        generation.plan(&mut instances(), &[column("c", "public.customers.notes")]).unwrap();
    let begun = Instant::now();
    plan.mask(&table).unwrap();
    eprintln!("inspect 1000 cells: {:?}", begun.elapsed());
}

/// Values that hold something are found in a result that mostly holds nothing.
#[test]
fn values_are_found_through_the_host() {
    let [file] = build(["pii-values"]);
    let mut plugin = plugin_settings("pii", &file);
    plugin.settings_json = r#"{"masks":{"card":{"keep_last":4}}}"#.into();
    let generation = engine().load(&policy_of(vec![plugin])).unwrap();
    let columns = [column("notes", "public.customers.notes")];
    let plain =
        "The parcel left on Monday and nobody has heard of it since then, she said. ".repeat(4);
    let hit = "write ann@x.org, card 4111 1111 1111 1111";
    let mut table: Vec<&[Option<&str>]> = Vec::new();
    let (plain, hit) = ([Some(plain.as_str())], [Some(hit)]);
    (0..2000).for_each(|_| table.push(&plain));
    table.push(&hit);
    let rows = rows(&table);
    let mut plan = generation.plan(&mut instances(), &columns).unwrap();
    let begun = Instant::now();
    let masked = plan.mask(&rows).unwrap();
    eprintln!("inspect {} bytes: {:?}", rows.frames().len(), begun.elapsed());
    assert_eq!(masked.masked_cells(), 1);
    let found = cells(masked.frames(), 1);
    assert_eq!(found[2000], "write [email], card **** **** **** 1111");
}

/// What each plugin that ships says of itself in `golden.json`, with its `settings.json`.
#[test]
fn the_plugins_that_ship_pass_their_own_tests() {
    let names = [
        "approval-writes",
        "budget",
        "mask-columns",
        "pii-values",
        "risk-command",
        "risk-kubernetes",
        "risk-statement",
    ];
    let engine = engine();
    for (name, file) in names.into_iter().zip(build(names)) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(name);
        let mut settings = plugin_settings(name, &file);
        settings.grants = if name == "budget" { vec!["kv".into()] } else { Vec::new() };
        settings.settings_json = std::fs::read_to_string(folder.join("settings.json")).unwrap();
        let golden = Golden::read(&std::fs::read(folder.join("golden.json")).unwrap()).unwrap();
        let failed: Vec<_> = engine.test(&settings, &golden).unwrap();
        let failed: Vec<_> = failed.iter().filter(|it| it.failure.is_some()).collect();
        assert!(failed.is_empty(), "{name}: {failed:#?}");
    }
}

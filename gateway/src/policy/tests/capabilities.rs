//! What plugins get from the host, and what they don't.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::fixtures::*;
use crate::policy::{
    Engine, Facts, Generation, Instances, Judged, Policies, PolicySettings, VaultKey, Verdict,
};

/// A guard that does something with its imports, and then denies if the word at 4096 is not 0.
fn guard(imports: &str, body: &str, more: &str) -> Vec<u8> {
    let words = [2, 2048, 4, 2052, 3, 0, 0, 0, 0, 0, 0];
    let answer = "(if (result i32) (i32.load (i32.const 4096)) \
                  (then (i32.const 1024)) (else (i32.const 0)))";
    let parts = [
        &check(&format!("{body} {answer}")),
        &data(1024, &words),
        &bytes_at(2048, b"rulewhy"),
        more,
    ];
    let module = module(imports, &parts.concat());
    component_of(&[("policy.wit", &wit())], "approver", &module)
}

fn granted(component: Vec<u8>, grants: &[&str]) -> (tempfile::TempDir, PolicySettings) {
    let (dir, mut settings) = policy(&[component]);
    settings.plugins[0].grants = grants.iter().map(|grant| (*grant).to_owned()).collect();
    (dir, settings)
}

fn verdict(generation: &Generation, instances: &mut Instances) -> Verdict {
    match generation.judge(instances, select()) {
        Judged::Decided(_) => Verdict::Allow,
        Judged::Denied(denied) if denied.fault().code == "policy_denied" => Verdict::Deny,
        other => panic!("{other:?}"),
    }
}

/// Counts its calls in a scope and denies from the third on: result, 8 bytes on the sum.
fn budget(scope: u32) -> Vec<u8> {
    let import = "(import \"portcullis:policy/kv@0.1.1\" \"add\" \
                  (func $add (param i32 i32 i32 i64 i32 i32)))";
    let body = format!(
        "(call $add (i32.const {scope}) (i32.const 3072) (i32.const 1) (i64.const 1) \
         (i32.const 3600) (i32.const 4200)) \
         (i32.store (i32.const 4096) (i32.or (i32.load8_u (i32.const 4200)) \
         (i64.gt_u (i64.load (i32.const 4208)) (i64.const 2))))"
    );
    guard(import, &body, &bytes_at(3072, b"n"))
}

const SESSION: u32 = 0;
const PLUGIN: u32 = 1;

#[test]
fn every_import_needs_its_own_grant() {
    for (name, function) in [
        ("kv", "\"sum\" (func (param i32 i32 i32 i32 i32))"),
        ("facts", "\"size\" (func (param i32 i32 i32))"),
        ("vault", "\"has\" (func (param i32 i32) (result i32))"),
        ("clock", "\"now-ms\" (func (result i64))"),
    ] {
        let import = format!("(import \"portcullis:policy/{name}@0.1.1\" {function})");
        let component = guard(&import, "", "");
        let others = ["clock", "facts", "kv", "log", "vault"].into_iter().filter(|it| *it != name);
        let (_dir, mut settings) = granted(component, &others.collect::<Vec<_>>());
        let told = engine().load(&settings).unwrap_err()[0].to_string();
        let expected = format!(
            "plugin \"p0\": imports `portcullis:policy/{name}@0.1.1`, which it was not granted; \
             add \"{name}\" to its `grants` if it should have it"
        );
        assert_eq!(told, expected);
        settings.plugins[0].grants = vec![name.to_owned()];
        engine().load(&settings).unwrap();
    }
}

#[test]
fn a_counter_outlives_instances_sessions_and_reloads() {
    let (_dir, settings) = granted(budget(PLUGIN), &["kv"]);
    let targets = ["shop", "other"].map(|name| (name.to_owned(), settings.clone()));
    let policies = Policies::new(engine(), targets.into()).unwrap();
    let shop = policies.current("shop").unwrap();
    let mut first = instances();
    assert_eq!(verdict(&shop, &mut first), Verdict::Allow);
    drop(first);
    assert_eq!(verdict(&shop, &mut instances()), Verdict::Allow);

    let mut changed = settings.clone();
    changed.plugins[0].settings_json = "{\"a\":1}".into();
    policies.publish("shop", &changed).unwrap();
    let shop = policies.current("shop").unwrap();
    assert_eq!(verdict(&shop, &mut instances()), Verdict::Deny, "a reload is no way out");

    let other = policies.current("other").unwrap();
    assert_eq!(verdict(&other, &mut instances()), Verdict::Allow, "another target's is apart");
    let apart = engine().load(&settings).unwrap();
    assert_eq!(verdict(&apart, &mut instances()), Verdict::Allow);
}

#[test]
fn a_sessions_counter_is_the_sessions() {
    let (_dir, settings) = granted(budget(SESSION), &["kv"]);
    let generation = engine().load(&settings).unwrap();
    let session = session();
    let mut one = Instances::new(&session, Arc::default());
    for expected in [Verdict::Allow, Verdict::Allow, Verdict::Deny] {
        assert_eq!(verdict(&generation, &mut one), expected);
    }
    let mut back = Instances::new(&session, Arc::default());
    assert_eq!(verdict(&generation, &mut back), Verdict::Deny, "the other direction's is the same");
    assert_eq!(verdict(&generation, &mut instances()), Verdict::Allow, "another session's is not");
    drop((one, back));
    let mut again = Instances::new(&session, Arc::default());
    assert_eq!(verdict(&generation, &mut again), Verdict::Allow, "it goes with the session");
}

#[test]
fn a_full_store_is_told() {
    let (_dir, mut settings) = granted(budget(PLUGIN), &["kv"]);
    settings.plugins[0].capabilities.kv.bytes_max = 10;
    let generation = engine().load(&settings).unwrap();
    assert_eq!(verdict(&generation, &mut instances()), Verdict::Deny);
}

#[test]
fn settings_are_read_without_a_store() {
    // `configure` fails to add, and traps if it could.
    let import = "(import \"portcullis:policy/kv@0.1.1\" \"add\" \
                  (func $add (param i32 i32 i32 i64 i32 i32)))";
    let body = "(call $add (i32.const 1) (i32.const 3072) (i32.const 1) (i64.const 1) \
                (i32.const 60) (i32.const 4200)) \
                (if (i32.ne (i32.load8_u (i32.const 4200)) (i32.const 1)) (then unreachable)) \
                (if (i32.ne (i32.load8_u (i32.const 4208)) (i32.const 2)) (then unreachable)) \
                (i32.const 0)";
    let parts = [configure(body), bytes_at(3072, b"n")].concat();
    let (_dir, settings) = granted(guard(import, "", &parts), &["kv"]);
    let generation = engine().load(&settings).unwrap();
    assert_eq!(verdict(&generation, &mut instances()), Verdict::Allow);
}

/// Denies unless the table `t` has the key `k`.
fn asker() -> Vec<u8> {
    let import = "(import \"portcullis:policy/facts@0.1.1\" \"has\" \
                  (func $has (param i32 i32 i32 i32 i32)))";
    let body = "(call $has (i32.const 3072) (i32.const 1) (i32.const 3073) (i32.const 1) \
                (i32.const 4200)) \
                (i32.store (i32.const 4096) (i32.ne (i32.load16_u (i32.const 4200)) \
                (i32.const 256)))";
    guard(import, body, &bytes_at(3072, b"tk"))
}

fn table(key: &str) -> Arc<Facts> {
    let rows = BTreeMap::from([(key.to_owned(), Vec::new())]);
    Arc::new(Facts::new(Path::new("t.csv"), key.as_bytes(), Vec::new(), rows))
}

#[test]
fn facts_are_those_of_the_policy_and_part_of_its_digest() {
    let (_dir, mut settings) = granted(asker(), &["facts"]);
    let mut digests = Vec::new();
    for (facts, expected) in [
        (vec![("t".to_owned(), table("k"))], Verdict::Allow),
        (vec![("t".to_owned(), table("x"))], Verdict::Deny),
        (vec![("u".to_owned(), table("k"))], Verdict::Deny),
        (vec![], Verdict::Deny),
    ] {
        settings.plugins[0].capabilities.facts = facts;
        let generation = engine().load(&settings).unwrap();
        assert_eq!(verdict(&generation, &mut instances()), expected);
        digests.push(generation.stamps()[0].settings_digest.clone());
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 4);
}

/// Denies unless the key `k` makes a token.
fn tokenizer() -> Vec<u8> {
    let import = "(import \"portcullis:policy/vault@0.1.1\" \"tokenize\" \
                  (func $tokenize (param i32 i32 i32 i32 i32 i32 i32)))";
    let body = "(call $tokenize (i32.const 3072) (i32.const 1) (i32.const 3073) (i32.const 1) \
                (i32.const 3074) (i32.const 1) (i32.const 4200)) \
                (i32.store (i32.const 4096) (i32.or (i32.load8_u (i32.const 4200)) \
                (i32.ne (i32.load (i32.const 4208)) (i32.const 22))))";
    guard(import, body, &bytes_at(3072, b"kpv"))
}

#[test]
fn a_key_is_known_by_the_name_that_the_policy_gives() {
    let (_dir, mut settings) = granted(tokenizer(), &["vault"]);
    let load = |settings: &PolicySettings| Engine::load(&engine(), settings).unwrap();
    assert_eq!(verdict(&load(&settings), &mut instances()), Verdict::Deny);
    let key = |byte| vec![("k".to_owned(), Arc::new(VaultKey::new(Path::new("k"), &[byte; 32])))];
    settings.plugins[0].capabilities.vault = key(1);
    let one = load(&settings);
    assert_eq!(verdict(&one, &mut instances()), Verdict::Allow);
    settings.plugins[0].capabilities.vault = key(2);
    let other = load(&settings);
    assert_ne!(one.stamps()[0].settings_digest, other.stamps()[0].settings_digest);
}

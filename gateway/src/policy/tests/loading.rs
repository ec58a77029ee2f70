//! What is refused when a policy is loaded, and what a reload does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use super::fixtures::*;
use crate::policy::{Policies, PolicySettings, Problem};

fn problems(settings: &PolicySettings) -> Vec<String> {
    engine().load(settings).unwrap_err().iter().map(Problem::to_string).collect()
}

fn problem(component: Vec<u8>) -> String {
    let (_dir, settings) = policy(&[component]);
    let mut problems = problems(&settings);
    assert_eq!(problems.len(), 1);
    problems.remove(0)
}

const LOG: &str =
    r#"(import "portcullis:policy/log@0.1.1" "write" (func $log (param i32 i32 i32)))"#;

fn logger() -> Vec<u8> {
    let parts = check("(call $log (i32.const 1) (i32.const 0) (i32.const 4)) (i32.const 0)");
    component_of(&[("policy.wit", &wit())], "approver", &module(LOG, &parts))
}

#[test]
fn an_import_needs_its_grant() {
    let told = problem(logger());
    assert!(told.starts_with("plugin \"p0\": imports `portcullis:policy/log@0.1.1`"), "{told}");
    assert!(told.contains("\"log\" to its `grants`"), "{told}");
    let (_dir, mut settings) = policy(&[logger()]);
    settings.plugins[0].grants = vec!["clock".into()];
    assert!(problems(&settings)[0].contains("not granted"));
    settings.plugins[0].grants = vec!["log".into()];
    let generation = engine().load(&settings).unwrap();
    let judged = generation.judge(&mut instances(), select());
    assert!(matches!(judged, crate::policy::Judged::Decided(_)), "{judged:?}");
    settings.plugins[0].grants = vec!["network".into()];
    assert!(problems(&settings)[0].contains("unknown grant \"network\""));
}

fn importer(package: &str, interface: &str) -> Vec<u8> {
    let wit_text = wit();
    let other = format!("package {package};\ninterface {interface} {{ dial: func(); }}");
    let (name, version) = package.split_once('@').unwrap();
    let world = format!(
        "package test:test;\nworld w {{ include portcullis:policy/approver@{VERSION}; \
         import {name}/{interface}@{version}; }}"
    );
    let packages = [("p.wit", &*wit_text), ("o.wit", &*other), ("w.wit", &*world)];
    let import = format!("(import \"{name}/{interface}@{version}\" \"dial\" (func $dial))");
    let parts = check("(call $dial) (i32.const 0)");
    component_of(&packages, "w", &module(&import, &parts))
}

#[test]
fn no_grant_opens_another_import() {
    let told = problem(importer("evil:net@1.0.0", "phone"));
    assert!(told.contains("imports `evil:net/phone@1.0.0`, which no plugin may have"), "{told}");
    let told = problem(importer("wasi:cli@0.2.0", "environment"));
    assert!(told.contains("`wasi:cli/environment@0.2.0`: WASI is never given"), "{told}");
}

#[test]
fn another_version_is_refused() {
    let newer = wit().replace(VERSION, "0.2.0");
    let module = module("", &check(MAKE_ZERO)).replace(VERSION, "0.2.0");
    let told = problem(component_of(&[("p.wit", &newer)], "approver", &module));
    assert!(told.contains("0.2.0") && told.contains("speaks portcullis:policy 0.1.x"), "{told}");
}

#[test]
fn what_is_no_plugin_is_refused() {
    assert!(problem(b"no wasm".to_vec()).contains("not a usable WebAssembly component"));
    assert!(problem(wat::parse_str("(module)").unwrap()).contains("not a usable"));
    assert!(problem(wat::parse_str("(component)").unwrap()).contains("is no policy plugin"));
    let only_lifecycle = component_of(
        &[
            ("p.wit", &wit()),
            ("w.wit", "package t:t;\nworld w { export portcullis:policy/lifecycle@0.1.1; }"),
        ],
        "w",
        &module("", ""),
    );
    assert!(problem(only_lifecycle).contains("one of `mask`, `risk`, `guard`"));
}

#[test]
fn every_problem_is_told_at_once() {
    let (dir, mut settings) = policy(&[guard_that(0), guard_that(0), guard_that(0)]);
    settings.plugins[0].file = dir.path().join("missing.wasm");
    settings.plugins[1].sha256 = Some("00".repeat(32));
    settings.plugins[2].name = "p1".into();
    settings.plugins[2].memory_bytes_max = usize::MAX;
    let told = problems(&settings);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].contains("can't read") && told[0].contains("missing.wasm"));
    assert!(told[1].contains("not the pinned file"));
    assert!(told[2].contains("named twice"));
    assert!(told[3].contains("MiB of memory"));
}

#[test]
fn a_pin_that_fits_is_taken() {
    let (_dir, mut settings) = policy(&[guard_that(0)]);
    let stamp = engine().load(&settings).unwrap().stamps()[0].clone();
    settings.plugins[0].sha256 = Some(stamp.digest.to_uppercase());
    assert!(engine().load(&settings).is_ok());
}

#[test]
fn settings_a_plugin_refuses_are_told_with_their_place() {
    // Err, one problem at 2048: path "a.b", message "bad\n".
    let parts = [
        configure("(i32.const 1024)"),
        check(MAKE_ZERO),
        data(1024, &[1, 2048, 1]),
        data(2048, &[3072, 3, 3075, 4]),
        bytes_at(3072, b"a.bbad\n"),
    ];
    let told = problem(component("approver", &parts.concat()));
    assert_eq!(told, "plugin \"p0\": settings.a.b: bad\\u{a}");
}

#[test]
fn a_broken_reload_leaves_the_last_good_policy_in_force() {
    let (dir, settings) = policy(&[guard_that(DENY)]);
    let file = dir.path().join("p0.wasm");
    let policies = Policies::new(engine(), vec![("shop".into(), settings.clone())]).unwrap();
    assert!(policies.current("other").is_none(), "an unknown target has no policy");
    let first = policies.current("shop").unwrap();

    std::fs::write(&file, b"broken").unwrap();
    let told = policies.publish("shop", &settings).unwrap_err();
    assert!(told[0].to_string().starts_with("target \"shop\": plugin \"p0\""), "{}", told[0]);
    assert!(Arc::ptr_eq(&first, &policies.current("shop").unwrap()));

    std::fs::write(&file, guard_that(ALLOW)).unwrap();
    let change = policies.publish("shop", &settings).unwrap();
    assert!(!change.is_empty());
    assert_ne!(change.before[0].digest, change.now[0].digest);
    assert!(!Arc::ptr_eq(&first, &policies.current("shop").unwrap()));
    assert!(policies.publish("shop", &settings).unwrap().is_empty());
}

#[test]
fn targets_come_and_go_while_the_gateway_runs() {
    let (dir, settings) = policy(&[guard_that(DENY)]);
    let policies = Policies::new(engine(), vec![("shop".into(), settings.clone())]).unwrap();
    let change = policies.publish("other", &settings).unwrap();
    assert!(!change.is_empty(), "a new target's policy is a change");
    assert!(policies.current("other").is_some());

    policies.retain(&["other".to_owned()]);
    assert!(policies.current("shop").is_none());
    assert!(policies.current("other").is_some());

    std::fs::write(dir.path().join("p0.wasm"), b"broken").unwrap();
    assert!(policies.publish("shop", &settings).is_err());
    assert!(policies.current("shop").is_none(), "a new target with a broken policy has none");
}

//! What the commands say to good and to bad input.

use std::fs;
use std::path::Path;

use portcullis_tests::components::{Guard, guard};
use portcullis_tests::folder;
use portcullis_tests::languages::portcullis;
use portcullis_tests::plugins;
use portcullis_tests::process::Output;
use serde_json::Value;

fn plugin(dir: &Path, arguments: &[&str]) -> Output {
    portcullis(dir, &[&["plugin"], arguments].concat())
}

/// A command that must fail with this code and these words.
fn fails(dir: &Path, arguments: &[&str], code: i32, words: &str) {
    let output = plugin(dir, arguments);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, Some(code), "{arguments:?}: {said}");
    assert!(said.contains(words), "{arguments:?}: {said}");
}

fn json(dir: &Path, arguments: &[&str]) -> Value {
    let output = plugin(dir, &[arguments, &["--json"]].concat());
    let text = output.stdout;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{}", output.stderr))
}

#[test]
fn a_component_is_looked_at_and_loaded() {
    let dir = folder::temporary("tools");
    let dir = dir.path();
    fs::write(dir.join("deny.wasm"), guard(Guard::Deny)).unwrap();
    fs::write(dir.join("log.wasm"), guard(Guard::Log)).unwrap();
    fs::write(dir.join("text.wasm"), "no wasm").unwrap();
    let told = json(dir, &["inspect", "log.wasm"]);
    assert_eq!(told["grants_needed"], serde_json::json!(["log"]));
    assert_eq!(told["memory_bytes_initial"], 4 * 64 * 1024);
    assert_eq!(told["signature"]["state"], "none");
    fails(dir, &["inspect", "text.wasm"], 1, "not a usable WebAssembly component");
    fails(dir, &["inspect", "none.wasm"], 1, "can't read none.wasm");
    fails(dir, &["inspect", "deny.wasm", "--trusted", "x"], 64, "not a verifier key");
    plugin(dir, &["keygen", "team", "--out", "team.key"]).success("keygen");
    plugin(dir, &["sign", "deny.wasm", "--key", "team.key"]).success("sign");
    assert_eq!(json(dir, &["inspect", "deny.wasm"])["signature"]["state"], "unverified");
    let key = fs::read_to_string(dir.join("team.key.pub")).unwrap();
    let told = json(dir, &["inspect", "deny.wasm", "--trusted", key.trim()]);
    assert_eq!(told["signature"]["state"], "valid");
    fs::copy(dir.join("deny.wasm.sig"), dir.join("log.wasm.sig")).unwrap();
    let told = json(dir, &["inspect", "log.wasm", "--trusted", key.trim()]);
    assert_eq!(told["signature"]["state"], "invalid");

    plugin(dir, &["check", "deny.wasm"]).success("check");
    fails(dir, &["check", "log.wasm"], 1, "imports `portcullis:policy/log@");
    plugin(dir, &["check", "log.wasm", "--grant", "log"]).success("check");
    fails(dir, &["check", "log.wasm", "--grant", "net"], 64, "`grants` has \"net\"");
    let mask = plugins::component("mask-columns").display().to_string();
    fs::write(dir.join("wrong.json"), r#"{"columns":[{"origin":"a","mask":"hide"}]}"#).unwrap();
    let told = json(dir, &["check", &mask, "--settings", "wrong.json"]);
    assert_eq!(told["ok"], false);
    assert!(told["problems"][0].as_str().unwrap().starts_with("settings.columns[0]."), "{told}");
    fails(dir, &["check", &mask, "--settings", "text.wasm"], 64, "text.wasm: expected");
}

#[test]
fn a_plugin_is_asked_tested_and_measured() {
    let dir = folder::temporary("tools");
    let dir = dir.path();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    fs::write(dir.join("deny.wasm"), guard(Guard::Deny)).unwrap();
    fs::write(dir.join("trap.wasm"), guard(Guard::Trap)).unwrap();
    write("question.json", r#"{ "sql": "SELECT 1" }"#);
    let told = json(dir, &["run", "deny.wasm", "--case", "question.json"]);
    assert_eq!((&told["decision"], &told["rule"]), (&"deny".into(), &"rule".into()));
    let run = |file: &str, case: &str, words: &str| {
        fails(dir, &["run", file, "--case", case], 1, words);
    };
    run("trap.wasm", "question.json", "the plugin failed: check: it stopped itself");
    write("torn.json", "{ \"sql\": ");
    run("deny.wasm", "torn.json", "torn.json: EOF");
    write("both.json", r#"{ "sql": "SELECT 1", "columns": [] }"#);
    run("deny.wasm", "both.json", "expected either `sql`, `operation` or `part`, or `columns`");
    write("syntax.json", r#"{ "sql": "SELEC 1" }"#);
    run("deny.wasm", "syntax.json", "syntax error");

    let cases = |expect: &str| {
        let case = format!(r#"{{ "name": "n", "sql": "SELECT 1", "expect": {{ {expect} }} }}"#);
        write("golden.json", &format!(r#"{{ "format": 1, "cases": [{case}] }}"#));
    };
    cases(r#""decision": "deny""#);
    let told = json(dir, &["test", "deny.wasm", "--cases", "golden.json"]);
    assert_eq!((&told["passed"], &told["failed"]), (&1.into(), &0.into()));
    fails(dir, &["bench", "trap.wasm", "--cases", "golden.json"], 1, "case \"n\": the plugin");
    cases(r#""decision": "allow""#);
    fails(dir, &["test", "deny.wasm", "--cases", "golden.json"], 1, "expected Allow, got Deny");
    cases(r#""risk": 10"#);
    let risk = plugins::component("risk-statement").display().to_string();
    let told = json(dir, &["bench", &risk, "--cases", "golden.json", "--millis", "20"]);
    for figure in ["calls", "call_nanos", "call_nanos_p99", "start_nanos", "memory_bytes"] {
        assert!(told[0][figure].as_u64() > Some(0), "{figure}: {told}");
    }
    cases("");
    fails(dir, &["test", "deny.wasm", "--cases", "golden.json"], 64, "so it can't fail");

    // A policy names the plugin, its settings and its grants.
    write("policy.toml", "[[plugins]]\nname = \"no\"\nfile = \"deny.wasm\"\n");
    let from_policy = ["run", "no", "--policy", "policy.toml", "--case", "question.json"];
    assert_eq!(json(dir, &from_policy)["decision"], "deny");
    fails(dir, &["check", "yes", "--policy", "policy.toml"], 64, "no plugin named \"yes\"");
}

#[test]
fn what_can_t_be_started_or_built_says_why() {
    let dir = folder::temporary("tools");
    let dir = dir.path();
    fails(dir, &["new", "Bad Name"], 64, "made of a-z");
    plugin(dir, &["new", "one", "--lang", "python"]).success("new");
    fails(dir, &["new", "one"], 1, "is there already");
    let manifest = dir.join("one/plugin.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let builds = |change: (&str, &str), words: &str| {
        fs::write(&manifest, text.replacen(change.0, change.1, 1)).unwrap();
        fails(dir, &["build", "one", "--out", "build"], 1, words);
    };
    builds(("[\"mask\"]", "[\"files\"]"), "exports \"files\"; expected some of");
    builds(("[\"mask\"]", "[]"), "`exports` is empty");
    builds(("python", "cobol"), "unknown variant `cobol`");
    builds(("\"one\"", "\"../one\""), "`name` is made of");
    fs::write(&manifest, &text).unwrap();
    fails(dir, &["build", "nowhere", "--out", "build"], 1, "nowhere");

    // Without the tools it says how to get them.
    let missing = |language: &str, words: &str| {
        fs::write(&manifest, text.replacen("python", language, 1)).unwrap();
        let mut command = std::process::Command::new(portcullis_tests::gateway::binary());
        command.args(["plugin", "build", "one", "--out", "build"]).current_dir(dir);
        command.env("PORTCULLIS_TOOLS", dir.join("nothing")).env("PATH", "");
        let limit = std::time::Duration::from_secs(60);
        let output = portcullis_tests::process::run(command, "", limit);
        assert_eq!(output.code, Some(1));
        assert!(output.stderr.contains(words), "{}", output.stderr);
    };
    missing("python", "pip install componentize-py==");
    missing("js", "npm install --prefix");
    assert!(!dir.join("build/one.wasm").exists());
}

//! Recorded sessions, judged again by another plugin or policy.

use std::fs;

use portcullis_tests::components::{Guard, guard};
use portcullis_tests::operator::{ALLOW, Stage, ask};
use portcullis_tests::plugins;
use serde_json::{Value, json};

/// A stage with one recorded session: a read, a write with a parameter, a refusal by the policy's
/// plugin, and one by the gateway, which can't read the text.
fn recorded(sql: &str) -> Stage {
    let stage = Stage::new(&scoring(90));
    let gateway = stage.site.start();
    let _ = gateway.psql(&stage.okta.agent_token()).run_past_errors(sql);
    assert!(gateway.stop().success());
    stage
}

/// A policy that refuses from this risk on.
fn scoring(deny_at: u8) -> String {
    let file = Value::from(plugins::component("risk-statement").display().to_string());
    format!(
        "default = \"allow\"\n[risk]\ndeny_at = {deny_at}\n[[plugins]]\nname = \"risk\"\n\
         file = {file}\n"
    )
}

fn backtest(stage: &Stage, arguments: &[&str]) -> (Option<i32>, Value) {
    let log = stage.site.log_dir().display().to_string();
    let at_rest = ["--dir", log.as_str(), "--json"];
    let output = stage.site.run(&[&["plugin", "backtest"], arguments, &at_rest].concat());
    let told = serde_json::from_str(&output.stdout).unwrap_or(Value::from(output.stderr));
    (output.code, told)
}

const SESSION: &str = "SELECT 7;\n\
     PREPARE p(int) AS UPDATE orders SET quantity = $1 WHERE id = 1;\n\
     DROP TABLE orders;\n\
     SELEC 7;\n";

#[test]
fn the_same_policy_judges_the_same_and_a_stricter_one_does_not() {
    let stage = recorded(SESSION);
    let (code, told) = backtest(&stage, &["--policy", "shop.policy.toml"]);
    assert_eq!(code, Some(0), "{told:#}");
    assert!(told["judged"].as_u64() >= Some(3), "{told:#}");
    assert_eq!((&told["differ"], &told["same"]), (&json!(0), &told["judged"]));
    assert_eq!(told["by_gateway"], 1, "what can't be read is no policy's verdict: {told:#}");

    stage.site.set_policy(&scoring(1));
    let (code, told) = backtest(&stage, &["--policy", "shop.policy.toml"]);
    assert_eq!(code, Some(1), "{told:#}");
    assert!(told["changes"]["allow -> deny"].as_u64() >= Some(1), "{told:#}");
    let first = &told["differences"][0];
    assert!(first["text"].as_str().unwrap().contains("UPDATE"), "{first:#}");

    // Without the plugin what was refused then would run.
    stage.site.set_policy(ALLOW);
    let (code, told) = backtest(&stage, &["--policy", "shop.policy.toml"]);
    assert_eq!(code, Some(1));
    assert_eq!(told["changes"], json!({ "deny -> allow": 1 }), "{told:#}");
    assert_eq!(told["differences"][0]["text"], "DROP TABLE orders;");
}

#[test]
fn a_plugin_is_added_to_what_was_in_force() {
    let stage = recorded(SESSION);
    for (file, kind) in [("deny.wasm", Guard::Deny), ("abstain.wasm", Guard::Abstain)] {
        fs::write(stage.site.dir().join(file), guard(kind)).unwrap();
    }
    let (code, told) = backtest(&stage, &["abstain.wasm"]);
    assert_eq!((code, &told["differ"]), (Some(0), &json!(0)), "{told:#}");
    let (code, told) = backtest(&stage, &["deny.wasm"]);
    assert_eq!(code, Some(1));
    let allowed = told["judged"].as_u64().unwrap() - 1;
    assert_eq!(told["changes"], json!({ "allow -> deny": allowed }), "{told:#}");
    assert_eq!(told["differences"][0]["findings"][0]["rule"], "rule");

    let (code, told) = backtest(&stage, &["deny.wasm", "--target", "other"]);
    assert_eq!((code, &told["sessions"]), (Some(3), &json!(0)), "nothing to judge: {told:#}");
    let (code, told) = backtest(&stage, &["missing.wasm"]);
    assert!(code == Some(64) && told.as_str().unwrap().contains("missing.wasm"), "{told}");
    let (code, _) = backtest(&stage, &["deny.wasm", "--session", "../x"]);
    assert_eq!(code, Some(64));
    fs::write(stage.site.dir().join("broken.wasm"), "broken").unwrap();
    assert_eq!(backtest(&stage, &["broken.wasm"]).0, Some(3));

    // Sealed payloads can't be judged, and that is said.
    fs::remove_file(stage.site.log_dir().join("session.keys")).unwrap();
    let (code, told) = backtest(&stage, &["deny.wasm"]);
    assert_eq!((code, &told["judged"]), (Some(3), &json!(0)), "{told:#}");
    assert!(told["unreadable"].as_u64() > Some(0), "{told:#}");
}

#[test]
fn a_running_gateway_gives_its_sessions_to_an_auditor() {
    let stage = Stage::new(ALLOW);
    fs::write(stage.site.dir().join("deny.wasm"), guard(Guard::Deny)).unwrap();
    let gateway = stage.site.start();
    gateway.psql(&stage.okta.agent_token()).run("SELECT 7").success("the query");
    let file = stage.site.dir().join("deny.wasm").display().to_string();
    let output = ask(&gateway, &stage.approver_token(), &["plugin", "backtest", &file]);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stdout.contains("SELECT 7"), "{}", output.stdout);
    assert!(output.stdout.contains("1 would differ"), "{}", output.stdout);
    let output = ask(&gateway, "no token", &["plugin", "backtest", &file]);
    assert_eq!(output.code, Some(3), "{}", output.stderr);
}

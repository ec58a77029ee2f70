//! Signed plugins, from a key to a gateway that loads nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use portcullis_tests::components::{Guard, guard};
use portcullis_tests::https::{self, Question};
use portcullis_tests::operator::{ALLOW, Stage, one_plugin, wait_for_stderr};
use serde_json::Value;

const IN_FORCE: &str = "the changed policy is in force";

/// A key of the site: its public half.
fn keygen(stage: &Stage, name: &str) -> String {
    let key = format!("{name}.key");
    let made = stage.site.run(&["plugin", "keygen", name, "--out", &key]);
    made.success("plugin keygen").trim().to_owned()
}

fn sign(stage: &Stage, key: &str, file: &str) {
    let key = format!("{key}.key");
    stage.site.run(&["plugin", "sign", file, "--key", &key]).success("plugin sign");
}

#[test]
fn a_gateway_takes_only_what_a_trusted_key_signed() {
    let stage = Stage::new(ALLOW);
    let dir = stage.site.dir();
    for (file, kind) in [("deny.wasm", Guard::Deny), ("abstain.wasm", Guard::Abstain)] {
        fs::write(dir.join(file), guard(kind)).unwrap();
    }
    let (trusted, _stranger) = (keygen(&stage, "team"), keygen(&stage, "stranger"));
    let section = format!("[signing]\nkeys = [\"{trusted}\"]\n\n[admin]");
    stage.site.edit_config(|text| text.replacen("[admin]", &section, 1));
    stage.site.set_policy(&one_plugin(&dir.join("deny.wasm"), ""));
    let config = stage.site.config_file().display().to_string();
    let refused = |told: &str| {
        let check = stage.site.run(&["check", "--config", &config]);
        assert_eq!(check.code, Some(64), "{}", check.stdout);
        assert!(check.stderr.contains(told), "{}", check.stderr);
    };
    refused("has no signature");
    sign(&stage, "stranger", "deny.wasm");
    refused("by no trusted key");
    sign(&stage, "team", "deny.wasm");
    sign(&stage, "team", "abstain.wasm");
    let note = fs::read(dir.join("deny.wasm.sig")).unwrap();
    let component = fs::read(dir.join("deny.wasm")).unwrap();
    fs::write(dir.join("deny.wasm.sig"), &note[..note.len() / 2]).unwrap();
    refused("deny.wasm.sig");
    fs::copy(dir.join("abstain.wasm.sig"), dir.join("deny.wasm.sig")).unwrap();
    refused("is for a file with the SHA-256");
    // The other plugin is as well signed as this one, and may not take its place.
    fs::copy(dir.join("abstain.wasm"), dir.join("deny.wasm")).unwrap();
    refused("is for the plugin \"abstain\"");
    fs::write(dir.join("deny.wasm"), &component).unwrap();
    fs::write(dir.join("deny.wasm.sig"), &note).unwrap();

    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.okta.agent_token());
    let denied = psql.run("SELECT 7");
    assert!(denied.stderr.contains("(rule rule)"), "{}", denied.stderr);
    let question = Question { method: "GET", path: "/v1/status", headers: &[], body: "" };
    let status = https::ask(gateway.admin_address(), question).unwrap().body;
    let status: Value = serde_json::from_str(&status).unwrap();
    let by = status["targets"][0]["plugins"][0]["signed_by"].as_str().unwrap();
    assert!(trusted.starts_with(&format!("{by}+")), "{by}");

    // A running gateway keeps the last good one, and takes a signed change without a restart.
    fs::write(dir.join("deny.wasm"), guard(Guard::Abstain)).unwrap();
    wait_for_stderr(&gateway, "deny.wasm.sig: the signature is for a file with the SHA-256", 1);
    assert!(psql.run("SELECT 7").stderr.contains("(rule rule)"), "the last good one is gone");
    sign(&stage, "team", "deny.wasm");
    wait_for_stderr(&gateway, IN_FORCE, 1);
    assert_eq!(psql.run("SELECT 7").success("the query").trim(), "7");
}

#[test]
fn a_key_is_made_once_and_kept_from_others() {
    let stage = Stage::new(ALLOW);
    let dir = stage.site.dir();
    let public = keygen(&stage, "team");
    let mode = |file: &str| fs::metadata(dir.join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("team.key"), mode("team.key.pub")), (0o600, 0o644));
    assert_eq!(fs::read_to_string(dir.join("team.key.pub")).unwrap().trim(), public);
    let again = stage.site.run(&["plugin", "keygen", "team", "--out", "team.key"]);
    assert_eq!(again.code, Some(1));
    assert_eq!(fs::read_to_string(dir.join("team.key.pub")).unwrap().trim(), public);
    let unnamed = stage.site.run(&["plugin", "keygen", "a team", "--out", "other.key"]);
    assert_eq!(unnamed.code, Some(64), "{}", unnamed.stderr);

    fs::write(dir.join("deny.wasm"), guard(Guard::Deny)).unwrap();
    let run = |file: &str, key: &str| stage.site.run(&["plugin", "sign", file, "--key", key]);
    fs::set_permissions(dir.join("team.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let open = run("deny.wasm", "team.key");
    assert!(open.code == Some(64) && open.stderr.contains("mode 0640"), "{}", open.stderr);
    fs::set_permissions(dir.join("team.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let text = run("portcullis.toml", "team.key");
    assert!(text.code == Some(1) && text.stderr.contains("no WebAssembly component"));
    assert!(!dir.join("portcullis.toml.sig").exists());
    let missing = run("nothing.wasm", "team.key");
    assert!(missing.code == Some(1) && missing.stderr.contains("can't read nothing.wasm"));
    fs::set_permissions(dir.join("team.key.pub"), fs::Permissions::from_mode(0o600)).unwrap();
    let public = run("deny.wasm", "team.key.pub");
    assert!(public.code == Some(64) && public.stderr.contains("not a private key"));
    let json = stage.site.run(&["plugin", "sign", "deny.wasm", "--key", "team.key", "--json"]);
    let told: Value = serde_json::from_str(&json.success("plugin sign")).unwrap();
    assert_eq!(told["file"], "deny.wasm");
    assert_eq!(told["signature"], "deny.wasm.sig");
    assert_eq!(told["sha256"].as_str().map(str::len), Some(64));
}

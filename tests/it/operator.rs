//! Starting, checking and stopping, as the one who runs a gateway sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use portcullis_tests::components::{Guard, guard};
use portcullis_tests::folder;
use portcullis_tests::gateway::{Setup, Site, binary};
use portcullis_tests::https::{self, Answer, Question};
use portcullis_tests::okta::Okta;
use portcullis_tests::operator::{ALLOW, Stage, WAIT_SECS_MAX, entries, one_plugin, wait_for};
use portcullis_tests::plugins;
use portcullis_tests::postgres::{APP_ROLE, DATABASE, Postgres};
use portcullis_tests::process::{self, Output};
use portcullis_tests::wire::{c_string, frame};

const CHECK: [&str; 3] = ["check", "--config", "portcullis.toml"];
const SERVE: [&str; 3] = ["serve", "--config", "portcullis.toml"];

/// The program must have failed with this code and told all of these.
fn failed(output: &Output, code: i32, told: &[&str]) {
    assert_eq!(output.code, Some(code), "{}{}", output.stderr, output.stdout);
    for words in told {
        assert!(output.stderr.contains(words), "{words:?}: {}", output.stderr);
    }
}

#[test]
fn check_tells_every_mistake_with_its_place() {
    let stage = Stage::new(ALLOW);
    let output = stage.site.run(&CHECK).success("a good configuration");
    assert!(output.contains("no mistake"), "{output}");

    stage.site.edit_config(|text| {
        let text = text.replace("[gateway]\n", "[gateway]\ncolour = \"red\"\n");
        let text = text.replace("verify-full", "verify-some");
        text.replace("key_file = \"gateway.key\"", "key_file = \"no.key\"")
    });
    stage.site.set_policy("default = \"maybe\"\n[[plugins]]\nname = \"x\"\nfile = \"no.wasm\"\n");
    let expected = [
        "portcullis.toml:2:1: ",
        "colour",
        "no.key",
        "verify-some",
        "shop.policy.toml:1:",
        "maybe",
        "shop.policy.toml:4:",
        "no.wasm",
    ];
    for command in [CHECK, SERVE] {
        let output = stage.site.run(&command);
        failed(&output, 64, &expected);
        let lines = output.stderr.lines().filter(|line| line.contains(".toml:")).count();
        assert!(lines >= 5, "one line a mistake: {}", output.stderr);
    }
    assert!(!stage.site.data_dir().exists(), "a refused start leaves nothing behind");
}

#[test]
fn a_plugin_that_cannot_be_used_stops_check_and_start() {
    let stage = Stage::new(ALLOW);
    let file = stage.site.dir().join("one.wasm");
    for (bytes, told) in [
        (b"garbage".to_vec(), "plugin \"one\""),
        (guard(Guard::Log), "imports `portcullis:policy/log@"),
    ] {
        fs::write(&file, bytes).unwrap();
        stage.site.set_policy(&one_plugin(&file, ""));
        failed(&stage.site.run(&CHECK), 64, &["plugin \"one\"", told, "shop.policy.toml"]);
        let served = stage.site.run(&SERVE);
        assert_ne!(served.code, Some(0));
        assert!(served.stderr.contains(told), "{}", served.stderr);
    }
    stage.site.set_policy(&one_plugin(&file, "grants = [\"log\"]\n"));
    stage.site.run(&CHECK).success("what it needs is granted");
    // Settings that the plugin itself refuses.
    let mask = plugins::component("mask-columns");
    stage.site.set_policy(&one_plugin(&mask, "[plugins.settings]\nkolumns = []\n"));
    failed(&stage.site.run(&CHECK), 64, &["plugin \"one\"", "kolumns"]);
}

#[test]
fn what_stands_in_the_way_of_a_start_is_named() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    // The ports are free ones, so the log is all that two of them would share.
    failed(&stage.site.run(&SERVE), 1, &["in use by another process"]);

    let other = Site::new(&Setup::new(&stage.postgres, stage.okta.entry(), ALLOW));
    let taken = gateway.postgres_address().to_string();
    other.edit_config(|text| {
        let (before, listener) = text.split_once("[[listeners]]").unwrap();
        let listener = listener.replacen("127.0.0.1:0", &taken, 1);
        format!("{before}[[listeners]]{listener}")
    });
    failed(&other.run(&SERVE), 1, &[&taken, "in use"]);

    let key = other.dir().join("gateway.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    failed(&other.run(&SERVE), 64, &["gateway.key", "chmod 600"]);
    fs::remove_file(&key).unwrap();
    failed(&other.run(&SERVE), 64, &["gateway.key", "portcullis.toml:"]);
    assert!(gateway.stop().success());

    // A log whose signing key is gone must not go on under another one.
    let mut keys = fs::read_dir(stage.site.log_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|end| end == "key"));
    let key = keys.next().expect("the log has a key");
    fs::remove_file(&key).unwrap();
    let name = key.file_name().unwrap().to_str().unwrap();
    failed(&stage.site.run(&SERVE), 1, &[name, "restore it from your backup"]);
}

#[test]
fn an_orderly_stop_tells_the_sessions_and_the_log() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let token = stage.okta.agent_token();
    let sign_in = || {
        let mut wire = gateway.wire_tls();
        assert_eq!(wire.sign_in(APP_ROLE, DATABASE, &token).unwrap().tag, b'Z');
        wire
    };
    let (mut idle, mut busy) = (sign_in(), sign_in());
    busy.send(&frame(b'Q', &c_string("SELECT pg_sleep(3600)"))).unwrap();
    wait_for("the statement on the target", || {
        let running = stage.postgres.statements_of(APP_ROLE);
        running.iter().any(|sql| sql.contains("pg_sleep")).then_some(())
    });
    assert!(gateway.stop().success());
    for wire in [&mut idle, &mut busy] {
        let error = wire.messages_until(b'E').unwrap().pop().unwrap();
        assert_eq!(error.field(b'C').as_deref(), Some("57P01"), "{error:?}");
        assert!(error.field(b'M').unwrap().contains("the gateway is stopping"), "{error:?}");
    }
    wait_for("the end of the statement on the target", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                   AND query LIKE 'SELECT pg_sleep%'";
        (stage.count(sql) == 0).then_some(())
    });
    let log = entries(&stage.site.log_dir());
    assert_eq!(log.last().unwrap()["body"]["event"], "shutdown");
    let ends = log.iter().filter(|entry| entry["type"] == "session_end").count();
    assert_eq!(ends, 2);

    let gateway = stage.site.start();
    assert!(gateway.stop().success());
    let log = entries(&stage.site.log_dir());
    let boots: Vec<bool> = log
        .iter()
        .filter(|entry| entry["type"] == "boot")
        .map(|entry| entry["body"]["clean"].as_bool().unwrap())
        .collect();
    assert_eq!(boots, [true, true]);
}

#[test]
fn the_admin_endpoint_says_how_the_gateway_is() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let look = |method: &str, path: &str| -> Answer {
        let question = Question { method, path, headers: &[], body: "" };
        https::ask(gateway.admin_address(), question).expect("the admin endpoint answers")
    };
    for path in ["/healthz", "/readyz"] {
        assert_eq!(look("GET", path).status, 200, "{path}");
    }
    let status: serde_json::Value =
        serde_json::from_str(&look("GET", "/v1/status").body).expect("the status is JSON");
    assert_eq!(status["log"]["healthy"], true, "{status}");
    assert_eq!(status["targets"][0]["name"], "shop");
    assert_eq!(status["targets"][0]["log"], "durable");
    assert_eq!(status["targets"][0]["masking"], "strict");
    assert_eq!(status["issuers"][0]["degraded"], false);
    assert_eq!(status["sessions_open"], 0);
    for path in ["/v1/approvals", "/v1/sessions", "/v1/log/checkpoint", "/v1/log/snapshot"] {
        assert_eq!(look("GET", path).status, 401, "{path} without a token");
    }
    assert_eq!(look("DELETE", "/healthz").status, 405);
    assert_eq!(look("GET", "/").status, 404);
}

/// Puts copies of the plugins where the policies of the repository expect them.
fn with_plugins(dir: &Path) {
    fs::create_dir_all(dir.join("plugins")).unwrap();
    for name in ["mask-columns", "risk-statement", "approval-writes"] {
        let file = dir.join("plugins").join(format!("{name}.wasm"));
        fs::copy(plugins::component(name), file).unwrap();
    }
}

#[test]
fn every_policy_that_ships_is_served() {
    let postgres = Postgres::start();
    let okta = Okta::start();
    for file in ["example.policy.toml", "demo/shop.policy.toml"] {
        let file = folder::repository().join("policies").join(file);
        let policy = fs::read_to_string(&file).unwrap();
        let site = Site::new(&Setup::new(&postgres, okta.entry(), &policy));
        with_plugins(site.dir());
        site.run(&CHECK).success(&format!("checking {}", file.display()));
        let gateway = site.start();
        let count = gateway.psql(&okta.agent_token()).run("SELECT count(*) FROM customers");
        assert_eq!(count.success("counting"), "200\n", "{}", file.display());
        assert!(gateway.stop().success());
    }
}

#[test]
fn every_configuration_that_ships_is_without_mistakes() {
    let stage = Stage::new(ALLOW);
    let policies = folder::repository().join("policies");
    for (config, policy) in [
        ("portcullis.example.toml", "example.policy.toml"),
        ("demo/portcullis.toml", "demo/shop.policy.toml"),
    ] {
        let dir = folder::temporary("example");
        let name = |file: &str| dir.path().join(Path::new(file).file_name().unwrap());
        fs::copy(policies.join(config), name(config)).unwrap();
        fs::copy(policies.join(policy), name(policy)).unwrap();
        with_plugins(dir.path());
        for file in ["gateway.crt", "gateway.key", "shop_app.password"] {
            fs::copy(stage.site.dir().join(file), dir.path().join(file)).unwrap();
        }
        for file in ["shop-ca.pem", "ca.crt"] {
            fs::copy(stage.postgres.ca_file(), dir.path().join(file)).unwrap();
        }
        let mut command = Command::new(binary());
        command.arg("check").arg("--config").arg(name(config));
        process::run(command, "", WAIT_SECS_MAX).success(config);
    }
}

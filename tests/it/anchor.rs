//! Anchors: a log that was put back as a whole, forked or begun anew is found at the start, by a
//! file elsewhere and by a witness.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_tests::clients::CLIENT_SECS_MAX;
use portcullis_tests::folder;
use portcullis_tests::gateway::{Gateway, binary};
use portcullis_tests::operator::{
    ALLOW, Stage, WAIT_SECS_MAX, ask_status, entries_of, status, wait_for,
};
use portcullis_tests::process::{self, Server};
use serde_json::Value;

/// The exit code of a start that an anchor stands against.
const CONTRADICTED: Option<i32> = Some(65);

/// A witness of its own process; killed when it goes.
struct Witness {
    server: Server,
    address: String,
    key: String,
}

impl Witness {
    fn start(dir: &Path, listen: &str, log: &Path) -> Self {
        let mut command = Command::new(binary());
        command.args(["witness", "--name", "witness.example/w1", "--listen", listen, "--dir"]);
        command.arg(dir).arg("--log").arg(log.join("log.vkey"));
        let mut server = Server::start("portcullis witness", command);
        let line: Value = serde_json::from_str(&server.line(WAIT_SECS_MAX)).expect("JSON");
        assert!(server.line(WAIT_SECS_MAX).contains("ready"));
        let text = |name: &str| line[name].as_str().expect("a text").to_owned();
        Self { server, address: text("address"), key: text("key") }
    }

    fn entry(&self) -> String {
        let Self { address, key, .. } = self;
        format!("kind = \"witness\"\nurl = \"http://{address}\"\nkey = \"{key}\"\n")
    }
}

fn add(stage: &Stage, name: &str, entry: &str) {
    let section = format!("\n[[anchor]]\nname = \"{name}\"\n{entry}");
    stage.site.edit_config(|text| text + &section);
}

/// A start that must not come to anything: its exit code and what it says.
fn refused(stage: &Stage) -> (Option<i32>, String) {
    let config = stage.site.config_file();
    let output = stage.site.run(&["serve", "--config", config.to_str().unwrap()]);
    assert!(!output.stdout.contains("ready"), "it started: {}", output.stdout);
    (output.code, output.stderr)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// Puts another folder in place of the log.
fn put_back(stage: &Stage, old: &Path) {
    fs::remove_dir_all(stage.site.log_dir()).unwrap();
    copy(old, &stage.site.log_dir());
}

/// One more session, and the anchors have seen it.
fn one_more(stage: &Stage, gateway: &Gateway<'_>) {
    gateway.psql(&stage.okta.agent_token()).run("SELECT 1").success("a session");
    wait_for("the anchors have everything", || {
        let status = status(gateway);
        let anchors = status["anchors"].as_array().expect("the anchors are listed").clone();
        anchors.iter().all(|it| it["anchored"] == status["log"]["size"]).then_some(())
    });
}

fn stage_with_a_file() -> (Stage, PathBuf) {
    let stage = Stage::new(ALLOW);
    let elsewhere = stage.site.dir().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    add(&stage, "disk", "kind = \"file\"\npath = \"elsewhere/checkpoint\"\n");
    (stage, elsewhere.join("checkpoint"))
}

#[test]
fn a_file_elsewhere_tells_of_a_rollback_a_fork_and_a_new_log() {
    let (stage, anchor) = stage_with_a_file();
    let old = stage.site.dir().join("old");
    let gateway = stage.site.start();
    one_more(&stage, &gateway);
    assert!(gateway.stop().success());
    copy(&stage.site.log_dir(), &old);
    let before = fs::read(&anchor).unwrap();
    let gateway = stage.site.start();
    one_more(&stage, &gateway);
    gateway.kill();
    let newest = fs::read(&anchor).unwrap();
    assert_ne!(newest, before);

    put_back(&stage, &old);
    let (code, said) = refused(&stage);
    assert_eq!(code, CONTRADICTED, "{said}");
    assert!(said.contains("anchor \"disk\" contradicts the log: it has seen"), "{said}");
    // The refusal wrote nothing, so it stays one.
    assert_eq!(refused(&stage).0, CONTRADICTED);
    // Grown past the anchor without it, the log is a fork.
    let config = fs::read_to_string(stage.site.config_file()).unwrap();
    stage.site.edit_config(|text| text.split("\n[[anchor]]").next().unwrap().to_owned());
    for _ in 0..3 {
        let gateway = stage.site.start();
        gateway.psql(&stage.okta.agent_token()).run("SELECT 2").success("a forked session");
        assert!(gateway.stop().success());
    }
    stage.site.edit_config(|_| config);
    let (code, said) = refused(&stage);
    assert_eq!(code, CONTRADICTED, "{said}");
    assert!(said.contains("lead to the root"), "{said}");
    // No log at all is a rollback too.
    fs::remove_dir_all(stage.site.data_dir()).unwrap();
    let (code, said) = refused(&stage);
    assert_eq!(code, CONTRADICTED, "{said}");
    assert!(said.contains("begins anew"), "{said}");
}

#[test]
fn a_changed_file_stops_the_start_until_a_person_recovers() {
    let (stage, anchor) = stage_with_a_file();
    let gateway = stage.site.start();
    one_more(&stage, &gateway);
    assert!(gateway.stop().success());
    let kept = fs::read_to_string(&anchor).unwrap();
    folder::write(&anchor, &kept.replacen("acme.test", "acme.tesT", 1));
    assert_eq!(refused(&stage).0, CONTRADICTED);
    let config = stage.site.config_file();
    let recover = |by: &str| {
        let config = config.to_str().unwrap();
        stage.site.run(&["audit", "recover", "--config", config, "--by", by, "--reason", "drill"])
    };
    assert_eq!(recover(" ").code, Some(64));
    folder::write(&anchor, &kept);
    let needless = recover("Eve");
    assert_eq!(needless.code, Some(1), "{needless:?}");
    assert!(needless.stderr.contains("nothing to recover from"), "{needless:?}");
    folder::write(&anchor, "not a checkpoint\n");
    let told = recover("Eve Auditor").success("audit recover");
    assert!(told.contains("log.kept-1"), "{told}");

    let gateway = stage.site.start();
    one_more(&stage, &gateway);
    assert!(gateway.stop().success());
    let events = entries_of(&stage.site.log_dir(), "event");
    let first = &events[0]["body"];
    assert_eq!(first["event"], "recovered", "{first}");
    assert_eq!(
        (first["by"].as_str(), first["reason"].as_str()),
        (Some("Eve Auditor"), Some("drill"))
    );
    assert_eq!(first["anchors"][0]["outcome"], "contradicts");
    assert!(first["size"].as_u64().unwrap() > 0);
    assert_eq!(first["kept_as"], "log.kept-1");
    let mut verify = Command::new(binary());
    verify.args(["audit", "verify"]).arg(stage.site.data_dir().join("log.kept-1"));
    process::run(verify, "", CLIENT_SECS_MAX).success("the log that was put aside");
    assert_eq!(fs::read_to_string(anchor.with_extension("kept-1")).unwrap(), "not a checkpoint\n");
    // It is told once.
    let gateway = stage.site.start();
    assert!(gateway.stop().success());
    let again = entries_of(&stage.site.log_dir(), "event");
    assert_eq!(again.iter().filter(|entry| entry["body"]["event"] == "recovered").count(), 1);
}

#[test]
fn a_witness_tells_of_a_rollback_and_a_fork_over_its_own_restart() {
    let stage = Stage::new(ALLOW);
    let log = stage.log_with_a_session();
    let dir = stage.site.dir().join("witness");
    let mut witness = Witness::start(&dir, "127.0.0.1:0", &log);
    add(&stage, "w1", &witness.entry());
    let old = stage.site.dir().join("old");
    let gateway = stage.site.start();
    one_more(&stage, &gateway);
    assert!(gateway.stop().success());
    copy(&log, &old);
    let gateway = stage.site.start();
    one_more(&stage, &gateway);
    // Killed and started again, it goes on where it was, and the gateway with it.
    let address = witness.address.clone();
    witness.server.kill();
    drop(witness);
    gateway.psql(&stage.okta.agent_token()).run("SELECT 3").success("a session meanwhile");
    let witness = Witness::start(&dir, &address, &log);
    one_more(&stage, &gateway);
    gateway.kill();
    cosignature_is_checked_by_another(&stage, &witness);

    put_back(&stage, &old);
    let (code, said) = refused(&stage);
    assert_eq!(code, CONTRADICTED, "{said}");
    assert!(said.contains("anchor \"w1\" contradicts the log: it has seen"), "{said}");
    // Without the witness it starts: nobody is there to tell. The start is in the log, and once the
    // witness is back, nothing runs any more.
    drop(witness);
    let gateway = stage.site.start();
    let token = stage.okta.agent_token();
    for _ in 0..4 {
        gateway.psql(&token).run("SELECT 4").success("a forked session");
    }
    let witness = Witness::start(&dir, &address, &log);
    wait_for("the fork is found", || {
        let anchors = status(&gateway)["anchors"].clone();
        anchors[0]["contradiction"].as_str().map(str::to_owned)
    });
    assert_eq!(ask_status(&gateway, "/readyz").0, 503);
    assert!(gateway.psql(&token).run("SELECT 5").code != Some(0), "a session on a forked log");
    assert!(gateway.stop().success());
    let events = entries_of(&log, "event");
    let named = |name: &str| events.iter().filter(|it| it["body"]["event"] == name).count();
    assert_eq!(named("anchor_contradicts"), 1);
    let checked = events.iter().rfind(|it| it["body"]["event"] == "anchors_checked").unwrap();
    assert_eq!(checked["body"]["anchors"][0]["outcome"], "unreachable");
    let (code, said) = refused(&stage);
    assert_eq!(code, CONTRADICTED, "{said}");
    drop(witness);
}

/// Python's own Ed25519 and the text of C2SP tlog-cosignature, against what the gateway keeps.
fn cosignature_is_checked_by_another(stage: &Stage, witness: &Witness) {
    let script = "import base64,hashlib,sys\n\
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey\n\
        note, vkey = open(sys.argv[1]).read(), sys.argv[2]\n\
        name, said, key = vkey.split('+', 2)\n\
        key = base64.b64decode(key)\n\
        assert key[0] == 4\n\
        ident = hashlib.sha256(name.encode() + b'\\n' + key).digest()[:4]\n\
        assert ident.hex() == said\n\
        text, lines = note.split('\\n\\n')\n\
        line = [l for l in lines.splitlines() if l.split()[1] == name][0]\n\
        data = base64.b64decode(line.split()[2])\n\
        assert data[:4] == ident and len(data) == 76\n\
        time = int.from_bytes(data[4:12], 'big')\n\
        signed = f'cosignature/v1\\ntime {time}\\n{text}\\n'.encode()\n\
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(data[12:], signed)\n\
        print('good')\n";
    let mut python = Command::new(folder::cache().join("drivers/verifier/bin/python"));
    python.args(["-c", script]).arg(stage.site.data_dir().join("anchor/w1.checkpoint"));
    python.arg(&witness.key);
    assert_eq!(process::run(python, "", CLIENT_SECS_MAX).success("the cosignature"), "good\n");
}

#[test]
fn a_required_anchor_that_is_away_stops_the_start() {
    let (stage, _) = stage_with_a_file();
    let gateway = stage.site.start();
    one_more(&stage, &gateway);
    assert!(gateway.stop().success());
    let elsewhere = stage.site.dir().join("elsewhere");
    fs::rename(&elsewhere, stage.site.dir().join("unmounted")).unwrap();
    let gateway = stage.site.start();
    assert!(gateway.stop().success());
    stage.site.edit_config(|text| text + "required = true\n");
    let (code, said) = refused(&stage);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is required and can't be asked"), "{said}");
    fs::rename(stage.site.dir().join("unmounted"), &elsewhere).unwrap();
    assert!(stage.site.start().stop().success());
}

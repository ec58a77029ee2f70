//! A hundred secrets of all shapes go through the gateway, and afterwards none of them is anywhere:
//! not in the log, the index, the exports, the reports, its own messages, or a process's arguments.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_tests::clients::Psql;
use portcullis_tests::gateway::Gateway;
use portcullis_tests::https::{self, Question};
use portcullis_tests::operator::{ALLOW, Stage, ask, status, wait_for};
use portcullis_tests::postgres::APP_PASSWORD;

/// Bytes of a secret by which it is looked for first.
const HEAD_BYTES: usize = 12;
/// The only files of the data folder that may hold a key, each its own.
const KEY_FILES: [&str; 3] = ["signing.key", "master.key", "session.keys"];

/// Secrets, each also as base64 and hex, by their first bytes.
#[derive(Default)]
struct Needles(HashMap<[u8; HEAD_BYTES], Vec<(String, Vec<u8>)>>, usize);

impl Needles {
    fn add(&mut self, shape: &str, secret: &str) {
        self.1 += 1;
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let base64 = STANDARD.encode(secret).trim_end_matches('=').to_owned();
        for form in [secret.to_owned(), base64, hex] {
            let bytes = form.into_bytes();
            let head = *bytes.first_chunk().expect("a secret is longer than its head");
            self.0.entry(head).or_default().push((shape.to_owned(), bytes));
        }
    }

    /// The shape of a secret that these bytes hold.
    fn found(&self, bytes: &[u8]) -> Option<&str> {
        (0..bytes.len().saturating_sub(HEAD_BYTES - 1)).find_map(|at| {
            let rest = &bytes[at..];
            let held = self.0.get(rest.first_chunk()?)?.iter();
            held.clone().find(|(_, it)| rest.starts_with(it)).map(|(shape, _)| shape.as_str())
        })
    }

    fn absent(&self, bytes: &[u8], place: &str) {
        if let Some(shape) = self.found(bytes) {
            panic!("{place} holds a secret: {shape}");
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the folder can be listed");
    let paths = entries.map(|entry| entry.expect("the entry can be read").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The signature of a token: what makes it one.
fn signature(token: &str) -> &str {
    token.rsplit('.').next().expect("a token has parts")
}

/// What the endpoint for people is sent beside a token.
fn visit(gateway: &Gateway<'_>, header: (&str, &str)) {
    let question = Question { method: "GET", path: "/v1/sessions", headers: &[header], body: "" };
    assert!(https::ask(gateway.admin_address(), question).expect("an answer").status >= 400);
}

fn arguments_of_all_processes() -> Vec<u8> {
    let processes = fs::read_dir("/proc").expect("the processes can be listed");
    let lines = processes.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.collect::<Vec<_>>().concat()
}

/// Sends a hundred secrets, each in its place.
fn send(stage: &Stage, gateway: &Gateway<'_>, needles: &mut Needles) {
    let psql = |password: &str| -> Psql { gateway.psql(password) };
    for number in 0..30 {
        let token = stage.okta.agent_token();
        needles.add("token of a session", &token);
        needles.add("signature of a token", signature(&token));
        psql(&token).run(&format!("SELECT {number}")).success("a session");
    }
    for number in 0..10 {
        let token = stage.okta.agent_token();
        let (head, tail) = token.split_at(token.len() - 20);
        let other: String = tail.chars().rev().collect();
        let forged = format!("{head}{other}");
        needles.add("forged token", signature(&forged));
        assert_ne!(psql(&forged).run("SELECT 1").code, Some(0));
        let password = format!("hunter2-canary-password-{number:04}");
        needles.add("password in place of a token", &password);
        assert_ne!(psql(&password).run("SELECT 1").code, Some(0));
        let person = stage.approver_token();
        needles.add("token of a person", signature(&person));
        ask(gateway, &person, &["sessions", "list", "--limit", "1"]).success("a look");
        let cookie = format!("session=canary-cookie-{number:04}-5e1f0c");
        needles.add("cookie", &cookie);
        visit(gateway, ("Cookie", &cookie));
        let basic = STANDARD.encode(format!("eve:canary-basic-{number:04}-77ab"));
        needles.add("basic password", &basic);
        visit(gateway, ("Authorization", &format!("Basic {basic}")));
        let bearer = format!("canary-bearer-{number:04}-99d2aa");
        needles.add("bearer word", &bearer);
        visit(gateway, ("Authorization", &format!("Bearer {bearer}")));
    }
}

#[test]
fn a_hundred_secrets_are_nowhere() {
    let stage = Stage::new(ALLOW);
    for format in ["ocsf", "ecs", "cef", "ndjson"] {
        let section = format!(
            "\n[[export]]\nname = \"{format}\"\nsink = \"file\"\npath = \"out.{format}\"\n\
             format = \"{format}\"\ninclude = \"statements\"\n"
        );
        stage.site.edit_config(|text| text + &section);
    }
    let gateway = stage.site.start();
    let mut needles = Needles::default();
    needles.add("the target's password", APP_PASSWORD);
    for file in [stage.site.dir().join("gateway.key"), stage.site.log_dir().join("signing.key")] {
        let text = fs::read_to_string(&file).expect("a key file");
        needles.add("a private key", text.lines().nth(1).expect("a key has lines"));
    }
    let master = fs::read_to_string(stage.site.log_dir().join("master.key")).expect("a key file");
    needles.add("the master key", master.trim());
    send(&stage, &gateway, &mut needles);
    assert!(needles.1 >= 100, "{}", needles.1);
    needles.absent(&arguments_of_all_processes(), "the process list");
    wait_for("the exports and the index have everything", || {
        let status = status(&gateway);
        let exports = status["exports"].as_array().expect("the exports are listed");
        let all = exports.iter().all(|export| export["behind"] == 0);
        (all && status["search"]["indexed"] == status["log"]["size"]).then_some(())
    });

    let auditor = stage.approver_token();
    let list = ask(&gateway, &auditor, &["sessions", "list"]).success("sessions list");
    let mut reports = 0;
    for line in list.lines() {
        let session: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let id = session["id"].as_str().expect("an id");
        for format in ["text", "json", "html"] {
            let report = ask(&gateway, &auditor, &["sessions", "report", id, "--format", format]);
            needles.absent(report.success("a report").as_bytes(), "a report");
            reports += 1;
        }
    }
    assert!(reports >= 90, "{reports}");
    let (_, page) = portcullis_tests::operator::ask_status(&gateway, "/v1/status");
    needles.absent(page.to_string().as_bytes(), "the status");
    needles.absent(gateway.stderr().as_bytes(), "what the gateway says");
    assert!(gateway.stop().success());

    let mut places = files(&stage.site.data_dir());
    places.retain(|path| !KEY_FILES.iter().any(|name| path.ends_with(name)));
    let exports = ["ocsf", "ecs", "cef", "ndjson"];
    places.extend(exports.map(|format| stage.site.dir().join(format!("out.{format}"))));
    assert!(places.len() > 8, "{places:?}");
    for path in places {
        needles.absent(&fs::read(&path).expect("a file"), &path.display().to_string());
    }
    // The search itself finds what is there.
    assert!(needles.found(format!("xx {APP_PASSWORD} yy").as_bytes()).is_some());
    assert!(needles.found(STANDARD.encode(APP_PASSWORD).as_bytes()).is_some());
}

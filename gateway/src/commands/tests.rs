#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use clap::{CommandFactory as _, Parser as _};

use super::{Stop, run};
use crate::admin::tests::{APPROVERS, AUDITORS, SNAPSHOT_BYTES, Site, ask, claims};
use crate::audit::{Durability, EndReason, Log, LogSettings};
use crate::cli::{Cli, EXIT_FAILED, EXIT_USAGE};
use crate::identity::Principal;
use crate::session::Session;

async fn portcullis(arguments: &[&str]) -> (Result<(), Stop>, String) {
    let cli = Cli::try_parse_from([&["portcullis"], arguments].concat()).expect("good usage");
    let mut out = Vec::new();
    let outcome = run(cli, &mut out).await;
    (outcome, String::from_utf8(out).unwrap())
}

async fn stop(arguments: &[&str]) -> Stop {
    portcullis(arguments).await.0.expect_err("it stops early")
}

fn token_file(dir: &Path, mode: u32) -> String {
    let file = dir.join("token");
    fs::write(&file, "secret-token\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn a_token_is_no_argument() {
    for arguments in [
        ["portcullis", "approvals", "list", "--token", "t"],
        ["portcullis", "sessions", "list", "--bearer", "t"],
    ] {
        assert!(Cli::try_parse_from(arguments).is_err(), "{arguments:?}");
    }
}

#[tokio::test]
async fn check_prints_every_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("portcullis.toml");
    fs::write(&file, "[gateway]\nname = \"gw\"\ncolour = 1\n").unwrap();
    let stop = stop(&["check", "--config", file.to_str().unwrap()]).await;
    assert_eq!(stop.code, EXIT_USAGE);
    assert!(stop.message.lines().count() > 3, "{}", stop.message);
    let line = format!("{}:3:1: [gateway] has no key `colour`", file.display());
    assert!(stop.message.contains(&line), "{}", stop.message);
}

#[tokio::test]
async fn a_token_goes_to_this_machine_only() {
    let dir = tempfile::tempdir().unwrap();
    let token = token_file(dir.path(), 0o600);
    let urls = [
        "http://192.0.2.1:8470",
        "https://127.0.0.1:8470",
        "http://127.0.0.1.evil.example:8470",
        "http://127.0.0.1:8470@evil.example:80",
        "http://user@127.0.0.1:8470",
        "http://127.0.0.1",
        "http://127.0.0.1:8470/x",
        "127.0.0.1:8470",
    ];
    for url in urls {
        let stop = stop(&["approvals", "list", "--admin", url, "--token-file", &token]).await;
        assert_eq!(stop.code, EXIT_USAGE, "{url}");
        assert!(stop.message.contains("loopback"), "{url}: {}", stop.message);
    }
}

#[tokio::test]
async fn an_open_token_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let token = token_file(dir.path(), 0o644);
    let url = "http://127.0.0.1:1";
    let open = stop(&["approvals", "list", "--admin", url, "--token-file", &token]).await;
    assert_eq!(open.code, EXIT_USAGE);
    assert!(open.message.contains("mode 0644"), "{}", open.message);
    assert!(!open.message.contains("secret-token"));
    let token = token_file(dir.path(), 0o600);
    let away = stop(&["approvals", "list", "--admin", url, "--token-file", &token]).await;
    assert_eq!(away.code, EXIT_FAILED);
    assert!(away.message.starts_with("no gateway answers at http://127.0.0.1:1"));
}

#[tokio::test]
async fn ids_stay_inside_their_path() {
    let dir = tempfile::tempdir().unwrap();
    let token = token_file(dir.path(), 0o600);
    for id in ["", "../sessions", "a/deny", "a?b", "a b"] {
        let code = stop(&["approvals", "approve", id, "--token-file", &token]).await.code;
        assert_eq!(code, EXIT_USAGE, "{id}");
        let code = stop(&["sessions", "report", id, "--token-file", &token]).await.code;
        assert_eq!(code, EXIT_USAGE, "{id}");
    }
}

#[tokio::test]
async fn a_log_that_is_not_there_is_not_judged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nothing").to_str().unwrap().to_owned();
    let (outcome, text) = portcullis(&["audit", "verify", &path]).await;
    assert_eq!(outcome.unwrap_err().code, 3);
    assert!(text.starts_with("cannot judge: "), "{text}");
    assert_eq!(stop(&["sessions", "list", "--dir", &path]).await.code, EXIT_FAILED);
}

#[tokio::test]
async fn an_approver_lists_and_answers() {
    let site = Site::new(claims("bob", &[APPROVERS])).await;
    let dir = tempfile::tempdir().unwrap();
    let token = token_file(dir.path(), 0o600);
    let url = format!("http://{}", site.address);
    let here = ["--admin", &url, "--token-file", &token];
    let list = [&["approvals", "list"], here.as_slice()].concat();
    let (_, text) = portcullis(&list).await;
    assert_eq!(text, "nothing waits for an approval\n");
    let mut pending = ask(&site.approvals, claims("alice", &[]), &[]);
    let id = pending.id().to_owned();
    let (_, text) = portcullis(&list).await;
    assert!(text.starts_with(&format!("{id}  risk 60")), "{text}");
    assert!(text.contains("| DELETE FROM orders"), "{text}");
    tokio::spawn(async move {
        let given = pending.answer().await.unwrap();
        assert_eq!(given.note(), "agreed");
        pending.acknowledge(given, SystemTime::now()).unwrap();
    });
    let answer = [&["approvals", "approve", &id, "--note", "agreed"], here.as_slice()].concat();
    let (outcome, text) = portcullis(&answer).await;
    outcome.unwrap();
    assert_eq!(text, format!("{id} approved, recorded\n"));
    let again = stop(&answer).await;
    assert_eq!(again.code, EXIT_FAILED);
    assert!(again.message.contains("[approval_unknown]\nhint: "), "{}", again.message);
}

#[tokio::test]
async fn an_auditor_reads_and_copies() {
    let site = Site::new(claims("eve", &[AUDITORS])).await;
    let dir = tempfile::tempdir().unwrap();
    let token = token_file(dir.path(), 0o600);
    let url = format!("http://{}", site.address);
    let here = ["--admin", &url, "--token-file", &token];
    let with = |arguments: &[&'static str]| [arguments, here.as_slice()].concat();
    let (_, text) = portcullis(&with(&["sessions", "list", "--limit", "3"])).await;
    assert_eq!(text, "{\"id\":\"ses_1\",\"most\":3}\n");
    let (_, text) = portcullis(&with(&["sessions", "report", "ses_1"])).await;
    assert_eq!(text, "SELECT 1\n");
    let (_, text) = portcullis(&with(&["sessions", "show", "ses_1"])).await;
    assert_eq!(text, "{\n  \"id\": \"ses_1\"\n}\n");
    let file = dir.path().join("copy.redb");
    let name = file.to_str().unwrap();
    let copy = [&["audit", "snapshot", "--out", name], here.as_slice()].concat();
    portcullis(&copy).await.0.unwrap();
    assert_eq!(fs::read(&file).unwrap(), vec![7; SNAPSHOT_BYTES]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = stop(&copy).await;
    assert_eq!(again.code, EXIT_USAGE, "an existing file stays as it is");
}

#[tokio::test]
async fn a_log_at_rest_is_read_and_judged() {
    let dir = tempfile::tempdir().unwrap();
    let settings = LogSettings {
        dir: dir.path().join("log"),
        organization: "acme.example".into(),
        gateway: "gw-1".into(),
    };
    let session = Session::for_test(Principal::for_test(claims("alice", &[])));
    let id = session.id().to_string();
    let log = Log::open(&settings, "00").unwrap();
    let recorder = log.begin(&session, Durability::Durable).await.unwrap();
    recorder.end(EndReason::Downstream).await.unwrap();
    let path = settings.dir.to_str().unwrap();
    let held = stop(&["sessions", "list", "--dir", path]).await;
    assert_eq!(held.code, EXIT_FAILED, "a gateway holds it");
    drop((recorder, log));
    let (outcome, text) = portcullis(&["sessions", "list", "--dir", path]).await;
    outcome.unwrap();
    assert!(text.contains(&id) && text.lines().count() == 1, "{text}");
    let (outcome, text) = portcullis(&["sessions", "report", &id, "--dir", path]).await;
    outcome.unwrap();
    assert!(text.contains(&id) && text.contains("alice"), "{text}");
    let (outcome, text) = portcullis(&["sessions", "show", &id, "--dir", path]).await;
    outcome.unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
    let nobody = stop(&["sessions", "report", "ses_0", "--dir", path]).await;
    assert_eq!(nobody.message, "the log has no such session");
    let (outcome, text) = portcullis(&["audit", "verify", path]).await;
    outcome.unwrap();
    assert!(text.starts_with("intact: "), "{text}");
    let (_, text) = portcullis(&["audit", "verify", path, "--json"]).await;
    assert!(text.starts_with("{\"judgement\":\"intact\""), "{text}");
}

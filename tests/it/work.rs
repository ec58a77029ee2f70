//! What a session is for: a task or ticket that the token or the client names, and the report of
//! all its sessions.

use std::process::Command;

use portcullis::demo::issuer::MintRequest;
use portcullis_tests::clients::CLIENT_SECS_MAX;
use portcullis_tests::gateway::binary;
use portcullis_tests::okta::agent;
use portcullis_tests::operator::{ALLOW, Stage, ask, entries_of};
use portcullis_tests::process;
use serde_json::Value;

#[test]
fn a_task_has_one_report_over_its_sessions() {
    let stage = Stage::new(ALLOW);
    stage.site.edit_config(|text| {
        text.replacen("audiences =", "task_claim = \"agent_task\"\naudiences =", 1)
    });
    let gateway = stage.site.start();
    let plain = stage.okta.agent_token();
    let more = vec![("agent_task".to_owned(), "T 1/2".to_owned())];
    let bound = stage.okta.mint(&MintRequest { more, ..MintRequest::client(&agent()) });
    gateway.psql(&bound).run("SELECT 11").success("a session that the token binds");
    let said = |task: &str| format!("-c portcullis.task={}", task.replace(' ', "\\ "));
    let options = format!("{} -c portcullis.ticket=OPS-7", said("T 1/2"));
    let client = gateway.psql(&plain).environment("PGOPTIONS", &options);
    let shown = client.run("SELECT 22; SHOW portcullis.ticket");
    assert!(shown.stderr.contains("unrecognized configuration parameter"), "{shown:?}");
    gateway.psql(&plain).run("SELECT 33").success("a session for nothing");
    let other = gateway.psql(&bound).environment("PGOPTIONS", &said("T-2")).run("SELECT 44");
    assert!(other.stderr.contains("another task than the client says"), "{other:?}");

    let auditor = stage.approver_token();
    let text = ask(&gateway, &auditor, &["sessions", "report", "--task", "T 1/2"]);
    let text = text.success("the report of the task");
    assert!(text.contains("as the token says") && text.contains("as the client said"), "{text}");
    assert!(text.contains("SELECT 11") && text.contains("SELECT 22"), "{text}");
    assert!(!text.contains("SELECT 33") && !text.contains("SELECT 44"), "{text}");
    let html = ["sessions", "report", "--ticket", "OPS-7", "--format", "html"];
    let html = ask(&gateway, &auditor, &html).success("the page of the ticket");
    assert!(html.contains("SELECT 22") && !html.contains("SELECT 11"));
    let none = ask(&gateway, &auditor, &["sessions", "report", "--task", "T-9"]);
    assert_eq!(none.code, Some(1), "{none:?}");
    let found = ask(&gateway, &auditor, &["search", "ticket:OPS-7 type:session_start"]);
    assert!(found.success("a search").contains("session_start"));
    let file = stage.site.dir().join("task.tar");
    let name = file.to_str().unwrap();
    ask(&gateway, &auditor, &["sessions", "report", "--task", "T 1/2", "--bundle", name])
        .success("the bundle of the task");
    assert!(gateway.stop().success());
    for event in ["task report T 1/2", "task bundle T 1/2", "ticket report OPS-7"] {
        let looks = entries_of(&stage.site.log_dir(), "event");
        assert!(looks.iter().any(|entry| entry["body"]["what"] == event), "{event} is not told");
    }

    let mut verify = Command::new(binary());
    verify.args(["audit", "verify", "--json"]).arg(&file);
    let judged = process::run(verify, "", CLIENT_SECS_MAX).success("audit verify");
    let judged: Value = serde_json::from_str(&judged).unwrap();
    assert_eq!(judged["sessions"], 2, "{judged}");
    let mut other =
        Command::new(portcullis_tests::folder::cache().join("drivers/verifier/bin/python"));
    other
        .arg("-B")
        .arg(portcullis_tests::folder::repository().join("docs/verify/verify.py"))
        .arg(&file);
    let judged = process::run(other, "", CLIENT_SECS_MAX).success("verify.py");
    assert!(judged.contains("2 sessions"), "{judged}");
    let rest = ["sessions", "report", "--task", "T 1/2", "--format", "json", "--dir"];
    let mut rest_of = Command::new(binary());
    rest_of.args(rest).arg(stage.site.log_dir());
    let report = process::run(rest_of, "", CLIENT_SECS_MAX).success("the report at rest");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (report["totals"]["sessions"].as_u64(), report["id"].as_str()),
        (Some(2), Some("T 1/2"))
    );
}

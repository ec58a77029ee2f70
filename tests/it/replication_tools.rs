//! PostgreSQL's own replication tools through the gateway, with a token as their password. The
//! tools of PostgreSQL 15 refuse newer servers, but for pg_recvlogical.

use std::path::Path;
use std::process::Command;

use portcullis_tests::clients::{self, CLIENT_SECS_MAX};
use portcullis_tests::gateway::Gateway;
use portcullis_tests::operator::entries_of;
use portcullis_tests::postgres::{APP_ROLE, program};
use portcullis_tests::process::{self, Output, Server};

use crate::replication::{OPEN, masking, replicated};
use crate::stage::Stage;

/// A tool with everything it needs to connect.
fn tool(stage: &Stage, gateway: &Gateway<'_>, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    let port = gateway.postgres_address().port();
    clients::connect(&mut command, port, Some(&stage.token()), Some(gateway.ca_file()));
    command.args(["--no-password", "-U", APP_ROLE]).args(arguments);
    command
}

fn run(stage: &Stage, gateway: &Gateway<'_>, name: &str, arguments: &[&str]) -> Output {
    process::run(tool(stage, gateway, name, arguments), "", CLIENT_SECS_MAX)
}

fn path(folder: &Path) -> &str {
    folder.to_str().expect("a path in UTF-8")
}

#[test]
fn pg_recvlogical_makes_reads_and_drops_a_slot() {
    let stage = replicated(OPEN, "logical");
    let gateway = stage.site.start();
    let slot = ["-d", "shop", "--slot=tool"];
    let with = |more: &[&str]| run(&stage, &gateway, "pg_recvlogical", &[&slot, more].concat());
    with(&["--create-slot", "-P", "test_decoding"]).success("making a slot");
    stage.admin("UPDATE customers SET name = 'Received' WHERE id = 42");
    let end = stage.admin("SELECT pg_current_wal_lsn()");
    let end = format!("--endpos={}", end.trim());
    let start = ["--start", "--no-loop", "-f", "-", &end];
    let changes = with(&start).success("reading the changes");
    assert!(changes.contains("table public.customers: UPDATE"), "{changes}");
    assert!(changes.contains("Received"), "{changes}");
    with(&["--drop-slot"]).success("dropping the slot");
    assert_eq!(stage.admin("SELECT count(*) FROM pg_replication_slots"), "0\n");
}

#[test]
fn pg_receivewal_keeps_the_log_as_the_server_has_it() {
    let stage = replicated(OPEN, "all");
    let gateway = stage.site.start();
    let folder = stage.site.dir().join("wal");
    std::fs::create_dir(&folder).unwrap();
    let segment = stage.admin("SELECT pg_walfile_name(pg_current_wal_lsn())");
    let segment = segment.trim();
    let arguments = ["-D", path(&folder), "--no-loop", "--no-sync"];
    let receiving = tool(&stage, &gateway, "pg_receivewal", &arguments);
    let mut receiving = Server::start("pg_receivewal", receiving);
    stage.wait_for("SELECT count(*) FROM pg_stat_replication", "1\n");
    stage.admin("UPDATE customers SET name = 'Kept' WHERE id = 42");
    stage.admin("SELECT pg_switch_wal()");
    let kept = folder.join(segment);
    let end = std::time::Instant::now() + CLIENT_SECS_MAX;
    while !kept.exists() {
        assert!(std::time::Instant::now() < end, "never came: {}", receiving.stderr());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let original = stage.postgres.dir().join("data/pg_wal").join(segment);
    assert!(std::fs::read(&kept).unwrap() == std::fs::read(original).unwrap(), "another log");
    receiving.signal("INT");
    let status = receiving.wait(CLIENT_SECS_MAX).expect("it ends");
    assert!(status.success(), "{}", receiving.stderr());
}

#[test]
fn pg_basebackup_takes_a_backup_that_verifies() {
    let stage = replicated(OPEN, "all");
    let gateway = stage.site.start();
    let folder = stage.site.dir().join("backup");
    // Two connections: the files, and meanwhile the log.
    let arguments = ["-D", path(&folder), "-X", "stream", "-c", "fast", "--no-sync"];
    run(&stage, &gateway, "pg_basebackup", &arguments).success("taking a backup");
    let mut verify = Command::new(program("pg_verifybackup"));
    verify.arg(&folder);
    process::run(verify, "", CLIENT_SECS_MAX).success("verifying the backup");
    drop(gateway);
    let requests = entries_of(&stage.site.log_dir(), "request");
    for verb in ["base_backup", "create_replication_slot", "start_replication"] {
        let of = |it: &&serde_json::Value| it["body"]["verbs"][0] == verb;
        assert_eq!(requests.iter().filter(of).count(), 1, "{verb}");
    }
}

#[test]
fn tools_are_told_why_they_get_nothing() {
    let stage = replicated(&masking(""), "all");
    let gateway = stage.site.start();
    let folder = stage.site.dir().join("nothing");
    let arguments = ["-D", path(&folder), "-X", "none", "-c", "fast"];
    let output = run(&stage, &gateway, "pg_basebackup", &arguments);
    assert_ne!(output.code, Some(0));
    assert!(output.stderr.contains("masking.stream"), "{}", output.stderr);
    drop(gateway);

    // They name no target, so there must be one only, or one that is named another way.
    stage.site.edit_config(|text| {
        let (before, target) = text.split_once("[[targets]]").unwrap();
        let twin = target.replace("name = \"shop\"", "name = \"twin\"");
        format!("{before}[[targets]]{target}\n[[targets]]{twin}")
    });
    let gateway = stage.site.start();
    let slot = ["--slot=s", "--create-slot"];
    let output = run(&stage, &gateway, "pg_receivewal", &slot);
    assert!(output.stderr.contains("portcullis.target"), "{}", output.stderr);
    for (target, code) in [("twin", Some(0)), ("nowhere", Some(1))] {
        let mut command = tool(&stage, &gateway, "pg_receivewal", &slot);
        command.env("PGOPTIONS", format!("-c portcullis.target={target}"));
        let output = process::run(command, "", CLIENT_SECS_MAX);
        assert_eq!(output.code, code, "{target}: {}", output.stderr);
    }
}

//! The log of record when the machine lets it down: a full disk, a clock that jumps, a crash.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use portcullis_tests::clients::CLIENT_SECS_MAX;
use portcullis_tests::gateway::{Gateway, binary};
use portcullis_tests::https::{self, Question};
use portcullis_tests::operator::{ALLOW, Stage, entries_of, wait_for};
use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::process;
use portcullis_tests::wire::{Wire, c_string, frame};

/// Room for the log on the full disk, beside twice what it has: redb grows in large steps.
const ROOM_BYTES: u64 = 4 * 1024 * 1024;
/// Size of the small disk, MiB: the reserve, as much again, and some megabytes of log.
const DISK_MIB: u32 = 40;

fn verify(log: &Path) -> String {
    let mut command = Command::new(binary());
    command.args(["audit", "verify"]).arg(log);
    process::run(command, "", CLIENT_SECS_MAX).success("audit verify")
}

fn ready(gateway: &Gateway<'_>) -> u16 {
    let question = Question { method: "GET", path: "/readyz", headers: &[], body: "" };
    https::ask(gateway.admin_address(), question).expect("the endpoint answers").status
}

fn wait_until_ready(gateway: &Gateway<'_>) {
    wait_for("the gateway goes on", || (ready(gateway) == 200).then_some(()));
}

/// The event entries of this name in a log at rest.
fn events(log: &Path, name: &str) -> Vec<serde_json::Value> {
    let events = entries_of(log, "event").into_iter();
    events.filter(|entry| entry["body"]["event"] == name).collect()
}

fn session(stage: &Stage, gateway: &Gateway<'_>) -> Wire {
    let mut wire = gateway.wire_tls();
    let ready = wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    assert_eq!(ready.tag, b'Z', "{:?}", ready.field(b'M'));
    wire
}

#[test]
fn on_a_full_disk_nothing_runs() {
    let stage = Stage::new(ALLOW);
    stage.make_marks();
    let log = stage.log_with_a_session();
    let size = fs::metadata(log.join("log.redb")).unwrap().len();
    let gateway = stage.site.start_with_files_up_to(2 * size + ROOM_BYTES);
    let mut wire = session(&stage, &gateway);
    let padding = "x".repeat(100 * 1024);
    let (mut ran, mut told) = (0, None);
    for row in 0..1_000 {
        let sql = format!("INSERT INTO marks VALUES ('{row}') /* {padding} */");
        wire.send(&frame(b'Q', &c_string(&sql))).unwrap();
        // An error comes before the end of the session, if it ends.
        let answer = loop {
            let message = wire.message().expect("an answer or an error");
            if matches!(message.tag, b'E' | b'Z') {
                break message;
            }
        };
        if answer.tag == b'E' {
            told = Some(answer);
            break;
        }
        ran += 1;
    }
    let error = told.expect("the disk is full before the statements end");
    assert_eq!(error.field(b'C').as_deref(), Some("58030"), "{error:?}");
    assert!(ran > 0, "the log could not be written from the start");
    assert_eq!(stage.count("SELECT count(*) FROM marks"), ran, "it ran without an entry");

    // From now on nobody gets in, and the gateway says that it is not well.
    let mut next = gateway.wire_tls();
    let refusal = next.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    assert_eq!(refusal.field(b'C').as_deref(), Some("58030"), "{refusal:?}");
    let question = Question { method: "GET", path: "/readyz", headers: &[], body: "" };
    let ready = https::ask(gateway.admin_address(), question).expect("the endpoint answers");
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(wire.closed_within(Duration::from_secs(20)).unwrap_or(true));
    assert_eq!(stage.count("SELECT count(*) FROM marks"), ran);
    drop(next);

    // With room again, the same gateway goes on, and then the next one.
    gateway.allow_files_of_any_length();
    wait_until_ready(&gateway);
    session(&stage, &gateway).query("INSERT INTO marks VALUES ('again')").unwrap();
    gateway.kill();
    let gateway = stage.site.start();
    session(&stage, &gateway).query("INSERT INTO marks VALUES ('after')").unwrap();
    assert!(gateway.stop().success());
    verify(&log);
    assert_eq!(stage.count("SELECT count(*) FROM marks"), ran + 2);
}

/// Inserts rows until one is refused; gives how many ran.
fn insert_until_refused(wire: &mut Wire, from: u64) -> u64 {
    let padding = "x".repeat(60 * 1024);
    for row in from..from + 2_000 {
        let sql = format!("INSERT INTO marks VALUES ('{row}') /* {padding} */");
        wire.send(&frame(b'Q', &c_string(&sql))).unwrap();
        loop {
            let message = wire.message().expect("an answer or an error");
            match message.tag {
                b'E' => {
                    assert_eq!(message.field(b'C').as_deref(), Some("58030"), "{message:?}");
                    return row - from;
                }
                b'Z' => break,
                _ => {}
            }
        }
    }
    panic!("the disk was never full");
}

#[test]
fn a_real_disk_that_fills_up_holds_the_entry_that_says_so() {
    let stage = Stage::new(ALLOW);
    stage.make_marks();
    let copies = stage.site.dir().join("copies");
    fs::create_dir(&copies).unwrap();
    let (gateway, disk) = stage.site.start_on_a_small_disk(DISK_MIB);
    let mut wire = session(&stage, &gateway);
    disk.fill();
    let ran = insert_until_refused(&mut wire, 0);
    assert_eq!(stage.count("SELECT count(*) FROM marks"), ran, "it ran without an entry");
    assert_eq!(ready(&gateway), 503);

    // The disk is still full, and the log says why it stopped.
    let halted = copies.join("halted");
    wait_for("the log says that it halted", || {
        disk.copy(&stage.site.log_dir(), &halted);
        (!events(&halted, "halt").is_empty()).then_some(())
    });
    assert!(verify(&halted).contains("intact"));
    assert_eq!(events(&halted, "halt")[0]["body"]["sessions"], 1);
    assert_eq!(entries_of(&halted, "session_torn")[0]["body"]["reason"], "log_halted");
    assert_eq!(ready(&gateway), 503);
    assert!(events(&halted, "resume").is_empty());

    disk.free();
    wait_until_ready(&gateway);
    session(&stage, &gateway).query("INSERT INTO marks VALUES ('after')").unwrap();
    let after = copies.join("after");
    disk.copy(&stage.site.log_dir(), &after);
    gateway.kill();
    assert!(verify(&after).contains("intact"));
    assert_eq!((events(&after, "halt").len(), events(&after, "resume").len()), (1, 1));
    let rows = entries_of(&after, "request")
        .iter()
        .filter(|entry| entry["body"]["state"] == "permitted" && entry["body"]["class"] == "write")
        .count() as u64;
    assert_eq!(rows, stage.count("SELECT count(*) FROM marks"), "each row has its entry");
}

#[test]
fn a_clock_that_jumps_is_flagged() {
    let stage = Stage::new(ALLOW);
    let offset = stage.site.dir().join("offset");
    fs::write(&offset, "+0").unwrap();
    let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
        .map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"))
        .into_iter()
        .find(|file| file.is_file())
        .expect("libfaketime is installed by scripts/setup.sh");
    let gateway = stage.site.start_with(&[
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ]);
    let token = stage.okta.agent_token();
    gateway.psql(&token).run("SELECT 1").success("before the step");
    fs::write(&offset, "-7").unwrap();
    gateway.psql(&token).run("SELECT 2").success("after the step");
    assert!(gateway.stop().success());
    let steps = events(&stage.site.log_dir(), "clock_step");
    assert_eq!(steps.len(), 1, "{steps:?}");
    let step = steps[0]["body"]["step_millis"].as_i64().unwrap();
    assert!((-7_050..=-6_950).contains(&step), "{step}");
}

#[test]
fn a_crash_leaves_no_picture_of_the_memory() {
    let dumps = |mut command: Command| {
        let mut child = command.spawn().expect("sh runs");
        child.wait().expect("it ends").core_dumped()
    };
    let stage = Stage::new(ALLOW);
    let mut control = Command::new("sh");
    control.args(["-c", "ulimit -c unlimited; kill -ABRT $$"]).current_dir(stage.site.dir());
    let makes = dumps(control);
    let gateway = stage.site.start_with_core_files();
    let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let status = gateway.abort();
    assert_eq!(status.signal(), Some(6));
    assert!(!status.core_dumped(), "another process would have made one: {makes}");
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use tokio::process::Command;

use super::Child;

const LIMIT: Duration = Duration::from_secs(20);

async fn shell(script: &str, input: &str, limit: Duration) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Child::start(command, input, limit).await.unwrap()
}

#[tokio::test]
async fn both_outputs_come_in_their_order() {
    let child = shell("read line; echo $line; echo two >&2; echo three; exit 3", "one\n", LIMIT);
    let ran = child.await.end().await.unwrap();
    assert_eq!((ran.code, ran.text.as_str()), (Some(3), "one\ntwo\nthree\n"));
    assert!(ran.success("sh").unwrap_err().to_string().contains("three"));
}

#[tokio::test]
async fn a_program_is_heard_while_it_runs_and_its_end_ends_the_wait() {
    let mut child = shell("echo NOTICE: wait >&2; cat >/dev/null; echo done", "", LIMIT).await;
    assert!(child.says("NOTICE").await.unwrap());
    assert!(!child.says("never said").await.unwrap());
    assert_eq!(child.end().await.unwrap().text, "NOTICE: wait\ndone\n");
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_an_error() {
    let child = shell("echo begun; sleep 60", "", Duration::from_millis(300)).await;
    let error = child.end().await.unwrap_err().to_string();
    assert!(error.contains("too long") && error.contains("begun"), "{error}");
}

#[tokio::test]
async fn what_a_dropped_program_started_ends_with_it() {
    // The inner shell would write once the outer one is dead.
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = format!("sh -c 'sleep 1; echo late > {}' & echo begun; wait", mark.display());
    let mut child = shell(&script, "", LIMIT).await;
    assert!(child.says("begun").await.unwrap());
    drop(child);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!mark.exists(), "a grandchild outlived its program");
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let started = Child::start(Command::new("no-such-program-here"), "", LIMIT).await;
    let error = started.err().unwrap().to_string();
    assert!(error.contains("no-such-program-here") && error.contains("setup.sh"), "{error}");
}

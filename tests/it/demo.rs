//! `portcullis demo`, as a stranger runs it first.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use portcullis_tests::folder;
use portcullis_tests::gateway::binary;
use portcullis_tests::plugins;
use portcullis_tests::process::{self, Server};

/// Longest run; a busy machine compiles the plugins and makes a database cluster first.
const RUN_SECS_MAX: Duration = Duration::from_secs(300);

fn demo(dir: &Path) -> Command {
    plugins::component("mask-columns");
    let mut command = Command::new(binary());
    command.arg("demo").arg("--dir").arg(dir);
    command
}

/// The database's port, as the configuration of the run names it.
fn database_port(dir: &Path) -> u16 {
    let text = std::fs::read_to_string(dir.join("portcullis.toml")).expect("a configuration");
    let line = text.lines().find(|line| line.starts_with("address = ")).expect("a target");
    let port = line.rsplit(':').next().expect("a port").trim_end_matches('"');
    port.parse().expect("a port is a number")
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn the_tour_shows_what_it_promises() {
    let dir = folder::temporary("demo");
    let run = dir.path().join("run");
    let mut command = demo(&run);
    command.arg("--tour");
    let ran = process::run(command, "", RUN_SECS_MAX);
    let text = ran.success("portcullis demo --tour");
    for line in [
        "no e-mail, phone, card or national id of the database is in it",
        "the error says who refused it, and why",
        "the same connection answered before and after",
        "whoever asks can't say yes",
        "the statement ran: DELETE 250",
        "psql could not connect",
        "it has the statement word for word",
        "the copy is intact",
        "the verifier names the first bad entry and exits with 1",
    ] {
        assert!(text.contains(&format!("\u{2713} {line}")), "{line:?} is not shown:\n{text}");
    }
    assert!(!text.contains('\u{2717}'), "a step failed:\n{text}");
    for file in ["shop_app.password", "agent.token", "alice.token", "bob.token"] {
        let secret = std::fs::read_to_string(run.join(file)).expect("a secret of the run");
        assert!(!text.contains(secret.trim()), "the output shows {file}");
    }
    assert!(!answers(database_port(&run)), "the database outlives the demonstration");
    let report = std::fs::read_to_string(run.join("report.txt")).expect("the whole report");
    assert!(report.contains("DELETE FROM orders"), "{report}");
}

#[test]
fn it_stays_up_until_it_is_interrupted() {
    let dir = folder::temporary("demo");
    let run = dir.path().join("run");
    let mut server = Server::start("portcullis demo", demo(&run));
    let mut pasted = String::new();
    loop {
        let line = server.line(RUN_SECS_MAX);
        if line.starts_with("PGPASSWORD=$(cat ") {
            pasted = line;
        } else if line.contains("Ctrl-C ends it.") {
            break;
        }
    }
    assert!(answers(database_port(&run)), "the database runs");
    // The line works as it stands.
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{pasted} -Atc 'SELECT count(*) FROM customers'"));
    let counted = process::run(shell, "", RUN_SECS_MAX).success("the line to paste");
    assert_eq!(counted.trim(), "200");

    server.signal("INT");
    let status = server.wait(RUN_SECS_MAX).expect("it ends when interrupted");
    assert_eq!(status.code(), Some(0), "{}", server.stderr());
    assert!(!answers(database_port(&run)), "the database outlives the demonstration");
}

#[test]
fn without_plugins_it_says_what_to_run() {
    let dir = folder::temporary("demo");
    let mut command = Command::new(binary());
    command.args(["demo", "--tour", "--plugins"]).arg(dir.path().join("none"));
    let ran = process::run(command, "", RUN_SECS_MAX);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("make plugins"), "{}", ran.stderr);
}

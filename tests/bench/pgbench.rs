//! Runs pgbench and reads what it prints, and what the system between cost in CPU.

use std::fs;
use std::process::Command;
use std::time::Duration;

use portcullis_tests::clients;
use portcullis_tests::postgres::{self, APP_ROLE, DATABASE};
use portcullis_tests::process;

use crate::systems::System;

/// Time beyond the measurement that pgbench may need to connect and to end.
const SPARE: Duration = Duration::from_secs(60);
/// Threads of pgbench; more than cores would measure the scheduler.
const THREADS: u32 = 2;

/// What pgbench does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    /// `simple`, `extended` or `prepared`.
    pub(crate) mode: &'static str,
    /// Connections at once.
    pub(crate) clients: u32,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Transactions a second, without the time to connect.
    pub(crate) tps: f64,
    /// Mean time of a transaction, milliseconds.
    pub(crate) latency_ms: f64,
    /// CPU of the system between, microseconds a transaction; `None` for a direct connection.
    pub(crate) cpu_us: Option<f64>,
}

/// Makes pgbench's tables, straight on the server.
pub(crate) fn fill(direct: &System, scale: u32) {
    let mut command = command(direct);
    command.args(["-i", "-q", "-s", &scale.to_string(), DATABASE]);
    process::run(command, "", SPARE * 5).success("pgbench -i");
}

/// Measures one system once: built-in script `select-only`.
pub(crate) fn run(system: &System, workload: Workload, secs: u32) -> Run {
    let before = system.pid.map(cpu_us);
    let text = load(system, workload, secs);
    let after = system.pid.map(cpu_us);
    let (transactions, tps, latency_ms) = parse(&text).unwrap_or_else(|| {
        panic!("pgbench on {} printed no figures, or failures: {text}", system.name)
    });
    let cpu = before.zip(after).map(|(before, after)| (after - before) / transactions);
    Run { tps, latency_ms, cpu_us: cpu }
}

/// Runs the load and gives what pgbench printed.
pub(crate) fn load(system: &System, workload: Workload, secs: u32) -> String {
    let mut command = command(system);
    command.args(["-n", "-S", "-M", workload.mode, "-T", &secs.to_string()]);
    command.args(["-c", &workload.clients.to_string()]);
    command.args(["-j", &THREADS.min(workload.clients).to_string(), DATABASE]);
    let deadline = Duration::from_secs(u64::from(secs)) + SPARE;
    process::run(command, "", deadline).success(&format!("pgbench on {}", system.name))
}

fn command(system: &System) -> Command {
    let mut command = Command::new(postgres::program("pgbench"));
    clients::connect(&mut command, system.port, Some(&system.password), Some(&system.ca_file));
    command.args(["-U", APP_ROLE]);
    command
}

/// Transactions, transactions a second and mean latency; `None` if a figure is missing or a
/// transaction failed: a refused statement is quick and would count as fast.
fn parse(text: &str) -> Option<(f64, f64, f64)> {
    let figure = |start: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(start))?;
        line.split(['/', ' ']).find_map(|word| word.parse().ok())
    };
    if figure("number of failed transactions: ").is_some_and(|failed| failed > 0.0) {
        return None;
    }
    let transactions = figure("number of transactions actually processed: ")?;
    let figures = (transactions, figure("tps = ")?, figure("latency average = ")?);
    (transactions > 0.0).then_some(figures)
}

/// CPU time of a process and its threads so far, microseconds (proc_pid_stat(5)).
fn cpu_us(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))
        .unwrap_or_else(|error| panic!("process {pid} is gone: {error}"));
    let ticks = ticks(&text).unwrap_or_else(|| panic!("not a stat line: {text}"));
    ticks * 1e6 / ticks_per_second()
}

/// `utime` + `stime`: fields 14 and 15, counted behind the name, which may hold spaces.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn ticks_per_second() -> f64 {
    let mut command = Command::new("getconf");
    command.arg("CLK_TCK");
    let text = process::run(command, "", SPARE).success("getconf CLK_TCK");
    text.trim().parse().expect("getconf prints a number")
}

#[test]
fn figures_are_read_and_failures_are_no_figures() {
    let text = "latency average = 0.125 ms\nnumber of transactions actually processed: 4000\n\
                number of failed transactions: 0 (0.000%)\n\
                tps = 8000.5 (without initial connection time)\n";
    assert_eq!(parse(text), Some((4000.0, 8000.5, 0.125)));
    assert_eq!(parse(&text.replace("failed transactions: 0", "failed transactions: 3")), None);
    assert_eq!(parse("tps = 1"), None);
}

#[test]
fn cpu_is_read_behind_a_name_with_spaces() {
    let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 100 1 1";
    assert_eq!(ticks(stat), Some(300.0));
}

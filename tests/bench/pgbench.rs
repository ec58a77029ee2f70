//! Runs pgbench and psql, reads what they print, and what the system between cost in CPU.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use portcullis_tests::clients::{self, Psql};
use portcullis_tests::folder;
use portcullis_tests::postgres::{self, APP_ROLE, DATABASE};
use portcullis_tests::process;

use crate::load::{Load, Workload};
use crate::systems::System;

/// Time beyond the measurement that a client may need to connect and to end.
const SPARE: Duration = Duration::from_secs(120);
/// Threads of pgbench; more than cores would measure the scheduler.
const THREADS: u32 = 2;
/// Results that one run of a streaming load reads.
const RESULTS: u32 = 3;

/// How long, and how much, one run is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length {
    /// Seconds of a run that counts transactions.
    pub(crate) secs: u32,
    /// Rows of one streamed result.
    pub(crate) rows: u32,
}

/// One measurement. A row counts as a transaction where rows are what is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Transactions or rows a second.
    pub(crate) tps: f64,
    /// Mean time of a transaction or result, milliseconds.
    pub(crate) latency_ms: f64,
    /// CPU of the system between, microseconds a transaction or row; `None` for a direct
    /// connection.
    pub(crate) cpu_us: Option<f64>,
}

/// Makes pgbench's tables and the one for large results, straight on the server.
pub(crate) fn fill(direct: &System, scale: u32, rows: u32) {
    let mut command = command(direct);
    command.args(["-i", "-q", "-s", &scale.to_string(), DATABASE]);
    process::run(command, "", SPARE * 5).success("pgbench -i");
    let table = crate::load::stream_table(rows) + "VACUUM ANALYZE stream;\n";
    psql(direct).deadline(SPARE * 5).run(&table).success("the table of large results");
}

/// Measures one system once.
pub(crate) fn run(system: &System, workload: Workload, length: Length) -> Run {
    let before = system.pid.map(cpu_us);
    let (units, tps, latency_ms) = once(system, workload, length);
    let after = system.pid.map(cpu_us);
    let cpu = before.zip(after).map(|(before, after)| (after - before) / units);
    Run { tps, latency_ms, cpu_us: cpu }
}

/// Transactions or rows, how many a second, and the mean time of one transaction or result.
fn once(system: &System, workload: Workload, length: Length) -> (f64, f64, f64) {
    if workload.load == Load::CopyOut {
        return copy(system, length.rows);
    }
    let script = folder::temporary("bench-script");
    let file = script.path().join("stream.sql");
    let text = load(system, workload, length, &file);
    let (count, tps, latency_ms) = parse(&text).unwrap_or_else(|| {
        panic!("pgbench on {} printed no figures, or failures: {text}", system.name)
    });
    let each = if workload.load.streams() { f64::from(length.rows) } else { 1.0 };
    (count * each, tps * each, latency_ms)
}

/// Runs the load and gives what pgbench printed.
fn load(system: &System, workload: Workload, length: Length, script: &Path) -> String {
    let mut command = command(system);
    command.args(["-n", "-c", &workload.clients.to_string()]);
    command.args(["-j", &THREADS.min(workload.clients).to_string()]);
    match workload.load {
        Load::Select(mode) => command.args(["-S", "-M", mode]),
        Load::TpcB => command.args(["-b", "tpcb-like", "-M", "prepared"]),
        Load::Connect => command.args(["-S", "-C"]),
        Load::Stream(columns) => {
            folder::write(script, &format!("SELECT {columns} FROM stream;\n"));
            command.args(["-t", &RESULTS.to_string(), "-f"]).arg(script)
        }
        Load::CopyOut => unreachable!("pgbench can't copy"),
    };
    if !workload.load.streams() {
        command.args(["-T", &length.secs.to_string()]);
    }
    command.arg(DATABASE);
    let deadline = Duration::from_secs(u64::from(length.secs)) + SPARE;
    process::run(command, "", deadline).success(&format!("pgbench on {}", system.name))
}

/// psql reads a copy, start and sign-in included; what it prints is counted by nobody.
fn copy(system: &System, rows: u32) -> (f64, f64, f64) {
    let script = "\\copy (SELECT id, name, town, note FROM stream) TO '/dev/null'\n";
    let started = Instant::now();
    psql(system).run(&script.repeat(RESULTS as usize)).success("a copy");
    let secs = started.elapsed().as_secs_f64();
    let units = f64::from(rows) * f64::from(RESULTS);
    (units, units / secs, secs * 1e3 / f64::from(RESULTS))
}

/// True when the system lets data out by COPY.
pub(crate) fn copies(system: &System) -> bool {
    let tried = psql(system).run("\\copy (SELECT 1) TO '/dev/null'\n");
    tried.code == Some(0)
}

fn psql(system: &System) -> Psql {
    Psql::new(system.port, APP_ROLE, DATABASE, &system.password).ca_file(&system.ca_file)
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

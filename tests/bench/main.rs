//! Throughput and cost beside a direct connection and PgBouncer, in one run on one machine.
//!
//! Every system sees the same clients, the same server, TLS on both hops and a password. Rounds
//! run forwards and then backwards, so a machine that slows down slows everybody. Figures are
//! medians; only ratios of one run mean anything.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod disk;
mod figures;
mod idle;
mod load;
mod pgbench;
mod systems;

use std::path::PathBuf;

use figures::{Row, Summary};
use load::{Load, WORKLOADS, Workload};
use pgbench::Length;
use systems::{Ground, System};

/// Rounds, each forwards and backwards over all systems; `BENCH_ROUNDS` sets another number.
const ROUNDS: u32 = 1;
/// Seconds of one measurement; `BENCH_SECS` sets another number.
const SECS: u32 = 3;
/// Rows of a large result; `BENCH_ROWS` sets another number.
const ROWS: u32 = 200_000;
/// Idle sessions whose memory is measured; `BENCH_IDLE` sets another number.
const IDLE: u32 = 100;
/// Seconds of load before the first measurement; on a busy machine connecting takes one of them.
const WARM_UP_SECS: u32 = 3;
/// pgbench's scale factor: 100,000 rows each, small enough to stay in memory.
const SCALE: u32 = 5;

fn main() {
    let rounds = setting("BENCH_ROUNDS", ROUNDS);
    let length = Length { secs: setting("BENCH_SECS", SECS), rows: setting("BENCH_ROWS", ROWS) };
    let idle = setting("BENCH_IDLE", IDLE);
    println!("{rounds} round(s) of {} s, there and back", length.secs);

    let ground = Ground::new(idle);
    pgbench::fill(&ground.direct(), SCALE, length.rows);
    let gateways = ground.gateways();
    let bouncer = ground.bouncer();
    let systems = [ground.direct(), bouncer.system(), gateways.durable(), gateways.buffered()];
    let systems = systems.into_iter().filter(|system| chosen("BENCH_SYSTEMS", system.name));
    let systems: Vec<System> = systems.collect();

    let mut summary = Summary::new(rounds, length);
    for workload in WORKLOADS.into_iter().filter(|it| chosen("BENCH_ONLY", it.name)) {
        let able = |system: &System| workload.load != Load::CopyOut || pgbench::copies(system);
        let (able, unable): (Vec<_>, Vec<_>) = systems.iter().cloned().partition(able);
        summary.add(workload, &measure(&able, workload, rounds, length));
        unable.iter().for_each(|system| println!("  {:<16} refuses it", system.name));
    }
    if chosen("BENCH_ONLY", "idle") {
        let gateway = gateways.buffered();
        let kib = idle::session_kib(&gateway, idle as usize);
        println!("\nidle: {kib:.1} KiB of memory for each of {idle} sessions");
        summary.set("idle_session_kib", kib);
    }
    let syncs = disk::syncs_per_second();
    println!("\ndisk: {syncs:.0} synced writes of a page a second");
    summary.set("disk_syncs_s", syncs);
    let file = report_file();
    summary.write(&file);
    println!("\nwritten to {}", file.display());
}

/// One workload on every system.
fn measure(systems: &[System], workload: Workload, rounds: u32, length: Length) -> Vec<Row> {
    let mut rows: Vec<Row> = systems.iter().map(|system| Row::new(system.name)).collect();
    for system in systems {
        // Loads what is loaded once; nobody counts it.
        pgbench::run(system, workload, Length { secs: WARM_UP_SECS, ..length });
    }
    let there = 0..systems.len();
    let order: Vec<usize> = there.clone().chain(there.rev()).collect();
    for _ in 0..rounds {
        for index in &order {
            if let (Some(system), Some(row)) = (systems.get(*index), rows.get_mut(*index)) {
                row.runs.push(pgbench::run(system, workload, length));
            }
        }
    }
    rows
}

/// True unless the variable lists other names only.
fn chosen(variable: &str, name: &str) -> bool {
    std::env::var(variable).map_or(true, |list| list.split(',').any(|wanted| wanted == name))
}

fn setting(name: &str, default: u32) -> u32 {
    let Ok(text) = std::env::var(name) else { return default };
    match text.parse() {
        Ok(number) if number > 0 => number,
        _ => panic!("{name} is {text:?}; expected a whole number above 0"),
    }
}

/// `target/bench/summary.json`: the program runs from `target/release`.
fn report_file() -> PathBuf {
    let programs = portcullis_tests::folder::programs();
    let target = programs.parent().expect("the programs stand in the target folder");
    target.join("bench").join("summary.json")
}

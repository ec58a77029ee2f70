//! Throughput and cost beside a direct connection and PgBouncer, in one run on one machine.
//!
//! Every system sees the same clients, the same server, TLS on both hops and a password. Rounds
//! run forwards and then backwards, so a machine that slows down slows everybody. Figures are
//! medians; only ratios of one run mean anything.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod figures;
mod pgbench;
mod systems;

use std::path::PathBuf;

use figures::{Row, Summary};
use pgbench::Workload;
use systems::{Ground, System};

/// Rounds, each forwards and backwards over all systems; `BENCH_ROUNDS` sets another number.
const ROUNDS: u32 = 2;
/// Seconds of one measurement; `BENCH_SECS` sets another number.
const SECS: u32 = 3;
/// Seconds of load before the first measurement of a workload.
const WARM_UP_SECS: u32 = 1;
/// pgbench's scale factor: 100,000 rows each, small enough to stay in memory.
const SCALE: u32 = 5;

/// What pgbench does: its query modes, alone and with more clients than cores.
const WORKLOADS: [Workload; 6] = [
    Workload { mode: "simple", clients: 1 },
    Workload { mode: "simple", clients: 8 },
    Workload { mode: "extended", clients: 1 },
    Workload { mode: "extended", clients: 8 },
    Workload { mode: "prepared", clients: 1 },
    Workload { mode: "prepared", clients: 8 },
];

fn main() {
    let rounds = setting("BENCH_ROUNDS", ROUNDS);
    let secs = setting("BENCH_SECS", SECS);
    let runs = rounds * 2 * u32::try_from(WORKLOADS.len()).unwrap_or(u32::MAX);
    println!("{rounds} rounds of {secs} s, there and back; about {} min", runs * 4 * secs / 60 + 1);

    let ground = Ground::new();
    pgbench::fill(&ground.direct(), SCALE);
    let gateways = ground.gateways();
    let bouncer = ground.bouncer();
    let systems = [ground.direct(), bouncer.system(), gateways.durable(), gateways.buffered()];

    let mut summary = Summary::new(rounds, secs);
    for workload in WORKLOADS {
        let rows = measure(&systems, workload, rounds, secs);
        summary.add(workload, &rows);
    }
    let file = report_file();
    summary.write(&file);
    println!("\nwritten to {}", file.display());
}

/// One workload on every system.
fn measure(systems: &[System], workload: Workload, rounds: u32, secs: u32) -> Vec<Row> {
    let mut rows: Vec<Row> = systems.iter().map(|system| Row::new(system.name)).collect();
    for system in systems {
        pgbench::load(system, workload, WARM_UP_SECS);
    }
    let there = 0..systems.len();
    let order: Vec<usize> = there.clone().chain(there.rev()).collect();
    for _ in 0..rounds {
        for index in &order {
            if let (Some(system), Some(row)) = (systems.get(*index), rows.get_mut(*index)) {
                row.runs.push(pgbench::run(system, workload, secs));
            }
        }
    }
    rows
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

//! PostgreSQL's own suites, run direct and then through the gateway with a policy that allows
//! everything. What differs fails, unless `accepted/` holds just that difference and the reason.
//!
//! `conformance` runs everything, `conformance core` the part that belongs to `make test`, and
//! `conformance regress` (or `isolation`, `pipeline`) one suite. What the regression suite sends
//! is also read by somebody else's parser and compared with our facts; `conformance facts` does
//! only that.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod compare;
mod facts;
mod ground;
mod kit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use compare::Verdict;
use ground::Way;
use kit::{Kit, Run};
use portcullis_tests::folder;
use portcullis_tests::okta::Okta;

/// The suites by name.
const SUITES: [&str; 3] = ["regress", "isolation", "pipeline"];
/// The comparison of facts alone, beside the names of suites.
const FACTS: &str = "facts";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let (core, facts) = (asked("core"), asked(FACTS));
    let named: Vec<&str> = SUITES.into_iter().filter(|suite| asked(suite)).collect();
    if named.len() + usize::from(core) + usize::from(facts) != arguments.len() {
        println!("usage: conformance [core] [{}|{FACTS}]...", SUITES.join("|"));
        return ExitCode::from(64);
    }
    let suites = if named.is_empty() && !facts { SUITES.to_vec() } else { named };
    let kit = Kit::find();
    let mut verdicts: Vec<Verdict> =
        suites.iter().flat_map(|suite| judge(&kit, suite, core)).collect();
    if facts && !suites.contains(&"regress") {
        verdicts.push(directly(&kit, "regress", core).1.expect("the suite has texts to read"));
    }
    let mut faults = Vec::new();
    for verdict in verdicts {
        verdict.accepted.iter().for_each(|line| println!("accepted: {line}"));
        faults.extend(verdict.faults);
    }
    for fault in &faults {
        println!("{fault}");
    }
    match faults.len() {
        0 => ExitCode::SUCCESS,
        count => {
            println!("\n{count} faults; whole differences are in {}", reports().display());
            ExitCode::FAILURE
        }
    }
}

/// Runs one suite both ways, each on a server of its own: what one run leaves behind must not
/// tell in the other.
fn judge(kit: &Kit, suite: &str, core: bool) -> Vec<Verdict> {
    let (direct, facts) = directly(kit, suite, core);
    let postgres = ground::server(&[]);
    let okta = Okta::start();
    let site = ground::site(&postgres, &okta);
    let gateway = site.start();
    let through = timed(kit, suite, core, &ground::through(&gateway, &okta));
    let verdict = compare::compare(suite, &direct, &through, &reports());
    folder::write(&reports().join(suite).join("server.log"), &postgres.log());
    folder::write(&reports().join(suite).join("gateway.log"), &gateway.stderr());
    [Some(verdict), facts].into_iter().flatten().collect()
}

/// Runs one suite without the gateway, and reads what the regression suite sent.
fn directly(kit: &Kit, suite: &str, core: bool) -> (Run, Option<Verdict>) {
    let reads = suite == "regress";
    let postgres = ground::server(if reads { &facts::LOGGING } else { &[] });
    let run = timed(kit, suite, core, &ground::direct(&postgres));
    let start = Instant::now();
    let facts = reads.then(|| facts::compare(&postgres.log(), !core));
    if reads {
        println!("facts: compared in {} s", start.elapsed().as_secs());
    }
    (run, facts)
}

fn timed(kit: &Kit, suite: &str, core: bool, way: &Way) -> Run {
    let start = Instant::now();
    let schedule = core.then(|| {
        let here = folder::repository().join("tests/conformance");
        here.join(format!("core_{suite}"))
    });
    let run = match suite {
        "regress" => kit.regress(way, schedule.as_deref()),
        "isolation" => kit.isolation(way, schedule.as_deref()),
        _ => kit.pipeline(way),
    };
    let (passed, all, secs) = (run.passed(), run.tests.len(), start.elapsed().as_secs());
    println!("{suite}, {}: {passed} of {all} as expected, {secs} s", way.name);
    run
}

/// `target/conformance`: the program runs from `target/debug`.
fn reports() -> PathBuf {
    let programs = folder::programs();
    programs.parent().expect("the programs stand in the target folder").join("conformance")
}

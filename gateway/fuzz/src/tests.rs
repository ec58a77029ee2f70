use std::time::{Duration, Instant};

use crate::mutation::Mutator;
use crate::{TARGETS, Target, target};

/// Inputs for each target: some seconds in all without optimisation.
const INPUTS: usize = 20_000;
/// The same inputs on every run, so that a failure here can be repeated.
const SEQUENCE: u64 = 20_261;
/// A decoder that needs longer for 4 KiB can be used to stop the gateway.
const INPUT_TIME_MAX: Duration = Duration::from_secs(2);

/// Tells the input when the target panics.
struct Culprit<'a>(Target, &'a [u8]);

impl Drop for Culprit<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("target {} failed on b\"{}\"", self.0.name, self.1.escape_ascii());
        }
    }
}

fn run(target: Target, input: &[u8]) {
    let culprit = Culprit(target, input);
    let start = Instant::now();
    (target.run)(input);
    let taken = start.elapsed();
    assert!(taken < INPUT_TIME_MAX, "one input took {taken:?}");
    drop(culprit);
}

fn smoke(name: &str) {
    let target = target(name);
    target.seeds.iter().for_each(|seed| run(target, seed));
    let mut mutator = Mutator::new(target, SEQUENCE);
    for _ in 0..INPUTS {
        run(target, &mutator.input());
    }
}

#[test]
fn backend() {
    smoke("backend");
}

#[test]
fn copy() {
    smoke("copy");
}

#[test]
fn frames() {
    smoke("frames");
}

#[test]
fn frontend() {
    smoke("frontend");
}

#[test]
fn jwks() {
    smoke("jwks");
}

#[test]
fn kubernetes() {
    smoke("kubernetes");
}

#[test]
fn large() {
    smoke("large");
}

#[test]
fn names() {
    smoke("names");
}

#[test]
fn pack() {
    smoke("pack");
}

#[test]
fn query() {
    smoke("query");
}

#[test]
fn replication() {
    smoke("replication");
}

#[test]
fn rows() {
    smoke("rows");
}

#[test]
fn signature() {
    smoke("signature");
}

#[test]
fn startup() {
    smoke("startup");
}

#[test]
fn statement() {
    smoke("statement");
}

#[test]
fn token() {
    smoke("token");
}

#[test]
fn witness() {
    smoke("witness");
}

#[test]
fn every_target_has_a_test_above() {
    let text = include_str!("tests.rs");
    for target in TARGETS {
        assert!(text.contains(&format!("smoke(\"{}\")", target.name)), "{}", target.name);
    }
}

#[test]
fn the_same_number_gives_the_same_inputs_and_they_differ_from_the_seeds() {
    let inputs = |number| {
        let mut mutator = Mutator::new(TARGETS[0], number);
        (0..50).map(|_| mutator.input()).collect::<Vec<_>>()
    };
    assert_eq!(inputs(7), inputs(7));
    assert_ne!(inputs(7), inputs(8));
    let fresh = inputs(7).into_iter().filter(|i| !TARGETS[0].seeds.contains(&i.as_slice()));
    assert!(fresh.count() > 40);
}

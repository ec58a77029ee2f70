//! Hostile bytes for everything that decodes bytes from outside.
//!
//! A target is a file of `targets`: seeds, and a function that must not panic on any input and
//! that asserts what must hold whatever comes in. Two runners share the targets:
//!
//! - the test of this package: seeds and deterministic mutations, seconds, on every change;
//! - libFuzzer with coverage (`make fuzz`): as long as you like. It needs no nightly compiler:
//!   the instrumentation is a stable codegen option, and without a sanitizer nothing else is
//!   missing, since the code under test holds no unsafe blocks but the grammar's own C.
//!
//! To add a target, add its file and its line in [`TARGETS`].
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub mod mutation;
mod targets;

/// Something that decodes.
#[derive(Clone, Copy)]
pub struct Target {
    /// As `make fuzz` calls it.
    pub name: &'static str,
    /// Inputs to start from: accepted ones, and ones at the edge.
    pub seeds: &'static [&'static [u8]],
    /// Words of the format, for mutations to put in.
    pub words: &'static [&'static [u8]],
    /// Must return for every input.
    pub run: fn(&[u8]),
}

/// Every target, by name.
pub const TARGETS: [Target; 17] = [
    targets::backend::TARGET,
    targets::copy::TARGET,
    targets::frames::TARGET,
    targets::frontend::TARGET,
    targets::jwks::TARGET,
    targets::kubernetes::TARGET,
    targets::large::TARGET,
    targets::names::TARGET,
    targets::pack::TARGET,
    targets::query::TARGET,
    targets::replication::TARGET,
    targets::rows::TARGET,
    targets::signature::TARGET,
    targets::startup::TARGET,
    targets::statement::TARGET,
    targets::token::TARGET,
    targets::witness::TARGET,
];

/// The target of this name.
///
/// # Panics
///
/// When there is none.
pub fn target(name: &str) -> Target {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("no target {name:?}; there are {:?}", TARGETS.map(|t| t.name)))
}

#[cfg(test)]
mod tests;

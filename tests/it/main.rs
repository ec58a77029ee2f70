//! The product from outside: real servers, real clients, real bytes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod demo;
mod extended;
mod harness;
mod stage;

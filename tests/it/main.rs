//! The product from outside: real servers, real clients, real bytes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod demo;
mod evasion;
mod approval;
mod audit;
mod harness;
mod hostile;
mod identity;
mod operator;
mod reload;

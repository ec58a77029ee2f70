//! The product from outside: real servers, real clients, real bytes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod cancel;
mod extended;
mod harness;
mod masking;
mod postgres;
mod stage;

//! The product from outside: real servers, real clients, real bytes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod approval;
mod audit;
mod cancel;
mod demo;
mod drivers;
mod extended;
mod facts;
mod harness;
mod hostile;
mod identity;
mod large;
mod late;
mod masking;
mod masking_doors;
mod operator;
mod postgres;
mod reload;
mod settings;
mod stage;

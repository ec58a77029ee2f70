//! The product from outside: real servers, real clients, real bytes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod anchor;
mod approval;
mod audit;
mod budget;
mod calls;
mod cancel;
mod copy;
mod demo;
mod differential;
mod drivers;
mod export;
mod extended;
mod facts;
mod faults;
mod harness;
mod hostile;
mod identity;
mod kubernetes;
mod large;
mod late;
mod liar;
mod masking;
mod masking_doors;
mod operator;
mod plugin;
mod postgres;
mod reload;
mod replay;
mod replication;
mod replication_tools;
mod search;
mod secrets;
mod settings;
mod stage;
mod work;

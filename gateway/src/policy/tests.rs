#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixtures;
mod golden;
mod hostile;
mod judging;
mod keeping;
mod loading;
mod masking;
mod real;
mod signing;

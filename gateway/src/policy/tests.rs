#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod capabilities;
mod compatible;
mod documents;
mod failing;
mod fixtures;
mod golden;
mod hostile;
mod judging;
mod keeping;
mod loading;
mod masking;
mod metering;
mod modes;
mod prefilter;
mod real;
mod signing;

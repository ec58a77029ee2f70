//! Recorded sessions once more: stepped through in a terminal, written as an asciicast, or run
//! again in a throw-away PostgreSQL whose answers are compared with the recorded ones.
//!
//! What is replayed comes out of a report bundle, so it is what `audit verify` judges.

pub mod cast;
mod compare;
mod frames;
mod script;
mod transcript;
mod wire;

pub use compare::{Difference, Outcome, against};
pub use script::{Script, Step, What};
pub use transcript::{Line, lines};

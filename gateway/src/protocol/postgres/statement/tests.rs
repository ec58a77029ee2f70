#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod judged;
mod stack;
mod table;
mod tree;
mod uses;

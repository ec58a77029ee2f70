//! `portcullis plugin`: what its commands do, as their users type them.

mod backtest;
mod languages;
mod page;
mod signing;
mod tools;

//! A witness for other gateways' logs (C2SP tlog-witness): it remembers the newest checkpoint of
//! each log it knows, and cosigns only what follows.
//!
//! It belongs on a machine that who can change the log can't change. It holds no entries, reads no
//! log and needs no gateway.

mod book;
mod serve;

pub use book::{Answer, Book};
pub use serve::{Settings, Witness};

//! What a plugin may ask of the gateway when the operator grants it. A plugin that calls one of
//! these without the grant is refused when it is loaded.
//!
//! Outside Wasm, in `cargo test`, a stand-in answers: see [`crate::testing`].

pub mod facts;
mod host;
pub mod kv;
pub mod vault;

pub use crate::bindings::shared::portcullis::policy::log::Level;

/// Writes one line to the gateway's log. Needs the grant `log`. Never write a value of a cell.
pub fn log(level: Level, message: &str) {
    host::write(level, message);
}

/// Milliseconds since the Unix epoch; stands still during a call. Needs the grant `clock`.
pub fn now_ms() -> u64 {
    host::now_ms()
}

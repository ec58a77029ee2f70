//! What a plugin may ask of the gateway when the operator grants it. A plugin that calls one of
//! these without the grant is refused when it is loaded.

pub use crate::bindings::shared::portcullis::policy::log::Level;

/// Writes one line to the gateway's log. Needs the grant `log`. Never write a value of a cell.
pub fn log(level: Level, message: &str) {
    crate::bindings::shared::portcullis::policy::log::write(level, message);
}

/// Milliseconds since the Unix epoch; stands still during a call. Needs the grant `clock`.
pub fn now_ms() -> u64 {
    crate::bindings::shared::portcullis::policy::clock::now_ms()
}

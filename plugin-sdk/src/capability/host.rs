//! The imports themselves in Wasm, the stand-in elsewhere.

#[cfg(target_arch = "wasm32")]
pub(super) use crate::bindings::shared::portcullis::policy::{
    clock::now_ms, facts, kv, log::write, vault,
};
#[cfg(not(target_arch = "wasm32"))]
pub(super) use crate::testing::imports::{facts, kv, now_ms, vault, write};

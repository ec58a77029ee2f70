//! The WIT package `portcullis:policy@0.1.1`, as Rust.

// Everything below is generated from `wit/`, where the documentation is.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "everything",
    imports: { default: trappable },
});

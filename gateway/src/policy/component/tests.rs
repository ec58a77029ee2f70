#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Error, build, encode};

#[test]
fn what_is_no_module_makes_no_component() {
    assert!(matches!(encode(b"no wasm"), Err(Error::Encode(_))));
    // A module that imports what nothing describes.
    let stray = wat::parse_str(r#"(module (import "env" "open" (func)))"#).unwrap();
    let told = encode(&stray).unwrap_err().to_string();
    assert!(told.contains("can't make a component"), "{told}");
}

#[test]
fn a_folder_without_a_package_is_told_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let told = build(dir.path(), dir.path()).unwrap_err().to_string();
    assert!(told.contains(&dir.path().display().to_string()), "{told}");
    assert!(told.contains("Cargo.toml"), "{told}");
}

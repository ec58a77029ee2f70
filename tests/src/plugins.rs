//! The first-party plugins, as `make plugins` built them.

use std::path::PathBuf;

use crate::folder;

/// The component of the plugin `name`, such as `mask-columns`.
///
/// # Panics
///
/// When it was not built.
pub fn component(name: &str) -> PathBuf {
    let programs = folder::programs();
    let target = programs.parent().expect("the programs stand in the target folder");
    let file = target.join("plugins").join(format!("{name}.wasm"));
    assert!(file.is_file(), "{} is missing: run `make plugins`", file.display());
    file
}

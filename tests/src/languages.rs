//! Plugins as `portcullis plugin new` starts them, built by the tools of their language.
//!
//! Making a component of Python or JavaScript takes half a minute, so those are kept in the cache
//! of scripts/setup.sh, each under the digest of all that it is made from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use portcullis::policy::component::sha256;

use crate::folder;
use crate::gateway::binary;
use crate::process::{self, Output};

/// Longest wait for a build from nothing.
const BUILD_SECS_MAX: Duration = Duration::from_secs(280);

/// Runs `portcullis ARGUMENTS` in a folder, with time to compile.
pub fn portcullis(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(dir).env("CARGO_TARGET_DIR", kit());
    process::run(command, "", BUILD_SECS_MAX)
}

/// Where cargo keeps what plugins outside the repository are built from.
pub fn kit() -> PathBuf {
    let programs = folder::programs();
    programs.parent().expect("the programs stand in the target folder").join("kit")
}

/// A fresh plugin in `dir/NAME`, built into `dir/build/NAME.wasm`.
pub fn build(dir: &Path, name: &str, language: &str, kind: &str) -> PathBuf {
    let made = portcullis(dir, &["plugin", "new", name, "--lang", language, "--kind", kind]);
    made.success("plugin new");
    let component = dir.join("build").join(format!("{name}.wasm"));
    let kept = (language != "rust").then(|| {
        let key = digest(&dir.join(name)) + &sha256(DRIVER);
        folder::cache().join("plugins").join(format!("{}.wasm", sha256(key.as_bytes())))
    });
    if let Some(kept) = kept.as_ref().filter(|kept| kept.is_file()) {
        fs::create_dir_all(dir.join("build")).expect("a folder of ours can be made");
        fs::copy(kept, &component).expect("a file of ours can be copied");
        return component;
    }
    portcullis(dir, &["plugin", "build", name, "--out", "build"]).success("plugin build");
    if let Some(kept) = kept {
        let folder = kept.parent().expect("the file stands in a folder");
        fs::create_dir_all(folder).expect("the cache can be written");
        let aside = kept.with_extension(std::process::id().to_string());
        fs::copy(&component, &aside).expect("the cache can be written");
        fs::rename(aside, kept).expect("the cache can be written");
    }
    component
}

/// How components of these languages are made.
const DRIVER: &[u8] = include_bytes!("../../gateway/src/policy/component/language.rs");

/// One digest of every file below a folder.
fn digest(dir: &Path) -> String {
    let entries = fs::read_dir(dir).expect("the folder can be listed");
    let mut parts: Vec<String> = entries
        .map(|entry| entry.expect("the entry can be read").path())
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                return format!("{name} {}", digest(&path));
            }
            format!("{name} {}", sha256(&fs::read(&path).expect("the file can be read")))
        })
        .collect();
    parts.sort();
    sha256(parts.join("\n").as_bytes())
}

//! Building a plugin: for Rust, cargo for the core module, then the component around it, in
//! process; for other languages, their own tools.

mod language;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use wit_component::ComponentEncoder;

use super::digest;

const TARGET: &str = "wasm32-unknown-unknown";
/// A plugin's own stack, at the bottom of its memory; every instance touches it.
const STACK_ARGUMENT: &str = "link-arg=-zstack-size=65536";

/// A plugin component on disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Built {
    /// The component file.
    pub file: PathBuf,
    /// Its SHA-256, hex: what a policy pins.
    pub sha256: String,
}

/// Why a plugin can't be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds no usable cargo package.
    #[error("{dir}: {what}")]
    Package {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Cargo failed; its output has been shown.
    #[error(
        "{name}: cargo build failed ({status}); is the target installed? \
             `rustup target add wasm32-unknown-unknown`"
    )]
    Cargo {
        /// The package.
        name: String,
        /// How it ended.
        status: String,
    },
    /// The core module is no plugin.
    #[error("{0}")]
    Encode(String),
    /// A tool that makes components is not installed.
    #[error("{tool} is not installed; install it with\n  {install}")]
    Missing {
        /// Which.
        tool: &'static str,
        /// How to install it.
        install: String,
    },
    /// A tool that makes components failed.
    #[error("{name}: {what}")]
    Tool {
        /// The plugin.
        name: String,
        /// What it said.
        what: String,
    },
    /// A file can't be read or written.
    #[error("{file}: {error}")]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// Wraps a core module, as the plugin SDK makes one, into a component.
///
/// # Errors
/// The module does not describe a component, or imports what no interface of it offers.
pub fn encode(core_wasm: &[u8]) -> Result<Vec<u8>, Error> {
    let encode = || ComponentEncoder::default().validate(true).module(core_wasm)?.encode();
    encode().map_err(|error| Error::Encode(format!("can't make a component: {error:#}")))
}

/// Builds the plugin in `dir`, a cargo package or a folder with `plugin.json`, and writes
/// `<out_dir>/<name>.wasm`.
///
/// # Errors
/// The first thing that went wrong; an existing component stays as it was.
pub fn build(dir: &Path, out_dir: &Path) -> Result<Built, Error> {
    if let Some(manifest) = language::manifest(dir)? {
        return finish(&manifest.name, &language::build(dir, &manifest)?, out_dir);
    }
    let package = package(dir)?;
    // A folder of its own: the gateway itself may be building or running under `target`.
    let target_dir = package.target_dir.join("plugins-build");
    compile(dir, &package, &target_dir)?;
    let module = format!("{}.wasm", package.name.replace('-', "_"));
    let core = target_dir.join(TARGET).join("release").join(module);
    let bytes = std::fs::read(&core).map_err(|error| Error::File { file: core, error })?;
    finish(&package.name, &encode(&bytes)?, out_dir)
}

fn finish(name: &str, component: &[u8], out_dir: &Path) -> Result<Built, Error> {
    let file = out_dir.join(format!("{name}.wasm"));
    std::fs::create_dir_all(out_dir)
        .and_then(|()| replace(&file, component))
        .map_err(|error| Error::File { file: file.clone(), error })?;
    Ok(Built { file, sha256: sha256(component) })
}

struct Package {
    name: String,
    target_dir: PathBuf,
    workspace: PathBuf,
}

fn package(dir: &Path) -> Result<Package, Error> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Listed>,
        target_directory: PathBuf,
        workspace_root: PathBuf,
    }
    #[derive(Deserialize)]
    struct Listed {
        name: String,
        manifest_path: PathBuf,
    }
    let fail = |what: String| Error::Package { dir: dir.to_owned(), what };
    let manifest = dir.join("Cargo.toml");
    let manifest = manifest.canonicalize().map_err(|error| fail(format!("Cargo.toml: {error}")))?;
    let output = cargo()
        .args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"])
        .arg(&manifest)
        .output()
        .map_err(|error| fail(format!("cargo can't be run: {error}")))?;
    if !output.status.success() {
        return Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| fail(format!("cargo metadata: {error}")))?;
    let listed = metadata.packages.into_iter().find(|listed| listed.manifest_path == manifest);
    let listed = listed.ok_or_else(|| fail("Cargo.toml holds no package".to_owned()))?;
    Ok(Package {
        name: listed.name,
        target_dir: metadata.target_directory,
        workspace: metadata.workspace_root,
    })
}

/// A release build that is small and the same wherever it is made: the settings are given here,
/// so that a package outside this workspace gets them too.
fn compile(dir: &Path, package: &Package, target_dir: &Path) -> Result<(), Error> {
    let mut flags = vec!["-C".to_owned(), STACK_ARGUMENT.to_owned()];
    let homes = [
        (Some(package.workspace.clone()), "workspace"),
        (std::env::var_os("CARGO_HOME").map(PathBuf::from), "cargo"),
        (std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")), "cargo"),
    ];
    for (home, name) in homes {
        if let Some(home) = home {
            flags.push(format!("--remap-path-prefix={}=/{name}", home.display()));
        }
    }
    let status = cargo()
        .current_dir(dir)
        .args(["build", "--release", "--lib", "--target", TARGET, "-p", &package.name])
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .status();
    let name = package.name.clone();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::Cargo { name, status: status.to_string() }),
        Err(error) => Err(Error::Cargo { name, status: error.to_string() }),
    }
}

/// The cargo that runs us, if one does.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Writes a file aside and moves it into place, so that a watcher never sees half of it.
///
/// # Errors
/// The folder or the file can't be written.
pub fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut aside = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    aside.write_all(bytes)?;
    // A plugin is no secret, and the gateway may run as another user than the one who builds.
    aside.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    aside.as_file().sync_all()?;
    aside.persist(file).map(|_| ()).map_err(|error| error.error)
}

/// Reads a component file, up to [`crate::limits::PLUGIN_FILE_BYTES_MAX`].
///
/// # Errors
/// It can't be read, or is longer.
pub fn read(file: &Path) -> Result<Vec<u8>, String> {
    super::plugin::read(file, crate::limits::PLUGIN_FILE_BYTES_MAX)
}

/// Where tools for other languages are looked for, and what the commands compile is kept.
pub fn tools() -> PathBuf {
    language::home()
}

/// SHA-256 of a component, hex: what a policy pins.
pub fn sha256(component: &[u8]) -> String {
    digest::sha256(component)
}

/// Whether the bytes begin as a WebAssembly component does (and not as a core module).
pub fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x0d\0\x01\0")
}

#[cfg(test)]
mod tests;

//! `portcullis plugin build`: Rust source becomes a component that the gateway loads.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use wit_component::ComponentEncoder;

use super::{Stop, print};
use crate::cli::Plugin;

/// No operating system, so a plugin has nothing to import but what WIT names.
const TARGET: &str = "wasm32-unknown-unknown";

pub(super) fn run(command: Plugin, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let Plugin::Build { dirs, out: folder } = command;
    fs::create_dir_all(&folder)
        .map_err(|error| Stop::failed(format!("can't make {}: {error}", folder.display())))?;
    for dir in dirs {
        let (name, module) = compile(&dir)?;
        let component = encode(&module)
            .map_err(|why| Stop::failed(format!("{} is no plugin: {why}", module.display())))?;
        let file = folder.join(format!("{name}.wasm"));
        replace(&file, &component)
            .map_err(|error| Stop::failed(format!("can't write {}: {error}", file.display())))?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &component);
        let digest = crate::config::hex(digest.as_ref());
        print(out, &format!("{digest}  {}  {} bytes", file.display(), component.len()))?;
    }
    Ok(())
}

/// Compiles the plugin in `dir`; gives its name and its core module.
fn compile(dir: &Path) -> Result<(String, PathBuf), Stop> {
    let manifest = dir.join("Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--target", TARGET, "--message-format"])
        .arg("json-render-diagnostics")
        .arg("--manifest-path")
        .arg(&manifest)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Stop::failed(format!("can't start cargo: {error}")))?;
    if !built.status.success() {
        return Err(Stop::failed(format!(
            "{} does not compile (is the target there? rustup target add {TARGET})",
            dir.display()
        )));
    }
    let absolute = fs::canonicalize(&manifest)
        .map_err(|error| Stop::failed(format!("can't find {}: {error}", manifest.display())))?;
    artifact(&String::from_utf8_lossy(&built.stdout), &absolute).ok_or_else(|| {
        let what = "builds no module; expected crate-type = [\"cdylib\"] in Cargo.toml";
        Stop::failed(format!("{} {what}", dir.display()))
    })
}

/// Package name and module out of cargo's messages
/// (The Cargo Book, "External tools", artifact messages).
fn artifact(messages: &str, manifest: &Path) -> Option<(String, PathBuf)> {
    messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|m| {
        let text = |path: &str| m.pointer(path).and_then(Value::as_str);
        let ours = text("/reason") == Some("compiler-artifact")
            && text("/manifest_path").map(Path::new) == Some(manifest);
        let files = m.get("filenames").and_then(Value::as_array).filter(|_| ours)?;
        let module = files
            .iter()
            .filter_map(Value::as_str)
            .map(PathBuf::from)
            .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))?;
        // A library's target name has underscores where the package has dashes.
        Some((text("/target/name")?.replace('_', "-"), module))
    })
}

fn encode(module: &Path) -> Result<Vec<u8>, String> {
    let bytes = fs::read(module).map_err(|error| error.to_string())?;
    ComponentEncoder::default()
        .module(&bytes)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| format!("{error:#}"))
}

/// Puts a whole file in place at once, so that a gateway that watches it never reads half.
fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = file.parent().unwrap_or(Path::new("."));
    let mut part = tempfile::NamedTempFile::new_in(dir)?;
    part.write_all(bytes)?;
    part.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    part.persist(file).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests;

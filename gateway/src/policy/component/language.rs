//! Plugins in Python and JavaScript: their own tools make the component, run by us.
//!
//! Both put a whole interpreter into the component. WASI, which no plugin is given, is stubbed by
//! the tools, so that what comes out imports only what its `plugin.json` says.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::Error;
use crate::limits::CONFIG_FILE_BYTES_MAX;

/// The version of componentize-py that is tested.
const PYTHON_TOOL: &str = "componentize-py==0.25.1";
/// The version of componentize-js that is tested.
const JS_TOOL: &str = "@bytecodealliance/componentize-js@0.23.0";
/// Runs in the folder of the tools, so that the name is found there.
const JS_DRIVER: &str = include_str!("componentize.mjs");
const PACKAGE: &str = "portcullis:policy";
const EXPORTS: [&str; 4] = ["guard", "mask", "prefilter", "risk"];

/// `plugin.json`: what a build needs to know of a plugin that is not in Rust.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) name: String,
    language: Language,
    /// Interfaces it exports beside `lifecycle`.
    exports: Vec<String>,
    /// Interfaces it imports beside `types`, each to be granted.
    imports: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Language {
    Js,
    Python,
}

/// The manifest of the plugin in `dir`; `None` when it has none.
pub(super) fn manifest(dir: &Path) -> Result<Option<Manifest>, Error> {
    use std::io::Read as _;
    let file = dir.join("plugin.json");
    let fail = |what: String| Error::Package { dir: dir.to_owned(), what };
    let open = match std::fs::File::open(&file) {
        Ok(open) => open,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(format!("plugin.json: {error}"))),
    };
    let mut text = String::new();
    let read = open.take(CONFIG_FILE_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| fail(format!("plugin.json: {error}")))?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| fail(format!("plugin.json: {error}")))?;
    let plain = |text: &str| {
        let part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !text.is_empty() && text.bytes().all(part)
    };
    if !plain(&manifest.name) {
        return Err(fail("plugin.json: `name` is made of a-z, 0-9 and `-`".to_owned()));
    }
    if manifest.exports.is_empty() {
        return Err(fail("plugin.json: `exports` is empty".to_owned()));
    }
    if let Some(other) = manifest.exports.iter().find(|one| !EXPORTS.contains(&one.as_str())) {
        let known = EXPORTS.join(", ");
        return Err(fail(format!("plugin.json: exports \"{other}\"; expected some of {known}")));
    }
    if let Some(other) = manifest.imports.iter().find(|one| !plain(one)) {
        return Err(fail(format!("plugin.json: imports \"{other}\", which is no interface")));
    }
    Ok(Some(manifest))
}

/// Makes the component of the plugin in `dir`.
pub(super) fn build(dir: &Path, manifest: &Manifest) -> Result<Vec<u8>, Error> {
    let fail = |what: String| Error::Package { dir: dir.to_owned(), what };
    let scratch = tempfile::tempdir().map_err(|error| fail(error.to_string()))?;
    let wit = scratch.path().join("wit");
    world(dir, &wit, manifest).map_err(|what| fail(format!("wit: {what}")))?;
    let component = scratch.path().join("component.wasm");
    let dir = dir.canonicalize().map_err(|error| fail(error.to_string()))?;
    let mut command = match manifest.language {
        Language::Python => python(&dir, &wit, &component)?,
        Language::Js => js(&dir, &wit, &component)?,
    };
    let name = manifest.name.clone();
    // What the tool prints is for the one who builds; standard output is for the digest.
    let output = command.output().map_err(|error| Error::Tool {
        name: name.clone(),
        what: format!("{}: {error}", command.get_program().display()),
    })?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let what = String::from_utf8_lossy(&said).trim().to_owned();
        return Err(Error::Tool { name, what });
    }
    std::fs::read(&component).map_err(|error| Error::File { file: component, error })
}

/// Writes the world of this plugin: a component of these languages imports all of its world, so
/// it must not name what the operator is not to grant.
fn world(dir: &Path, wit: &Path, manifest: &Manifest) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let deps = wit.join("deps").join("policy");
    std::fs::create_dir_all(&deps).map_err(told)?;
    let mut version = None;
    for entry in std::fs::read_dir(dir.join("wit")).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path.extension().is_none_or(|ending| ending != "wit") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(told)?;
        let line = text.lines().find_map(|line| line.strip_prefix("package portcullis:policy@"));
        version = version.or(line.map(|line| line.trim_end_matches(';').trim().to_owned()));
        std::fs::write(deps.join(path.file_name().unwrap_or_default()), text).map_err(told)?;
    }
    let version = version.ok_or("no file names the version of portcullis:policy")?;
    let mut text = String::from("package plugin:component;\nworld component {\n");
    let imports = ["types"].into_iter().chain(manifest.imports.iter().map(String::as_str));
    let exports = ["lifecycle"].into_iter().chain(manifest.exports.iter().map(String::as_str));
    for (word, names) in [("import", imports.collect::<Vec<_>>()), ("export", exports.collect())] {
        for name in names {
            // Writing to a String can't fail.
            let _ = writeln!(text, "  {word} {PACKAGE}/{name}@{version};");
        }
    }
    text.push_str("}\n");
    std::fs::write(wit.join("world.wit"), text).map_err(told)
}

fn python(dir: &Path, wit: &Path, component: &Path) -> Result<Command, Error> {
    let home = home();
    let own = home.join("componentize-py").join("bin").join("componentize-py");
    let program = if own.is_file() { own.into_os_string() } else { "componentize-py".into() };
    if !runs(&program) {
        return Err(Error::Missing {
            tool: "componentize-py",
            install: format!(
                "python3 -m venv {0} && {0}/bin/pip install {PYTHON_TOOL}",
                home.join("componentize-py").display()
            ),
        });
    }
    let mut command = Command::new(program);
    command.arg("-d").arg(wit).args(["-w", "component", "componentize", "--stub-wasi", "plugin"]);
    command.arg("-p").arg(dir).arg("-o").arg(component);
    Ok(command)
}

fn js(dir: &Path, wit: &Path, component: &Path) -> Result<Command, Error> {
    let home = home().join("componentize-js");
    let there = home.join("node_modules").join("@bytecodealliance").join("componentize-js");
    if !there.is_dir() || !runs(&"node".into()) {
        return Err(Error::Missing {
            tool: "componentize-js (with node)",
            install: format!("npm install --prefix {} {JS_TOOL}", home.display()),
        });
    }
    let mut command = Command::new("node");
    command.current_dir(home).args(["--input-type=module", "--eval", JS_DRIVER]);
    command.arg(dir.join("plugin.js")).arg(wit).arg("component").arg(component);
    Ok(command)
}

fn runs(program: &OsString) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Where tools are looked for: PORTCULLIS_TOOLS, else where scripts/setup.sh keeps them.
pub(super) fn home() -> PathBuf {
    if let Some(tools) = std::env::var_os("PORTCULLIS_TOOLS") {
        return tools.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    cache.or_else(home).unwrap_or_default().join("portcullis")
}

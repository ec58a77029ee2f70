//! `plugin new`: a folder with a plugin that builds and passes its tests.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::{Stop, print};
use crate::cli::plugin::{Kind, Language};

/// The SDK and the interface, by the place they get in the folder.
const KIT: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/kit.rs"));

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("../../../templates/", $file))
    };
}

pub(super) fn run(
    name: &str,
    language: Language,
    kind: Kind,
    dir: Option<&Path>,
    as_json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    if !starts || !name.bytes().all(plain) || name.ends_with('-') {
        return Err(Stop::usage(
            "a plugin's name is made of a-z, 0-9 and `-`, and starts with a letter",
        ));
    }
    let folder = dir.map_or_else(|| PathBuf::from(name), Path::to_path_buf);
    let used = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
    if used || folder.is_file() {
        let folder = folder.display();
        return Err(Stop::failed(format!("{folder} is there already; nothing was written")));
    }
    let files = files(name, language, kind);
    for (place, text) in &files {
        let file = folder.join(place);
        let written = file.parent().map_or(Ok(()), fs::create_dir_all);
        written
            .and_then(|()| fs::write(&file, text))
            .map_err(|error| Stop::failed(format!("can't write {}: {error}", file.display())))?;
    }
    if as_json {
        let places: Vec<&str> = files.iter().map(|(place, _)| place.as_str()).collect();
        return print(out, &json!({ "folder": folder, "files": places }).to_string());
    }
    let text = format!(
        "made {folder}\n\n  portcullis plugin build {folder} --out build\n  \
         portcullis plugin test build/{name}.wasm --cases {folder}/golden.json --settings \
         {folder}/settings.json",
        folder = folder.display()
    );
    print(out, &text)
}

/// Every file of a new plugin, by its place in the folder.
fn files(name: &str, language: Language, kind: Kind) -> Vec<(String, String)> {
    let source = source_place(language);
    let fill = |text: &str| {
        text.replace("{{name}}", name)
            .replace("{{language}}", language.word())
            .replace("{{export}}", kind.export())
            .replace("{{source}}", source)
    };
    let (code, golden, settings) = sources(language, kind);
    let mut files = vec![
        (source, code),
        ("golden.json", golden),
        ("settings.json", settings),
        ("README.md", template!("shared/README.md.txt")),
        (".gitignore", template!("shared/gitignore.txt")),
    ];
    match language {
        Language::Rust => files.push(("Cargo.toml", template!("rust/Cargo.toml.txt"))),
        Language::Python => {
            files.push(("plugin.json", template!("shared/plugin.json.txt")));
            files.push(("names.py", template!("python/names.py")));
        }
        Language::Js => {
            files.push(("plugin.json", template!("shared/plugin.json.txt")));
            files.push(("names.js", template!("js/names.js")));
        }
    }
    let mut all: Vec<(String, String)> =
        files.into_iter().map(|(place, text)| (place.to_owned(), fill(text))).collect();
    for (place, text) in KIT {
        let rust = language == Language::Rust;
        let text = match *place {
            "sdk/Cargo.toml" => standalone(text),
            _ => (*text).to_owned(),
        };
        if rust || place.starts_with("wit/") {
            all.push(((*place).to_owned(), text));
        }
    }
    all
}

/// Where the plugin's own code stands.
fn source_place(language: Language) -> &'static str {
    match language {
        Language::Js => "plugin.js",
        Language::Python => "plugin.py",
        Language::Rust => "src/lib.rs",
    }
}

/// The code, its tests and their settings.
fn sources(language: Language, kind: Kind) -> (&'static str, &'static str, &'static str) {
    let code = match (language, kind) {
        (Language::Js, Kind::Approver) => template!("js/approver.js"),
        (Language::Js, Kind::Masker) => template!("js/masker.js"),
        (Language::Js, Kind::RiskScorer) => template!("js/risk-scorer.js"),
        (Language::Python, Kind::Approver) => template!("python/approver.py"),
        (Language::Python, Kind::Masker) => template!("python/masker.py"),
        (Language::Python, Kind::RiskScorer) => template!("python/risk-scorer.py"),
        (Language::Rust, Kind::Approver) => template!("rust/approver.rs"),
        (Language::Rust, Kind::Masker) => template!("rust/masker.rs"),
        (Language::Rust, Kind::RiskScorer) => template!("rust/risk-scorer.rs"),
    };
    let (golden, settings) = match kind {
        Kind::Approver => {
            (template!("shared/approver.golden.json"), template!("shared/approver.settings.json"))
        }
        Kind::Masker => {
            (template!("shared/masker.golden.json"), template!("shared/masker.settings.json"))
        }
        Kind::RiskScorer => (
            template!("shared/risk-scorer.golden.json"),
            template!("shared/risk-scorer.settings.json"),
        ),
    };
    (code, golden, settings)
}

/// The manifest of the SDK with what it takes from this workspace written out.
fn standalone(manifest: &str) -> String {
    manifest
        // Before `version`, whose words it holds.
        .replace(
            "rust-version.workspace = true",
            concat!("rust-version = \"", env!("CARGO_PKG_RUST_VERSION"), "\""),
        )
        .replace(
            "version.workspace = true",
            concat!("version = \"", env!("CARGO_PKG_VERSION"), "\""),
        )
        .replace("edition.workspace = true", "edition = \"2024\"")
        .replace(
            "license.workspace = true",
            concat!("license = \"", env!("CARGO_PKG_LICENSE"), "\""),
        )
        .replace("publish.workspace = true", "publish = false")
}

#[cfg(test)]
mod tests;

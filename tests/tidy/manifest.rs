//! Dependencies: every one that is declared is used, and every version stands in one list.

use crate::rules;
use crate::source::{File, Violation, blank, places};

/// Every violation of the workspace's manifests.
pub(crate) fn check(files: &[File]) -> Vec<Violation> {
    let manifests: Vec<&File> = files.iter().filter(|file| file.name() == "Cargo.toml").collect();
    let mut found = Vec::new();
    for top in manifests.iter().filter(|file| file.path == "Cargo.toml") {
        for (line, name) in entries(&top.text, |section| section == "workspace.dependencies") {
            let used = manifests.iter().any(|manifest| inherits(&manifest.text, &name));
            if !used {
                found.push(top.at(line, format!("no member uses `{name}`")));
            }
        }
    }
    for manifest in manifests.iter().filter(|file| file.path != "Cargo.toml") {
        found.extend(unnamed(manifest, files));
    }
    found
}

/// Dependencies of one package that none of its code names.
fn unnamed(manifest: &File, files: &[File]) -> Vec<Violation> {
    let package = manifest.path.strip_suffix("Cargo.toml").unwrap_or_default();
    // A package inside a package has a manifest of its own and answers for its own code.
    let nested: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_suffix("Cargo.toml"))
        .filter(|inner| inner.len() > package.len() && inner.starts_with(package))
        .collect();
    let code: Vec<String> = files
        .iter()
        .filter(|file| file.ending() == "rs" && file.path.starts_with(package))
        .filter(|file| !nested.iter().any(|inner| file.path.starts_with(inner)))
        .map(|file| blank(&file.text))
        .collect();
    let mut found = Vec::new();
    for (line, name) in entries(&manifest.text, |section| section.ends_with("dependencies")) {
        let silent = rules::SILENT_DEPENDENCIES.iter().any(|(known, _)| *known == name);
        let word = name.replace('-', "_");
        if !silent && !code.iter().any(|text| !places(text, &word).is_empty()) {
            found.push(manifest.at(line, format!("no code of this package names `{name}`")));
        }
    }
    found
}

/// The keys of the sections that `wanted` picks, with their lines.
fn entries(text: &str, wanted: impl Fn(&str) -> bool) -> Vec<(usize, String)> {
    let mut section = "";
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if wanted(section)
            && !line.starts_with('#')
            && let Some((key, _)) = line.split_once('=')
        {
            let name = key.trim().split('.').next().unwrap_or_default();
            found.push((number + 1, name.trim_matches('"').to_owned()));
        }
    }
    found
}

/// True when a manifest takes `name` from the workspace's list.
fn inherits(text: &str, name: &str) -> bool {
    text.lines().map(str::trim).any(|line| {
        let rest = line.strip_prefix(name).map(str::trim_start);
        rest.is_some_and(|rest| {
            rest.starts_with(".workspace")
                || (rest.starts_with('=') && rest.contains("workspace = true"))
        })
    })
}

#[test]
fn a_dependency_that_nobody_uses_is_caught() {
    let top = "[workspace.dependencies]\nredb = \"1\"\nserde = { version = \"1\" }\n";
    let member = "[dependencies]\nserde.workspace = true\n";
    let files = [
        File::new("Cargo.toml", top),
        File::new("gateway/Cargo.toml", member),
        File::new("gateway/src/lib.rs", "use serde::Serialize;"),
    ];
    let found = check(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].place, "Cargo.toml:2");
}

#[test]
fn a_dependency_that_no_code_names_is_caught() {
    let member = "[dependencies]\nwit-bindgen = { workspace = true }\n";
    let named = File::new("a/src/lib.rs", "wit_bindgen::generate!();");
    let silent = File::new("a/src/lib.rs", "// wit_bindgen::generate!();");
    let manifest = File::new("a/Cargo.toml", member);
    assert_eq!(check(&[manifest.clone(), named]).len(), 0);
    assert_eq!(check(&[manifest, silent]).len(), 1);
}

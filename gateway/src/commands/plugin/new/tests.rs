#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn text<'a>(files: &'a [(String, String)], place: &str) -> &'a str {
    &files.iter().find(|(found, _)| found == place).unwrap_or_else(|| panic!("no {place}")).1
}

#[test]
fn a_new_plugin_needs_nothing_of_this_repository() {
    for language in [Language::Js, Language::Python, Language::Rust] {
        for kind in [Kind::Approver, Kind::Masker, Kind::RiskScorer] {
            let files = files("my-plugin", language, kind);
            for (place, text) in &files {
                assert!(!text.contains("{{"), "{place} has a gap");
                assert!(!text.contains("workspace = true"), "{place} leans on a workspace");
            }
            assert!(text(&files, "wit/types.wit").contains("package portcullis:policy@"));
            let golden: serde_json::Value =
                serde_json::from_str(text(&files, "golden.json")).unwrap();
            assert!(golden["cases"].as_array().unwrap().len() > 2);
            let sdk = files.iter().any(|(place, _)| place.starts_with("sdk/"));
            assert_eq!(sdk, language == Language::Rust);
        }
    }
    let rust = files("my-plugin", Language::Rust, Kind::Masker);
    assert!(text(&rust, "Cargo.toml").contains("name = \"my-plugin\""));
    assert!(text(&rust, "sdk/Cargo.toml").contains("rust-version = \"1."));
    assert!(text(&rust, "sdk/src/lib.rs").contains("pub trait Masker"));
    let python = files("my-plugin", Language::Python, Kind::RiskScorer);
    let manifest: serde_json::Value = serde_json::from_str(text(&python, "plugin.json")).unwrap();
    assert_eq!(manifest["exports"][0], "risk");
}

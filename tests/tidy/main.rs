//! The rules of the repository, as a test: each rule also shows that it catches a violation.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod imports;
mod manifest;
mod map;
mod rules;
mod source;
mod text;

use std::fmt::Write;
use std::path::Path;

use source::{File, Violation};

fn repository() -> Vec<File> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    source::files(package.parent().expect("the package stands in the repository"))
}

/// Fails with every violation at once.
fn none(found: Vec<Violation>) {
    let mut list = String::new();
    for violation in &found {
        writeln!(list, "{}: {}", violation.place, violation.what).expect("a string grows");
    }
    assert!(found.is_empty(), "{} violations of the rules:\n{list}", found.len());
}

#[test]
fn the_walk_sees_the_repository() {
    let files = repository();
    for path in ["Cargo.toml", "Makefile", "gateway/src/lib.rs", "tests/tidy/main.rs"] {
        assert!(files.iter().any(|file| file.path == path), "{path} was not seen");
    }
}

#[test]
fn stages_import_only_to_their_left_and_crates_stay_at_home() {
    none(repository().iter().flat_map(imports::check).collect());
}

#[test]
fn files_keep_their_budgets_and_hold_no_loose_ends() {
    none(repository().iter().flat_map(text::check).collect());
}

#[test]
fn dependencies_are_used() {
    none(manifest::check(&repository()));
}

#[test]
fn the_map_names_every_part() {
    none(map::check(&repository()));
}

//! ARCHITECTURE.md names every part of the gateway, so that a reader finds each from the map.

use std::collections::BTreeSet;

use crate::source::{File, Violation};

/// Parts of `gateway/src` that the map does not name.
pub(crate) fn check(files: &[File]) -> Vec<Violation> {
    let Some(map) = files.iter().find(|file| file.path == "ARCHITECTURE.md") else {
        let place = "ARCHITECTURE.md".to_owned();
        return vec![Violation { place, what: "the map is missing".to_owned() }];
    };
    let parts: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| {
            file.product()?.split('/').next()?.strip_suffix(".rs").or(
                // A folder counts by its own name; its `.rs` beside it is the same part.
                file.product()?.split_once('/').map(|(folder, _)| folder),
            )
        })
        .filter(|part| *part != "lib")
        .collect();
    let missing = parts.into_iter().filter(|part| !map.text.contains(&format!("`{part}")));
    missing.map(|part| map.at(1, format!("the map does not name `{part}`"))).collect()
}

#[test]
fn a_part_that_the_map_forgets_is_caught() {
    let files = [
        File::new("ARCHITECTURE.md", "- `audit` keeps the log."),
        File::new("gateway/src/audit/store.rs", ""),
        File::new("gateway/src/policy.rs", ""),
    ];
    let found = check(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].what.contains("`policy`"));
    assert_eq!(check(&files[1..]).len(), 1, "a repository without a map");
}

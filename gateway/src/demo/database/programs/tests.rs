#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::{CLIENT, NEEDED, Programs};

fn install(dir: &Path, names: &[&str]) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    for name in names {
        fs::write(dir.join(name), "").unwrap();
    }
    dir.to_owned()
}

#[test]
fn the_newest_whole_version_is_taken() {
    let home = tempfile::tempdir().unwrap();
    let debian = home.path().join("debian");
    install(&debian.join("9/bin"), &NEEDED);
    let sixteen = install(&debian.join("16/bin"), &NEEDED);
    install(&debian.join("17/bin"), &["postgres"]);
    let path = install(&home.path().join("path"), &[CLIENT]);
    let found = Programs::among(None, &debian, path.as_os_str()).unwrap();
    assert_eq!(found.server("initdb"), sixteen.join("initdb"));
    assert_eq!(found.psql(), path.join(CLIENT));
}

#[test]
fn a_given_folder_counts_alone() {
    let home = tempfile::tempdir().unwrap();
    let debian = home.path().join("debian");
    install(&debian.join("16/bin"), &[NEEDED.as_slice(), &[CLIENT]].concat());
    let own = install(&home.path().join("own"), &[NEEDED.as_slice(), &[CLIENT]].concat());
    let found = Programs::among(Some(own.as_os_str()), &debian, OsStr::new("")).unwrap();
    assert_eq!(found.psql(), own.join(CLIENT));
    let partial = install(&home.path().join("partial"), &["initdb"]);
    let refused = Programs::among(Some(partial.as_os_str()), &debian, OsStr::new(""));
    assert!(refused.unwrap_err().to_string().contains("PG_BIN"));
}

#[test]
fn what_is_missing_is_named_with_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    let none = Programs::among(None, &home.path().join("debian"), OsStr::new(""));
    assert!(none.unwrap_err().to_string().contains("setup.sh"));
    let path = install(&home.path().join("path"), &NEEDED);
    let no_client = Programs::among(None, &home.path().join("debian"), path.as_os_str());
    assert!(no_client.unwrap_err().to_string().contains("psql"));
}

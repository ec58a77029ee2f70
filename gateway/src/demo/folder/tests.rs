#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Folder, PLUGINS};
use crate::demo::Settings;

fn plugins(dir: &Path) -> std::path::PathBuf {
    let plugins = dir.join("plugins");
    fs::create_dir(&plugins).unwrap();
    for name in PLUGINS {
        fs::write(plugins.join(format!("{name}.wasm")), name).unwrap();
    }
    plugins
}

fn refusal(settings: &Settings) -> String {
    match Folder::open(settings) {
        Err(error) => error.to_string(),
        Ok(folder) => panic!("{} was taken", folder.path().display()),
    }
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(run.join("thesis.txt"), "years of work").unwrap();
    let settings =
        Settings { dir: Some(run.clone()), plugins: Some(plugins(dir.path())), tour: true };
    assert!(refusal(&settings).contains("no demonstration made"));
    assert_eq!(fs::read_to_string(run.join("thesis.txt")).unwrap(), "years of work");
}

#[test]
fn a_folder_of_ours_is_emptied_and_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let settings =
        Settings { dir: Some(run.clone()), plugins: Some(plugins(dir.path())), tour: true };
    let folder = Folder::open(&settings).unwrap();
    folder.write("old.txt", "of the last run").unwrap();
    assert!(refusal(&settings).contains("another demonstration"));
    drop(folder);
    let folder = Folder::open(&settings).unwrap();
    assert!(!folder.file("old.txt").exists());
    assert!(folder.file("plugins/mask-columns.wasm").is_file());
}

#[test]
fn a_missing_plugin_is_named_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let plugins = plugins(dir.path());
    fs::remove_file(plugins.join("risk-statement.wasm")).unwrap();
    let settings =
        Settings { dir: Some(dir.path().join("run")), plugins: Some(plugins), tour: true };
    let why = refusal(&settings);
    assert!(why.contains("risk-statement.wasm") && why.contains("make plugins"), "{why}");
}

#[test]
fn secrets_are_the_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        dir: Some(dir.path().join("run")),
        plugins: Some(plugins(dir.path())),
        tour: true,
    };
    let folder = Folder::open(&settings).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = folder.write_secret("agent.token", "first").unwrap();
    assert_eq!(mode(&file), 0o600);
    folder.write_secret("agent.token", "second").unwrap();
    assert_eq!((mode(&file), fs::read_to_string(&file).unwrap()), (0o600, "second".to_owned()));
    assert_eq!(mode(folder.path()), 0o700);
}

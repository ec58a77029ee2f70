#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use wasmtime::component::Component;

use super::{Cache, TAG_BYTES};

fn engine() -> wasmtime::Engine {
    wasmtime::Engine::new(&super::super::config()).unwrap()
}

fn component(engine: &wasmtime::Engine) -> Component {
    Component::new(engine, "(component)").unwrap()
}

fn compiled(dir: &Path) -> std::path::PathBuf {
    let is_code = |path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "cwasm");
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).find(is_code).unwrap()
}

#[test]
fn what_was_kept_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cache");
    let (cache, engine) = (Cache::open(&dir).unwrap(), engine());
    assert!(cache.read(&engine, "aa").is_none());
    cache.write(&engine, "aa", &component(&engine)).unwrap();
    assert!(cache.read(&engine, "aa").is_some());
    // Another start, the same keys.
    let again = Cache::open(&dir).unwrap();
    assert!(again.read(&engine, "aa").is_some());
    assert_eq!(cache.mask_key().unwrap(), again.mask_key().unwrap());
    let mode = fs::metadata(dir.join("cache-key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// A compiled plugin is native code: nothing that we did not write may be run.
#[test]
fn a_forged_file_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cache");
    let (cache, engine) = (Cache::open(&dir).unwrap(), engine());
    cache.write(&engine, "aa", &component(&engine)).unwrap();
    let file = compiled(&dir);
    let good = fs::read(&file).unwrap();

    let mut changed = good.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&file, &changed).unwrap();
    assert!(cache.read(&engine, "aa").is_none(), "changed code");

    let mut unsigned = vec![0; TAG_BYTES];
    unsigned.extend_from_slice(&good[TAG_BYTES..]);
    fs::write(&file, &unsigned).unwrap();
    assert!(cache.read(&engine, "aa").is_none(), "no tag");

    // Real code of another plugin, moved into its place.
    fs::write(&file, &good).unwrap();
    let other = file.file_name().unwrap().to_str().unwrap().replacen("aa", "bb", 1);
    fs::copy(&file, dir.join(other)).unwrap();
    assert!(cache.read(&engine, "bb").is_none(), "another component's code");

    fs::write(&file, b"short").unwrap();
    assert!(cache.read(&engine, "aa").is_none(), "cut short");
}

#[test]
fn a_folder_that_others_reach_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cache");
    Cache::open(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let told = Cache::open(&dir).err().unwrap().message;
    assert!(told.contains("chmod"), "{told}");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(dir.join("cache-key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Cache::open(&dir).is_err());
}

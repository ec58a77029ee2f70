//! Compiled plugins, kept in a private folder.
//!
//! A compiled plugin is native code and the engine trusts it, so a forged file would run in the
//! gateway. Each file therefore starts with an HMAC under a key that only the gateway's user can
//! read, over the component's digest, the engine's fingerprint and the code.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::random_key;
use crate::limits::COMPILED_FILE_BYTES_MAX;
use crate::policy::Problem;

const TAG_BYTES: usize = 32;
const KEY_BYTES: usize = 32;

/// The folder and its key.
pub(super) struct Cache {
    dir: PathBuf,
    key: hmac::Key,
}

impl Cache {
    /// Opens the folder, making it and its key when they are missing.
    pub(super) fn open(dir: &Path) -> Result<Self, Problem> {
        let fail = |error: &dyn std::fmt::Display| {
            Problem::general(format!("plugin cache {}: {error}", dir.display()))
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| fail(&error))?;
        private(dir).map_err(|error| fail(&error))?;
        let key = stored_key(&dir.join("cache-key")).map_err(|error| fail(&error))?;
        Ok(Self { dir: dir.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, &key) })
    }

    /// The key of hash masks, kept so that equal values hash alike across restarts.
    pub(super) fn mask_key(&self) -> Result<[u8; KEY_BYTES], Problem> {
        let file = self.dir.join("mask-key");
        stored_key(&file)
            .map_err(|error| Problem::general(format!("mask key {}: {error}", file.display())))
    }

    /// The compiled component, or nothing when it is missing, stale or not ours.
    pub(super) fn read(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let file = self.file(engine, digest);
        let bytes = read_up_to(&file, COMPILED_FILE_BYTES_MAX).ok()?;
        let (tag, code) = bytes.split_at_checked(TAG_BYTES)?;
        if hmac::verify(&self.key, &self.message(engine, digest, code), tag).is_err() {
            tracing::warn!("compiled plugin {} is not ours; compiling again", file.display());
            return None;
        }
        deserialize(engine, code)
    }

    /// Keeps a compiled component.
    pub(super) fn write(
        &self,
        engine: &Engine,
        digest: &str,
        component: &Component,
    ) -> Result<(), String> {
        let code = component.serialize().map_err(|error| error.to_string())?;
        let tag = hmac::sign(&self.key, &self.message(engine, digest, &code));
        let mut bytes = tag.as_ref().to_vec();
        bytes.extend_from_slice(&code);
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).map_err(|e| e.to_string())?;
        file.write_all(&bytes).map_err(|error| error.to_string())?;
        file.persist(self.file(engine, digest)).map(|_| ()).map_err(|error| error.to_string())
    }

    fn file(&self, engine: &Engine, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}-{:016x}.cwasm", fingerprint(engine)))
    }

    fn message(&self, engine: &Engine, digest: &str, code: &[u8]) -> Vec<u8> {
        let head = format!("portcullis cwasm 1\n{digest}\n{:016x}\n", fingerprint(engine));
        let mut message = head.into_bytes();
        message.extend_from_slice(code);
        message
    }
}

/// The engine's version and every setting that changes compiled code.
fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: the caller verified an HMAC over exactly these bytes, under a key that only this
    // gateway's user can read: they are what `Component::serialize` gave us. They are in memory
    // of our own, so they can't change while they are used.
    unsafe { Component::deserialize(engine, code) }.ok()
}

/// Refuses what others can read or write.
fn private(path: &Path) -> Result<(), String> {
    let mode = fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(format!(
        "{} is open to others (mode {:03o}); run `chmod go-rwx` on it",
        path.display(),
        mode & 0o777
    ))
}

fn stored_key(file: &Path) -> Result<[u8; KEY_BYTES], String> {
    if !file.exists() {
        make_key(file)?;
    }
    private(file)?;
    let bytes = read_up_to(file, KEY_BYTES as u64)?;
    bytes.try_into().map_err(|_| "it is not 32 bytes long; delete it to make a new one".to_owned())
}

/// Written aside and linked into place, so that of two gateways starting at once one wins and
/// neither reads half a key.
fn make_key(file: &Path) -> Result<(), String> {
    let key = random_key().map_err(|problem| problem.message)?;
    let aside = file.with_extension(std::process::id().to_string());
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside);
    let written = made.and_then(|mut made| {
        made.write_all(&key)?;
        made.sync_all()
    });
    let linked = written.and_then(|()| fs::hard_link(&aside, file));
    let _ = fs::remove_file(&aside);
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn read_up_to(file: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;

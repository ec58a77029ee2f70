//! The last good key set on disk, so that a restart survives an outage of the issuer.
//!
//! Whoever can write the file chooses the keys, so a file or folder that others may write is
//! not read. It holds public keys only.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::token::fingerprint;
use crate::limits::{ISSUER_DOCUMENT_BYTES_MAX, KEYS_STALE_SECS_MAX, SKEW_SECS_MAX};

/// Permission bits that let others write (POSIX `S_IWGRP | S_IWOTH`).
const WRITABLE_BY_OTHERS: u32 = 0o022;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    issuer: String,
    fetched_at_secs: u64,
    jwks: String,
}

fn file(folder: &Path, issuer: &str) -> PathBuf {
    let name: String =
        fingerprint(issuer).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    folder.join(format!("jwks-{name}.json"))
}

/// Writes the key set of `issuer`, whole or not at all.
///
/// # Errors
/// What the file system says.
pub(super) fn save(
    folder: &Path,
    issuer: &str,
    fetched_at: SystemTime,
    jwks: &[u8],
) -> Result<(), String> {
    let kept = Kept {
        issuer: issuer.to_owned(),
        fetched_at_secs: fetched_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        jwks: String::from_utf8_lossy(jwks).into_owned(),
    };
    let write = || -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut temporary, &kept)?;
        temporary.as_file().sync_all()?;
        temporary.persist(file(folder, issuer))?;
        Ok(())
    };
    write().map_err(|error| format!("the key set can't be kept in {}: {error}", folder.display()))
}

/// Reads the key set of `issuer` and when it was fetched; `None` when there is none or it is
/// older than a set may be.
///
/// # Errors
/// Why a file that is there is not used.
pub(super) fn load(
    folder: &Path,
    issuer: &str,
    now: SystemTime,
) -> Result<Option<(Vec<u8>, SystemTime)>, String> {
    let path = file(folder, issuer);
    let unusable = |why: &dyn std::fmt::Display| format!("{} is not used: {why}", path.display());
    let Ok(about) = std::fs::metadata(&path) else { return Ok(None) };
    let around = std::fs::metadata(folder).map_err(|error| unusable(&error))?;
    if (about.permissions().mode() | around.permissions().mode()) & WRITABLE_BY_OTHERS != 0 {
        return Err(unusable(&"others may write it or its folder"));
    }
    // JSON in JSON: quotes and escapes at most double it.
    if about.len() > 2 * ISSUER_DOCUMENT_BYTES_MAX as u64 {
        return Err(unusable(&"it is too large"));
    }
    let bytes = std::fs::read(&path).map_err(|error| unusable(&error))?;
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| unusable(&error))?;
    if kept.issuer != issuer {
        return Err(unusable(&"it is of another issuer"));
    }
    let fetched_at = UNIX_EPOCH
        .checked_add(Duration::from_secs(kept.fetched_at_secs))
        .filter(|at| *at <= now + Duration::from_secs(SKEW_SECS_MAX))
        .ok_or_else(|| unusable(&"its date is in the future"))?;
    let age = now.duration_since(fetched_at).unwrap_or_default();
    if age.as_secs() > KEYS_STALE_SECS_MAX {
        return Ok(None);
    }
    Ok(Some((kept.jwks.into_bytes(), fetched_at)))
}

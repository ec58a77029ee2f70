//! How far a sink has everything: one small file a sink, beside the log and no part of it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a sink has acknowledged.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// The log's origin: an index means nothing without it.
    pub(super) origin: String,
    /// Index of the first entry not acknowledged.
    pub(super) next: u64,
    /// Leaf hash of the last one acknowledged, hex; empty when there is none.
    pub(super) leaf: String,
}

/// Where a sink's place is kept.
#[derive(Clone, Debug)]
pub(super) struct CursorFile(PathBuf);

impl CursorFile {
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        Self(dir.join(format!("{name}.cursor")))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The place kept; `None` when there is no file yet.
    pub(super) fn load(&self) -> Result<Option<Place>, String> {
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("can't read {}: {error}", self.0.display())),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| {
            let path = self.0.display();
            format!("{path} is no cursor; remove it to send the whole log again")
        })
    }

    /// Keeps a place; after a crash there is this one or the one before.
    pub(super) fn store(&self, place: &Place) -> Result<(), String> {
        let wrong = |error: std::io::Error| format!("can't write {}: {error}", self.0.display());
        let dir = self.0.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(wrong)?;
        serde_json::to_writer(&mut file, place).map_err(|error| wrong(error.into()))?;
        file.flush().and_then(|()| file.as_file().sync_all()).map_err(wrong)?;
        file.persist(&self.0).map_err(|error| wrong(error.error))?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(wrong)
    }
}

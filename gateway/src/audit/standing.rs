//! How far a log is, for comparing it with what somewhere else remembers of it.

use std::path::Path;

use super::Error;
use super::checkpoint::{Checkpoint, VerifierKey, hex};
use super::reader::{Reader, subtree};
use super::store::STORE_FILE;
use super::tree::{self, Hash};

/// A log at one size: its signed checkpoint, and proofs about what came before.
#[derive(Clone, Debug)]
pub struct Standing {
    reader: Reader,
    key: VerifierKey,
    size: u64,
    note: String,
}

/// What a checkpoint that was kept elsewhere says of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kept {
    /// The log begins with all that it signs: this many entries.
    Agrees(u64),
    /// The log is not what it was; in words.
    Contradicts(String),
}

impl Standing {
    /// Where the log is now; `None` when it has no entry yet.
    pub(in crate::audit) fn of(reader: Reader) -> Result<Option<Self>, Error> {
        let newest = reader.view()?.last_checkpoint();
        let newest = newest.map_err(|error| Error::store(Path::new(STORE_FILE), error))?;
        let Some((size, note)) = newest.filter(|(size, _)| *size > 0) else { return Ok(None) };
        let key = VerifierKey::read(reader.public_key())
            .map_err(|_| Error::Key { path: STORE_FILE.into() })?;
        Ok(Some(Self { reader, key, size, note }))
    }

    /// The log's origin.
    pub fn origin(&self) -> &str {
        self.key.name()
    }

    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The signed checkpoint of that size.
    pub fn checkpoint(&self) -> &str {
        &self.note
    }

    /// The root over the first `size` entries.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn root(&self, size: u64) -> Result<Hash, Error> {
        let view = self.reader.view()?;
        tree::root(size.min(self.size), &mut |from, count| subtree(&view, from, count))
            .map_err(|error| Error::store(Path::new(STORE_FILE), error))
    }

    /// The RFC 6962 proof that the first `from` entries are the beginning of the log; empty for 0
    /// and for all of them.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn consistency(&self, from: u64) -> Result<Vec<Hash>, Error> {
        let view = self.reader.view()?;
        let mut perfect = |from, count| subtree(&view, from, count);
        tree::consistency_proof(from, self.size, &mut perfect)
            .map_err(|error| Error::store(Path::new(STORE_FILE), error))
    }

    /// Compares the log with a signed checkpoint that was kept elsewhere.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn compare(&self, kept: &str) -> Result<Kept, Error> {
        let kept = match Checkpoint::verify(kept, &self.key) {
            Ok(kept) => kept,
            Err(error) => {
                let what = format!("what it holds is no checkpoint of {}: {error}", self.origin());
                return Ok(Kept::Contradicts(what));
            }
        };
        if kept.size > self.size {
            let what = format!("it has seen {} entries, the log has {}", kept.size, self.size);
            return Ok(Kept::Contradicts(what));
        }
        let root = self.root(kept.size)?;
        if root != kept.root {
            let what = format!(
                "the first {} entries lead to the root {}, it has seen {}",
                kept.size,
                hex(&root),
                hex(&kept.root)
            );
            return Ok(Kept::Contradicts(what));
        }
        Ok(Kept::Agrees(kept.size))
    }
}

#[cfg(test)]
mod tests;

//! An anchor in a file: the newest checkpoint, for a disk that who can change the log can't change.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::Trouble;
use crate::audit::{Kept, Standing};

/// The file.
pub(super) struct File {
    path: PathBuf,
    /// What stands in it, once it was written here.
    written: Option<String>,
}

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, written: None }
    }

    fn unreachable(&self, error: &std::io::Error) -> Trouble {
        Trouble::Unreachable(format!("{}: {error}", self.path.display()))
    }

    fn folder(&self) -> &Path {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new("."))
    }

    /// What is kept; `None` when nothing is.
    fn kept(&self) -> Result<Option<String>, Trouble> {
        match fs::read(&self.path) {
            Ok(bytes) if bytes.is_empty() => Ok(None),
            // Bytes that are no text are no checkpoint either.
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            // Without its folder the disk is not there.
            Err(error) if error.kind() == ErrorKind::NotFound && self.folder().is_dir() => Ok(None),
            Err(error) => Err(self.unreachable(&error)),
        }
    }

    /// A log that begins now must not have been known before.
    pub(super) fn expect_nothing(&self) -> Result<Option<u64>, Trouble> {
        match self.kept()? {
            None => Ok(None),
            Some(kept) => {
                let origin = kept.lines().next().unwrap_or_default().escape_debug();
                let what = format!("the log begins anew, and it has seen one: {origin}");
                Err(Trouble::Contradiction(what))
            }
        }
    }

    /// Compares, and keeps the checkpoint when `store`.
    pub(super) fn show(
        &mut self,
        standing: &Standing,
        store: bool,
    ) -> Result<Option<u64>, Trouble> {
        let kept = self.kept()?;
        let mut seen = None;
        // What was written here last needs no second look.
        if let Some(kept) = kept.filter(|kept| self.written.as_ref() != Some(kept)) {
            let compared = standing.compare(&kept);
            match compared.map_err(|error| Trouble::Unreachable(error.to_string()))? {
                Kept::Agrees(size) => seen = Some(size),
                Kept::Contradicts(what) => return Err(Trouble::Contradiction(what)),
            }
        }
        if store {
            self.store(standing.checkpoint()).map_err(|error| self.unreachable(&error))?;
            self.written = Some(standing.checkpoint().to_owned());
        }
        Ok(seen)
    }

    /// After a crash there is this one or the one before.
    fn store(&self, note: &str) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(self.folder())?;
        file.write_all(note.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        fs::File::open(self.folder()).and_then(|folder| folder.sync_all())
    }
}

//! Room that is kept on the disk, so that a full one still takes the entry that says so.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::limits::LOG_RESERVE_BYTES;

const RESERVE_FILE: &str = "log.reserve";

/// The file that holds the room.
#[derive(Debug)]
pub(in crate::audit) struct Reserve(PathBuf);

impl Reserve {
    /// That of a log's folder.
    pub(in crate::audit) fn of(dir: &Path) -> Self {
        Self(dir.join(RESERVE_FILE))
    }

    /// Its file.
    pub(in crate::audit) fn path(&self) -> &Path {
        &self.0
    }

    /// Takes the room, and sees that there is as much again to go on with. A file of holes would
    /// keep nothing, so it is written.
    ///
    /// # Errors
    /// There is not that much room; then nothing is taken.
    pub(in crate::audit) fn fill(&self) -> std::io::Result<()> {
        if fs::metadata(&self.0).is_ok_and(|file| file.len() == LOG_RESERVE_BYTES) {
            return Ok(());
        }
        let filled = self.write();
        if filled.is_err() {
            self.give();
        }
        filled
    }

    fn write(&self) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file: File =
            options.write(true).create(true).truncate(true).mode(0o600).open(&self.0)?;
        let block = [0xA5; 64 * 1024];
        for _ in 0..2 * LOG_RESERVE_BYTES / block.len() as u64 {
            file.write_all(&block)?;
        }
        file.sync_all()?;
        file.set_len(LOG_RESERVE_BYTES)?;
        file.sync_all()
    }

    /// Gives the room back to the disk.
    pub(in crate::audit) fn give(&self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(%error, "the log's reserve could not be given up");
        }
    }
}

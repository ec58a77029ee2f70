//! A file of lines, appended and synced. Whoever rotates logs may rename or cut it at any time:
//! a file that is no longer at its path is left behind, and the next one begun.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Record, Trouble};

pub(in crate::export) struct FileSink {
    path: PathBuf,
}

impl FileSink {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Acknowledged by the disk: the lines are synced when this returns.
    pub(super) async fn deliver(&mut self, records: &[Record]) -> Result<(), Trouble> {
        let mut text = String::new();
        for record in records {
            text.push_str(&record.line);
            text.push('\n');
        }
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || append(&path, text.as_bytes())).await;
        let wrong = |error: &dyn std::fmt::Display| {
            Trouble::Retry(format!("can't write {}: {error}", self.path.display()))
        };
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(wrong(&error)),
            Err(error) => Err(wrong(&error)),
        }
    }
}

/// Appends whole lines to whatever is at the path now.
fn append(path: &Path, lines: &[u8]) -> std::io::Result<()> {
    let fresh = !path.exists();
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    drop_torn_line(&mut file)?;
    let end = file.metadata()?.len();
    if let Err(error) = file.write_all(lines) {
        // A full disk took a part; what is there are whole lines again.
        let _ = file.set_len(end);
        return Err(error);
    }
    file.sync_data()?;
    if fresh && let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    // Renamed or removed in between: the lines are in the file that whoever did so has.
    let here = std::fs::metadata(path).is_ok_and(|at| {
        file.metadata().is_ok_and(|ours| (at.dev(), at.ino()) == (ours.dev(), ours.ino()))
    });
    if here || file.metadata()?.nlink() > 0 {
        return Ok(());
    }
    Err(std::io::Error::other("it was removed while lines were appended"))
}

/// Cuts off a line that a crash cut short: it was not acknowledged and comes again whole.
fn drop_torn_line(file: &mut File) -> std::io::Result<()> {
    const STEP: u64 = 4096;
    let length = file.metadata()?.len();
    let mut end = length;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        (&mut *file).take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}

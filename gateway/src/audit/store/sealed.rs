//! A log that no gateway holds, opened to be read and never changed.

use std::path::Path;

use redb::{Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase};
use tempfile::NamedTempFile;

use super::{Batch, Result, Store, StoreError, View, failed};

/// redb, opened to read. It never changes the file.
pub(in crate::audit) enum Sealed {
    /// The file itself.
    File(ReadOnlyDatabase),
    /// A copy: redb reads a file whose gateway was killed only after repairing it, and evidence
    /// is not to be repaired.
    Repaired {
        database: Database,
        /// Removed when this goes.
        _file: NamedTempFile,
    },
}

impl Sealed {
    /// Opens the file. One whose gateway was killed is copied to the folder for temporary files
    /// first, with room for all of it needed there.
    pub(in crate::audit) fn open(path: &Path) -> Result<Self> {
        match ReadOnlyDatabase::open(path) {
            Ok(database) => Ok(Self::File(database)),
            Err(DatabaseError::RepairAborted) => Self::repaired(path),
            Err(error) => Err(failed(error)),
        }
    }

    fn repaired(path: &Path) -> Result<Self> {
        let copied = NamedTempFile::new().and_then(|file| {
            std::fs::copy(path, file.path())?;
            Ok(file)
        });
        let file = copied.map_err(|error| {
            StoreError::Failed(format!("a copy to repair could not be made: {error}"))
        })?;
        let database = Database::open(file.path()).map_err(failed)?;
        Ok(Self::Repaired { database, _file: file })
    }
}

impl Store for Sealed {
    fn commit(&self, _: &Batch<'_>) -> Result<()> {
        Err(StoreError::Failed("it was opened to be read only".to_owned()))
    }

    fn view(&self) -> Result<View> {
        let view = match self {
            Self::File(database) => database.begin_read(),
            Self::Repaired { database, .. } => database.begin_read(),
        };
        view.map(View).map_err(failed)
    }
}

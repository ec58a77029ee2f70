//! Tables of facts that an operator gives to plugins. The configuration reads them; here they are
//! looked up.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use crate::policy::digest;

/// One table: a key for each row, and the other columns.
#[derive(Clone, Eq, PartialEq)]
pub struct Facts {
    file: PathBuf,
    digest: String,
    columns: Vec<String>,
    rows: BTreeMap<String, Vec<String>>,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("file", &self.file).field("rows", &self.rows.len()).finish()
    }
}

impl Facts {
    /// A table as read from the bytes of a file. Every row has a value for each column.
    pub fn new(
        file: &Path,
        bytes: &[u8],
        columns: Vec<String>,
        rows: BTreeMap<String, Vec<String>>,
    ) -> Self {
        Self { file: file.to_owned(), digest: digest::sha256(bytes), columns, rows }
    }

    /// The file it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// SHA-256 of that file, hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of a key: column and value.
    pub fn row(&self, key: &str) -> Option<Vec<(String, String)>> {
        let row = self.rows.get(key)?;
        Some(self.columns.iter().cloned().zip(row.iter().cloned()).collect())
    }

    /// Whether it has a key.
    pub fn has(&self, key: &str) -> bool {
        self.rows.contains_key(key)
    }

    /// Keys after a key, in the order of their bytes.
    pub fn keys<'a>(&'a self, after: Option<&str>) -> impl Iterator<Item = &'a str> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows.range::<str, _>((from, Bound::Unbounded)).map(|(key, _)| key.as_str())
    }
}

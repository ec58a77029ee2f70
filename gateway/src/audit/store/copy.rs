//! A consistent copy of a live store, as a file of its own.

use std::borrow::Borrow;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, Key, ReadableTable, TableDefinition, TableError, Value};

use super::{
    BLOB, CKPT, EDGE, IX_SESS, LEAF, META, OPEN, Result, SESS, StoreError, TAIL, TILE, View, failed,
};

/// Rows in one transaction of a copy: bounds its memory.
const COPY_ROWS: usize = 10_000;

/// Copies a view into a new file. A file that is there is never overwritten.
pub(in crate::audit) fn copy(view: &View, path: &Path) -> Result<()> {
    let io = |error: std::io::Error| StoreError::Failed(error.to_string());
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    let backend = FileBackend::new(file.map_err(io)?).map_err(failed)?;
    let target = Database::builder().create_with_backend(backend).map_err(failed)?;
    table(view, &target, LEAF)?;
    table(view, &target, BLOB)?;
    table(view, &target, TILE)?;
    table(view, &target, TAIL)?;
    table(view, &target, CKPT)?;
    table(view, &target, IX_SESS)?;
    table(view, &target, SESS)?;
    table(view, &target, OPEN)?;
    table(view, &target, META)?;
    table(view, &target, EDGE)?;
    target.close().map_err(failed)
}

fn table<K: Key + 'static, V: Value + 'static>(
    view: &View,
    target: &Database,
    definition: TableDefinition<'_, K, V>,
) -> Result<()> {
    let source = match view.0.open_table(definition) {
        Ok(source) => source,
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let mut rows = source.iter().map_err(failed)?;
    loop {
        let mut write = target.begin_write().map_err(failed)?;
        write.set_quick_repair(true);
        let mut copied = 0;
        {
            let mut table = write.open_table(definition).map_err(failed)?;
            for row in rows.by_ref().take(COPY_ROWS) {
                let (key, value) = row.map_err(failed)?;
                table.insert(key.value().borrow(), value.value().borrow()).map_err(failed)?;
                copied += 1;
            }
        }
        write.commit().map_err(failed)?;
        if copied < COPY_ROWS {
            return Ok(());
        }
    }
}

//! Where the log lies: the one home of redb, behind two narrow traits.
//!
//! Tables (integers in redb's own order, see `FORMAT.md`):
//!
//! ```text
//! leaf     u64 first index      -> entries in a row, word for word
//! blob     (u64 index, u32 part) -> ciphertext of payloads, this part first
//! tile     (u8 level, u64 index) -> 256 hashes, full tiles only
//! tail     u64 tile index       -> the leaf hashes not yet in a full tile
//! ckpt     u64 size             -> the signed checkpoint of the commit that made this size
//! ix_sess  (session, u64 sseq)  -> u64 indexes of the session's entries from this number on
//! sess     session              -> (u64 first index, u64 last index or MAX while open)
//! open     session              -> u64 first index; only sessions not yet ended
//! meta     name                 -> text: `origin`, `vkey`, `format`
//! edge     0                    -> u64 size, then roots of the perfect subtrees, largest first
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use redb::{
    Database, Durability, Key, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, TableDefinition, TableError, Value, WriteTransaction,
};

use self::pack::{Packer, Things};
use super::tree::{Edge, Hash, TILE_WIDTH, Tile};
use crate::limits::LOG_CACHE_BYTES;

const LEAF: TableDefinition<u64, &[u8]> = TableDefinition::new("leaf");
const BLOB: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("blob");
const TILE: TableDefinition<(u8, u64), &[u8]> = TableDefinition::new("tile");
const TAIL: TableDefinition<u64, &[u8]> = TableDefinition::new("tail");
const CKPT: TableDefinition<u64, &str> = TableDefinition::new("ckpt");
const IX_SESS: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("ix_sess");
const SESS: TableDefinition<&str, (u64, u64)> = TableDefinition::new("sess");
const OPEN: TableDefinition<&str, u64> = TableDefinition::new("open");
const META: TableDefinition<&str, &str> = TableDefinition::new("meta");
const EDGE: TableDefinition<u8, &[u8]> = TableDefinition::new("edge");
/// The store's file in the log's folder.
pub(in crate::audit) const STORE_FILE: &str = "log.redb";
/// What a store's file begins with (redb's design document, super-header).
pub(in crate::audit) const STORE_MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// The public key's file in the log's folder.
pub(in crate::audit) const PUBLIC_FILE: &str = "log.vkey";
/// Version of the tables, in `meta` under `format`.
pub(in crate::audit) const STORE_FORMAT: &str = "2";
/// The last index of a session that is still open.
pub(in crate::audit) const STILL_OPEN: u64 = u64::MAX;

/// What an entry does to its session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::audit) enum Mark {
    /// Begins it.
    First,
    /// Belongs to it.
    Inner,
    /// Ends it.
    Last,
}

/// The session an entry belongs to.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Place {
    pub(in crate::audit) session: Arc<str>,
    pub(in crate::audit) sequence: u64,
    pub(in crate::audit) mark: Mark,
}

/// One entry to store.
#[derive(Debug)]
pub(in crate::audit) struct Row {
    pub(in crate::audit) line: Vec<u8>,
    pub(in crate::audit) leaf: Hash,
    pub(in crate::audit) parts: Vec<Vec<u8>>,
    pub(in crate::audit) place: Option<Place>,
}

/// What one commit writes, all or nothing.
#[derive(Debug)]
pub(in crate::audit) struct Batch<'a> {
    /// Index of the first row.
    pub(in crate::audit) first: u64,
    pub(in crate::audit) rows: &'a [Row],
    pub(in crate::audit) tiles: &'a [Tile],
    pub(in crate::audit) edge: &'a Edge,
    pub(in crate::audit) checkpoint: &'a str,
    pub(in crate::audit) meta: &'a [(&'static str, String)],
}

/// A place that keeps the log. `commit` returns once the batch is durable.
pub(in crate::audit) trait Store: Send + Sync {
    /// Writes a batch durably, all or nothing.
    fn commit(&self, batch: &Batch<'_>) -> Result<()>;
    /// A consistent view of what is committed now.
    fn view(&self) -> Result<View>;
    /// Closes and opens again after a failed commit: the engine refuses everything until then.
    fn reopen(&self) -> Result<()> {
        Err(StoreError::Failed("it can't be opened again".to_owned()))
    }
}

/// redb, opened for the gateway.
pub(in crate::audit) struct RedbStore {
    /// Empty only when opening again failed.
    database: RwLock<Option<Database>>,
    open: Box<dyn Fn() -> Result<Database> + Send + Sync>,
}

impl RedbStore {
    /// Opens or creates the file.
    pub(in crate::audit) fn open(path: &Path) -> Result<Self> {
        let path = path.to_owned();
        Self::with_opener(Box::new(move || builder().create(&path).map_err(failed)))
    }

    fn with_opener(open: Box<dyn Fn() -> Result<Database> + Send + Sync>) -> Result<Self> {
        Ok(Self { database: RwLock::new(Some(open()?)), open })
    }

    fn with<T>(&self, act: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        act(database.as_ref().ok_or_else(|| StoreError::Failed("it is closed".to_owned()))?)
    }

    fn begin(&self) -> Result<WriteTransaction> {
        let mut write = self.with(|database| database.begin_write().map_err(failed))?;
        write.set_durability(Durability::Immediate).map_err(failed)?;
        // Also two-phase: callers choose what the payloads hold.
        write.set_quick_repair(true);
        Ok(write)
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(LOG_CACHE_BYTES);
    builder
}

impl Store for RedbStore {
    fn commit(&self, batch: &Batch<'_>) -> Result<()> {
        let write = self.begin()?;
        put_rows(&write, batch).map_err(failed)?;
        put_tree(&write, batch).map_err(failed)?;
        write.commit().map_err(failed)
    }

    fn view(&self) -> Result<View> {
        self.with(|database| database.begin_read().map(View).map_err(failed))
    }

    fn reopen(&self) -> Result<()> {
        let mut place = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The file is locked for as long as anything of the old one lives.
        drop(place.take());
        *place = Some((self.open)()?);
        Ok(())
    }
}

fn put_rows(write: &WriteTransaction, batch: &Batch<'_>) -> std::result::Result<(), redb::Error> {
    let (mut lines, mut parts) = (Packer::new(), Packer::new());
    let mut placed: BTreeMap<(&str, u64), Vec<u8>> = BTreeMap::new();
    let mut sess = write.open_table(SESS)?;
    let mut open = write.open_table(OPEN)?;
    for (row, index) in batch.rows.iter().zip(batch.first..) {
        lines.add(index, [], &row.line);
        for (part, number) in row.parts.iter().zip(0_u32..) {
            parts.add((index, number), pack::part_head(index, number), part);
        }
        let Some(place) = &row.place else { continue };
        let session = &*place.session;
        let run = placed.range_mut((session, 0)..=(session, place.sequence)).next_back();
        match run {
            Some(((_, first), run)) if *first + run.len() as u64 / 8 == place.sequence => {
                run.extend_from_slice(&index.to_be_bytes());
            }
            _ => drop(placed.insert((session, place.sequence), index.to_be_bytes().to_vec())),
        }
        match place.mark {
            Mark::First => {
                sess.insert(session, (index, STILL_OPEN))?;
                open.insert(session, index)?;
            }
            Mark::Inner => {}
            Mark::Last => {
                let first = open.remove(session)?.map_or(index, |first| first.value());
                sess.insert(session, (first, index))?;
            }
        }
    }
    let mut leaf = write.open_table(LEAF)?;
    for value in lines.values() {
        value.write(leaf.insert_reserve(value.key, value.bytes)?.as_mut());
    }
    let mut blob = write.open_table(BLOB)?;
    for value in parts.values() {
        value.write(blob.insert_reserve(value.key, value.bytes)?.as_mut());
    }
    let mut ix_sess = write.open_table(IX_SESS)?;
    for (key, run) in &placed {
        ix_sess.insert(*key, run.as_slice())?;
    }
    Ok(())
}

fn put_tree(write: &WriteTransaction, batch: &Batch<'_>) -> std::result::Result<(), redb::Error> {
    let mut tile = write.open_table(TILE)?;
    for full in batch.tiles {
        tile.insert((full.level, full.index), full.bytes.as_slice())?;
    }
    let mut tail = write.open_table(TAIL)?;
    let number = batch.edge.size() / TILE_WIDTH as u64;
    let begun = tail.get(number)?.map(|hashes| hashes.value().to_vec());
    tail.retain(|_, _| false)?;
    let mut hashes = begun.unwrap_or_default();
    let rows = batch.rows.iter().zip(batch.first..);
    rows.filter(|(_, index)| *index >= number * TILE_WIDTH as u64)
        .for_each(|(row, _)| hashes.extend_from_slice(&row.leaf));
    if !hashes.is_empty() {
        tail.insert(number, hashes.as_slice())?;
    }
    let mut edge = batch.edge.size().to_be_bytes().to_vec();
    edge.extend(batch.edge.roots().iter().flatten());
    write.open_table(EDGE)?.insert(0, edge.as_slice())?;
    write.open_table(CKPT)?.insert(batch.edge.size(), batch.checkpoint)?;
    let mut meta = write.open_table(META)?;
    for (name, text) in batch.meta {
        meta.insert(*name, text.as_str())?;
    }
    Ok(())
}

mod copy;
mod error;
pub mod pack;
mod sealed;

pub(in crate::audit) use copy::copy;
pub(in crate::audit) use error::StoreError;
use error::{Result, failed};
pub(in crate::audit) use sealed::Sealed;

/// What the tables hold, the things inside of values counted one by one.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Counts {
    pub(in crate::audit) checkpoints: u64,
    pub(in crate::audit) tiles: u64,
    pub(in crate::audit) tail: u64,
    pub(in crate::audit) parts: u64,
    pub(in crate::audit) placed: u64,
    pub(in crate::audit) sessions: u64,
    pub(in crate::audit) open: u64,
}

/// One consistent view of the store, unmoved by later commits.
pub(in crate::audit) struct View(ReadTransaction);

/// Opens a table, or leaves with the given value when nothing was ever written to it.
macro_rules! table {
    ($view:expr, $table:expr, $missing:expr) => {
        match $view.0.open_table($table) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok($missing),
            Err(error) => return Err(failed(error)),
        }
    };
}

// Behind the macro, which it uses too.
mod shape;

impl View {
    /// A text of the table `meta`.
    pub(in crate::audit) fn meta(&self, name: &str) -> Result<Option<String>> {
        let row = table!(self, META, None).get(name).map_err(failed)?;
        Ok(row.map(|text| text.value().to_owned()))
    }

    /// Number of leaves: one more than the last index.
    pub(in crate::audit) fn size(&self) -> Result<u64> {
        let table = table!(self, LEAF, 0);
        let row = table.last().map_err(failed)?;
        let count = |value: &[u8]| Things::<0>::of(value).count() as u64;
        Ok(row.map_or(0, |(first, value)| first.value().saturating_add(count(value.value()))))
    }

    /// The bytes of an entry.
    pub(in crate::audit) fn leaf(&self, index: u64) -> Result<Option<Vec<u8>>> {
        let row = table!(self, LEAF, None).range(..=index).map_err(failed)?.next_back();
        let Some((first, value)) = row.transpose().map_err(failed)? else { return Ok(None) };
        let place = usize::try_from(index - first.value()).unwrap_or(usize::MAX);
        Ok(Things::<0>::of(value.value()).nth(place).map(|(_, line)| line.to_vec()))
    }

    /// Walks the entries from an index on; `false` stops the walk.
    pub(in crate::audit) fn leaves(
        &self,
        from: u64,
        visit: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<()> {
        let table = table!(self, LEAF, ());
        let start = table.range(..=from).map_err(failed)?.next_back();
        let start = start.transpose().map_err(failed)?.map_or(from, |(first, _)| first.value());
        for row in table.range(start..).map_err(failed)? {
            let (first, value) = row.map_err(failed)?;
            for ((_, line), index) in Things::<0>::of(value.value()).zip(first.value()..) {
                if index >= from && !visit(index, line) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// All parts of an entry's payload, in order.
    pub(in crate::audit) fn parts(&self, index: u64) -> Result<Vec<Vec<u8>>> {
        let mut parts = Vec::new();
        let table = table!(self, BLOB, parts);
        let start = table.range(..=(index, 0)).map_err(failed)?.next_back();
        let start = start.transpose().map_err(failed)?;
        let start = start.map_or((index, 0), |(first, _)| first.value());
        for row in table.range(start..=(index, u32::MAX)).map_err(failed)? {
            let (_, value) = row.map_err(failed)?;
            let things = Things::<{ pack::PART_HEAD_BYTES }>::of(value.value());
            let ours = things.filter(|(head, _)| head.map(pack::part_index) == Some(index));
            parts.extend(ours.map(|(_, part)| part.to_vec()));
        }
        Ok(parts)
    }

    /// A full tile.
    pub(in crate::audit) fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>> {
        let row = table!(self, TILE, None).get((level, index)).map_err(failed)?;
        Ok(row.map(|bytes| bytes.value().to_vec()))
    }

    /// Leaf hashes of one level-0 tile: the full tile, or what the tail has of it.
    pub(in crate::audit) fn leaf_hashes(&self, tile: u64) -> Result<Vec<Hash>> {
        if let Some(bytes) = self.tile(0, tile)? {
            return Ok(bytes.as_chunks::<32>().0.to_vec());
        }
        let tail = table!(self, TAIL, Vec::new()).get(tile).map_err(failed)?;
        Ok(tail.map_or_else(Vec::new, |hashes| hashes.value().as_chunks::<32>().0.to_vec()))
    }

    /// Rows of every table, for the verifier.
    pub(in crate::audit) fn counts(&self) -> Result<Counts> {
        Ok(Counts {
            checkpoints: self.count(CKPT)?,
            tiles: self.count(TILE)?,
            tail: self.things(TAIL, |hashes| hashes.chunks(32).count())?,
            parts: self
                .things(BLOB, |value| Things::<{ pack::PART_HEAD_BYTES }>::of(value).count())?,
            placed: self.things(IX_SESS, |value| pack::numbers(value).count())?,
            sessions: self.count(SESS)?,
            open: self.count(OPEN)?,
        })
    }

    fn count<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<u64> {
        table!(self, table, 0).len().map_err(failed)
    }

    /// What all values of a table hold together.
    fn things<K: Key + 'static>(
        &self,
        table: TableDefinition<'_, K, &'static [u8]>,
        count: impl Fn(&[u8]) -> usize,
    ) -> Result<u64> {
        let mut all = 0_u64;
        for row in table!(self, table, 0).iter().map_err(failed)? {
            all = all.saturating_add(count(row.map_err(failed)?.1.value()) as u64);
        }
        Ok(all)
    }

    /// The checkpoint of a size.
    pub(in crate::audit) fn checkpoint(&self, size: u64) -> Result<Option<String>> {
        let row = table!(self, CKPT, None).get(size).map_err(failed)?;
        Ok(row.map(|note| note.value().to_owned()))
    }

    /// Index in the log of one entry of a session.
    pub(in crate::audit) fn session_entry(&self, id: &str, sequence: u64) -> Result<Option<u64>> {
        let range = (id, 0)..=(id, sequence);
        let row = table!(self, IX_SESS, None).range(range).map_err(failed)?.next_back();
        let Some((key, run)) = row.transpose().map_err(failed)? else { return Ok(None) };
        let place = usize::try_from(sequence - key.value().1).unwrap_or(usize::MAX);
        Ok(pack::numbers(run.value()).nth(place).flatten())
    }

    /// The stored right edge; `None` when there is none or it can't be one.
    pub(in crate::audit) fn edge(&self) -> Result<Option<Edge>> {
        let row = table!(self, EDGE, None).get(0).map_err(failed)?;
        Ok(row.and_then(|bytes| {
            let (size, roots) = bytes.value().split_first_chunk::<8>()?;
            let (roots, rest) = roots.as_chunks::<32>();
            let roots: Vec<Hash> = roots.to_vec();
            rest.is_empty().then(|| Edge::from_parts(u64::from_be_bytes(*size), roots)).flatten()
        }))
    }

    /// The newest checkpoint.
    pub(in crate::audit) fn last_checkpoint(&self) -> Result<Option<(u64, String)>> {
        let table = table!(self, CKPT, None);
        let row = table.last().map_err(failed)?;
        Ok(row.map(|(size, note)| (size.value(), note.value().to_owned())))
    }

    /// Walks the sessions, newest first: id, then first and last index ([`STILL_OPEN`] while open).
    pub(in crate::audit) fn sessions(
        &self,
        visit: &mut dyn FnMut(&str, (u64, u64)) -> bool,
    ) -> Result<()> {
        let table = table!(self, SESS, ());
        for row in table.iter().map_err(failed)?.rev() {
            let (session, ends) = row.map_err(failed)?;
            if !visit(session.value(), ends.value()) {
                break;
            }
        }
        Ok(())
    }

    /// The sessions that have no last entry.
    pub(in crate::audit) fn open_sessions(&self) -> Result<Vec<String>> {
        let mut open = Vec::new();
        for row in table!(self, OPEN, open).iter().map_err(failed)? {
            open.push(row.map_err(failed)?.0.value().to_owned());
        }
        Ok(open)
    }

    /// Walks one session's index: number in the session, index in the log.
    pub(in crate::audit) fn session(
        &self,
        id: &str,
        visit: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<()> {
        let range = (id, 0)..=(id, u64::MAX);
        for row in table!(self, IX_SESS, ()).range(range).map_err(failed)? {
            let (key, run) = row.map_err(failed)?;
            for (index, sequence) in pack::numbers(run.value()).flatten().zip(key.value().1..) {
                if !visit(sequence, index) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The newest entry of a session: number in the session, index in the log.
    pub(in crate::audit) fn session_last(&self, id: &str) -> Result<Option<(u64, u64)>> {
        let range = (id, 0)..=(id, u64::MAX);
        let last = table!(self, IX_SESS, None).range(range).map_err(failed)?.next_back();
        let Some((key, run)) = last.transpose().map_err(failed)? else { return Ok(None) };
        Ok(pack::numbers(run.value()).flatten().zip(key.value().1..).last().map(|(i, s)| (s, i)))
    }
}

#[cfg(test)]
pub(in crate::audit) mod faults;
#[cfg(test)]
pub(in crate::audit) mod tamper;

//! What somebody with the closed file and redb at hand can do to a log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use redb::{Database, ReadableTable, WriteTransaction};

use super::{BLOB, CKPT, EDGE, IX_SESS, LEAF, META, SESS, TAIL, TILE};
use crate::audit::tree::{Tree, leaf_hash};

fn edit<T>(path: &Path, change: impl FnOnce(&WriteTransaction) -> T) -> T {
    let database = Database::open(path).unwrap();
    let mut write = database.begin_write().unwrap();
    write.set_quick_repair(true);
    let out = change(&write);
    write.commit().unwrap();
    out
}

/// Changes the bytes of an entry; with `consistent` its leaf hash and the whole tree follow, so
/// that only the signature stands against it.
pub(in crate::audit) fn change_leaf(
    path: &Path,
    index: u64,
    consistent: bool,
    change: impl Fn(&mut Vec<u8>),
) {
    edit(path, |write| {
        let mut leaf = write.open_table(LEAF).unwrap();
        let mut bytes = leaf.get(index).unwrap().unwrap().value().to_vec();
        change(&mut bytes);
        leaf.insert(index, bytes.as_slice()).unwrap();
        drop(leaf);
        if consistent {
            rebuild(write);
        }
    });
}

/// Makes tiles, tail and edge those of the leaves there are.
fn rebuild(write: &WriteTransaction) {
    let leaf = write.open_table(LEAF).unwrap();
    let mut tree = Tree::default();
    let mut full = Vec::new();
    let mut tail = write.open_table(TAIL).unwrap();
    tail.retain(|_, _| false).unwrap();
    for row in leaf.iter().unwrap() {
        let (index, bytes) = row.unwrap();
        let hash = leaf_hash(bytes.value());
        tree.push(hash, &mut full);
        tail.insert(index.value(), &hash).unwrap();
    }
    let size = tree.edge().size();
    tail.retain(|index, _| index >= size - size % 256).unwrap();
    let mut tile = write.open_table(TILE).unwrap();
    tile.retain(|_, _| false).unwrap();
    for tiled in &full {
        tile.insert((tiled.level, tiled.index), tiled.bytes.as_slice()).unwrap();
    }
    let mut edge = size.to_be_bytes().to_vec();
    edge.extend(tree.edge().roots().iter().flatten());
    write.open_table(EDGE).unwrap().insert(0, edge.as_slice()).unwrap();
}

pub(in crate::audit) fn delete_leaf(path: &Path, index: u64) {
    edit(path, |write| write.open_table(LEAF).unwrap().remove(index).unwrap().is_some());
}

/// Removes an entry and moves all after it one down, with a tree that fits.
pub(in crate::audit) fn cut_out(path: &Path, index: u64) {
    edit(path, |write| {
        let mut leaf = write.open_table(LEAF).unwrap();
        let rows: Vec<(u64, Vec<u8>)> = leaf
            .iter()
            .unwrap()
            .map(|row| row.map(|(index, bytes)| (index.value(), bytes.value().to_vec())).unwrap())
            .collect();
        for (at, bytes) in rows.iter().filter(|(at, _)| *at > index) {
            leaf.insert(at - 1, bytes.as_slice()).unwrap();
        }
        leaf.pop_last().unwrap();
        drop(leaf);
        rebuild(write);
    });
}

pub(in crate::audit) fn append_leaf(path: &Path, bytes: &[u8]) {
    edit(path, |write| {
        let mut leaf = write.open_table(LEAF).unwrap();
        let next = leaf.last().unwrap().unwrap().0.value() + 1;
        leaf.insert(next, bytes).unwrap();
        drop(leaf);
        rebuild(write);
    });
}

pub(in crate::audit) fn swap_leaves(path: &Path, a: u64, b: u64, consistent: bool) {
    edit(path, |write| {
        let mut leaf = write.open_table(LEAF).unwrap();
        let first = leaf.get(a).unwrap().unwrap().value().to_vec();
        let second = leaf.get(b).unwrap().unwrap().value().to_vec();
        leaf.insert(a, second.as_slice()).unwrap();
        leaf.insert(b, first.as_slice()).unwrap();
        drop(leaf);
        if consistent {
            rebuild(write);
        }
    });
}

/// Cuts the log to its first entries, with the checkpoint of that size as the newest.
pub(in crate::audit) fn truncate(path: &Path, size: u64, checkpoints_too: bool) {
    edit(path, |write| {
        write.open_table(LEAF).unwrap().retain(|index, _| index < size).unwrap();
        write.open_table(BLOB).unwrap().retain(|(index, _), _| index < size).unwrap();
        if checkpoints_too {
            write.open_table(CKPT).unwrap().retain(|at, _| at <= size).unwrap();
        }
        rebuild(write);
    });
}

/// The sizes that have a checkpoint.
pub(in crate::audit) fn checkpoint_sizes(path: &Path) -> Vec<u64> {
    edit(path, |write| {
        let table = write.open_table(CKPT).unwrap();
        table.iter().unwrap().map(|row| row.map(|(at, _)| at.value()).unwrap()).collect()
    })
}

pub(in crate::audit) fn put_checkpoint(path: &Path, size: u64, note: &str) {
    edit(path, |write| {
        write.open_table(CKPT).unwrap().insert(size, note).unwrap();
    });
}

pub(in crate::audit) fn put_meta(path: &Path, name: &str, text: &str) {
    edit(path, |write| {
        write.open_table(META).unwrap().insert(name, text).unwrap();
    });
}

pub(in crate::audit) fn flip_blob(path: &Path) -> u64 {
    edit(path, |write| {
        let mut blob = write.open_table(BLOB).unwrap();
        let (key, mut bytes) = {
            let (key, bytes) = blob.first().unwrap().unwrap();
            (key.value(), bytes.value().to_vec())
        };
        bytes[0] ^= 1;
        blob.insert(key, bytes.as_slice()).unwrap();
        key.0
    })
}

pub(in crate::audit) fn delete_blob(path: &Path) -> u64 {
    edit(path, |write| {
        let mut blob = write.open_table(BLOB).unwrap();
        let row = blob.pop_last().unwrap().unwrap();
        row.0.value().0
    })
}

pub(in crate::audit) fn flip_tile(path: &Path) {
    edit(path, |write| {
        let mut tile = write.open_table(TILE).unwrap();
        let mut bytes = tile.get((0, 0)).unwrap().unwrap().value().to_vec();
        bytes[40] ^= 1;
        tile.insert((0, 0), bytes.as_slice()).unwrap();
    });
}

pub(in crate::audit) fn hide_session(path: &Path, id: &str) {
    edit(path, |write| {
        write.open_table(IX_SESS).unwrap().retain(|(session, _), _| session != id).unwrap();
        write.open_table(SESS).unwrap().remove(id).unwrap();
    });
}

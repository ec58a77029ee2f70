//! What somebody with the closed file and redb at hand can do to a log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use redb::{Database, ReadableTable, WriteTransaction};

use super::pack::{self, Packer, Things};
use super::{BLOB, CKPT, EDGE, IX_SESS, LEAF, META, SESS, TAIL, TILE};
use crate::audit::tree::{Tree, leaf_hash};

mod rows;

pub(in crate::audit) use rows::{Rows, TABLES};

fn edit<T>(path: &Path, change: impl FnOnce(&WriteTransaction) -> T) -> T {
    let database = Database::open(path).unwrap();
    let mut write = database.begin_write().unwrap();
    write.set_quick_repair(true);
    let out = change(&write);
    write.commit().unwrap();
    out
}

type Entries = Vec<(u64, Vec<u8>)>;
type Parts = Vec<((u64, u32), Vec<u8>)>;

fn entries(write: &WriteTransaction) -> Entries {
    let leaf = write.open_table(LEAF).unwrap();
    let mut entries = Vec::new();
    for row in leaf.iter().unwrap() {
        let (first, value) = row.unwrap();
        let lines = Things::<0>::of(value.value()).map(|(_, line)| line.to_vec());
        entries.extend((first.value()..).zip(lines));
    }
    entries
}

/// Writes all entries anew, each into a value of its own, as single commits would.
fn put_entries(write: &WriteTransaction, entries: &Entries) {
    let mut leaf = write.open_table(LEAF).unwrap();
    leaf.retain(|_, _| false).unwrap();
    for (index, line) in entries {
        let mut packer = Packer::new();
        packer.add(*index, [], line);
        for packed in packer.values() {
            leaf.insert(packed.key, packed.written().as_slice()).unwrap();
        }
    }
}

fn parts(write: &WriteTransaction) -> Parts {
    let blob = write.open_table(BLOB).unwrap();
    let mut parts = Vec::new();
    for row in blob.iter().unwrap() {
        for (head, part) in Things::<{ pack::PART_HEAD_BYTES }>::of(row.unwrap().1.value()) {
            let head = head.unwrap();
            let number = u32::from_be_bytes(head[8..].try_into().unwrap());
            parts.push(((pack::part_index(head), number), part.to_vec()));
        }
    }
    parts
}

fn put_parts(write: &WriteTransaction, parts: &Parts) {
    let mut blob = write.open_table(BLOB).unwrap();
    blob.retain(|_, _| false).unwrap();
    let mut packer = Packer::new();
    for ((index, number), part) in parts {
        packer.add((*index, *number), pack::part_head(*index, *number), part);
    }
    for packed in packer.values() {
        blob.insert(packed.key, packed.written().as_slice()).unwrap();
    }
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
        let mut all = entries(write);
        change(&mut all.iter_mut().find(|(at, _)| *at == index).unwrap().1);
        put_entries(write, &all);
        if consistent {
            rebuild(write);
        }
    });
}

/// Makes tiles, tail and edge those of the leaves there are.
fn rebuild(write: &WriteTransaction) {
    let mut tree = Tree::default();
    let mut full = Vec::new();
    let mut hashes = Vec::new();
    for (_, bytes) in entries(write) {
        let hash = leaf_hash(&bytes);
        tree.push(hash, &mut full);
        hashes.push(hash);
    }
    let size = tree.edge().size();
    let mut tail = write.open_table(TAIL).unwrap();
    tail.retain(|_, _| false).unwrap();
    let begun = hashes.chunks(256).nth(usize::try_from(size / 256).unwrap());
    if let Some(begun) = begun {
        tail.insert(size / 256, begun.concat().as_slice()).unwrap();
    }
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
    edit(path, |write| {
        let mut all = entries(write);
        all.retain(|(at, _)| *at != index);
        put_entries(write, &all);
    });
}

/// Removes an entry and moves all after it one down, with a tree that fits.
pub(in crate::audit) fn cut_out(path: &Path, index: u64) {
    edit(path, |write| {
        let mut all = entries(write);
        all.retain(|(at, _)| *at != index);
        all.iter_mut().filter(|(at, _)| *at > index).for_each(|(at, _)| *at -= 1);
        put_entries(write, &all);
        rebuild(write);
    });
}

pub(in crate::audit) fn append_leaf(path: &Path, bytes: &[u8]) {
    edit(path, |write| {
        let mut all = entries(write);
        all.push((all.last().unwrap().0 + 1, bytes.to_vec()));
        put_entries(write, &all);
        rebuild(write);
    });
}

pub(in crate::audit) fn swap_leaves(path: &Path, a: u64, b: u64, consistent: bool) {
    edit(path, |write| {
        let mut all = entries(write);
        let place = |index| all.iter().position(|(at, _)| *at == index).unwrap();
        let (one, other) = (place(a), place(b));
        let first = std::mem::take(&mut all[one].1);
        all[one].1 = std::mem::replace(&mut all[other].1, first);
        put_entries(write, &all);
        if consistent {
            rebuild(write);
        }
    });
}

/// Puts the same entry into two values, so that a reader may find either.
pub(in crate::audit) fn repeat_leaf(path: &Path, index: u64) {
    edit(path, |write| {
        let mut all = entries(write);
        let again = all.iter().find(|(at, _)| *at == index).unwrap().1.clone();
        put_entries(write, &all);
        let previous = index - 1;
        all.retain(|(at, _)| *at == previous);
        let mut packer = Packer::new();
        packer.add(previous, [], &all[0].1);
        packer.add(index, [], &again);
        let mut leaf = write.open_table(LEAF).unwrap();
        for packed in packer.values() {
            leaf.insert(packed.key, packed.written().as_slice()).unwrap();
        }
    });
}

/// Hides bytes behind the entries of a value.
pub(in crate::audit) fn trail(path: &Path, index: u64) {
    edit(path, |write| {
        let mut leaf = write.open_table(LEAF).unwrap();
        let (key, mut value) = {
            let (key, value) = leaf.range(..=index).unwrap().next_back().unwrap().unwrap();
            (key.value(), value.value().to_vec())
        };
        value.extend_from_slice(b"abc");
        leaf.insert(key, value.as_slice()).unwrap();
    });
}

/// Cuts the log to its first entries, with the checkpoint of that size as the newest.
pub(in crate::audit) fn truncate(path: &Path, size: u64, checkpoints_too: bool) {
    edit(path, |write| {
        let mut all = entries(write);
        all.retain(|(index, _)| *index < size);
        put_entries(write, &all);
        let mut left = parts(write);
        left.retain(|((index, _), _)| *index < size);
        put_parts(write, &left);
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
        let mut all = parts(write);
        all[0].1[0] ^= 1;
        put_parts(write, &all);
        all[0].0.0
    })
}

pub(in crate::audit) fn put_blob(path: &Path, index: u64) {
    edit(path, |write| {
        let mut all = parts(write);
        all.push(((index, 0), b"x".to_vec()));
        put_parts(write, &all);
    });
}

/// A session in the list that no entry belongs to.
pub(in crate::audit) fn put_ghost(path: &Path) {
    edit(path, |write| {
        write.open_table(SESS).unwrap().insert("ses_ghost", (1, 2)).unwrap();
    });
}

pub(in crate::audit) fn delete_blob(path: &Path) -> u64 {
    edit(path, |write| {
        let mut all = parts(write);
        let ((index, _), _) = all.pop().unwrap();
        put_parts(write, &all);
        index
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

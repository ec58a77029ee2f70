//! A log as a directory of tiles (C2SP tlog-tiles): its entries and hashes in plain files, for
//! verifiers that read no redb. Payloads are not part of it.

use std::fs;
use std::path::Path;

use super::reader::Reader;
use super::store::{PUBLIC_FILE, View};
use super::tree::{Edge, Hash, TILE_HEIGHT, TILE_WIDTH};
use super::{Error, checkpoint};

/// The newest signed checkpoint.
pub(in crate::audit) const CHECKPOINT: &str = "checkpoint";

/// The path of a tile, or of a bundle of entries when `level` is none, in a tree of `size`;
/// `None` when that tree has no such tile.
pub(in crate::audit) fn tile_path(level: Option<u8>, number: u64, size: u64) -> Option<String> {
    let count = size.checked_shr(TILE_HEIGHT * u32::from(level.unwrap_or(0))).unwrap_or(0);
    let width = count.saturating_sub(number.checked_mul(TILE_WIDTH as u64)?);
    let width = width.min(TILE_WIDTH as u64);
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    let level = level.map_or("entries".to_owned(), |level| level.to_string());
    match width {
        0 => None,
        256 => Some(format!("tile/{level}/{path}")),
        width => Some(format!("tile/{level}/{path}.p/{width}")),
    }
}

/// Writes a log at rest, or a copy of one, as a directory of tiles; gives the number of entries.
///
/// # Errors
/// The directory exists, the log can't be read, or a file can't be written.
pub fn export(log: &Path, dir: &Path) -> Result<u64, Error> {
    let reader = if log.is_dir() { Reader::open(log) } else { Reader::open_copy(log) }?;
    let view = reader.view()?;
    let failed = |error| Error::store(log, error);
    let key = view.meta("vkey").map_err(failed)?.unwrap_or_default();
    let (size, note) = view.last_checkpoint().map_err(failed)?.unwrap_or_default();
    write_dir(dir)?;
    write(dir, PUBLIC_FILE, format!("{key}\n").as_bytes())?;
    let mut level = 0;
    while size >> (TILE_HEIGHT * u32::from(level)) > 0 {
        let mut number = 0;
        while let Some(path) = tile_path(Some(level), number, size) {
            write(dir, &path, &tile(&view, level, number, size).map_err(failed)?)?;
            number += 1;
        }
        level += 1;
    }
    entries(&view, log, dir, size)?;
    // Last, so that a directory with a checkpoint is whole.
    write(dir, CHECKPOINT, note.as_bytes())?;
    checkpoint::Checkpoint::read_unsigned(&note).map_err(|error| Error::Tampered {
        index: None,
        what: format!("its last checkpoint: {error}"),
    })?;
    Ok(size)
}

fn entries(view: &View, log: &Path, dir: &Path, size: u64) -> Result<(), Error> {
    let mut packed = Vec::new();
    let mut outcome = Ok(());
    let visited = view.leaves(0, &mut |index, line| {
        // Entries are far below 64 KiB (`limits`).
        let length = u16::try_from(line.len()).unwrap_or(u16::MAX);
        packed.extend_from_slice(&length.to_be_bytes());
        packed.extend_from_slice(line);
        let full = (index + 1) % TILE_WIDTH as u64 == 0;
        if full || index + 1 == size {
            let number = index / TILE_WIDTH as u64;
            let path = tile_path(None, number, size).unwrap_or_default();
            outcome = write(dir, &path, &packed);
            packed.clear();
        }
        outcome.is_ok() && index + 1 < size
    });
    visited.map_err(|error| Error::store(log, error))?;
    outcome
}

/// The hashes of one tile, full or not.
fn tile(
    view: &View,
    level: u8,
    number: u64,
    size: u64,
) -> Result<Vec<u8>, super::store::StoreError> {
    if let Some(bytes) = view.tile(level, number)? {
        return Ok(bytes);
    }
    if level == 0 {
        return Ok(view.leaf_hashes(number)?.concat());
    }
    let below = size >> (TILE_HEIGHT * u32::from(level));
    let mut hashes: Vec<Hash> = Vec::new();
    for child in number * TILE_WIDTH as u64..below {
        let mut edge = Edge::default();
        let bytes = view.tile(level - 1, child)?.unwrap_or_default();
        bytes.as_chunks::<32>().0.iter().for_each(|hash| edge.push(*hash));
        hashes.push(edge.root());
    }
    Ok(hashes.concat())
}

fn write_dir(dir: &Path) -> Result<(), Error> {
    fs::create_dir(dir).map_err(|source| Error::File {
        path: dir.to_owned(),
        act: "create",
        source,
    })
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = dir.join(name);
    let parent = path.parent().unwrap_or(dir);
    let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, bytes));
    written.map_err(|source| Error::File { path, act: "write", source })
}

/// The entries of a bundle of them; `None` when bytes are left that are no entry.
pub(in crate::audit) fn unpack(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

#[cfg(test)]
mod tests;

//! Judging a directory of tiles: first every hash up to the signed root, then what the entries
//! say, so that nothing is read that is not known to be genuine.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::judgement::{Checked, Form, Judged, Judgement, KeySource};
use super::{Chain, Pins};
use crate::audit::checkpoint::{Checkpoint, VerifierKey, hex};
use crate::audit::entry::{Boot, Entry, kind};
use crate::audit::store::PUBLIC_FILE;
use crate::audit::tiles::{CHECKPOINT, tile_path, unpack};
use crate::audit::tree::{Hash, TILE_WIDTH, Tree, leaf_hash};
use crate::limits::VERIFY_SESSIONS_MAX;

/// Where the files are.
pub(super) trait Files {
    /// One file; `None` when there is none of this name.
    fn file(&self, name: &str) -> std::io::Result<Option<Vec<u8>>>;
    /// All names, with slashes.
    fn names(&self) -> std::io::Result<BTreeSet<String>>;
}

pub(super) struct Folder<'a>(pub(super) &'a Path);

impl Files for Folder<'_> {
    fn file(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn names(&self) -> std::io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        let mut folders = vec![(self.0.to_owned(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if entry.file_type()?.is_dir() {
                    folders.push((entry.path(), format!("{name}/")));
                } else {
                    names.insert(name);
                }
            }
        }
        Ok(names)
    }
}

fn bad<T>(index: Option<u64>, what: impl Into<String>) -> Judged<T> {
    Err(Box::new(Judgement::tampered(index, what)))
}

fn read<T>(result: std::io::Result<T>) -> Judged<T> {
    result.map_err(|error| Box::new(Judgement::unsure(format!("a file can't be read: {error}"))))
}

fn file(files: &dyn Files, name: &str) -> Judged<Vec<u8>> {
    read(files.file(name))?
        .ok_or_else(|| Box::new(Judgement::Incomplete { what: format!("{name} is missing") }))
}

fn text(files: &dyn Files, name: &str) -> Judged<String> {
    let text = String::from_utf8(file(files, name)?);
    text.or_else(|_| bad(None, format!("{name} is not text")))
}

/// Judges a directory.
pub(super) fn judge(path: &Path, pins: &Pins) -> Judged<Checked> {
    let key = pins.key()?;
    judge_files(&Folder(path), key.as_ref(), pins)
}

pub(super) fn judge_files(
    files: &dyn Files,
    pinned_key: Option<&VerifierKey>,
    pins: &Pins,
) -> Judged<Checked> {
    let vkey = text(files, PUBLIC_FILE)?;
    let key = match pinned_key {
        Some(key) => key.clone(),
        None => match VerifierKey::read(&vkey) {
            Ok(key) => key,
            Err(error) => return bad(None, format!("{PUBLIC_FILE}: {error}")),
        },
    };
    if format!("{}\n", key.text()) != vkey {
        return bad(None, format!("{PUBLIC_FILE} is not the log's public key"));
    }
    let pinned = super::pinned_checkpoint(&key, pins)?;
    let checkpoint = match Checkpoint::verify(&text(files, CHECKPOINT)?, &key) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return bad(None, format!("the checkpoint: {error}")),
    };
    if let Some(pinned) = pinned.as_ref().filter(|pinned| pinned.size > checkpoint.size) {
        let (entries, expected) = (checkpoint.size, pinned.size);
        return Err(Box::new(Judgement::RolledBack { entries, expected }));
    }
    hashes(files, &checkpoint, pinned.as_ref())?;
    let (sessions, open) = entries(files, &checkpoint, &key)?;
    Ok(Checked {
        form: Form::Tiles,
        origin: checkpoint.origin,
        entries: checkpoint.size,
        root: hex(&checkpoint.root),
        checkpoints: 1,
        signatures: 1,
        sessions,
        open,
        payloads: 0,
        key_source: if pinned_key.is_some() { KeySource::Pinned } else { KeySource::Folder },
        pinned_checkpoint: pinned.is_some(),
    })
}

/// Hands over the entries, tile by tile.
fn bundles(
    files: &dyn Files,
    size: u64,
    mut each: impl FnMut(u64, &[&[u8]]) -> Judged<()>,
) -> Judged<()> {
    let mut number = 0;
    while let Some(path) = tile_path(None, number, size) {
        let bytes = file(files, &path)?;
        let first = number * TILE_WIDTH as u64;
        let count = (size - first).min(TILE_WIDTH as u64);
        let Some(entries) = unpack(&bytes).filter(|all| all.len() as u64 == count) else {
            return bad(None, format!("{path} does not hold {count} entries"));
        };
        each(number, &entries)?;
        number += 1;
    }
    Ok(())
}

/// Checks every tile of every level, and the root.
fn hashes(files: &dyn Files, checkpoint: &Checkpoint, pinned: Option<&Checkpoint>) -> Judged<()> {
    let size = checkpoint.size;
    let mut tree = Tree::default();
    let mut names: BTreeSet<String> =
        [CHECKPOINT, PUBLIC_FILE].into_iter().map(str::to_owned).collect();
    let tile = |level: u8, number, expected: &[u8]| {
        let path = tile_path(Some(level), number, size).unwrap_or_default();
        if file(files, &path)? == expected {
            return Ok(path);
        }
        bad(None, format!("{path} is not that of its entries"))
    };
    bundles(files, size, |number, entries| {
        names.extend(tile_path(None, number, size));
        let path = tile_path(Some(0), number, size).unwrap_or_default();
        let said = file(files, &path)?;
        let mut full = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            let leaf = leaf_hash(entry);
            if said.get(place * 32..(place + 1) * 32) != Some(&leaf) {
                let what = "its bytes do not hash to the leaf hash that the tree holds";
                return bad(Some(tree.edge().size()), what);
            }
            tree.push(leaf, &mut full);
            let (at, root) = (tree.edge().size(), tree.edge().root());
            if let Some(pinned) = pinned.filter(|pinned| pinned.size == at)
                && pinned.root != root
            {
                let what = format!("the first {at} entries are not those your checkpoint signs");
                return bad(None, what);
            }
        }
        if said.len() != entries.len() * 32 {
            return bad(None, format!("{path} holds more than its entries' hashes"));
        }
        names.insert(path);
        for full in full.iter().filter(|tile| tile.level > 0) {
            names.insert(tile(full.level, full.index, &full.bytes)?);
        }
        Ok(())
    })?;
    if tree.edge().root() != checkpoint.root {
        return bad(None, "the entries do not lead to the signed root");
    }
    for (level, partial) in tree.partial() {
        let number = size >> (8 * (u32::from(level) + 1));
        names.insert(tile(level, number, &partial.concat())?);
    }
    match read(files.names())?.difference(&names).next() {
        Some(stray) => bad(None, format!("{stray} belongs to no tile of this log")),
        None => Ok(()),
    }
}

/// Follows every session; gives their number, and how many have not ended.
fn entries(files: &dyn Files, checkpoint: &Checkpoint, key: &VerifierKey) -> Judged<(u64, u64)> {
    let mut chains: HashMap<String, Chain> = HashMap::new();
    let mut sessions = 0;
    bundles(files, checkpoint.size, |number, lines| {
        for (line, index) in lines.iter().zip(number * TILE_WIDTH as u64..) {
            let Ok(entry) = Entry::read(line) else {
                return bad(Some(index), "it is no entry of this format");
            };
            if index == 0 && !is_boot(&entry, key) {
                return bad(Some(0), "the first entry is not the boot entry of this log");
            }
            let Some(session) = &entry.sess else {
                if entry.sseq.is_some() || entry.sprev.is_some() {
                    return bad(Some(index), "it has a place in a session, but names none");
                }
                continue;
            };
            sessions += u64::from(!chains.contains_key(session));
            if chains.len() > VERIFY_SESSIONS_MAX {
                let why = format!("more than {VERIFY_SESSIONS_MAX} sessions are open at once");
                return Err(Box::new(Judgement::unsure(why)));
            }
            let chain = chains.entry(session.clone()).or_default();
            let leaf: Hash = leaf_hash(line);
            if let Err(what) = chain.follow(&entry, leaf) {
                return bad(Some(index), what);
            }
            if chain.ended() {
                chains.remove(session);
            }
        }
        Ok(())
    })?;
    Ok((sessions, chains.len() as u64))
}

fn is_boot(entry: &Entry, key: &VerifierKey) -> bool {
    let ours = |boot: Boot| boot.origin == key.name() && boot.key == key.text();
    entry.kind == kind::BOOT && entry.body::<Boot>().is_ok_and(ours)
}

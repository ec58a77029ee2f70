//! One walk over all entries in order, comparing everything that is said about each.

use std::collections::HashMap;

use super::{Chain, Judgement};
use crate::audit::checkpoint::{Checkpoint, VerifierKey, hex};
use crate::audit::entry::{Boot, Entry, kind};
use crate::audit::store::{Counts, STILL_OPEN, StoreError, View};
use crate::audit::tree::{Hash, TILE_WIDTH, Tile, Tree, leaf_hash, sha256};
use crate::limits::{VERIFY_SESSIONS_MAX, VERIFY_SIGNATURES_MAX};

/// What a walk has seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) root: Hash,
    pub(super) checkpoints: u64,
    pub(super) signatures: u64,
    pub(super) sessions: u64,
    pub(super) open: u64,
    pub(super) payloads: u64,
    tiles: u64,
    parts: u64,
    placed: u64,
}

/// The walk.
pub(super) struct Walk<'a> {
    view: &'a View,
    key: &'a VerifierKey,
    last: Checkpoint,
    pinned: Option<&'a Checkpoint>,
    stored: Counts,
    tree: Tree,
    /// Hashes of the tile or tail that the next leaves belong to.
    tile: Vec<Hash>,
    /// Size of the newest checkpoint whose root was right.
    sound: u64,
    /// Sessions that have not ended, each with the index of its first entry.
    chains: HashMap<String, (u64, Chain)>,
    seen: Seen,
}

/// A step found something: `Some` ends the walk.
type Step = Result<Option<Judgement>, StoreError>;

fn bad(index: u64, what: impl Into<String>) -> Step {
    Ok(Some(Judgement::tampered(Some(index), what)))
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        view: &'a View,
        key: &'a VerifierKey,
        last: Checkpoint,
        pinned: Option<&'a Checkpoint>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            view,
            key,
            last,
            pinned,
            stored: view.counts()?,
            tree: Tree::default(),
            tile: Vec::new(),
            sound: 0,
            chains: HashMap::new(),
            seen: Seen::default(),
        })
    }

    pub(super) fn counts(&self) -> Seen {
        Seen { root: self.tree.edge().root(), open: self.chains.len() as u64, ..self.seen.clone() }
    }

    /// Walks to the end, or to the first thing that is wrong.
    pub(super) fn run(&mut self) -> Step {
        let mut outcome = Ok(None);
        let view = self.view;
        view.leaves(0, &mut |index, line| {
            outcome = self.entry(index, line);
            matches!(outcome, Ok(None))
        })?;
        match outcome {
            Ok(None) => self.end(),
            stop => stop,
        }
    }

    fn entry(&mut self, index: u64, line: &[u8]) -> Step {
        let expected = self.tree.edge().size();
        if index != expected {
            return bad(expected, "the entry is missing");
        }
        if index >= self.last.size {
            return bad(index, "no checkpoint signs this entry");
        }
        let place = index % TILE_WIDTH as u64;
        if place == 0 {
            self.tile = self.view.leaf_hashes(index / TILE_WIDTH as u64)?;
        }
        let leaf = leaf_hash(line);
        let said = usize::try_from(place).ok().and_then(|place| self.tile.get(place));
        if said != Some(&leaf) {
            return bad(index, "its bytes do not hash to the leaf hash that the tree holds");
        }
        let mut full = Vec::new();
        self.tree.push(leaf, &mut full);
        if let Some(wrong) = self.tiles(&full)? {
            return Ok(Some(wrong));
        }
        if let Some(wrong) = self.content(index, line, leaf)? {
            return Ok(Some(wrong));
        }
        self.checkpoint(index + 1)
    }

    fn tiles(&mut self, full: &[Tile]) -> Step {
        for tile in full {
            self.seen.tiles += 1;
            if self.view.tile(tile.level, tile.index)?.as_ref() != Some(&tile.bytes) {
                let what = format!("tile {}/{} is not that of its entries", tile.level, tile.index);
                return Ok(Some(Judgement::tampered(None, what)));
            }
        }
        Ok(None)
    }

    /// Compares the root at a size with every checkpoint that names the size.
    fn checkpoint(&mut self, size: u64) -> Step {
        let root = self.tree.edge().root();
        if let Some(pinned) = self.pinned.filter(|pinned| pinned.size == size)
            && pinned.root != root
        {
            let what = format!("the first {size} entries are not those your checkpoint signs");
            return Ok(Some(Judgement::tampered(None, what)));
        }
        let Some(note) = self.view.checkpoint(size)? else {
            return Ok(None);
        };
        let newest = self.stored.checkpoints.saturating_sub(self.seen.checkpoints);
        let checkpoint = if newest <= VERIFY_SIGNATURES_MAX as u64 {
            self.seen.signatures += 1;
            Checkpoint::verify(&note, self.key)
        } else {
            Checkpoint::read_unsigned(&note)
        };
        self.seen.checkpoints += 1;
        let wrong = match checkpoint {
            Err(error) => format!("the checkpoint of size {size}: {error}"),
            Ok(found) if found.origin != self.key.name() || found.size != size => {
                format!("the checkpoint of size {size} is one of another log or size")
            }
            Ok(found) if found.root != root => format!(
                "entries {} to {} do not lead to the root that was signed at size {size}",
                self.sound,
                size - 1
            ),
            Ok(_) => {
                self.sound = size;
                return Ok(None);
            }
        };
        bad(self.sound, wrong)
    }

    /// What an entry says of itself: its type, its session, its payload.
    fn content(&mut self, index: u64, line: &[u8], leaf: Hash) -> Step {
        let entry = match Entry::read(line) {
            Ok(entry) => entry,
            Err(error) => return bad(index, format!("it is no entry of this format: {error}")),
        };
        if index == 0 {
            let ours = entry.kind == kind::BOOT
                && entry.body::<Boot>().is_ok_and(|boot| {
                    boot.origin == self.key.name() && boot.key == self.key.text()
                });
            if !ours {
                return bad(index, "the first entry is not the boot entry of this log");
            }
        }
        if let Some(wrong) = self.session(index, &entry, leaf)? {
            return Ok(Some(wrong));
        }
        let parts = self.view.parts(index)?;
        self.seen.parts += parts.len() as u64;
        match &entry.pl {
            None if parts.is_empty() => Ok(None),
            None => bad(index, "it has no payload, but the store keeps one for it"),
            Some(reference) => {
                self.seen.payloads += 1;
                let bytes: usize = parts.iter().map(Vec::len).sum();
                let same = reference.sha256 == hex(&sha256(&parts))
                    && parts.len() as u64 == u64::from(reference.parts)
                    && bytes as u64 == reference.bytes;
                if same { Ok(None) } else { bad(index, "its payload is not what it commits to") }
            }
        }
    }

    fn session(&mut self, index: u64, entry: &Entry, leaf: Hash) -> Step {
        let Some(session) = &entry.sess else {
            return if entry.sseq.is_none() && entry.sprev.is_none() {
                Ok(None)
            } else {
                bad(index, "it has a place in a session, but names none")
            };
        };
        if !self.chains.contains_key(session) {
            if self.chains.len() >= VERIFY_SESSIONS_MAX {
                let why = format!("more than {VERIFY_SESSIONS_MAX} sessions are open at once");
                return Ok(Some(Judgement::unsure(why)));
            }
            self.seen.sessions += 1;
        }
        let fresh = || (index, Chain::default());
        let (first, chain) = self.chains.entry(session.clone()).or_insert_with(fresh);
        if let Err(what) = chain.follow(entry, leaf) {
            return bad(index, what);
        }
        let first = *first;
        if chain.ended() {
            self.chains.remove(session);
            if self.view.session_ends(session)? != Some((first, index)) {
                return bad(index, "the list of sessions has other ends for its session");
            }
        }
        self.seen.placed += 1;
        let sequence = entry.sseq.unwrap_or_default();
        if self.view.session_entry(session, sequence)? != Some(index) {
            return bad(index, "the index of sessions does not lead to it");
        }
        Ok(None)
    }

    /// Sessions that have not ended stand in both lists of sessions.
    fn open_sessions(&self) -> Step {
        for (session, (first, _)) in &self.chains {
            let listed = self.view.session_ends(session)? == Some((*first, STILL_OPEN))
                && self.view.open_since(session)? == Some(*first);
            if !listed {
                return bad(*first, "its session has not ended, and the lists say otherwise");
            }
        }
        Ok(None)
    }

    /// What only the end can tell: too few entries, and rows that belong to none.
    fn end(&mut self) -> Step {
        let edge = self.tree.edge();
        if edge.size() < self.last.size {
            let what = format!("{} entries are signed, the rest is missing", self.last.size);
            return bad(edge.size(), what);
        }
        if edge.root() != self.last.root {
            let what =
                format!("the entries do not lead to the signed root {}", hex(&self.last.root));
            return bad(self.sound, what);
        }
        if self.view.edge()?.as_ref() != Some(edge) {
            return Ok(Some(Judgement::tampered(
                None,
                "the right edge is not that of the entries",
            )));
        }
        if let Some(what) = self.view.misplaced()? {
            return Ok(Some(Judgement::tampered(None, what)));
        }
        if let Some(wrong) = self.open_sessions()? {
            return Ok(Some(wrong));
        }
        let open = self.chains.len() as u64;
        let rows = [
            ("checkpoints", self.seen.checkpoints, self.stored.checkpoints),
            ("tiles", self.seen.tiles, self.stored.tiles),
            ("leaf hashes of the tail", edge.size() % TILE_WIDTH as u64, self.stored.tail),
            ("payload parts", self.seen.parts, self.stored.parts),
            ("rows in the index of sessions", self.seen.placed, self.stored.placed),
            ("sessions", self.seen.sessions, self.stored.sessions),
            ("open sessions", open, self.stored.open),
        ];
        for (what, expected, found) in rows {
            if expected != found {
                let what = format!("the entries make {expected} {what}, the store has {found}");
                return Ok(Some(Judgement::tampered(None, what)));
            }
        }
        Ok(None)
    }
}

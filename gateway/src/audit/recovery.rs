//! Opening: makes a new log, or checks the newest part of an old one against its own signed
//! checkpoint before a single byte is added.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use time::OffsetDateTime;

use super::checkpoint::{Checkpoint, Signer, hex};
use super::clock::{Clock, Steps};
use super::committer::{Committed, Committer, Health, Item, own};
use super::entry::{Boot, Entry, Event, SessionTorn, kind};
use super::keys::{self, Keystore, MasterKey};
use super::reserve::Reserve;
use super::store::{Mark, PUBLIC_FILE, Place, STORE_FILE, STORE_FORMAT, Store, StoreError, View};
use super::tree::{Edge, Hash, TILE_HEIGHT, TILE_WIDTH, Tree, empty_root, leaf_hash};
use super::{Error, LogSettings, recover};
use crate::limits::RECOVERY_LEAVES;

/// A checked log, to which nothing was added yet.
pub(in crate::audit) struct Ready {
    pub(in crate::audit) committer: Committer,
    pub(in crate::audit) master: MasterKey,
    fresh: bool,
    clean: bool,
    open: Vec<Torn>,
}

/// What an old log holds.
pub(in crate::audit) struct Found {
    pub(in crate::audit) tree: Tree,
    clean: bool,
    pub(in crate::audit) open: Vec<Torn>,
}

/// A session that was left open: where its chain goes on.
pub(in crate::audit) struct Torn {
    session: Arc<str>,
    sequence: u64,
    previous: Hash,
}

pub(in crate::audit) fn open(
    settings: &LogSettings,
    clock: &Arc<Clock>,
    open_store: impl FnOnce(&Path) -> Result<Arc<dyn Store>, StoreError>,
) -> Result<Ready, Error> {
    let dir = &settings.dir;
    check_name("organization", &settings.organization)?;
    check_name("gateway", &settings.gateway)?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| Error::File {
        path: dir.clone(),
        act: "create",
        source,
    })?;
    let store = open_store(&dir.join(STORE_FILE)).map_err(|error| Error::store(dir, error))?;
    let view = store.view().map_err(|error| Error::store(dir, error))?;
    let failed = |error| Error::store(dir, error);
    let size = view.size().map_err(failed)?;
    let fresh = size == 0 && view.last_checkpoint().map_err(failed)?.is_none();
    if fresh && dir.join(PUBLIC_FILE).exists() {
        return Err(Error::Emptied { dir: dir.clone() });
    }
    let format = view.meta("format").map_err(failed)?.unwrap_or_default();
    if !fresh && format != STORE_FORMAT {
        return Err(Error::Format { dir: dir.clone(), found: format });
    }
    let prefix = format!("audit.{}/{}/", settings.organization, settings.gateway);
    let origin = if fresh {
        format!("{prefix}{}", epoch(clock.now().wall))
    } else {
        let found = view.meta("origin").map_err(failed)?.unwrap_or_default();
        if !found.starts_with(&prefix) {
            return Err(Error::OtherLog { found, expected: prefix });
        }
        found
    };
    let pair = keys::signing_key(dir, fresh)?;
    let master = MasterKey::open(dir, fresh)?;
    let signer = Signer::new(&origin, pair).ok_or(Error::Key { path: dir.clone() })?;
    let found = if fresh {
        Found { tree: Tree::default(), clean: true, open: Vec::new() }
    } else {
        check(dir, &view, &signer)?
    };
    drop(view);
    let health = Arc::new(Health::new(Committed {
        size: found.tree.edge().size(),
        root: found.tree.edge().root(),
        checkpoint: String::new(),
    }));
    let keystore = Keystore::open(dir)?;
    let reserve = Reserve::of(dir);
    reserve.fill().map_err(|source| Error::File {
        path: reserve.path().to_owned(),
        act: "keep room for the last entries in",
        source,
    })?;
    let committer = Committer {
        store,
        signer: Arc::new(signer),
        keystore,
        tree: found.tree,
        health,
        clock: Arc::clone(clock),
        steps: Steps::from(clock.now()),
        dir: dir.clone(),
        reserve,
        halt: None,
    };
    Ok(Ready { committer, master, fresh, clean: found.clean, open: found.open })
}

impl Ready {
    /// Writes the first entries of the run: the `boot`, a `session_torn` for each session left
    /// open, and these events.
    pub(in crate::audit) fn begin(
        &mut self,
        config_digest: &str,
        events: Vec<Event>,
    ) -> Result<(), Error> {
        let dir = self.committer.dir.clone();
        let clock = Arc::clone(&self.committer.clock);
        let mut items = self.first_items(config_digest, &clock)?;
        let word = if self.fresh { recover::left(&dir)? } else { None };
        let told = word.is_some();
        for event in word.into_iter().chain(events) {
            let item = own(&clock, kind::EVENT, None, &event.clipped());
            items.push(item.ok_or_else(|| tampered(None, TOO_LONG))?);
        }
        let key = self.committer.signer.key();
        let (origin, key) = (key.name().to_owned(), key.text());
        let meta = [("format", STORE_FORMAT.to_owned()), ("origin", origin), ("vkey", key.clone())];
        let meta = if self.fresh { meta.as_slice() } else { &[] };
        self.committer.begin(items, meta).map_err(|error| Error::store(&dir, error))?;
        keys::publish(&dir, &key)?;
        if told { recover::taken(&dir) } else { Ok(()) }
    }

    fn first_items(&self, config_digest: &str, clock: &Clock) -> Result<Vec<Item>, Error> {
        let edge = self.committer.tree.edge();
        let key = self.committer.signer.key();
        let boot = Boot {
            origin: key.name().to_owned(),
            key: key.text(),
            gateway_version: env!("CARGO_PKG_VERSION").to_owned(),
            config_digest: super::entry::clip(config_digest),
            entries_before: edge.size(),
            root_before: (edge.root() != empty_root()).then(|| hex(&edge.root())),
            clean: self.clean,
            torn: self.open.len() as u64,
        };
        let mut items =
            vec![own(clock, kind::BOOT, None, &boot).ok_or_else(|| tampered(None, TOO_LONG))?];
        items.extend(torn(&self.open, clock, "gateway_stopped")?);
        Ok(items)
    }
}

/// Names go into the origin, which C2SP allows neither spaces nor plus signs.
fn check_name(what: &'static str, name: &str) -> Result<(), Error> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(good) {
        Ok(())
    } else {
        Err(Error::Name { what, name: name.to_owned() })
    }
}

/// The epoch of a log that begins now: `20261123T145506Z`.
fn epoch(wall_nanos: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(wall_nanos))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

fn tampered(index: Option<u64>, what: &str) -> Error {
    Error::Tampered { index, what: what.to_owned() }
}

/// Checks the newest part of a log: its signature, its edge, and its last leaves from their
/// stored bytes.
pub(in crate::audit) fn check(dir: &Path, view: &View, signer: &Signer) -> Result<Found, Error> {
    let failed = |error| Error::store(dir, error);
    let size = view.size().map_err(failed)?;
    let key = view.meta("vkey").map_err(failed)?;
    if key.as_deref() != Some(&signer.key().text()) {
        return Err(tampered(None, "its public key is not the one of signing.key"));
    }
    let (at, note) = view
        .last_checkpoint()
        .map_err(failed)?
        .ok_or_else(|| tampered(None, "it has entries but no checkpoint"))?;
    let checkpoint = Checkpoint::verify(&note, signer.key())
        .map_err(|error| tampered(None, &format!("its last checkpoint: {error}")))?;
    if checkpoint.size != size || at != size {
        let what = format!("it holds {size} entries, its checkpoint signs {}", checkpoint.size);
        return Err(tampered(Some(size.min(checkpoint.size)), &what));
    }
    let tree = rebuild(view, size).map_err(failed)??;
    if tree.edge().root() != checkpoint.root {
        return Err(tampered(None, "its newest entries do not lead to the signed root"));
    }
    if view.edge().map_err(failed)?.as_ref() != Some(tree.edge()) {
        return Err(tampered(None, "its stored right edge is not that of its entries"));
    }
    let last = view.leaf(size.saturating_sub(1)).map_err(failed)?.unwrap_or_default();
    let clean = Entry::read(&last).is_ok_and(|entry| {
        entry.kind == kind::EVENT && matches!(entry.body(), Ok(Event::Shutdown { .. }))
    });
    Ok(Found { tree, clean, open: open_sessions(view).map_err(failed)? })
}

/// The tree of a stored log: partial tiles again from what lies below them, and the last
/// [`RECOVERY_LEAVES`] leaves again from their bytes.
fn rebuild(view: &View, size: u64) -> Result<Result<Tree, Error>, StoreError> {
    let tile_start = size - size % TILE_WIDTH as u64;
    let from = size.saturating_sub(RECOVERY_LEAVES).min(tile_start);
    let mut leaves = Vec::new();
    view.leaves(from, &mut |index, bytes| {
        leaves.push((index, leaf_hash(bytes)));
        true
    })?;
    let mut tile = (u64::MAX, Vec::new());
    let mut partial = vec![Vec::new()];
    for ((index, hash), expected) in leaves.into_iter().zip(from..) {
        if index != expected {
            return Ok(Err(tampered(Some(expected), "an entry is missing")));
        }
        let number = index / TILE_WIDTH as u64;
        if tile.0 != number {
            tile = (number, view.leaf_hashes(number)?);
        }
        let place = usize::try_from(index % TILE_WIDTH as u64).unwrap_or(usize::MAX);
        if tile.1.get(place) != Some(&hash) {
            return Ok(Err(tampered(Some(index), "it does not hash to its leaf hash")));
        }
        if index >= tile_start {
            partial.iter_mut().for_each(|level| level.push(hash));
        }
    }
    let mut width = size >> TILE_HEIGHT;
    for level in 0..u8::MAX {
        if width == 0 {
            break;
        }
        let mut hashes = Vec::new();
        for number in (width - width % TILE_WIDTH as u64)..width {
            let mut edge = Edge::default();
            tile_hashes(view, level, number)?.into_iter().for_each(|hash| edge.push(hash));
            if edge.size() != TILE_WIDTH as u64 {
                return Ok(Err(tampered(None, "a tile is missing")));
            }
            hashes.push(edge.root());
        }
        partial.push(hashes);
        width >>= TILE_HEIGHT;
    }
    Ok(Tree::from_partial(partial).ok_or_else(|| tampered(None, "its tiles do not fit together")))
}

fn tile_hashes(view: &View, level: u8, index: u64) -> Result<Vec<Hash>, StoreError> {
    let bytes = view.tile(level, index)?.unwrap_or_default();
    Ok(bytes.as_chunks::<32>().0.to_vec())
}

fn open_sessions(view: &View) -> Result<Vec<Torn>, StoreError> {
    let mut torn = Vec::new();
    for session in view.open_sessions()? {
        let Some((sequence, index)) = view.session_last(&session)? else { continue };
        let previous = leaf_hash(&view.leaf(index)?.unwrap_or_default());
        torn.push(Torn { session: session.into(), sequence: sequence + 1, previous });
    }
    Ok(torn)
}

const TOO_LONG: &str = "an entry of its own is too long";

/// A `session_torn` for each session that can't go on.
pub(in crate::audit) fn torn(
    sessions: &[Torn],
    clock: &Clock,
    reason: &str,
) -> Result<Vec<Item>, Error> {
    let items = sessions.iter().map(|torn| {
        let (session, sequence) = (Arc::clone(&torn.session), torn.sequence);
        let body = SessionTorn { reason: reason.to_owned(), entries: sequence };
        let place = (Place { session, sequence, mark: Mark::Last }, Some(torn.previous));
        own(clock, kind::SESSION_TORN, Some(place), &body).ok_or_else(|| tampered(None, TOO_LONG))
    });
    items.collect()
}

#[cfg(test)]
mod tests;

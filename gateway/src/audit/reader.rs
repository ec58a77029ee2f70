//! Reading: sessions and their entries, from a live log or one that no gateway holds.
//!
//! The index only finds entries. What a session's record shows is checked against its chain, so
//! a doctored index shows as a gap and hides nothing silently.

mod follow;
mod work;

pub use follow::{Asked, Follower, Stored, Stretch, Words};
pub use work::{WorkKind, WorkRecord};

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use zeroize::Zeroizing;

use super::checkpoint::hex;
use super::entry::{
    Entry, Request, RequestState, Response, SessionEnd, SessionStart, SessionTorn, kind,
};
use super::keys::MasterKey;
use super::proof::Proof;
use super::seal;
use super::store::{PUBLIC_FILE, STORE_FILE, Sealed, Store, StoreError, View};
use super::tree::{self, Edge, Hash, TILE_WIDTH, leaf_hash};
use super::{Error, Standing, verify};
use crate::limits::REPORT_ENTRIES_MAX;
use crate::session::Work;

/// Reads a log. Each call sees what is committed at that time, and blocks while it reads.
#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn Store>,
    master: Option<Arc<MasterKey>>,
    key: String,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({})", self.key)
    }
}

/// How a session stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It has ended and said so.
    Ended,
    /// It has no last entry yet.
    Open,
    /// It ended without saying so.
    Torn,
}

/// One line of the list of sessions. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the fields are those of session_start and session_end")]
pub struct SessionSummary {
    pub id: String,
    pub agent: String,
    pub subject: String,
    pub issuer: String,
    pub target: String,
    pub protocol: String,
    pub database: String,
    pub role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Work>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Work>,
    pub state: SessionState,
    pub started: u64,
    pub ended: Option<u64>,
    pub reason: Option<String>,
    pub entries: u64,
    pub requests: u64,
    pub denied: u64,
    pub held: u64,
    pub rows: u64,
    pub masked_cells: u64,
}

/// What became of an entry's payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Payload {
    /// Its bytes do not hash to what the entry says, or do not open with the session's key.
    Damaged,
    /// The entry has none.
    None,
    /// Decrypted.
    Plain(Vec<u8>),
    /// The session's key is not there: erased, or the copy came without keys.
    Sealed,
}

/// One entry of a session.
#[derive(Debug)]
pub struct Record {
    /// Its place in the log.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// The entry's bytes, as stored.
    pub line: Vec<u8>,
    /// The entry.
    pub entry: Entry,
    /// Its payload.
    pub payload: Payload,
}

/// One session, whole.
#[derive(Debug)]
pub struct SessionRecord {
    /// The summary.
    pub summary: SessionSummary,
    /// Its entries in order.
    pub records: Vec<Record>,
    /// Every place where the chain does not hold, in words; empty when all is well.
    pub gaps: Vec<String>,
    /// Entries beyond the [`REPORT_ENTRIES_MAX`] shown.
    pub more: u64,
    /// The checkpoint that covers them.
    pub checkpoint: String,
    /// Proof that the last entry shown is in the log.
    pub inclusion: Inclusion,
    /// The same proof, with its checkpoint.
    pub proof: Proof,
}

/// An RFC 6962 inclusion proof.
#[derive(Clone, Debug, Serialize)]
pub struct Inclusion {
    /// The entry's place.
    pub index: u64,
    /// The tree's size: that of the checkpoint.
    pub size: u64,
    /// The leaf hash, hex.
    pub leaf: String,
    /// The proof, lowest first, hex.
    pub hashes: Vec<String>,
}

impl Reader {
    pub(in crate::audit) fn live(
        store: Arc<dyn Store>,
        master: Option<Arc<MasterKey>>,
        key: String,
    ) -> Self {
        Self { store, master, key }
    }

    /// Opens the log in a folder that no gateway holds. Nothing is changed. Without
    /// `master.key` and `session.keys` payloads stay sealed.
    ///
    /// # Errors
    /// There is no log, it is in use, or it can't be read.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(STORE_FILE);
        let store = Sealed::open(&path).map_err(|error| Error::store(&path, error))?;
        let master = match MasterKey::open(dir, false) {
            Ok(master) => Some(Arc::new(master)),
            Err(Error::KeyMissing { .. }) => None,
            Err(error) => return Err(error),
        };
        let key = std::fs::read_to_string(dir.join(PUBLIC_FILE)).unwrap_or_default();
        Ok(Self { store: Arc::new(store), master, key: key.trim().to_owned() })
    }

    /// Opens a copy of a store, which comes without keys: payloads stay sealed.
    ///
    /// # Errors
    /// It is no store, or it can't be read.
    pub fn open_copy(file: &Path) -> Result<Self, Error> {
        let store = Sealed::open(file).map_err(|error| Error::store(file, error))?;
        Ok(Self { store: Arc::new(store), master: None, key: String::new() })
    }

    /// Hands over every entry in order, as stored, until `each` returns false. Entries of no
    /// session, such as refusals, are found in no other way.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn entries(&self, each: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<(), Error> {
        let view = self.view()?;
        for index in 0..view.size().map_err(store_error)? {
            let line = view.leaf(index).map_err(store_error)?.unwrap_or_default();
            if !each(index, &line) {
                break;
            }
        }
        Ok(())
    }

    /// The log's public key, `name+hash+key`; empty when the folder has none.
    pub fn public_key(&self) -> &str {
        &self.key
    }

    /// The newest sessions first, at most `limit`.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn sessions(&self, limit: usize) -> Result<Vec<SessionSummary>, Error> {
        let view = self.view()?;
        let mut ids = Vec::new();
        view.sessions(&mut |id, _| {
            if ids.len() < limit {
                ids.push(id.to_owned());
            }
            ids.len() < limit
        })
        .map_err(store_error)?;
        let summaries = ids.iter().map(|id| summary(&view, id).map_err(store_error));
        summaries.filter_map(Result::transpose).collect()
    }

    /// One session, whole, with decrypted payloads; `None` when the log has no such session.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn session(&self, id: &str) -> Result<Option<SessionRecord>, Error> {
        let view = self.view()?;
        let Some(summary) = summary(&view, id).map_err(store_error)? else { return Ok(None) };
        let key = self.payload_key(id)?;
        let mut places = Vec::new();
        let mut more = 0;
        let mut walk = |sequence, index| {
            if places.len() < REPORT_ENTRIES_MAX {
                places.push((sequence, index))
            } else {
                more += 1
            }
            true
        };
        view.session(id, &mut walk).map_err(store_error)?;
        let mut chain = verify::Chain::default();
        let (mut records, mut gaps) = (Vec::new(), Vec::new());
        for (_, index) in places {
            let line = view.leaf(index).map_err(store_error)?.unwrap_or_default();
            let Ok(entry) = Entry::read(&line) else {
                gaps.push(format!("entry {index} can't be read"));
                continue;
            };
            let leaf = leaf_hash(&line);
            if let Err(what) = chain.follow(&entry, leaf) {
                gaps.push(format!("entry {index}: {what}"));
            }
            let payload = payload(&view, id, index, &entry, key.as_ref().map(|key| key.as_slice()));
            let payload = payload.map_err(store_error)?;
            records.push(Record { index, leaf, line, entry, payload });
        }
        let (size, checkpoint) = view.last_checkpoint().map_err(store_error)?.unwrap_or_default();
        let last = records.last().map_or((0, [0; 32]), |record| (record.index, record.leaf));
        let hashes =
            tree::inclusion_proof(last.0, size, &mut |from, count| subtree(&view, from, count));
        let hashes = hashes.map_err(store_error)?;
        let inclusion = Inclusion {
            index: last.0,
            size,
            leaf: hex(&last.1),
            hashes: hashes.iter().map(|hash| hex(hash)).collect(),
        };
        let proof = Proof { index: last.0, hashes, checkpoint: checkpoint.clone() };
        Ok(Some(SessionRecord { summary, records, gaps, more, checkpoint, inclusion, proof }))
    }

    /// The key of one session's payloads; `None` when it was erased or the copy has no keys.
    pub(in crate::audit) fn payload_key(
        &self,
        id: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        self.master.as_ref().map_or(Ok(None), |master| master.session(id))
    }

    /// How far the log is now; `None` when it has no entry.
    ///
    /// # Errors
    /// The store can't be read, or the log's public key is not there.
    pub fn standing(&self) -> Result<Option<Standing>, Error> {
        Standing::of(self.clone())
    }

    pub(in crate::audit) fn view(&self) -> Result<View, Error> {
        self.store.view().map_err(store_error)
    }
}

fn store_error(error: StoreError) -> Error {
    Error::store(Path::new(STORE_FILE), error)
}

fn summary(view: &View, id: &str) -> Result<Option<SessionSummary>, StoreError> {
    let read = |index| -> Result<Option<Entry>, StoreError> {
        Ok(view.leaf(index)?.and_then(|line| Entry::read(&line).ok()))
    };
    let Some(first) = view.session_entry(id, 0)? else { return Ok(None) };
    let Some(start) = read(first)? else { return Ok(None) };
    let Ok(body) = start.body::<SessionStart>() else { return Ok(None) };
    let mut summary = SessionSummary {
        id: id.to_owned(),
        agent: body.agent,
        subject: body.token.subject,
        issuer: body.token.issuer,
        target: body.target,
        protocol: body.protocol,
        database: body.database,
        role: body.role,
        task: body.task,
        ticket: body.ticket,
        state: SessionState::Open,
        started: start.ts,
        ended: None,
        reason: None,
        entries: 0,
        requests: 0,
        denied: 0,
        held: 0,
        rows: 0,
        masked_cells: 0,
    };
    let Some((last_sequence, last)) = view.session_last(id)? else { return Ok(None) };
    summary.entries = last_sequence + 1;
    let last = read(last)?;
    if let Some(entry) = last.as_ref().filter(|entry| entry.kind == kind::SESSION_END)
        && let Ok(end) = entry.body::<SessionEnd>()
    {
        summary.state = SessionState::Ended;
        summary.ended = Some(entry.ts);
        summary.reason = Some(end.reason);
        summary.requests = end.requests;
        summary.denied = end.denied;
        summary.held = end.held;
        summary.rows = end.rows;
        summary.masked_cells = end.masked_cells;
        return Ok(Some(summary));
    }
    if let Some(entry) = last.as_ref().filter(|entry| entry.kind == kind::SESSION_TORN) {
        summary.state = SessionState::Torn;
        summary.ended = Some(entry.ts);
        summary.reason = entry.body::<SessionTorn>().ok().map(|torn| torn.reason);
    }
    let mut places = Vec::new();
    view.session(id, &mut |_, index| {
        places.push(index);
        places.len() < REPORT_ENTRIES_MAX
    })?;
    for index in places {
        if let Some(entry) = read(index)? {
            count(&mut summary, &entry);
        }
    }
    Ok(Some(summary))
}

fn count(summary: &mut SessionSummary, entry: &Entry) {
    if entry.kind == kind::REQUEST
        && let Ok(request) = entry.body::<Request>()
    {
        summary.requests = summary.requests.max(request.number);
        summary.denied += u64::from(request.state == RequestState::Denied);
        summary.held += u64::from(request.state == RequestState::Held);
    }
    if entry.kind == kind::RESPONSE
        && let Ok(response) = entry.body::<Response>()
    {
        summary.rows = summary.rows.saturating_add(response.rows);
        summary.masked_cells = summary.masked_cells.saturating_add(response.masked_cells);
    }
}

fn payload(
    view: &View,
    session: &str,
    index: u64,
    entry: &Entry,
    key: Option<&[u8]>,
) -> Result<Payload, StoreError> {
    let Some(reference) = &entry.pl else { return Ok(Payload::None) };
    let parts = view.parts(index)?;
    if hex(&tree::sha256(&parts)) != reference.sha256 {
        return Ok(Payload::Damaged);
    }
    let Some(key) = key else { return Ok(Payload::Sealed) };
    Ok(seal::open(key, session, reference, parts).map_or(Payload::Damaged, Payload::Plain))
}

/// Root of an aligned perfect subtree, from tiles where they are full, else from leaves.
pub(in crate::audit) fn subtree(view: &View, from: u64, count: u64) -> Result<Hash, StoreError> {
    if count <= 1 {
        return Ok(leaf_hash(&view.leaf(from)?.unwrap_or_default()));
    }
    let bits = count.trailing_zeros();
    if bits.is_multiple_of(tree::TILE_HEIGHT) {
        let level = u8::try_from(bits / tree::TILE_HEIGHT - 1).unwrap_or(u8::MAX);
        let bytes = view.tile(level, from / count)?.unwrap_or_default();
        let mut edge = Edge::default();
        bytes.as_chunks::<32>().0.iter().for_each(|hash| edge.push(*hash));
        if edge.size() == TILE_WIDTH as u64 {
            return Ok(edge.root());
        }
    }
    let half = count / 2;
    Ok(tree::node_hash(&subtree(view, from, half)?, &subtree(view, from + half, half)?))
}

#[cfg(test)]
mod tests;

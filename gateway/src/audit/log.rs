//! The open log: starts the committer, takes what belongs to no session, begins sessions.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::checkpoint::Signer;
use super::clock::Clock;
use super::committer::{Committed, Health, Item, unavailable};
use super::entry::{self, Event, Frame, TokenBinding, clip, kind};
use super::keys::MasterKey;
use super::queue::{Outgoing, queue};
use super::reader::{Reader, WorkKind};
use super::recorder::Recorder;
use super::store::{Row, Store};
use super::tree::leaf_hash;
use super::{Durability, Error, LogSettings, Standing, bundle, recovery, store};
use crate::fault::{Blame, Fault};
use crate::identity::Claims;
use crate::limits::{
    ENTRY_BYTES_MAX, LOG_QUEUE_BYTES_MAX, LOG_QUEUE_MILLIS_MAX, REFUSAL_BURST, REFUSALS_PER_SECOND,
};
use crate::session::Session;

/// Bytes that one permit of the queue's semaphore stands for.
const ROOM_BYTES: usize = 1024;

/// The log of record, open for writing. Clones share it.
#[derive(Clone)]
pub struct Log(Arc<Core>);

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({})", self.0.origin)
    }
}

/// How the log is, for status pages.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LogStatus {
    /// `audit.<organization>/<gateway>/<epoch>`.
    pub origin: String,
    /// Entries committed.
    pub size: u64,
    /// Root of the tree over them, hex.
    pub root: String,
    /// The signed checkpoint of the last commit (C2SP signed note).
    pub checkpoint: String,
    /// The public key, `name+hash+key` (C2SP signed-note).
    pub public_key: String,
    /// False once a write failed: everything is refused until the gateway is started again or,
    /// when the disk was full, until it has room.
    pub healthy: bool,
}

/// An attempt that became no session.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The configured name of the listener.
    pub listener: String,
    /// The caller's address.
    pub peer: SocketAddr,
    /// The stage that refused: `listener`, `identity`, `session`, ...
    pub stage: &'static str,
    /// Why.
    pub fault: Fault,
    /// What the token said, when it was verified.
    pub claims: Option<Claims>,
    /// More, for the operator; never a token.
    pub detail: Option<String>,
}

/// What the log and its recorders share.
pub(in crate::audit) struct Core {
    queue: Option<Outgoing>,
    thread: Option<JoinHandle<()>>,
    room: Arc<Semaphore>,
    pub(in crate::audit) clock: Arc<Clock>,
    pub(in crate::audit) master: Arc<MasterKey>,
    signer: Arc<Signer>,
    health: Arc<Health>,
    store: Arc<dyn Store>,
    origin: String,
    public_key: String,
    dir: PathBuf,
    refusals: Mutex<Bucket>,
}

/// Lets a burst of refusals through, then a steady rate; the rest is counted.
struct Bucket {
    saved_nanos: u64,
    last_nanos: u64,
    suppressed: u64,
}

const REFUSAL_NANOS: u64 = 1_000_000_000 / REFUSALS_PER_SECOND;

impl Bucket {
    /// The number suppressed before this one, when this one may pass.
    fn pass(&mut self, now: u64) -> Option<u64> {
        let gained = now.saturating_sub(self.last_nanos);
        self.last_nanos = self.last_nanos.max(now);
        self.saved_nanos =
            self.saved_nanos.saturating_add(gained).min(REFUSAL_BURST * REFUSAL_NANOS);
        match self.saved_nanos.checked_sub(REFUSAL_NANOS) {
            Some(rest) => {
                self.saved_nanos = rest;
                Some(std::mem::take(&mut self.suppressed))
            }
            None => {
                self.suppressed = self.suppressed.saturating_add(1);
                None
            }
        }
    }
}

impl Log {
    /// Opens the log, or makes a new one with new keys in an empty folder.
    ///
    /// Blocks: it reads and syncs files. Sessions that the previous run left open get a
    /// `session_torn`, and a `boot` entry is written before this returns.
    ///
    /// # Errors
    /// The folder is in use, a key is missing or readable by others, the log belongs to another
    /// gateway, or its newest part does not agree with its signed checkpoint.
    pub fn open(settings: &LogSettings, config_digest: &str) -> Result<Self, Error> {
        Self::open_with(settings, config_digest, |path| {
            store::RedbStore::open(path).map(|store| Arc::new(store) as Arc<dyn Store>)
        })
    }

    /// Opens the log as [`open`](Self::open) does, and adds nothing to it yet: so that it can be
    /// compared with what others remember of it. Blocks.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn prepare(settings: &LogSettings) -> Result<Prepared, Error> {
        Self::prepare_with(settings, |path| {
            store::RedbStore::open(path).map(|store| Arc::new(store) as Arc<dyn Store>)
        })
    }

    fn prepare_with(
        settings: &LogSettings,
        open_store: impl FnOnce(&Path) -> Result<Arc<dyn Store>, store::StoreError>,
    ) -> Result<Prepared, Error> {
        let clock = Arc::new(Clock::start());
        recovery::open(settings, &clock, open_store).map(Prepared)
    }

    pub(in crate::audit) fn open_with(
        settings: &LogSettings,
        config_digest: &str,
        open_store: impl FnOnce(&Path) -> Result<Arc<dyn Store>, store::StoreError>,
    ) -> Result<Self, Error> {
        Self::prepare_with(settings, open_store)?.begin(config_digest, Vec::new())
    }

    fn run(ready: recovery::Ready) -> Result<Self, Error> {
        let recovery::Ready { committer, master, .. } = ready;
        let (clock, dir) = (Arc::clone(&committer.clock), committer.dir.clone());
        let health = Arc::clone(&committer.health);
        let store = Arc::clone(&committer.store);
        let signer = Arc::clone(&committer.signer);
        let public_key = signer.key().text();
        let origin = signer.key().name().to_owned();
        let (queue, incoming) = queue();
        let thread = std::thread::Builder::new()
            .name("audit-committer".to_owned())
            .spawn(move || committer.run(&incoming))
            .map_err(|source| Error::File {
                path: dir.clone(),
                act: "start the committer for",
                source,
            })?;
        Ok(Self(Arc::new(Core {
            queue: Some(queue),
            thread: Some(thread),
            room: Arc::new(Semaphore::new(LOG_QUEUE_BYTES_MAX / ROOM_BYTES)),
            refusals: Mutex::new(Bucket {
                saved_nanos: REFUSAL_BURST * REFUSAL_NANOS,
                last_nanos: clock.now().mono,
                suppressed: 0,
            }),
            clock,
            master: Arc::new(master),
            signer,
            health,
            store,
            origin,
            public_key,
            dir,
        })))
    }

    /// Begins a session: its `session_start`, with everything the token said, is durable when
    /// this returns.
    ///
    /// # Errors
    /// The log can't record it, so the session must not begin.
    pub async fn begin(
        &self,
        session: &Session,
        durability: Durability,
    ) -> Result<Recorder, Fault> {
        Recorder::begin(Arc::clone(&self.0), session, durability).await
    }

    /// Records an attempt that became no session. Above a rate, refusals are counted and the
    /// next one recorded says how many. A log that fails here shows in [`Log::status`].
    pub async fn refusal(&self, refusal: Refusal) {
        let passed = {
            let mut bucket = self.0.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.pass(self.0.clock.now().mono)
        };
        let Some(suppressed) = passed else { return };
        let body = entry::Refusal {
            listener: clip(&refusal.listener),
            peer: refusal.peer.to_string(),
            stage: refusal.stage.to_owned(),
            code: refusal.fault.code.to_owned(),
            message: clip(&refusal.fault.message),
            detail: refusal.detail.or(refusal.fault.detail).as_deref().map(clip),
            token: refusal.claims.as_ref().map(TokenBinding::brief),
            suppressed,
        };
        let recorded = match self.0.record(kind::REFUSAL, &body).await {
            // Claims of absurd length must not make a refusal disappear.
            Err(_) if body.token.is_some() => {
                let body = entry::Refusal { token: None, ..body };
                self.0.record(kind::REFUSAL, &body).await
            }
            recorded => recorded,
        };
        if let Err(fault) = recorded {
            tracing::error!(code = fault.code, "a refusal could not be recorded");
        }
    }

    /// Records something of the gateway itself; durable when this returns.
    ///
    /// # Errors
    /// The log can't record it.
    pub async fn event(&self, event: Event) -> Result<(), Fault> {
        self.0.record(kind::EVENT, &event.clipped()).await.map(|_| ())
    }

    /// How the log is.
    pub fn status(&self) -> LogStatus {
        let Committed { size, root, checkpoint } = self.0.health.committed();
        LogStatus {
            origin: self.0.origin.clone(),
            size,
            root: super::checkpoint::hex(&root),
            checkpoint,
            public_key: self.0.public_key.clone(),
            healthy: self.0.health.healthy(),
        }
    }

    /// Reads the live log; each call of the reader sees what is committed then.
    pub fn reader(&self) -> Reader {
        let key = self.0.public_key.clone();
        Reader::live(Arc::clone(&self.0.store), Some(Arc::clone(&self.0.master)), key)
    }

    /// Writes a session's report bundle to a new file; false when the log has no such session.
    /// Blocks.
    ///
    /// # Errors
    /// The file exists, can't be written, or the session can't be read whole.
    pub fn bundle_to(&self, id: &str, path: &Path) -> Result<bool, Error> {
        bundle::create(&self.reader(), &self.0.signer, id, path)
    }

    /// The same for every session of a task or ticket.
    ///
    /// # Errors
    /// As for one session.
    pub fn work_bundle_to(&self, kind: WorkKind, id: &str, path: &Path) -> Result<bool, Error> {
        bundle::create_work(&self.reader(), &self.0.signer, (kind, id), path)
    }

    /// Writes a consistent copy of the live store to a new file, for `audit verify`. Blocks. The
    /// copy holds no keys: payloads stay sealed. A failed copy leaves its file behind.
    ///
    /// # Errors
    /// The file exists, can't be written, or the store can't be read.
    pub fn snapshot_to(&self, path: &Path) -> Result<(), Error> {
        let view = self.0.store.view().map_err(|error| Error::store(&self.0.dir, error))?;
        store::copy(&view, path).map_err(|error| Error::store(path, error))
    }
}

/// A log that was opened and checked, and not yet written to.
pub struct Prepared(recovery::Ready);

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prepared({})", self.0.committer.signer.key().name())
    }
}

impl Prepared {
    /// How far the log is; `None` when it is a new one.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn standing(&self) -> Result<Option<Standing>, Error> {
        let committer = &self.0.committer;
        let key = committer.signer.key().text();
        Reader::live(Arc::clone(&committer.store), None, key).standing()
    }

    /// Writes the first entries of the run, these events among them, and starts. Blocks.
    ///
    /// # Errors
    /// They can't be written.
    pub fn begin(mut self, config_digest: &str, events: Vec<Event>) -> Result<Log, Error> {
        self.0.begin(config_digest, events)?;
        Log::run(self.0)
    }
}

impl Core {
    /// Waits for room in the queue; the bytes count until they are committed.
    pub(in crate::audit) async fn reserve(
        &self,
        bytes: usize,
    ) -> Result<OwnedSemaphorePermit, Fault> {
        if !self.health.healthy() {
            return Err(unavailable("an earlier write to the log failed"));
        }
        let permits = u32::try_from(bytes.div_ceil(ROOM_BYTES)).unwrap_or(u32::MAX);
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(permits) {
            return Ok(room);
        }
        let room = Arc::clone(&self.room).acquire_many_owned(permits);
        match tokio::time::timeout(Duration::from_millis(LOG_QUEUE_MILLIS_MAX), room).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(unavailable("the queue of the log is full")),
        }
    }

    /// Room for a small entry when there is some now; for places that can't wait.
    pub(in crate::audit) fn reserve_now(&self) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(ENTRY_BYTES_MAX.div_ceil(ROOM_BYTES)).ok()?;
        Arc::clone(&self.room).try_acquire_many_owned(permits).ok()
    }

    /// Gives back what was reserved beyond these bytes.
    pub(in crate::audit) fn trim(room: &mut OwnedSemaphorePermit, bytes: usize) {
        let surplus = room.num_permits().saturating_sub(bytes.div_ceil(ROOM_BYTES));
        drop(room.split(surplus));
    }

    /// How often the log has halted; an entry of a session carries what held at its beginning.
    pub(in crate::audit) fn halts(&self) -> u64 {
        self.health.halts()
    }

    /// Hands an entry to the committer.
    pub(in crate::audit) fn enqueue(&self, item: Item) -> Result<(), Fault> {
        if !self.health.healthy() {
            return Err(unavailable("an earlier write to the log failed"));
        }
        if item.halts.is_some_and(|then| then != self.health.halts()) {
            let message = "the audit log stopped during this session, so no more of it can be \
                           recorded";
            return Err(Fault::new(Blame::Operator, "log_halted", "58030", message)
                .hint("Connect again: a new session can be recorded."));
        }
        let gone = || unavailable("the log's committer has ended");
        self.queue.as_ref().ok_or_else(gone)?.send(item)
    }

    /// Records an entry that belongs to no session, and waits until it is durable.
    async fn record<B: Serialize>(&self, kind: &'static str, body: &B) -> Result<u64, Fault> {
        let room = self.reserve(ENTRY_BYTES_MAX).await?;
        let frame = Frame {
            kind,
            link: None,
            time: self.clock.now(),
            boot: self.clock.boot(),
            buffered: false,
            payload: None,
        };
        let line = frame.line(body).ok_or_else(|| unavailable("the entry is too long"))?;
        let (notify, done) = oneshot::channel();
        self.enqueue(Item {
            row: Row { leaf: leaf_hash(&line), line, parts: Vec::new(), place: None },
            key_line: None,
            room: Some(room),
            notify: Some(notify),
            halts: None,
        })?;
        done.await.unwrap_or_else(|_| Err(unavailable("the log's committer has ended")))
    }
}

impl Drop for Core {
    /// Lets the committer finish what is queued, so that the folder is free afterwards.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A committer that panicked has nothing more to say: its log is poisoned already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;

//! The committer: one thread that takes everything queued, grows the tree, signs a checkpoint,
//! commits all of it at once, and only then tells who waits.
//!
//! The next batch forms while the previous one syncs. A commit that fails poisons the log for good:
//! after a failed sync nobody knows what is on the disk, so nothing is tried twice. Only a log
//! without room comes back by itself (see `halt`).

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::checkpoint::Signer;
use super::clock::{Clock, Steps};
use super::entry::{Frame, Link, kind};
use super::halt::Halt;
use super::keys::Keystore;
use super::queue::Incoming;
use super::reserve::Reserve;
use super::store::{Batch, Place, Row, Store, StoreError};
use super::tree::{Hash, Tree, leaf_hash};
use crate::fault::{Blame, Fault};
use crate::limits::LOG_HALT_TICK_MILLIS;

/// The answer to everything when the log can't be written.
pub(in crate::audit) fn unavailable(detail: &str) -> Fault {
    Fault::new(
        Blame::Operator,
        "log_unavailable",
        "58030",
        "the audit log can't record this now, so it is refused",
    )
    .detail(detail)
    .hint("The operator of the gateway finds the reason in its status and its own messages.")
}

/// Tells one waiter what became of its entry: its index in the log.
pub(in crate::audit) type Notify = oneshot::Sender<Result<u64, Fault>>;

/// One entry on its way.
pub(in crate::audit) struct Item {
    pub(in crate::audit) row: Row,
    /// The keystore line of a session's key; durable before the entry is.
    pub(in crate::audit) key_line: Option<String>,
    /// Room in the queue, given back after the commit.
    pub(in crate::audit) room: Option<OwnedSemaphorePermit>,
    pub(in crate::audit) notify: Option<Notify>,
    /// For an entry of a session: how often the log had halted when the session began.
    pub(in crate::audit) halts: Option<u64>,
}

impl Item {
    /// What it weighs in a batch.
    pub(in crate::audit) fn bytes(&self) -> usize {
        self.row.parts.iter().map(Vec::len).sum()
    }
}

/// What is committed, as others may see it.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Committed {
    pub(in crate::audit) size: u64,
    pub(in crate::audit) root: Hash,
    pub(in crate::audit) checkpoint: String,
}

/// Shared by the committer and the log.
#[derive(Debug)]
pub(in crate::audit) struct Health {
    healthy: AtomicBool,
    /// How often it stopped for want of room.
    halts: AtomicU64,
    committed: Mutex<Committed>,
}

impl Health {
    pub(in crate::audit) fn new(committed: Committed) -> Self {
        let healthy = AtomicBool::new(true);
        Self { healthy, halts: AtomicU64::new(0), committed: Mutex::new(committed) }
    }

    /// False from a failed commit on; true again once a log without room has room.
    pub(in crate::audit) fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }

    /// How often the log stopped for want of room. A session that began before a halt has entries
    /// that were never written, so nothing of it can be recorded any more.
    pub(in crate::audit) fn halts(&self) -> u64 {
        self.halts.load(Ordering::Acquire)
    }

    pub(in crate::audit) fn fail(&self) {
        self.healthy.store(false, Ordering::Release);
        self.halts.fetch_add(1, Ordering::AcqRel);
    }

    pub(in crate::audit) fn recover(&self) {
        self.healthy.store(true, Ordering::Release);
    }

    /// What is committed.
    pub(in crate::audit) fn committed(&self) -> Committed {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn advance(&self, committed: Committed) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = committed;
    }
}

/// Poisons the log however the committer's thread ends.
struct Ending(Arc<Health>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.healthy.store(false, Ordering::Release);
    }
}

/// Everything the committer's thread owns.
pub(in crate::audit) struct Committer {
    pub(in crate::audit) store: Arc<dyn Store>,
    pub(in crate::audit) signer: Arc<Signer>,
    pub(in crate::audit) keystore: Keystore,
    pub(in crate::audit) tree: Tree,
    pub(in crate::audit) health: Arc<Health>,
    pub(in crate::audit) clock: Arc<Clock>,
    pub(in crate::audit) steps: Steps,
    /// The log's folder.
    pub(in crate::audit) dir: PathBuf,
    pub(in crate::audit) reserve: Reserve,
    /// There while the log is stopped for want of room.
    pub(in crate::audit) halt: Option<Halt>,
}

impl Committer {
    /// Commits what is queued until every sender is gone.
    pub(in crate::audit) fn run(mut self, queue: &Incoming) {
        let ending = Ending(Arc::clone(&self.health));
        while let Some(batch) = self.next(queue) {
            if self.halt.is_some() {
                refuse(batch, "the log has no room");
                self.stand_up();
                continue;
            }
            if !self.health.healthy() {
                refuse(batch, "an earlier write to the log failed");
                continue;
            }
            let batch = self.of_today(batch);
            let (rows, waiting) = split(batch);
            match self.commit(&rows, &waiting, &[]) {
                Ok(first) => {
                    for (waiter, index) in waiting.into_iter().zip(first..) {
                        waiter.tell(Ok(index));
                    }
                }
                Err(error) => {
                    self.health.fail();
                    tracing::error!(%error, "the audit log failed; everything is refused now");
                    for waiter in waiting {
                        waiter.tell(Err(unavailable("writing to the log failed")));
                    }
                    if let StoreError::Full(reason) = error {
                        self.halt = Some(Halt::new(reason));
                        self.stand_up();
                    }
                }
            }
        }
        drop(ending);
    }

    fn next(&self, queue: &Incoming) -> Option<Vec<Item>> {
        match self.halt {
            None => queue.take(),
            Some(_) => queue.take_within(Duration::from_millis(LOG_HALT_TICK_MILLIS)),
        }
    }

    /// Refuses what belongs to a session that began before the last halt, and puts a step of the
    /// clock before the entries that were stamped after it.
    fn of_today(&mut self, batch: Vec<Item>) -> Vec<Item> {
        let halts = self.health.halts();
        let (mut batch, stale): (Vec<Item>, Vec<Item>) =
            batch.into_iter().partition(|item| item.halts.is_none_or(|then| then == halts));
        refuse(stale, "the log halted during this session");
        if let Some(event) = self.steps.check(self.clock.now())
            && let Some(item) = own(&self.clock, kind::EVENT, None, &event)
        {
            batch.insert(0, item);
        }
        batch
    }

    /// Writes one batch; gives the index of its first entry.
    pub(in crate::audit) fn commit(
        &mut self,
        rows: &[Row],
        waiting: &[Waiter],
        meta: &[(&'static str, String)],
    ) -> Result<u64, StoreError> {
        let lines: String =
            waiting.iter().filter_map(|waiter| waiter.key_line.as_deref()).collect();
        if !lines.is_empty() {
            let stored = self.keystore.append(lines.as_bytes());
            stored.map_err(|error| StoreError::of(&error))?;
        }
        let first = self.tree.edge().size();
        let mut tiles = Vec::new();
        for row in rows {
            self.tree.push(row.leaf, &mut tiles);
        }
        let edge = self.tree.edge();
        let root = edge.root();
        let checkpoint = self.signer.sign(edge.size(), root);
        self.store.commit(&Batch {
            first,
            rows,
            tiles: &tiles,
            edge,
            checkpoint: &checkpoint,
            meta,
        })?;
        self.health.advance(Committed { size: edge.size(), root, checkpoint });
        Ok(first)
    }

    /// The first entries of a run, written before the thread starts.
    pub(in crate::audit) fn begin(
        &mut self,
        items: Vec<Item>,
        meta: &[(&'static str, String)],
    ) -> Result<(), StoreError> {
        let (rows, waiting) = split(items);
        self.commit(&rows, &waiting, meta).map(|_| ())
    }
}

/// An entry of the log's own, with nobody waiting; `None` when it would be too long.
pub(in crate::audit) fn own<B: Serialize>(
    clock: &Clock,
    kind: &'static str,
    place: Option<(Place, Option<Hash>)>,
    body: &B,
) -> Option<Item> {
    let frame = Frame {
        kind,
        link: place.as_ref().map(|(place, previous)| Link {
            session: &place.session,
            sequence: place.sequence,
            previous: *previous,
        }),
        time: clock.now(),
        boot: clock.boot(),
        buffered: false,
        payload: None,
    };
    let line = frame.line(body)?;
    let place = place.map(|(place, _)| place);
    let row = Row { leaf: leaf_hash(&line), line, parts: Vec::new(), place };
    Some(Item { row, key_line: None, room: None, notify: None, halts: None })
}

/// What stays of an item while its row is written.
pub(in crate::audit) struct Waiter {
    key_line: Option<String>,
    room: Option<OwnedSemaphorePermit>,
    notify: Option<Notify>,
}

impl Waiter {
    fn tell(self, outcome: Result<u64, Fault>) {
        drop(self.room);
        if let Some(notify) = self.notify {
            // A waiter that went away needs no answer.
            let _ = notify.send(outcome);
        }
    }
}

fn split(batch: Vec<Item>) -> (Vec<Row>, Vec<Waiter>) {
    let parts = batch.into_iter().map(|item| {
        let Item { row, key_line, room, notify, halts: _ } = item;
        (row, Waiter { key_line, room, notify })
    });
    parts.unzip()
}

fn refuse(batch: Vec<Item>, why: &str) {
    for waiter in split(batch).1 {
        waiter.tell(Err(unavailable(why)));
    }
}

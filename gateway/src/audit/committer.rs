//! The committer: one thread that takes everything queued, grows the tree, signs a checkpoint,
//! commits all of it at once, and only then tells who waits.
//!
//! The next batch forms while the previous one syncs. A commit
//! that fails poisons the log for good; after a failed sync nobody knows what is on the disk, so
//! nothing is tried twice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::checkpoint::Signer;
use super::keys::Keystore;
use super::queue::Incoming;
use super::store::{Batch, Row, Store, StoreError};
use super::tree::{Hash, Tree};
use crate::fault::{Blame, Fault};

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
    committed: Mutex<Committed>,
}

impl Health {
    pub(in crate::audit) fn new(committed: Committed) -> Self {
        Self { healthy: AtomicBool::new(true), committed: Mutex::new(committed) }
    }

    /// False for good after the first failed commit.
    pub(in crate::audit) fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
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
}

impl Committer {
    /// Commits what is queued until every sender is gone.
    pub(in crate::audit) fn run(mut self, queue: &Incoming) {
        let ending = Ending(Arc::clone(&self.health));
        while let Some(batch) = queue.take() {
            if !self.health.healthy() {
                refuse(batch, "an earlier write to the log failed");
                continue;
            }
            let (rows, waiting) = split(batch);
            match self.commit(&rows, &waiting, &[]) {
                Ok(first) => {
                    for (waiter, index) in waiting.into_iter().zip(first..) {
                        waiter.tell(Ok(index));
                    }
                }
                Err(error) => {
                    self.health.healthy.store(false, Ordering::Release);
                    tracing::error!(%error, "the audit log failed; everything is refused now");
                    for waiter in waiting {
                        waiter.tell(Err(unavailable("writing to the log failed")));
                    }
                }
            }
        }
        drop(ending);
    }

    /// Writes one batch; gives the index of its first entry.
    fn commit(
        &mut self,
        rows: &[Row],
        waiting: &[Waiter],
        meta: &[(&'static str, String)],
    ) -> Result<u64, StoreError> {
        let lines: String =
            waiting.iter().filter_map(|waiter| waiter.key_line.as_deref()).collect();
        if !lines.is_empty() {
            let stored = self.keystore.append(lines.as_bytes());
            stored.map_err(|error| StoreError::Failed(format!("keystore: {error}")))?;
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

/// What stays of an item while its row is written.
struct Waiter {
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
        let Item { row, key_line, room, notify } = item;
        (row, Waiter { key_line, room, notify })
    });
    parts.unzip()
}

fn refuse(batch: Vec<Item>, why: &str) {
    for waiter in split(batch).1 {
        waiter.tell(Err(unavailable(why)));
    }
}

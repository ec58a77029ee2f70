//! The way from the recorders to the committer. How much may wait is bounded by the log's room.
//!
//! An entry that somebody waits for is taken at once, with everything before it. Entries that
//! nobody waits for linger for some milliseconds, so that many share one commit and the committer
//! sleeps meanwhile: a commit costs far more than an entry.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::committer::{Item, unavailable};
use crate::fault::Fault;
use crate::limits::{LOG_BATCH_BYTES_MAX, LOG_BATCH_ENTRIES_MAX, LOG_LINGER_MILLIS};

/// The recorders' end. Dropping the last one closes the queue.
pub(in crate::audit) struct Outgoing(Arc<Shared>);

/// The committer's end.
pub(in crate::audit) struct Incoming(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    /// Somebody waits for one of them.
    urgent: bool,
    closed: bool,
    abandoned: bool,
}

/// An empty queue.
pub(in crate::audit) fn queue() -> (Outgoing, Incoming) {
    let shared = Arc::new(Shared::default());
    (Outgoing(Arc::clone(&shared)), Incoming(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lingers(&self) -> bool {
        !self.urgent
            && !self.closed
            && self.items.len() < LOG_BATCH_ENTRIES_MAX
            && self.bytes < LOG_BATCH_BYTES_MAX
    }

    /// The oldest ones, as many as go into one commit.
    fn batch(&mut self) -> Vec<Item> {
        let mut batch = Vec::with_capacity(self.items.len().min(LOG_BATCH_ENTRIES_MAX));
        let mut bytes = 0;
        while batch.len() < LOG_BATCH_ENTRIES_MAX && bytes < LOG_BATCH_BYTES_MAX {
            let Some(item) = self.items.pop_front() else { break };
            bytes += item.bytes();
            batch.push(item);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        // What is left waited long enough.
        self.urgent = !self.items.is_empty();
        batch
    }
}

impl Outgoing {
    /// Hands an entry over; the order of calls is the order of the log.
    pub(in crate::audit) fn send(&self, item: Item) -> Result<(), Fault> {
        let mut state = self.0.lock();
        if state.abandoned {
            return Err(unavailable("the log's committer has ended"));
        }
        state.bytes += item.bytes();
        state.urgent |= item.notify.is_some();
        state.items.push_back(item);
        // While entries linger there is nothing to wake the committer for.
        let wake = state.items.len() == 1 || !state.lingers();
        drop(state);
        if wake {
            self.0.ready.notify_one();
        }
        Ok(())
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.ready.notify_one();
    }
}

impl Incoming {
    /// What is queued, as soon as something is or the time is over; `None` once the queue is closed
    /// and empty.
    pub(in crate::audit) fn take_within(&self, time: Duration) -> Option<Vec<Item>> {
        let empty = |state: &mut State| state.items.is_empty() && !state.closed;
        let waited = self.0.ready.wait_timeout_while(self.0.lock(), time, empty);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let batch = state.batch();
        (!batch.is_empty() || !state.closed).then_some(batch)
    }

    /// Waits for the next batch; `None` once the queue is closed and empty.
    pub(in crate::audit) fn take(&self) -> Option<Vec<Item>> {
        let empty = |state: &mut State| state.items.is_empty() && !state.closed;
        let state = self.0.ready.wait_while(self.0.lock(), empty);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let linger = Duration::from_millis(LOG_LINGER_MILLIS);
        let lingered = self.0.ready.wait_timeout_while(state, linger, |state| state.lingers());
        let (mut state, _) = lingered.unwrap_or_else(PoisonError::into_inner);
        let batch = state.batch();
        (!batch.is_empty()).then_some(batch)
    }
}

impl Drop for Incoming {
    /// However the committer ends, whoever waits for an entry must learn of it.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.abandoned = true;
        let left = std::mem::take(&mut state.items);
        drop(state);
        drop(left);
    }
}

#[cfg(test)]
mod tests;

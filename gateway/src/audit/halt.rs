//! A log without room stops, says so in its last entry, and goes on once there is room.
//!
//! A disk that is full is the one failure after which the disk can be trusted: what was not
//! written was never promised. So the store is opened again and checked like at a start, the room
//! held in reserve takes an entry `halt` and the ends of all open sessions, and everything is
//! refused until the reserve can be filled again. Sessions from before can't go on: entries of
//! theirs were refused, and their chains hang on these.

use std::path::PathBuf;
use std::time::Instant;

use super::committer::{Committer, own};
use super::entry::{Event, clip, kind};
use super::recovery;
use super::tree::Hash;
use super::{Error, store::StoreError};

/// A log that is stopped.
#[derive(Debug)]
pub(in crate::audit) struct Halt {
    since: Instant,
    reason: String,
    recorded: bool,
}

impl Halt {
    pub(in crate::audit) fn new(reason: String) -> Self {
        Self { since: Instant::now(), reason, recorded: false }
    }
}

/// Why a halted log does not stand up.
enum Down {
    /// Not yet.
    Waits(StoreError),
    /// What is on the disk is not what was committed.
    Lost(Error),
}

impl From<StoreError> for Down {
    fn from(error: StoreError) -> Self {
        match error {
            // Somebody still reads from the store that is to be closed.
            StoreError::InUse | StoreError::Full(_) => Self::Waits(error),
            StoreError::Failed(reason) => Self::Lost(Error::Store { path: PathBuf::new(), reason }),
        }
    }
}

impl Committer {
    /// Does the next thing that a halted log can do; called again and again.
    pub(in crate::audit) fn stand_up(&mut self) {
        let Some(mut halt) = self.halt.take() else { return };
        let outcome =
            if halt.recorded { self.resume(&halt) } else { self.record(&mut halt).map(|()| false) };
        match outcome {
            Ok(true) => {
                self.health.recover();
                tracing::warn!("the audit log has room again and goes on");
            }
            Ok(false) => self.halt = Some(halt),
            Err(Down::Waits(error)) => {
                tracing::debug!(%error, "the audit log has no room yet");
                // If it was a commit that failed, the store is to be opened again.
                halt.recorded = false;
                self.halt = Some(halt);
            }
            // Without `halt` the log stays unhealthy for good.
            Err(Down::Lost(error)) => {
                tracing::error!(%error, "the audit log can't go on; start the gateway again");
            }
        }
    }

    /// Opens the store again and writes that the log stopped.
    fn record(&mut self, halt: &mut Halt) -> Result<(), Down> {
        self.reserve.give();
        self.store.reopen()?;
        let lost = Down::Lost;
        self.keystore = super::keys::Keystore::open(&self.dir).map_err(lost)?;
        let view = self.store.view()?;
        let found = recovery::check(&self.dir, &view, &self.signer).map_err(lost)?;
        drop(view);
        let edge = found.tree.edge();
        self.was_committed(edge.size(), edge.root())?;
        self.tree = found.tree;
        let sessions = found.open.len() as u64;
        let event = Event::Halt { reason: clip(&halt.reason), sessions };
        let mut items = recovery::torn(&found.open, &self.clock, "log_halted").map_err(lost)?;
        items.splice(0..0, own(&self.clock, kind::EVENT, None, &event));
        self.begin(items, &[])?;
        halt.recorded = true;
        Ok(())
    }

    /// What was found again must hold what was told to be durable. It may hold more: a batch
    /// that failed at its very end, which nobody was told of.
    fn was_committed(&self, size: u64, root: Hash) -> Result<(), Down> {
        let known = self.health.committed();
        if size > known.size || (size == known.size && root == known.root) {
            return Ok(());
        }
        let what = format!("it held {} entries before the disk was full, now {size}", known.size);
        Err(Down::Lost(Error::Tampered { index: Some(size.min(known.size)), what }))
    }

    /// Goes on if there is room.
    fn resume(&mut self, halt: &Halt) -> Result<bool, Down> {
        if let Err(error) = self.reserve.fill() {
            return match StoreError::of(&error) {
                StoreError::Full(_) => Ok(false),
                other => Err(other.into()),
            };
        }
        let millis = u64::try_from(halt.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let event = Event::Resume { halted_millis: millis };
        self.begin(own(&self.clock, kind::EVENT, None, &event).into_iter().collect(), &[])?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;

//! What both directions of one session share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ledger::Ledger;
use super::runtime::{Gateway, Target};
use crate::audit::Recorder;
use crate::policy::Generation;
use crate::protocol::State;
use crate::protocol::postgres::names::Names;
use crate::session::Session;

/// One session.
pub(super) struct Live {
    pub(super) gateway: Arc<Gateway>,
    pub(super) target: Arc<Target>,
    pub(super) session: Session,
    pub(super) recorder: Recorder,
    first: Arc<Generation>,
    schema_touched: AtomicBool,
    shared: Mutex<Shared>,
    /// Wakes the forward direction when an answer came.
    pub(super) progress: Notify,
    /// Wakes a hold that its client cancels.
    pub(super) withdraw: Notify,
    /// A hold is under way.
    pub(super) holding: AtomicBool,
}

/// What changes while the session runs. Locked for moments only, never across a wait.
pub(super) struct Shared {
    pub(super) names: Names,
    pub(super) ledger: Ledger,
    pub(super) state: Arc<State>,
}

impl Live {
    /// A session that has just been opened.
    pub(super) fn new(
        gateway: Arc<Gateway>,
        target: Arc<Target>,
        session: Session,
        recorder: Recorder,
        first: Arc<Generation>,
    ) -> Self {
        let state = State { role: session.role().to_owned(), ..State::default() };
        let shared =
            Shared { names: Names::default(), ledger: Ledger::new(), state: Arc::new(state) };
        Self {
            gateway,
            target,
            session,
            recorder,
            first,
            schema_touched: AtomicBool::new(false),
            shared: Mutex::new(shared),
            progress: Notify::new(),
            withdraw: Notify::new(),
            holding: AtomicBool::new(false),
        }
    }

    /// A statement that may change the schema is about to run.
    pub(super) fn schema_touched(&self) {
        self.schema_touched.store(true, Ordering::SeqCst);
    }

    /// What ran may have changed the schema: catalogues read before now are too old. `idle` once
    /// no transaction is open any more.
    pub(super) fn schema_settled(&self, idle: bool) {
        if self.schema_touched.load(Ordering::SeqCst) {
            self.target.catalogues.invalidate(self.session.database());
            self.schema_touched.store(!idle, Ordering::SeqCst);
        }
    }

    /// The changing part.
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy in force now; a session moves to a new one at its next statement.
    /// A target that is no longer configured keeps the last one until its sessions end.
    pub(super) fn generation(&self) -> Arc<Generation> {
        let name = &self.target.settings.name;
        self.gateway.policies.current(name).unwrap_or_else(|| Arc::clone(&self.first))
    }
}

//! What both directions of one session share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::change::{Change, brings_code};
use super::ledger::{Expect, Ledger};
use super::reported;
use super::runtime::{Gateway, SessionGrammar, Target};
use crate::audit::Recorder;
use crate::fault::Fault;
use crate::policy::{Generation, Troubles};
use crate::protocol::postgres::names::Names;
use crate::protocol::postgres::replication::Mode;
use crate::protocol::{Block, Class, Facts, State, Statement};
use crate::session::Session;
use crate::upstream::catalogue::{Coding, Relinking};

/// One session.
pub(super) struct Live {
    pub(super) gateway: Arc<Gateway>,
    pub(super) target: Arc<Target>,
    pub(super) session: Session,
    pub(super) recorder: Recorder,
    /// The session is one for replication.
    pub(super) replication: Option<Mode>,
    first: Arc<Generation>,
    /// The settings that the target reported at the start.
    begun: Vec<(String, String)>,
    shared: Mutex<Shared>,
    /// The plugins that fail in this session.
    pub(super) troubles: Arc<Troubles>,
    /// Wakes the forward direction when an answer came.
    pub(super) progress: Notify,
    /// Wakes a hold that its client cancels.
    pub(super) withdraw: Notify,
    /// A hold is under way.
    pub(super) holding: AtomicBool,
    /// Held while a cancel request is on its way to the target and while messages are sent, so
    /// that a late cancel can't hit what was sent after it.
    pub(super) sending: tokio::sync::Mutex<()>,
}

/// What changes while the session runs. Locked for moments only, never across a wait.
pub(super) struct Shared {
    pub(super) names: Names,
    pub(super) ledger: Ledger,
    state: Arc<State>,
    /// A statement was sent that may open or end a transaction block.
    turning: bool,
    /// Everything that was sent is answered, and the block is what the last answer said.
    synced: bool,
    /// The most that was sent and is not settled may do to the schema.
    change: Change,
    relinking: Option<Relinking>,
    /// A change of the code was permitted, and is not known to be over.
    coding: Option<Coding>,
    /// How many such requests are permitted and not yet sent.
    coding_unsent: usize,
}

impl Live {
    /// A session that has just been opened.
    pub(super) fn new(
        gateway: Arc<Gateway>,
        target: Arc<Target>,
        session: Session,
        recorder: Recorder,
        first: Arc<Generation>,
        begun: &[(String, String)],
    ) -> Self {
        let writes = ("default_transaction_read_only".to_owned(), "off".to_owned());
        let read_only = !begun.contains(&writes);
        let told = begun.iter().find(|(name, _)| name == "search_path");
        let state = State {
            block: Block::None,
            role: Some(session.role().to_owned()),
            search_path: told.map(|(_, path)| path.clone()),
            read_only,
        };
        let shared = Shared {
            names: Names::default(),
            ledger: Ledger::new(),
            state: Arc::new(state),
            turning: false,
            synced: true,
            change: Change::None,
            relinking: None,
            coding: None,
            coding_unsent: 0,
        };
        Self {
            gateway,
            target,
            session,
            recorder,
            replication: None,
            first,
            begun: begun.to_vec(),
            shared: Mutex::new(shared),
            troubles: Arc::default(),
            progress: Notify::new(),
            withdraw: Notify::new(),
            holding: AtomicBool::new(false),
            sending: tokio::sync::Mutex::new(()),
        }
    }

    /// The same for a replication session, if it is one.
    pub(super) fn replicating(mut self, mode: Option<Mode>) -> Self {
        self.replication = mode;
        self
    }

    /// Reads what a client of the session says.
    pub(super) fn grammar(&self) -> SessionGrammar<'_> {
        let scope = self.target.settings.replication;
        SessionGrammar { grammar: &self.target.grammar, mode: self.replication, scope }
    }

    /// Expects an answer to a message that is about to be sent; false if it must not be.
    pub(super) fn expect(&self, expect: Expect) -> bool {
        let mut shared = self.shared();
        let shared = &mut *shared;
        let change = expect.change();
        if change == Change::Lineage && shared.relinking.is_none() {
            let catalogues = &self.target.catalogues;
            shared.relinking = Some(catalogues.relinking(self.session.database()));
        }
        if change > Change::None && expect.brings_code() {
            shared.coding_unsent = shared.coding_unsent.saturating_sub(1);
        }
        shared.change = shared.change.max(change);
        let runs = matches!(
            expect,
            Expect::Execute { .. } | Expect::Function { .. } | Expect::Query { .. }
        );
        shared.synced &= !runs;
        shared.ledger.push(expect, &mut shared.names)
    }

    /// ReadyForQuery came: what has changed the schema until now is done, unless a transaction
    /// or a pipeline is still open.
    pub(super) fn ready(&self, status: u8) {
        let mut shared = self.shared();
        let shared = &mut *shared;
        let settled = shared.ledger.ready(status, &mut shared.names);
        let block = match status {
            b'I' => Block::None,
            b'T' => Block::Open,
            _ => Block::Failed,
        };
        shared.synced = shared.ledger.len() == 0;
        if shared.state.block != block {
            let state = State { block, ..(*shared.state).clone() };
            shared.state = Arc::new(state);
        }
        if shared.change == Change::None {
            return;
        }
        self.target.catalogues.invalidate(self.session.database());
        if settled {
            shared.change = Change::None;
            shared.relinking = None;
            if shared.coding_unsent == 0 {
                shared.coding = None;
            }
        }
    }

    /// The state that a message finds. `sent` when none of those before it waits to be sent.
    pub(super) fn state(&self, sent: bool) -> Arc<State> {
        let mut shared = self.shared();
        shared.turning &= !(sent && shared.synced);
        if shared.turning {
            return Arc::new(State { block: Block::Unknown, ..(*shared.state).clone() });
        }
        Arc::clone(&shared.state)
    }

    /// Remembers what changes the meaning of later requests: names, blocks and settings. What a
    /// session changes of its settings once, it may change back unseen (a rollback, a function),
    /// so from then on they are not known unless they are asked for.
    pub(super) fn tracks(&self, facts: &Facts) {
        let mut shared = self.shared();
        let shared = &mut *shared;
        shared.names.sql_sent(facts);
        if facts.statements.iter().any(brings_code) {
            shared.coding_unsent += 1;
            let catalogues = &self.target.catalogues;
            let database = self.session.database();
            shared.coding.get_or_insert_with(|| catalogues.coding(database));
        }
        let turns = |one: &Statement| one.attributes.iter().any(|(key, _)| key == "transaction");
        shared.turning |= facts.statements.iter().any(turns);
        let sets = |one: &Statement, names: &[&str]| {
            one.class >= Class::Code
                || one.settings.iter().any(|set| names.contains(&set.name.as_str()))
        };
        let mut statements = facts.statements.iter();
        if shared.state.role.is_some()
            && statements.any(|one| sets(one, &["*", "role", "session_authorization"]))
        {
            shared.state = Arc::new(State { role: None, ..(*shared.state).clone() });
        }
        let mut statements = facts.statements.iter();
        if shared.state.search_path.is_some()
            && statements.any(|one| sets(one, &["*", "search_path"]))
        {
            shared.state = Arc::new(State { search_path: None, ..(*shared.state).clone() });
        }
    }

    /// The target reports a setting.
    ///
    /// # Errors
    /// The session must end, because of what it became.
    pub(super) fn reported(&self, name: &str, value: &str) -> Result<(), Fault> {
        let begun = self.begun.iter().find(|(known, _)| known == name);
        let generation = self.generation();
        let rules = &generation.settings().settings;
        reported::check(name, value, begun.map(|(_, value)| value.as_str()), rules)
    }

    /// True while this session has a change under way that outsiders can't see.
    pub(super) fn relinked(&self) -> bool {
        self.shared().relinking.is_some()
    }

    /// True while this session may have made relations that nobody else can see yet.
    pub(super) fn changing(&self) -> bool {
        self.shared().change != Change::None
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

//! What a held request would run as: asked of the target over the session itself, since no text
//! tells what functions, triggers and rollbacks did to a session's settings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::forward::Forward;
use super::ledger::Expect;
use crate::fault::Fault;
use crate::policy::Held;
use crate::protocol::postgres::frontend::Control;
use crate::protocol::postgres::observe;
use crate::protocol::{Block, Class, Kind, State};

/// An answer under way.
#[derive(Debug, Default)]
pub(super) struct Observation(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    values: Vec<String>,
    closes: usize,
}

impl Observation {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A row came; false when it can't be one.
    pub(super) fn row(&self, row: Bytes) -> bool {
        let Ok(value) = observe::value(row) else { return false };
        let mut seen = self.seen();
        seen.values.push(value);
        seen.values.len() <= observe::ASKED.len()
    }

    /// A CloseComplete came; true for the last.
    pub(super) fn closed(&self) -> bool {
        let mut seen = self.seen();
        seen.closes += 1;
        seen.closes == observe::CLOSES
    }
}

/// The session's state as it is for a request that is about to be asked about. Everything sent is
/// answered. `None` when the target answered with an error, which the client was told in place of
/// the request's own answer.
pub(super) async fn state(
    forward: &mut Forward<'_>,
    held: &Held,
) -> Result<Option<Arc<State>>, Fault> {
    let live = forward.live;
    let base = live.state(true);
    let (status, ran) = {
        let shared = live.shared();
        (shared.ledger.status(), shared.ledger.last() != 0)
    };
    let block = match status {
        // Earlier requests of the same pipeline share a transaction with it.
        b'I' if ran => Block::Open,
        b'I' => Block::None,
        b'T' => Block::Open,
        _ => Block::Failed,
    };
    let mut state = State { block, role: None, search_path: None, ..(*base).clone() };
    let simple = held.request().kind() == Kind::SqlQuery;
    // A WAL sender does not take the extended messages that it would be asked by.
    if live.replication.is_some() || !askable(held, status, ran) {
        return Ok(Some(Arc::new(state)));
    }
    let seen = Arc::new(Observation::default());
    forward.say(Control::Observe, Some(Expect::Observe(Arc::clone(&seen))));
    forward.settle().await?;
    if live.shared().ledger.skips() {
        if simple {
            live.shared().names.next_cycle();
            forward.say(Control::Sync, Some(Expect::Sync));
        }
        return Ok(None);
    }
    if simple {
        forward.say(Control::Sync, Some(Expect::QuietSync));
        forward.settle().await?;
    }
    if let [authorization, role, path] = seen.seen().values.as_slice() {
        state.role = Some(observe::effective_role(authorization, role));
        state.search_path = Some(path.clone());
    }
    Ok(Some(Arc::new(state)))
}

/// Whether asking changes nothing for the request. A failed transaction answers nothing. A Query
/// behind an unfinished pipeline shares its transaction, which the Sync of ours would end. And
/// what must be alone in its transaction (VACUUM, CREATE DATABASE, CREATE INDEX CONCURRENTLY)
/// would not be, in a pipeline.
fn askable(held: &Held, status: u8, ran: bool) -> bool {
    let alone = || {
        let facts = held.request().facts();
        facts.statements.iter().any(|statement| statement.class >= Class::Schema)
    };
    match (status, held.request().kind()) {
        (b'I', Kind::SqlQuery) => !ran,
        (b'I', _) => !alone(),
        (b'T', _) => true,
        _ => false,
    }
}

//! A session's chain: numbers, the hash of the previous entry, and the session's own tree.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::audit::checkpoint::hex;
use crate::audit::committer::{Item, Notify, unavailable};
use crate::audit::entry::{Frame, Link, Request, RequestState, Response, SessionEnd};
use crate::audit::log::Core;
use crate::audit::seal::Sealed;
use crate::audit::store::{Mark, Place, Row};
use crate::audit::tree::{Edge, Hash, leaf_hash};
use crate::fault::{Blame, Fault};
use crate::limits::SESSION_HOLDS_MAX;

/// The state of a chain; its lock is the order of the session.
#[derive(Default)]
pub(super) struct Chain {
    previous: Option<Hash>,
    tree: Edge,
    ended: bool,
    halts: u64,
    /// Approval id to request number, for requests that wait.
    holds: HashMap<String, u64>,
    requests: u64,
    denied: u64,
    held: u64,
    rows: u64,
    masked_cells: u64,
    bytes: u64,
}

/// The form of an entry to append.
pub(super) struct Draft {
    pub(super) kind: &'static str,
    pub(super) mark: Mark,
    pub(super) buffered: bool,
}

/// What goes with an entry.
pub(super) struct Rest {
    pub(super) sealed: Option<Sealed>,
    pub(super) key_line: Option<String>,
    pub(super) room: Option<OwnedSemaphorePermit>,
    /// The room is that of entries before this one too.
    pub(super) shared: bool,
    pub(super) notify: Option<Notify>,
}

impl Chain {
    /// A chain that begins in a log which has halted this often.
    pub(super) fn begin(halts: u64) -> Self {
        Self { halts, ..Self::default() }
    }
}

impl Chain {
    /// True once the session's last entry is queued.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// True once the session's first entry is queued.
    pub(super) fn begun(&self) -> bool {
        self.previous.is_some()
    }

    /// Entries so far.
    pub(super) fn entries(&self) -> u64 {
        self.tree.size()
    }

    /// The number that the next new request gets; requests come from one place, in order.
    pub(super) fn next_request(&self) -> u64 {
        self.requests + 1
    }

    /// Forgets a question that no request will run under.
    pub(super) fn forget(&mut self, approval_id: &str) {
        self.holds.remove(approval_id);
    }

    /// Counts a reply part.
    pub(super) fn count_reply(&mut self, part: &Response) {
        self.rows = self.rows.saturating_add(part.rows);
        self.masked_cells = self.masked_cells.saturating_add(part.masked_cells);
        self.bytes = self.bytes.saturating_add(part.bytes);
    }

    /// The last entry's body.
    pub(super) fn summary(&self, reason: &str, detail: Option<String>) -> SessionEnd {
        SessionEnd {
            reason: reason.to_owned(),
            detail,
            entries: self.tree.size(),
            session_root: hex(&self.tree.root()),
            chain_head: self.previous.map(|hash| hex(&hash)).unwrap_or_default(),
            requests: self.requests,
            denied: self.denied,
            held: self.held,
            rows: self.rows,
            masked_cells: self.masked_cells,
            bytes: self.bytes,
        }
    }

    /// Stamps, hashes and queues an entry. On failure the chain is unchanged.
    pub(super) fn append<B: Serialize>(
        &mut self,
        core: &Core,
        session: &Arc<str>,
        draft: &Draft,
        body: &B,
        rest: Rest,
    ) -> Result<(), Fault> {
        let line = self.line(core, session, draft, body, rest.sealed.as_ref())?;
        self.queue(core, session, draft, line, rest)
    }

    /// The same for a request, which gets its number here; gives the number.
    pub(super) fn append_request(
        &mut self,
        core: &Core,
        session: &Arc<str>,
        draft: &Draft,
        mut body: Request,
        rest: Rest,
    ) -> Result<u64, Fault> {
        let waited = body.approval.as_ref().and_then(|stamp| self.holds.get(&stamp.id)).copied();
        body.number = waited.unwrap_or(self.requests + 1);
        if body.state == RequestState::Held && self.holds.len() >= SESSION_HOLDS_MAX {
            return Err(unavailable("too many requests of this session wait for approval"));
        }
        let line = self.line(core, session, draft, &body, rest.sealed.as_ref()).or_else(|_| {
            body.shorten();
            self.line(core, session, draft, &body, rest.sealed.as_ref())
        })?;
        self.queue(core, session, draft, line, rest)?;
        if waited.is_none() {
            self.requests += 1;
        }
        match (body.state, body.approval_id, body.approval) {
            (RequestState::Held, Some(id), _) => {
                self.held += 1;
                self.holds.insert(id, body.number);
            }
            (RequestState::Denied, ..) => self.denied += 1,
            (RequestState::Permitted, _, Some(stamp)) => self.forget(&stamp.id),
            (RequestState::Held | RequestState::Permitted, ..) => {}
        }
        Ok(body.number)
    }

    fn line<B: Serialize>(
        &self,
        core: &Core,
        session: &Arc<str>,
        draft: &Draft,
        body: &B,
        sealed: Option<&Sealed>,
    ) -> Result<Vec<u8>, Fault> {
        if self.ended {
            let message = "the session's record is closed already";
            return Err(Fault::new(Blame::Bug, "session_ended", "58030", message));
        }
        let frame = Frame {
            kind: draft.kind,
            link: Some(Link { session, sequence: self.tree.size(), previous: self.previous }),
            time: core.clock.now(),
            boot: core.clock.boot(),
            buffered: draft.buffered,
            payload: sealed.map(|sealed| &sealed.reference),
        };
        frame.line(body).ok_or_else(|| unavailable("the entry would be too long"))
    }

    fn queue(
        &mut self,
        core: &Core,
        session: &Arc<str>,
        draft: &Draft,
        line: Vec<u8>,
        rest: Rest,
    ) -> Result<(), Fault> {
        let leaf = leaf_hash(&line);
        let place =
            Place { session: Arc::clone(session), sequence: self.tree.size(), mark: draft.mark };
        let parts = rest.sealed.map(|sealed| sealed.parts).unwrap_or_default();
        let mut item = Item {
            row: Row { line, leaf, parts, place: Some(place) },
            key_line: rest.key_line,
            room: rest.room,
            notify: rest.notify,
            halts: Some(self.halts),
        };
        let (bytes, shared) = (item.bytes() + item.row.line.len(), rest.shared);
        // The length of an entry is known only now, and room was made for the longest.
        if let Some(room) = item.room.as_mut().filter(|_| !shared) {
            Core::trim(room, bytes);
        }
        core.enqueue(item)?;
        self.previous = Some(leaf);
        self.tree.push(leaf);
        self.ended = draft.mark == Mark::Last;
        Ok(())
    }
}

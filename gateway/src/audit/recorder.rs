//! Recorders: one session's hand on the log. They make [`Permit`] and [`Release`].
//!
//! The order of a session's chain is the order of the calls: the chain is locked only while an
//! entry is stamped, hashed and queued, never across an await.

mod chain;
mod memo;
mod proof;

pub use proof::{Pending, Permit, Release};

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use self::chain::Chain;
use self::memo::Memo;
use super::Durability;
use super::committer::unavailable;
use super::entry::{
    self, ApprovalDecision, RequestState, SessionEnd, SessionNote, SessionStart, SessionTorn,
    TokenBinding, clip, clip_to, kind, listed, overheard,
};
use super::log::Core;
use super::seal::{Sealed, SessionKey, fresh_key, key_commitment, sealed_bytes};
use super::store::Mark;
use crate::fault::Fault;
use crate::identity::Claims;
use crate::limits::ENTRY_BYTES_MAX;
use crate::policy::approval::Redeemed;
use crate::policy::{ApprovalStamp, Decided, Denied, Held, Masked, Piece, Ruling};
use crate::protocol::Request;
use crate::session::Session;

/// One session's recorder. Clones share the chain; the session ends once for all of them.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recorder({})", self.0.session)
    }
}

struct Inner {
    core: Arc<Core>,
    session: Arc<str>,
    durability: Durability,
    key: SessionKey,
    memo: Memo,
    chain: Mutex<Chain>,
}

/// How a question to a person ended.
#[derive(Clone, Debug)]
pub struct ApprovalOutcome {
    /// The approval's id, as given to [`Recorder::hold`].
    pub id: String,
    /// The request's number, as [`Recorder::hold`] gave it.
    pub number: u64,
    /// How it ended.
    pub decision: ApprovalDecision,
    /// The person, by their verified claims; none when nobody decided.
    pub by: Option<Claims>,
    /// What they wrote.
    pub note: Option<String>,
}

/// Why a session ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EndReason {
    /// The client closed the connection.
    Downstream,
    /// The token expired.
    Expired,
    /// Something went wrong.
    Fault(Fault),
    /// The policy changed and no longer allows it.
    Policy,
    /// Trust in the principal ended.
    Revoked,
    /// The gateway stops.
    Shutdown,
    /// The target closed the connection.
    Upstream,
}

impl EndReason {
    fn words(&self) -> (&'static str, Option<String>) {
        match self {
            Self::Downstream => ("downstream_closed", None),
            Self::Expired => ("token_expired", None),
            Self::Fault(fault) => (fault.code, Some(clip(&fault.message))),
            Self::Policy => ("policy_changed", None),
            Self::Revoked => ("revoked", None),
            Self::Shutdown => ("shutdown", None),
            Self::Upstream => ("upstream_closed", None),
        }
    }
}

/// What a request entry says beyond the request and its ruling.
#[derive(Default)]
struct Verdict {
    approval: Option<ApprovalStamp>,
    approval_id: Option<String>,
    binding: Option<String>,
    decide_by: Option<i64>,
    fault: Option<String>,
    sqlstate: Option<String>,
    reason: Option<String>,
    approvers: Vec<String>,
}

impl Recorder {
    pub(in crate::audit) async fn begin(
        core: Arc<Core>,
        session: &Session,
        durability: Durability,
    ) -> Result<Self, Fault> {
        let broken = |_| unavailable("a session key could not be made");
        let id: Arc<str> = session.id().to_string().into();
        let bytes = fresh_key().map_err(broken)?;
        let key_line = core.master.wrap(&id, bytes.as_slice());
        let key_line = key_line.ok_or_else(|| unavailable("a session key could not be wrapped"))?;
        let key = SessionKey::new(bytes.as_slice()).map_err(broken)?;
        let claims = session.principal().claims();
        let body = SessionStart {
            target: clip(session.target()),
            protocol: session.protocol().to_owned(),
            database: clip(session.database()),
            role: clip(session.role()),
            client: clip(session.client()),
            peer: session.peer().to_string(),
            agent: clip(session.principal().agent()),
            task: session.task().cloned(),
            ticket: session.ticket().cloned(),
            token: TokenBinding::brief(claims),
            payload_key: Some(key_commitment(bytes.as_slice())),
        };
        let chain = Mutex::new(Chain::begin(core.halts()));
        let memo = Memo::default();
        let recorder = Self(Arc::new(Inner { core, session: id, durability, key, memo, chain }));
        let whole = if body.token.clipped {
            let whole = serde_json::to_vec(&TokenBinding::whole(claims));
            Some(whole.map_err(|_| unavailable("the claims could not be written"))?)
        } else {
            None
        };
        let (room, sealed) =
            recorder.0.prepare(whole.as_deref().map(|json| ("token", json))).await?;
        let (notify, done) = oneshot::channel();
        {
            let mut chain = recorder.0.lock();
            let draft =
                chain::Draft { kind: kind::SESSION_START, mark: Mark::First, buffered: false };
            let rest = chain::Rest {
                sealed,
                key_line: Some(key_line),
                room: Some(room),
                shared: false,
                notify: Some(notify),
            };
            chain.append(&recorder.0.core, &recorder.0.session, &draft, &body, rest)?;
        }
        durable(done).await?;
        Ok(recorder)
    }

    /// Records a permitted request and queues its entry. The result waits until the entry is
    /// durable (at once for [`Durability::Buffered`]) and then gives the permit.
    ///
    /// # Errors
    /// The log can't record it, so it must not be sent.
    pub async fn permit(&self, decided: Decided) -> Result<Pending<Permit>, Fault> {
        let verdict = Verdict { approval: decided.approval().cloned(), ..Verdict::default() };
        let state = RequestState::Permitted;
        let (number, done) =
            self.request(decided.request(), decided.ruling(), state, verdict, true).await?;
        let permit = Permit::new(number, decided.request().wire().clone());
        Ok(Pending::new(number, permit, done))
    }

    /// Records a refused request; gives its number.
    ///
    /// # Errors
    /// The log can't record it.
    pub async fn deny(&self, denied: &Denied) -> Result<u64, Fault> {
        let fault = denied.fault();
        let verdict = Verdict {
            fault: Some(fault.code.to_owned()),
            sqlstate: Some(fault.sqlstate.to_owned()),
            reason: Some(fault.message.to_string()),
            ..Verdict::default()
        };
        let state = RequestState::Denied;
        let (number, done) =
            self.request(denied.request(), denied.ruling(), state, verdict, true).await?;
        if let Some(done) = done {
            durable(done).await?;
        }
        Ok(number)
    }

    /// Records a request that waits for a person: `approval_id` names the question, `binding`
    /// (hex) what is to be approved, `decide_by` (seconds since the Unix epoch) when it expires.
    /// Durable when this returns; gives the request's number, which it keeps when permitted.
    ///
    /// # Errors
    /// The log can't record it, so nobody must be asked.
    pub async fn hold(
        &self,
        held: &Held,
        approval_id: &str,
        binding: &str,
        decide_by: i64,
    ) -> Result<u64, Fault> {
        let verdict = Verdict {
            approval_id: Some(clip(approval_id)),
            binding: Some(clip(binding)),
            decide_by: Some(decide_by),
            reason: Some(held.ask().reason.clone()),
            approvers: held.ask().approvers.clone(),
            ..Verdict::default()
        };
        let state = RequestState::Held;
        let (number, done) =
            self.request(held.request(), held.ruling(), state, verdict, false).await?;
        if let Some(done) = done {
            durable(done).await?;
        }
        Ok(number)
    }

    /// Records how a question to a person ended; durable when this returns, whatever the
    /// session's durability, so that a yes is durable before it acts.
    ///
    /// # Errors
    /// The log can't record it, so the answer must not act.
    pub async fn approval(&self, outcome: &ApprovalOutcome) -> Result<(), Fault> {
        let body = entry::Approval {
            number: outcome.number,
            id: clip(&outcome.id),
            decision: outcome.decision,
            by: outcome.by.as_ref().map(TokenBinding::brief),
            note: outcome.note.as_deref().map(clip),
            asked_in: None,
        };
        if outcome.decision != ApprovalDecision::Approved {
            self.0.lock().forget(&outcome.id);
        }
        self.0.write(kind::APPROVAL, &body).await
    }

    /// Records that the next request runs under an approval that came too late for the session
    /// which asked; durable when this returns.
    ///
    /// # Errors
    /// The log can't record it, so the request must not run.
    pub async fn late_approval(&self, late: &Redeemed) -> Result<(), Fault> {
        let body = entry::Approval {
            number: self.0.lock().next_request(),
            id: clip(&late.granted.stamp().id),
            decision: ApprovalDecision::Approved,
            by: Some(TokenBinding::brief(&late.approver)),
            note: (!late.note.is_empty()).then(|| clip(&late.note)),
            asked_in: Some(clip(&late.asked_in)),
        };
        self.0.write(kind::APPROVAL, &body).await
    }

    /// Records masked parts of replies, one `response` entry for each request that has rows, an
    /// outcome or a report among them, and queues the entries. Parts with words only make no
    /// entry; a batch of only those is ready at once.
    ///
    /// # Errors
    /// The log can't record it, so nothing of it may leave.
    pub async fn release(&self, parts: Vec<(u64, Masked)>) -> Result<Pending<Release>, Fault> {
        let drafts = proof::drafts(&parts);
        self.queue_replies(drafts, Release::new(parts)).await
    }

    /// Records a piece of a row that is too large to be taken whole: an entry of its own.
    ///
    /// # Errors
    /// As [`Recorder::release`].
    pub async fn release_piece(
        &self,
        number: u64,
        piece: Piece,
    ) -> Result<Pending<Release>, Fault> {
        let draft = proof::piece(number, &piece);
        self.queue_replies(vec![draft], Release::new(vec![(number, piece.masked)])).await
    }

    async fn queue_replies(
        &self,
        drafts: Vec<proof::Reply>,
        release: Release,
    ) -> Result<Pending<Release>, Fault> {
        let number = release.number();
        if drafts.is_empty() {
            return Ok(Pending::new(number, release, None));
        }
        let room = drafts.iter().map(|draft| ENTRY_BYTES_MAX + sealed_bytes(draft.bytes())).sum();
        let mut room = Some(self.0.core.reserve(room).await?);
        let mut sealed = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            let chunks: Vec<&[u8]> = draft.frames.iter().map(|frames| frames.as_ref()).collect();
            sealed.push(self.0.seal("response", &chunks)?);
        }
        let buffered = self.0.durability == Durability::Buffered;
        let (notify, done) = oneshot::channel();
        let mut notify = (!buffered).then_some(notify);
        let form = chain::Draft { kind: kind::RESPONSE, mark: Mark::Inner, buffered };
        let last = drafts.len() - 1;
        let mut chain = self.0.lock();
        for (at, (draft, sealed)) in drafts.iter().zip(sealed).enumerate() {
            // The log keeps the order: the last entry is durable only after all before it.
            let (room, notify) =
                if at == last { (room.take(), notify.take()) } else { (None, None) };
            let sealed = Some(sealed);
            let rest = chain::Rest { sealed, key_line: None, room, shared: last > 0, notify };
            chain.append(&self.0.core, &self.0.session, &form, &draft.body, rest)?;
            chain.count_reply(&draft.body);
        }
        drop(chain);
        Ok(Pending::new(number, release, (!buffered).then_some(done)))
    }

    /// Records something of the session that is neither request nor reply; durable when this
    /// returns.
    ///
    /// # Errors
    /// The log can't record it.
    pub async fn note(&self, note: SessionNote) -> Result<(), Fault> {
        self.0.write(kind::NOTE, &note.clipped()).await
    }

    /// Ends the session; durable when this returns. Ending twice does nothing.
    ///
    /// # Errors
    /// The log can't record it; the next start of the gateway then records the session as torn.
    pub async fn end(&self, reason: EndReason) -> Result<(), Fault> {
        let (room, _) = self.0.prepare(None).await?;
        let (notify, done) = oneshot::channel();
        {
            let mut chain = self.0.lock();
            if chain.ended() {
                return Ok(());
            }
            let (reason, detail) = reason.words();
            let body: SessionEnd = chain.summary(reason, detail);
            let form = chain::Draft { kind: kind::SESSION_END, mark: Mark::Last, buffered: false };
            let rest = chain::Rest {
                sealed: None,
                key_line: None,
                room: Some(room),
                shared: false,
                notify: Some(notify),
            };
            chain.append(&self.0.core, &self.0.session, &form, &body, rest)?;
        }
        durable(done).await
    }

    async fn request(
        &self,
        request: &Request,
        ruling: &Ruling,
        state: RequestState,
        mut verdict: Verdict,
        may_buffer: bool,
    ) -> Result<(u64, Option<Waiting>), Fault> {
        let payload =
            self.0.memo.payload(request, ruling, (verdict.reason.take(), &verdict.approvers))?;
        let (room, sealed) = self.0.prepare(Some(("request", &payload))).await?;
        let mut body = entry::Request {
            number: 0,
            state,
            kind: request.kind(),
            verdict: ruling.verdict,
            risk: ruling.risk,
            policy: clip_to(&ruling.policy_digest, 64),
            plugins: listed(&ruling.plugins),
            shadow: overheard(&ruling.shadow),
            class: None,
            verbs: Vec::new(),
            statements: 0,
            objects: Vec::new(),
            objects_total: 0,
            findings: Vec::new(),
            findings_total: 0,
            text_bytes: request.text().len() as u64,
            parameters: request.parameters().len() as u64,
            approval: verdict.approval,
            approval_id: verdict.approval_id,
            binding: verdict.binding,
            decide_by: verdict.decide_by,
            fault: verdict.fault,
            sqlstate: verdict.sqlstate,
        };
        body.describe(request.facts(), &ruling.findings);
        let buffered = may_buffer && self.0.durability == Durability::Buffered;
        let (notify, done) = oneshot::channel();
        let notify = (!buffered).then_some(notify);
        let room = Some(room);
        let rest = chain::Rest { sealed, key_line: None, room, shared: false, notify };
        let form = chain::Draft { kind: kind::REQUEST, mark: Mark::Inner, buffered };
        let number =
            self.0.lock().append_request(&self.0.core, &self.0.session, &form, body, rest)?;
        Ok((number, (!buffered).then_some(done)))
    }
}

/// What tells that an entry is durable.
type Waiting = oneshot::Receiver<Result<u64, Fault>>;

async fn durable(done: Waiting) -> Result<(), Fault> {
    let outcome = done.await;
    outcome.unwrap_or_else(|_| Err(unavailable("the log's committer has ended"))).map(|_| ())
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room, then seals: what waits for room holds no second copy.
    async fn prepare(
        &self,
        payload: Option<(&str, &[u8])>,
    ) -> Result<(OwnedSemaphorePermit, Option<Sealed>), Fault> {
        let bytes = payload.map_or(0, |(_, plain)| sealed_bytes(plain.len()));
        let room = self.core.reserve(ENTRY_BYTES_MAX + bytes).await?;
        let sealed = payload.map(|(media, plain)| self.seal(media, &[plain])).transpose()?;
        Ok((room, sealed))
    }

    fn seal(&self, media: &str, chunks: &[&[u8]]) -> Result<Sealed, Fault> {
        let sealed = self.key.seal(&self.session, media, chunks);
        sealed.map_err(|error| unavailable(&error.to_string()))
    }

    /// A small entry that is always durable.
    async fn write<B: Serialize>(&self, kind: &'static str, body: &B) -> Result<(), Fault> {
        let (room, _) = self.prepare(None).await?;
        let (notify, done) = oneshot::channel();
        {
            let form = chain::Draft { kind, mark: Mark::Inner, buffered: false };
            let rest = chain::Rest {
                sealed: None,
                key_line: None,
                room: Some(room),
                shared: false,
                notify: Some(notify),
            };
            self.lock().append(&self.core, &self.session, &form, body, rest)?;
        }
        durable(done).await
    }
}

impl Drop for Inner {
    /// A session whose task went away without a word is torn, and says so now if it can.
    fn drop(&mut self) {
        let Some(room) = self.core.reserve_now() else { return };
        let core = Arc::clone(&self.core);
        let session = Arc::clone(&self.session);
        let mut chain = self.lock();
        if chain.ended() || !chain.begun() {
            return;
        }
        let body = SessionTorn { reason: "dropped".to_owned(), entries: chain.entries() };
        let form = chain::Draft { kind: kind::SESSION_TORN, mark: Mark::Last, buffered: false };
        let room = Some(room);
        let rest = chain::Rest { sealed: None, key_line: None, room, shared: false, notify: None };
        // When the log is poisoned, the next start records the session as torn.
        let _ = chain.append(&core, &session, &form, &body, rest);
    }
}

#[cfg(test)]
mod tests;

//! A held request: the wire stands still until a person decides.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::io::AsyncReadExt;
use tokio::time::{Instant, interval_at, sleep_until};

use super::forward::Forward;
use super::live::Live;
use crate::audit::{ApprovalDecision, ApprovalOutcome, Recorder};
use crate::fault::{Blame, Fault};
use crate::identity::Claims;
use crate::limits::{HOLD_NOTICE_SECS, HOLD_READ_AHEAD_BYTES_MAX};
use crate::policy::approval::{Answer, Given, Pending};
use crate::policy::{Decided, Denied, Held};
use crate::session::Session;

/// What ended the waiting.
enum Woken {
    Answer(Box<Given>),
    ClientGone,
    Expired,
    Withdrawn,
}

/// Asks, tells the client, and waits. The inner error is a refusal that the session survives.
pub(super) async fn wait(
    forward: &mut Forward<'_>,
    held: Held,
) -> Result<Result<Decided, Box<Denied>>, Fault> {
    let live = forward.live;
    let now = SystemTime::now();
    if let Some(late) = live.gateway.approvals.redeem(&held, &live.session, now) {
        live.recorder.late_approval(&late).await?;
        return Ok(held.grant(late.granted, &live.session, SystemTime::now()));
    }
    let pending = match live.gateway.approvals.ask(&held, &live.session, now) {
        Ok(pending) => pending,
        Err(fault) => return Ok(Err(Box::new(held.refuse(fault)))),
    };
    let mut open = Open::record(&live.recorder, &live.session, held, pending).await?;
    let holding = Holding::start(live);
    let woken = sleep(forward, &mut open.pending, now).await;
    drop(holding);
    match woken {
        Woken::Answer(given) => open.answered(*given).await,
        Woken::Expired => open.expired().await,
        Woken::Withdrawn => {
            open.withdrawn("cancelled by the client").await?;
            let fault = withdrawn(open.pending.id());
            Ok(Err(Box::new(open.held.refuse(fault))))
        }
        Woken::ClientGone => {
            open.withdrawn("the client left").await?;
            open.pending.leave(SystemTime::now());
            Err(Fault::new(Blame::Client, "client_gone", "57014", "the client left"))
        }
    }
}

/// A question that is in the log and waits for its answer. Whatever becomes of it is recorded
/// before it acts.
pub(super) struct Open<'a> {
    recorder: &'a Recorder,
    session: &'a Session,
    held: Held,
    pub(super) pending: Pending,
    number: u64,
}

/// What may run, or what must not, and why.
type Settled = Result<Result<Decided, Box<Denied>>, Fault>;

impl<'a> Open<'a> {
    /// Records that the request waits.
    pub(super) async fn record(
        recorder: &'a Recorder,
        session: &'a Session,
        held: Held,
        pending: Pending,
    ) -> Result<Self, Fault> {
        let until = seconds(pending.deadline());
        let number = recorder.hold(&held, pending.id(), pending.binding(), until).await?;
        Ok(Self { recorder, session, held, pending, number })
    }

    /// A person answered.
    pub(super) async fn answered(self, given: Given) -> Settled {
        let decision = match given.answer() {
            Answer::Approve => ApprovalDecision::Approved,
            Answer::Deny => ApprovalDecision::Denied,
        };
        self.ended(decision, Some(given.approver().clone()), given.note()).await?;
        let now = SystemTime::now();
        match self.pending.acknowledge(given, now) {
            Ok(granted) => Ok(self.held.grant(granted, self.session, now)),
            Err(fault) => Ok(Err(Box::new(self.held.refuse(fault)))),
        }
    }

    /// Nobody answered in time.
    pub(super) async fn expired(self) -> Settled {
        self.ended(ApprovalDecision::Expired, None, "").await?;
        let fault = self.pending.expire(SystemTime::now());
        Ok(Err(Box::new(self.held.refuse(fault))))
    }

    /// Nobody waits any more, and why.
    pub(super) async fn withdrawn(&self, why: &str) -> Result<(), Fault> {
        self.ended(ApprovalDecision::Withdrawn, None, why).await
    }

    async fn ended(
        &self,
        decision: ApprovalDecision,
        by: Option<Claims>,
        note: &str,
    ) -> Result<(), Fault> {
        let (id, number) = (self.pending.id().to_owned(), self.number);
        let note = (!note.is_empty()).then(|| note.to_owned());
        let outcome = ApprovalOutcome { id, number, decision, by, note };
        self.recorder.approval(&outcome).await
    }
}

async fn sleep(forward: &mut Forward<'_>, pending: &mut Pending, now: SystemTime) -> Woken {
    let live = forward.live;
    let left = pending.deadline().duration_since(now).unwrap_or(Duration::ZERO);
    let expiry = sleep_until(Instant::now() + left);
    tokio::pin!(expiry);
    let every = Duration::from_secs(HOLD_NOTICE_SECS);
    let mut notices = interval_at(Instant::now(), every);
    loop {
        let room = forward.buffer.len() < HOLD_READ_AHEAD_BYTES_MAX;
        tokio::select! {
            // A cancel or an expiry that is due wins over an answer that came with it.
            biased;
            () = live.withdraw.notified() => return Woken::Withdrawn,
            () = &mut expiry => return Woken::Expired,
            answer = pending.answer() => match answer {
                Ok(given) => return Woken::Answer(Box::new(given)),
                Err(_) => return Woken::Withdrawn,
            },
            _ = notices.tick() => {
                // A full channel means that the client does not read; it is told next time.
                let _ = forward.notices.try_send(pending.notice(SystemTime::now()));
            }
            read = forward.client.read_buf(&mut forward.buffer), if room => {
                if !matches!(read, Ok(1..)) {
                    return Woken::ClientGone;
                }
            }
        }
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn withdrawn(id: &str) -> Fault {
    Fault::new(
        Blame::Client,
        "approval_withdrawn",
        "57014",
        format!("canceling statement due to user request; approval {id} is withdrawn"),
    )
}

/// Marks the session as holding, so that a cancel request withdraws the question.
struct Holding<'a>(&'a Live);

impl<'a> Holding<'a> {
    fn start(live: &'a Live) -> Self {
        // A cancel that came just as an earlier question was answered is not for this one.
        let mut stale = std::pin::pin!(live.withdraw.notified());
        let _ = stale.as_mut().enable();
        live.holding.store(true, Ordering::SeqCst);
        Self(live)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.holding.store(false, Ordering::SeqCst);
    }
}

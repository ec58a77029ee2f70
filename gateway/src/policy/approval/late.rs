//! Answers that come when nobody waits any more: a yes lets one identical repeat run.
//!
//! Identical is what the binding says: same bytes, values, principal, target, policy, and the
//! state of the session, which must be known. Nothing of it outlives the gateway's process.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::table::{Seat, Table, lock};
use super::{Answer, Granted, Pending, Registry, binding};
use tokio::sync::oneshot;

use crate::identity::Claims;
use crate::limits::{APPROVAL_RUN_WITHIN_SECS, APPROVALS_LATE_MAX, APPROVALS_LATE_PRINCIPAL_MAX};
use crate::policy::{ApprovalStamp, Held};
use crate::session::Session;

/// How long a late question has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    /// Until when it may be answered.
    pub(super) until: SystemTime,
    /// For how long a yes can be used.
    pub(super) window: Duration,
}

/// Who answered what.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) stamp: ApprovalStamp,
    pub(super) approver: Claims,
    pub(super) note: String,
    /// The session that asked.
    pub(super) asked_in: String,
}

/// A yes that waits for its repeat.
pub(super) struct Pass {
    said: Said,
    until: SystemTime,
}

impl Pass {
    /// True while it can still be used.
    pub(super) fn lasts(&self, now: SystemTime) -> bool {
        now < self.until
    }
}

/// An answer to a question whose session no longer waits. It has no effect before
/// [`LateAnswer::settle`]; dropped unsettled, the question is open again.
pub struct LateAnswer {
    said: Said,
    answer: Answer,
    late: Late,
    settled: bool,
    table: Arc<Mutex<Table>>,
}

impl std::fmt::Debug for LateAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LateAnswer").field("stamp", &self.said.stamp).finish_non_exhaustive()
    }
}

impl LateAnswer {
    pub(super) fn new(table: Arc<Mutex<Table>>, said: Said, answer: Answer, late: Late) -> Self {
        Self { said, answer, late, settled: false, table }
    }

    /// The question, who answered, and what exactly it is about.
    pub fn stamp(&self) -> &ApprovalStamp {
        &self.said.stamp
    }

    /// Yes or no.
    pub fn answer(&self) -> Answer {
        self.answer
    }

    /// The approver's words, as sent.
    pub fn note(&self) -> &str {
        &self.said.note
    }

    /// The session that asked, `ses_...`.
    pub fn asked_in(&self) -> &str {
        &self.said.asked_in
    }

    /// Makes the answer final. Call it only once the answer is durable in the log.
    pub fn settle(mut self, now: SystemTime) {
        self.settled = true;
        let mut table = lock(&self.table);
        // The session's own repeat may have taken the question's place meanwhile; the yes holds
        // all the same, for one repeat.
        table.open.remove(&self.said.stamp.id);
        if self.answer == Answer::Approve {
            let until = now.checked_add(self.late.window).unwrap_or(now);
            table.passes.push(Pass { said: self.said.clone(), until });
        }
    }
}

impl Drop for LateAnswer {
    fn drop(&mut self) {
        if !self.settled
            && let Some(entry) = lock(&self.table).open.get_mut(&self.said.stamp.id)
        {
            entry.seat = Seat::Late(self.late);
        }
    }
}

/// A late yes, taken by its repeat: nobody else can take it.
#[derive(Debug)]
pub struct Redeemed {
    /// For [`Held::grant`].
    pub granted: Granted,
    /// Who said yes, as their token says.
    pub approver: Claims,
    /// Their words, as sent.
    pub note: String,
    /// The session that asked, `ses_...`.
    pub asked_in: String,
}

impl Registry {
    /// Takes the late yes to exactly this request, if there is one.
    pub fn redeem(&self, held: &Held, session: &Session, now: SystemTime) -> Option<Redeemed> {
        if !held.request().state().is_known() {
            return None;
        }
        let mut table = lock(&self.table);
        table.sweep(now);
        if table.passes.is_empty() {
            return None;
        }
        let wanted = binding::hash(held, session);
        let at = table.passes.iter().position(|pass| pass.said.stamp.binding == wanted)?;
        let Said { stamp, approver, note, asked_in } = table.passes.remove(at).said;
        let run = Duration::from_secs(APPROVAL_RUN_WITHIN_SECS);
        let run_before = now.checked_add(run).unwrap_or(now);
        Some(Redeemed { granted: Granted { stamp, run_before }, approver, note, asked_in })
    }
}

impl Registry {
    /// Waits again for the answer to exactly this request, if nobody does and it is still open:
    /// for callers that are told to come back instead of being kept waiting.
    pub fn rejoin(&self, held: &Held, session: &Session, now: SystemTime) -> Option<Pending> {
        if !held.request().state().is_known() {
            return None;
        }
        let mut table = lock(&self.table);
        table.sweep(now);
        let binding = binding::hash(held, session);
        let entry = table.open.values_mut().find(|entry| {
            matches!(entry.seat, Seat::Late(_))
                && entry.question.binding == binding
                && now < entry.deadline
        })?;
        let Seat::Late(late) = entry.seat else { return None };
        let (seat, answers) = oneshot::channel();
        entry.seat = Seat::Waiting(seat);
        entry.session = session.id();
        Some(Pending {
            id: entry.question.id.clone(),
            binding,
            approvers: held.ask().approvers.clone(),
            deadline: entry.deadline,
            late: Some(late.window),
            in_block: false,
            kept: false,
            answers,
            table: Arc::clone(&self.table),
        })
    }
}

impl Table {
    /// Keeps the late questions few: the oldest of this one's principal goes, then the oldest.
    pub(super) fn thin_late(&mut self, id: &str) {
        let Some(entry) = self.open.get(id) else { return };
        let claims = entry.principal.claims();
        let who = (claims.issuer.clone(), claims.subject.clone());
        let mut late: Vec<(SystemTime, bool, String)> = Vec::new();
        for (id, entry) in &self.open {
            if matches!(entry.seat, Seat::Late(_)) {
                let claims = entry.principal.claims();
                let same = claims.issuer == who.0 && claims.subject == who.1;
                late.push((entry.asked, same, id.clone()));
            }
        }
        late.sort();
        let own = late.iter().filter(|(_, same, _)| *same).count();
        let oldest = if own > APPROVALS_LATE_PRINCIPAL_MAX {
            late.iter().find(|(_, same, _)| *same)
        } else if late.len() > APPROVALS_LATE_MAX {
            late.first()
        } else {
            None
        };
        if let Some((_, _, id)) = oldest {
            self.open.remove(id);
        }
    }
}

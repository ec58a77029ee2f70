//! Questions to people: a [`Held`] request waits here until a person answers or time ends it.
//!
//! ```text
//! session:  ask -> Pending -> answer().await -> record -> acknowledge -> Granted -> Held::grant
//! approver: list -> propose -> Proposed -> recorded().await
//! later:    expire -> propose -> LateAnswer -> record -> settle; the repeat: redeem -> Held::grant
//! ```
//!
//! The registry does no I/O and reads no clock; the caller passes `now`. An answer takes effect
//! only once the waiting session has recorded it, so an approval is durable before it acts.

mod approver;
mod binding;
mod escape;
mod late;
mod question;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::fault::{Blame, Fault};
use crate::identity::{Claims, Principal};
use crate::limits::{APPROVAL_NOTE_BYTES_MAX, APPROVAL_RUN_WITHIN_SECS};
use crate::policy::{ApprovalStamp, Decided, Denied, Held};
use crate::protocol::Block;
use crate::session::Session;

pub use approver::person;
pub use escape::shown;
use late::Said;
pub use late::{LateAnswer, Redeemed};
pub use question::{Question, Requester};
use table::{Entry, Seat, Table, lock};

/// What a person says to a question.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It may run, once.
    Approve,
    /// It must not run.
    Deny,
}

/// Every open question of this gateway. Clones share it.
#[derive(Clone)]
pub struct Registry {
    table: Arc<Mutex<Table>>,
}

/// The session's side of an open question. Dropping it withdraws the question.
pub struct Pending {
    id: String,
    binding: String,
    approvers: Vec<String>,
    deadline: SystemTime,
    /// How long it may be answered once nobody waits; `None` when a repeat could not be told from
    /// another request.
    late: Option<Duration>,
    in_block: bool,
    /// It stays open without this session.
    kept: bool,
    answers: oneshot::Receiver<Given>,
    table: Arc<Mutex<Table>>,
}

/// An answer as it reaches the session, before it is recorded.
#[derive(Debug)]
pub struct Given {
    stamp: ApprovalStamp,
    approver: Claims,
    answer: Answer,
    note: String,
    recorded: oneshot::Sender<()>,
}

/// Proof that a person approved exactly this binding and that the answer was recorded.
#[derive(Debug)]
pub struct Granted {
    stamp: ApprovalStamp,
    run_before: SystemTime,
}

/// The approver's side of an answer: not final until the session has recorded it.
#[derive(Debug)]
pub struct Proposed {
    id: String,
    recorded: oneshot::Receiver<()>,
}

/// What became of an approver's answer.
#[derive(Debug)]
pub enum Reaction {
    /// The waiting session was told; it records the answer.
    Told(Proposed),
    /// Nobody waits: whoever called records the answer, and then settles it.
    Late(Box<LateAnswer>),
}

impl Registry {
    /// No question yet. `approvers` are the groups that answer a question which names none.
    pub fn new(approvers: Vec<String>) -> Self {
        Self {
            table: Arc::new(Mutex::new(Table {
                approvers,
                open: HashMap::new(),
                passes: Vec::new(),
            })),
        }
    }

    /// Replaces the default approver groups; holds for open questions too.
    pub fn trust(&self, approvers: Vec<String>) {
        lock(&self.table).approvers = approvers;
    }

    /// Opens a question for a held request.
    ///
    /// # Errors
    /// `approvals_session_full`, `approvals_principal_full` or `approvals_full` when too many
    /// wait; `approval_no_approver` when no group could answer; `random_failed`.
    pub fn ask(&self, held: &Held, session: &Session, now: SystemTime) -> Result<Pending, Fault> {
        let mut table = lock(&self.table);
        table.sweep(now);
        table.room(session)?;
        if held.ask.approvers.is_empty() && table.approvers.is_empty() {
            return Err(Fault::new(
                Blame::Operator,
                "approval_no_approver",
                "YA002",
                "this needs an approval, but no approver group is configured",
            )
            .hint("the operator names groups in [approval] approvers or [admin] approver_groups"));
        }
        let id = table.mint()?;
        let binding = binding::hash(held, session);
        // Whoever asks the same anew waits for the new answer, not for the late one.
        table
            .open
            .retain(|_, it| !matches!(it.seat, Seat::Late(_)) || it.question.binding != binding);
        let state = held.request.state();
        let in_block = state.block != Block::None;
        let window = match in_block {
            true => held.ask.decide_within_secs.min(held.terms.in_transaction_secs),
            false => held.ask.decide_within_secs,
        };
        let window = Duration::from_secs(u64::from(window));
        let late = (held.terms.late_secs > 0 && state.is_known())
            .then(|| Duration::from_secs(u64::from(held.terms.late_secs)));
        // A deadline the clock can't express is one that has passed.
        let deadline = now.checked_add(window).unwrap_or(now);
        let (seat, answers) = oneshot::channel();
        let question = Question::new(&id, &binding, held, session, now, deadline);
        let entry = Entry {
            question,
            session: session.id(),
            principal: session.principal().clone(),
            asked: now,
            deadline,
            seat: Seat::Waiting(seat),
        };
        table.open.insert(id.clone(), entry);
        let approvers = held.ask.approvers.clone();
        let table = Arc::clone(&self.table);
        let kept = false;
        Ok(Pending { id, binding, approvers, deadline, late, in_block, kept, answers, table })
    }

    /// Every open question, oldest first, with long statements cut; the late ones among them.
    pub fn list(&self, now: SystemTime) -> Vec<Question> {
        let mut table = lock(&self.table);
        table.sweep(now);
        let mut open: Vec<&Entry> = table.open.values().collect();
        open.sort_by(|a, b| (a.asked, &a.question.id).cmp(&(b.asked, &b.question.id)));
        open.into_iter().map(|entry| entry.shown(&table.approvers, now).cut()).collect()
    }

    /// One open question, whole.
    pub fn question(&self, id: &str, now: SystemTime) -> Option<Question> {
        let mut table = lock(&self.table);
        table.sweep(now);
        table.open.get(id).map(|entry| entry.shown(&table.approvers, now))
    }

    /// Answers a question. The answer goes to the waiting session; wait for
    /// [`Proposed::recorded`] before telling the approver that it counts.
    ///
    /// # Errors
    /// `approval_unknown`, `approval_answered`, `approval_expired`, `approval_withdrawn`,
    /// `note_too_long`, or the reason why this principal may not answer: `approver_is_agent`,
    /// `approver_is_service`, `approver_is_delegated`, `approver_is_requester`,
    /// `approver_group`.
    pub fn propose(
        &self,
        id: &str,
        approver: &Principal,
        answer: Answer,
        note: &str,
        now: SystemTime,
    ) -> Result<Reaction, Fault> {
        if note.len() > APPROVAL_NOTE_BYTES_MAX {
            let message = format!("the note is longer than {APPROVAL_NOTE_BYTES_MAX} bytes");
            return Err(Fault::new(Blame::Client, "note_too_long", "22001", message));
        }
        let mut table = lock(&self.table);
        table.sweep(now);
        let Table { approvers, open, .. } = &mut *table;
        let Some(entry) = open.get_mut(id) else {
            return Err(unknown());
        };
        approver::person(approver)?;
        approver::not_the_requester(approver, &entry.principal)?;
        approver::in_group(approver, entry.groups(approvers))?;
        let claims = approver.claims();
        let stamp = ApprovalStamp {
            id: id.to_owned(),
            approver: format!("{} {}", claims.issuer, claims.subject),
            binding: entry.question.binding.clone(),
        };
        let (approver, note) = (claims.clone(), note.to_owned());
        match std::mem::replace(&mut entry.seat, Seat::Answered) {
            Seat::Waiting(seat) if now >= entry.deadline => {
                entry.seat = Seat::Waiting(seat);
                Err(expired(id))
            }
            Seat::Waiting(seat) => {
                let (recorded, acknowledged) = oneshot::channel();
                let given = Given { stamp, approver, answer, note, recorded };
                seat.send(given).map_err(|_| withdrawn())?;
                Ok(Reaction::Told(Proposed { id: id.to_owned(), recorded: acknowledged }))
            }
            Seat::Late(late) => {
                let said = Said { stamp, approver, note, asked_in: entry.session.to_string() };
                let table = Arc::clone(&self.table);
                Ok(Reaction::Late(Box::new(LateAnswer::new(table, said, answer, late))))
            }
            Seat::Answered => Err(answered()),
        }
    }
}

impl Pending {
    /// The id, `apr_...`, for the caller and the log.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Hash of what is asked for, hex.
    pub fn binding(&self) -> &str {
        &self.binding
    }

    /// When the question ends unanswered; the session sets a timer for it.
    pub fn deadline(&self) -> SystemTime {
        self.deadline
    }

    /// What to tell the waiting caller, as a notice of SQLSTATE `YA001`.
    pub fn notice(&self, now: SystemTime) -> Fault {
        let left = self.deadline.duration_since(now).map_or(0, |left| left.as_secs());
        let who = if self.approvers.is_empty() {
            "an approver".to_owned()
        } else {
            format!("a member of {}", self.approvers.join(", "))
        };
        let message = format!("approval {} pending: {who} has {left} s to answer", self.id);
        Fault::new(Blame::Policy, "approval_pending", "YA001", message)
            .hint("keep the connection open; cancel the request to withdraw the question")
    }

    /// Waits for the answer. Safe to drop and call again.
    ///
    /// # Errors
    /// `approval_withdrawn` when no answer can come any more.
    pub async fn answer(&mut self) -> Result<Given, Fault> {
        (&mut self.answers).await.map_err(|_| withdrawn())
    }

    /// Ends the waiting at its deadline; the fault is for the caller. Where a repeat can be told
    /// from any other request, the question itself stays, for a late answer.
    pub fn expire(mut self, now: SystemTime) -> Fault {
        let Some(late) = self.step_back(now) else { return expired(&self.id) };
        let who = match self.approvers.is_empty() {
            true => lock(&self.table).approvers.join(", "),
            false => self.approvers.join(", "),
        };
        let again = if self.in_block { "again, in a transaction as this one" } else { "again" };
        let hint = format!(
            "Ask a member of {who} to approve {} within {} s. Then send the same statement \
             {again}: it runs once, without a new question.",
            self.id,
            late.as_secs()
        );
        Fault { hint: None, ..expired(&self.id) }.hint(hint)
    }

    /// The caller has left without taking the question back: it stays, for a late answer.
    pub fn leave(mut self, now: SystemTime) {
        self.step_back(now);
    }

    fn step_back(&mut self, now: SystemTime) -> Option<Duration> {
        let window = self.late?;
        let until = now.checked_add(window)?;
        let mut table = lock(&self.table);
        // An answer that was on its way is lost with the one who waited for it.
        table.open.get_mut(&self.id)?.seat = Seat::Late(late::Late { until, window });
        table.thin_late(&self.id);
        self.kept = true;
        Some(window)
    }

    /// Makes an answer final. Call it only once the answer is durable in the log.
    ///
    /// # Errors
    /// `approval_refused` when the answer was no; `approval_mismatch` when the answer belongs to
    /// another question.
    pub fn acknowledge(self, given: Given, now: SystemTime) -> Result<Granted, Fault> {
        if given.stamp.id != self.id || given.stamp.binding != self.binding {
            return Err(mismatch());
        }
        let Given { stamp, approver: _, answer, note, recorded } = given;
        // The approver may have gone; the recorded answer counts all the same.
        let _ = recorded.send(());
        match answer {
            Answer::Approve => {
                let run = Duration::from_secs(APPROVAL_RUN_WITHIN_SECS);
                let run_before = now.checked_add(run).unwrap_or(now);
                Ok(Granted { stamp, run_before })
            }
            Answer::Deny => {
                let message = format!("approval {} was refused", stamp.id);
                let fault = Fault::new(Blame::Policy, "approval_refused", "YA002", message)
                    .hint("do not retry: the same request needs a new approval");
                let note = shown(note.trim());
                Err(if note.is_empty() { fault } else { fault.detail(note) })
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.kept {
            lock(&self.table).open.remove(&self.id);
        }
    }
}

impl Given {
    /// What the log records of it: the question, who answered, and the binding.
    pub fn stamp(&self) -> &ApprovalStamp {
        &self.stamp
    }
    /// Who answered, as their token says.
    pub fn approver(&self) -> &Claims {
        &self.approver
    }
    /// Yes or no.
    pub fn answer(&self) -> Answer {
        self.answer
    }
    /// The approver's words, as sent.
    pub fn note(&self) -> &str {
        &self.note
    }
}

impl Granted {
    /// What the log records of it.
    pub fn stamp(&self) -> &ApprovalStamp {
        &self.stamp
    }
}

impl Proposed {
    /// Waits until the session has recorded the answer.
    ///
    /// # Errors
    /// `approval_not_recorded` when the session ended or could not record it: the answer then
    /// has no effect.
    pub async fn recorded(self) -> Result<(), Fault> {
        self.recorded.await.map_err(|_| {
            let message = format!("the answer to {} was not recorded and has no effect", self.id);
            Fault::new(Blame::Client, "approval_not_recorded", "YA002", message)
                .hint("the session has ended or could not write its log; the request did not run")
        })
    }
}

impl Held {
    /// Turns a yes into proof that the request may run.
    ///
    /// # Errors
    /// A denial with `approval_mismatch` when the yes was for anything else than exactly this
    /// request in this session, or `approval_stale` when it came too long ago.
    pub fn grant(
        self,
        granted: Granted,
        session: &Session,
        now: SystemTime,
    ) -> Result<Decided, Box<Denied>> {
        if binding::hash(&self, session) != granted.stamp.binding {
            return Err(Box::new(self.refuse(mismatch())));
        }
        if now >= granted.run_before {
            let message = format!("approval {} is too old to run", granted.stamp.id);
            let fault = Fault::new(Blame::Policy, "approval_stale", "YA003", message)
                .hint("send the request again to ask again");
            return Err(Box::new(self.refuse(fault)));
        }
        let Self { request, ruling, .. } = self;
        Ok(Decided { request, ruling, approval: Some(granted.stamp) })
    }

    /// Ends it without running it.
    pub fn refuse(self, fault: Fault) -> Denied {
        let Self { request, ruling, .. } = self;
        Denied { request, ruling, fault }
    }
}

fn unknown() -> Fault {
    Fault::new(Blame::Client, "approval_unknown", "YA002", "no such question is open")
        .hint("it may have been answered, withdrawn or expired; list the open ones")
}

fn withdrawn() -> Fault {
    Fault::new(Blame::Client, "approval_withdrawn", "57014", "the question was withdrawn")
}

fn answered() -> Fault {
    let message = "this question has been answered already";
    Fault::new(Blame::Client, "approval_answered", "YA002", message)
}

fn expired(id: &str) -> Fault {
    let message = format!("approval {id} expired: nobody answered in time");
    Fault::new(Blame::Policy, "approval_expired", "YA003", message)
        .hint("send the request again to ask again")
}

fn mismatch() -> Fault {
    Fault::new(Blame::Bug, "approval_mismatch", "YA005", "the approval does not cover this request")
}

#[cfg(test)]
mod tests;

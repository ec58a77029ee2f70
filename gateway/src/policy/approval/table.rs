//! The questions behind the registry's lock.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::oneshot;

use super::Given;
use super::late::{Late, Pass};
use super::question::{Question, unix_secs};
use crate::fault::{Blame, Fault};
use crate::identity::Principal;
use crate::limits::{
    APPROVALS_PENDING_MAX, APPROVALS_PENDING_PRINCIPAL_MAX, APPROVALS_PENDING_SESSION_MAX,
};
use crate::session::{Session, SessionId};

pub(super) struct Table {
    pub(super) approvers: Vec<String>,
    pub(super) open: HashMap<String, Entry>,
    /// Yeses that came late, for a repeat each.
    pub(super) passes: Vec<Pass>,
}

pub(super) struct Entry {
    pub(super) question: Question,
    pub(super) session: SessionId,
    pub(super) principal: Principal,
    pub(super) asked: SystemTime,
    pub(super) deadline: SystemTime,
    pub(super) seat: Seat,
}

/// Who waits for the answer.
pub(super) enum Seat {
    /// Nobody: the first answer ends the question.
    Answered,
    /// Nobody, but until then a yes lets an identical repeat run.
    Late(Late),
    /// The session.
    Waiting(oneshot::Sender<Given>),
}

impl Table {
    /// Forgets what came too late even for a late answer.
    pub(super) fn sweep(&mut self, now: SystemTime) {
        self.open.retain(|_, entry| !matches!(entry.seat, Seat::Late(it) if now >= it.until));
        self.passes.retain(|pass| pass.lasts(now));
    }

    pub(super) fn room(&self, session: &Session) -> Result<(), Fault> {
        let claims = session.principal().claims();
        let waiting = || self.open.values().filter(|e| !matches!(e.seat, Seat::Late(_)));
        let of_session = waiting().filter(|e| e.session == session.id()).count();
        let of_principal = waiting()
            .filter(|e| {
                let other = e.principal.claims();
                other.issuer == claims.issuer && other.subject == claims.subject
            })
            .count();
        let (code, most) = if of_session >= APPROVALS_PENDING_SESSION_MAX {
            ("approvals_session_full", APPROVALS_PENDING_SESSION_MAX)
        } else if of_principal >= APPROVALS_PENDING_PRINCIPAL_MAX {
            ("approvals_principal_full", APPROVALS_PENDING_PRINCIPAL_MAX)
        } else if waiting().count() >= APPROVALS_PENDING_MAX {
            ("approvals_full", APPROVALS_PENDING_MAX)
        } else {
            return Ok(());
        };
        let message = format!("too many requests wait for approval already (at most {most})");
        Err(Fault::new(Blame::Client, code, "YA004", message)
            .hint("wait until one of them is answered, or cancel one"))
    }

    pub(super) fn mint(&self) -> Result<String, Fault> {
        loop {
            let mut random = [0u8; 10];
            aws_lc_rs::rand::fill(&mut random).map_err(|_| {
                Fault::new(Blame::Bug, "random_failed", "XX000", "no random numbers available")
            })?;
            let id = format!("apr_{}", base32(random));
            if !self.open.contains_key(&id) {
                return Ok(id);
            }
        }
    }
}

impl Entry {
    pub(super) fn groups<'a>(&'a self, default: &'a [String]) -> &'a [String] {
        let own = &self.question.approvers;
        if own.is_empty() { default } else { own }
    }

    pub(super) fn shown(&self, default: &[String], now: SystemTime) -> Question {
        let mut question = self.question.clone();
        question.approvers = self.groups(default).to_vec();
        question.answered = matches!(self.seat, Seat::Answered);
        if let Seat::Late(late) = self.seat {
            question.late_until_at = Some(unix_secs(late.until));
        }
        question.age_secs = now.duration_since(self.asked).map_or(0, |age| age.as_secs());
        question.expired = now >= self.deadline;
        question
    }
}

pub(super) fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    // Every change under the lock is one insert, remove or take, so a panic leaves it whole.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// RFC 4648 base32, lower case: easy to read out and to type.
fn base32(bytes: [u8; 10]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::with_capacity(16);
    let mut bits = 0u32;
    let mut held = 0u32;
    for byte in bytes {
        held = (held << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let index = usize::try_from((held >> bits) & 31).unwrap_or(0);
            text.extend(ALPHABET.get(index).copied().map(char::from));
        }
        held &= (1 << bits) - 1;
    }
    text
}

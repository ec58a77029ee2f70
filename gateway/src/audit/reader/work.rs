//! Everything that was done for one task or ticket, over all its sessions.

use serde::Serialize;

use super::{Reader, SessionRecord, store_error};
use crate::audit::Error;
use crate::audit::entry::{Entry, SessionStart};
use crate::limits::WORK_SESSIONS_MAX;

/// What sessions are gathered by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    /// A task.
    Task,
    /// A ticket.
    Ticket,
}

impl WorkKind {
    /// `task` or `ticket`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Ticket => "ticket",
        }
    }

    /// What a session's first entry names of this kind.
    pub(in crate::audit) fn named(self, start: &SessionStart) -> Option<&str> {
        let work = match self {
            Self::Task => &start.task,
            Self::Ticket => &start.ticket,
        };
        work.as_ref().map(|work| work.id.as_str())
    }
}

/// The sessions of one task or ticket, whole, the oldest first.
#[derive(Debug)]
pub struct WorkRecord {
    /// Task or ticket.
    pub kind: WorkKind,
    /// Its name.
    pub id: String,
    /// Its sessions.
    pub sessions: Vec<SessionRecord>,
}

impl Reader {
    /// Every session that was for this task or ticket, with decrypted payloads; `None` when there
    /// is none. Reads the first entry of each session of the log.
    ///
    /// # Errors
    /// The store can't be read, or there are more sessions than one report holds.
    pub fn work(&self, kind: WorkKind, id: &str) -> Result<Option<WorkRecord>, Error> {
        let view = self.view()?;
        let mut firsts = Vec::new();
        view.sessions(&mut |session, (first, _)| {
            firsts.push((first, session.to_owned()));
            true
        })
        .map_err(store_error)?;
        firsts.sort_unstable();
        let mut sessions = Vec::new();
        for (first, session) in firsts {
            let line = view.leaf(first).map_err(store_error)?.unwrap_or_default();
            let start = Entry::read(&line).ok().and_then(|it| it.body::<SessionStart>().ok());
            if start.is_none_or(|start| kind.named(&start) != Some(id)) {
                continue;
            }
            if sessions.len() == WORK_SESSIONS_MAX {
                let why =
                    format!("it has more than {WORK_SESSIONS_MAX} sessions; take them one by one");
                return Err(Error::Unfit { id: format!("{} {id}", kind.word()), why });
            }
            sessions.extend(self.session(&session)?);
        }
        let record = WorkRecord { kind, id: id.to_owned(), sessions };
        Ok((!record.sessions.is_empty()).then_some(record))
    }
}

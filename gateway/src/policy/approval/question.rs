//! An open question as approvers and auditors see it.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::escape::{line, shown};
use crate::limits::{APPROVAL_PARAMETER_SHOWN_BYTES_MAX, APPROVAL_STATEMENT_SHOWN_BYTES_MAX};
use crate::policy::{Finding, Held};
use crate::protocol::{Block, Kind, Parameter};
use crate::session::Session;

/// Who asks, as the token said it.
#[derive(Clone, Debug, Serialize)]
pub struct Requester {
    /// The configured name of the issuer.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `email`, when the token has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The OAuth client, when the token names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The delegation chain, outermost (acting now) first.
    pub actors: Vec<String>,
}

/// One open question. Every text is escaped for display; nothing in it is a secret of the
/// gateway, but statements and parameters may hold data of the target.
#[derive(Clone, Debug, Serialize)]
pub struct Question {
    /// `apr_...`.
    pub id: String,
    /// The waiting session, `ses_...`.
    pub session: String,
    /// Who asks.
    pub requester: Requester,
    /// The configured name of the target.
    pub target: String,
    /// The role on the target.
    pub role: String,
    /// The database.
    pub database: String,
    /// `postgres`.
    pub protocol: &'static str,
    /// The kind of request.
    pub kind: Kind,
    /// Why a person is asked.
    pub reason: String,
    /// 0 to 100.
    pub risk: u8,
    /// What plugins and core rules noticed.
    pub findings: Vec<Finding>,
    /// The exact text, escaped; cut in lists.
    pub statement: String,
    /// Length of the whole text, bytes.
    pub statement_bytes: usize,
    /// True when `statement` is not the whole text.
    pub statement_cut: bool,
    /// True when the text has characters beyond ASCII, which may look like others.
    pub statement_beyond_ascii: bool,
    /// Bound values in order: text as it is, binary as `0x...`, NULL as `NULL`.
    pub parameters: Vec<String>,
    /// The request would run inside an open transaction.
    pub in_transaction: bool,
    /// The role it would run as; absent when it could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_as: Option<String>,
    /// The session's `search_path`; absent when it could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_path: Option<String>,
    /// Groups whose members may answer.
    pub approvers: Vec<String>,
    /// Hash of exactly what is approved, hex.
    pub binding: String,
    /// When it was asked, seconds since the Unix epoch.
    pub asked_at: u64,
    /// When it ends unanswered, seconds since the Unix epoch.
    pub deadline_at: u64,
    /// Seconds since it was asked.
    pub age_secs: u64,
    /// Somebody answered; the session is about to act on it.
    pub answered: bool,
    /// The deadline has passed.
    pub expired: bool,
    /// Nobody waits any more. Until then (seconds since the Unix epoch) it may still be answered:
    /// a yes lets the same request run once when it is sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_until_at: Option<u64>,
}

impl Question {
    pub(super) fn new(
        id: &str,
        binding: &str,
        held: &Held,
        session: &Session,
        now: SystemTime,
        deadline: SystemTime,
    ) -> Self {
        let request = held.request();
        let text = request.text();
        Self {
            id: id.to_owned(),
            session: session.id().to_string(),
            requester: Requester::new(session),
            target: session.target().to_owned(),
            role: line(session.role()),
            database: line(session.database()),
            protocol: session.protocol(),
            kind: request.kind(),
            reason: line(&held.ask().reason),
            risk: held.ruling().risk,
            findings: held.ruling().findings.iter().map(finding).collect(),
            statement: shown(text),
            statement_bytes: text.len(),
            statement_cut: false,
            statement_beyond_ascii: !text.is_ascii(),
            parameters: request.parameters().iter().map(parameter).collect(),
            in_transaction: request.state().block != Block::None,
            runs_as: request.state().role.as_deref().map(line),
            search_path: request.state().search_path.as_deref().map(line),
            approvers: held.ask().approvers.clone(),
            binding: binding.to_owned(),
            asked_at: unix_secs(now),
            deadline_at: unix_secs(deadline),
            age_secs: 0,
            answered: false,
            expired: false,
            late_until_at: None,
        }
    }

    /// The same with a statement short enough for a list.
    pub(super) fn cut(mut self) -> Self {
        let end = floor(&self.statement, APPROVAL_STATEMENT_SHOWN_BYTES_MAX);
        if end < self.statement.len() {
            self.statement.truncate(end);
            self.statement_cut = true;
        }
        self
    }
}

impl Requester {
    fn new(session: &Session) -> Self {
        let claims = session.principal().claims();
        Self {
            issuer: claims.issuer_name.clone(),
            subject: line(&claims.subject),
            email: claims.email.as_deref().map(line),
            client: claims.client.as_deref().map(line),
            actors: claims.actors.iter().map(|actor| line(&actor.subject)).collect(),
        }
    }
}

fn finding(finding: &Finding) -> Finding {
    Finding {
        plugin: line(&finding.plugin),
        rule: line(&finding.rule),
        score: finding.score,
        message: line(&finding.message),
    }
}

fn parameter(parameter: &Parameter) -> String {
    let Some(value) = &parameter.value else {
        return "NULL".to_owned();
    };
    let most = APPROVAL_PARAMETER_SHOWN_BYTES_MAX;
    match std::str::from_utf8(value) {
        Ok(text) if !parameter.binary => {
            let end = floor(text, most);
            let rest = text.len() - end;
            let text = shown(text.get(..end).unwrap_or_default());
            if rest > 0 { format!("{text}<{rest} bytes more>") } else { text }
        }
        _ => {
            let head = value.get(..value.len().min(most / 2)).unwrap_or_default();
            let rest = value.len() - head.len();
            let text = format!("0x{}", hex(head));
            if rest > 0 { format!("{text}<{rest} bytes more>") } else { text }
        }
    }
}

/// The last character boundary at or before `end`.
fn floor(text: &str, end: usize) -> usize {
    (0..=end.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(super) fn unix_secs(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

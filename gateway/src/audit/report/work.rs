//! The report of a task or ticket: what its sessions did together, then each session's own report.

use std::fmt::Write as _;

use serde::Serialize;

use super::text::printable;
use super::{Report, html, report, rfc3339, text};
use crate::audit::reader::{WorkKind, WorkRecord};

/// How a report is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// One HTML page.
    Html,
    /// One JSON object.
    Json,
    /// Text for people.
    Text,
}

/// The report of one task or ticket.
#[derive(Debug, Serialize)]
pub struct WorkReport<'a> {
    /// Task or ticket.
    pub kind: WorkKind,
    /// Its name.
    pub id: &'a str,
    /// First entry of the first session, RFC 3339 UTC.
    pub started: String,
    /// Last entry of all, when every session is over.
    pub ended: Option<String>,
    /// What its sessions did together.
    pub totals: Totals,
    /// Who acted, each once.
    pub agents: Vec<&'a str>,
    /// The targets, each once.
    pub targets: Vec<&'a str>,
    /// The sessions, the oldest first.
    pub sessions: Vec<Report<'a>>,
}

/// Sums over the sessions.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[allow(
    missing_docs,
    reason = "the fields are those of session_end, and places where a chain breaks"
)]
pub struct Totals {
    pub sessions: u64,
    pub requests: u64,
    pub denied: u64,
    pub held: u64,
    pub rows: u64,
    pub masked_cells: u64,
    pub gaps: u64,
}

/// Makes the report of a task or ticket; `public_key` is the log's.
pub fn work<'a>(record: &'a WorkRecord, public_key: &str) -> WorkReport<'a> {
    let mut totals = Totals::default();
    let (mut agents, mut targets) = (Vec::new(), Vec::new());
    for session in &record.sessions {
        let summary = &session.summary;
        totals.sessions += 1;
        totals.requests += summary.requests;
        totals.denied += summary.denied;
        totals.held += summary.held;
        totals.rows += summary.rows;
        totals.masked_cells += summary.masked_cells;
        totals.gaps += session.gaps.len() as u64;
        agents.push(summary.agent.as_str());
        targets.push(summary.target.as_str());
    }
    for list in [&mut agents, &mut targets] {
        list.sort_unstable();
        list.dedup();
    }
    let summaries = || record.sessions.iter().map(|session| &session.summary);
    let started = summaries().map(|summary| summary.started).min().unwrap_or_default();
    let ended: Option<Vec<u64>> = summaries().map(|summary| summary.ended).collect();
    WorkReport {
        kind: record.kind,
        id: &record.id,
        started: rfc3339(started),
        ended: ended.and_then(|ended| ended.into_iter().max()).map(rfc3339),
        totals,
        agents,
        targets,
        sessions: record.sessions.iter().map(|session| report(session, public_key)).collect(),
    }
}

impl WorkReport<'_> {
    /// The report in this form.
    ///
    /// # Errors
    /// None that a report can cause.
    pub fn written(&self, form: Form) -> Result<String, serde_json::Error> {
        match form {
            Form::Html => Ok(html::work(self)),
            Form::Json => serde_json::to_string_pretty(self),
            Form::Text => Ok(self.text()),
        }
    }

    /// The lines above the sessions: a name and what it says.
    pub(super) fn head(&self) -> Vec<(&'static str, String)> {
        let Totals { sessions, requests, denied, held, rows, masked_cells, gaps } = self.totals;
        vec![
            ("agents", self.agents.join(", ")),
            ("targets", self.targets.join(", ")),
            ("started", self.started.clone()),
            ("ended", self.ended.clone().unwrap_or_else(|| "still open".to_owned())),
            ("sessions", sessions.to_string()),
            ("requests", format!("{requests} ({denied} denied, {held} held for approval)")),
            ("returned", format!("{rows} rows; {masked_cells} cells were masked")),
            ("gaps", gaps.to_string()),
        ]
    }

    fn text(&self) -> String {
        let mut out = format!("{} {}\n", self.kind.word().to_uppercase(), printable(self.id));
        for (name, value) in self.head() {
            // Writing to a String can't fail.
            let _ = writeln!(out, "  {name:<11} {}", printable(&value));
        }
        for report in &self.sessions {
            let _ = write!(out, "\n{}\n{}", "=".repeat(72), text(report));
        }
        out
    }
}

#[cfg(test)]
mod tests;

//! The report as a person reads it.

use std::fmt::{Result, Write};

use super::{Moment, Report, Table, rfc3339};
use crate::audit::entry::{
    Approval, ApprovalDecision, HiddenColumn, Request, RequestState, Response, SessionEnd,
    SessionTorn, TokenBinding, kind,
};
use crate::audit::reader::SessionState;
use crate::session::Source;

/// The report as text. Control characters in what others wrote are escaped, so that a report
/// can't command the terminal it is read on.
pub fn text(report: &Report<'_>) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = write_all(&mut out, report);
    out
}

fn write_all(out: &mut String, report: &Report<'_>) -> Result {
    head(out, report)?;
    writeln!(out, "\nTIMELINE")?;
    for moment in &report.timeline {
        entry(out, moment)?;
    }
    if report.more > 0 {
        writeln!(out, "  ... {} more entries are not shown", report.more)?;
    }
    writeln!(out, "\nINTEGRITY")?;
    if report.gaps.is_empty() {
        writeln!(out, "  chain       every entry names the one before it; none is missing")?;
    }
    for gap in report.gaps {
        writeln!(out, "  GAP         {}", printable(gap))?;
    }
    let clock = if report.clock.stepped() { "the wall clock was set" } else { "ran evenly" };
    writeln!(out, "  clock       {clock} (largest step {} ms)", report.clock.step_millis)?;
    match report.session.state {
        SessionState::Ended => {}
        SessionState::Open => writeln!(out, "  open        the session has not ended yet")?,
        SessionState::Torn => {
            writeln!(out, "  TORN        what came after the last entry is not known")?;
        }
    }
    let inclusion = report.inclusion;
    writeln!(
        out,
        "  included    entry {} is in the tree of {} entries ({} proof hashes)",
        inclusion.index,
        inclusion.size,
        inclusion.hashes.len()
    )?;
    writeln!(out, "  public key  {}", report.public_key)?;
    writeln!(out, "  checkpoint")?;
    for line in report.checkpoint.lines() {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

fn head(out: &mut String, report: &Report<'_>) -> Result {
    let session = report.session;
    writeln!(out, "SESSION {}", session.id)?;
    writeln!(out, "  agent       {}", printable(&session.agent))?;
    for (name, work) in [("task", &session.task), ("ticket", &session.ticket)] {
        if let Some(work) = work {
            let from = match work.from {
                Source::Client => "as the client said",
                Source::Token => "as the token says",
            };
            writeln!(out, "  {name:<11} {} ({from})", printable(&work.id))?;
        }
    }
    if let Some(token) = &report.token {
        binding(out, token)?;
    }
    writeln!(
        out,
        "  target      {} ({}, database {}, role {})",
        printable(&session.target),
        session.protocol,
        printable(&session.database),
        printable(&session.role)
    )?;
    writeln!(out, "  client      {} from {}", printable(&report.client), report.peer)?;
    writeln!(out, "  started     {}", report.started)?;
    let ended = report.ended.as_deref().unwrap_or("still open");
    let reason = session.reason.as_deref().map(|reason| format!(" ({})", printable(reason)));
    writeln!(out, "  ended       {ended}{}", reason.unwrap_or_default())?;
    writeln!(
        out,
        "  requests    {} ({} denied, {} held for approval)",
        session.requests, session.denied, session.held
    )?;
    writeln!(
        out,
        "  returned    {} rows; {} cells were masked before the client saw them",
        session.rows, session.masked_cells
    )
}

fn binding(out: &mut String, token: &TokenBinding) -> Result {
    writeln!(out, "  subject     {}", printable(&token.subject))?;
    for (subject, profile) in &token.actors {
        let profile = profile.as_deref().unwrap_or("no profile");
        writeln!(out, "  acting      {} ({})", printable(subject), printable(profile))?;
    }
    let optional = [
        ("client id", &token.client),
        ("user id", &token.uid),
        ("email", &token.email),
        ("token id", &token.token_id),
        ("key id", &token.key_id),
    ];
    writeln!(out, "  issuer      {}", printable(&token.issuer))?;
    for (name, value) in optional {
        if let Some(value) = value {
            writeln!(out, "  {name:<11} {}", printable(value))?;
        }
    }
    let lists =
        [("audience", &token.audience), ("groups", &token.groups), ("scopes", &token.scopes)];
    for (name, list) in lists {
        if !list.is_empty() {
            writeln!(out, "  {name:<11} {}", printable(&list.join(", ")))?;
        }
    }
    writeln!(out, "  key         {} (RFC 7638)", printable(&token.key_thumbprint))?;
    writeln!(out, "  token       SHA-256 {}", printable(&token.token_sha256))?;
    let seconds = |seconds: i64| {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        rfc3339(seconds.saturating_mul(1_000_000_000))
    };
    writeln!(out, "  valid       {} to {}", seconds(token.issued_at), seconds(token.expires_at))
}

fn entry(out: &mut String, moment: &Moment<'_>) -> Result {
    let buffered = if moment.buffered { "  [buffered]" } else { "" };
    let headline = headline(moment);
    writeln!(out, "{}  {headline}{buffered}  (entry {})", moment.time, moment.index)?;
    if let Some(command) = &moment.command {
        for line in command.text.lines() {
            writeln!(out, "      {}", printable(line))?;
        }
        for (parameter, number) in command.parameters.iter().zip(1..) {
            let value = parameter.value.as_deref().unwrap_or("NULL");
            let form = if parameter.binary { "binary" } else { "text" };
            writeln!(out, "      ${number} = {value} (base64 of the {form} value)")?;
        }
        for finding in &command.findings {
            let (plugin, rule) = (printable(&finding.plugin), printable(&finding.rule));
            let message = printable(&finding.message);
            writeln!(out, "      - {rule} ({plugin}, risk {}): {message}", finding.score)?;
        }
        if let Some(reason) = &command.reason {
            writeln!(out, "      reason: {}", printable(reason))?;
        }
    }
    for result in &moment.results {
        table(out, result)?;
    }
    if let Some(why) = moment.unreadable {
        writeln!(out, "      the content can't be shown: {why}")?;
    }
    Ok(())
}

pub(super) fn headline(moment: &Moment<'_>) -> String {
    let body = moment.body.get();
    let said = match moment.kind {
        kind::REQUEST => serde_json::from_str::<Request>(body).ok().map(|it| request(&it)),
        kind::RESPONSE => serde_json::from_str::<Response>(body).ok().map(|it| {
            let hidden: Vec<String> = it
                .hidden
                .iter()
                .map(|column| {
                    let HiddenColumn { position, rule, plugin } = column;
                    format!("column {position} by {rule} ({plugin})")
                })
                .collect();
            let hidden = match hidden.as_slice() {
                [] => String::new(),
                columns => format!(": {}", columns.join(", ")),
            };
            format!(
                "#{} RETURNED {} rows, {} bytes, {} cells masked{hidden}",
                it.number, it.rows, it.bytes, it.masked_cells
            )
        }),
        kind::APPROVAL => serde_json::from_str::<Approval>(body)
            .ok()
            .map(|it| approval(&it, moment.latency_millis)),
        kind::SESSION_START => Some("SESSION STARTED".to_owned()),
        kind::SESSION_END => serde_json::from_str::<SessionEnd>(body).ok().map(|it| {
            let detail = it.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
            format!("SESSION ENDED ({}{detail})", it.reason)
        }),
        kind::SESSION_TORN => serde_json::from_str::<SessionTorn>(body)
            .ok()
            .map(|it| format!("SESSION TORN ({})", it.reason)),
        _ => None,
    };
    printable(&said.unwrap_or_else(|| format!("{} {body}", moment.kind.to_uppercase())))
}

fn request(request: &Request) -> String {
    let state = match request.state {
        RequestState::Denied => "DENIED",
        RequestState::Held => "HELD FOR APPROVAL",
        RequestState::Permitted => "PERMITTED",
    };
    let mut line = format!("#{} {state} risk {}", request.number, request.risk);
    if let Some(fault) = &request.fault {
        let sqlstate = request.sqlstate.as_deref().unwrap_or("none");
        line.push_str(&format!(" ({fault}, SQLSTATE {sqlstate})"));
    }
    if let Some(id) = &request.approval_id {
        line.push_str(&format!(" (approval {id})"));
    }
    if let Some(stamp) = &request.approval {
        line.push_str(&format!(" under approval {} by {}", stamp.id, stamp.approver));
    }
    line
}

fn approval(approval: &Approval, latency_millis: Option<u64>) -> String {
    let decision = match approval.decision {
        ApprovalDecision::Approved => "APPROVED",
        ApprovalDecision::Denied => "DENIED BY A PERSON",
        ApprovalDecision::Expired => "EXPIRED UNANSWERED",
        ApprovalDecision::Withdrawn => "WITHDRAWN",
    };
    let mut line = format!("#{} {decision} ({})", approval.number, approval.id);
    if let Some(by) = &approval.by {
        line.push_str(&format!(" by {} of {}", by.subject, by.issuer));
    }
    if let Some(millis) = latency_millis {
        line.push_str(&format!(" after {}.{:03} s", millis / 1000, millis % 1000));
    }
    if let Some(session) = &approval.asked_in {
        line.push_str(&format!(", too late for {session}, which asked; this is the repeat"));
    }
    if let Some(note) = &approval.note {
        line.push_str(&format!(": {note}"));
    }
    line
}

fn table(out: &mut String, table: &Table) -> Result {
    let cell = |cell: &Option<String>| cell.as_deref().map_or("NULL".to_owned(), printable);
    let columns: Vec<String> = table.columns.iter().map(|name| printable(name)).collect();
    let rows: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let count = rows.iter().map(Vec::len).chain([columns.len()]).max().unwrap_or(0);
    let width = |at: usize| {
        let cells = rows.iter().chain([&columns]).filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned()
    };
    if !columns.is_empty() {
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        writeln!(out, "      {}", line(&columns))?;
        writeln!(out, "      {}", rule.join("-+-"))?;
    }
    for row in &rows {
        writeln!(out, "      {}", line(row))?;
    }
    let hidden = table.rows_total.saturating_sub(rows.len() as u64);
    if hidden > 0 {
        writeln!(out, "      ... {hidden} more rows are not shown")?;
    }
    if table.columns_more > 0 {
        writeln!(out, "      ... {} more columns are not shown", table.columns_more)?;
    }
    if table.cells_cut > 0 {
        writeln!(out, "      ({} cells are shown cut)", table.cells_cut)?;
    }
    for words in &table.words {
        writeln!(out, "      {}", printable(words))?;
    }
    Ok(())
}

/// The text with control and direction characters escaped.
pub(super) fn printable(text: &str) -> String {
    let steers = |char: char| {
        char.is_control()
            || matches!(char, '\u{200e}' | '\u{200f}')
            || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if steers(char) { out.extend(char.escape_default()) } else { out.push(char) }
    }
    out
}

//! The report as a page: one file, no scripts, nothing fetched. Everything that others wrote is
//! escaped, and the page's own policy lets a browser run nothing.

mod controls;

use std::fmt::{Result, Write};

use super::text::{headline, printable};
use super::{Command, Moment, Report, Table, WorkReport};
use crate::audit::entry::{RequestState, kind};
use crate::audit::reader::SessionState;
use crate::session::Source;

const STYLE: &str = include_str!("html/style.css");

/// The report as an HTML page.
pub fn html(report: &Report<'_>) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = page(&mut out, report);
    out
}

/// Text for an element or a quoted attribute: what steers a terminal or the direction of text is
/// written out, then what means something in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        for char in printable(line).chars() {
            match char {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                char => out.push(char),
            }
        }
    }
    out
}

/// The report of a task or ticket as one page: what its sessions did together, then each.
pub(super) fn work(report: &WorkReport<'_>) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = work_page(&mut out, report);
    out
}

fn work_page(out: &mut String, report: &WorkReport<'_>) -> Result {
    let kind = report.kind.word();
    let title = escaped(&format!("{kind} {}", report.id));
    top(out, &title)?;
    writeln!(out, "<header><p class=\"over\">Report of a {kind}</p><h1>{title}</h1></header>")?;
    writeln!(out, "<section><h2>Together</h2><dl>")?;
    for (name, value) in report.head() {
        pair(out, name, &value)?;
    }
    writeln!(out, "</dl><ul>")?;
    for session in &report.sessions {
        let id = escaped(&session.session.id);
        let words = escaped(&format!("{} on {}", session.session.agent, session.session.target));
        let started = escaped(&session.started);
        writeln!(out, "<li><a href=\"#{id}\">{id}</a> {started} {words}</li>")?;
    }
    writeln!(out, "</ul></section>")?;
    for session in &report.sessions {
        session_part(out, session)?;
    }
    bottom(out)
}

/// What stands above every report.
fn top(out: &mut String, title: &str) -> Result {
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style></head><body><main>"
    )
}

fn page(out: &mut String, report: &Report<'_>) -> Result {
    let session = report.session;
    top(out, &escaped(&format!("{} on {}", session.agent, session.target)))?;
    session_part(out, report)?;
    bottom(out)
}

fn bottom(out: &mut String) -> Result {
    writeln!(
        out,
        "<footer>This report says what was asked, decided and returned. It does not say that the \
         agent was right.</footer></main></body></html>"
    )
}

fn session_part(out: &mut String, report: &Report<'_>) -> Result {
    let session = report.session;
    let title = escaped(&format!("{} on {}", session.agent, session.target));
    let id = escaped(&session.id);
    writeln!(out, "<header id=\"{id}\"><p class=\"over\">Session report</p><h1>{title}</h1>")?;
    writeln!(out, "<p class=\"id\">{id}</p>")?;
    state(out, report)?;
    writeln!(out, "</header>")?;
    figures(out, report)?;
    who(out, report)?;
    writeln!(out, "<section><h2>What happened</h2><ol class=\"timeline\">")?;
    for moment in &report.timeline {
        entry(out, moment)?;
    }
    writeln!(out, "</ol>")?;
    if report.more > 0 {
        writeln!(out, "<p>{} more entries are not shown.</p>", report.more)?;
    }
    writeln!(out, "</section>")?;
    clock(out, report)?;
    controls::section(out, report)?;
    proof(out, report)
}

fn state(out: &mut String, report: &Report<'_>) -> Result {
    for gap in report.gaps {
        writeln!(out, "<p class=\"bad\">Gap: {}</p>", escaped(gap))?;
    }
    match report.session.state {
        SessionState::Ended => {}
        SessionState::Open => {
            writeln!(out, "<p class=\"warn\">The session has not ended yet.</p>")?;
        }
        SessionState::Torn => writeln!(
            out,
            "<p class=\"bad\">Torn: what came after the last entry is not known.</p>"
        )?,
    }
    if report.gaps.is_empty() {
        writeln!(
            out,
            "<p class=\"good\">Every entry names the one before it; none is missing.</p>"
        )?;
    }
    Ok(())
}

fn figures(out: &mut String, report: &Report<'_>) -> Result {
    let session = report.session;
    writeln!(out, "<section class=\"figures\">")?;
    for (number, words) in [
        (session.requests, "requests"),
        (session.denied, "denied"),
        (session.held, "held for a person"),
        (session.rows, "rows returned"),
        (session.masked_cells, "values masked"),
    ] {
        writeln!(out, "<div><b>{number}</b><span>{words}</span></div>")?;
    }
    writeln!(out, "</section>")
}

fn pair(out: &mut String, name: &str, value: &str) -> Result {
    if value.is_empty() {
        return Ok(());
    }
    writeln!(out, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value))
}

fn who(out: &mut String, report: &Report<'_>) -> Result {
    let session = report.session;
    writeln!(out, "<section><h2>Who and where</h2><dl>")?;
    pair(out, "Agent", &session.agent)?;
    for (name, work) in [("Task", &session.task), ("Ticket", &session.ticket)] {
        if let Some(work) = work {
            let from = match work.from {
                Source::Client => "as the client said",
                Source::Token => "as the token says",
            };
            pair(out, name, &format!("{} ({from})", work.id))?;
        }
    }
    if let Some(token) = &report.token {
        pair(out, "For the person", &token.subject)?;
        for (subject, profile) in &token.actors {
            let profile = profile.as_deref().unwrap_or("no profile");
            pair(out, "Acting", &format!("{subject} ({profile})"))?;
        }
        pair(out, "Email", token.email.as_deref().unwrap_or_default())?;
        pair(out, "OAuth client", token.client.as_deref().unwrap_or_default())?;
        pair(out, "Issuer", &token.issuer)?;
        pair(out, "Groups", &token.groups.join(", "))?;
        pair(out, "Scopes", &token.scopes.join(", "))?;
        pair(out, "Token id", token.token_id.as_deref().unwrap_or_default())?;
        pair(out, "Token SHA-256", &token.token_sha256)?;
        pair(out, "Issuer's key", &format!("{} (RFC 7638)", token.key_thumbprint))?;
    }
    let target = format!("{} ({})", session.target, session.protocol);
    pair(out, "Target", &target)?;
    pair(out, "Database", &session.database)?;
    pair(out, "Role there", &session.role)?;
    pair(out, "Client", &format!("{} from {}", report.client, report.peer))?;
    pair(out, "Started", &report.started)?;
    let ended = report.ended.as_deref().unwrap_or("still open");
    let reason = session.reason.as_deref().map(|reason| format!(" ({reason})"));
    pair(out, "Ended", &format!("{ended}{}", reason.unwrap_or_default()))?;
    writeln!(out, "</dl></section>")
}

/// How an entry is coloured.
fn tone(moment: &Moment<'_>) -> &'static str {
    match moment.kind {
        kind::REQUEST => match moment.state() {
            Some(RequestState::Denied) => "denied",
            Some(RequestState::Held) => "held",
            Some(RequestState::Permitted) => "permitted",
            None => "bad",
        },
        kind::RESPONSE => "response",
        kind::APPROVAL => "approval",
        kind::SESSION_TORN => "denied",
        _ => "other",
    }
}

fn entry(out: &mut String, moment: &Moment<'_>) -> Result {
    writeln!(out, "<li class=\"{}\" id=\"entry-{}\">", tone(moment), moment.index)?;
    let buffered = if moment.buffered { " <em>buffered</em>" } else { "" };
    writeln!(
        out,
        "<p class=\"line\"><time>{}</time> <b>{}</b>{buffered} <span class=\"place\">entry \
         {}</span></p>",
        escaped(&moment.time),
        escaped(&headline(moment)),
        moment.index
    )?;
    if let Some(command) = &moment.command {
        statement(out, command)?;
    }
    for result in &moment.results {
        table(out, result)?;
    }
    if let Some(why) = moment.unreadable {
        writeln!(out, "<p class=\"warn\">The content can't be shown: {}</p>", escaped(why))?;
    }
    writeln!(out, "</li>")
}

fn statement(out: &mut String, command: &Command) -> Result {
    writeln!(out, "<pre>{}</pre>", escaped(&command.text))?;
    if !command.parameters.is_empty() {
        writeln!(out, "<ul class=\"values\">")?;
        for (parameter, number) in command.parameters.iter().zip(1..) {
            let value = parameter.value.as_deref().unwrap_or("NULL");
            let form = if parameter.binary { "binary" } else { "text" };
            let value = escaped(value);
            writeln!(out, "<li>${number} = <code>{value}</code> (base64, {form})</li>")?;
        }
        writeln!(out, "</ul>")?;
    }
    if let Some(reason) = &command.reason {
        writeln!(out, "<p class=\"reason\">{}</p>", escaped(reason))?;
    }
    if !command.findings.is_empty() {
        writeln!(out, "<ul class=\"findings\">")?;
        for finding in &command.findings {
            let (rule, plugin) = (escaped(&finding.rule), escaped(&finding.plugin));
            let message = escaped(&finding.message);
            let score = finding.score;
            writeln!(
                out,
                "<li><code>{rule}</code> {message} <i>({plugin}, risk {score})</i></li>"
            )?;
        }
        writeln!(out, "</ul>")?;
    }
    Ok(())
}

fn table(out: &mut String, table: &Table) -> Result {
    if !table.columns.is_empty() || !table.rows.is_empty() {
        writeln!(out, "<div class=\"scroll\"><table>")?;
        if !table.columns.is_empty() {
            let names = table.columns.iter().map(|name| format!("<th>{}</th>", escaped(name)));
            writeln!(out, "<tr>{}</tr>", names.collect::<String>())?;
        }
        for row in &table.rows {
            let cells = row.iter().map(|cell| match cell {
                Some(text) => format!("<td>{}</td>", escaped(text)),
                None => "<td class=\"null\">NULL</td>".to_owned(),
            });
            writeln!(out, "<tr>{}</tr>", cells.collect::<String>())?;
        }
        writeln!(out, "</table></div>")?;
    }
    let rows = table.rows_total.saturating_sub(table.rows.len() as u64);
    for (count, words) in [
        (rows, "more rows are not shown"),
        (table.columns_more, "more columns are not shown"),
        (table.cells_cut, "values are shown cut"),
    ] {
        if count > 0 {
            writeln!(out, "<p class=\"note\">{count} {words}.</p>")?;
        }
    }
    for words in &table.words {
        writeln!(out, "<p class=\"tag\">{}</p>", escaped(words))?;
    }
    Ok(())
}

fn clock(out: &mut String, report: &Report<'_>) -> Result {
    let clock = &report.clock;
    writeln!(out, "<section><h2>Clock</h2>")?;
    let (class, words) = if clock.stepped() {
        ("warn", "The wall clock was set during the session: trust the order, not the times.")
    } else {
        ("good", "The wall clock ran evenly during the session.")
    };
    writeln!(out, "<p class=\"{class}\">{words}</p>")?;
    writeln!(
        out,
        "<p>Largest step against the monotonic clock: {} ms; {} restarts of the machine between \
         entries. Times are UTC, as the gateway's machine had them; whether that was synchronised \
         is not recorded.</p></section>",
        clock.step_millis, clock.reboots
    )
}

fn proof(out: &mut String, report: &Report<'_>) -> Result {
    let inclusion = report.inclusion;
    writeln!(out, "<section><h2>Proof</h2>")?;
    writeln!(
        out,
        "<p>Entry {} is under the signed checkpoint of {} entries, by {} hashes; each entry names \
         the hash of the one before it. This page is a rendering: check the evidence itself.</p>",
        inclusion.index,
        inclusion.size,
        inclusion.hashes.len()
    )?;
    let id = escaped(&report.session.id);
    writeln!(
        out,
        "<pre>portcullis sessions report {id} --bundle {id}.tar\n\
         portcullis audit verify {id}.tar --key log.vkey\n\
         python3 docs/verify/verify.py {id}.tar --key log.vkey</pre>"
    )?;
    writeln!(out, "<dl>")?;
    pair(out, "Public key", &report.public_key)?;
    writeln!(out, "</dl><pre>{}</pre></section>", escaped(report.checkpoint))
}

#[cfg(test)]
mod tests;

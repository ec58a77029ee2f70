//! A session as its client might have seen it in psql: prompts, statements, tables, words.

use std::fmt::Write as _;
use std::time::Duration;

use super::script::{Script, Step, What};
use crate::audit::entry::RequestState;
use crate::audit::report::{Table, read, rfc3339};
use crate::policy::approval::shown;
use crate::protocol::Kind;

/// One step, written out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Since the session's first entry.
    pub at: Duration,
    /// RFC 3339 in UTC.
    pub time: String,
    /// What was decided, when the step is a decision.
    pub marker: Option<String>,
    /// The lines, each with its line feed. Nothing in them steers a terminal.
    pub text: String,
}

/// Every step of a session that can be shown.
pub fn lines(script: &Script) -> Vec<Line> {
    script.steps.iter().filter_map(|step| line(script, step)).collect()
}

fn line(script: &Script, step: &Step) -> Option<Line> {
    let mut text = String::new();
    let mut marker = None;
    // Writing to a String can't fail.
    match &step.what {
        What::Approval { words } => {
            marker = Some(words.clone());
            let _ = writeln!(text, "-- {words}");
        }
        What::End { reason } => {
            let _ = writeln!(text, "-- the session ended: {reason}");
        }
        What::Request {
            state: RequestState::Permitted,
            kind: Kind::SqlBind | Kind::SqlParse,
            ..
        } => {
            // The Execute shows both.
            return None;
        }
        What::Request { number, state, text: said, parameters, verdict, reason, .. } => {
            let words = match state {
                RequestState::Denied => "denied",
                RequestState::Held => "held",
                RequestState::Permitted => "permitted",
            };
            marker = Some(format!("request {number} {words} ({verdict})"));
            let said = said.as_deref().unwrap_or("[the statement is not in this bundle]");
            let _ = writeln!(text, "{}=> {said}", script.database);
            for (parameter, number) in parameters.iter().zip(1..) {
                let value = parameter.value.as_deref().unwrap_or("NULL");
                let _ = writeln!(text, "   ${number} = {value} (base64)");
            }
            if *state != RequestState::Permitted {
                let reason = reason.as_deref().unwrap_or_default();
                let _ = writeln!(text, "-- {words} ({verdict}) {reason}");
            }
        }
        What::Response { frames: None, number, .. } => {
            let _ = writeln!(text, "-- the answer to request {number} is not in this bundle");
        }
        What::Response { frames: Some(frames), piece: true, .. } => {
            let _ = writeln!(text, "-- {} bytes of a large row", frames.len());
        }
        What::Response { frames: Some(frames), .. } => {
            read(frames).iter().for_each(|answer| table(&mut text, answer));
        }
    }
    if text.is_empty() {
        return None;
    }
    let text: String = text.split_inclusive('\n').map(clean).collect();
    let marker = marker.map(|marker| clean(&marker));
    Some(Line { at: step.at, time: rfc3339(step.time), marker, text })
}

/// The text with whatever a terminal would obey written out.
fn clean(line: &str) -> String {
    shown(line).to_string()
}

fn table(out: &mut String, table: &Table) {
    if !table.columns.is_empty() {
        let cell = |row: &[Option<String>], at: usize| -> String {
            row.get(at).and_then(Clone::clone).unwrap_or_default().replace('\n', " ")
        };
        let widths: Vec<usize> = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let cells = table.rows.iter().map(|row| cell(row, at).chars().count());
                cells.chain([name.chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let row = |cells: Vec<String>| -> String {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} "));
            padded.collect::<Vec<_>>().join("|")
        };
        let _ = writeln!(out, "{}", row(table.columns.clone()));
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        let _ = writeln!(out, "{}", rule.join("+"));
        for cells in &table.rows {
            let cells = (0..table.columns.len()).map(|at| cell(cells, at)).collect();
            let _ = writeln!(out, "{}", row(cells));
        }
        let more = table.rows_total.saturating_sub(table.rows.len() as u64);
        let mark = if more > 0 { format!(", {more} of them not shown") } else { String::new() };
        let _ = writeln!(out, "({} rows{mark})", table.rows_total);
    }
    for words in &table.words {
        let _ = writeln!(out, "{words}");
    }
}

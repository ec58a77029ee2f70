//! ArcSight Common Event Format, version 0: a header with bars, then `key=value` pairs.
//!
//! Values are somebody else's words. A bar or a backslash in the header, and an equals sign, a
//! backslash or a line break in a value, is escaped as the format says; every other control
//! character is written out, so that no value ends its field, its line or the message.

use std::fmt::Write as _;

use super::event::{Action, Event, Severity, cut};
use crate::limits::EXPORT_CEF_STATEMENT_BYTES_MAX;

/// The event as one line.
pub(super) fn line(event: &Event) -> String {
    let mut out = String::from("CEF:0|Portcullis|Portcullis|");
    let name = event.name.replace(['.', '_'], " ");
    for field in [env!("CARGO_PKG_VERSION"), &event.name, &name] {
        header(&mut out, field);
        out.push('|');
    }
    let severity = match event.severity {
        Severity::Informational => 2,
        Severity::Low => 4,
        Severity::Medium => 6,
        Severity::High => 9,
    };
    // Writing to a String can't fail.
    let _ = write!(out, "{severity}|");
    let mut pairs = Pairs { out, first: true };
    pairs.put("externalId", &event.uid);
    pairs.put("rt", &(event.time / 1_000_000).to_string());
    pairs.put("msg", &event.message);
    pairs.put("deviceExternalId", &event.origin);
    fields(event, &mut pairs);
    pairs.out
}

fn fields(event: &Event, pairs: &mut Pairs) {
    let action = match event.action {
        Action::Allowed => "allowed",
        Action::Approved => "approved",
        Action::Delayed => "held",
        Action::Denied => "denied",
        Action::Masked => "masked",
        Action::None => "",
    };
    pairs.put("act", action);
    let outcome = event.success.map_or("", |success| if success { "success" } else { "failure" });
    pairs.put("outcome", outcome);
    if let Some(who) = &event.who {
        pairs.put("suser", &who.subject);
        pairs.put("sntdom", &who.issuer);
    }
    if let Some(peer) = event.peer {
        pairs.put(if peer.is_ipv4() { "src" } else { "c6a2" }, &peer.ip().to_string());
        pairs.put("spt", &peer.port().to_string());
    }
    if let Some(start) = &event.start {
        pairs.put("dhost", &start.target);
        pairs.put("duser", &start.role);
        pairs.labelled("cs5", "database", &start.database);
    }
    pairs.labelled("cs1", "session", event.session.as_deref().unwrap_or_default());
    pairs.labelled("cs2", "agent", event.agent.as_deref().unwrap_or_default());
    pairs.labelled("cs3", "objects", &event.objects.join(" "));
    pairs.labelled("cs4", "rules", &event.rules.join(" "));
    let statement = event.statement.as_deref().unwrap_or_default();
    pairs.labelled("cs6", "statement", &cut(statement, EXPORT_CEF_STATEMENT_BYTES_MAX));
    if let Some(risk) = event.risk {
        pairs.labelled("cn1", "risk", &risk.to_string());
    }
    if let Some(approver) = &event.approver {
        pairs.put("spriv", &approver.subject);
    }
    if let Some(checkpoint) = event.body.get("checkpoint").and_then(|text| text.as_str()) {
        pairs.labelled("cs6", "checkpoint", checkpoint);
    }
}

struct Pairs {
    out: String,
    first: bool,
}

impl Pairs {
    /// One pair; a value that says nothing is left out.
    fn put(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        if !std::mem::take(&mut self.first) {
            self.out.push(' ');
        }
        self.out.push_str(key);
        self.out.push('=');
        for ch in value.chars() {
            match ch {
                '\\' => self.out.push_str("\\\\"),
                '=' => self.out.push_str("\\="),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                ch => plain(&mut self.out, ch),
            }
        }
    }

    fn labelled(&mut self, key: &str, label: &str, value: &str) {
        if !value.is_empty() {
            self.put(key, value);
            self.put(&format!("{key}Label"), label);
        }
    }
}

fn header(out: &mut String, field: &str) {
    for ch in field.chars() {
        match ch {
            '\\' => out.push_str("\\\\"),
            '|' => out.push_str("\\|"),
            ch => plain(out, ch),
        }
    }
}

/// A character that has no meaning in the format; one that a reader of lines would obey is
/// written out.
fn plain(out: &mut String, ch: char) {
    if ch.is_control() || matches!(ch, '\u{2028}' | '\u{2029}') {
        let _ = write!(out, "<U+{:04X}>", u32::from(ch));
    } else {
        out.push(ch);
    }
}

//! Rules of the gateway itself. They come before every plugin and nothing loosens them.

use crate::fault::{Blame, Fault};
use crate::limits::STATEMENTS_JUDGED_MAX;
use crate::protocol::{Access, Object, Request, Statement};

/// Settings that change how later statements are read, or as whom they run: what was judged
/// would no longer be what happens.
const SETTINGS: [&str; 6] = [
    "client_encoding",
    "role",
    "row_security",
    "session_authorization",
    "session_replication_role",
    "standard_conforming_strings",
];

/// Values under which the gateway judges anyway, so setting them changes nothing. Drivers send
/// these when they connect.
const HARMLESS: [(&str, &[&str]); 2] = [
    ("client_encoding", &["utf8", "utf-8", "unicode"]),
    ("standard_conforming_strings", &["on", "true", "yes", "1"]),
];

/// Commands of the replication protocol (PostgreSQL 18, section 54.4).
const REPLICATION: [&str; 10] = [
    "alter_replication_slot",
    "base_backup",
    "create_replication_slot",
    "drop_replication_slot",
    "identify_system",
    "read_replication_slot",
    "replication",
    "start_replication",
    "timeline_history",
    "upload_manifest",
];

/// A core rule and what the caller is told.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Stable rule id.
    pub(super) rule: &'static str,
    /// For the caller.
    pub(super) fault: Fault,
}

/// Refuses what no policy may allow.
pub(super) fn check(request: &Request) -> Result<(), Refusal> {
    let statements = &request.facts().statements;
    if statements.len() > STATEMENTS_JUDGED_MAX {
        return Err(Refusal {
            rule: "core.statements",
            fault: Fault::new(
                Blame::Client,
                "too_many_statements",
                "54000",
                format!("a request may hold at most {STATEMENTS_JUDGED_MAX} statements"),
            )
            .hint("Nothing was run. Send the statements in smaller groups."),
        });
    }
    statements.iter().try_for_each(statement)
}

fn statement(statement: &Statement) -> Result<(), Refusal> {
    let verb = statement.verb.as_str();
    if verb.starts_with("copy") {
        return Err(closed("core.copy", "COPY", "Use SELECT or INSERT instead."));
    }
    if REPLICATION.contains(&verb) {
        return Err(closed("core.replication", "replication", "Use an ordinary session."));
    }
    settings(statement)
}

fn closed(rule: &'static str, what: &str, instead: &str) -> Refusal {
    Refusal {
        rule,
        fault: Fault::new(
            Blame::Policy,
            "not_opened",
            "0A000",
            format!("{what} is not opened on this gateway yet"),
        )
        .hint(format!("Nothing was run and the connection stays usable. {instead}")),
    }
}

fn settings(statement: &Statement) -> Result<(), Refusal> {
    // RESET and DISCARD go back to the values that the session was opened and judged with.
    if matches!(statement.verb.as_str(), "reset" | "discard" | "show") {
        return Ok(());
    }
    let written = |kind: &'static str| {
        statement.objects.iter().filter(move |o| o.kind == kind && o.access == Access::Write)
    };
    let changes: Vec<&str> = written("setting").map(|object| object.name.as_str()).collect();
    for &name in &changes {
        let known = SETTINGS.iter().find(|setting| name.eq_ignore_ascii_case(setting));
        if let Some(setting) = known
            && !(changes.len() == 1 && harmless(statement, setting))
        {
            return Err(fixed(setting));
        }
        if name == "*" {
            return Err(fixed("a setting whose name is computed"));
        }
    }
    if written("relation").any(|object| bare(object) == "pg_settings") {
        return Err(fixed("pg_settings"));
    }
    // The facts list what set_config sets; a call without that can't be judged.
    let calls = |o: &&Object| o.kind == "function" && bare(o) == "set_config";
    if changes.is_empty() && statement.objects.iter().any(|object| calls(&object)) {
        return Err(fixed("a setting whose name is computed"));
    }
    Ok(())
}

fn bare(object: &Object) -> String {
    object.name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase()
}

fn harmless(statement: &Statement, setting: &str) -> bool {
    let key = format!("setting.{setting}");
    let mut values = statement.attributes.iter().filter(|(name, _)| *name == key);
    let (Some((_, value)), None) = (values.next(), values.next()) else { return false };
    let value = value.trim_matches('\'').to_ascii_lowercase();
    statement.verb == "set"
        && HARMLESS.iter().any(|(name, good)| *name == setting && good.contains(&value.as_str()))
}

fn fixed(what: &str) -> Refusal {
    Refusal {
        rule: "core.settings",
        fault: Fault::new(
            Blame::Policy,
            "setting_fixed",
            "42501",
            format!("this gateway does not let a session change {what}"),
        )
        .detail("It decides how later statements are read or as whom they run.")
        .hint(
            "Nothing was run and the connection stays usable. Leave the setting as it is; \
             the role is chosen when the connection is opened.",
        ),
    }
}

#[cfg(test)]
mod tests;

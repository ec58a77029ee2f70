//! Rules of the gateway itself. They come before every plugin and nothing loosens them.

use super::settings::SettingRules;
use crate::fault::{Blame, Fault};
use crate::limits::STATEMENTS_JUDGED_MAX;
use crate::protocol::{Request, Statement};

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

/// Refuses what no policy may allow, and the settings that this one keeps as they are.
pub(super) fn check(request: &Request, settings: &SettingRules) -> Result<(), Box<Refusal>> {
    let statements = &request.facts().statements;
    if statements.len() > STATEMENTS_JUDGED_MAX {
        return Err(Box::new(Refusal {
            rule: "core.statements",
            fault: Fault::new(
                Blame::Client,
                "too_many_statements",
                "54000",
                format!("a request may hold at most {STATEMENTS_JUDGED_MAX} statements"),
            )
            .hint("Nothing was run. Send the statements in smaller groups."),
        }));
    }
    statements.iter().try_for_each(|one| {
        statement(one)?;
        settings.check(one, request)
    })
}

fn statement(statement: &Statement) -> Result<(), Box<Refusal>> {
    let verb = statement.verb.as_str();
    if REPLICATION.contains(&verb) {
        return Err(closed("core.replication", "replication", "Use an ordinary session."));
    }
    Ok(())
}

fn closed(rule: &'static str, what: &str, instead: &str) -> Box<Refusal> {
    Box::new(Refusal {
        rule,
        fault: Fault::new(
            Blame::Policy,
            "not_opened",
            "0A000",
            format!("{what} is not opened on this gateway yet"),
        )
        .hint(format!("Nothing was run and the connection stays usable. {instead}")),
    })
}

#[cfg(test)]
mod tests;

//! Rules of the gateway itself. They come before every plugin and nothing loosens them.

use super::settings::SettingRules;
use crate::fault::{Blame, Fault};
use crate::limits::STATEMENTS_JUDGED_MAX;
use crate::protocol::postgres::replication;
use crate::protocol::{Kind, Request, Statement};

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
        command(one, request.kind())?;
        settings.check(one, request)
    })
}

/// A command of a WAL sender runs only where the server takes it for one.
fn command(statement: &Statement, kind: Kind) -> Result<(), Box<Refusal>> {
    if !replication::is_command(statement) || kind == Kind::SqlReplication {
        return Ok(());
    }
    let message = format!("`{}` is a replication command, and this is none", statement.verb);
    Err(Box::new(Refusal {
        rule: "core.replication",
        fault: Fault::new(Blame::Client, "replication_misplaced", "0A000", message).hint(
            "Nothing was run and the connection stays usable. Send it as a simple Query of a \
             session with replication=database.",
        ),
    }))
}

#[cfg(test)]
mod tests;

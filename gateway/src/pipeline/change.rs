//! What a statement may do to the schema, and so to the names of later results' columns.

use crate::protocol::postgres::replication;
use crate::protocol::{Class, Facts};

/// From none to most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// It may make or remove things; what is there keeps its meaning.
    Things,
    /// It may give things that are there another meaning: a view another definition, a table
    /// another parent.
    Lineage,
}

/// Statements that make, fill or remove things and leave all others as they are.
const THINGS: [&str; 16] = [
    "analyze",
    "checkpoint",
    "cluster",
    "comment",
    "create_index",
    "create_materialized_view",
    "create_sequence",
    "create_table",
    "create_table_as",
    "drop_index",
    "drop_sequence",
    "drop_table",
    "execute",
    "reindex",
    "select_into",
    "vacuum",
];

impl Change {
    /// The most that any statement of a request may do.
    pub(super) fn of(facts: &Facts) -> Self {
        let changes = facts.statements.iter().map(|statement| {
            // A command of a WAL sender makes no relation and no view mean something else.
            if statement.class < Class::Code || replication::is_command(statement) {
                Self::None
            } else if THINGS.contains(&statement.verb.as_str()) {
                Self::Things
            } else {
                Self::Lineage
            }
        });
        changes.max().unwrap_or(Self::None)
    }
}

//! What a statement may do to the schema, and so to the names of later results' columns.

use crate::protocol::postgres::replication;
use crate::protocol::postgres::statement::{is_built_in, is_harmless_call};
use crate::protocol::{Class, Facts, How, Object, Statement};

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
            let quiet = replication::is_command(statement) || is_owners(statement);
            if statement.class < Class::Code || quiet {
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

/// True for a statement that is code only by what the catalogue says of it. What the database's
/// owner wrote into views, policies and the like changes no schema in the middle of a query, or is
/// taken for a change past the gateway.
fn is_owners(statement: &Statement) -> bool {
    let called = |name: &str| statement.calls.iter().any(|call| call.function == name);
    let shown = |object: &Object| match object.kind.as_str() {
        "function" => !is_harmless_call(&object.name) && !called(&object.name),
        "operator" => true,
        _ => false,
    };
    statement.class == Class::Code
        && !statement.calls.is_empty()
        && !matches!(statement.verb.as_str(), "call" | "do" | "execute" | "function_call")
        && !statement.acts.iter().any(|act| act == "execute")
        && !statement.objects.iter().any(shown)
}

/// Statements that bring code which others may run without calling it, or that change which.
const CODE: [&str; 24] = [
    "alter_aggregate",
    "alter_event_trigger",
    "alter_extension",
    "alter_function",
    "alter_operator",
    "alter_procedure",
    "alter_routine",
    "alter_schema",
    "alter_domain",
    "alter_trigger",
    "alter_type",
    "create_aggregate",
    "create_cast",
    "create_event_trigger",
    "create_extension",
    "create_function",
    "create_language",
    "create_operator",
    "create_operator_class",
    "create_operator_family",
    "create_procedure",
    "create_rule",
    "create_trigger",
    "do",
];

/// Whether a statement may change what code other statements make run: it makes code, names code
/// in something that it makes, or gives something that has code another name.
pub(super) fn brings_code(statement: &Statement) -> bool {
    if CODE.contains(&statement.verb.as_str()) {
        return true;
    }
    let code = |object: &Object| match object.kind.as_str() {
        "function" => !is_built_in(&object.name),
        "operator" => true,
        _ => false,
    };
    statement.class >= Class::Schema
        && (!statement.calls.is_empty()
            || statement.objects.iter().any(code)
            || statement.uses.iter().any(|one| one.how == How::Moved))
}

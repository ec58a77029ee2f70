//! Code of users that a database holds and that no text need call: overloads of PostgreSQL's own
//! functions and operators, casts, checks of domains, what views, policies, triggers, rules,
//! defaults and indexes call.
//!
//! It is found by name and sign, in whatever schema, and by the types that a statement reaches:
//! an operator on a user's type needs a value of that type at hand. Code in C and what extensions
//! bring is taken for PostgreSQL's own, as it is when its names are not PostgreSQL's.

mod build;
mod find;
mod rows;

use std::collections::{HashMap, HashSet};

use crate::protocol::Call;

pub use rows::{
    AGGREGATES_SQL, CASTS_SQL, CLASSES_SQL, COLUMNS_SQL, CodeRows, DEPENDS_SQL, EVENTS_SQL,
    FUNCTIONS_SQL, HOLDERS_SQL, INHERITANCE_SQL, KEYS_SQL, OPERATORS_SQL, RELATIONS_SQL, RULES_SQL,
    TRIGGERS_SQL, TYPES_SQL,
};

/// OIDs below are PostgreSQL's own objects (`FirstNormalObjectId`).
const FIRST_USER_OID: u32 = 16384;

/// A database's code, as the gateway last read it.
#[derive(Debug, Default)]
pub struct Code {
    /// Functions under names that PostgreSQL has too.
    functions: HashMap<String, Vec<Overload>>,
    /// Functions that can be called as a column of their argument, by name.
    row_functions: HashMap<String, Vec<RowFunction>>,
    /// By sign.
    operators: HashMap<String, Vec<Overload>>,
    casts: Vec<Cast>,
    /// Functions that making, sorting or comparing values of a type calls.
    types: HashMap<u32, HashSet<String>>,
    /// Functions of operator classes, by the class's bare name.
    classes: HashMap<String, HashSet<String>>,
    /// Types by bare name.
    type_names: HashMap<String, Vec<u32>>,
    /// Every type that was read, with those that matter among what it is made of.
    type_parts: HashMap<u32, Vec<u32>>,
    /// Relations that matter by bare name: schema and OID.
    named: HashMap<String, Vec<(String, u32)>>,
    /// The types that matter and that a relation's columns reach.
    relation_types: HashMap<u32, HashSet<u32>>,
    /// The row types that matter and that a relation's rows are of: its own and its parents'.
    relation_rows: HashMap<u32, HashSet<u32>>,
    /// What acts on a relation call.
    relations: HashMap<u32, HashSet<(Act, Call)>>,
    /// Functions of event triggers.
    events: Vec<String>,
    /// None of the above holds anything.
    none: bool,
}

/// A function or operator that fits when all these users' types are reached.
#[derive(Debug)]
struct Overload {
    schema: String,
    function: String,
    types: Vec<u32>,
}

#[derive(Debug)]
struct RowFunction {
    function: String,
    /// The user's type that it takes; `None` for any row, or one of PostgreSQL's own.
    row: Option<u32>,
    /// It takes rows, so that `t.f` may mean it; `(expression).f` may in any case.
    rows: bool,
}

#[derive(Debug)]
struct Cast {
    function: String,
    source: u32,
    target: u32,
    target_name: String,
    context: Context,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Context {
    Assignment,
    Explicit,
    Implicit,
}

/// What is done to a relation.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Act {
    /// Whatever is none of the others: ALTER wakes what is disabled, ANALYZE computes statistics.
    Alter,
    Delete,
    Insert,
    Read,
    Truncate,
    Update,
}

/// Every act that changes rows.
const WRITES: [Act; 4] = [Act::Delete, Act::Insert, Act::Truncate, Act::Update];

impl Code {
    /// True for a database that holds none: then no statement has to be looked at.
    pub fn is_none(&self) -> bool {
        self.none
    }

    /// True when the type is not among those that were read.
    pub fn lacks_type(&self, oid: u32) -> bool {
        oid >= FIRST_USER_OID && !self.type_parts.contains_key(&oid)
    }
}

#[cfg(test)]
mod tests;

//! What crosses the gateway, protocol-neutral: [`Request`] and [`Reply`].
//!
//! Codecs live in the folders below. They do no I/O and read no clock.

mod call;
pub mod json;
pub mod kubernetes;
pub mod postgres;
mod spoken;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use call::{By, Call};
pub use spoken::Protocol;

/// How an object is touched.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read.
    Read,
    /// Written, created, altered or dropped.
    Write,
}

/// A table, view, function, path or API object that a request touches.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Object {
    /// `relation`, `function`, `setting`, `role`, `schema`, ...
    pub kind: String,
    /// The name as the protocol's own rules fold it, `schema.name` when the schema was given; a
    /// part with a dot in it is quoted.
    pub name: String,
    /// Read or written.
    pub access: Access,
}

/// A dotted name. A part that holds a dot or a quote is quoted as SQL quotes it, so that no two
/// lists of parts give the same name: `public."odd.name".email`.
pub fn dotted<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut name = String::new();
    for part in parts {
        if !name.is_empty() {
            name.push('.');
        }
        if part.contains(['.', '"']) {
            name.push('"');
            name.push_str(&part.replace('"', "\"\""));
            name.push('"');
        } else {
            name.push_str(part);
        }
    }
    name
}

/// The parts of a [`dotted`] name. Plugins read names the same way (`Pattern` in `plugin-sdk`,
/// which is built without the gateway).
pub(in crate::protocol) fn undotted(name: &str) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => part.push('"'),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            _ => part.push(letter),
        }
    }
    parts.push(part);
    parts
}

/// What kind of act a statement is; ordered from harmless to severe.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// BEGIN, COMMIT, SAVEPOINT, ...
    Transaction,
    /// Reads data only.
    Read,
    /// Session state: SET, PREPARE, DECLARE, LISTEN, DISCARD, ...
    Session,
    /// Changes rows.
    Write,
    /// Runs code the grammar can't see into: DO, CALL.
    Code,
    /// Changes the schema.
    Schema,
    /// Changes roles, grants, ownership or policies.
    Privilege,
    /// Maintains or configures the server: VACUUM, ALTER SYSTEM, COPY to a file or program, ...
    Admin,
}

/// What becomes of a setting.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingValue {
    /// The text does not tell: it is computed, bound as a parameter or longer than
    /// [`crate::limits::ATTRIBUTE_BYTES_MAX`].
    Computed,
    /// The value of the session that runs it (`SET ... FROM CURRENT`).
    Current,
    /// What the session began with: RESET, `TO DEFAULT`, DISCARD ALL.
    Default,
    /// This value, as PostgreSQL would keep it.
    To(String),
}

/// How long a change of a setting holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingScope {
    /// To the session's end, once its transaction commits.
    Session,
    /// For other sessions or for calls of a function: ALTER ROLE, ALTER DATABASE, ALTER SYSTEM,
    /// the SET clause of a function.
    Stored,
    /// To the transaction's end: SET LOCAL, SET TRANSACTION, BEGIN with options.
    Transaction,
}

/// One change of a setting.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Setting {
    /// Its name, lower case; `*` for all of them, and for a name that the text does not tell.
    pub name: String,
    /// To what.
    pub value: SettingValue,
    /// For how long.
    pub scope: SettingScope,
}

/// What a statement does with a column's values. Ordered from telling most of them to least.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum How {
    /// They are stored: in this relation and column, unchanged, when it is one.
    Copied {
        /// Relation and column.
        into: Option<(String, String)>,
    },
    /// The column, or its relation, gets another name or other kin.
    Moved,
    /// They go into a function, operator or cast that can fail, wait or give rows depending on
    /// what it is given.
    Computed {
        /// Its name.
        by: String,
    },
    /// They decide which rows there are, or what else happens.
    Compared,
    /// They decide the order of rows, or which rows are the same.
    Ordered,
    /// They are compared for equality with those of one other column.
    Joined {
        /// Its relation (empty when that can't be told) and name.
        with: (String, String),
    },
    /// They are compared for equality with values that the client gives, or with NULL.
    Matched,
    /// They are in the result.
    Shown,
}

/// One column, or all of a relation, and what becomes of it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Use {
    /// What becomes of it.
    pub how: How,
    /// The relation as the statement names it; empty for any relation of the statement.
    pub relation: String,
    /// The column; `*` for every one.
    pub column: String,
}

/// What the grammar says of one statement.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Statement {
    /// The command, lower case with underscores: `select`, `delete`, `drop_table`, ...
    pub verb: String,
    /// The verb of every act found anywhere in the tree, its own among them: a data-modifying
    /// CTE, the statement that PREPARE or EXPLAIN ANALYZE holds, each branch of a MERGE. Sorted.
    pub acts: Vec<String>,
    /// The most severe class found anywhere in the tree (a data-modifying CTE makes a Write).
    pub class: Class,
    /// Byte range of this statement in the request's text.
    pub start: usize,
    /// End of that range, exclusive.
    pub end: usize,
    /// Relations, functions and settings touched; sorted, no duplicates.
    pub objects: Vec<Object>,
    /// Identifiers that may name columns, folded; sorted, no duplicates.
    pub columns: Vec<String>,
    /// A `*`, a whole-row reference or anything else that reaches columns without naming them.
    pub whole_row: bool,
    /// UPDATE or DELETE with no WHERE anywhere in the statement.
    pub unbounded_write: bool,
    /// Settings it changes, in the order of the text, by whatever way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// Open additions for policies: `setting.search_path`, `utility`, ...
    pub attributes: Vec<(String, String)>,
    /// What becomes of columns; sorted, no duplicates. Not in the log, which has the text.
    #[serde(skip)]
    pub uses: Vec<Use>,
    /// Signs of operators, those that the grammar puts in among them; sorted, no duplicates.
    #[serde(skip)]
    pub operators: Vec<String>,
    /// Last names of types; sorted, no duplicates.
    #[serde(skip)]
    pub types: Vec<String>,
    /// What it makes run besides, as far as the target's catalogue tells; sorted, no duplicates.
    /// Empty until the catalogue was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
}

impl Statement {
    /// A statement that touches nothing: the start for one that no text says.
    pub fn bare(verb: &str, class: Class) -> Self {
        Self {
            verb: verb.to_owned(),
            acts: Vec::new(),
            class,
            start: 0,
            end: 0,
            objects: Vec::new(),
            columns: Vec::new(),
            whole_row: false,
            unbounded_write: false,
            settings: Vec::new(),
            attributes: Vec::new(),
            uses: Vec::new(),
            operators: Vec::new(),
            types: Vec::new(),
            calls: Vec::new(),
        }
    }
}

/// What the grammar says of a request.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Facts {
    /// In the order of the text; empty for an empty query.
    pub statements: Vec<Statement>,
    /// What the second parser said: `agrees`, `cannot_read`, `off`.
    pub second_opinion: String,
}

/// One bound parameter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parameter {
    /// True for the binary format.
    pub binary: bool,
    /// The type's OID; 0 when neither the client nor the target has told it.
    pub type_oid: u32,
    /// The value, `None` for NULL.
    pub value: Option<Bytes>,
}

/// The kinds of request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One request to a Kubernetes API server; its body is the only parameter.
    KubernetesRequest,
    /// PostgreSQL Bind: values for a prepared statement.
    SqlBind,
    /// PostgreSQL CopyData, a run of them: rows for a COPY ... FROM STDIN that was permitted
    /// before, or the client's side of a replication stream. A CopyFail too, with the client's
    /// words for it as its text.
    SqlCopyData,
    /// PostgreSQL Execute of a bound portal.
    SqlExecute,
    /// PostgreSQL FunctionCall: a function by its object id, with the values it is called with.
    SqlFunctionCall,
    /// PostgreSQL Parse: prepares a statement.
    SqlParse,
    /// PostgreSQL simple Query.
    SqlQuery,
    /// A command of a PostgreSQL replication session, in a simple Query.
    SqlReplication,
    /// A setting that a PostgreSQL session is to start with, judged as SET.
    SqlSetting,
}

/// A transaction block, as the target has it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// None is open.
    #[default]
    None,
    /// One is open.
    Open,
    /// One is open and has failed.
    Failed,
    /// It hangs on answers that have not come.
    Unknown,
}

/// Session state that changes what a request means; part of what an approval is bound to.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct State {
    /// The transaction block it would run in.
    pub block: Block,
    /// The effective role; `None` when it is not known.
    pub role: Option<String>,
    /// `search_path` as the target shows it; `None` when it is not known.
    pub search_path: Option<String>,
    /// The target opens the session's transactions read-only unless they say otherwise, or does
    /// not tell.
    pub read_only: bool,
}

impl State {
    /// Whether all of it is known, so that two equal states are the same state.
    pub fn is_known(&self) -> bool {
        self.block != Block::Unknown && self.role.is_some() && self.search_path.is_some()
    }
}

/// One act to judge. Only a codec makes one, and it keeps the bytes it was made from: what was
/// judged and recorded is what is sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub(in crate::protocol) kind: Kind,
    pub(in crate::protocol) text: Arc<str>,
    pub(in crate::protocol) facts: Arc<Facts>,
    pub(in crate::protocol) parameters: Arc<[Parameter]>,
    pub(in crate::protocol) state: Arc<State>,
    pub(in crate::protocol) wire: Bytes,
}

impl Request {
    /// Test double for the stages to the right.
    #[cfg(test)]
    pub(crate) fn for_test(kind: Kind, text: &str, facts: Facts) -> Self {
        Self {
            kind,
            text: text.into(),
            facts: facts.into(),
            parameters: Arc::from([]),
            state: Arc::default(),
            wire: Bytes::copy_from_slice(text.as_bytes()),
        }
    }
    /// The same test double with values and session state.
    #[cfg(test)]
    pub(crate) fn with_for_test(self, parameters: Vec<Parameter>, state: State) -> Self {
        Self { parameters: parameters.into(), state: state.into(), ..self }
    }
    /// A request as the log has it, to be judged again. It has no bytes, so nothing of it can be
    /// sent to anybody.
    pub fn recorded(
        kind: Kind,
        text: &str,
        facts: Facts,
        parameters: Vec<Parameter>,
        state: State,
    ) -> Self {
        Self {
            kind,
            text: text.into(),
            facts: facts.into(),
            parameters: parameters.into(),
            state: state.into(),
            wire: Bytes::new(),
        }
    }
    /// The kind of request.
    pub fn kind(&self) -> Kind {
        self.kind
    }
    /// The exact text judged, as sent by the client.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// What the grammar says of the text.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
    /// The text, shared.
    pub fn shared_text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }
    /// The facts, shared.
    pub fn shared_facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts)
    }
    /// Bound values, and the bytes of a [`Kind::SqlCopyData`]; empty for other kinds than these
    /// and [`Kind::SqlExecute`].
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }
    /// Session state at the time of judgement.
    pub fn state(&self) -> &State {
        &self.state
    }
    /// The same request with the session's state as it is now.
    #[must_use]
    pub fn in_state(self, state: Arc<State>) -> Self {
        Self { state, ..self }
    }
    /// The same request with facts to which the target's catalogue was added.
    #[must_use]
    pub(crate) fn knowing(self, facts: Arc<Facts>) -> Self {
        Self { facts, ..self }
    }
    /// The bytes that go upstream if it is permitted, re-framed from parsed fields.
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }
}

/// A column of a result.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Column {
    /// The name the client sees.
    pub name: String,
    /// The type's name, such as `text`; the OID in digits when unknown.
    pub type_name: String,
    /// The type's OID.
    pub type_oid: u32,
    /// True when values come in the binary format.
    pub binary: bool,
    /// Where values may come from, `schema.table.column` each. One when `exact`; for a derived
    /// column every source that can't be ruled out.
    pub origins: Vec<String>,
    /// The value is the origin's value, unchanged.
    pub exact: bool,
}

/// Rows of one result set, as frames of their protocol.
#[derive(Clone, Debug)]
pub struct Rows {
    pub(in crate::protocol) frames: Bytes,
    pub(in crate::protocol) count: u64,
}

impl Rows {
    /// `count` whole row frames, one after the other.
    pub(crate) fn new(frames: Bytes, count: u64) -> Self {
        Self { frames, count }
    }
}

/// How a request ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Outcome {
    /// CommandComplete's tag, `EMPTY` or `SUSPENDED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The SQLSTATE of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// The error's message as shown to the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A part of the answer, in the order of the wire.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An error or notice; its fields may quote data.
    Report {
        /// The frame.
        frame: Bytes,
        /// True for an error, which ends its request.
        error: bool,
    },
    /// Rows to mask.
    Rows(Rows),
    /// Protocol words that carry no data of the target's tables.
    Words(Bytes),
}

#[cfg(test)]
mod tests;

//! Asking an operation.

use crate::{Object, Operation, Parameter, Setting, TransactionState};

impl Operation {
    /// The first attribute of a name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether an act of this verb is found anywhere in the statement. Code that can't be looked
    /// into (class `code`) may hide one all the same.
    pub fn does(&self, verb: &str) -> bool {
        self.acts.iter().any(|act| act == verb)
    }

    /// Whether a flag such as `unbounded_write` is set.
    pub fn is(&self, flag: &str) -> bool {
        self.attribute(flag) == Some("true")
    }

    /// The highest score of all risk-scorers; only approvers are told, others see 0.
    pub fn risk(&self) -> u8 {
        self.attribute("risk").and_then(|risk| risk.parse().ok()).unwrap_or(0)
    }

    /// The kind of request: `sql_query`, `sql_parse`, `sql_bind`, `sql_execute`, `sql_setting`,
    /// `sql_function_call` or `sql_replication`.
    pub fn request(&self) -> &str {
        self.attribute("request").unwrap_or_default()
    }

    /// The value bound to `$1`, `$2`, ...; `None` when nothing is bound there: see
    /// [`Operation::parameters`].
    pub fn parameter(&self, number: usize) -> Option<&Parameter> {
        self.parameters.get(number.checked_sub(1)?)
    }

    /// The last change of a setting, by its lower-case name. A change of all settings, or of one
    /// whose name is computed, is a change of this one too.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.name == name || setting.name == "*")
    }

    /// Whether a transaction block is, or may be, open before it.
    pub fn in_transaction(&self) -> bool {
        self.transaction != TransactionState::None
    }

    /// The tables and views it touches.
    pub fn relations(&self) -> impl Iterator<Item = &Object> {
        self.resources.iter().filter(|object| object.kind == "relation")
    }
}

/// An operation with nothing in it, for tests of plugins.
impl Default for Operation {
    fn default() -> Self {
        Self {
            seq: 0,
            kind: "sql".to_owned(),
            verb: String::new(),
            acts: Vec::new(),
            class: String::new(),
            text: String::new(),
            resources: Vec::new(),
            parameters: Vec::new(),
            settings: Vec::new(),
            transaction: TransactionState::None,
            transaction_number: 0,
            attributes: Vec::new(),
        }
    }
}

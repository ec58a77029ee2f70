//! Code that a statement makes run without calling it.

use serde::{Deserialize, Serialize};

use super::{Access, Class, Object, Statement};

/// How a statement makes code run that its text does not call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A cast, written or not.
    Cast,
    /// A check of a type that a relation's column has, or of a table that is written.
    Check,
    /// `t.f` or `(t).f`, which may mean `f(t)`.
    Column,
    /// The value of a column that is not given, or that is generated.
    Default,
    /// Any change of the schema.
    EventTrigger,
    /// A function under the name of one of the target's own.
    Function,
    /// An index, statistics of an expression, or a partition's key.
    Index,
    /// An operator with a sign of the target's own.
    Operator,
    /// A row security policy.
    Policy,
    /// A rewrite rule.
    Rule,
    /// A trigger.
    Trigger,
    /// A check of a type that the text or a parameter names.
    Type,
    /// It can't be told: code may be changing.
    Unknown,
    /// A view that is read.
    View,
}

/// Code of the target's users that a statement makes run though its text does not call it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Call {
    /// `schema.function`; `schema.relation.rule` for a rule; `*` for any.
    pub function: String,
    /// By what.
    pub by: By,
}

impl By {
    /// Whether the statement's own words and reads run the code. What a write sets off in a
    /// relation, and a change of the schema, is a consequence of what is judged already.
    pub fn is_own(self) -> bool {
        !matches!(
            self,
            Self::Default | Self::EventTrigger | Self::Index | Self::Rule | Self::Trigger
        )
    }

    /// Whether its result can be in the statement's, or decide what is in it.
    pub fn is_seen(self) -> bool {
        matches!(self, Self::Cast | Self::Column | Self::Function | Self::Operator | Self::Type)
    }
}

impl Statement {
    /// The same statement with what it makes run besides: a call is an act, code raises the
    /// class, and what may compute with values is among the objects.
    #[must_use]
    pub fn calling(&self, calls: Vec<Call>) -> Self {
        let mut statement = Self { calls, ..self.clone() };
        let calls = &statement.calls;
        if calls.is_empty() {
            return statement;
        }
        if calls.iter().any(|call| call.by.is_own()) {
            statement.class = statement.class.max(Class::Code);
        }
        if let Err(at) = statement.acts.binary_search_by(|act| act.as_str().cmp("call")) {
            statement.acts.insert(at, "call".to_owned());
        }
        for call in calls.iter().filter(|call| call.by.is_seen()) {
            let (kind, name) = ("function".to_owned(), call.function.clone());
            statement.objects.push(Object { kind, name, access: Access::Read });
        }
        statement.objects.sort();
        statement.objects.dedup();
        statement
    }

    /// Everything that it touches: what its text names, and what it makes run besides.
    pub fn resources(&self) -> Vec<Object> {
        let mut objects = self.objects.clone();
        objects.extend(self.calls.iter().map(|call| Object {
            kind: if call.by == By::Rule { "rule" } else { "function" }.to_owned(),
            name: call.function.clone(),
            access: Access::Read,
        }));
        objects.sort();
        objects.dedup();
        objects
    }
}

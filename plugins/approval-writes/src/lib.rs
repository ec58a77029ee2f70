//! Has a person approve writes. Settings: `README.md`.

mod rule;

use portcullis_plugin::{
    Access, ApprovalAsk, Approver, Decision, Operation, Pattern, Plugin, Problem, Ruling,
    SessionInfo,
};
use serde::Deserialize;

use crate::rule::Rule;

/// Every class there is, from harmless to severe.
const CLASSES: [&str; 8] =
    ["transaction", "read", "session", "write", "code", "schema", "privilege", "admin"];
/// The classes that change something, or may.
const WRITING: [&str; 5] = ["write", "code", "schema", "privilege", "admin"];
const DECIDE_WITHIN_SECS_MAX: u32 = 86_400;

/// The `[plugins.settings]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Classes of statement that are held.
    #[serde(default)]
    classes: Vec<String>,
    /// Verbs that are held wherever they stand in a statement, and code that can hide them.
    #[serde(default)]
    verbs: Vec<String>,
    /// Relations that are not written without approval.
    #[serde(default)]
    relations: Vec<Pattern>,
    /// Relations that may be written freely, as far as `classes` goes.
    #[serde(default)]
    relations_free: Vec<Pattern>,
    /// Bound values from which on a statement is held.
    #[serde(default)]
    values: Vec<ValueRule>,
    /// Risk from which on a statement is held.
    risk_at: Option<u8>,
    /// Told to the caller and the approver.
    reason: Option<String>,
    /// Groups whose members may approve; empty = whoever the policy names.
    #[serde(default)]
    approvers: Vec<String>,
    /// Seconds until the question expires.
    decide_within_secs: Option<u32>,
    /// Rules with conditions that must all be met, and approvers of their own.
    #[serde(default)]
    rules: Vec<Rule>,
}

/// A bound value that a person is asked about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRule {
    /// Statements that write this relation.
    relation: Pattern,
    /// 1 = `$1`.
    parameter: usize,
    /// Numbers greater than this are held.
    above: Option<f64>,
    /// These values, as PostgreSQL writes them in text, are held.
    #[serde(default)]
    is: Vec<String>,
}

/// The plugin.
#[derive(Debug)]
pub struct ApprovalWrites {
    settings: Settings,
}

impl Plugin for ApprovalWrites {
    type Settings = Settings;

    fn new(mut settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for (at, class) in settings.classes.iter().enumerate() {
            if !CLASSES.contains(&class.as_str()) {
                let message = format!("is no class; there are {}", CLASSES.join(", "));
                problems.push(Problem::at(format!("classes[{at}]"), message));
            }
        }
        if settings.risk_at.is_some_and(|risk| risk > 100) {
            problems.push(Problem::at("risk_at", "a risk is 0 to 100"));
        }
        for (at, rule) in settings.values.iter().enumerate() {
            if rule.parameter == 0 {
                problems.push(Problem::at(format!("values[{at}].parameter"), "is 1 or more"));
            }
            if rule.above.is_none() == rule.is.is_empty() {
                problems.push(Problem::at(format!("values[{at}]"), "has one of `above` and `is`"));
            }
        }
        problems.extend(rule::problems(&settings.rules));
        let seconds = 1..=DECIDE_WITHIN_SECS_MAX;
        if settings.decide_within_secs.is_some_and(|given| !seconds.contains(&given)) {
            problems.push(Problem::at("decide_within_secs", "is 1 to 86400"));
        }
        if settings.classes.is_empty()
            && settings.verbs.is_empty()
            && settings.relations.is_empty()
            && settings.values.is_empty()
            && settings.risk_at.is_none()
            && settings.rules.is_empty()
        {
            settings.classes = WRITING.map(str::to_owned).to_vec();
        }
        if problems.is_empty() { Ok(Self { settings }) } else { Err(problems) }
    }
}

impl Approver for ApprovalWrites {
    fn check(&self, session: &SessionInfo, operation: &Operation) -> Ruling {
        // A rule that names its approvers knows better than the settings for all.
        if let Some(rule) = self.settings.rules.iter().find(|it| it.holds(session, operation)) {
            return Decision::Hold(rule.ask(&self.settings)).into();
        }
        let Some((rule, why)) = self.holds(operation) else { return Ruling::abstain() };
        let reason = match &self.settings.reason {
            Some(reason) => format!("{reason} ({why})"),
            None => format!("{why} needs an approval"),
        };
        Decision::Hold(ApprovalAsk {
            rule: rule.to_owned(),
            reason,
            approvers: self.settings.approvers.clone(),
            decide_within_secs: self.settings.decide_within_secs,
        })
        .into()
    }
}

impl ApprovalWrites {
    fn holds(&self, operation: &Operation) -> Option<(&'static str, String)> {
        let settings = &self.settings;
        if let Some(verb) = settings.verbs.iter().find(|verb| operation.does(verb)) {
            return Some(("writes.verb", format!("`{verb}`")));
        }
        if !settings.verbs.is_empty() && operation.class == "code" {
            let verbs = settings.verbs.join("`, `");
            let why = format!("`{}` runs code that may `{verbs}`", operation.verb);
            return Some(("writes.code", why));
        }
        let mut written = operation.relations().filter(|object| object.access == Access::Write);
        let kept = |name: &str| settings.relations.iter().any(|pattern| pattern.matches(name));
        if let Some(object) = written.find(|object| kept(&object.name)) {
            return Some(("writes.relation", format!("writing {}", object.name)));
        }
        if let Some(why) = settings.values.iter().find_map(|rule| rule.holds(operation)) {
            return Some(("writes.value", why));
        }
        if settings.classes.contains(&operation.class) && !self.is_free(operation) {
            let (verb, class) = (&operation.verb, &operation.class);
            return Some(("writes.class", format!("`{verb}` (class {class})")));
        }
        let risk = operation.risk();
        if settings.risk_at.is_some_and(|at| risk >= at) {
            return Some(("writes.risk", format!("`{}` with risk {risk}", operation.verb)));
        }
        None
    }

    /// A plain write whose every written relation may be written freely. Other classes can do
    /// more than the relations they list.
    fn is_free(&self, operation: &Operation) -> bool {
        let free = &self.settings.relations_free;
        let mut written =
            operation.relations().filter(|object| object.access == Access::Write).peekable();
        operation.class == "write"
            && written.peek().is_some()
            && written.all(|object| free.iter().any(|pattern| pattern.matches(&object.name)))
    }
}

impl ValueRule {
    /// Why the value needs an approval, if it does. What can't be read does: a value in the text,
    /// none at all, one too long to be shown, the binary form of a type that is not known.
    fn holds(&self, operation: &Operation) -> Option<String> {
        let mut written = operation.relations().filter(|object| object.access == Access::Write);
        // Nothing is bound yet, and nothing runs.
        if operation.request() == "sql_parse" {
            return None;
        }
        let object = written.find(|object| self.relation.matches(&object.name))?;
        let (name, number) = (&object.name, self.parameter);
        let Some(parameter) = operation.parameter(number) else {
            return Some(format!("writing {name} without a value bound to ${number}"));
        };
        if parameter.is_null() {
            return None;
        }
        let (text, value) = (parameter.text(), parameter.number());
        match self.above {
            Some(above) if value.is_some_and(|value| value <= above) => None,
            Some(above) if value.is_some() => {
                Some(format!("writing {name} with ${number} above {above}"))
            }
            None if text.as_ref().is_some_and(|text| !self.is.iter().any(|is| is == text)) => None,
            None if text.is_some() => Some(format!("writing {name} with this ${number}")),
            _ => Some(format!("writing {name} with a ${number} that can't be read")),
        }
    }
}

portcullis_plugin::approver!(ApprovalWrites);

#[cfg(test)]
mod tests;

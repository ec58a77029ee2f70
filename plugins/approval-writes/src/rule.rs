//! Rules with several conditions.

use portcullis_plugin::{Access, ApprovalAsk, Operation, Pattern, Problem, SessionInfo};
use serde::Deserialize;

use crate::{CLASSES, Settings};

/// Holds what meets every condition that it has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Named in the log and to the caller.
    rule: String,
    /// Classes; any of them.
    #[serde(default)]
    classes: Vec<String>,
    /// Acts anywhere in the operation; any of them. Code may hide each.
    #[serde(default)]
    verbs: Vec<String>,
    /// Objects it touches, read or written; any of them.
    #[serde(default)]
    objects: Vec<Pattern>,
    /// Kinds of those objects; without it `relation`.
    kind: Option<String>,
    /// Objects count only when they are written.
    #[serde(default)]
    written: bool,
    /// Columns that it names; any of them. Whole rows hold every column.
    #[serde(default)]
    columns: Vec<Pattern>,
    /// Risk from which on.
    risk_at: Option<u8>,
    /// Groups of the subject; any of them.
    #[serde(default)]
    groups: Vec<String>,
    /// Groups whose members are not asked about.
    #[serde(default)]
    groups_except: Vec<String>,
    /// Targets, by their configured names; any of them.
    #[serde(default)]
    targets: Vec<String>,
    /// Agents, as the session names them; any of them.
    #[serde(default)]
    agents: Vec<String>,
    /// Told to the caller and the approver.
    reason: Option<String>,
    /// Groups whose members may approve; empty = those of the settings for all.
    #[serde(default)]
    approvers: Vec<String>,
    /// Seconds until the question expires.
    decide_within_secs: Option<u32>,
}

/// Every mistake of some rules.
pub(crate) fn problems(rules: &[Rule]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let mut add = |part: &str, message: String| {
            problems.push(Problem::at(format!("rules[{at}]{part}"), message));
        };
        for (place, class) in rule.classes.iter().enumerate() {
            if !CLASSES.contains(&class.as_str()) {
                let message = format!("is no class; there are {}", CLASSES.join(", "));
                add(&format!(".classes[{place}]"), message);
            }
        }
        if rule.risk_at.is_some_and(|risk| risk > 100) {
            add(".risk_at", "a risk is 0 to 100".to_owned());
        }
        let seconds = 1..=crate::DECIDE_WITHIN_SECS_MAX;
        if rule.decide_within_secs.is_some_and(|given| !seconds.contains(&given)) {
            add(".decide_within_secs", "is 1 to 86400".to_owned());
        }
        if rule.rule.is_empty() {
            add(".rule", "is empty".to_owned());
        }
        if rule.columns.iter().any(|column| column.segments() != 1) {
            add(".columns", "a column is one part, without dots".to_owned());
        }
        let objectless = rule.objects.is_empty();
        if objectless && (rule.written || rule.kind.is_some()) {
            add(".objects", "`kind` and `written` say something of `objects`".to_owned());
        }
        let conditions = [
            rule.classes.is_empty(),
            rule.verbs.is_empty(),
            objectless,
            rule.columns.is_empty(),
            rule.risk_at.is_none(),
        ];
        if conditions.iter().all(|empty| *empty) {
            add("", "needs one of `classes`, `verbs`, `objects`, `columns`, `risk_at`".to_owned());
        }
    }
    problems
}

impl Rule {
    /// Whether every condition is met. What can't be known counts as met.
    pub(crate) fn holds(&self, session: &SessionInfo, operation: &Operation) -> bool {
        let member = |groups: &[String]| groups.iter().any(|it| session.groups.contains(it));
        (self.groups.is_empty() || member(&self.groups))
            && !member(&self.groups_except)
            && (self.targets.is_empty() || self.targets.contains(&session.target))
            && (self.agents.is_empty() || self.agents.contains(&session.agent))
            && (self.classes.is_empty() || self.classes.contains(&operation.class))
            && (self.verbs.is_empty() || self.does(operation))
            && (self.objects.is_empty() || self.touches(operation))
            && (self.columns.is_empty() || self.names(operation))
            && self.risk_at.is_none_or(|at| operation.risk() >= at)
    }

    fn does(&self, operation: &Operation) -> bool {
        operation.class == "code" || self.verbs.iter().any(|verb| operation.does(verb))
    }

    fn touches(&self, operation: &Operation) -> bool {
        let kind = self.kind.as_deref().unwrap_or("relation");
        let mut objects = operation.resources.iter().filter(|object| object.kind == kind);
        objects.any(|object| {
            (!self.written || object.access == Access::Write)
                && self.objects.iter().any(|pattern| pattern.matches(&object.name))
        })
    }

    fn names(&self, operation: &Operation) -> bool {
        let named = operation.attributes.iter().filter(|(name, _)| name == "column");
        let mut named = named.map(|(_, column)| column);
        operation.is("whole_row")
            || operation.class == "code"
            || named.any(|column| self.columns.iter().any(|it| it.matches_part(column)))
    }

    /// What a person is asked; what the rule leaves out is as for all.
    pub(crate) fn ask(&self, settings: &Settings) -> ApprovalAsk {
        let approvers = match self.approvers.as_slice() {
            [] => settings.approvers.clone(),
            own => own.to_vec(),
        };
        let reason = self.reason.as_ref().or(settings.reason.as_ref()).cloned();
        ApprovalAsk {
            rule: self.rule.clone(),
            reason: reason.unwrap_or_else(|| format!("rule {} needs an approval", self.rule)),
            approvers,
            decide_within_secs: self.decide_within_secs.or(settings.decide_within_secs),
        }
    }
}

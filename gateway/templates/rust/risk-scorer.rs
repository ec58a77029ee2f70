//! Scores statements by what they do.

use std::collections::BTreeMap;

use portcullis_plugin::{
    Assessment, Finding, Operation, Plugin, Problem, RiskScorer, SessionInfo, risk_scorer,
};
use serde::Deserialize;

/// The `[plugins.settings]` table of the policy file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The score of each verb, such as `delete`, 0 to 100.
    verbs: BTreeMap<String, u8>,
    /// The score of an UPDATE or DELETE without WHERE, 0 to 100.
    unbounded: u8,
}

pub struct Score(Settings);

impl Plugin for Score {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let high = |(verb, _): (&String, &u8)| {
            Problem::at(format!("verbs.{verb}"), "a score is at most 100")
        };
        let mut problems: Vec<Problem> =
            settings.verbs.iter().filter(|(_, score)| **score > 100).map(high).collect();
        if settings.unbounded > 100 {
            problems.push(Problem::at("unbounded", "a score is at most 100"));
        }
        if problems.is_empty() { Ok(Self(settings)) } else { Err(problems) }
    }
}

impl RiskScorer for Score {
    fn score(&self, _session: &SessionInfo, operation: &Operation) -> Assessment {
        let mut findings = Vec::new();
        // `acts` and not `verb`: a DELETE can stand inside a WITH.
        for act in &operation.acts {
            if let Some(&score) = self.0.verbs.get(act) {
                let message = format!("`{act}`");
                findings.push(Finding { rule: format!("verb.{act}"), score, message });
            }
        }
        if operation.is("unbounded_write") {
            let message = "writes every row".to_owned();
            findings.push(Finding { rule: "unbounded".into(), score: self.0.unbounded, message });
        }
        let score = findings.iter().map(|finding| finding.score).max().unwrap_or(0);
        Assessment { score, findings }
    }
}

risk_scorer!(Score);

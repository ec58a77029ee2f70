//! What each rule of a risk-scorer counts, and how settings change it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Problem;

/// Scores by rule that settings give in place of a plugin's own; 0 turns a rule off.
///
/// ```
/// # use portcullis_plugin::Scores;
/// const RULES: [(&str, u8); 2] = [("sql.drop", 90), ("sql.truncate", 80)];
/// let scores: Scores = serde_json::from_str(r#"{"sql.drop": 50}"#).unwrap();
/// assert!(scores.problems(&RULES).is_empty());
/// assert_eq!((scores.of(&RULES, "sql.drop"), scores.of(&RULES, "sql.truncate")), (50, 80));
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Scores(BTreeMap<String, u8>);

impl Scores {
    /// Mistakes, for settings that call these scores `scores`: rules that there are not, and scores
    /// above 100.
    pub fn problems(&self, rules: &[(&str, u8)]) -> Vec<Problem> {
        let mistake = |(rule, score): (&String, &u8)| {
            let message = if !rules.iter().any(|(name, _)| name == rule) {
                let names: Vec<&str> = rules.iter().map(|(name, _)| *name).collect();
                format!("is no rule; there are {}", names.join(", "))
            } else if *score > 100 {
                "a score is 0 to 100".to_owned()
            } else {
                return None;
            };
            Some(Problem::at(format!("scores.{rule}"), message))
        };
        self.0.iter().filter_map(mistake).collect()
    }

    /// What a rule counts: the settings' score, else the plugin's own, else 100.
    pub fn of(&self, rules: &[(&str, u8)], rule: &str) -> u8 {
        let default = || rules.iter().find(|(name, _)| *name == rule).map_or(100, |(_, own)| *own);
        self.0.get(rule).copied().unwrap_or_else(default)
    }
}

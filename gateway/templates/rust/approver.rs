//! Has a person approve writes to guarded tables, and refuses what could write them unseen.

use portcullis_plugin::{
    Access, ApprovalAsk, Approver, Decision, Operation, Pattern, Plugin, Problem, Ruling,
    SessionInfo, approver,
};
use serde::Deserialize;

/// The `[plugins.settings]` table of the policy file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Tables whose rows change only with an approval, such as `public.*`.
    tables: Vec<Pattern>,
    /// Groups whose members may approve; empty = whoever the policy names.
    #[serde(default)]
    approvers: Vec<String>,
}

pub struct Guard(Settings);

impl Plugin for Guard {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self(settings))
    }
}

impl Approver for Guard {
    fn check(&self, _session: &SessionInfo, operation: &Operation) -> Ruling {
        if operation.class == "code" {
            return Ruling::deny("guarded.code", "code could write a guarded table unseen");
        }
        let written = operation.relations().find(|object| {
            object.access == Access::Write
                && self.0.tables.iter().any(|table| table.matches(&object.name))
        });
        match written {
            None => Ruling::abstain(),
            Some(object) => Decision::Hold(ApprovalAsk {
                rule: "guarded.write".into(),
                reason: format!("writes {}", object.name),
                approvers: self.0.approvers.clone(),
                decide_within_secs: None,
            })
            .into(),
        }
    }
}

approver!(Guard);

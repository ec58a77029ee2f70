//! Merging opinions: deny > hold > allow > abstain. No opinion loosens another.

use super::{Ask, Verdict};
use crate::limits::APPROVAL_REASONS_MAX;

/// What one voice (a plugin, a threshold, a core rule) says of one statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Opinion {
    Abstain,
    Allow,
    Hold { ask: Ask },
    Deny { by: String, rule: String, reason: String },
}

/// The merged verdict on one statement.
pub(super) fn verdict(default: Verdict, opinions: &[Opinion]) -> Verdict {
    let said = opinions.iter().filter_map(|opinion| match opinion {
        Opinion::Abstain => None,
        Opinion::Allow => Some(Verdict::Allow),
        Opinion::Hold { .. } => Some(Verdict::Hold),
        Opinion::Deny { .. } => Some(Verdict::Deny),
    });
    said.max().unwrap_or(default)
}

/// Merges several questions into one: every reason, the shortest time, and the groups anyone
/// named. A question that names nobody leaves that to the others, so it can't widen theirs.
pub(super) fn asks<'a>(
    asks: impl IntoIterator<Item = &'a Ask>,
    approvers: &[String],
    decide_within_secs: u32,
) -> Ask {
    let mut merged = Ask { reason: String::new(), approvers: Vec::new(), decide_within_secs };
    let mut reasons: Vec<&str> = Vec::new();
    for ask in asks {
        if !reasons.contains(&ask.reason.as_str()) {
            reasons.push(&ask.reason);
        }
        for group in &ask.approvers {
            if !merged.approvers.contains(group) {
                merged.approvers.push(group.clone());
            }
        }
        merged.decide_within_secs = merged.decide_within_secs.min(ask.decide_within_secs.max(1));
    }
    reasons.truncate(APPROVAL_REASONS_MAX);
    merged.reason = reasons.join("; ");
    if merged.approvers.is_empty() {
        merged.approvers = approvers.to_vec();
    }
    merged
}

#[cfg(test)]
mod tests;

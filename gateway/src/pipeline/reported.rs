//! What the target says of its own settings: the net under what the text of statements shows.

use crate::fault::{Blame, Fault};
use crate::policy::SettingRules;

/// Values without which the gateway and the target would read a statement differently.
const FIXED: [(&str, &str); 2] =
    [("client_encoding", "UTF8"), ("standard_conforming_strings", "on")];

/// Reported settings that tell of another one: a function or a DO may change that one unseen.
const TELLING: [(&str, &str); 3] = [
    ("default_transaction_read_only", "default_transaction_read_only"),
    ("is_superuser", "role"),
    ("session_authorization", "session_authorization"),
];

/// Checks a value that the target reports; `begun` is what the session began with, when it runs
/// already.
///
/// # Errors
/// The session must end.
pub(super) fn check(
    name: &str,
    value: &str,
    begun: Option<&str>,
    rules: &SettingRules,
) -> Result<(), Fault> {
    if let Some((_, fixed)) = FIXED.iter().find(|(known, fixed)| *known == name && value != *fixed)
    {
        return Err(ended(name, value)
            .hint(format!("Statements can be judged only while {name} is {fixed}.")));
    }
    let told = TELLING.iter().find(|(known, _)| *known == name).map(|(_, setting)| *setting);
    match (told, begun) {
        (Some(setting), Some(begun)) if begun != value && rules.denies(setting) => {
            if setting == "default_transaction_read_only" && begun != "on" {
                // Between tighter and what it began with.
                return Ok(());
            }
            let hint =
                format!("The policy of this target does not let a session change {setting}.");
            Err(ended(name, value).hint(hint))
        }
        _ => Ok(()),
    }
}

fn ended(name: &str, value: &str) -> Fault {
    let message = format!("the session ends because {name} became \"{value}\"");
    Fault::new(Blame::Policy, "setting_unsafe", "57P01", message)
}

#[cfg(test)]
mod tests;

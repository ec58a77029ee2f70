//! Which settings of the target a session may change.
//!
//! The facts list every change that the text shows: SET and RESET in all their forms, BEGIN with
//! options, `set_config`, ALTER ROLE and the like. What code inside the target does (DO, CALL, a
//! function, a trigger) is not in the text; a policy decides about it by its class `code`.

use super::core::Refusal;
use crate::fault::{Blame, Fault};
use crate::protocol::{
    Access, Object, Request, Setting, SettingScope, SettingValue, State, Statement,
};

/// Settings that decide as whom a session acts, which rows and names it means, and whether it may
/// write: what the policy was written for would no longer be what happens.
pub const DENIED: [&str; 9] = [
    "createrole_self_grant",
    "default_transaction_read_only",
    "restrict_nonsystem_relation_kind",
    "role",
    "row_security",
    "search_path",
    "session_authorization",
    "session_replication_role",
    "transaction_read_only",
];

/// What a policy says of settings. Names are lower case; `*` stands for every setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingRules {
    /// Refused.
    pub deny: Vec<String>,
    /// A person is asked.
    pub hold: Vec<String>,
}

impl Default for SettingRules {
    fn default() -> Self {
        Self { deny: DENIED.map(str::to_owned).to_vec(), hold: Vec::new() }
    }
}

impl SettingRules {
    /// Whether the policy keeps this setting as it is.
    pub fn denies(&self, name: &str) -> bool {
        lists(&self.deny, name)
    }

    /// The setting of this statement that a person is asked about.
    pub(super) fn held<'a>(&self, statement: &'a Statement, state: &State) -> Option<&'a str> {
        let mut changes = statement.settings.iter().filter(|one| !harmless(one, state));
        changes.find(|one| lists(&self.hold, &one.name)).map(|one| one.name.as_str())
    }

    /// Refuses what no session may change at all, and what this policy lists.
    pub(super) fn check(
        &self,
        statement: &Statement,
        request: &Request,
    ) -> Result<(), Box<Refusal>> {
        for setting in &statement.settings {
            core(setting)?;
            if self.denies(&setting.name) && !harmless(setting, request.state()) {
                return Err(denied(setting));
            }
        }
        by_other_ways(statement)
    }
}

/// A name that is computed, or all settings at once, may be any of the list.
fn lists(list: &[String], name: &str) -> bool {
    list.iter().any(|one| one == "*" || name == "*" || one == name)
}

/// How the gateway reads SQL rests on these; no policy can open them.
fn core(setting: &Setting) -> Result<(), Box<Refusal>> {
    let back = matches!(setting.value, SettingValue::Default);
    if back && setting.scope != SettingScope::Stored {
        // What the session began with was checked when it began.
        return Ok(());
    }
    let good: &[&str] = match setting.name.as_str() {
        "client_encoding" => &["utf8", "utf-8", "unicode"],
        "standard_conforming_strings" => &["on", "true", "yes", "1"],
        "*" if !back => return Err(fixed("a setting whose name is computed")),
        _ => return Ok(()),
    };
    match &setting.value {
        SettingValue::To(value) if good.contains(&value.to_ascii_lowercase().as_str()) => Ok(()),
        _ => Err(fixed(&setting.name)),
    }
}

/// Ways to change a setting that name none.
fn by_other_ways(statement: &Statement) -> Result<(), Box<Refusal>> {
    let is_view = |o: &&Object| o.kind == "relation" && bare(o) == "pg_settings";
    let mut views = statement.objects.iter().filter(is_view);
    // A view, rule or function over it would be another way to write to it.
    let keeps = ["create_function", "create_procedure", "create_rule", "create_view"];
    let keeps = keeps.contains(&statement.verb.as_str());
    if views.any(|o| o.access == Access::Write || keeps) {
        return Err(fixed("pg_settings"));
    }
    // The facts list what set_config sets; a call without that can't be judged.
    let calls = |o: &Object| o.kind == "function" && bare(o) == "set_config";
    let changes =
        statement.objects.iter().any(|o| o.kind == "setting" && o.access == Access::Write);
    if !changes && statement.objects.iter().any(calls) {
        return Err(fixed("a setting whose name is computed"));
    }
    Ok(())
}

fn bare(object: &Object) -> String {
    object.name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase()
}

/// Changes that leave everything as it was judged: back to what the session began with, and
/// values that drivers set as a matter of course.
fn harmless(setting: &Setting, state: &State) -> bool {
    if setting.scope == SettingScope::Stored {
        return false;
    }
    let value = match &setting.value {
        SettingValue::Default => return true,
        SettingValue::To(value) => value,
        SettingValue::Computed | SettingValue::Current => return false,
    };
    match setting.name.as_str() {
        "default_transaction_read_only" | "transaction_read_only" => {
            !state.read_only || is_true(value)
        }
        "row_security" => is_true(value),
        "search_path" => is_plain_path(value),
        _ => false,
    }
}

fn is_true(value: &str) -> bool {
    ["1", "on", "t", "true", "y", "yes"].contains(&value.to_ascii_lowercase().as_str())
}

/// A path of `public` and `"$user"` alone, with `pg_catalog` nowhere but in front, means by each
/// bare name what the built-in path means by it, or nothing.
fn is_plain_path(path: &str) -> bool {
    path.split(',').enumerate().all(|(at, part)| match part.trim() {
        "" | "\"\"" | "public" | "\"public\"" | "\"$user\"" => true,
        "pg_catalog" | "\"pg_catalog\"" => at == 0,
        _ => false,
    })
}

fn denied(setting: &Setting) -> Box<Refusal> {
    let what = match setting.name.as_str() {
        "*" => "every setting at once",
        name => name,
    };
    Box::new(Refusal {
        rule: "settings.deny",
        fault: Fault::new(
            Blame::Policy,
            "setting_denied",
            "42501",
            format!("the policy of this target does not let a session change {what}"),
        )
        .detail("It decides as whom, on what or how later statements run.")
        .hint(
            "Nothing was run and the connection stays usable. Leave the setting as it is (write \
             schema.name where you meant search_path; the role is chosen when you connect), or \
             ask the operator of this gateway, who lists it under [settings] in the policy.",
        ),
    })
}

fn fixed(what: &str) -> Box<Refusal> {
    Box::new(Refusal {
        rule: "core.settings",
        fault: Fault::new(
            Blame::Policy,
            "setting_fixed",
            "42501",
            format!("this gateway does not let a session change {what}"),
        )
        .detail("It decides how later statements are read.")
        .hint(
            "Nothing was run and the connection stays usable. Leave the setting as it is, or name \
             the setting in the text of the statement where its name is computed.",
        ),
    })
}

#[cfg(test)]
mod tests;

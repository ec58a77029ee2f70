//! Scores commands over SSH. Settings: `README.md`.

mod paths;
mod rules;
mod shell;
mod wrap;

use std::collections::BTreeMap;

use portcullis_plugin::{
    Assessment, Finding, Operation, Plugin, Problem, RiskScorer, Scores, SessionInfo,
};
use serde::Deserialize;

use crate::rules::RULES;

/// The `[plugins.settings]` table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Other scores than the default ones, by rule; 0 turns a rule off.
    #[serde(default)]
    scores: Scores,
    /// Scores of programs, by base name: `terraform = 80`. 0 says that a program is harmless
    /// whatever the rules say of its name; what it is given counts all the same.
    #[serde(default)]
    programs: BTreeMap<String, u8>,
}

/// The plugin.
#[derive(Debug)]
pub struct RiskCommand(Settings);

impl Plugin for RiskCommand {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = settings.scores.problems(&RULES);
        for (program, score) in &settings.programs {
            let place = format!("programs.{program}");
            if *score > 100 {
                problems.push(Problem::at(place, "a score is 0 to 100"));
            } else if program.contains('/') {
                problems.push(Problem::at(place, "is a name without its folder"));
            }
        }
        if problems.is_empty() { Ok(Self(settings)) } else { Err(problems) }
    }
}

impl RiskScorer for RiskCommand {
    fn score(&self, _session: &SessionInfo, operation: &Operation) -> Assessment {
        let mut found: Vec<Finding> = Vec::new();
        if operation.kind != "ssh_command" {
            return Assessment { score: 0, findings: found };
        }
        let mut add = |rule: &str, score: u8, message: String| {
            let known = |it: &Finding| it.rule == rule && it.message == message;
            if score > 0 && !found.iter().any(known) {
                found.push(Finding { rule: rule.to_owned(), score, message });
            }
        };
        for (rule, message) in self.channel(operation) {
            add(rule, self.value(rule), message);
        }
        let mut line = shell::read(&operation.text);
        wrap::unwrap(&mut line);
        for command in &line.commands {
            let program = command.program();
            let own = self.0.programs.get(program).copied();
            for (rule, message) in rules::broken(command) {
                let harmless = own == Some(0) && by_name(rule);
                add(rule, if harmless { 0 } else { self.value(rule) }, message);
            }
            if let Some(score) = own {
                add("command.program", score, format!("runs {program}"));
            }
        }
        // The host may know programs that the words above do not show.
        for program in operation.acts.iter().skip_while(|act| **act == operation.verb) {
            if let Some(score) = self.0.programs.get(program) {
                add("command.program", *score, format!("runs {program}"));
            }
        }
        if line.unread || operation.is("unparsed") || operation.does("*") {
            let message = "holds something that can't be read".to_owned();
            add("command.unread", self.value("command.unread"), message);
        }
        // The host keeps the first few.
        found.sort_by_key(|finding| std::cmp::Reverse(finding.score));
        let score = found.first().map_or(0, |finding| finding.score);
        Assessment { score, findings: found }
    }
}

/// Rules that a program breaks by being that program.
fn by_name(rule: &str) -> bool {
    matches!(rule, "command.client" | "command.remote" | "command.privilege" | "command.package")
}

impl RiskCommand {
    /// What the channel itself is, and what it brings.
    fn channel(&self, operation: &Operation) -> Vec<(&'static str, String)> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        match operation.verb.as_str() {
            "shell" => found.push(("command.shell", "opens an interactive shell".to_owned())),
            "forward_local" | "forward_remote" => {
                found.push(("command.forward", "forwards a port".to_owned()));
            }
            "sftp_remove" => found.push(("command.delete", "deletes over SFTP".to_owned())),
            _ => {}
        }
        if operation.is("agent_forwarding") {
            found.push(("command.agent_forwarding", "lends its keys to the target".to_owned()));
        }
        let sftp = operation.verb.starts_with("sftp_");
        for object in operation.resources.iter().filter(|it| sftp && it.kind == "path") {
            let path = object.name.as_str();
            let writes = !matches!(operation.verb.as_str(), "sftp_read" | "sftp_list");
            let rule = match writes {
                true if paths::is_lasting(path) => "command.persistence",
                true if paths::is_history(path) => "command.history",
                true if paths::is_log(path) => "command.logs",
                _ if paths::is_secret(path) => "command.secret",
                true => "command.write",
                false => continue,
            };
            found.push((rule, format!("{} {path}", operation.verb)));
        }
        let sent = operation.attributes.iter().filter(|(name, _)| name == "env");
        let sent = sent.map(|(_, assignment)| assignment.split('=').next().unwrap_or_default());
        for name in sent.filter(|name| name.starts_with("LD_") || *name == "BASH_ENV") {
            found.push(("command.preload", format!("has code loaded by {name}")));
        }
        found
    }

    fn value(&self, rule: &str) -> u8 {
        self.0.scores.of(&RULES, rule)
    }
}

portcullis_plugin::risk_scorer!(RiskCommand);

#[cfg(test)]
mod tests;

//! Scores SQL statements. Settings: `README.md`.

use portcullis_plugin::{
    Access, Assessment, Finding, Object, Operation, Plugin, Problem, RiskScorer, Scores,
    SessionInfo,
};
use serde::Deserialize;

/// Every rule with its default score.
const RULES: [(&str, u8); 20] = [
    ("sql.admin", 80),
    ("sql.alter", 70),
    ("sql.call", 0),
    ("sql.code", 60),
    ("sql.delete", 40),
    ("sql.delete_unbounded", 85),
    ("sql.drop", 90),
    ("sql.file", 90),
    ("sql.function_dangerous", 90),
    ("sql.insert", 20),
    ("sql.many_relations", 40),
    ("sql.privilege", 90),
    ("sql.program", 95),
    ("sql.relation_sensitive", 70),
    ("sql.schema", 50),
    ("sql.truncate", 90),
    ("sql.update", 30),
    ("sql.update_unbounded", 80),
    ("sql.whole_row", 10),
    ("sql.write", 30),
];

/// Functions that reach files, other servers, whole tables or other sessions.
const FUNCTIONS: [&str; 24] = [
    "cursor_to_xml",
    "database_to_xml",
    "dblink",
    "dblink_connect",
    "dblink_exec",
    "lo_export",
    "lo_get",
    "lo_import",
    "loread",
    "pg_cancel_backend",
    "pg_execute_server_program",
    "pg_file_write",
    "pg_ls_dir",
    "pg_read_binary_file",
    "pg_read_file",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_sleep",
    "pg_stat_file",
    "pg_terminate_backend",
    "query_to_xml",
    "schema_to_xml",
    "table_to_xml",
    "ts_stat",
];

/// Catalogue relations that hold secrets, other people's statements, or samples of values.
const RELATIONS: [&str; 10] = [
    "pg_authid",
    "pg_largeobject",
    "pg_shadow",
    "pg_stat_activity",
    "pg_stat_statements",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_stats",
    "pg_stats_ext",
    "pg_user_mapping",
];

const MANY_RELATIONS: usize = 6;

/// The `[plugins.settings]` table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Other scores than the default ones, by rule; 0 turns a rule off.
    #[serde(default)]
    scores: Scores,
    /// From how many relations on a statement touches many.
    many_relations: Option<usize>,
}

/// The plugin.
#[derive(Debug)]
pub struct RiskStatement(Settings);

impl Plugin for RiskStatement {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = settings.scores.problems(&RULES);
        if settings.many_relations == Some(0) {
            problems.push(Problem::at("many_relations", "is at least 1"));
        }
        if problems.is_empty() { Ok(Self(settings)) } else { Err(problems) }
    }
}

impl RiskScorer for RiskStatement {
    fn score(&self, _session: &SessionInfo, operation: &Operation) -> Assessment {
        let mut found: Vec<Finding> = Vec::new();
        let mut add = |rule: &str, message: String| {
            let score = self.value(rule);
            if score > 0 {
                found.push(Finding { rule: rule.to_owned(), score, message });
            }
        };
        let acts = operation.acts.iter().chain([&operation.verb]);
        let mut rules: Vec<_> = acts.filter_map(|verb| act(verb, operation)).collect();
        rules.sort_unstable();
        rules.dedup();
        for (rule, message) in rules {
            add(rule, message.to_owned());
        }
        for object in operation.resources.iter().filter(|object| is_dangerous(object)) {
            add("sql.function_dangerous", format!("calls {}", object.name));
        }
        for object in operation.resources.iter().filter(|object| object.kind == "file") {
            add("sql.file", format!("reaches the server's file {}", object.name));
        }
        if operation.attribute("copy") == Some("program") {
            add("sql.program", "runs a program on the server".to_owned());
        }
        for object in operation.relations().filter(|object| listed(&RELATIONS, object)) {
            add("sql.relation_sensitive", format!("touches {}", object.name));
        }
        let many = operation.relations().count();
        if many >= self.0.many_relations.unwrap_or(MANY_RELATIONS) {
            add("sql.many_relations", format!("touches {many} relations"));
        }
        let writes = operation.relations().any(|object| object.access == Access::Write);
        if operation.is("whole_row") && operation.class == "read" && !writes && many > 0 {
            add("sql.whole_row", "reads whole rows".to_owned());
        }
        // The host keeps the first few.
        found.sort_by_key(|finding| std::cmp::Reverse(finding.score));
        let score = found.first().map_or(0, |finding| finding.score);
        Assessment { score, findings: found }
    }
}

/// What one act of the statement does.
fn act(verb: &str, operation: &Operation) -> Option<(&'static str, &'static str)> {
    let unbounded = operation.is("unbounded_write");
    Some(match (verb, operation.class.as_str()) {
        ("call", class) if class != "code" => ("sql.call", "sets off code that the database holds"),
        ("truncate", _) => ("sql.truncate", "empties a table"),
        (_, "privilege") => ("sql.privilege", "changes roles, grants or ownership"),
        (_, "admin") => ("sql.admin", "maintains or configures the server"),
        (verb, _) if verb.starts_with("drop") => ("sql.drop", "drops an object"),
        (verb, _) if verb.starts_with("alter") => ("sql.alter", "alters an object"),
        (_, "schema") => ("sql.schema", "changes the schema"),
        (_, "code") => ("sql.code", "runs code that can't be looked into"),
        ("update", _) if unbounded => ("sql.update_unbounded", "updates every row of a table"),
        // A write without a condition inside another statement could be a delete.
        (_, _) if unbounded => ("sql.delete_unbounded", "deletes every row of a table"),
        ("delete", _) => ("sql.delete", "deletes rows"),
        ("update", _) => ("sql.update", "updates rows"),
        ("insert", _) => ("sql.insert", "inserts rows"),
        (_, "write") => ("sql.write", "changes rows"),
        _ => return None,
    })
}

fn is_dangerous(object: &Object) -> bool {
    object.kind == "function" && listed(&FUNCTIONS, object)
}

fn listed(names: &[&str], object: &Object) -> bool {
    let bare = object.name.rsplit('.').next().unwrap_or_default().to_lowercase();
    names.contains(&bare.as_str())
}

impl RiskStatement {
    fn value(&self, rule: &str) -> u8 {
        self.0.scores.of(&RULES, rule)
    }
}

portcullis_plugin::risk_scorer!(RiskStatement);

#[cfg(test)]
mod tests;

//! Statements and what is said of them: `statements.txt` holds the text, then `=> ` and the facts.

use crate::protocol::postgres::statement::{Parsers, facts};
use crate::protocol::{Access, SettingScope, SettingValue};

/// All facts of a text in one line.
fn summary(text: &str) -> String {
    let facts = match facts(text, Parsers::Compat) {
        Ok(facts) => facts,
        Err(fault) => return format!("! {} {}", fault.sqlstate, fault.message),
    };
    let lines = facts.statements.iter().map(|statement| {
        let class = serde_json::to_string(&statement.class).unwrap();
        let mut line = format!("{} {}", statement.verb, class.trim_matches('"'));
        for object in &statement.objects {
            let sign = if object.access == Access::Write { "!" } else { "" };
            line += &format!(" {}{sign}:{}", object.kind, object.name);
        }
        if !statement.columns.is_empty() {
            line += &format!(" [{}]", statement.columns.join(" "));
        }
        if statement.whole_row {
            line += " whole_row";
        }
        if statement.unbounded_write {
            line += " unbounded";
        }
        for setting in &statement.settings {
            let sign = match setting.scope {
                SettingScope::Session => "",
                SettingScope::Stored => "stored ",
                SettingScope::Transaction => "local ",
            };
            let value = match &setting.value {
                SettingValue::Computed => "computed",
                SettingValue::Current => "current",
                SettingValue::Default => "default",
                SettingValue::To(_) => "given",
            };
            line += &format!(" {{{sign}{} {value}}}", setting.name);
        }
        for (key, value) in &statement.attributes {
            line += &format!(" {key}={value}");
        }
        line
    });
    lines.collect::<Vec<_>>().join(" ; ")
}

fn cases() -> Vec<(String, &'static str)> {
    let mut lines = include_str!("statements.txt").lines().filter(|line| !line.starts_with('#'));
    let mut cases = Vec::new();
    while let Some(text) = lines.next() {
        let text = text.replace("\\n", "\n").replace("\\r", "\r").replace("\\\\", "\\");
        cases.push((text, lines.next().unwrap().strip_prefix("=>").unwrap().trim()));
    }
    cases
}

#[test]
fn statements_are_what_the_table_says() {
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .map(|(text, expect)| (text, expect, summary(text)))
        .filter(|(_, expect, found)| found != *expect)
        .map(|(text, expect, found)| format!("{text}\n   table: {expect}\n   found: {found}"))
        .collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

//! Our facts of statements beside what somebody else reads: every text that the regression suite
//! sends goes through `statement::facts` and through pglast (`grammar.py`), and what pglast finds
//! has to be among our facts.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use portcullis::protocol::postgres::statement::{self, Parsers};
use portcullis::protocol::{Access, Class, Setting, SettingScope, SettingValue, Statement, dotted};
use portcullis_tests::{folder, process};
use serde_json::Value;

use crate::compare::Verdict;

/// Settings of the server that make it log every text it is sent, each entry on lines of its own.
pub(crate) const LOGGING: [&str; 3] =
    ["log_statement=all", "log_line_prefix=", "log_error_verbosity=terse"];
/// What stands before a text in the server's log: as it came, and with an error.
const MARKS: [&str; 2] = ["LOG:  statement: ", "STATEMENT:  "];
/// Longest run of the other reader.
const READER_SECS_MAX: Duration = Duration::from_secs(600);
/// Letters of a text that a fault shows, and that an accepted difference names.
const SHOWN_LETTERS: usize = 100;

/// Compares the readings of every text that a server's log shows. `whole` is false for a part of
/// the suite, which need not show every accepted difference.
pub(crate) fn compare(log: &str, whole: bool) -> Verdict {
    let texts: Vec<String> = texts(log).into_iter().collect();
    let theirs = others(&texts);
    let mut accepted = accepted();
    let mut verdict = Verdict::default();
    let mut statements = 0;
    for (text, theirs) in texts.iter().zip(&theirs) {
        let ours = statement::facts(text, Parsers::Strict);
        statements += theirs.as_array().map_or(0, Vec::len);
        let faults = match (&ours, theirs.as_array()) {
            (Ok(facts), Some(readings)) => differences(text, &facts.statements, readings),
            (Err(_), None) => Vec::new(),
            (Ok(_), None) => vec!["is read, and refused by the grammar".to_owned()],
            (Err(fault), Some(_)) => vec![format!("is refused ({})", fault.code)],
        };
        for fault in faults {
            let line = format!("{fault} | {}", beginning(text));
            match accepted.iter_mut().find(|(known, ..)| covers(known, &line)) {
                Some((_, reason, used)) => {
                    *used = true;
                    verdict.accepted.push(format!("{line}: {reason}"));
                }
                None => verdict.faults.push(format!("facts: {line}")),
            }
        }
    }
    for (line, ..) in accepted.iter().filter(|(.., used)| whole && !used) {
        verdict.faults.push(format!("facts: differs no more; remove: {line}"));
    }
    println!("facts: {} texts, {statements} statements as pglast reads them", texts.len());
    verdict
}

/// Every text in a server's log, once. A line of a text that goes on begins with a tab.
fn texts(log: &str) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    let mut text: Option<String> = None;
    for line in log.split('\n') {
        if let (Some(begun), Some(more)) = (&mut text, line.strip_prefix('\t')) {
            begun.push('\n');
            begun.push_str(more);
            continue;
        }
        texts.extend(text.take());
        text = MARKS.iter().find_map(|mark| line.strip_prefix(mark)).map(str::to_owned);
    }
    texts.extend(text);
    texts.retain(|text| !text.contains(char::REPLACEMENT_CHARACTER));
    texts
}

/// What pglast reads in each text: a list, or null for what the grammar refuses.
pub(crate) fn others(texts: &[String]) -> Vec<Value> {
    let program = folder::cache().join("drivers/grammar/bin/python");
    assert!(program.is_file(), "{} is missing: run scripts/setup.sh test", program.display());
    let mut command = Command::new(program);
    command.arg(folder::repository().join("tests/conformance/grammar.py"));
    let mut input = String::new();
    for text in texts {
        writeln!(input, "{}", Value::from(text.as_str())).expect("a string can be written to");
    }
    let said = process::run(command, &input, READER_SECS_MAX).success("grammar.py");
    let read = said.lines().map(|line| serde_json::from_str(line).expect("it answers in JSON"));
    let readings: Vec<Value> = read.collect();
    assert_eq!(readings.len(), texts.len(), "one answer for each text");
    readings
}

/// What another reader found in a text and we did not.
pub(crate) fn differences(whole: &str, ours: &[Statement], theirs: &[Value]) -> Vec<String> {
    if ours.len() != theirs.len() {
        return vec![format!("holds {} statements, not {}", theirs.len(), ours.len())];
    }
    let mut faults = Vec::new();
    for (ours, theirs) in ours.iter().zip(theirs) {
        if statement::text_of(whole, ours) != text(&theirs["text"]) {
            let cut = beginning(statement::text_of(whole, ours));
            faults.push(format!("cuts {:?} as {cut:?}", theirs["text"]));
        }
        faults.extend(missing(ours, theirs));
    }
    faults.sort();
    faults.dedup();
    faults
}

fn missing(ours: &Statement, theirs: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let has = |kind: &str, name: &str, write: bool| {
        let written = |access| !write || access == Access::Write;
        ours.objects.iter().any(|it| it.kind == kind && it.name == name && written(it.access))
    };
    let kinds: Vec<String> = list(theirs, "kinds").iter().map(|it| verb(text(it))).collect();
    if kinds.first() != Some(&ours.verb) {
        faults.push(format!("is {:?}, not {}", kinds.first(), ours.verb));
    }
    for kind in kinds.iter().filter(|kind| !ours.acts.contains(kind)) {
        faults.push(format!("lacks the act {kind}"));
    }
    let least = match text(&theirs["level"]) {
        "ddl" => Class::Schema,
        "mod" => Class::Write,
        _ => Class::Transaction,
    };
    if ours.class < least {
        faults.push(format!("is of class {:?}, less than {least:?}", ours.class));
    }
    for (field, kind, write) in [
        ("relations", "relation", false),
        ("written", "relation", true),
        ("functions", "function", false),
    ] {
        for name in list(theirs, field).iter().map(name) {
            if !has(kind, &name, write) {
                let how = if write { "written " } else { "" };
                faults.push(format!("lacks the {how}{kind} {name}"));
            }
        }
    }
    for setting in list(theirs, "settings") {
        if !has("setting", text(&setting["name"]), true)
            || !ours.settings.iter().any(|it| same_setting(it, setting))
        {
            faults.push(format!("lacks the setting {setting}"));
        }
    }
    for kind in list(theirs, "transactions").iter().map(|it| verb(text(it))) {
        if !ours.attributes.contains(&("transaction".to_owned(), kind.clone())) {
            faults.push(format!("lacks the transaction statement {kind}"));
        }
    }
    for column in list(theirs, "columns").iter().map(text) {
        if !ours.columns.iter().any(|it| it == column) {
            faults.push(format!("lacks the column {column}"));
        }
    }
    if theirs["star"] == true && !ours.whole_row {
        faults.push("lacks the whole row".to_owned());
    }
    faults
}

fn same_setting(ours: &Setting, theirs: &Value) -> bool {
    let scope = match ours.scope {
        SettingScope::Session => "session",
        SettingScope::Stored => "stored",
        SettingScope::Transaction => "transaction",
    };
    let same_scope = theirs.get("scope").is_none_or(|it| text(it) == scope);
    let same_value =
        theirs.get("value").is_none_or(|it| ours.value == SettingValue::To(text(it).to_owned()));
    ours.name == text(&theirs["name"]) && same_scope && same_value
}

/// A command tag as our verbs are written.
fn verb(tag: &str) -> String {
    match tag {
        "LOCK TABLE" => "lock".to_owned(),
        "START TRANSACTION" => "begin".to_owned(),
        "TRUNCATE TABLE" => "truncate".to_owned(),
        tag => tag.to_lowercase().replace(' ', "_"),
    }
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().unwrap_or_else(|| panic!("{field} is missing: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn name(parts: &Value) -> String {
    dotted(parts.as_array().expect("a name is a list").iter().map(text))
}

/// Whether an accepted difference is this one. A `*` at its end stands for any rest of a text.
fn covers(known: &str, line: &str) -> bool {
    match known.strip_suffix('*') {
        Some(known) => line.starts_with(known),
        None => line == known,
    }
}

/// What of a text is shown, in one line.
fn beginning(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SHOWN_LETTERS).collect()
}

/// The accepted differences: each as it is reported, the reason above it, and whether it was seen.
fn accepted() -> Vec<(String, String, bool)> {
    let file = folder::repository().join("tests/conformance/accepted/facts.txt");
    let text = crate::kit::read(&file);
    let (mut found, mut reason) = (Vec::new(), "");
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("# ") {
            Some(why) => reason = why,
            None => found.push((line.to_owned(), reason.to_owned(), false)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each holds facts of many kinds.
    const TEXTS: [&str; 7] = [
        "SELECT 1; DELETE FROM a.b",
        "WITH x AS (INSERT INTO t SELECT lower(u.c) FROM u RETURNING *) SELECT set_config('Role', \
         'x', true) FROM x, \"V\"",
        "SET LOCAL work_mem = '5MB'; BEGIN ISOLATION LEVEL SERIALIZABLE; RESET ALL; DISCARD ALL",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path TO a BEGIN ATOMIC \
         SELECT g(*) FROM q; END",
        "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
        "DROP TABLE a, b.c; TRUNCATE d; GRANT SELECT ON e TO f; ALTER TABLE g RENAME h TO i",
        "ALTER DOMAIN d RENAME CONSTRAINT c TO e; EXPLAIN ANALYZE DELETE FROM t WHERE x > 1",
    ];

    fn found(text: &str, statements: &[Statement], readings: &Value) -> Vec<String> {
        differences(text, statements, readings.as_array().unwrap())
    }

    /// Every way of leaving out one fact of a statement that the other reader may know.
    fn poorer(statement: &Statement) -> Vec<(String, Statement)> {
        let mut all = Vec::new();
        let mut without = |what: String, change: &dyn Fn(&mut Statement)| {
            let mut poorer = statement.clone();
            change(&mut poorer);
            all.push((what, poorer));
        };
        without("the verb".into(), &|it| it.verb.push('x'));
        without("the text".into(), &|it| it.end -= 1);
        for at in 0..statement.acts.len() {
            without(statement.acts[at].clone(), &|it| drop(it.acts.remove(at)));
        }
        for (at, object) in statement.objects.iter().enumerate() {
            let known = ["relation", "function", "setting"].contains(&object.kind.as_str());
            let written = object.access == Access::Write;
            // What is both read and written is known by its writing.
            let twice = |other: &portcullis::protocol::Object| {
                other.name == object.name && other.access == Access::Write
            };
            if known && (written || !statement.objects.iter().any(twice)) {
                without(object.name.clone(), &|it| drop(it.objects.remove(at)));
            }
        }
        for at in 0..statement.settings.len() {
            without(statement.settings[at].name.clone(), &|it| drop(it.settings.remove(at)));
        }
        let block = statement.attributes.iter().position(|(key, _)| key == "transaction");
        if let Some(at) = block {
            without("the transaction".into(), &|it| drop(it.attributes.remove(at)));
        }
        if statement.class > Class::Session && statement.class != Class::Code {
            without("the class".into(), &|it| it.class = Class::Read);
        }
        all
    }

    #[test]
    fn a_fact_left_out_is_reported() {
        let texts = TEXTS.map(str::to_owned);
        let readings = others(&texts);
        let mut tried = 0;
        for (text, readings) in texts.iter().zip(&readings) {
            let whole = statement::facts(text, Parsers::Compat).unwrap().statements;
            assert_eq!(found(text, &whole, readings), [""; 0], "{text}");
            assert!(!found(text, &whole[1..], readings).is_empty(), "a statement less: {text}");
            for (at, statement) in whole.iter().enumerate() {
                for (what, poorer) in poorer(statement) {
                    let mut statements = whole.clone();
                    statements[at] = poorer;
                    let faults = found(text, &statements, readings);
                    assert!(!faults.is_empty(), "{what} is not missed in {text}");
                    tried += 1;
                }
            }
        }
        assert!(tried > 60, "{tried} facts");
    }

    #[test]
    fn a_column_or_row_left_out_is_reported() {
        let text = "SELECT a.b, c, d.* FROM a, d";
        let readings = others(&[text.to_owned()]);
        let whole = statement::facts(text, Parsers::Compat).unwrap().statements;
        let mut poorer = whole.clone();
        poorer[0].columns.retain(|column| column != "b");
        poorer[0].whole_row = false;
        let expected = ["lacks the column b", "lacks the whole row"];
        assert_eq!(found(text, &poorer, &readings[0]), expected);
    }

    #[test]
    fn texts_are_cut_out_of_the_log() {
        let log = "LOG:  statement: SELECT 1\n\t-- a\n\t\t, 2\nERROR:  no\nDETAIL:  x\n\ty\n\
                   STATEMENT:  SELEC\nLOG:  statement: SELECT 1\n\t-- a\n\t\t, 2\n";
        assert_eq!(Vec::from_iter(texts(log)), ["SELEC", "SELECT 1\n-- a\n\t, 2"]);
    }
}

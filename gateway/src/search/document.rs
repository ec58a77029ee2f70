//! What of an entry can be found, and whether an entry is what a query asks for.

use std::sync::Arc;

use serde_json::Value;

use super::query::{Query, What, term, words};
use crate::audit::Error;
use crate::audit::entry::{Entry, TokenBinding, kind};
use crate::audit::reader::{Asked, Follower, Stored};
use crate::limits::SEARCH_TERMS_MAX;
use crate::protocol::Facts;

/// One entry as the index knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) index: u64,
    /// Nanoseconds since the Unix epoch.
    pub(super) time: u64,
    /// `field:value`, in lower case, sorted.
    pub(super) terms: Vec<String>,
    pub(super) words: Vec<String>,
}

/// What an entry can be found by.
pub(super) fn document(stored: &Stored, follower: &mut Follower) -> Result<Document, Error> {
    let mut found = Document { index: stored.index, ..Document::default() };
    let Ok(entry) = Entry::read(&stored.line) else {
        found.terms.push(term("type", "unreadable"));
        return Ok(found);
    };
    found.time = entry.ts;
    let mut terms = Terms(Vec::new());
    terms.put("type", &entry.kind);
    if let Some(session) = &entry.sess {
        terms.put("session", session);
    }
    if let Some(start) = follower.start(&entry)? {
        terms.put("agent", &start.agent);
        terms.put("target", &start.target);
        terms.put("database", &start.database);
        terms.put("role", &start.role);
        for (field, work) in [("task", &start.task), ("ticket", &start.ticket)] {
            terms.put(field, work.as_ref().map_or("", |work| &work.id));
        }
        terms.token(&start.token);
        for (actor, _) in &start.token.actors {
            terms.put("agent", actor);
        }
    }
    let body: Value = serde_json::from_str(entry.body.get()).unwrap_or_default();
    terms.body(&entry.kind, &body);
    let mut text = String::new();
    if matches!(&*entry.kind, kind::EVENT | kind::REFUSAL | kind::NOTE | kind::APPROVAL) {
        strings(&body, &mut text);
    }
    if let Some(asked) = follower.asked(stored.index, &entry)? {
        terms.facts(&asked.facts);
        text.push_str(&asked.text);
        text.push(' ');
        text.push_str(asked.reason.as_deref().unwrap_or_default());
    }
    found.words = words(&text);
    found.terms = terms.0;
    found.terms.sort_unstable();
    found.terms.dedup();
    Ok(found)
}

/// The words that a person wrote or read, of entries that hold no data.
fn strings(value: &Value, text: &mut String) {
    match value {
        Value::String(found) => {
            text.push_str(found);
            text.push(' ');
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, text)),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "token" && *name != "by")
            .for_each(|(_, field)| strings(field, text)),
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}

struct Terms(Vec<String>);

impl Terms {
    fn put(&mut self, field: &str, value: &str) {
        if !value.is_empty() && self.0.len() < SEARCH_TERMS_MAX {
            self.0.push(term(field, value));
        }
    }

    fn person(&mut self, field: &str, token: &TokenBinding) {
        let more = [&token.uid, &token.email].into_iter().flatten();
        for name in std::iter::once(&token.subject).chain(more) {
            self.put(field, name);
        }
    }

    fn token(&mut self, token: &TokenBinding) {
        self.person("person", token);
        self.put("token", token.token_id.as_deref().unwrap_or_default());
        self.put("token", &token.token_sha256);
    }

    /// What stands in clear in an entry of this type.
    fn body(&mut self, kind: &str, body: &Value) {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let list = |name: &str| body.get(name).and_then(Value::as_array).into_iter().flatten();
        let token = |name: &str| -> Option<TokenBinding> {
            serde_json::from_value(body.get(name)?.clone()).ok()
        };
        for name in ["event", "note", "kind"] {
            self.put("type", text(name));
        }
        for name in ["state", "verdict", "decision"] {
            self.put("verdict", text(name));
        }
        for finding in list("findings").chain(list("hidden")) {
            let rule = finding.get("rule").and_then(Value::as_str);
            self.put("rule", rule.unwrap_or_default());
        }
        for object in list("objects") {
            let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
            self.object(text("kind"), text("name"));
        }
        if let Some(by) = token("by") {
            self.person("approver", &by);
        }
        let approver = body.pointer("/approval/approver").and_then(Value::as_str);
        for name in [approver.unwrap_or_default(), text("by")] {
            // An issuer and a subject.
            self.put("approver", name.rsplit(' ').next().unwrap_or_default());
        }
        self.put("person", text("who").rsplit(' ').next().unwrap_or_default());
        self.put("target", text("target"));
        if kind == kind::REFUSAL {
            self.put("verdict", "refused");
            self.put("rule", text("code"));
            if let Some(token) = token("token") {
                self.token(&token);
            }
        }
    }

    fn object(&mut self, kind: &str, name: &str) {
        for name in names(name) {
            self.put("object", name);
            if kind == "relation" {
                self.put("table", name);
            }
        }
    }

    /// Which columns a statement may touch: each it names, of each relation it names. More than
    /// it does touch, never less.
    fn facts(&mut self, facts: &Arc<Facts>) {
        for statement in &facts.statements {
            let relations = statement.objects.iter().filter(|it| it.kind == "relation");
            for object in &statement.objects {
                self.object(&object.kind, &object.name);
            }
            let all = statement.whole_row.then_some("*");
            let columns = || statement.columns.iter().map(String::as_str).chain(all);
            columns().for_each(|column| self.put("column", column));
            for relation in relations {
                for name in names(&relation.name) {
                    for column in columns() {
                        self.put("column", &format!("{name}.{column}"));
                    }
                }
            }
        }
    }
}

/// A name with its schema, and without.
fn names(name: &str) -> impl Iterator<Item = &str> {
    let bare = name.rsplit_once('.').map(|(_, bare)| bare);
    std::iter::once(name).chain(bare)
}

impl Document {
    /// Whether the query finds it.
    pub(super) fn fits(&self, query: &Query) -> bool {
        query.clauses.iter().all(|clause| {
            let holds = match &clause.what {
                What::Any(terms) => terms.iter().any(|it| self.terms.binary_search(it).is_ok()),
                What::Since(time) => self.time >= *time,
                What::Text(words) => self.words.windows(words.len()).any(|run| run == words),
                What::Until(time) => self.time <= *time,
            };
            holds != clause.not
        })
    }
}

/// What a hit shows of a request.
pub(super) fn excerpt(asked: Option<Asked>, chars: usize) -> Option<String> {
    let text = asked?.text;
    let mut shown: String = text.chars().take(chars).collect();
    if shown.len() < text.len() {
        shown.push_str("[...]");
    }
    Some(shown)
}

//! What of an entry can be found, and whether an entry is what a query asks for.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::query::{Query, What, term, words};
use crate::audit::Error;
use crate::audit::entry::{Entry, TokenBinding, kind};
use crate::audit::reader::{Asked, Follower, Stored};
use crate::limits::{FOLLOWED_SESSIONS_MAX, SEARCH_TERMS_MAX};
use crate::protocol::Facts;

/// One entry as the index knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) index: u64,
    /// Nanoseconds since the Unix epoch.
    pub(super) time: u64,
    /// `field:value`, in lower case, sorted.
    pub(super) terms: Vec<String>,
    /// As those; what every entry of its session has.
    pub(super) session: Arc<[String]>,
    pub(super) words: Vec<String>,
}

/// Makes documents of entries that follow one another.
pub(super) struct Documents {
    pub(super) follower: Follower,
    /// What every entry of a session can be found by, by the session's id.
    sessions: HashMap<String, Arc<[String]>>,
}

impl Documents {
    pub(super) fn new(follower: Follower) -> Self {
        Self { follower, sessions: HashMap::new() }
    }

    /// What an entry can be found by.
    pub(super) fn of(&mut self, stored: &Stored) -> Result<Document, Error> {
        let mut found = Document { index: stored.index, ..Document::default() };
        let Ok(entry) = Entry::read(&stored.line) else {
            found.terms.push(term("type", "unreadable"));
            return Ok(found);
        };
        found.time = entry.ts;
        found.session = self.session(&entry)?;
        let asked = self.follower.asked(stored.index, &entry)?;
        found.add(&entry, asked);
        Ok(found)
    }

    fn session(&mut self, entry: &Entry) -> Result<Arc<[String]>, Error> {
        let Some(id) = &entry.sess else { return Ok(Arc::default()) };
        if let Some(known) = self.sessions.get(id) {
            return Ok(Arc::clone(known));
        }
        let mut terms = Terms::at_most(SEARCH_TERMS_MAX);
        terms.put("session", id);
        if let Some(start) = self.follower.start(entry)? {
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
        if self.sessions.len() >= FOLLOWED_SESSIONS_MAX {
            self.sessions.clear();
        }
        let terms: Arc<[String]> = terms.sorted().into();
        self.sessions.insert(id.clone(), Arc::clone(&terms));
        Ok(terms)
    }
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

struct Terms {
    found: Vec<String>,
    most: usize,
}

impl Terms {
    fn at_most(most: usize) -> Self {
        Self { found: Vec::new(), most }
    }

    fn put(&mut self, field: &str, value: &str) {
        if !value.is_empty() && self.found.len() < self.most {
            self.found.push(term(field, value));
        }
    }

    fn sorted(mut self) -> Vec<String> {
        self.found.sort_unstable();
        self.found.dedup();
        self.found
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
    fn facts(&mut self, facts: &Facts) {
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
    /// What the entry itself says, and what it asked.
    fn add(&mut self, entry: &Entry, asked: Option<Asked>) {
        let mut terms = Terms::at_most(SEARCH_TERMS_MAX.saturating_sub(self.session.len()));
        terms.put("type", &entry.kind);
        let body: Value = serde_json::from_str(entry.body.get()).unwrap_or_default();
        terms.body(&entry.kind, &body);
        let mut text = String::new();
        if matches!(&*entry.kind, kind::EVENT | kind::REFUSAL | kind::NOTE | kind::APPROVAL) {
            strings(&body, &mut text);
        }
        if let Some(asked) = asked {
            terms.facts(&asked.facts);
            text.push_str(&asked.text);
            text.push(' ');
            text.push_str(asked.reason.as_deref().unwrap_or_default());
        }
        self.words = words(&text);
        self.terms = terms.sorted();
    }

    fn has(&self, term: &String) -> bool {
        self.terms.binary_search(term).is_ok() || self.session.binary_search(term).is_ok()
    }

    /// Whether the query finds it.
    pub(super) fn fits(&self, query: &Query) -> bool {
        query.clauses.iter().all(|clause| {
            let holds = match &clause.what {
                What::Any(terms) => terms.iter().any(|it| self.has(it)),
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

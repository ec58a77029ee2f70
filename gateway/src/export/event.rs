//! One entry of the log, or one checkpoint, as every format tells it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::audit::checkpoint::hex;
use crate::audit::entry::{Entry, SessionStart, TokenBinding, kind};
use crate::audit::reader::{Follower, Stored, Words};
use crate::audit::tree::leaf_hash;
use crate::limits::EXPORT_STATEMENT_BYTES_MAX;

/// What kind of thing happened: an OCSF 1.8 class.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Class {
    ApplicationLifecycle,
    Authentication,
    AuthorizeSession,
    Base,
    DatastoreActivity,
    EventLogActivity,
}

/// Ordered from harmless to severe, as OCSF numbers them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Severity {
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
}

/// What was done about it, as OCSF's profile `security_control` has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    Allowed,
    Approved,
    Delayed,
    Denied,
    Masked,
    None,
}

/// Somebody, by the token they signed in with. Never the token.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Who {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) email: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) token_id: Option<String>,
    pub(super) expires_at: Option<i64>,
    pub(super) groups: Vec<String>,
}

impl From<&TokenBinding> for Who {
    fn from(token: &TokenBinding) -> Self {
        Self {
            subject: token.subject.clone(),
            issuer: token.issuer.clone(),
            email: token.email.clone(),
            uid: token.uid.clone(),
            token_id: token.token_id.clone(),
            expires_at: Some(token.expires_at),
            groups: token.groups.clone(),
        }
    }
}

/// What a sink is told of one entry or checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// `origin#index`, the same whenever it is sent again.
    pub(super) uid: String,
    pub(super) origin: Arc<str>,
    pub(super) index: Option<u64>,
    /// Wall clock, nanoseconds since the Unix epoch.
    pub(super) time: u64,
    /// Such as `request.denied`.
    pub(super) name: String,
    pub(super) class: Class,
    /// OCSF `activity_id` within the class, and its caption.
    pub(super) activity: (u32, &'static str),
    pub(super) severity: Severity,
    pub(super) success: Option<bool>,
    pub(super) action: Action,
    pub(super) message: String,
    pub(super) session: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) who: Option<Who>,
    /// Who decided an approval.
    pub(super) approver: Option<Who>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) start: Option<Arc<SessionStart>>,
    pub(super) statement: Option<String>,
    pub(super) risk: Option<u64>,
    pub(super) objects: Vec<String>,
    pub(super) rules: Vec<String>,
    /// The leaf hash, hex.
    pub(super) leaf: Option<String>,
    /// The entry's body, or the checkpoint.
    pub(super) body: Value,
    /// The entry's bytes.
    pub(super) raw: String,
}

/// The checkpoint as an event: whoever keeps it can later tell a log that was put back.
pub(super) fn anchor(origin: &Arc<str>, size: u64, time: u64, checkpoint: &str) -> Event {
    let root = checkpoint.lines().nth(2).unwrap_or_default();
    Event {
        uid: format!("{origin}#checkpoint-{size}"),
        name: "checkpoint".to_owned(),
        class: Class::EventLogActivity,
        activity: (99, "Checkpoint"),
        message: format!("the log has {size} entries; its signed checkpoint is attached"),
        body: json!({ "checkpoint": checkpoint, "size": size, "root": root }),
        ..blank(origin, time)
    }
}

fn blank(origin: &Arc<str>, time: u64) -> Event {
    Event {
        uid: String::new(),
        origin: Arc::clone(origin),
        index: None,
        time,
        name: "unknown".to_owned(),
        class: Class::Base,
        activity: (0, "Unknown"),
        severity: Severity::Informational,
        success: None,
        action: Action::None,
        message: "an entry of the log".to_owned(),
        session: None,
        agent: None,
        who: None,
        approver: None,
        peer: None,
        start: None,
        statement: None,
        risk: None,
        objects: Vec::new(),
        rules: Vec::new(),
        leaf: None,
        body: Value::Null,
        raw: String::new(),
    }
}

/// What an entry says. An entry that can't be read is told as what it is, never left out.
pub(super) fn event(
    origin: &Arc<str>,
    stored: &Stored,
    follower: &mut Follower,
    statements: bool,
) -> Result<Event, crate::audit::Error> {
    let mut event = blank(origin, 0);
    event.uid = format!("{origin}#{}", stored.index);
    event.index = Some(stored.index);
    event.leaf = Some(hex(&leaf_hash(&stored.line)));
    event.raw = String::from_utf8_lossy(&stored.line).into_owned();
    let Ok(entry) = Entry::read(&stored.line) else {
        event.severity = Severity::High;
        event.message = "an entry of the log that can't be read".to_owned();
        return Ok(event);
    };
    event.time = entry.ts;
    event.name.clone_from(&entry.kind);
    event.session.clone_from(&entry.sess);
    event.body = serde_json::from_str(entry.body.get()).unwrap_or_default();
    event.start = follower.start(&entry)?;
    if let Some(start) = &event.start {
        event.agent = Some(start.agent.clone());
        event.who = Some(Who::from(&start.token));
        event.peer = start.peer.parse().ok();
    }
    if statements && let Words::Text(text) = follower.words(stored.index, &entry)? {
        event.statement = Some(cut(&text, EXPORT_STATEMENT_BYTES_MAX));
    }
    tell(&mut event, &entry);
    Ok(event)
}

/// The text, or its first `bytes` with a mark.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}[...]", text.get(..end).unwrap_or_default())
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn token(body: &Value, name: &str) -> Option<Who> {
    let token: TokenBinding = serde_json::from_value(body.get(name)?.clone()).ok()?;
    Some(Who::from(&token))
}

/// Fills in what the type of entry says.
// tidy: table
fn tell(event: &mut Event, entry: &Entry) {
    let body = event.body.clone();
    match entry.kind.as_str() {
        kind::BOOT => {
            let clean = body.get("clean").and_then(Value::as_bool).unwrap_or(false);
            let how = if clean { "" } else { " after a run that did not end in good order" };
            event.class = Class::ApplicationLifecycle;
            event.activity = (3, "Start");
            event.severity = if clean { Severity::Informational } else { Severity::Medium };
            event.message = format!("the gateway started{how}");
        }
        kind::SESSION_START => {
            event.class = Class::Authentication;
            event.activity = (1, "Logon");
            event.success = Some(true);
            event.action = Action::Allowed;
            event.message = format!("a session began on {}", text(&body, "target"));
        }
        kind::SESSION_END => {
            event.class = Class::Authentication;
            event.activity = (2, "Logoff");
            event.success = Some(true);
            event.message = format!("the session ended: {}", text(&body, "reason"));
        }
        kind::SESSION_TORN => {
            event.class = Class::Authentication;
            event.activity = (2, "Logoff");
            event.severity = Severity::Medium;
            event.success = Some(false);
            event.message =
                format!("the session ended without saying so: {}", text(&body, "reason"));
        }
        kind::REFUSAL => {
            event.class = Class::Authentication;
            event.activity = (1, "Logon");
            event.severity = Severity::Medium;
            event.success = Some(false);
            event.action = Action::Denied;
            event.who = token(&body, "token");
            event.peer = text(&body, "peer").parse().ok();
            event.message = format!("no session: {}", text(&body, "message"));
        }
        kind::REQUEST => request(event, &body),
        kind::RESPONSE => response(event, &body),
        kind::APPROVAL => {
            event.class = Class::AuthorizeSession;
            event.activity = (1, "Assign Privileges");
            event.approver = token(&body, "by");
            decided(event, text(&body, "decision"));
        }
        kind::NOTE => {
            let note = text(&body, "note");
            event.name = format!("note.{note}");
            event.class = Class::DatastoreActivity;
            event.activity = (99, "Note");
            if note == "protocol_violation" {
                event.severity = Severity::High;
            }
            event.message = match text(&body, "detail") {
                "" => note.replace('_', " "),
                detail => detail.to_owned(),
            };
        }
        kind::EVENT => gateway(event, &body),
        _ => {}
    }
}

fn decided(event: &mut Event, decision: &str) {
    event.name = format!("approval.{decision}");
    event.success = Some(decision == "approved");
    event.action = if decision == "approved" { Action::Approved } else { Action::Denied };
    event.message = format!("a question to a person ended: {decision}");
}

fn request(event: &mut Event, body: &Value) {
    let state = text(body, "state");
    event.name = format!("request.{state}");
    event.class = Class::DatastoreActivity;
    event.risk = body.get("risk").and_then(Value::as_u64);
    let verbs: Vec<&str> = body
        .get("verbs")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .flat_map(Value::as_str)
        .collect();
    event.activity = activity(text(body, "class"), verbs.first().copied().unwrap_or_default());
    let list = |name: &str, field: &str| -> Vec<String> {
        let items = body.get(name).and_then(Value::as_array).into_iter().flatten();
        items.map(|item| text(item, field).to_owned()).collect()
    };
    event.objects = list("objects", "name");
    event.rules = list("findings", "rule");
    let verbs = if verbs.is_empty() { text(body, "kind").to_owned() } else { verbs.join(", ") };
    let (severity, action, success) = match state {
        "denied" => (Severity::Medium, Action::Denied, Some(false)),
        "held" => (Severity::Low, Action::Delayed, None),
        _ if body.get("approval").is_some() => (Severity::Low, Action::Approved, Some(true)),
        _ => (Severity::Informational, Action::Allowed, Some(true)),
    };
    (event.severity, event.action, event.success) = (severity, action, success);
    event.message = format!("{verbs}: {state}");
}

/// OCSF's activity for a statement's class and verb.
fn activity(class: &str, verb: &str) -> (u32, &'static str) {
    match (class, verb) {
        (_, "delete" | "truncate") => (7, "Delete"),
        (_, "update") => (2, "Update"),
        ("read", _) => (1, "Read"),
        ("write", _) => (5, "Write"),
        ("schema", verb) if verb.starts_with("create") => (6, "Create"),
        ("schema", verb) if verb.starts_with("drop") => (7, "Delete"),
        ("schema", verb) if verb.starts_with("alter") => (2, "Update"),
        _ => (4, "Query"),
    }
}

fn response(event: &mut Event, body: &Value) {
    let number = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or(0);
    event.class = Class::DatastoreActivity;
    event.activity = (1, "Read");
    let outcomes = body.get("outcomes").and_then(Value::as_array).into_iter().flatten();
    let failed = outcomes.clone().any(|one| one.get("sqlstate").is_some_and(|it| !it.is_null()));
    event.success = Some(!failed);
    let masked = number("masked_cells");
    event.action = if masked > 0 { Action::Masked } else { Action::Allowed };
    event.message = format!("returned {} rows, {masked} cells masked", number("rows"));
}

/// Something of the gateway itself.
fn gateway(event: &mut Event, body: &Value) {
    let what = text(body, "event");
    event.name = format!("event.{what}");
    event.class = Class::ApplicationLifecycle;
    event.activity = (99, "Other");
    event.message = what.replace('_', " ");
    match what {
        "audit_access" => {
            event.class = Class::EventLogActivity;
            event.activity = (99, "Read");
            let (issuer, subject) = text(body, "who").split_once(' ').unwrap_or_default();
            event.who = Some(named(issuer, subject));
            event.message = format!("a person looked at the log: {}", text(body, "what"));
        }
        "late_answer" => {
            event.class = Class::AuthorizeSession;
            event.activity = (1, "Assign Privileges");
            let (issuer, subject) = text(body, "by").split_once(' ').unwrap_or_default();
            event.approver = Some(named(issuer, subject));
            event.session = Some(text(body, "session").to_owned());
            decided(event, text(body, "decision"));
            event.name = format!("event.{what}");
        }
        "shutdown" => event.activity = (4, "Stop"),
        "policy_loaded" | "config_change" | "issuer_keys" => event.activity = (8, "Update"),
        "policy_rejected" | "config_rejected" => {
            event.activity = (8, "Update");
            event.severity = Severity::Medium;
            event.success = Some(false);
        }
        "plugin_trap" | "export_refused" => event.severity = Severity::High,
        _ => {}
    }
}

fn named(issuer: &str, subject: &str) -> Who {
    Who { subject: subject.to_owned(), issuer: issuer.to_owned(), ..Who::default() }
}

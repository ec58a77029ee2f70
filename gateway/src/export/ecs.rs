//! Elastic Common Schema 8.11, one JSON object an event.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::event::{Action, Class, Event};

const VERSION: &str = "8.11.0";

/// A time as RFC 3339 has it, to the nanosecond.
pub(super) fn rfc3339(nanos: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos));
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// `event.category` and `event.type`.
fn kinds(event: &Event) -> (&'static str, &'static str) {
    match (event.class, event.activity.1, event.action) {
        (Class::Authentication, "Logoff", _) => ("authentication", "end"),
        (Class::Authentication, _, _) => ("authentication", "start"),
        (Class::AuthorizeSession, _, _) => ("iam", "admin"),
        (Class::DatastoreActivity, _, Action::Denied) => ("database", "denied"),
        (Class::DatastoreActivity, "Read", _) => ("database", "access"),
        (Class::DatastoreActivity, "Create", _) => ("database", "creation"),
        (Class::DatastoreActivity, "Delete", _) => ("database", "deletion"),
        (Class::DatastoreActivity, "Update" | "Write", _) => ("database", "change"),
        (Class::DatastoreActivity, _, _) => ("database", "info"),
        (Class::ApplicationLifecycle, "Start", _) => ("process", "start"),
        (Class::ApplicationLifecycle, "Stop", _) => ("process", "end"),
        (Class::ApplicationLifecycle, _, _) => ("configuration", "change"),
        (Class::Base | Class::EventLogActivity, _, _) => ("host", "info"),
    }
}

/// The event as one line.
pub(super) fn line(event: &Event) -> String {
    let (category, kind) = kinds(event);
    let outcome = match event.success {
        Some(true) => "success",
        Some(false) => "failure",
        None => "unknown",
    };
    let mut out = json!({
        "@timestamp": rfc3339(event.time),
        "ecs": { "version": VERSION },
        "message": event.message,
        "event": {
            "id": event.uid,
            "kind": "event",
            "category": [category],
            "type": [kind],
            "action": event.name,
            "outcome": outcome,
            "severity": event.severity as u32,
            "provider": "portcullis",
            "dataset": "portcullis.audit",
        },
        "observer": {
            "vendor": "Portcullis",
            "product": "Portcullis",
            "type": "gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "name": &*event.origin,
        },
        "portcullis": {
            "origin": &*event.origin,
            "leaf": event.leaf,
            "session": event.session,
            "agent": event.agent,
            "objects": event.objects,
            "statement": event.statement,
            "entry": event.body,
        },
    });
    if let Some(index) = event.index {
        out["event"]["sequence"] = index.into();
    }
    if let Some(risk) = event.risk {
        out["event"]["risk_score"] = risk.into();
    }
    if let Some(rule) = event.rules.first() {
        out["rule"] = json!({ "name": rule });
    }
    if let Some(peer) = event.peer {
        out["source"] = json!({ "ip": peer.ip().to_string(), "port": peer.port() });
    }
    people(event, &mut out);
    out.to_string()
}

fn people(event: &Event, out: &mut Value) {
    let subjects = event.who.iter().chain(&event.approver).map(|who| who.subject.as_str());
    let related: Vec<&str> = subjects.collect();
    if let Some(who) = event.who.as_ref().or(event.approver.as_ref()) {
        out["user"] = json!({ "name": who.subject, "domain": who.issuer });
        if let Some(uid) = &who.uid {
            out["user"]["id"] = uid.as_str().into();
        }
        if let Some(email) = &who.email {
            out["user"]["email"] = email.as_str().into();
        }
    }
    if let Some(start) = &event.start {
        out["user"]["effective"] = json!({ "name": start.role });
        out["service"] = json!({ "name": start.target, "type": start.protocol });
    }
    if !related.is_empty() {
        out["related"] = json!({ "user": related });
    }
}

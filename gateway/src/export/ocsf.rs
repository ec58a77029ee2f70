//! OCSF 1.8 (schema.ocsf.io), one JSON object an event.

use serde_json::{Map, Value, json};

use super::event::{Action, Class, Event, Who};

const VERSION: &str = "1.8.0";

/// Class, its caption, category, its caption.
fn class(class: Class) -> (u32, &'static str, u32, &'static str) {
    match class {
        Class::ApplicationLifecycle => (6002, "Application Lifecycle", 6, "Application Activity"),
        Class::Authentication => (3002, "Authentication", 3, "Identity & Access Management"),
        Class::AuthorizeSession => (3003, "Authorize Session", 3, "Identity & Access Management"),
        Class::Base => (0, "Base Event", 0, "Uncategorized"),
        Class::DatastoreActivity => (6005, "Datastore Activity", 6, "Application Activity"),
        Class::EventLogActivity => (1008, "Event Log Activity", 1, "System Activity"),
    }
}

/// `action_id` and `disposition_id` of the profile `security_control`.
fn control(action: Action) -> Option<(u32, u32)> {
    match action {
        Action::Allowed => Some((1, 1)),
        Action::Approved => Some((1, 8)),
        Action::Delayed => Some((0, 14)),
        Action::Denied => Some((2, 2)),
        Action::Masked => Some((4, 11)),
        Action::None => None,
    }
}

/// The event as one line.
pub(super) fn line(event: &Event) -> String {
    let (class_uid, class_name, category_uid, category_name) = class(event.class);
    let (activity_id, activity_name) = event.activity;
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    put("metadata", metadata(event));
    put("category_uid", category_uid.into());
    put("category_name", category_name.into());
    put("class_uid", class_uid.into());
    put("class_name", class_name.into());
    put("activity_id", activity_id.into());
    put("activity_name", activity_name.into());
    put("type_uid", (u64::from(class_uid) * 100 + u64::from(activity_id)).into());
    put("severity_id", (event.severity as u32).into());
    put("time", (event.time / 1_000_000).into());
    put("message", event.message.clone().into());
    put("status_id", event.success.map_or(0, |success| if success { 1 } else { 2 }).into());
    put("unmapped", unmapped(event));
    if let Some((action, disposition)) = profile(event) {
        put("action_id", action.into());
        put("disposition_id", disposition.into());
    }
    for (name, value) in particulars(event) {
        put(&name, value);
    }
    Value::Object(out).to_string()
}

fn profile(event: &Event) -> Option<(u32, u32)> {
    if event.class == Class::Base { None } else { control(event.action) }
}

fn metadata(event: &Event) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "uid": event.uid,
        "log_name": &*event.origin,
        "event_code": event.name,
        "product": product(),
    });
    if let Some(index) = event.index {
        metadata["sequence"] = index.into();
    }
    if let Some(session) = &event.session {
        metadata["correlation_uid"] = session.as_str().into();
    }
    if profile(event).is_some() {
        metadata["profiles"] = json!(["security_control"]);
    }
    metadata
}

fn product() -> Value {
    json!({
        "name": "Portcullis",
        "vendor_name": "Portcullis",
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn unmapped(event: &Event) -> Value {
    json!({
        "tlog": { "origin": &*event.origin, "index": event.index, "leaf": event.leaf },
        "entry": event.body,
    })
}

/// What only some classes have.
fn particulars(event: &Event) -> Vec<(String, Value)> {
    let mut found: Vec<(String, Value)> = Vec::new();
    let mut put = |name: &str, value: Value| found.push((name.to_owned(), value));
    match event.class {
        Class::ApplicationLifecycle => put("app", product()),
        Class::Authentication => {
            put("user", user(event.who.as_ref()));
            put("service", json!({ "name": target(event) }));
            put("auth_protocol_id", 6.into());
            put("logon_type_id", 3.into());
            put("is_remote", true.into());
            put("session", session(event));
            if event.peer.is_some() {
                put("src_endpoint", peer(event));
            }
        }
        Class::AuthorizeSession => {
            put("user", user(event.who.as_ref()));
            put("privileges", json!(["run one held request"]));
            put("session", session(event));
            if let Some(approver) = &event.approver {
                put("actor", json!({ "user": user(Some(approver)) }));
            }
        }
        Class::Base => {}
        Class::DatastoreActivity => {
            put("actor", actor(event));
            put("src_endpoint", peer(event));
            put("database", database(event));
            put("dst_endpoint", json!({ "svc_name": target(event) }));
            put("type_id", 1.into());
            if let Some(risk) = event.risk {
                put("risk_score", risk.into());
            }
            if let Some(name) = event.objects.first() {
                put("table", json!({ "name": name }));
            }
            if let Some(statement) = &event.statement {
                put("query_info", json!({ "query_string": statement, "uid": event.uid }));
            }
        }
        Class::EventLogActivity => {
            put("log_name", (&*event.origin).into());
            put("log_type_id", 2.into());
            if let Some(who) = &event.who {
                put("actor", json!({ "user": user(Some(who)) }));
            }
        }
    }
    found
}

fn user(who: Option<&Who>) -> Value {
    let Some(who) = who else { return json!({ "name": "unknown" }) };
    let mut user = json!({ "name": who.subject, "domain": who.issuer });
    if let Some(uid) = &who.uid {
        user["uid"] = uid.as_str().into();
    }
    if let Some(email) = who.email.as_ref().filter(|email| email.contains('@')) {
        user["email_addr"] = email.as_str().into();
    }
    if let Some(token) = &who.token_id {
        user["credential_uid"] = token.as_str().into();
    }
    if !who.groups.is_empty() {
        let groups = who.groups.iter().map(|name| json!({ "name": name }));
        user["groups"] = groups.collect();
    }
    user
}

fn actor(event: &Event) -> Value {
    let mut actor = json!({ "user": user(event.who.as_ref()), "session": session(event) });
    if let Some(agent) = &event.agent {
        actor["app_name"] = agent.as_str().into();
    }
    actor
}

fn session(event: &Event) -> Value {
    let mut session = json!({});
    if let Some(id) = &event.session {
        session["uid"] = id.as_str().into();
    }
    if let Some(who) = &event.who {
        session["issuer"] = who.issuer.as_str().into();
        if let Some(token) = &who.token_id {
            session["credential_uid"] = token.as_str().into();
        }
        if let Some(expires) = who.expires_at {
            session["expiration_time"] = expires.saturating_mul(1_000).into();
        }
    }
    session
}

fn peer(event: &Event) -> Value {
    match event.peer {
        Some(peer) => json!({ "ip": peer.ip().to_string(), "port": peer.port() }),
        None => json!({ "name": "unknown" }),
    }
}

fn target(event: &Event) -> &str {
    event.start.as_ref().map_or("portcullis", |start| &start.target)
}

/// `type_id` 1 is a relational database.
fn database(event: &Event) -> Value {
    match &event.start {
        Some(start) => json!({ "name": start.database, "uid": start.target, "type_id": 1 }),
        None => json!({ "name": "unknown", "type_id": 0 }),
    }
}

//! Requests to a Kubernetes API server, and what the gateway says in its place.
//!
//! Nothing here does I/O: a head and a body come in, a [`Request`] with facts goes out.

pub mod body;
pub mod leaves;
pub mod path;
pub mod status;
pub mod wire;

use std::sync::Arc;

use bytes::Bytes;

use self::body::{Body, Form};
use self::path::{Place, RequestInfo};
use super::{Access, Class, Facts, Kind, Object, Parameter, Request, State, Statement};
use crate::fault::{Blame, Fault};

/// The head and the body of a request, with the target's name taken off its path.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method, upper case.
    pub method: String,
    /// Path and query.
    pub place: Place,
    /// Content-Type, if there was one.
    pub content_type: Option<String>,
    /// What the client accepts.
    pub accept: Option<String>,
    /// What the client calls itself; the API server names managers of fields by it.
    pub user_agent: Option<String>,
    /// The whole body.
    pub body: Bytes,
}

/// Subresources through which a request becomes a connection.
const CONNECTS: [&str; 4] = ["attach", "exec", "portforward", "proxy"];

/// Resources whose objects start pods.
const STARTS_PODS: [&str; 10] = [
    "cronjobs",
    "daemonsets",
    "deployments",
    "jobs",
    "pods",
    "podtemplates",
    "replicasets",
    "replicationcontrollers",
    "statefulsets",
    "ephemeralcontainers",
];
/// Resources that decide what resources there are, and who sees and changes every request.
const SCHEMA: [&str; 8] = [
    "apiservices",
    "customresourcedefinitions",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
];
/// Groups whose resources are rights, beside secrets and the tokens of service accounts.
const RIGHTS: [&str; 2] = ["certificates.k8s.io", "rbac.authorization.k8s.io"];
/// Paths that tell what the server is and has, and nothing of what is in it.
const DISCOVERY: [&str; 9] = [
    "api",
    "apis",
    "healthz",
    "livez",
    "openapi",
    "readyz",
    "swagger.json",
    "version",
    ".well-known",
];

/// Reads a request, and what the API server takes it for.
///
/// # Errors
/// It has no single meaning, or nobody could judge its body.
pub fn request(asked: &Asked) -> Result<(RequestInfo, Request), Fault> {
    let info = asked.place.info(&asked.method)?;
    let text = format!("{} {}", asked.method, asked.place.target());
    let opaque = info.subresource == "proxy" || info.verb == "proxy";
    let form = match &asked.content_type {
        _ if asked.body.is_empty() || opaque => Form::Object,
        Some(content_type) => Form::of(content_type)?,
        None => Form::Object,
    };
    let read = match asked.body.is_empty() || opaque {
        true => Body::default(),
        false => body::read(&asked.body, form)?,
    };
    let mut statement = statement(&info, &asked.place, &read, form);
    if opaque && !asked.body.is_empty() {
        statement.attributes.push(("unparsed".to_owned(), "true".to_owned()));
    }
    statement.end = text.len();
    let facts = Facts { statements: vec![statement], second_opinion: "off".to_owned() };
    let parameters = match asked.body.is_empty() {
        true => Vec::new(),
        false => {
            vec![Parameter { binary: opaque, type_oid: JSON_OID, value: Some(asked.body.clone()) }]
        }
    };
    let accept = accepted(&info, asked.accept.as_deref());
    let mut headers = vec![("accept", accept.as_str())];
    let given = [("content-type", &asked.content_type), ("user-agent", &asked.user_agent)];
    headers.extend(given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
    let wire = wire::encode(&asked.method, &asked.place.target(), &headers, &asked.body);
    let request = Request {
        kind: Kind::KubernetesRequest,
        text: text.into(),
        facts: Arc::new(facts),
        parameters: parameters.into(),
        state: stateless(),
        wire,
    };
    Ok((info, request))
}

/// A request that could not be read, for its record: it says nothing but what was asked for.
pub fn unread(asked: &Asked) -> Request {
    let text = format!("{} {}", asked.method, asked.place.target());
    let mut statement = Statement::bare(&asked.method.to_ascii_lowercase(), Class::Admin);
    statement.end = text.len();
    Request {
        kind: Kind::KubernetesRequest,
        text: text.into(),
        facts: Arc::new(Facts { statements: vec![statement], second_opinion: "off".to_owned() }),
        parameters: Arc::from([]),
        state: stateless(),
        wire: Bytes::new(),
    }
}

/// Requests share no state, so what a repeat means is always known.
fn stateless() -> Arc<State> {
    let (role, search_path) = (Some(String::new()), Some(String::new()));
    Arc::new(State { role, search_path, ..State::default() })
}

/// What is asked for upstream: JSON wherever a resource is read, since nobody could mask
/// protobuf. Logs and what is no resource come as the client wants them.
fn accepted(info: &RequestInfo, accept: Option<&str>) -> String {
    let accept = accept.unwrap_or("*/*");
    if !info.is_resource || matches!(info.subresource.as_str(), "log" | "proxy") {
        return accept.to_owned();
    }
    let is_json = |it: &&str| {
        let name = it.split(';').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("application/json")
    };
    let kept: Vec<&str> = accept.split(',').map(str::trim).filter(is_json).collect();
    if kept.is_empty() { "application/json".to_owned() } else { kept.join(",") }
}

/// The OID of PostgreSQL's `json`, by which plugins are told that a parameter is JSON.
const JSON_OID: u32 = 114;

fn statement(info: &RequestInfo, place: &Place, body: &Body, form: Form) -> Statement {
    let connects = info.is_resource && CONNECTS.contains(&info.subresource.as_str());
    let verb = if connects { "connect" } else { info.verb.as_str() };
    let name = match (&*info.name, &body.name) {
        ("", Some(name)) if info.verb == "create" => name.as_str(),
        (name, _) => name,
    };
    let mut statement = Statement::bare(verb, class(info, place));
    statement.acts = acts(info, verb);
    let reads = matches!(verb, "get" | "list" | "watch" | "head" | "options");
    let access = if reads { Access::Read } else { Access::Write };
    let mut object = |kind: &str, name: String, access| {
        statement.objects.push(Object { kind: kind.to_owned(), name, access });
    };
    if info.is_resource {
        let group = if info.group.is_empty() { "core" } else { &info.group };
        let parts = [group, &info.resource, &info.namespace, name, &info.subresource];
        object("kubernetes", parts.join("/"), access);
    } else {
        let target = place.target();
        let path = target.split('?').next().unwrap_or_default();
        object("path", path.to_owned(), access);
    }
    for image in &body.images {
        object("image", image.clone(), Access::Read);
    }
    statement.objects.sort();
    statement.objects.dedup();
    statement.attributes = attributes(info, place, name, body, form);
    statement
}

fn attributes(
    info: &RequestInfo,
    place: &Place,
    name: &str,
    body: &Body,
    form: Form,
) -> Vec<(String, String)> {
    let group = if info.is_resource && info.group.is_empty() { "core" } else { &info.group };
    let mut attributes = Vec::new();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            attributes.push((name.to_owned(), value.to_owned()));
        }
    };
    put("group", group);
    put("version", &info.version);
    put("resource", &info.resource);
    put("subresource", &info.subresource);
    put("namespace", &info.namespace);
    put("name", name);
    // Anything but exactly this runs for real on some version of the server, or nowhere.
    let mut dry = place.values("dryRun").peekable();
    if dry.peek().is_some() && dry.all(|value| value == "All") {
        put("dry_run", "true");
    }
    put("label_selector", place.value("labelSelector").unwrap_or_default());
    put("field_selector", place.value("fieldSelector").unwrap_or_default());
    for word in place.values("command") {
        attributes.push(("command".to_owned(), word.to_owned()));
    }
    let mut put = |name: &str, value: &str| {
        attributes.push((name.to_owned(), value.to_owned()));
    };
    if let Some(container) = place.value("container") {
        put("container", container);
    }
    if let Some(patch) = form.patch_type() {
        put("patch_type", patch);
    }
    for change in &body.changes {
        put("change", change);
    }
    attributes
}

/// The verb, and what the request amounts to besides.
fn acts(info: &RequestInfo, verb: &str) -> Vec<String> {
    let mut acts = vec![verb.to_owned()];
    let mut add = |act: &str| acts.push(act.to_owned());
    let writes = matches!(info.verb.as_str(), "create" | "update" | "patch");
    match info.subresource.as_str() {
        "attach" | "exec" | "portforward" | "proxy" => add(&info.subresource),
        "eviction" if writes => add("evict"),
        _ if info.verb == "proxy" => add("proxy"),
        _ => {}
    }
    if info.group == "rbac.authorization.k8s.io" && writes {
        match info.resource.as_str() {
            "clusterrolebindings" | "rolebindings" => add("bind"),
            "clusterroles" | "roles" => add("escalate"),
            _ => {}
        }
    }
    acts.sort();
    acts.dedup();
    acts
}

/// How severe a request is. Reading secrets is a matter of rights, not of reading.
fn class(info: &RequestInfo, place: &Place) -> Class {
    let reads = matches!(info.verb.as_str(), "get" | "list" | "watch" | "head");
    if !info.is_resource {
        return if reads && is_discovery(place) { Class::Read } else { Class::Admin };
    }
    let (resource, subresource) = (info.resource.as_str(), info.subresource.as_str());
    let tokens = resource == "serviceaccounts" && subresource == "token";
    if (resource == "secrets" && info.group.is_empty()) || tokens {
        return Class::Privilege;
    }
    if resource == "nodes" && (!reads || subresource == "proxy") {
        return Class::Admin;
    }
    if CONNECTS.contains(&subresource) || info.verb == "proxy" {
        return Class::Code;
    }
    if reads {
        return Class::Read;
    }
    if RIGHTS.contains(&info.group.as_str()) {
        return Class::Privilege;
    }
    if SCHEMA.contains(&resource) {
        return Class::Schema;
    }
    let makes = matches!(info.verb.as_str(), "create" | "update" | "patch");
    let scales = matches!(subresource, "scale" | "status" | "eviction" | "binding");
    if makes && !scales && STARTS_PODS.contains(&resource) {
        return Class::Code;
    }
    Class::Write
}

fn is_discovery(place: &Place) -> bool {
    let target = place.target();
    let path = target.split('?').next().unwrap_or_default();
    let first = path.split('/').nth(1).unwrap_or_default();
    first.is_empty() || DISCOVERY.contains(&first)
}

pub(super) fn malformed(why: &str) -> Fault {
    Fault::new(
        Blame::Client,
        "request_malformed",
        "08P01",
        format!("the request is refused, since it can be read in more than one way: {why}"),
    )
}

pub(super) fn unreadable(why: &str) -> Fault {
    let hint = "Send the body as JSON. kubectl does so for files: put `--dry-run=client -o json | \
                kubectl create -f -` behind a `kubectl create ...`.";
    Fault::new(Blame::Client, "body_unreadable", "0A000", why.to_owned()).hint(hint)
}

#[cfg(test)]
mod tests;

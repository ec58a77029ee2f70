use bytes::Bytes;

use super::path::Place;
use super::{Asked, request};
use crate::protocol::{Access, Class, Request};

fn asked(method: &str, target: &str, content_type: Option<&str>, body: &str) -> Asked {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Asked {
        method: method.to_owned(),
        place: Place::parse(path, Some(query)).expect(target),
        content_type: content_type.map(str::to_owned),
        accept: None,
        user_agent: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn read(method: &str, target: &str, body: &str) -> Request {
    request(&asked(method, target, None, body)).expect(target).1
}

/// Verb, acts and class.
fn judged(method: &str, target: &str) -> (String, String, Class) {
    let request = read(method, target, "");
    let statement = &request.facts().statements[0];
    (statement.verb.clone(), statement.acts.join(","), statement.class)
}

#[test]
fn a_request_is_classed_by_what_it_amounts_to() {
    let rbac = "/apis/rbac.authorization.k8s.io/v1/clusterrole";
    let pods = "/api/v1/namespaces/shop/pods";
    let cases = [
        ("GET", pods.to_owned(), "list", "list", Class::Read),
        ("GET", format!("{pods}/a/log"), "get", "get", Class::Read),
        ("POST", pods.to_owned(), "create", "create", Class::Code),
        ("DELETE", format!("{pods}/a"), "delete", "delete", Class::Write),
        ("GET", format!("{pods}/a/exec?command=id"), "connect", "connect,exec", Class::Code),
        ("POST", format!("{pods}/a/exec?command=id"), "connect", "connect,exec", Class::Code),
        ("POST", format!("{pods}/a/attach"), "connect", "attach,connect", Class::Code),
        ("POST", format!("{pods}/a/portforward"), "connect", "connect,portforward", Class::Code),
        ("POST", format!("{pods}/a/eviction"), "create", "create,evict", Class::Write),
        (
            "GET",
            "/api/v1/namespaces/a/services/b/proxy/x".into(),
            "connect",
            "connect,proxy",
            Class::Code,
        ),
        ("GET", "/api/v1/proxy/namespaces/a/pods/b".into(), "proxy", "proxy", Class::Code),
        ("GET", "/api/v1/namespaces/a/secrets".into(), "list", "list", Class::Privilege),
        (
            "POST",
            "/api/v1/namespaces/a/serviceaccounts/b/token".into(),
            "create",
            "create",
            Class::Privilege,
        ),
        ("PATCH", format!("{rbac}s/a"), "patch", "escalate,patch", Class::Privilege),
        ("POST", format!("{rbac}bindings"), "create", "bind,create", Class::Privilege),
        ("GET", format!("{rbac}bindings"), "list", "list", Class::Read),
        ("PATCH", "/api/v1/nodes/n".into(), "patch", "patch", Class::Admin),
        ("GET", "/api/v1/nodes/n/proxy/logs".into(), "connect", "connect,proxy", Class::Admin),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/a/deployments/d/scale".into(),
            "patch",
            "patch",
            Class::Write,
        ),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d".into(), "patch", "patch", Class::Code),
        (
            "POST",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions".into(),
            "create",
            "create",
            Class::Schema,
        ),
        ("GET", "/version".into(), "get", "get", Class::Read),
        ("GET", "/openapi/v2".into(), "get", "get", Class::Read),
        ("GET", "/logs/kube-apiserver.log".into(), "get", "get", Class::Admin),
        ("GET", "/metrics".into(), "get", "get", Class::Admin),
        ("POST", "/version".into(), "post", "post", Class::Admin),
    ];
    for (method, target, verb, acts, class) in cases {
        let told = judged(method, &target);
        assert_eq!(told, (verb.to_owned(), acts.to_owned(), class), "{method} {target}");
    }
}

#[test]
fn what_it_touches_has_one_name() {
    let body = r#"{"metadata":{"name":"web"},"spec":{"containers":[{"image":"r/x:1"}]}}"#;
    let request = read("POST", "/api/v1/namespaces/shop/pods?dryRun=All", body);
    let statement = &request.facts().statements[0];
    let objects: Vec<_> = statement
        .objects
        .iter()
        .map(|it| (it.kind.as_str(), it.name.as_str(), it.access))
        .collect();
    let expected =
        [("image", "r/x:1", Access::Read), ("kubernetes", "core/pods/shop/web/", Access::Write)];
    assert_eq!(objects, expected);
    let attribute = |name: &str| {
        statement.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(attribute("name"), Some("web"));
    assert_eq!(attribute("dry_run"), Some("true"));
    assert_eq!(request.text(), "POST /api/v1/namespaces/shop/pods?dryRun=All");
    assert_eq!((statement.start, statement.end), (0, request.text().len()));
    assert_eq!(request.parameters()[0].value.as_deref(), Some(body.as_bytes()));
}

/// A dry run that the server could take for a real one is not told as one.
#[test]
fn only_a_dry_run_of_everything_is_dry() {
    for query in ["", "?dryRun=", "?dryRun=all", "?dryRun=All&dryRun=None", "?dryrun=All"] {
        let request = read("DELETE", &format!("/api/v1/nodes/n{query}"), "");
        let attributes = &request.facts().statements[0].attributes;
        assert!(!attributes.iter().any(|(name, _)| name == "dry_run"), "{query}");
    }
}

#[test]
fn what_nobody_can_read_is_refused_or_told() {
    let protobuf =
        asked("POST", "/api/v1/pods", Some("application/vnd.kubernetes.protobuf"), "k8s");
    assert_eq!(request(&protobuf).unwrap_err().code, "body_unreadable");
    let twice = asked("POST", "/api/v1/pods", None, r#"{"a":1,"a":2}"#);
    assert_eq!(request(&twice).unwrap_err().code, "request_malformed");
    let proxied = read("POST", "/api/v1/namespaces/a/services/b/proxy/x", "anything");
    let attributes = &proxied.facts().statements[0].attributes;
    assert!(attributes.contains(&("unparsed".to_owned(), "true".to_owned())));
}

use portcullis_plugin::{Operation, Parameter, ParameterValue, RiskScorer, SessionInfo, configure};

use super::RiskKubernetes;

fn session() -> SessionInfo {
    SessionInfo {
        id: String::new(),
        target: String::new(),
        protocol: "kubernetes".into(),
        database: String::new(),
        role: String::new(),
        principal: String::new(),
        agent: String::new(),
        groups: Vec::new(),
    }
}

/// `verb group/resource/namespace/name/subresource`, the class, a body, more attributes.
fn request(what: &str, class: &str, body: &str, more: &[&str]) -> Operation {
    let (verb, target) = what.split_once(' ').unwrap();
    let names = ["group", "resource", "namespace", "name", "subresource"];
    let mut attributes: Vec<(String, String)> = names
        .iter()
        .zip(target.split('/'))
        .filter(|(_, part)| !part.is_empty())
        .map(|(name, part)| ((*name).to_owned(), part.to_owned()))
        .collect();
    attributes.extend(more.iter().map(|name| ((*name).to_owned(), "true".to_owned())));
    let body = (!body.is_empty()).then(|| Parameter {
        value: ParameterValue::Text(body.into()),
        type_oid: 0,
        type_name: "json".into(),
    });
    Operation {
        kind: "kubernetes_request".into(),
        verb: verb.into(),
        acts: vec![verb.into()],
        class: class.into(),
        text: what.into(),
        attributes,
        parameters: body.into_iter().collect(),
        ..Operation::default()
    }
}

fn rules(settings: &str, operation: &Operation) -> Vec<String> {
    let plugin: RiskKubernetes = configure(settings).unwrap();
    let answer = plugin.score(&session(), operation);
    let highest = answer.findings.iter().map(|it| it.score).max().unwrap_or(0);
    assert_eq!(answer.score, highest);
    answer.findings.into_iter().map(|it| it.rule).collect()
}

fn worst(settings: &str, operation: &Operation) -> String {
    let rule = rules(settings, operation).into_iter().next().unwrap_or_default();
    rule.strip_prefix("kubernetes.").unwrap_or_default().to_owned()
}

#[test]
fn requests_are_scored_by_what_they_do() {
    for (what, class, rule) in [
        ("get core/pods/shop/web-1/", "read", ""),
        ("list core/pods/shop//", "read", ""),
        ("list core/pods///", "read", "all_namespaces"),
        ("get core/secrets/shop/db/", "privilege", "secret"),
        ("list core/secrets/shop//", "privilege", "secrets"),
        ("watch core/secrets/shop/db/", "privilege", "secrets"),
        ("delete core/pods/shop/web-1/", "write", "delete"),
        ("delete core/namespaces//shop/", "write", "delete_vital"),
        ("delete core/persistentvolumeclaims/shop/data/", "write", "delete_vital"),
        ("deletecollection core/pods/shop//", "write", "delete_collection"),
        ("exec core/pods/shop/web-1/exec", "code", "exec"),
        ("portforward core/pods/shop/web-1/portforward", "code", "forward"),
        ("create core/serviceaccounts/shop/ci/token", "privilege", "token"),
        ("create core/pods/shop/web-1/eviction", "write", "evict"),
        ("create rbac.authorization.k8s.io/rolebindings/shop//", "privilege", "rbac"),
        ("escalate rbac.authorization.k8s.io/roles/shop/x/", "privilege", "rbac_admin"),
        (
            "update certificates.k8s.io/certificatesigningrequests//x/approval",
            "privilege",
            "certificate",
        ),
        (
            "patch admissionregistration.k8s.io/validatingwebhookconfigurations//x/",
            "schema",
            "webhook",
        ),
        ("delete networking.k8s.io/networkpolicies/shop/deny/", "write", "policy"),
        ("create apiextensions.k8s.io/customresourcedefinitions///", "schema", "schema"),
        ("patch core/nodes//n1/", "admin", "node"),
        ("patch core/pods/shop/web-1/ephemeralcontainers", "code", "debug"),
        ("patch core/configmaps/kube-system/coredns/", "write", "system"),
        ("update core/configmaps/shop/x/", "write", "write"),
        ("get ////", "admin", "path"),
    ] {
        assert_eq!(worst("{}", &request(what, class, "", &[])), rule, "{what}");
    }
}

#[test]
fn bodies_are_read_wherever_a_pod_stands_in_them() {
    let pod = |spec: &str| format!(r#"{{"kind":"Pod","spec":{spec}}}"#);
    let cron = |spec: &str| {
        format!(r#"{{"spec":{{"jobTemplate":{{"spec":{{"template":{{"spec":{spec}}}}}}}}}}}"#)
    };
    let patch =
        |path: &str, value: &str| format!(r#"[{{"op":"add","path":"{path}","value":{value}}}]"#);
    let container = r#"{"containers":[{"name":"x","securityContext":{"privileged":true}}]}"#;
    let host = r#"{"volumes":[{"name":"x","hostPath":{"path":"/etc"}}]}"#;
    for (body, rule) in [
        (pod(container), "pod_privileged"),
        (cron(container), "pod_privileged"),
        (pod(r#"{"hostPID":true}"#), "pod_privileged"),
        (pod(r#"{"hostPID":false}"#), "write"),
        (pod(r#"{"x":[{"capabilities":{"add":["CAP_SYS_ADMIN"]}}]}"#), "pod_privileged"),
        (pod(r#"{"x":[{"capabilities":{"drop":["ALL"]}}]}"#), "write"),
        (pod(host), "host_path"),
        (patch("/spec/template/spec/hostNetwork", "true"), "pod_privileged"),
        (patch("/spec/containers/0/securityContext/privileged", "true"), "pod_privileged"),
        (patch("/spec/template/spec/volumes/-", r#"{"hostPath":{"path":"/"}}"#), "host_path"),
        (r#"{"spec":{"replicas":0}}"#.to_owned(), "scale_zero"),
        (patch("/spec/replicas", "0"), "scale_zero"),
        (r#"{"spec":{"replicas":3}}"#.to_owned(), "write"),
        ("not json".to_owned(), "unread"),
    ] {
        let operation = request("patch apps/deployments/shop/web/", "code", &body, &[]);
        assert_eq!(worst("{}", &operation), rule, "{body}");
    }
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(worst("{}", &request("create core/pods/shop//", "code", &deep, &[])), "unread");
    let cordon =
        request("patch core/nodes//n1/", "admin", r#"{"spec":{"unschedulable":true}}"#, &[]);
    assert!(rules("{}", &cordon).contains(&"kubernetes.cordon".to_owned()));
}

#[test]
fn rights_without_bounds_are_the_severest() {
    for (body, rule) in [
        (r#"{"roleRef":{"kind":"ClusterRole","name":"cluster-admin"}}"#, "rbac_admin"),
        (r#"{"roleRef":{"kind":"ClusterRole","name":"view"}}"#, "rbac"),
        (r#"{"rules":[{"verbs":["get","*"],"resources":["pods"]}]}"#, "rbac_admin"),
        (r#"{"rules":[{"verbs":["get"],"resources":["*"]}]}"#, "rbac_admin"),
        (r#"{"rules":[{"verbs":["get"],"resources":["pods"]}]}"#, "rbac"),
    ] {
        let what = "create rbac.authorization.k8s.io/clusterroles///";
        assert_eq!(worst("{}", &request(what, "privilege", body, &[])), rule, "{body}");
    }
}

#[test]
fn settings_say_what_is_known() {
    let of = |settings: &str, body: &str| {
        worst(settings, &request("create core/pods/shop//", "code", body, &[]))
    };
    let image = r#"{"spec":{"containers":[{"image":"registry.example/shop/web:1"}]}}"#;
    assert_eq!(of(r#"{"images":["registry.example/shop/"]}"#, image), "write");
    assert_eq!(of(r#"{"images":["registry.example/other/"]}"#, image), "image");
    let host =
        |path: &str| format!(r#"{{"spec":{{"volumes":[{{"hostPath":{{"path":"{path}"}}}}]}}}}"#);
    let settings = r#"{"host_paths":["/var/log"]}"#;
    assert_eq!(of(settings, &host("/var/log/pods")), "write");
    assert_eq!(of(settings, &host("/var/logs")), "host_path");
    assert_eq!(of(settings, &host("/var/log/../../etc")), "host_path");
    assert_eq!(of(r#"{"scores":{"kubernetes.write":0}}"#, "{}"), "");
    let system = request("update core/configmaps/infra/x/", "write", "", &[]);
    assert_eq!(worst(r#"{"system_namespaces":["infra"]}"#, &system), "system");
}

#[test]
fn what_is_only_tried_changes_nothing() {
    let tried =
        |what: &str| worst("{}", &request(what, "write", r#"{"hostPID":true}"#, &["dry_run"]));
    assert_eq!(tried("delete core/namespaces//shop/"), "");
    assert_eq!(tried("create core/pods/shop//"), "");
    assert_eq!(tried("list core/secrets/shop//"), "secrets");
}

#[test]
fn other_kinds_of_operation_are_left_alone() {
    let operation =
        Operation { kind: "sql".into(), ..request("delete core/pods/a/b/", "write", "", &[]) };
    assert!(rules("{}", &operation).is_empty());
}

#[test]
fn mistakes_name_their_place() {
    for (settings, place) in [
        (r#"{"scores":{"kubernetes.x":1}}"#, "scores.kubernetes.x"),
        (r#"{"scores":{"kubernetes.exec":101}}"#, "scores.kubernetes.exec"),
        (r#"{"images":["registry.example"]}"#, "images[0]"),
        (r#"{"host_paths":["var"]}"#, "host_paths[0]"),
    ] {
        let problems = configure::<RiskKubernetes>(settings).map(|_| ()).unwrap_err();
        assert_eq!(problems[0].path, place);
    }
}

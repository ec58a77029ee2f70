use serde_json::{Value, json};

use super::{Leaves, Shown};
use crate::protocol::kubernetes::path::RequestInfo;

fn info(group: &str, resource: &str) -> RequestInfo {
    let (group, resource) = (group.to_owned(), resource.to_owned());
    RequestInfo { is_resource: true, group, resource, ..RequestInfo::default() }
}

/// `origins = values`, one line a column.
fn told(info: &RequestInfo, document: &Value) -> Vec<String> {
    let leaves = Leaves::of(info, &mut document.clone());
    let columns = leaves.columns();
    let line = |at: usize| {
        let values: Vec<_> =
            leaves.values(at).iter().map(|it| String::from_utf8_lossy(it)).collect();
        format!("{} = {}", columns[at].origins.join(" "), values.join(" "))
    };
    (0..columns.len()).map(line).collect()
}

/// The document with every value hidden whose column's path starts so.
fn hidden(info: &RequestInfo, document: &Value, path: &str) -> Value {
    let mut document = document.clone();
    let leaves = Leaves::of(info, &mut document);
    let columns = leaves.columns();
    let hides = |at: usize| columns[at].origins[0].contains(path);
    leaves.put(&mut document, |column, _| match hides(column) {
        true => Shown::Text("MASKED".to_owned()),
        false => Shown::Same,
    });
    document
}

#[test]
fn a_secret_is_its_decoded_values_wherever_they_stand() {
    let inner = json!({"kind": "Secret", "data": {"password": "aHVudGVyMg=="},
        "stringData": {"password": "hunter3"}})
    .to_string();
    let secret = json!({
        "kind": "Secret", "apiVersion": "v1",
        "data": {"password": "aHVudGVyMg==", "key": "//79"},
        "metadata": {"name": "db",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": inner}},
    });
    let info = info("", "secrets");
    let expected = [
        "core.secrets.data/key = //79",
        "core.secrets.data/password = hunter2 hunter2",
        "core.secrets.data/password = hunter3",
        "core.secrets.metadata/name = db",
    ];
    assert_eq!(told(&info, &secret), expected);
    let shown = hidden(&info, &secret, ".data/").to_string();
    assert!(
        !shown.contains("aHVudGVyMg") && !shown.contains("//79") && !shown.contains("hunter"),
        "{shown}"
    );
    assert!(shown.contains("TUFTS0VE") && shown.contains("\"name\":\"db\""), "{shown}");
    let list = json!({"kind": "SecretList", "metadata": {}, "items": [secret.clone()]});
    let table = json!({"kind": "Table", "columnDefinitions": [{"name": "Name"}],
        "rows": [{"cells": ["db"], "object": secret.clone()}]});
    let event = json!({"type": "ADDED", "object": secret});
    for document in [list, table, event] {
        let shown = hidden(&info, &document, ".data/").to_string();
        assert!(
            !shown.contains("aHVudGVyMg") && !shown.contains("//79") && !shown.contains("hunter"),
            "{shown}"
        );
    }
}

#[test]
fn values_of_the_environment_have_one_name() {
    let pod = |value: &str| json!({"env": [{"name": "TOKEN", "value": value}], "ports": [80]});
    let document = json!({"kind": "Deployment", "spec": {"template": {"spec": {
        "containers": [pod("a"), pod("b")],
    }}}});
    let expected = [
        "apps.deployments.spec/template/spec/containers/env/name = TOKEN TOKEN",
        "apps.deployments.spec/template/spec/containers/env/value = a b",
        "apps.deployments.spec/template/spec/containers/ports = 80 80",
    ];
    assert_eq!(told(&info("apps", "deployments"), &document), expected);
}

/// What a column of a table of one's own kind shows is up to who defined it.
#[test]
fn a_table_of_a_resource_of_ones_own_may_show_anything() {
    let table = json!({"kind": "Table", "columnDefinitions": [{"name": "Name"}, {"name": "Age"}],
        "rows": [{"cells": ["a", 3, "more"]}]});
    let expected = [
        "x.example.com.things.table/Name * = a",
        "x.example.com.things.table/Age * = 3",
        "x.example.com.things.table/? * = more",
    ];
    let own: Vec<_> = told(&info("x.example.com", "things"), &table)
        .iter()
        .map(|it| it.replace("\"x.example.com\"", "x.example.com"))
        .collect();
    assert_eq!(own, expected);
    assert_eq!(told(&info("", "pods"), &table)[0], "core.pods.table/Name = a");
}

#[test]
fn nothing_is_without_a_name() {
    let odd = [
        json!("text"),
        json!(["a", {"b": [1, [2, {"c": true}]]}]),
        json!({"kind": {"nested": "x"}, "apiVersion": 3}),
        json!({"kind": "Table", "rows": "x", "more": [1]}),
        json!({"kind": "Table", "rows": [7, {"cells": "x", "other": "y"}]}),
        json!({"kind": "PodList", "items": "x"}),
        json!({"type": "ERROR", "object": "x", "rest": "y"}),
        json!({"a": {"kubectl.kubernetes.io/last-applied-configuration": "no json"}}),
        json!({"a": {"kubectl.kubernetes.io/last-applied-configuration": {"b": "x"}}}),
    ];
    for document in odd {
        let mut all = document.clone();
        let info = info("", "pods");
        let leaves = Leaves::of(&info, &mut all);
        leaves.put(&mut all, |_, _| Shown::Null);
        let rest = all.to_string();
        let words = ["\"text\"", "\"x\"", "\"y\"", "\"a\"]", "no json", "true", "1", "2", "3", "7"];
        for word in words {
            assert!(!rest.contains(word), "{word} is left in {rest} of {document}");
        }
    }
}

//! Documents of an API server, hidden by the plugins that ship.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use serde_json::{Value, json};

use super::fixtures::*;
use super::real::build;
use crate::policy::{Generation, Masked};
use crate::protocol::kubernetes::path::RequestInfo;

fn generation(settings: &str) -> Generation {
    let [file] = build(["mask-columns"]);
    let mut mask = plugin_settings("mask", &file);
    mask.settings_json = settings.into();
    engine().load(&policy_of(vec![mask])).unwrap()
}

fn masked(generation: &Generation, resource: &str, document: &Value) -> (Value, u64) {
    let info =
        RequestInfo { is_resource: true, resource: resource.into(), ..RequestInfo::default() };
    let bytes = Bytes::from(document.to_string());
    let parts = generation.mask_document(&mut instances(), &info, bytes).unwrap();
    let frames: Vec<u8> = parts.iter().flat_map(|part| part.frames().to_vec()).collect();
    let cells = parts.iter().map(Masked::masked_cells).sum();
    (serde_json::from_slice(&frames).unwrap(), cells)
}

#[test]
fn what_a_rule_names_is_hidden_and_the_rest_is_what_it_was() {
    let generation = generation(
        r#"{"columns":[
            {"origin":"core.secrets.data/*","mask":{"fixed":"hidden"}},
            {"origin":"*.*.*containers/env/value","mask":{"keep_last":2}}],
            "inspect":["core.configmaps.data/*"],"find":["card"]}"#,
    );
    let secret = json!({"kind": "Secret", "data": {"a": "aHVudGVyMg==", "b": "//79"}, "type": "x"});
    let (shown, cells) = masked(&generation, "secrets", &secret);
    assert_eq!(shown["data"], json!({"a": "aGlkZGVu", "b": null}));
    assert_eq!((cells, &shown["type"]), (2, &json!("x")));

    let pods: Vec<_> = (0..2000)
        .map(|at| {
            let env = json!([{"name": "A", "value": format!("secret{at:04}")}]);
            json!({"metadata": {"name": format!("p{at}"), "labels": {format!("l{at}"): "v"}},
                "spec": {"containers": [{"env": env}]}})
        })
        .collect();
    let (shown, cells) = masked(&generation, "pods", &json!({"kind": "PodList", "items": pods}));
    assert_eq!(cells, 2000);
    assert_eq!(shown["items"][1999]["spec"]["containers"][0]["env"][0]["value"], "********99");
    assert_eq!(shown["items"][7]["metadata"]["labels"]["l7"], "v");

    let map =
        json!({"kind": "ConfigMap", "data": {"a": "card 4111 1111 1111 1111", "b": "card 1"}});
    let (shown, _) = masked(&generation, "configmaps", &map);
    assert!(!shown.to_string().contains("4111 1111"), "{shown}");
    assert_eq!(shown["data"]["b"], "card 1");

    let (shown, cells) = masked(&generation, "services", &secret);
    assert_eq!((shown, cells), (secret, 0));
}

#[test]
fn what_is_no_document_is_withheld() {
    let generation = generation(r#"{"columns":[{"origin":"core.secrets.data/*","mask":"null"}]}"#);
    let info = RequestInfo::default();
    for bytes in ["", "{", "k8s\0\n", "{} {}"] {
        let told = generation.mask_document(&mut instances(), &info, bytes.into()).unwrap_err();
        assert_eq!(told.code, "reply_malformed", "{bytes}");
    }
}

/// What was hidden in one event is in the record, whatever comes behind it.
#[test]
fn each_event_tells_what_was_hidden_in_it() {
    let generation = generation(r#"{"columns":[{"origin":"core.secrets.data/a","mask":"null"}]}"#);
    let info =
        RequestInfo { is_resource: true, resource: "secrets".into(), ..RequestInfo::default() };
    let event = |key: &str| json!({"type": "ADDED", "object": {"data": {key: "YQ=="}}}).to_string();
    let lines = Bytes::from(format!("{}\n{}\n", event("a"), event("b")));
    let parts = generation.mask_events(&mut instances(), &info, &lines).unwrap();
    let frames: Vec<u8> = parts.iter().flat_map(|part| part.frames().to_vec()).collect();
    let text = String::from_utf8(frames).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains(r#""a":null"#) && lines[1].contains("YQ=="), "{text}");
    assert_eq!(parts.iter().map(Masked::rows).sum::<u64>(), 2);
    let hidden: Vec<&str> =
        parts.iter().flat_map(Masked::hidden).map(|column| column.name.as_str()).collect();
    assert_eq!(hidden, ["a"]);
    assert!(parts.iter().all(|part| part.frames().is_empty() || part.hidden().is_empty()));
}

/// More kinds of values than a result may have columns: all of them are looked at.
#[test]
fn a_document_with_thousands_of_keys_is_masked_whole() {
    let generation = generation(r#"{"columns":[{"origin":"core.secrets.data/*","mask":"null"}]}"#);
    let data: serde_json::Map<String, Value> =
        (0..4000).map(|at| (format!("k{at}"), json!("YQ=="))).collect();
    let (shown, cells) = masked(&generation, "secrets", &json!({"kind": "Secret", "data": data}));
    assert_eq!(cells, 4000);
    assert!(!shown.to_string().contains("YQ=="));
}

use serde_json::json;

use super::{Form, read};

#[test]
fn each_kind_of_patch_shows_what_it_changes() {
    let merge = json!({"metadata": {"labels": {"a": null}}, "spec": {"replicas": 0, "x": {}}});
    let merge = merge.to_string();
    let set = ["remove metadata.labels.a", "set spec.replicas", "set spec.x"];
    for form in [Form::MergePatch, Form::StrategicMergePatch, Form::ApplyPatch] {
        assert_eq!(read(merge.as_bytes(), form).unwrap().changes, set);
    }
    let json = json!([
        {"op": "replace", "path": "/spec/replicas", "value": 3},
        {"op": "remove", "path": "/metadata/annotations/example.com~1a"},
        {"op": "move", "from": "/a/b", "path": "/c"},
    ]);
    let changes =
        ["replace spec.replicas", "remove metadata.annotations.example.com/a", "move c from a.b"];
    assert_eq!(read(json.to_string().as_bytes(), Form::JsonPatch).unwrap().changes, changes);
}

#[test]
fn images_are_found_wherever_they_stand() {
    let pod = json!({"spec": {"template": {"spec": {
        "containers": [{"image": "a:1"}, {"image": "b@sha256:0"}],
        "initContainers": [{"image": "a:1"}],
    }}}});
    let read = |body: &serde_json::Value, form| read(body.to_string().as_bytes(), form).unwrap();
    assert_eq!(read(&pod, Form::Object).images, ["a:1", "b@sha256:0"]);
    let patch = json!([
        {"op": "replace", "path": "/spec/containers/0/image", "value": "evil"},
        {"op": "add", "path": "/spec/containers/-", "value": {"image": "worse"}},
    ]);
    assert_eq!(read(&patch, Form::JsonPatch).images, ["evil", "worse"]);
    let many: Vec<_> = (0..1000).map(|at| json!({"image": format!("i{at}")})).collect();
    assert_eq!(read(&json!({ "c": many }), Form::Object).images.last().unwrap(), "*");
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    let bodies = [
        (r#"{"spec":{"replicas":1,"replicas":0}}"#, Form::Object),
        (r#"{"a":1} {"b":2}"#, Form::Object),
        ("spec:\n  replicas: 0\n", Form::ApplyPatch),
        ("", Form::Object),
        ("[]", Form::MergePatch),
        ("{}", Form::JsonPatch),
        (r#"[{"op":"jump","path":"/a"}]"#, Form::JsonPatch),
        (r#"[{"op":"move","path":"/a"}]"#, Form::JsonPatch),
        ("\u{feff}{}", Form::Object),
    ];
    for (body, form) in bodies {
        assert!(read(body.as_bytes(), form).is_err(), "{body}");
    }
    assert!(read(&"[".repeat(100_000).into_bytes(), Form::Object).is_err());
    assert!(read(b"{\"a\":\"\xff\"}", Form::Object).is_err());
    assert!(Form::of("application/vnd.kubernetes.protobuf").is_err());
    assert_eq!(Form::of("application/json; charset=utf-8").unwrap(), Form::Object);
}

//! Requests to an API server and its documents: a path is read in one way only, and no value of a
//! document is without a name.

use bytes::Bytes;
use portcullis::protocol::kubernetes::leaves::{Leaves, Shown};
use portcullis::protocol::kubernetes::path::Place;
use portcullis::protocol::kubernetes::{Asked, request, unread, wire};
use serde_json::Value;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "kubernetes",
    seeds: &[
        b"GET /api/v1/namespaces/shop/pods?limit=500&watch=true\n",
        b"PATCH /apis/apps/v1/namespaces/s/deployments/w/scale\n{\"spec\":{\"replicas\":0}}",
        b"POST /api/v1/namespaces/shop/pods/p/exec?command=sh&command=-c\n",
        b"PUT /api/v1/namespaces/%41/secrets/x\n{\"kind\":\"Secret\",\"data\":{\"a\":\"YQ==\"}}",
        b"PATCH /api/v1/nodes/n\n[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]",
        b"GET /\n{\"kind\":\"Table\",\"columnDefinitions\":[],\"rows\":[{\"cells\":[1]}]}",
        b"GET /x\n{\"type\":\"ADDED\",\"object\":{\"kind\":\"AList\",\"items\":[{\"a\":[1]}]}}",
        b"GET /x\n{\"a\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"{\\\"b\\\":1}\"}}",
    ],
    words: &[
        b"/api/",
        b"/apis/",
        b"/namespaces/",
        b"/proxy/",
        b"/watch/",
        b"%2F",
        b"%2e",
        b"..",
        b"//",
        b"?",
        b"&",
        b"=",
        b";",
        b"watch=",
        b"\"kind\":\"List\"",
        b"\"items\":",
        b"\"rows\":",
        b"null",
    ],
    run,
};

fn run(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (head, body) = input.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let Ok(head) = std::str::from_utf8(head) else { return };
    let (method, target) = head.split_once(' ').unwrap_or(("GET", head));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Ok(place) = Place::parse(path, Some(query)) else { return };
    let again = place.target();
    let (path, query) = again.split_once('?').unwrap_or((&again, ""));
    assert_eq!(Place::parse(path, Some(query)).expect("what is sent can be read"), place);
    let info = place.info(method);
    for content_type in
        [None, Some("application/json-patch+json"), Some("application/merge-patch+json")]
    {
        let asked = Asked {
            method: method.to_owned(),
            place: place.clone(),
            content_type: content_type.map(str::to_owned),
            accept: None,
            user_agent: None,
            body: Bytes::copy_from_slice(body),
        };
        assert!(unread(&asked).wire().is_empty());
        let Ok((names, request)) = request(&asked) else { continue };
        let statement = request.facts().statements.first().expect("one statement");
        assert_eq!((statement.start, statement.end), (0, request.text().len()));
        assert_eq!(Some(&names), info.as_ref().ok());
        if let Some(sent) = wire::decode(request.wire()) {
            assert_eq!((sent.target.as_str(), &sent.body[..]), (again.as_str(), body));
        } else {
            assert!(method.contains([' ', '\r', '\n']) || method.is_empty(), "{method:?}");
        }
    }
    let (Ok(info), Ok(mut document)) = (info, serde_json::from_slice::<Value>(body)) else {
        return;
    };
    let leaves = Leaves::of(&info, &mut document);
    let whole = document.clone();
    leaves.put(&mut document, |_, _| Shown::Same);
    assert_eq!(document, whole);
    leaves.put(&mut document, |_, _| Shown::Null);
    assert!(is_hidden(&document), "a value is left in {document}");
}

/// Whether nothing is left but what says of which kind a document is.
fn is_hidden(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.iter().all(is_hidden),
        Value::Object(fields) => fields.iter().all(|(key, value)| {
            let named = ["apiVersion", "columnDefinitions", "kind", "type"];
            let inner = key.ends_with("last-applied-configuration");
            named.contains(&key.as_str()) || inner || is_hidden(value)
        }),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

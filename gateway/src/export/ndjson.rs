//! The entry itself, one JSON object a line.

use serde::Serialize;
use serde_json::value::RawValue;

use super::event::Event;

#[derive(Serialize)]
struct Line<'a> {
    uid: &'a str,
    origin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<&'a RawValue>,
    /// The bytes of an entry that is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<&'a str>,
}

/// The event as one line; `entry` is word for word what the log holds, so that it hashes to
/// `leaf`.
pub(super) fn line(event: &Event) -> String {
    let entry: Option<&RawValue> = serde_json::from_str(&event.raw).ok();
    // An entry of several lines would not be one of ours; it is told as text.
    let entry = entry.filter(|entry| !entry.get().contains(['\n', '\r']));
    let unreadable = entry.is_none() && event.index.is_some();
    let checkpoint = event.body.get("checkpoint").filter(|_| event.index.is_none());
    let line = Line {
        uid: &event.uid,
        origin: &event.origin,
        index: event.index,
        leaf: event.leaf.as_deref(),
        statement: event.statement.as_deref(),
        checkpoint: checkpoint.and_then(|text| text.as_str()),
        entry,
        unreadable: unreadable.then_some(event.raw.as_str()),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

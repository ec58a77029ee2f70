//! What the body of a write says: read strictly, since the API server takes the last of two equal
//! keys and others the first.

use serde_json::{Map, Value};

use super::{malformed, unreadable};
use crate::fault::Fault;
use crate::limits::{KUBERNETES_CHANGES_MAX, KUBERNETES_IMAGES_MAX};
use crate::protocol::json::strict;

/// How a body is to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// An object, or options of the request.
    Object,
    /// `application/json-patch+json` (RFC 6902).
    JsonPatch,
    /// `application/merge-patch+json` (RFC 7386).
    MergePatch,
    /// `application/strategic-merge-patch+json`, Kubernetes' own.
    StrategicMergePatch,
    /// `application/apply-patch+yaml`: server-side apply. JSON is YAML too.
    ApplyPatch,
}

impl Form {
    /// The form that a Content-Type names; parameters such as a charset are left aside.
    ///
    /// # Errors
    /// The gateway can't read it, so nobody could judge it.
    pub fn of(content_type: &str) -> Result<Self, Fault> {
        let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "application/json" | "" => Ok(Self::Object),
            "application/json-patch+json" => Ok(Self::JsonPatch),
            "application/merge-patch+json" => Ok(Self::MergePatch),
            "application/strategic-merge-patch+json" => Ok(Self::StrategicMergePatch),
            "application/apply-patch+yaml" => Ok(Self::ApplyPatch),
            _ => Err(unreadable(&format!(
                "a body of type \"{}\" can't be judged",
                name.escape_debug()
            ))),
        }
    }

    /// The value of the attribute `patch_type`; none for what is no patch.
    pub fn patch_type(self) -> Option<&'static str> {
        match self {
            Self::Object => None,
            Self::JsonPatch => Some("json"),
            Self::MergePatch => Some("merge"),
            Self::StrategicMergePatch => Some("strategic"),
            Self::ApplyPatch => Some("apply"),
        }
    }
}

/// A body that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// Images of containers that it names, in its order, each once; `*` = there are more.
    pub images: Vec<String>,
    /// What a patch changes: `OP PATH`, with a path such as `spec.replicas`; `*` = there is more.
    pub changes: Vec<String>,
    /// `metadata.name`, which a create has in its body only.
    pub name: Option<String>,
}

/// Reads a body.
///
/// # Errors
/// It is no JSON, or has a key twice, or is no patch of its form.
pub fn read(bytes: &[u8], form: Form) -> Result<Body, Fault> {
    let value = strict(bytes).map_err(|error| {
        let what = match form {
            Form::ApplyPatch => "the body of the apply is not read; send it as JSON, which is YAML",
            _ => "the body is not read as JSON",
        };
        malformed(&format!("{what}: {error}"))
    })?;
    let mut body = Body::default();
    images("", &value, &mut body.images);
    match (form, &value) {
        (Form::Object, _) => {}
        (Form::JsonPatch, Value::Array(acts)) => {
            for act in acts {
                let change = json_act(act).ok_or_else(|| malformed("it is no JSON patch"))?;
                changed(change, &mut body.changes);
            }
        }
        (Form::JsonPatch, _) => return Err(malformed("it is no JSON patch")),
        (_, Value::Object(fields)) => leaves("", fields, &mut body.changes),
        _ => return Err(malformed("the patch is no JSON object")),
    }
    let name = value.get("metadata").and_then(|metadata| metadata.get("name"));
    body.name = name.and_then(Value::as_str).map(str::to_owned);
    Ok(body)
}

/// `OP PATH` of one act of a JSON patch.
fn json_act(act: &Value) -> Option<String> {
    let field = |name: &str| act.get(name).and_then(Value::as_str);
    let (op, path) = (field("op")?, field("path")?);
    let from = match op {
        "add" | "remove" | "replace" | "test" => None,
        "move" | "copy" => Some(field("from")?),
        _ => return None,
    };
    let mut change = format!("{op} {}", dotted(path));
    if let Some(from) = from {
        change.push_str(" from ");
        change.push_str(&dotted(from));
    }
    Some(change)
}

/// A JSON pointer (RFC 6901) as a dotted path.
fn dotted(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1);
    let parts = parts.map(|part| part.replace("~1", "/").replace("~0", "~"));
    parts.collect::<Vec<_>>().join(".")
}

/// The paths of what a merge sets or, by null, removes.
fn leaves(at: &str, fields: &Map<String, Value>, changes: &mut Vec<String>) {
    for (key, value) in fields {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match value {
            Value::Object(fields) if !fields.is_empty() => leaves(&path, fields, changes),
            Value::Null => changed(format!("remove {path}"), changes),
            _ => changed(format!("set {path}"), changes),
        }
    }
}

fn changed(change: String, changes: &mut Vec<String>) {
    keep(change, KUBERNETES_CHANGES_MAX, changes);
}

fn keep(word: String, most: usize, list: &mut Vec<String>) {
    if list.len() > most || list.contains(&word) {
        return;
    }
    list.push(if list.len() == most { "*".to_owned() } else { word });
}

/// Every string under a key `image`, and what a JSON patch puts at such a path.
fn images(key: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(image) if key == "image" => {
            keep(image.clone(), KUBERNETES_IMAGES_MAX, found);
        }
        Value::Object(fields) => {
            if let (Some(path), Some(put)) = (fields.get("path"), fields.get("value"))
                && let Some(path) = path.as_str()
                && fields.contains_key("op")
            {
                images(path.rsplit('/').next().unwrap_or_default(), put, found);
            }
            fields.iter().for_each(|(key, value)| images(key, value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| images(key, value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;

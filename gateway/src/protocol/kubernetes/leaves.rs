//! The values in a document that an API server returns, each under the name of the column that it
//! is for a policy: `group.resource.path`, with slashes between the parts of the path, so that
//! `core.secrets.data/*` names all values of secrets.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::path::RequestInfo;
use crate::protocol::postgres::lineage::ANY_ORIGIN;
use crate::protocol::{Column, dotted};

/// The annotation in which kubectl keeps the object as it was last applied, values and all.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Groups that come with Kubernetes besides those that end in `.k8s.io`. What a column of a table
/// of any other shows is chosen by whoever defined the resource.
const BUILT_IN: [&str; 7] =
    ["", "apps", "autoscaling", "batch", "extensions", "policy", "resource.k8s.io"];
/// Documents inside documents that are looked into.
const NESTED_MAX: usize = 4;

/// How the bytes of a value stand in the document.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Form {
    /// A string, as it is.
    Text,
    /// A string of base64, whose bytes are text.
    Base64,
    /// A string of base64 whose bytes are no text; shown as it stands.
    Bytes,
    /// A number, true or false.
    Scalar,
}

/// A distinct column of a document.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Name {
    path: String,
    form: Form,
    /// What it shows may come from anywhere in the object.
    derived: bool,
}

/// The values of one document, by column.
#[derive(Debug)]
pub struct Leaves<'a> {
    info: &'a RequestInfo,
    columns: Vec<(Name, Vec<Vec<u8>>)>,
    known: HashMap<Name, usize>,
}

/// What becomes of a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shown {
    /// Stays.
    Same,
    /// Becomes null.
    Null,
    /// Becomes this text.
    Text(String),
}

impl<'a> Leaves<'a> {
    /// Takes the values of a document that answers a request. A list, a table and an event of a
    /// watch are what they hold.
    pub fn of(info: &'a RequestInfo, document: &mut Value) -> Self {
        let mut leaves = Self { info, columns: Vec::new(), known: HashMap::new() };
        let mut walk = Walk::new(info);
        walk.document(document, &mut |name, shown| {
            let at = *leaves.known.entry(name.clone()).or_insert_with(|| {
                leaves.columns.push((name.clone(), Vec::new()));
                leaves.columns.len() - 1
            });
            if let Some((_, values)) = leaves.columns.get_mut(at) {
                values.push(shown.to_vec());
            }
            Shown::Same
        });
        leaves
    }

    /// The columns, as maskers see them.
    pub fn columns(&self) -> Vec<Column> {
        let one = |(name, _): &(Name, Vec<Vec<u8>>)| {
            let type_name = match name.form {
                Form::Text | Form::Base64 => "text",
                Form::Bytes => "bytea",
                Form::Scalar => "json",
            };
            let any = name.derived && !is_built_in(&self.info.group);
            named(self.info, &name.path, type_name, any)
        };
        self.columns.iter().map(one).collect()
    }

    /// The values of one column, in the order of the document.
    pub fn values(&self, column: usize) -> &[Vec<u8>] {
        self.columns.get(column).map(|(_, values)| values.as_slice()).unwrap_or_default()
    }

    /// Writes what became of each value into the same document, by column and place in it.
    pub fn put(&self, document: &mut Value, mut become_of: impl FnMut(usize, usize) -> Shown) {
        let mut places = vec![0; self.columns.len()];
        Walk::new(self.info).document(document, &mut |name, _| {
            let Some(&column) = self.known.get(name) else { return Shown::Null };
            let Some(place) = places.get_mut(column) else { return Shown::Null };
            *place += 1;
            become_of(column, *place - 1)
        });
    }
}

/// The column of what a JSON pointer names; whatever is below it counts as named too.
pub fn column(info: &RequestInfo, pointer: &str) -> Column {
    // What stands in a list has no name of its own.
    let part = |part: &&str| *part != "-" && part.parse::<u32>().is_err();
    let parts = pointer.split('/').skip(1).filter(part);
    let parts: Vec<String> = parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let path = parts.join("/");
    named(info, &path, "text", is_whole(&path))
}

/// A column of this path; with `any` its values may come from anywhere.
fn named(info: &RequestInfo, path: &str, type_name: &str, any: bool) -> Column {
    let group = if info.group.is_empty() { "core" } else { &info.group };
    let mut origins = vec![dotted([group, info.resource.as_str(), path])];
    origins.extend(any.then(|| ANY_ORIGIN.to_owned()));
    Column {
        name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        type_name: type_name.to_owned(),
        type_oid: 0,
        binary: false,
        exact: !any,
        origins,
    }
}

/// Whether a path may have others below it, as far as can be told: most have.
fn is_whole(path: &str) -> bool {
    const LEAVES: [&str; 6] = ["name", "namespace", "replicas", "resourceVersion", "uid", "value"];
    let last = path.rsplit('/').next().unwrap_or_default();
    if path.contains(LAST_APPLIED) {
        return true;
    }
    let keyed = ["data/", "metadata/labels/", "metadata/annotations/"];
    !LEAVES.contains(&last) && !keyed.iter().any(|begin| path.starts_with(begin))
}

fn is_built_in(group: &str) -> bool {
    BUILT_IN.contains(&group) || group.ends_with(".k8s.io")
}

/// A walk over a document, always in the same order.
struct Walk {
    secret: bool,
    base64: &'static [&'static str],
    nested: usize,
}

type See<'a> = dyn FnMut(&Name, &[u8]) -> Shown + 'a;

impl Walk {
    fn new(info: &RequestInfo) -> Self {
        let base64: &[&str] = match (info.group.as_str(), info.resource.as_str()) {
            ("", "secrets") => &["data/"],
            ("", "configmaps") => &["binaryData/"],
            _ => &[],
        };
        let secret = info.group.is_empty() && info.resource == "secrets";
        Self { secret, base64, nested: 0 }
    }

    fn document(&mut self, document: &mut Value, see: &mut See<'_>) {
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let event = document.get("type").is_some_and(Value::is_string) && kind.is_empty();
        match document {
            Value::Object(fields) if event && fields.contains_key("object") => {
                for (key, value) in fields.iter_mut().filter(|(key, _)| *key != "type") {
                    if key == "object" {
                        self.document(value, see);
                    } else {
                        self.value(key, value, see);
                    }
                }
            }
            Value::Object(fields) if kind == "Table" => {
                let names = column_names(fields.get("columnDefinitions"));
                for (key, value) in fields.iter_mut() {
                    match key.as_str() {
                        "kind" | "apiVersion" | "columnDefinitions" => {}
                        "rows" => self.rows(value, &names, see),
                        key => self.value(key, value, see),
                    }
                }
            }
            Value::Object(fields) if kind.ends_with("List") && fields.contains_key("items") => {
                for (key, value) in fields.iter_mut() {
                    match (key.as_str(), value) {
                        ("kind" | "apiVersion", Value::String(_)) => {}
                        ("items", Value::Array(items)) => {
                            items.iter_mut().for_each(|item| self.object(item, see));
                        }
                        (key, value) => self.value(key, value, see),
                    }
                }
            }
            other => self.object(other, see),
        }
    }

    fn object(&mut self, object: &mut Value, see: &mut See<'_>) {
        let Value::Object(fields) = object else { return self.value("", object, see) };
        for (key, value) in fields.iter_mut() {
            if matches!(key.as_str(), "kind" | "apiVersion") && value.is_string() {
                continue;
            }
            self.value(key, value, see);
        }
    }

    fn rows(&mut self, rows: &mut Value, names: &[String], see: &mut See<'_>) {
        let Value::Array(rows) = rows else { return self.value("rows", rows, see) };
        for row in rows {
            let Value::Object(fields) = row else {
                self.value("rows", row, see);
                continue;
            };
            for (key, value) in fields.iter_mut() {
                match (key.as_str(), value) {
                    ("cells", Value::Array(cells)) => {
                        for (at, cell) in cells.iter_mut().enumerate() {
                            let name = names.get(at).map_or("?", String::as_str);
                            self.derived(&format!("table/{name}"), cell, see);
                        }
                    }
                    ("object", value) => self.document(value, see),
                    (key, value) => self.value(&format!("rows/{key}"), value, see),
                }
            }
        }
    }

    /// A cell of a table: made from the object in a way that is not told.
    fn derived(&mut self, path: &str, value: &mut Value, see: &mut See<'_>) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|one| self.derived(path, one, see)),
            Value::Object(fields) => {
                fields.values_mut().for_each(|one| self.derived(path, one, see));
            }
            leaf => see_leaf(path, leaf, true, false, see),
        }
    }

    fn value(&mut self, path: &str, value: &mut Value, see: &mut See<'_>) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|one| self.value(path, one, see)),
            Value::Object(fields) => {
                for (key, value) in fields.iter_mut() {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
                    if key == LAST_APPLIED && self.inside(value, see) {
                        continue;
                    }
                    self.value(&path, value, see);
                }
            }
            leaf => {
                let base64 = self.base64.iter().any(|begin| path.starts_with(begin));
                // What is written as text becomes data: it has one name.
                let plain = path.strip_prefix("stringData/").filter(|_| self.secret);
                let named = plain.map(|key| format!("data/{key}"));
                let path = named.as_deref().unwrap_or(path);
                see_leaf(path, leaf, false, base64, see);
            }
        }
    }

    /// A document kept as text in another one. False when it can't be read.
    fn inside(&mut self, text: &mut Value, see: &mut See<'_>) -> bool {
        let Value::String(written) = text else { return false };
        if self.nested >= NESTED_MAX {
            return false;
        }
        let Ok(mut document) = serde_json::from_str::<Value>(written) else { return false };
        let before = document.clone();
        self.nested += 1;
        self.document(&mut document, see);
        self.nested -= 1;
        if document != before {
            *text = Value::String(document.to_string());
        }
        true
    }
}

fn see_leaf(path: &str, value: &mut Value, derived: bool, base64: bool, see: &mut See<'_>) {
    let (form, shown) = match value {
        Value::String(text) if base64 => match STANDARD.decode(text.as_bytes()) {
            Ok(bytes) if std::str::from_utf8(&bytes).is_ok() => (Form::Base64, bytes),
            _ => (Form::Bytes, text.as_bytes().to_vec()),
        },
        Value::String(text) => (Form::Text, text.as_bytes().to_vec()),
        Value::Number(_) | Value::Bool(_) => (Form::Scalar, value.to_string().into_bytes()),
        Value::Null | Value::Array(_) | Value::Object(_) => return,
    };
    let name = Name { path: path.to_owned(), form, derived };
    match (see(&name, &shown), form) {
        (Shown::Same, _) => {}
        (Shown::Text(text), Form::Text) => *value = Value::String(text),
        (Shown::Text(text), Form::Base64) => *value = Value::String(STANDARD.encode(text)),
        _ => *value = Value::Null,
    }
}

fn column_names(definitions: Option<&Value>) -> Vec<String> {
    let list = definitions.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let name = |one: &Value| one.get("name").and_then(Value::as_str).unwrap_or("?").to_owned();
    list.iter().map(name).collect()
}

#[cfg(test)]
mod tests;

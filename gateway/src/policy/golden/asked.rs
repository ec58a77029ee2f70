//! Questions of a case that no SQL makes: an operation of another kind, a part of a result.

use serde::Deserialize;

use crate::policy::host::exports::meter::Part;
use crate::policy::host::wit;

/// An operation as a plugin is told of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    kind: String,
    verb: String,
    acts: Option<Vec<String>>,
    class: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    resources: Vec<Touched>,
    body: Option<serde_json::Value>,
    #[serde(default)]
    attributes: Vec<(String, String)>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Touched {
    kind: String,
    name: String,
    #[serde(default)]
    write: bool,
}

impl Asked {
    pub(super) fn operation(&self) -> wit::Operation {
        let object = |it: &Touched| wit::Object {
            kind: it.kind.clone(),
            name: it.name.clone(),
            access: if it.write { wit::Access::Write } else { wit::Access::Read },
        };
        let body = |body: &serde_json::Value| wit::Parameter {
            value: wit::ParameterValue::Text(body.to_string()),
            type_oid: 0,
            type_name: "json".to_owned(),
        };
        wit::Operation {
            seq: 0,
            kind: self.kind.clone(),
            verb: self.verb.clone(),
            acts: self.acts.clone().unwrap_or_else(|| vec![self.verb.clone()]),
            class: self.class.clone(),
            text: self.text.clone(),
            resources: self.resources.iter().map(object).collect(),
            parameters: self.body.iter().map(body).collect(),
            settings: Vec::new(),
            transaction: wit::TransactionState::None,
            transaction_number: 0,
            attributes: self.attributes.clone(),
        }
    }
}

/// A part of a result that is about to be released.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    rows: u64,
    bytes: u64,
    #[serde(default)]
    rows_before: u64,
    #[serde(default)]
    bytes_before: u64,
    #[serde(default)]
    approved: bool,
}

impl Given {
    pub(super) fn part(&self) -> Part {
        let approved = self.approved.then(|| ("approved".to_owned(), "true".to_owned()));
        Part {
            rows: self.rows,
            bytes: self.bytes,
            rows_before: self.rows_before,
            bytes_before: self.bytes_before,
            attributes: approved.into_iter().collect(),
        }
    }
}

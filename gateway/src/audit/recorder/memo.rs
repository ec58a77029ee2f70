//! The payload of a request entry. A prepared statement is recorded again and again with the
//! same facts under the same policy, so what they look like is kept from one to the next.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::audit::checkpoint::hex;
use crate::audit::committer::unavailable;
use crate::audit::entry::Parameter;
use crate::fault::Fault;
use crate::limits::MEMO_BYTES_MAX;
use crate::policy::{PluginStamp, Ruling};
use crate::protocol::{Block, Facts, Request};

/// What the last request's facts and policy look like.
#[derive(Default)]
pub(super) struct Memo {
    facts: Kept<Facts>,
    plugins: Kept<[PluginStamp]>,
}

/// Compared by identity: what it was made from never changes, and holding it keeps it what it is.
struct Kept<T: ?Sized>(Mutex<Option<(Arc<T>, Arc<RawValue>)>>);

impl<T: ?Sized> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Serialize + ?Sized> Kept<T> {
    fn json(&self, of: &Arc<T>) -> serde_json::Result<Arc<RawValue>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, json)) = kept.as_ref().filter(|(from, _)| Arc::ptr_eq(from, of)) {
            return Ok(Arc::clone(json));
        }
        let json: Arc<RawValue> = to_raw_value(&**of)?.into();
        let small = json.get().len() <= MEMO_BYTES_MAX;
        *kept = small.then(|| (Arc::clone(of), Arc::clone(&json)));
        Ok(json)
    }
}

/// As [`crate::audit::entry::RequestPayload`], which reads it back: the same fields in the same
/// order.
#[derive(Serialize)]
struct Payload<'a> {
    text: &'a str,
    parameters: Vec<Parameter>,
    facts: &'a RawValue,
    findings: &'a [crate::policy::Finding],
    plugins: &'a RawValue,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    shadow: &'a [crate::policy::ShadowVerdict],
    in_transaction: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_path: Option<&'a str>,
    wire_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    approvers: &'a [String],
}

impl Memo {
    /// The payload; `words` are the reason and the approvers of one that is held or refused.
    pub(super) fn payload(
        &self,
        request: &Request,
        ruling: &Ruling,
        words: (Option<String>, &[String]),
    ) -> Result<Vec<u8>, Fault> {
        let failed = |_| unavailable("the request could not be written");
        let facts = self.facts.json(&request.shared_facts()).map_err(failed)?;
        let plugins = self.plugins.json(&ruling.plugins).map_err(failed)?;
        let parameters = request.parameters().iter().map(|parameter| Parameter {
            binary: parameter.binary,
            value: parameter.value.as_ref().map(|value| STANDARD.encode(value)),
            type_oid: parameter.type_oid,
        });
        let payload = Payload {
            text: request.text(),
            parameters: parameters.collect(),
            facts: &facts,
            findings: &ruling.findings,
            plugins: &plugins,
            shadow: &ruling.shadow,
            in_transaction: request.state().block != Block::None,
            role: request.state().role.as_deref(),
            search_path: request.state().search_path.as_deref(),
            wire_sha256: hex(digest(&SHA256, request.wire()).as_ref()),
            reason: words.0,
            approvers: words.1,
        };
        let known = facts.get().len() + plugins.get().len();
        let mut bytes = Vec::with_capacity(known + request.text().len() + PAYLOAD_REST_BYTES);
        serde_json::to_writer(&mut bytes, &payload).map_err(failed)?;
        Ok(bytes)
    }
}

/// Room for what is neither text, facts nor plugins: most of the time it is enough.
const PAYLOAD_REST_BYTES: usize = 512;

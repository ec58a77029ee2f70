//! Entries: one JSON line each, stored word for word. `FORMAT.md` is the contract; this is it
//! in code, for the writer, the reader and the verifier alike.

mod body;
mod notice;
mod token;

pub use body::{
    Approval, ApprovalDecision, Boot, FindingBrief, FramePiece, HiddenColumn, OutcomeBrief,
    Parameter, Request, RequestPayload, RequestState, Response, SessionEnd, SessionStart,
    SessionTorn,
};
pub(in crate::audit) use body::{listed, overheard};
pub use notice::{AnchorCheck, AnchorOutcome, Event, Recovery, Refusal, SessionNote};
pub use token::TokenBinding;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::checkpoint::hex;
use super::clock::Reading;
use super::seal::PayloadRef;
use super::tree::Hash;
use crate::limits::{ENTRY_BYTES_MAX, ENTRY_TEXT_BYTES_MAX};

/// Version of the entry format.
pub const FORMAT: u32 = 1;

/// The type of an entry, as its `type` field says.
pub mod kind {
    /// A person decided, or nobody did in time.
    pub const APPROVAL: &str = "approval";
    /// The gateway opened the log.
    pub const BOOT: &str = "boot";
    /// Something of the gateway itself.
    pub const EVENT: &str = "event";
    /// Something of a session that is neither request nor reply.
    pub const NOTE: &str = "note";
    /// An attempt that became no session.
    pub const REFUSAL: &str = "refusal";
    /// A request with its verdict.
    pub const REQUEST: &str = "request";
    /// A masked part of a reply.
    pub const RESPONSE: &str = "response";
    /// A session's last entry.
    pub const SESSION_END: &str = "session_end";
    /// A session's first entry.
    pub const SESSION_START: &str = "session_start";
    /// A session that ended without saying so.
    pub const SESSION_TORN: &str = "session_torn";
}

/// A session's place in an entry.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Link<'a> {
    pub(in crate::audit) session: &'a str,
    pub(in crate::audit) sequence: u64,
    pub(in crate::audit) previous: Option<Hash>,
}

#[derive(Serialize)]
struct Line<'a, B> {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sess: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sseq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sprev: Option<String>,
    ts: u64,
    mono: u64,
    boot: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    durability: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pl: Option<&'a PayloadRef>,
    body: &'a B,
}

/// Most entries fit into this, so that it grows once.
const ENTRY_BYTES_USUAL: usize = 1024;

/// Everything of an entry but its body.
pub(in crate::audit) struct Frame<'a> {
    pub(in crate::audit) kind: &'static str,
    pub(in crate::audit) link: Option<Link<'a>>,
    pub(in crate::audit) time: Reading,
    pub(in crate::audit) boot: &'a str,
    pub(in crate::audit) buffered: bool,
    pub(in crate::audit) payload: Option<&'a PayloadRef>,
}

impl Frame<'_> {
    /// The entry's bytes; `None` when they are more than [`ENTRY_BYTES_MAX`].
    pub(in crate::audit) fn line<B: Serialize>(&self, body: &B) -> Option<Vec<u8>> {
        let line = Line {
            v: FORMAT,
            kind: self.kind,
            sess: self.link.map(|link| link.session),
            sseq: self.link.map(|link| link.sequence),
            sprev: self.link.and_then(|link| link.previous).map(|hash| hex(&hash)),
            ts: self.time.wall,
            mono: self.time.mono,
            boot: self.boot,
            durability: self.buffered.then_some("buffered"),
            pl: self.payload,
            body,
        };
        let mut bytes = Vec::with_capacity(ENTRY_BYTES_USUAL);
        serde_json::to_writer(&mut bytes, &line).ok()?;
        (bytes.len() <= ENTRY_BYTES_MAX).then_some(bytes)
    }
}

/// An entry as read back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Version of the format.
    pub v: u32,
    /// One of [`kind`].
    #[serde(rename = "type")]
    pub kind: String,
    /// The session, for entries of one.
    pub sess: Option<String>,
    /// Number in the session, 0 first.
    pub sseq: Option<u64>,
    /// Leaf hash of the session's previous entry, hex; the first has none.
    pub sprev: Option<String>,
    /// Wall clock, nanoseconds since the Unix epoch.
    pub ts: u64,
    /// Nanoseconds since the machine's boot.
    pub mono: u64,
    /// The kernel's boot id.
    pub boot: String,
    /// `buffered` when the entry was not durable before it took effect.
    pub durability: Option<String>,
    /// The payload, when there is one.
    pub pl: Option<PayloadRef>,
    /// The rest, by type.
    pub body: Box<RawValue>,
}

impl Entry {
    /// Reads the bytes of an entry.
    ///
    /// # Errors
    /// They are not an entry of this format.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let entry: Self = serde_json::from_slice(bytes)?;
        if entry.v == FORMAT {
            Ok(entry)
        } else {
            Err(serde::de::Error::custom(format!("format {} is not known", entry.v)))
        }
    }

    /// The body as the struct that belongs to the entry's type.
    ///
    /// # Errors
    /// The body is not one of that struct.
    pub fn body<B: DeserializeOwned>(&self) -> Result<B, serde_json::Error> {
        serde_json::from_str(self.body.get())
    }
}

/// The text, or its beginning with a mark when it is longer than an entry may hold.
pub(in crate::audit) fn clip(text: &str) -> String {
    clip_to(text, ENTRY_TEXT_BYTES_MAX)
}

/// The text, or its first `bytes` with a mark.
pub(in crate::audit) fn clip_to(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}[...]", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests;

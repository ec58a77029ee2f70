//! One session's report: for a person as text or a page, for machines as JSON.
//!
//! It says what the log says, checked along the session's chain: who, what exactly, how it was
//! judged, who approved, what came back as the client got it. It never says that the agent was
//! right.

mod frames;
mod html;
mod text;
mod work;

pub use frames::{Table, read};
pub use html::html;
pub use text::text;
pub use work::{Form, WorkReport, work};

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::checkpoint::hex;
use super::entry::{
    Approval, Parameter, Request, RequestPayload, RequestState, Response, SessionStart,
    TokenBinding, kind,
};
use super::reader::{Inclusion, Payload, Record, SessionRecord, SessionSummary};
use crate::limits::REPORT_CLOCK_STEP_MILLIS;
use crate::policy::{Finding, PluginStamp};
use crate::protocol::{Facts, Protocol};

/// The report of one session.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// The session in short.
    pub session: &'a SessionSummary,
    /// First entry, RFC 3339 UTC.
    pub started: String,
    /// Last entry, RFC 3339 UTC, when the session is over.
    pub ended: Option<String>,
    /// The caller's address.
    pub peer: String,
    /// What the client calls itself; not trusted.
    pub client: String,
    /// What the token said; the payload's whole list when the entry had no room.
    pub token: Option<TokenBinding>,
    /// Everything that happened, in order.
    pub timeline: Vec<Moment<'a>>,
    /// How far the times can be trusted.
    pub clock: Clock,
    /// Every place where the chain does not hold.
    pub gaps: &'a [String],
    /// Entries beyond those shown.
    pub more: u64,
    /// The signed checkpoint that covers the session.
    pub checkpoint: &'a str,
    /// Proof that the last entry shown is under that checkpoint.
    pub inclusion: &'a Inclusion,
    /// The log's public key.
    pub public_key: String,
}

/// How the wall clock ran during a session, as far as its entries tell.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Clock {
    /// Largest step of the wall clock against the monotonic one between two entries.
    pub step_millis: u64,
    /// Times that the machine started between two entries; steps across a start can't be told.
    pub reboots: u64,
}

impl Clock {
    fn of(records: &[Record]) -> Self {
        let mut clock = Self::default();
        for (before, after) in records.iter().zip(records.iter().skip(1)) {
            let (before, after) = (&before.entry, &after.entry);
            if before.boot != after.boot {
                clock.reboots += 1;
                continue;
            }
            let wall = i128::from(after.ts) - i128::from(before.ts);
            let mono = i128::from(after.mono) - i128::from(before.mono);
            let step = (wall - mono).unsigned_abs() / 1_000_000;
            clock.step_millis = clock.step_millis.max(u64::try_from(step).unwrap_or(u64::MAX));
        }
        clock
    }

    /// True when somebody set the clock, or the machine slept.
    pub fn stepped(&self) -> bool {
        self.step_millis >= REPORT_CLOCK_STEP_MILLIS
    }
}

/// One entry of the timeline.
#[derive(Debug, Serialize)]
pub struct Moment<'a> {
    /// Its place in the log.
    pub index: u64,
    /// Its leaf hash, hex.
    pub leaf: String,
    /// RFC 3339 UTC with microseconds.
    pub time: String,
    /// The entry's type.
    pub kind: &'a str,
    /// It took effect before it was durable.
    pub buffered: bool,
    /// What the entry says.
    pub body: &'a RawValue,
    /// The exact command of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// The results of a response, as the client got them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Table>,
    /// From the question to its answer, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_millis: Option<u64>,
    /// Why the payload can't be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<&'static str>,
}

impl Moment<'_> {
    /// What became of a request.
    fn state(&self) -> Option<RequestState> {
        serde_json::from_str::<Request>(self.body.get()).ok().map(|request| request.state)
    }
}

/// The exact command of a request.
#[derive(Debug, Serialize)]
pub struct Command {
    /// The text judged and sent.
    pub text: String,
    /// Bound values.
    pub parameters: Vec<Parameter>,
    /// Everything noticed.
    pub findings: Vec<Finding>,
    /// The plugins asked.
    pub plugins: Vec<PluginStamp>,
    /// Why it was held or refused.
    pub reason: Option<String>,
    /// SHA-256 of the bytes for the target, hex.
    pub wire_sha256: String,
    /// What the grammar said of the text.
    pub facts: Facts,
    /// A transaction block was open.
    pub in_transaction: bool,
    /// The effective role, when it was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// `search_path`, when it was known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_path: Option<String>,
}

/// Makes a session's report; `public_key` is the log's ([`super::Reader::public_key`]).
pub fn report<'a>(record: &'a SessionRecord, public_key: &str) -> Report<'a> {
    let first = record.records.first();
    let start = first.and_then(|first| first.entry.body::<SessionStart>().ok());
    let whole = first.and_then(|first| match &first.payload {
        Payload::Plain(json) => serde_json::from_slice::<TokenBinding>(json).ok(),
        Payload::Damaged | Payload::None | Payload::Sealed => None,
    });
    let (peer, client, brief) = start.map_or((String::new(), String::new(), None), |start| {
        (start.peer, start.client, Some(start.token))
    });
    let mut asked = HashMap::new();
    let framed = record.summary.protocol == Protocol::Postgres.word();
    Report {
        session: &record.summary,
        started: rfc3339(record.summary.started),
        ended: record.summary.ended.map(rfc3339),
        peer,
        client,
        token: whole.or(brief),
        timeline: record.records.iter().map(|one| moment(one, framed, &mut asked)).collect(),
        clock: Clock::of(&record.records),
        gaps: &record.gaps,
        more: record.more,
        checkpoint: &record.checkpoint,
        inclusion: &record.inclusion,
        public_key: public_key.to_owned(),
    }
}

/// The report as one JSON document.
///
/// # Errors
/// None that a report can cause.
pub fn json(report: &Report<'_>) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report)
}

/// RFC 3339 in UTC with microseconds, of nanoseconds since the Unix epoch.
pub fn rfc3339(nanos: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(nanos))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.microsecond()
    )
}

/// Reads one entry; `framed` says that results are frames of PostgreSQL; `asked` keeps when each
/// approval was asked for.
fn moment<'a>(record: &'a Record, framed: bool, asked: &mut HashMap<String, u64>) -> Moment<'a> {
    let entry = &record.entry;
    let mut moment = Moment {
        index: record.index,
        leaf: hex(&record.leaf),
        time: rfc3339(entry.ts),
        kind: &entry.kind,
        buffered: entry.durability.is_some(),
        body: &entry.body,
        command: None,
        results: Vec::new(),
        latency_millis: None,
        unreadable: match record.payload {
            Payload::Damaged => Some("its bytes are not those the entry commits to"),
            Payload::Sealed => Some("its key is not here: erased, or not part of this copy"),
            Payload::None | Payload::Plain(_) => None,
        },
    };
    match entry.kind.as_str() {
        kind::REQUEST => {
            if let Ok(request) = entry.body::<Request>()
                && let Some(id) = request.approval_id
            {
                asked.insert(id, entry.ts);
            }
            if let Payload::Plain(json) = &record.payload {
                moment.command = command(json);
            }
        }
        kind::RESPONSE => {
            if let Payload::Plain(frames) = &record.payload {
                let piece = entry.body::<Response>().ok().and_then(|body| body.piece);
                moment.results = match piece {
                    Some(piece) => vec![frames::piece(piece, frames.len())],
                    None if framed => frames::read(frames),
                    None => frames::lines(frames),
                };
            }
        }
        kind::APPROVAL => {
            let approval = entry.body::<Approval>().ok();
            let since = approval.and_then(|approval| asked.remove(&approval.id));
            moment.latency_millis = since.map(|since| entry.ts.saturating_sub(since) / 1_000_000);
        }
        _ => {}
    }
    moment
}

fn command(json: &[u8]) -> Option<Command> {
    let payload: RequestPayload<'_> = serde_json::from_slice(json).ok()?;
    Some(Command {
        text: payload.text.into_owned(),
        parameters: payload.parameters,
        findings: payload.findings.into_owned(),
        plugins: payload.plugins.into_owned(),
        reason: payload.reason,
        wire_sha256: payload.wire_sha256,
        facts: payload.facts.into_owned(),
        in_transaction: payload.in_transaction,
        role: payload.role.map(Cow::into_owned),
        search_path: payload.search_path.map(Cow::into_owned),
    })
}

#[cfg(test)]
mod tests;

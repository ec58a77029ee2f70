//! What happened in a session, in order, out of its report bundle.

use std::time::Duration;

use crate::audit::bundle;
use crate::audit::entry::Parameter;
use crate::audit::entry::{
    Approval, Entry, Request, RequestPayload, RequestState, Response, SessionEnd, SessionStart,
    kind,
};
use crate::protocol::Kind;

/// One session, ready to be shown or run again.
#[derive(Debug)]
pub struct Script {
    /// The session's id.
    pub session: String,
    /// Who acted.
    pub agent: String,
    /// The target's configured name.
    pub target: String,
    /// The database.
    pub database: String,
    /// The role used there.
    pub role: String,
    /// First entry, nanoseconds since the Unix epoch.
    pub began: u64,
    /// Everything that happened, in order.
    pub steps: Vec<Step>,
}

/// One thing that happened.
#[derive(Debug)]
pub struct Step {
    /// Wall clock, nanoseconds since the Unix epoch.
    pub time: u64,
    /// Since the session's first entry, by the machine's own time.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug)]
pub enum What {
    /// Somebody decided, or nobody did.
    Approval {
        /// In words.
        words: String,
    },
    /// The session ended.
    End {
        /// Why.
        reason: String,
    },
    /// The client asked for something.
    Request {
        /// Its number in the session.
        number: u64,
        /// What became of it.
        state: RequestState,
        /// What kind of request it is.
        kind: Kind,
        /// The exact text; none when its payload is not in the bundle.
        text: Option<String>,
        /// Bound values.
        parameters: Vec<Parameter>,
        /// Verdict and risk, in words.
        verdict: String,
        /// Why it was held or refused.
        reason: Option<String>,
    },
    /// A part of an answer.
    Response {
        /// The request's number.
        number: u64,
        /// The frames as the client got them; none when they are not in the bundle.
        frames: Option<Vec<u8>>,
        /// Some of it was hidden from the client.
        masked: bool,
        /// The frames are a piece of one that is too large to be taken whole.
        piece: bool,
    },
}

impl Script {
    /// Reads a bundle that was judged intact; `None` when it is none of one session.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut entries = bundle::entries(bytes)?.into_iter();
        let (first, _) = entries.next()?;
        let start: SessionStart = first.body().ok()?;
        let steps = entries.filter_map(|(entry, payload)| step(&first, &entry, payload));
        let steps = steps.collect();
        Some(Self {
            session: first.sess?,
            agent: start.agent,
            target: start.target,
            database: start.database,
            role: start.role,
            began: first.ts,
            steps,
        })
    }
}

fn step(first: &Entry, entry: &Entry, payload: Option<Vec<u8>>) -> Option<Step> {
    let what = match entry.kind.as_str() {
        kind::REQUEST => request(entry.body().ok()?, payload.as_deref()),
        kind::RESPONSE => {
            let body: Response = entry.body().ok()?;
            What::Response {
                number: body.number,
                frames: payload,
                masked: body.masked_cells > 0 || !body.hidden.is_empty(),
                piece: body.piece.is_some(),
            }
        }
        kind::APPROVAL => {
            let body: Approval = entry.body().ok()?;
            let words = format!("{:?}", body.decision).to_lowercase();
            let by = body.by.map(|by| format!(" by {}", by.subject)).unwrap_or_default();
            What::Approval { words: format!("request {} {words}{by}", body.number) }
        }
        kind::SESSION_END => What::End { reason: entry.body::<SessionEnd>().ok()?.reason },
        kind::SESSION_TORN => What::End { reason: "torn: what came after is not known".into() },
        _ => return None,
    };
    // Across a start of the machine only the wall clock goes on.
    let at = match entry.boot == first.boot {
        true => entry.mono.saturating_sub(first.mono),
        false => entry.ts.saturating_sub(first.ts),
    };
    Some(Step { time: entry.ts, at: Duration::from_nanos(at), what })
}

fn request(body: Request, payload: Option<&[u8]>) -> What {
    let payload: Option<RequestPayload<'_>> =
        payload.and_then(|payload| serde_json::from_slice(payload).ok());
    let verdict = format!("{:?}, risk {}", body.verdict, body.risk).to_lowercase();
    let (text, parameters, reason) = match payload {
        Some(payload) => (Some(payload.text.into_owned()), payload.parameters, payload.reason),
        None => (None, Vec::new(), None),
    };
    let Request { number, state, kind, .. } = body;
    What::Request { number, state, kind, text, parameters, verdict, reason }
}

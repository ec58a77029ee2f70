//! The request that a client would make of a case's statement.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use crate::fault::Fault;
use crate::protocol::postgres::frame::{self, Frame};
use crate::protocol::postgres::frontend::{self, Grammar, Step};
use crate::protocol::postgres::names::{Answer, Names, Prepared};
use crate::protocol::postgres::statement::{self, Parsers};
use crate::protocol::{Facts, Request, State};

/// PostgreSQL's grammar alone: a test is about the plugin.
struct Plain;

impl Grammar for Plain {
    fn facts(&self, text: &Arc<str>) -> Result<Arc<Facts>, Fault> {
        statement::facts(text, Parsers::Compat).map(Arc::new)
    }
}

/// The request that a client would make of a text, through the gateway's own codec.
pub(in crate::policy) fn request(
    sql: &str,
    parameters: &[Option<String>],
) -> Result<Request, Fault> {
    let mut names = Names::default();
    if parameters.is_empty() {
        let mut body = BytesMut::new();
        frame::put_string(&mut body, sql.as_bytes());
        return match step(b'Q', body, &mut names)? {
            Step::Query { request } => Ok(request),
            other => Err(refusal(other)),
        };
    }
    let mut body = BytesMut::from(&b"\0"[..]);
    frame::put_string(&mut body, sql.as_bytes());
    body.put_i16(0);
    match step(b'P', body, &mut names)? {
        Step::Parse { request, name, id, types } => {
            let prepared = Prepared::new(request.shared_text(), request.shared_facts(), types);
            frontend::parse_sent(&mut names, &name, id, prepared)?;
            names.settle(&name, id, Answer::Done);
        }
        other => return Err(refusal(other)),
    }
    let mut body = BytesMut::from(&b"\0\0\0\0"[..]);
    body.put_i16(i16::try_from(parameters.len()).unwrap_or(i16::MAX));
    for value in parameters {
        let length = value.as_ref().map(|value| i32::try_from(value.len()));
        body.put_i32(length.map_or(-1, |length| length.unwrap_or(i32::MAX)));
        body.put_slice(value.as_deref().unwrap_or_default().as_bytes());
    }
    body.put_i16(0);
    match step(b'B', body, &mut names)? {
        Step::Bind { request, .. } => Ok(request),
        other => Err(refusal(other)),
    }
}

fn step(tag: u8, body: BytesMut, names: &mut Names) -> Result<Step, Fault> {
    let state = Arc::new(State::default());
    frontend::step(Frame { tag, body: body.freeze() }, names, &Plain, &state)
}

fn refusal(step: Step) -> Fault {
    match step {
        Step::Refuse { fault, .. } => fault,
        _ => crate::fault::Fault::new(
            crate::fault::Blame::Bug,
            "golden_request",
            "XX000",
            "the statement could not be made into a request",
        ),
    }
}

//! A client's messages: what is sent on is one well-formed message, whatever came in.

use std::sync::Arc;

use bytes::BytesMut;
use portcullis::fault::Fault;
use portcullis::protocol::postgres::frame;
use portcullis::protocol::postgres::frontend::{self, Grammar, Step};
use portcullis::protocol::postgres::names::{Answer, Names, Prepared};
use portcullis::protocol::{Facts, Request, State};

use crate::Target;

const BODY_BYTES_MAX: usize = 64 * 1024;

pub(crate) const TARGET: Target = Target {
    name: "frontend",
    seeds: &[
        b"Q\0\0\0\x0dSELECT 1\0",
        b"P\0\0\0\x12s\0SELECT $1\0\0\0B\0\0\0\x12\0s\0\0\0\0\x01\0\0\0\x017\0\0\
          E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04",
        b"P\0\0\0\x14\0SELECT 1\0\0\x01\0\0\0\x17D\0\0\0\x06S\0C\0\0\0\x06S\0H\0\0\0\x04",
        b"F\0\0\0\x0e\0\0\0\x01\0\0\0\0\0\0X\0\0\0\x04",
        b"d\0\0\0\x06abc\0\0\0\x04f\0\0\0\x05\0",
    ],
    words: &[
        b"Q\0\0\0\x0dSELECT 1\0",
        b"S\0\0\0\x04",
        b"E\0\0\0\x09\0\0\0\0\0",
        b"DP",
        b"CS",
        b"\xff\xff\xff\xff",
    ],
    run,
};

/// Reads every text as nothing: what the statements mean is another target's affair.
struct Blind;

impl Grammar for Blind {
    fn facts(&self, _: &Arc<str>) -> Result<Arc<Facts>, Fault> {
        Ok(Arc::default())
    }
}

fn run(data: &[u8]) {
    requests(data);
}

/// Plays one client and counts the requests that would be judged.
fn requests(data: &[u8]) -> usize {
    let mut count = 0;
    let mut buffer = BytesMut::from(data);
    let mut names = Names::default();
    let state = Arc::<State>::default();
    while let Ok(Some(frame)) = frame::next(&mut buffer, BODY_BYTES_MAX) {
        let Ok(step) = frontend::step(frame, &mut names, &Blind, &state) else { return count };
        match step {
            Step::Parse { request, name, id, types } => {
                one_message(&request, b'P');
                let prepared = Prepared::new(request.shared_text(), Arc::default(), types);
                if frontend::parse_sent(&mut names, &name, id, prepared).is_err() {
                    return count;
                }
                names.settle(&name, id, Answer::Done);
            }
            Step::Bind { request, .. } => one_message(&request, b'B'),
            Step::Execute { request, .. } => one_message(&request, b'E'),
            Step::Query { request } => one_message(&request, b'Q'),
            Step::Terminate | Step::Wait(_) => return count,
            _ => continue,
        }
        count += 1;
    }
    count
}

/// A request's bytes must be read by the server as the one message that was judged.
fn one_message(request: &Request, tag: u8) {
    let mut wire = BytesMut::from(request.wire().as_ref());
    let sent = frame::next(&mut wire, usize::MAX).expect("a request is a frame");
    let sent = sent.expect("a request is a whole frame");
    assert_eq!((sent.tag, wire.len()), (tag, 0), "a request carries another message");
    if tag == b'Q' {
        assert_eq!(sent.body.as_ref(), [request.text().as_bytes(), b"\0"].concat());
    }
}

#[test]
fn the_seeds_reach_what_is_judged() {
    assert_eq!(TARGET.seeds.iter().map(|seed| requests(seed)).collect::<Vec<_>>(), [1, 3, 1, 0, 0]);
}

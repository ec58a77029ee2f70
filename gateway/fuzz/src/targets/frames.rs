//! Frames: however the bytes arrive, the same frames come out.

use bytes::BytesMut;
use portcullis::protocol::postgres::frame::{self, Frame};

use crate::Target;

const BODY_BYTES_MAX: usize = 4096;

pub(crate) const TARGET: Target = Target {
    name: "frames",
    seeds: &[
        b"Q\0\0\0\x0dSELECT 1\0",
        b"S\0\0\0\x04H\0\0\0\x04X\0\0\0\x04",
        b"D\0\0\0\x0b\0\x01\0\0\0\x01xD\0\0\0\x0a\0\x01\xff\xff\xff\xff",
        b"Q\0\0\0\x03",
        b"Q\x7f\xff\xff\xff",
        b"Q\xff\xff\xff\xff",
    ],
    words: &[b"\0\0\0\x04", b"\0\0\x10\x04", b"\0\0\x10\x05", b"D\0\0\0\x06\0\0"],
    run,
};

fn run(data: &[u8]) {
    let whole = frames(data, data.len().max(1));
    let single = frames(data, 1);
    assert_eq!(whole, single, "the cut between reads changed the frames");

    let mut buffer = BytesMut::from(data);
    let before = buffer.len();
    if let Ok((rows, count)) = frame::run(&mut buffer, b'D', BODY_BYTES_MAX) {
        assert_eq!(rows.len() + buffer.len(), before, "bytes were lost or made up");
        assert_eq!(frames(&rows, rows.len().max(1)).len() as u64, count);
    }
}

/// The frames of `data` as it arrives in pieces of `step` bytes, up to the first refusal.
fn frames(data: &[u8], step: usize) -> Vec<Frame> {
    let mut buffer = BytesMut::new();
    let mut found = Vec::new();
    for piece in data.chunks(step) {
        buffer.extend_from_slice(piece);
        loop {
            match frame::next(&mut buffer, BODY_BYTES_MAX) {
                Ok(Some(frame)) => {
                    assert!(frame.body.len() <= BODY_BYTES_MAX, "the bound did not hold");
                    found.push(frame);
                }
                Ok(None) => break,
                Err(_) => return found,
            }
        }
    }
    found
}

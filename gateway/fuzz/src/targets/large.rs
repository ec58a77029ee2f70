//! Rows that are too large to be taken whole, from a target that may lie about every length: in
//! whatever pieces they come, they leave as a row of any size would, or not at all.

use bytes::{BufMut, Bytes, BytesMut};
use portcullis::policy::{LargeRow, ResultPlan};
use portcullis::protocol::postgres::frame;
use portcullis::protocol::postgres::rows::{self, Cell};

use crate::Target;

const MASK: &str = "HIDDEN";
/// Cells of at least this size do not stay in memory.
const LARGE_CELL_BYTES: usize = 1024 * 1024;

/// The first byte says how many columns there are, which are hidden and whether a large cell
/// comes first; the second how the row is cut; the rest is its body.
pub(crate) const TARGET: Target = Target {
    name: "large",
    seeds: &[
        b"\x01\x03\0\x02\0\0\0\x01a\0\0\0\x02bc",
        b"\x11\x01\0\x02\0\0\0\x01a\0\0\0\x02bc",
        b"\x22\x05\0\x03\xff\xff\xff\xff\0\0\0\0\0\0\0\x03abc",
        b"\x3f\x40\0\0\0\x01a",
        b"\x2f\x80\0\0\0\x01a\xff\xff\xff\xff",
        b"\x10\x07\0\x01\x7f\xff\xff\xff",
        b"\x30\x09\0\x01\0\0\0\x01aa",
    ],
    words: &[b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x01", b"\0\x01", b"\0\x02", b"\x7f\xff"],
    run,
};

/// The row as it leaves, in parts of `step` bytes; nothing if it is refused.
fn through(hidden: &[bool], message: &[u8], step: usize) -> Option<Vec<u8>> {
    let mut plan = ResultPlan::hiding(hidden, MASK);
    let mut row = LargeRow::new(&plan, message.len() - frame::HEADER_BYTES).ok()?;
    let (mut buffer, mut out) = (BytesMut::new(), Vec::new());
    let mut parts = message.chunks(step);
    while !row.is_done() {
        match row.take(&mut plan, &mut buffer) {
            Ok(Some(piece)) => {
                assert_eq!(piece.offset, out.len() as u64, "a piece is out of place");
                assert!(!piece.masked.frames().is_empty(), "an empty piece");
                out.extend_from_slice(piece.masked.frames());
            }
            Ok(None) => buffer.extend_from_slice(parts.next().expect("it waits for too much")),
            Err(_) => {
                assert!(out.is_empty(), "some of a refused row has left");
                return None;
            }
        }
    }
    assert!(buffer.is_empty() && parts.next().is_none(), "bytes are left over");
    Some(out)
}

fn run(data: &[u8]) {
    let Some((&[choice, step], rest)) = data.split_first_chunk::<2>() else { return };
    let columns = usize::from(choice & 3) + 1;
    let hidden: Vec<bool> = (0..columns).map(|at| choice >> (4 + at.min(3)) & 1 == 1).collect();
    let mut body = BytesMut::new();
    // Seldom, for it takes long.
    let large = choice & 12 == 12 && matches!(step, 64 | 128);
    if large {
        let bytes = LARGE_CELL_BYTES + usize::from(step);
        body.put_u16(u16::try_from(columns).unwrap());
        body.put_i32(i32::try_from(bytes).unwrap());
        body.put_bytes(b'z', bytes);
    }
    body.put_slice(rest);
    if body.len() < 2 {
        // A row that is taken so has a mebibyte.
        return;
    }
    let mut message = BytesMut::new();
    frame::put(&mut message, b'D', |out| out.put_slice(&body));
    let message: Bytes = message.freeze();
    let step = if large { 100_000 } else { usize::from(step).max(1) };
    let whole = through(&hidden, &message, message.len());
    let parts = through(&hidden, &message, step);
    assert!(whole == parts, "how it is cut matters");
    if !hidden.contains(&true) {
        assert!(whole.as_deref() == Some(&message[..]), "a row that nobody masks changed");
        return;
    }
    let mask = |_: usize, column: usize, value: Option<&[u8]>| match value {
        Some(_) if hidden[column] => Cell::Value(MASK.as_bytes().to_vec()),
        _ => Cell::Keep,
    };
    let expected = rows::rewrite(&message, columns, mask).ok();
    assert!(whole.as_deref() == expected.as_deref(), "masked otherwise than a small row");
}

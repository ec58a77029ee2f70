//! Rows: what is kept stays byte for byte, what is masked is gone.

use bytes::Bytes;
use portcullis::protocol::postgres::rows::{self, Cell};

use crate::Target;

const COLUMNS: usize = 2;

pub(crate) const TARGET: Target = Target {
    name: "rows",
    seeds: &[
        b"D\0\0\0\x10\0\x02\0\0\0\x01x\0\0\0\x01y",
        b"D\0\0\0\x0e\0\x02\xff\xff\xff\xff\xff\xff\xff\xff",
        b"D\0\0\0\x0f\0\x02\0\0\0\x01x\0\0\0\0D\0\0\0\x0e\0\x02\xff\xff\xff\xff\0\0\0\0",
        b"D\0\0\0\x0b\0\x01\0\0\0\x01x",
    ],
    words: &[b"D\0\0\0\x0e\0\x02", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\x02"],
    run,
};

fn run(data: &[u8]) {
    let frames = Bytes::copy_from_slice(data);
    let kept = rows::rewrite(&frames, COLUMNS, |_, _, _| Cell::Keep);
    let counted = rows::each(&frames, COLUMNS, |_, _, _| Ok(()));
    assert_eq!(kept.is_ok(), counted.is_ok(), "one reading accepts what the other refuses");
    let (Ok(kept), Ok(count)) = (kept, counted) else { return };
    assert_eq!(kept, frames, "rows that nobody masked changed");

    let masked = rows::rewrite(&frames, COLUMNS, |_, column, _| match column {
        0 => Cell::Null,
        _ => Cell::Value(b"masked".to_vec()),
    });
    let masked = masked.expect("rows that can be read can be masked");
    let again = rows::each(&masked, COLUMNS, |_, column, value| {
        let hidden = if column == 0 { None } else { Some(&b"masked"[..]) };
        assert_eq!(value, hidden, "a masked cell shows through");
        Ok(())
    });
    assert_eq!(again.ok(), Some(count), "masking lost or made up rows");
}

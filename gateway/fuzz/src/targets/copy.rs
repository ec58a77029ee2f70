//! Rows of a COPY: what is kept stays byte for byte wherever the messages end, what is masked is
//! gone.

use bytes::{BufMut, BytesMut};
use portcullis::protocol::postgres::copy::{CopyRows, Format, Options};
use portcullis::protocol::postgres::frame;
use portcullis::protocol::postgres::rows::{self, Cell};

use crate::Target;

const COLUMNS: usize = 2;
const MASK: &[u8] = b"HIDDEN";

/// The first byte says the format and where the stream is cut, the rest is the stream.
pub(crate) const TARGET: Target = Target {
    name: "copy",
    seeds: &[
        b"\x001\ta\\tb\n\\N\t\\\\\n",
        b"\x05none\tx\n",
        b"\x011,\"a,\"\"b\"\"\nc\"\n,\"\"\n",
        b"\x09a,b\n1,2\n",
        b"\x02PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x01a\xff\xff\xff\xff\xff\xff",
        b"\x13'a\\'|\\\\b'|c\n",
    ],
    words: &[b"\\N", b"\\\\", b"\"\"", b"\n", b"PGCOPY\n\xff\r\n\0", b"\xff\xff", b"\0\x02"],
    run,
};

fn options(choice: u8) -> Options {
    let format = match choice & 3 {
        0 => Format::Text,
        1 | 3 => Format::Csv,
        _ => Format::Binary,
    };
    let mut options = Options::of(format);
    if choice & 4 != 0 && format == Format::Text {
        options.null = b"none".to_vec();
    }
    options.header = choice & 8 != 0 && format != Format::Binary;
    if choice & 16 != 0 && format == Format::Csv {
        (options.delimiter, options.quote, options.escape) = (b'|', b'\'', b'\\');
    }
    options
}

/// The stream as it leaves, in pieces, and how many rows it had; nothing if it was refused.
fn through(
    options: &Options,
    pieces: &[&[u8]],
    decide: impl Fn(Option<&[u8]>) -> Cell,
) -> Option<(Vec<u8>, u64)> {
    let mut copy = CopyRows::new(options.clone(), COLUMNS);
    let (mut out, mut count) = (Vec::new(), 0);
    for piece in pieces {
        let mut frames = BytesMut::new();
        frame::put(&mut frames, b'd', |out| out.put_slice(piece));
        let mut batch = copy.take(&frames).ok()?;
        let (rows, written) = batch.rows();
        count += rows.count();
        let masked = rows::rewrite(rows.frames(), COLUMNS, |_, _, value| decide(value));
        let masked = masked.expect("rows made here can be rewritten");
        let frames = batch.write(&written, &masked).expect("the same rows can be written");
        let mut rest = &frames[..];
        while let Some((head, after)) = rest.split_first_chunk::<5>() {
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
            out.extend_from_slice(&after[..length]);
            rest = &after[length..];
        }
    }
    copy.finish().ok().map(|()| (out, count))
}

fn run(data: &[u8]) {
    let Some((&choice, stream)) = data.split_first() else { return };
    let options = options(choice);
    let kept = through(&options, &[stream], |_| Cell::Keep);
    let (left, right) = stream.split_at(usize::from(choice >> 3).min(stream.len()));
    let cut = through(&options, &[left, right], |_| Cell::Keep);
    assert_eq!(kept, cut, "the bounds of messages matter");
    let Some((kept, count)) = kept else { return };
    assert_eq!(kept, stream, "rows that nobody masked changed");

    let masked = through(&options, &[stream], |value| match value {
        Some(_) => Cell::Value(MASK.to_vec()),
        None => Cell::Keep,
    });
    let (masked, again) = masked.expect("rows that can be read can be masked");
    assert_eq!(again, count);
    // What was masked reads as the mask and nothing else.
    let read = through(&options, &[&masked], |value| {
        assert!(value.is_none_or(|value| value == MASK), "a masked cell shows through");
        Cell::Keep
    });
    assert_eq!(read, Some((masked, count)), "masking made rows that can't be read");
}

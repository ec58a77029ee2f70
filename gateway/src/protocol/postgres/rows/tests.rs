#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::{BufMut, Bytes, BytesMut};

use super::{Cell, each, rewrite};

fn row(cells: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = BytesMut::new();
    body.put_i16(i16::try_from(cells.len()).unwrap());
    for cell in cells {
        match cell {
            Some(cell) => {
                body.put_i32(i32::try_from(cell.len()).unwrap());
                body.extend_from_slice(cell);
            }
            None => body.put_i32(-1),
        }
    }
    let mut frame = BytesMut::new();
    frame.put_u8(b'D');
    frame.put_i32(i32::try_from(body.len() + 4).unwrap());
    frame.extend_from_slice(&body);
    frame.to_vec()
}

#[test]
fn rows_are_read_and_rewritten() {
    let frames = [row(&[Some(b"a"), None]), row(&[Some(b""), Some(b"ssn")])].concat();
    let mut seen = Vec::new();
    let count = each(&frames, 2, |row, column, value| {
        seen.push((row, column, value.map(<[u8]>::to_vec)));
        Ok(())
    });
    assert_eq!(count, Ok(2));
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[3], (1, 1, Some(b"ssn".to_vec())));

    let frames = Bytes::from(frames);
    assert_eq!(rewrite(&frames, 2, |_, _, _| Cell::Keep).unwrap(), frames);
    let masked = rewrite(&frames, 2, |_, column, value| match (column, value) {
        (1, Some(_)) => Cell::Value(b"******".to_vec()),
        (0, _) => Cell::Null,
        _ => Cell::Keep,
    });
    let expected = [row(&[None, None]), row(&[None, Some(b"******")])].concat();
    assert_eq!(masked.unwrap(), expected);
}

#[test]
fn rows_without_columns_are_rows() {
    let frames = Bytes::from(row(&[]).repeat(3));
    assert_eq!(each(&frames, 0, |_, _, _| Ok(())), Ok(3));
    assert_eq!(rewrite(&frames, 0, |_, _, _| Cell::Null).unwrap(), frames);
}

/// An upstream that is not what it seems must not slip bytes past the masks.
#[test]
fn malformed_frames_are_refused() {
    let good = row(&[Some(b"ab")]);
    let with = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        bad
    };
    let long = {
        let mut long = with(4, good[4] + 1);
        long.push(0);
        long
    };
    for (name, bad) in [
        ("another tag", with(0, b'T')),
        ("another column count", with(6, 2)),
        ("a negative column count", with(5, 0xff)),
        ("a cell longer than its row", with(10, 3)),
        ("a cell shorter than its row", with(10, 1)),
        ("a negative cell length", with(7, 0xfe)),
        ("a frame longer than its bytes", with(4, 200)),
        ("a frame shorter than its minimum", with(4, 3)),
        ("a negative frame length", with(1, 0x80)),
        ("bytes after the last column", long),
        ("bytes after the last frame", [good.clone(), vec![b'D']].concat()),
        ("a cut frame", good[..good.len() - 1].to_vec()),
    ] {
        let bad = Bytes::from(bad);
        assert_eq!(each(&bad, 1, |_, _, _| Ok(())).unwrap_err().code, "reply_malformed", "{name}");
        let written = rewrite(&bad, 1, |_, _, _| Cell::Keep);
        assert_eq!(written.unwrap_err().sqlstate, "08P01", "{name}");
    }
}

#[test]
fn every_cut_of_a_frame_is_refused_and_none_panics() {
    let good = row(&[Some(b"ab"), None, Some(b"")]);
    for end in 1..good.len() {
        assert!(each(&good[..end], 3, |_, _, _| Ok(())).is_err(), "{end}");
    }
}

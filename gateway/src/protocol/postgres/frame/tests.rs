#![allow(clippy::unwrap_used)]

use super::*;

fn buffer(bytes: &[u8]) -> BytesMut {
    BytesMut::from(bytes)
}

#[test]
fn a_frame_comes_once_its_last_byte_is_there() {
    let bytes = b"Q\0\0\0\x06ab";
    let mut arriving = BytesMut::new();
    for (at, byte) in bytes.iter().enumerate() {
        assert_eq!(next(&mut arriving, 10), Ok(None), "after {at} bytes");
        arriving.put_u8(*byte);
    }
    arriving.put_u8(b'X');
    let frame = Frame { tag: b'Q', body: Bytes::from_static(b"ab") };
    assert_eq!(next(&mut arriving, 10), Ok(Some(frame)));
    assert_eq!(arriving, "X", "what follows stays");
}

#[test]
fn lengths_are_checked_before_room_is_made() {
    for length in [0, 3, -1, i32::MIN] {
        let bytes = [&b"Q"[..], &i32::to_be_bytes(length)].concat();
        assert_eq!(next(&mut buffer(&bytes), 10), Err(Malformed::Length(length)));
        assert_eq!(run(&mut buffer(&bytes), b'Q', 10), Err(Malformed::Length(length)));
    }
    let mut long = buffer(b"Q\x7f\xff\xff\xff");
    let body_bytes = i32::MAX as usize - 4;
    assert_eq!(next(&mut long, 10), Err(Malformed::Oversize { tag: b'Q', body_bytes }));
    assert!(long.capacity() < 1024);
    assert_eq!(next(&mut buffer(b"Q\0\0\0\x0e0123456789"), 10).unwrap().unwrap().body.len(), 10);
    assert!(next(&mut buffer(b"Q\0\0\0\x0f"), 10).is_err(), "one byte above the bound");
}

#[test]
fn a_run_takes_whole_frames_of_one_tag() {
    let mut bytes = buffer(b"D\0\0\0\x05aD\0\0\0\x05bC\0\0\0\x04D\0\0\0\x05c");
    let (frames, count) = run(&mut bytes, b'D', 10).unwrap();
    assert_eq!((&frames[..], count), (&b"D\0\0\0\x05aD\0\0\0\x05b"[..], 2));
    assert_eq!(run(&mut bytes, b'D', 10).unwrap().1, 0);
    assert_eq!(next(&mut bytes, 10).unwrap().unwrap().tag, b'C');
    bytes.truncate(5);
    assert_eq!(run(&mut bytes, b'D', 10).unwrap().1, 0, "half a frame stays");
    assert_eq!(bytes.len(), 5);
}

#[test]
fn what_is_put_is_what_is_read() {
    let mut out = BytesMut::new();
    put(&mut out, b'X', |out| put_string(out, b"text"));
    put(&mut out, b'Y', |_| {});
    assert_eq!(&out[..], b"X\0\0\0\x09text\0Y\0\0\0\x04");
}

#[test]
fn fields_end_where_the_body_ends() {
    let fields = |bytes: &'static [u8]| Fields::new(Bytes::from_static(bytes));
    assert_eq!(fields(b"").u8(), Err(BadBody));
    assert_eq!(fields(b"\0").i16(), Err(BadBody));
    assert_eq!(fields(b"\xff\xff").count(), Err(BadBody));
    assert_eq!(fields(b"\0\0\0").i32(), Err(BadBody));
    assert_eq!(fields(b"\0\0\0").u32(), Err(BadBody));
    assert_eq!(fields(b"text").string(), Err(BadBody));
    assert_eq!(fields(b"\0\0\0\x03ab").value(), Err(BadBody));
    assert_eq!(fields(b"\xff\xff\xff\xfe").value(), Err(BadBody));
    assert_eq!(fields(b"\xff\xff\xff\xff").value(), Ok(None));
    assert_eq!(fields(b"x").end(), Err(BadBody));
    let mut all = fields(b"\x01\0\x02ab\0\0\0\0\x01crest");
    assert_eq!(all.u8(), Ok(1));
    assert_eq!(all.count(), Ok(2));
    assert_eq!(all.string().unwrap(), "ab");
    assert_eq!(all.value().unwrap().unwrap(), "c");
    assert_eq!(all.rest(), "rest");
    assert_eq!(all.end(), Ok(()));
}

#[test]
fn a_kept_name_does_not_keep_the_read_buffer() {
    let mut read = BytesMut::with_capacity(64 * 1024);
    put(&mut read, b'B', |out| {
        put_string(out, b"name");
        out.put_i32(5);
        out.put_slice(b"value");
    });
    let mut fields = Fields::new(next(&mut read, 1000).unwrap().unwrap().body);
    let kept = (fields.string().unwrap(), fields.value().unwrap());
    fields.end().unwrap();
    assert!(read.try_reclaim(64 * 1024), "the buffer is used again, not made anew");
    assert_eq!(kept, (Bytes::from_static(b"name"), Some(Bytes::from_static(b"value"))));
}

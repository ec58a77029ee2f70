#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn data(body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    frame::put(&mut out, DATA, |out| out.put_slice(body));
    out
}

/// The bodies of CopyData messages.
fn bodies(mut frames: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((head, rest)) = frames.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
        found.push(rest[..length].to_vec());
        frames = &rest[length..];
    }
    found
}

type Hide<'a> = &'a dyn Fn(usize, Option<&[u8]>) -> rows::Cell;

/// What leaves when the pieces come one by one.
fn through(options: &Options, columns: usize, pieces: &[&[u8]], hide: Hide<'_>) -> Vec<Vec<u8>> {
    let mut copy = CopyRows::new(options.clone(), columns);
    let mut out = Vec::new();
    for piece in pieces {
        let mut batch = copy.take(&data(piece)).unwrap();
        let (rows, written) = batch.rows();
        let masked =
            rows::rewrite(rows.frames(), columns, |_, column, value| hide(column, value)).unwrap();
        out.extend(bodies(&batch.write(&written, &masked).unwrap()));
    }
    copy.finish().unwrap();
    out
}

fn keep(_: usize, _: Option<&[u8]>) -> rows::Cell {
    rows::Cell::Keep
}

fn csv() -> Options {
    Options::of(Format::Csv)
}

fn binary(tuples: &[&[Option<&[u8]>]]) -> Vec<u8> {
    let mut out = BytesMut::from(SIGNATURE);
    out.put_slice(&[0; 8]);
    for tuple in tuples {
        out.put_i16(i16::try_from(tuple.len()).unwrap());
        tuple.iter().for_each(|cell| put_cell(&mut out, *cell).unwrap());
    }
    out.put_i16(-1);
    out.to_vec()
}

#[test]
fn rows_left_alone_leave_as_they_came_wherever_the_messages_end() {
    let text = Options::of(Format::Text);
    let header = Options { header: true, ..csv() };
    let odd = Options { delimiter: b'|', quote: b'\'', escape: b'\\', ..csv() };
    let word = Options { null: b"none".to_vec(), delimiter: b';', ..text.clone() };
    for (options, columns, stream) in [
        (&text, 3, &b"1\ta\\tb\\\\\\n\t\\N\n2\t\t\xc3\xa9\n"[..]),
        (&text, 1, b"\n\\\\.\n"),
        (&word, 2, b"none;a\\;b\nx;none\n"),
        (&csv(), 3, b"1,\"a,\"\"b\"\"\nc\",\n2,\"\",x\\y\n"),
        (&header, 2, b"\"i\nd\",na\n1,2\n"),
        (&odd, 2, b"'a\\'|\\\\b'|c\n|''\n"),
    ] {
        let lines = through(options, columns, &[stream], &keep).concat();
        assert_eq!(lines, stream);
        for cut in 0..stream.len() {
            let pieces = [&stream[..cut], &stream[cut..]];
            assert_eq!(through(options, columns, &pieces, &keep).concat(), stream, "at {cut}");
        }
    }
    let stream = binary(&[&[Some(b"a\n"), None], &[Some(b""), Some(&[0xff; 300])]]);
    let options = Options::of(Format::Binary);
    for cut in 0..stream.len() {
        let pieces = [&stream[..cut], &stream[cut..]];
        assert_eq!(through(&options, 2, &pieces, &keep).concat(), stream, "at {cut}");
    }
    let whole = through(&options, 2, &[&stream], &keep);
    assert_eq!(whole.len(), 3, "the head leaves with the first tuple");
}

#[test]
fn values_are_read_and_replaced_in_their_format() {
    let hide = |column: usize, value: Option<&[u8]>| match (column, value) {
        (_, None) => rows::Cell::Keep,
        (0, Some(b"a\tb\\")) => rows::Cell::Value(b"x\ty\\z\n".to_vec()),
        (0, Some(b"a,\"b\"\nc")) => rows::Cell::Value(b"x,\"y\"".to_vec()),
        (0, Some(b"q")) => rows::Cell::Value(b"plain".to_vec()),
        (1, Some(_)) => rows::Cell::Null,
        (0, other) => panic!("read as {other:?}"),
        _ => rows::Cell::Keep,
    };
    let text = Options::of(Format::Text);
    let lines = through(&text, 2, &[b"a\\tb\\\\\tsecret\n\\N\t\\N\n"], &hide);
    assert_eq!(lines, [&b"x\\ty\\\\z\\n\t\\N\n"[..], b"\\N\t\\N\n"]);

    let lines = through(&csv(), 2, &[b"\"a,\"\"b\"\"\nc\",secret\nq,\"\"\n\"q\",\n"], &hide);
    assert_eq!(lines, [&b"\"x,\"\"y\"\"\",\n"[..], b"plain,\n", b"\"plain\",\n"]);

    let stream = binary(&[&[Some(b"q"), Some(b"secret")]]);
    let lines = through(&Options::of(Format::Binary), 2, &[&stream], &hide).concat();
    assert_eq!(lines, binary(&[&[Some(b"plain"), None]]));
}

/// A value that reads like the word for NULL must not be told from the others by that.
#[test]
fn a_chosen_word_for_null_is_no_way_to_ask_for_a_value() {
    let hide = |_: usize, value: Option<&[u8]>| match value {
        Some(_) => rows::Cell::Null,
        None => rows::Cell::Keep,
    };
    let guess = Options { null: b"guess".to_vec(), ..Options::of(Format::Text) };
    assert_eq!(through(&guess, 1, &[b"guess\nother\n"], &hide), [b"guess\n", b"guess\n"]);
    let fixed = |_: usize, _: Option<&[u8]>| rows::Cell::Value(b"***".to_vec());
    assert_eq!(through(&guess, 1, &[b"guess\nother\n"], &fixed), [b"***\n", b"***\n"]);
    let quoted = Options { null: b"***".to_vec(), ..csv() };
    assert_eq!(through(&quoted, 1, &[b"x\n"], &fixed), [b"\"***\"\n"], "no value reads as NULL");
}

#[test]
fn what_is_no_row_of_these_columns_stops_the_copy() {
    let binary_options = Options::of(Format::Binary);
    let text = Options::of(Format::Text);
    let mut after_end = binary(&[]);
    after_end.push(0);
    let mut negative = binary(&[]);
    let at = negative.len() - 2;
    negative[at] = 0x80;
    for (options, stream) in [
        (&text, &b"1\n"[..]),
        (&text, b"1\t2\t3\n"),
        (&text, b"1\t2\\\n"),
        (&csv(), b"1,a\"b\n\"\n"),
        (&csv(), b"1,\"a\"b\n"),
        (&csv(), b"1,\"a\"x\"\"\n"),
        (&binary_options, b"PGCOPX"),
        (&binary_options, &binary(&[&[Some(b"one")]])),
        (&binary_options, &after_end),
        (&binary_options, &negative),
    ] {
        let stopped = CopyRows::new(options.clone(), 2).take(&data(stream)).map(|_| ());
        assert!(stopped.is_err(), "{:?} passed", stream.escape_ascii().to_string());
    }
    for (options, stream) in [
        (&text, &b"1\t2"[..]),
        (&csv(), b"1,\"2\n"),
        (&binary_options, &binary(&[])[..20]),
        (&binary_options, &[]),
    ] {
        let mut copy = CopyRows::new(options.clone(), 2);
        copy.take(&data(stream)).unwrap();
        assert!(copy.finish().is_err(), "cut short");
    }
    assert!(CopyRows::new(text.clone(), 2).take(b"D\0\0\0\x04").is_err());
    assert!(CopyRows::new(text, 2).take(b"d\0\0\0\x09x").is_err());
}

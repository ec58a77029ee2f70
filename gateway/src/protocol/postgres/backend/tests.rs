#![allow(clippy::unwrap_used)]

use super::*;
use crate::fault::Blame;

fn fault() -> Fault {
    Fault::new(Blame::Policy, "code", "42501", "no\0t this").detail("why").hint("do that")
}

fn written(severity: Severity, fault: &Fault) -> (u8, Bytes) {
    let mut out = BytesMut::new();
    report(&mut out, severity, fault);
    let frame = frame::next(&mut out, 10_000).unwrap().unwrap();
    assert!(out.is_empty());
    (frame.tag, frame.body)
}

#[test]
fn a_fault_is_a_report_that_names_its_speaker() {
    for (severity, tag, word) in [
        (Severity::Error, b'E', "ERROR"),
        (Severity::Fatal, b'E', "FATAL"),
        (Severity::Notice, b'N', "NOTICE"),
    ] {
        let (found, body) = written(severity, &fault());
        assert_eq!(found, tag);
        let field = |code| report_field(&body, code);
        assert_eq!(field(b'S').as_deref(), Some(word));
        assert_eq!(field(b'V').as_deref(), Some(word));
        assert_eq!(field(b'C').as_deref(), Some("42501"));
        assert_eq!(field(b'M').as_deref(), Some("portcullis: no\u{fffd}t this"));
        assert_eq!(field(b'D').as_deref(), Some("why"));
        assert_eq!(field(b'H').as_deref(), Some("do that"));
        assert_eq!(field(b'R').as_deref(), Some("portcullis"));
        assert_eq!(field(b'W'), None);
    }
}

#[test]
fn a_syntax_error_reads_as_the_target_would_write_it() {
    let fault = Fault::new(Blame::Client, "syntax_error", "42601", "syntax error at or near \"x\"");
    let (_, body) = written(Severity::Error, &fault.detail("position 8"));
    let field = |code| report_field(&body, code);
    assert_eq!(field(b'M').as_deref(), Some("syntax error at or near \"x\""));
    assert_eq!(field(b'P').as_deref(), Some("8"));
    assert_eq!((field(b'D'), field(b'R').as_deref()), (None, Some("portcullis")));
}

#[test]
fn reports_that_are_cut_or_lack_fields_are_read_as_far_as_they_go() {
    let read = |body: &'static [u8], code| report_field(&Bytes::from_static(body), code);
    assert_eq!(read(b"C42501\0\0", b'C').as_deref(), Some("42501"));
    assert_eq!(read(b"\0", b'C'), None);
    assert_eq!(read(b"", b'C'), None);
    assert_eq!(read(b"C425", b'C'), None);
    assert_eq!(read(b"Sx\0", b'C'), None);
}

#[test]
fn a_row_description_is_read_whole_or_not_at_all() {
    let body = b"\0\x01id\0\0\0\x40\x01\0\x02\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01";
    let column = row_description(Bytes::from_static(body)).unwrap().pop().unwrap();
    let expected = FieldDescription {
        name: "id".to_owned(),
        table_oid: 0x4001,
        attnum: 2,
        type_oid: 23,
        format: 1,
    };
    assert_eq!(column, expected);
    for end in 0..body.len() {
        assert!(row_description(Bytes::from_static(&body[..end])).is_err(), "{end}");
    }
    assert!(row_description([&body[..], b"x"].concat().into()).is_err());
    assert!(row_description(Bytes::from_static(b"\xff\xff")).is_err());
}

#[test]
fn rows_tags_and_parameters_are_read_whole_or_not_at_all() {
    let row = |body: &'static [u8]| text_row(Bytes::from_static(body));
    let values = vec![Some("a".to_owned()), None];
    assert_eq!(row(b"\0\x02\0\0\0\x01a\xff\xff\xff\xff"), Ok(values));
    assert_eq!(row(b"\0\x01\0\0\0\x01\xff"), Err(BadBody));
    assert_eq!(row(b"\0\0x"), Err(BadBody));
    let tag = |body: &'static [u8]| command_tag(Bytes::from_static(body));
    assert_eq!(tag(b"SELECT 1\0").as_deref(), Ok("SELECT 1"));
    assert_eq!((tag(b"SELECT 1"), tag(b"SELECT\0x")), (Err(BadBody), Err(BadBody)));
    let parameter = |body: &'static [u8]| parameter_status(Bytes::from_static(body));
    assert_eq!(parameter(b"a\0b\0"), Ok(("a".to_owned(), "b".to_owned())));
    assert_eq!(parameter(b"a\0b"), Err(BadBody));
}

#[test]
fn a_tag_fits_the_verbs_it_can_come_from() {
    for (verb, tag) in [
        ("select", "SELECT 3"),
        ("insert", "INSERT 0 1"),
        ("begin", "START TRANSACTION"),
        ("commit", "ROLLBACK"),
        ("rollback_to", "ROLLBACK"),
        ("create_table_as", "SELECT 1"),
        ("create_table_as", "CREATE TABLE AS"),
        ("select_into", "SELECT 1"),
        ("drop_table", "DROP TABLE"),
        ("execute", "UPDATE 1"),
        ("declare_cursor", "DECLARE CURSOR"),
        ("explain_analyze", "EXPLAIN"),
    ] {
        assert!(tag_fits(verb, tag), "{verb}: {tag}");
    }
    for (verb, tag) in [
        ("select", "DELETE 5"),
        ("select", "SELECTED"),
        ("select", ""),
        ("explain", "UPDATE 1"),
        ("rollback", "COMMIT"),
        ("create_table_as", "INSERT 0 1"),
        ("drop_table", "DELETE 1"),
    ] {
        assert!(!tag_fits(verb, tag), "{verb}: {tag}");
    }
}

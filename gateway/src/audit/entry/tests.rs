#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::fixture::claims;

fn frame(link: Option<Link<'_>>) -> Frame<'_> {
    Frame {
        kind: kind::NOTE,
        link,
        time: Reading { wall: 1, mono: 2 },
        boot: "b",
        buffered: true,
        payload: None,
    }
}

#[test]
fn the_line_is_what_the_format_describes() {
    let link = Link { session: "ses_1", sequence: 3, previous: Some([0xab; 32]) };
    let note = SessionNote::CancelRequested { peer: "p".to_owned() };
    let line = String::from_utf8(frame(Some(link)).line(&note).unwrap()).unwrap();
    let sprev = "ab".repeat(32);
    let expected = format!(
        r#"{{"v":1,"type":"note","sess":"ses_1","sseq":3,"sprev":"{sprev}","ts":1,"mono":2,"#
    );
    let expected = expected
        + r#""boot":"b","durability":"buffered","body":{"note":"cancel_requested","peer":"p"}}"#;
    assert_eq!(line, expected);
    let entry = Entry::read(line.as_bytes()).unwrap();
    assert_eq!(entry.body::<SessionNote>().unwrap(), note);
}

#[test]
fn an_entry_above_the_bound_is_not_made() {
    let long = "x".repeat(ENTRY_BYTES_MAX);
    assert!(frame(None).line(&long).is_none());
}

#[test]
fn unknown_fields_and_versions_are_refused() {
    let good = r#"{"v":1,"type":"note","ts":1,"mono":2,"boot":"b","body":{}}"#;
    assert!(Entry::read(good.as_bytes()).is_ok());
    assert!(Entry::read(good.replace("\"v\":1", "\"v\":2").as_bytes()).is_err());
    assert!(Entry::read(good.replace("\"ts\"", "\"x\":1,\"ts\"").as_bytes()).is_err());
}

#[test]
fn long_claims_leave_the_entry_but_not_the_binding() {
    let mut claims = claims();
    claims.groups = (0..500).map(|number| format!("group-{number}")).collect();
    let brief = TokenBinding::brief(&claims);
    assert!(brief.clipped && brief.groups.is_empty());
    assert_eq!(brief.token_sha256, claims.token_sha256);
    assert_eq!(TokenBinding::whole(&claims).groups.len(), 500);
}

#[test]
fn clipping_keeps_characters_whole() {
    assert_eq!(clip_to("abc", 3), "abc");
    assert_eq!(clip_to("a\u{e9}b", 2), "a[...]");
}

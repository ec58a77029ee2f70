#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::protocol::Class;

/// Facts that say nothing, except for texts that can't be read.
struct Plain;

impl Grammar for Plain {
    fn facts(&self, text: &Arc<str>) -> Result<Arc<Facts>, Fault> {
        match &**text {
            "bad" => Err(Fault::new(Blame::Client, "syntax_error", "42601", "bad")),
            _ => Ok(Arc::default()),
        }
    }
}

fn take(names: &mut Names, tag: u8, body: &[u8]) -> Result<Step, Violation> {
    let frame = Frame { tag, body: Bytes::copy_from_slice(body) };
    step(frame, names, &Plain, &Arc::default())
}

fn framed(tag: u8, body: &[u8]) -> Bytes {
    wire(tag, |out| out.put_slice(body))
}

/// Sends and settles what a client would, so that later messages find it.
fn ready() -> Names {
    let mut names = Names::default();
    let Step::Parse { name, id, request, types } =
        take(&mut names, b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17").unwrap()
    else {
        panic!("no Parse");
    };
    assert_eq!(request.wire(), &framed(b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17"));
    let prepared = Prepared::new(request.shared_text(), request.shared_facts(), types);
    parse_sent(&mut names, &name, id, prepared).unwrap();
    let bound = take(&mut names, b'B', b"p\0s\0\0\0\0\0\0\0").unwrap();
    assert!(matches!(bound, Step::Bind { .. }));
    names
}

#[test]
fn a_valid_message_is_framed_anew_as_it_came() {
    let mut names = ready();
    for (tag, body) in [
        (b'Q', &b"SELECT 1; SELECT 2\0"[..]),
        (b'Q', b"\0"),
        (b'P', b"t\0SELECT 1\0\0\0"),
        (b'P', b"\0SELECT $1, $2\0\0\x02\0\0\0\x17\0\0\0\0"),
        (b'B', b"\0s\0\0\0\0\0\0\0"),
        (b'B', b"q\0s\0\0\x01\0\x01\0\x01\0\0\0\x02ab\0\x01\0\x01"),
        (b'B', b"q\0s\0\0\x02\0\x01\0\0\0\x02\xff\xff\xff\xff\0\0\0\0\0\0"),
        (b'E', b"p\0\0\0\0\x05"),
    ] {
        let request = match take(&mut names, tag, body).unwrap() {
            Step::Bind { request, .. }
            | Step::Execute { request, .. }
            | Step::Parse { request, .. }
            | Step::Query { request } => request,
            other => panic!("{other:?}"),
        };
        assert_eq!(request.wire(), &framed(tag, body), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn values_are_read_with_their_formats() {
    let mut names = ready();
    let body = b"\0s\0\0\x02\0\x01\0\0\0\x02\0\0\0\x01a\xff\xff\xff\xff\0\0";
    let Step::Bind { request, .. } = take(&mut names, b'B', body).unwrap() else {
        panic!("no Bind")
    };
    let value = Some(Bytes::from_static(b"a"));
    let expected = [
        Parameter { binary: true, type_oid: 23, value },
        Parameter { binary: false, type_oid: 0, value: None },
    ];
    assert_eq!(request.parameters(), expected);
    assert_eq!(request.text(), "SELECT $1", "a Bind is judged by the text behind its name");
}

#[test]
fn malformed_messages_break_the_protocol() {
    for (name, tag, body) in [
        ("an unknown tag", b'!', &b""[..]),
        ("the server's own tag", b'Z', b"I"),
        ("no end of the text", b'Q', b"SELECT 1"),
        ("bytes after the text", b'Q', b"SELECT 1\0x"),
        ("no types", b'P', b"t\0SELECT 1\0"),
        ("a negative count of types", b'P', b"t\0SELECT 1\0\xff\xff"),
        ("fewer types than counted", b'P', b"t\0SELECT 1\0\0\x02\0\0\0\x17"),
        ("more types than counted", b'P', b"t\0SELECT 1\0\0\0\0\0\0\x17"),
        ("no formats", b'B', b"\0s\0"),
        ("an unknown format", b'B', b"\0s\0\0\x01\0\x02\0\0\0\0"),
        ("a negative format", b'B', b"\0s\0\0\x01\xff\xff\0\0\0\0"),
        ("fewer values than formats", b'B', b"\0s\0\0\x02\0\0\0\0\0\x01\0\0\0\0\0\0"),
        (
            "more values than formats",
            b'B',
            b"\0s\0\0\x02\0\0\0\0\0\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0",
        ),
        ("a negative count of values", b'B', b"\0s\0\0\0\xff\xff\0\0"),
        ("a value longer than the message", b'B', b"\0s\0\0\0\0\x01\0\0\0\x09ab\0\0"),
        ("a negative length of a value", b'B', b"\0s\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
        ("bytes after the formats", b'B', b"\0s\0\0\0\0\0\0\0x"),
        ("no row limit", b'E', b"p\0"),
        ("a long row limit", b'E', b"p\0\0\0\0\0\0"),
        ("no kind", b'D', b""),
        ("another kind", b'D', b"Xs\0"),
        ("no end of the name", b'D', b"Ss"),
        ("bytes after the name", b'C', b"Ss\0s"),
        ("a Sync with a body", b'S', b"x"),
        ("a Flush with a body", b'H', b"x"),
        ("a Terminate with a body", b'X', b"x"),
    ] {
        let step = take(&mut ready(), tag, body);
        let fault = match step {
            Err(fault) => fault,
            Ok(step) => panic!("{name}: {step:?}"),
        };
        assert_eq!((fault.code, fault.sqlstate), ("protocol_violation", "08P01"), "{name}");
    }
}

/// The code and the cycle of a refusal.
fn refusal(step: Step) -> (&'static str, Cycle) {
    match step {
        Step::Refuse { cycle, fault, .. } => (fault.code, cycle),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_judged_is_refused_in_its_own_cycle() {
    let long = [&[b'n'; NAME_BYTES_MAX + 1][..], b"\0SELECT 1\0\0\0"].concat();
    let reserved = [REFUSED_STATEMENT, b"\0SELECT 1\0\0\0"].concat();
    for (tag, body, code, cycle) in [
        (b'Q', &b"bad\0"[..], "syntax_error", Cycle::Simple),
        (b'Q', b"\xff\0", "statement_not_utf8", Cycle::Simple),
        (b'P', b"t\0bad\0\0\0", "syntax_error", Cycle::Extended),
        (b'P', b"t\0\xff\0\0\0", "statement_not_utf8", Cycle::Extended),
        (b'P', b"\xff\0SELECT 1\0\0\0", "name_refused", Cycle::Extended),
        (b'P', &long, "name_refused", Cycle::Extended),
        (b'P', &reserved, "name_refused", Cycle::Extended),
        (b'B', b"\0none\0\0\0\0\0\0\0", "name_unknown", Cycle::Extended),
        (b'B', b"\xff\0s\0\0\0\0\0\0\0", "name_refused", Cycle::Extended),
        (b'E', b"none\0\0\0\0\0", "name_unknown", Cycle::Extended),
        (b'D', b"P\xff\0", "name_refused", Cycle::Extended),
    ] {
        let step = take(&mut ready(), tag, body).unwrap();
        assert_eq!(refusal(step), (code, cycle), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_function_call_is_a_request_once_its_function_has_a_name() {
    let body =
        [&[0, 0, 5, 0xdd, 0, 1, 0, 1, 0, 2][..], &[0, 0, 0, 1, 7, 0xff, 0xff, 0xff, 0xff, 0, 1]]
            .concat();
    let Step::Call(call) = take(&mut ready(), b'F', &body).unwrap() else { panic!() };
    assert_eq!(call.oid(), 1501);
    let request = call.request("pg_catalog.abs", &Arc::default());
    assert_eq!(request.wire()[5..], body);
    let values: Vec<_> = request.parameters().iter().map(|it| (it.binary, &it.value)).collect();
    assert_eq!(values, [(true, &Some(Bytes::from_static(&[7]))), (true, &None)]);
    let statement = &request.facts().statements[0];
    assert_eq!((statement.verb.as_str(), statement.class), ("function_call", Class::Code));
    for broken in [&body[..body.len() - 1], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 9], b""] {
        assert!(take(&mut ready(), b'F', broken).is_err());
    }
}

#[test]
fn words_go_on_as_they_came() {
    let mut names = ready();
    let said = |step: Step| match step {
        Step::Close { named, .. } => Control::Close(named),
        Step::Describe { named, .. } => Control::Describe(named),
        Step::Flush => Control::Flush,
        Step::Sync => Control::Sync,
        Step::Terminate => Control::Terminate,
        other => panic!("{other:?}"),
    };
    for (tag, body) in [
        (b'D', &b"Ss\0"[..]),
        (b'D', b"Pp\0"),
        (b'D', b"Snone\0"),
        (b'D', b"Pnone\0"),
        (b'H', b""),
        (b'C', b"Pp\0"),
        (b'S', b""),
        (b'X', b""),
    ] {
        let mut out = BytesMut::new();
        said(take(&mut names, tag, body).unwrap()).encode(&mut out);
        assert_eq!(out.freeze(), framed(tag, body));
    }
    for tag in *b"dcf" {
        assert!(matches!(take(&mut names, tag, b"data"), Ok(Step::Ignore)));
    }
}

#[test]
fn what_is_not_sure_waits() {
    let mut names = ready();
    assert!(matches!(take(&mut names, b'P', b"s\0SELECT 2\0\0\0"), Ok(Step::Wait(_))));
    assert!(matches!(take(&mut names, b'C', b"Ss\0"), Ok(Step::Wait(_))));
    assert!(matches!(take(&mut names, b'E', b"p\0\0\0\0\0"), Ok(Step::Execute { .. })));
    assert!(matches!(take(&mut names, b'S', b""), Ok(Step::Sync)));
    for (tag, body) in [(b'E', &b"p\0\0\0\0\0"[..]), (b'D', b"Pp\0")] {
        let Ok(Step::Wait(frame)) = take(&mut names, tag, body) else { panic!("no wait") };
        assert_eq!((frame.tag, &frame.body[..]), (tag, body), "it is asked again as it came");
    }
}

#[test]
fn the_refusing_message_names_what_no_client_can_prepare() {
    let mut out = BytesMut::new();
    Control::Fail.encode(&mut out);
    let body = [b"\0", REFUSED_STATEMENT, b"\0\0\0\0\0\0\0"].concat();
    assert_eq!(out.freeze(), framed(b'B', &body));
}

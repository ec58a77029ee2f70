#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn packet(bytes: &[u8]) -> Result<Packet, Refused> {
    parse(Bytes::copy_from_slice(bytes))
}

fn session(minor: u32, parameters: &[(&str, &str)]) -> Startup {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Startup { minor, parameters: parameters.iter().map(owned).collect() }
}

#[test]
fn packets_are_told_apart_by_their_code() {
    assert_eq!(packet(&CODE_SSL.to_be_bytes()), Ok(Packet::Ssl));
    assert_eq!(packet(&CODE_GSSENC.to_be_bytes()), Ok(Packet::GssEnc));
    let cancel = encode_cancel(7, b"abcd");
    assert_eq!(cancel[..4], [0, 0, 0, 16]);
    let key = Bytes::from_static(b"abcd");
    assert_eq!(parse(cancel.slice(4..)), Ok(Packet::Cancel { pid: 7, key }));
    let start = encode(&[("user", "u")], &[Bytes::from_static(b"database\0d\0")]);
    let expected = session(0, &[("user", "u"), ("database", "d")]);
    assert_eq!(parse(start.slice(4..)), Ok(Packet::Startup(expected)));
    assert_eq!(encode_ssl_request()[4..], CODE_SSL.to_be_bytes());
}

#[test]
fn what_is_no_start_up_packet_is_refused() {
    let code = |code: u32, rest: &[u8]| [&code.to_be_bytes()[..], rest].concat();
    for (name, bytes) in [
        ("nothing", Vec::new()),
        ("half a code", vec![0, 3]),
        ("bytes behind SSLRequest", code(CODE_SSL, b"x")),
        ("bytes behind GSSENCRequest", code(CODE_GSSENC, b"x")),
        ("a cancel request without a key", code(CODE_CANCEL, b"\0\0\0\x01")),
        ("a short key", code(CODE_CANCEL, b"\0\0\0\x01abc")),
        ("a long key", code(CODE_CANCEL, &[1; 4 + 257])),
        ("no end of the parameters", code(3 << 16, b"user\0u\0")),
        ("no end of a value", code(3 << 16, b"user\0u")),
        ("bytes behind the end", code(3 << 16, b"user\0u\0\0x")),
        ("a parameter twice", code(3 << 16, b"user\0u\0user\0v\0\0")),
        ("a parameter that is not UTF-8", code(3 << 16, b"user\0\xff\0\0")),
    ] {
        assert!(matches!(packet(&bytes), Err(Refused::Malformed(_))), "{name}");
    }
    assert_eq!(packet(&code(2 << 16, b"")), Err(Refused::Version(2, 0)));
    assert_eq!(packet(b"GET / HTTP"), Err(Refused::Version(0x4745, 0x5420)));
}

#[test]
fn versions_up_to_the_newest_are_spoken() {
    for (minor, spoken, negotiated) in [
        (0, 0, None),
        (1, 0, None),
        (2, 2, None),
        (3, 2, Some(&b"v\0\0\0\x0c\0\0\0\x02\0\0\0\0"[..])),
        (9_999, 2, Some(b"v\0\0\0\x0c\0\0\0\x02\0\0\0\0")),
    ] {
        let startup = session(minor, &[("user", "u")]);
        assert_eq!(startup.minor_spoken(), spoken, "3.{minor}");
        assert_eq!(startup.negotiation().as_deref(), negotiated, "3.{minor}");
    }
    let greased = session(0, &[("user", "u"), ("_pq_.x", "1")]).negotiation();
    assert_eq!(greased.as_deref(), Some(&b"v\0\0\0\x13\0\0\0\0\0\0\0\x01_pq_.x\0"[..]));
}

#[test]
fn settings_come_from_parameters_and_options() {
    let read = |options: &str| settings(&session(0, &[("options", options)]));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for options in ["-c a.b=1", "-ca.b=1", "--a.b=1", "  -c   a.b=1  ", "--a\\.b=1"] {
        assert_eq!(read(options), Ok(vec![pair("a.b", "1")]), "{options}");
    }
    assert_eq!(read("--search-path=x"), Ok(vec![pair("search_path", "x")]));
    assert_eq!(read("-c a=x\\ y -c b=\\\\"), Ok(vec![pair("a", "x y"), pair("b", "\\")]));
    assert_eq!(read(""), Ok(Vec::new()));
    for options in ["-c", "-c a", "-S 1", "a=1", "-- a=1", "-c a=1 -d"] {
        assert!(read(options).is_err(), "{options}");
    }
    let named = session(
        0,
        &[("user", "u"), ("database", "d"), ("replication", "1"), ("_pq_.x", ""), ("Zone", "UTC")],
    );
    assert_eq!(settings(&named), Ok(vec![pair("Zone", "UTC")]));
}

/// Sent on as parameters, these would replace what the session was admitted for.
#[test]
fn options_cannot_name_what_the_packet_itself_says() {
    for name in ["user", "database", "replication", "options", "_pq_.x", "DATABASE", "-pq-.x"] {
        for options in [format!("-c {name}=a"), format!("-c{name}=a"), format!("--{name}=a")] {
            let read = settings(&session(0, &[("options", &options)]));
            assert!(matches!(read, Err(Refused::Malformed(_))), "{options}: {read:?}");
        }
    }
}

#[test]
fn replication_is_read_as_the_server_reads_it() {
    let read = |value: &str| replication(&session(0, &[("replication", value)]));
    for on in ["1", "true", "t", "TRUE", "tr", "yes", "y", "on", "ON"] {
        assert_eq!(read(on), Ok(Some(Mode::Physical)), "{on}");
    }
    for off in ["0", "false", "f", "fal", "no", "n", "off", "of", "OFF"] {
        assert_eq!(read(off), Ok(None), "{off}");
    }
    for neither in ["", "o", "2", "10", "truee", "Database", "DATABASE", "database ", " true"] {
        assert!(read(neither).is_err(), "{neither:?}");
    }
    assert_eq!(read("database"), Ok(Some(Mode::Logical)));
    assert_eq!(replication(&session(0, &[("user", "u")])), Ok(None));
}

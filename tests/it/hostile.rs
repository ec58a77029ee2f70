//! Bad input from a client: each piece gets a clear error of the protocol and an entry in the
//! log, and no secret that came with it is kept.

use std::net::Shutdown;
use std::time::Duration;

use portcullis_tests::gateway::Gateway;
use portcullis_tests::operator::{
    ALLOW, Stage, entries_of, folder_holds, refusal_codes, wait_for_stderr,
};
use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::wire::{Message, SSL_REQUEST, VERSION_3_0, Wire, c_string, frame, start_up};
use serde_json::Value;

/// Part of what must not be kept.
const CANARY: &str = "canary-pasted-password-5d1c";
/// Longer than a silent client is waited for.
const SILENT_SECS_MAX: Duration = Duration::from_secs(60);
const USER: [(&str, &str); 2] = [("user", APP_ROLE), ("database", DATABASE)];

/// The fatal error that must be next, with the connection closed behind it.
fn fatal(wire: &mut Wire, sqlstate: &str, words: &str) {
    let error = wire.message().unwrap_or_else(|error| panic!("no error, but {error}: {words}"));
    assert_error(&error, "FATAL", sqlstate, words);
    assert!(wire.closed_within(SILENT_SECS_MAX).unwrap(), "still open after: {words}");
}

fn assert_error(error: &Message, severity: &str, sqlstate: &str, words: &str) {
    assert_eq!(error.tag, b'E', "{error:?}");
    let field = |code| error.field(code).unwrap_or_default();
    let told = format!("{} {}: {}", field(b'V'), field(b'C'), field(b'M'));
    assert_eq!((field(b'V').as_str(), field(b'C').as_str()), (severity, sqlstate), "{told}");
    assert!(field(b'M').contains(words), "{told:?} has no {words:?}");
}

/// Waits until `count` refusals are told, stops the gateway and compares their codes.
fn refused_with(stage: &Stage, gateway: Gateway<'_>, mut codes: Vec<&str>) {
    wait_for_stderr(&gateway, "refused: ", codes.len());
    assert!(gateway.stop().success());
    let mut found = refusal_codes(&stage.site.log_dir());
    found.sort();
    codes.sort_unstable();
    assert_eq!(found, codes);
}

#[test]
fn bytes_that_are_no_start_up_packet_are_told_so() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let starts: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[0xff; 64],
        &[0; 16],
        &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
        &[0x80, 0, 0, 0, 0, 3, 0, 0],
        &[0, 0, 0, 7, 0, 3, 0],
    ];
    for bytes in starts {
        let mut wire = gateway.wire();
        wire.send(bytes).unwrap();
        fatal(&mut wire, "08P01", "no PostgreSQL start-up packet");
    }
    let mut codes = vec!["startup_malformed"; starts.len()];

    let mut wire = gateway.wire();
    wire.send(&start_up(2 << 16, &USER)).unwrap();
    fatal(&mut wire, "08P01", "protocol 2.0 is not spoken here");
    codes.push("protocol_version");

    let mut wire = gateway.wire();
    wire.send(&[0, 0, 0, 80, 0, 3, 0, 0, b'u']).unwrap();
    wire.socket().shutdown(Shutdown::Write).unwrap();
    fatal(&mut wire, "08P01", "ended inside a start-up packet");
    codes.push("startup_truncated");

    let mut wire = gateway.wire();
    wire.send(&[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]).unwrap();
    assert!(wire.closed_within(SILENT_SECS_MAX).unwrap());
    codes.push("tls_failed");

    // A port check that leaves without a word is nobody's attempt at anything.
    drop(gateway.wire());
    refused_with(&stage, gateway, codes);
}

#[test]
fn nothing_is_asked_and_nothing_is_smuggled_outside_tls() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();

    // A client whose TLS was stripped pushes its password along.
    let mut wire = gateway.wire();
    let mut bytes = start_up(VERSION_3_0, &USER);
    bytes.extend(frame(b'p', &c_string(CANARY)));
    wire.send(&bytes).unwrap();
    fatal(&mut wire, "28000", "TLS is required before a token is asked for");

    // Bytes pushed in plain text behind the request for TLS (CVE-2021-23214).
    let mut wire = gateway.wire();
    let mut bytes = SSL_REQUEST.to_vec();
    bytes.extend(start_up(VERSION_3_0, &USER));
    wire.send(&bytes).unwrap();
    assert!(wire.closed_within(SILENT_SECS_MAX).unwrap());

    let mut wire = gateway.wire_tls();
    wire.send(&SSL_REQUEST).unwrap();
    fatal(&mut wire, "08P01", "TLS is already in use");

    // TLS from the first byte needs the protocol's name, or it may be another protocol's bytes.
    let mut wire =
        gateway.wire().shake_hands(&std::fs::read_to_string(gateway.ca_file()).unwrap()).unwrap();
    fatal(&mut wire, "08P01", "ALPN");

    let mut wire = gateway.wire_tls();
    wire.start_up(&[("user", APP_ROLE), ("database", DATABASE), ("user", "postgres")]).unwrap();
    fatal(&mut wire, "08P01", "given twice");

    let data = stage.site.data_dir();
    let codes = vec![
        "tls_required",
        "tls_failed",
        "startup_malformed",
        "alpn_missing",
        "startup_malformed",
    ];
    refused_with(&stage, gateway, codes);
    assert!(!folder_holds(&data, CANARY.as_bytes()), "the log holds a password");
}

#[test]
fn a_password_message_that_is_not_one_is_refused() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let unended = frame(b'p', CANARY.as_bytes());
    let longer = frame(b'p', format!("{CANARY}\0more\0").as_bytes());
    let mut invalid = CANARY.as_bytes().to_vec();
    invalid.extend([0xc3, 0x28, 0]);
    let mut twice = frame(b'p', &c_string(CANARY));
    twice.extend(frame(b'Q', &c_string("SELECT 1")));
    let cases: [(Vec<u8>, &str); 7] = [
        (vec![b'p', 0, 1, 0, 4], "length is out of bounds"),
        (vec![b'p', 0xff, 0xff, 0xff, 0xff], "length is out of bounds"),
        (unended, "it has no end"),
        (longer, "bytes are left over"),
        (frame(b'p', &invalid), "not UTF-8"),
        (frame(b'Q', &c_string(CANARY)), "another message came in its place"),
        (twice, "more bytes came"),
    ];
    let mut codes = vec!["password_malformed"; cases.len() + 1];
    for (bytes, words) in cases {
        let mut wire = asked(&gateway);
        wire.send(&bytes).unwrap();
        fatal(&mut wire, "08P01", words);
    }
    let mut wire = asked(&gateway);
    wire.send(&[b'p', 0, 0, 0, 40, b'c', b'a']).unwrap();
    wire.socket().shutdown(Shutdown::Write).unwrap();
    fatal(&mut wire, "08P01", "cut short");

    // A client without a token, as psql is before it prompts, leaves in silence.
    drop(asked(&gateway));

    let mut wire = asked(&gateway);
    wire.send(&frame(b'p', &c_string(CANARY))).unwrap();
    fatal(&mut wire, "28000", "");
    codes.push("token_malformed");

    let data = stage.site.data_dir();
    refused_with(&stage, gateway, codes);
    assert!(!folder_holds(&data, CANARY.as_bytes()), "the log holds a password");
}

/// A connection that has just been asked for its password.
fn asked(gateway: &Gateway<'_>) -> Wire {
    let mut wire = gateway.wire_tls();
    wire.start_up(&USER).unwrap();
    let message = wire.message().unwrap();
    assert_eq!((message.tag, message.body.as_slice()), (b'R', &[0, 0, 0, 3][..]));
    wire
}

#[test]
fn a_silent_client_is_not_waited_for_without_end() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let (mut unsigned, mut unsecured) = (asked(&gateway), gateway.wire());
    assert!(unsecured.closed_within(SILENT_SECS_MAX).unwrap());
    fatal(&mut unsigned, "08006", "signing in took too long");
    refused_with(&stage, gateway, vec!["sign_in_slow"; 2]);
}

/// A session that is ready for its first statement.
fn signed_in(stage: &Stage, gateway: &Gateway<'_>) -> Wire {
    let mut wire = gateway.wire_tls();
    let ready = wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    assert_eq!(ready.tag, b'Z', "{:?}", ready.field(b'M'));
    wire
}

/// The one error up to ReadyForQuery; the session must go on behind it.
fn error_then_ready(wire: &mut Wire, bytes: &[u8], sqlstate: &str, words: &str) -> Message {
    wire.send(bytes).unwrap();
    let messages = wire.messages_until(b'Z').unwrap();
    let error = messages.first().unwrap();
    assert_error(error, "ERROR", sqlstate, words);
    assert_eq!(messages.len(), 2, "more than an error: {messages:?}");
    let answer = wire.query("SELECT 7").unwrap();
    let row = answer.iter().find(|message| message.tag == b'D').expect("the session goes on");
    assert_eq!(row.values(), [Some(b"7".to_vec())]);
    error.clone()
}

#[test]
fn a_message_that_cannot_be_judged_is_refused_and_the_session_goes_on() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let mut wire = signed_in(&stage, &gateway);

    let long = format!("SELECT '{}'", "x".repeat(2 * 1024 * 1024));
    let query = frame(b'Q', &c_string(&long));
    error_then_ready(&mut wire, &query, "54000", "bytes, more than the");

    let mut pipeline = frame(b'P', format!("\0{long}\0\0\0").as_bytes());
    pipeline.extend(frame(b'B', &[0; 8]));
    pipeline.extend(frame(b'E', &[0; 5]));
    pipeline.extend(frame(b'S', &[]));
    error_then_ready(&mut wire, &pipeline, "54000", "bytes, more than the");

    error_then_ready(&mut wire, &frame(b'Q', b"SELECT '\xc3\x28'\0"), "22021", "UTF-8");
    let mut parse = frame(b'P', b"\0SELECT '\xff'\0\0\0");
    parse.extend(frame(b'S', &[]));
    error_then_ready(&mut wire, &parse, "22021", "UTF-8");

    let error = error_then_ready(&mut wire, &frame(b'Q', b"SELEC 1\0"), "42601", "SELEC");
    assert_eq!(error.field(b'P').as_deref(), Some("1"));
    let error = error_then_ready(&mut wire, &frame(b'Q', b"SELECT 1 FRM x y\0"), "42601", "x");
    assert_eq!(error.field(b'P').as_deref(), Some("14"));

    let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    error_then_ready(&mut wire, &frame(b'Q', &c_string(&deep)), "54001", "");
    drop(wire);
    assert!(gateway.stop().success());

    let data = stage.site.log_dir();
    let told = |entry: &Value| entry["body"]["what"].as_str().unwrap_or_default().to_owned();
    let notes: Vec<String> = entries_of(&data, "note").iter().map(told).collect();
    assert_eq!(notes.iter().filter(|what| *what == "statement_too_long").count(), 2, "{notes:?}");
    let mut requests = entries_of(&data, "request");
    requests.retain(|entry| entry["body"]["state"] == "denied");
    let states: Vec<&str> =
        requests.iter().map(|entry| entry["body"]["sqlstate"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "42601").count(), 2, "{states:?}");
    assert!(states.contains(&"54001"), "{states:?}");
    assert_eq!(states.len() + notes.len(), 7, "a refusal without an entry: {states:?} {notes:?}");
}

#[test]
fn a_client_that_breaks_the_frames_loses_its_session() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let cases: [(&[u8], &str); 4] = [
        (&[b'Q', 0xff, 0xff, 0xff, 0xff], "length"),
        (&[b'Q', 0, 0, 0, 3], "length"),
        (&[b'z', 0, 0, 0, 4], "message type 0x7a is unknown"),
        (&[b'Q', 0x7f, 0xff, 0xff, 0xff], "broke the protocol"),
    ];
    for (bytes, words) in cases {
        let mut wire = signed_in(&stage, &gateway);
        wire.send(bytes).unwrap();
        fatal(&mut wire, "08P01", words);
    }
    let mut wire = signed_in(&stage, &gateway);
    wire.send(&[b'Q', 0, 0, 0, 99, b'D', b'R', b'O', b'P']).unwrap();
    wire.socket().shutdown(Shutdown::Write).unwrap();
    fatal(&mut wire, "08P01", "ended inside a message");

    // What stands behind the end of a statement is not part of what would be judged.
    let mut wire = signed_in(&stage, &gateway);
    wire.send(&frame(b'Q', b"SELECT 1\0; DROP TABLE orders\0")).unwrap();
    let error = wire.message().unwrap();
    assert_eq!((error.tag, error.field(b'C').as_deref()), (b'E', Some("08P01")), "{error:?}");
    drop(wire);

    assert!(gateway.stop().success());
    let ends = entries_of(&stage.site.log_dir(), "session_end");
    let reason = |entry: &Value| entry["body"]["reason"].as_str().unwrap().to_owned();
    let reasons: Vec<String> = ends.iter().map(reason).collect();
    for code in ["protocol_violation", "message_truncated"] {
        assert!(reasons.iter().any(|reason| reason.contains(code)), "{code}: {reasons:?}");
    }
    assert_eq!(stage.count("SELECT count(*) FROM pg_class WHERE relname = 'orders'"), 1);
}

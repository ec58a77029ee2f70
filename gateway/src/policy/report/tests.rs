#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;

use super::{find, read, report, words, write};

const SECRET: &str = "078-05-1120";

fn frame(tag: u8, fields: &[(u8, &str)]) -> Bytes {
    let own: Vec<_> = fields.iter().map(|(kind, v)| (*kind, v.as_bytes().to_vec())).collect();
    write(tag, &own)
}

fn has_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

/// Each of these quotes a row on a real server.
#[test]
fn errors_that_quote_rows_are_scrubbed() {
    let quote = &format!("value \"{SECRET}\"");
    let full = |code: &'static str| {
        vec![
            (b'S', "ERROR"),
            (b'V', "ERROR"),
            (b'C', code),
            (b'M', quote),
            (b'D', quote),
            (b'H', quote),
            (b'q', quote),
            (b'W', quote),
            (b's', quote),
            (b't', quote),
            (b'c', quote),
            (b'd', quote),
            (b'n', quote),
            (b'F', "x.c"),
            (b'R', "routine"),
        ]
    };
    let code_raised = vec![(b'C', "42601"), (b'M', quote), (b'P', "1"), (b'R', "exec_stmt_raise")];
    for (name, fields) in [
        ("a cast", full("22P02")),
        ("a constraint", full("23505")),
        ("RAISE", full("P0001")),
        ("RAISE with a harmless code", full("57014")),
        ("a division", full("22012")),
        // SELECT ssn::regclass: no position, it is said at run time.
        ("regclass at run time", vec![(b'C', "42P01"), (b'M', quote)]),
        ("current_setting at run time", vec![(b'C', "42704"), (b'M', quote)]),
        // DO $$ BEGIN EXECUTE (SELECT ssn ...) $$
        ("a dynamic statement", vec![(b'C', "42601"), (b'M', quote), (b'p', "1"), (b'q', quote)]),
        ("a context", vec![(b'C', "42601"), (b'M', quote), (b'P', "1"), (b'W', "f")]),
        ("RAISE without a context", code_raised),
        (
            "a cursor named by a value",
            vec![(b'C', "34000"), (b'M', quote), (b'R', "cursor_to_xml")],
        ),
        ("a file named by a value", vec![(b'C', "58P01"), (b'M', quote), (b'R', "read_file")]),
        ("a connection by a value", vec![(b'C', "08001"), (b'M', "no"), (b'D', quote)]),
        ("no code", vec![(b'M', quote)]),
    ] {
        let masked = report(frame(b'E', &fields), true, true);
        assert!(!has_secret(masked.frames()), "{name}");
        let outcome = masked.outcome().unwrap();
        assert!(!has_secret(outcome.message.as_ref().unwrap().as_bytes()), "{name}");
        let fields = read(masked.frames(), b'E').expect("a valid frame");
        assert!(find(&fields, b'M').is_some() && find(&fields, b'C').is_some(), "{name}");
    }
}

#[test]
fn notices_are_scrubbed_and_end_nothing() {
    let fields = [(b'S', "NOTICE"), (b'C', "00000"), (b'M', SECRET)];
    let masked = report(frame(b'N', &fields), false, true);
    assert!(!has_secret(masked.frames()));
    assert!(read(masked.frames(), b'N').is_some());
    assert_eq!(masked.outcome(), None);
}

/// RAISE ... USING ERRCODE carries five characters of any value.
#[test]
fn a_chosen_sqlstate_does_not_leave() {
    let fields = [(b'C', "07805"), (b'M', "x"), (b'W', "f"), (b'R', "exec_stmt_raise")];
    let masked = report(frame(b'E', &fields), true, true);
    assert_eq!(masked.outcome().unwrap().sqlstate.as_deref(), Some("P0001"));
}

#[test]
fn errors_that_an_agent_needs_stay_readable() {
    for fields in [
        vec![(b'S', "ERROR"), (b'C', "42703"), (b'M', "column \"x\" does not exist"), (b'P', "8")],
        vec![(b'S', "ERROR"), (b'C', "42601"), (b'M', "syntax error"), (b'P', "1")],
        vec![(b'S', "ERROR"), (b'C', "42501"), (b'M', "permission denied for table t")],
        vec![(b'S', "ERROR"), (b'C', "57014"), (b'M', "canceling statement")],
        vec![(b'S', "ERROR"), (b'C', "25P02"), (b'M', "current transaction is aborted")],
        vec![(b'S', "ERROR"), (b'C', "40001"), (b'M', "could not serialize access")],
        vec![(b'C', "34000"), (b'M', "cursor \"c\" does not exist"), (b'R', "PerformPortalFetch")],
    ] {
        let given = frame(b'E', &fields);
        let masked = report(given.clone(), true, true);
        assert_eq!(masked.frames(), &given, "{fields:?}");
    }
}

#[test]
fn without_masks_nothing_is_touched() {
    let given = frame(b'E', &[(b'S', "ERROR"), (b'C', "22P02"), (b'M', SECRET)]);
    let masked = report(given.clone(), true, false);
    assert_eq!(masked.frames(), &given);
    assert_eq!(masked.outcome().unwrap().sqlstate.as_deref(), Some("22P02"));
    assert_eq!(words(given.clone()).frames(), &given);
}

#[test]
fn a_report_that_can_not_be_read_is_replaced() {
    let good = frame(b'E', &[(b'C', "42601"), (b'M', SECRET), (b'P', "1")]);
    let mut long = good.to_vec();
    long.extend_from_slice(b"more");
    let wrong_tag = frame(b'D', &[(b'M', SECRET)]);
    for bad in [good.slice(..good.len() - 1), Bytes::from(long), wrong_tag, Bytes::new()] {
        for protected in [true, false] {
            let masked = report(bad.clone(), true, protected);
            assert!(!has_secret(masked.frames()));
            assert!(read(masked.frames(), b'E').is_some());
        }
    }
}

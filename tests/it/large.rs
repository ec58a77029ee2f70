//! Rows and results far larger than any buffer: they arrive whole, and the gateway's memory does
//! not grow with them.

use std::fs;
use std::io::{self, Read};

use portcullis_tests::gateway::Gateway;
use portcullis_tests::operator;
use portcullis_tests::wire::{Message, Wire, query};
use serde_json::Value;

use crate::stage::Stage;

/// The large value of a row, bytes.
const VALUE_BYTES: usize = 192 * 1024 * 1024;
/// The value of rows before it, which fill what all sessions share: the log's queue and cache, the
/// search index.
const WARM_BYTES: usize = 80 * 1024 * 1024;
/// How many those are: whether the index gathers, writes and the log commits at the same moment is
/// luck, so that they reach their most memory needs more than one.
const WARM_ROWS: usize = 3;
/// What the gateway's memory may grow by while the large row passes, KiB: a small part of it.
const GROWTH_KIB_MAX: u64 = 40 * 1024;

/// The most memory that the gateway's process ever held, KiB.
fn peak_kib(gateway: &Gateway<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The same, once the search index has taken in what the log holds: the memory in which it gathers
/// entries is its own, is bounded, and is not what a row costs.
fn settled_peak_kib(gateway: &Gateway<'_>) -> u64 {
    operator::wait_for("the index to catch up", || {
        let status = operator::status(gateway);
        (status["search"]["indexed"] == status["log"]["size"]).then_some(())
    });
    peak_kib(gateway)
}

/// Reads a length and a value of `filler` only, without keeping it; gives how long it is.
fn skim(wire: &mut Wire, filler: u8) -> usize {
    let mut length = [0; 4];
    wire.read_exact(&mut length).unwrap();
    let length = usize::try_from(i32::from_be_bytes(length)).expect("not NULL");
    let (mut left, mut buffer) = (length, vec![0; 256 * 1024]);
    while left > 0 {
        let part = &mut buffer[..left.min(256 * 1024)];
        wire.read_exact(part).unwrap();
        assert!(part.iter().all(|byte| *byte == filler), "another byte came");
        left -= part.len();
    }
    length
}

fn small(wire: &mut Wire) -> Option<String> {
    let mut length = [0; 4];
    wire.read_exact(&mut length).unwrap();
    let length = usize::try_from(i32::from_be_bytes(length)).ok()?;
    let mut value = vec![0; length];
    wire.read_exact(&mut value).unwrap();
    Some(String::from_utf8(value).unwrap())
}

/// Takes the head of a DataRow: the length of its message and the number of its columns.
fn head(wire: &mut Wire) -> (usize, u16) {
    let mut head = [0; 7];
    wire.read_exact(&mut head).unwrap();
    let [tag, a, b, c, d, high, low] = head;
    assert_eq!(tag, b'D');
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap();
    (length + 1, u16::from_be_bytes([high, low]))
}

fn last(messages: &[Message]) -> String {
    messages.iter().map(|message| char::from(message.tag)).collect()
}

#[test]
fn a_large_row_passes_at_flat_memory_and_is_recorded_in_pieces() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    for _ in 0..WARM_ROWS {
        wire.send(&query(&format!("SELECT repeat('w', {WARM_BYTES})"))).unwrap();
        assert_eq!(wire.message().unwrap().tag, b'T');
        assert_eq!(head(&mut wire).1, 1);
        assert_eq!(skim(&mut wire, b'w'), WARM_BYTES);
        wire.messages_until(b'Z').unwrap();
    }
    let before = settled_peak_kib(&gateway);
    let sql = format!("SELECT 'a', repeat('x', {VALUE_BYTES}), 'z'");
    wire.send(&query(&sql)).unwrap();
    assert_eq!(wire.message().unwrap().tag, b'T');
    let (message_bytes, columns) = head(&mut wire);
    assert_eq!((message_bytes, columns), (7 + 3 * 4 + 2 + VALUE_BYTES, 3));
    assert_eq!(small(&mut wire).as_deref(), Some("a"));
    assert_eq!(skim(&mut wire, b'x'), VALUE_BYTES);
    assert_eq!(small(&mut wire).as_deref(), Some("z"));
    assert_eq!(last(&wire.messages_until(b'Z').unwrap()), "CZ");
    // The kernel counts in batches, so a later look may even say a little less.
    let grown = peak_kib(&gateway).saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB more for a row of {VALUE_BYTES} bytes");
    drop(wire);
    gateway.stop();

    let listed = stage.site.run(&["sessions", "list", "--dir", &dir(&stage)]).success("listing");
    let session: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert_eq!(session["rows"], WARM_ROWS + 1, "{session}");
    let pieces = (VALUE_BYTES + WARM_ROWS * WARM_BYTES) / (1024 * 1024);
    assert!(session["entries"].as_u64().unwrap() > pieces as u64, "{session}");
    stage.site.run(&["audit", "verify", &dir(&stage)]).success("verifying");
}

fn dir(stage: &Stage) -> String {
    stage.site.log_dir().display().to_string()
}

#[test]
fn a_large_row_with_masks_passes_at_flat_memory() {
    let stage = Stage::new();
    let notes = |bytes: usize, id| {
        stage.admin(&format!("UPDATE customers SET notes = repeat('x', {bytes}) WHERE id = {id}"));
    };
    notes(WARM_BYTES, 41);
    notes(VALUE_BYTES, 42);
    let card = stage.admin("SELECT right(card_number, 4) FROM customers WHERE id = 41");
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let mut read = |id: u32, bytes: usize, last_four: &str| {
        let sql = format!("SELECT email, notes, card_number FROM customers WHERE id = {id}");
        wire.send(&query(&sql)).unwrap();
        assert_eq!(wire.message().unwrap().tag, b'T');
        let (message_bytes, columns) = head(&mut wire);
        assert_eq!(columns, 3);
        assert_eq!(small(&mut wire).as_deref(), Some("MASKED"));
        assert_eq!(skim(&mut wire, b'x'), bytes);
        let shown = small(&mut wire).expect("a card number");
        assert_eq!(shown.trim_start_matches('*'), last_four);
        assert_eq!(message_bytes, 7 + 3 * 4 + "MASKED".len() + bytes + shown.len());
        assert_eq!(last(&wire.messages_until(b'Z').unwrap()), "CZ");
    };
    for _ in 0..WARM_ROWS {
        read(41, WARM_BYTES, card.trim());
    }
    let before = settled_peak_kib(&gateway);
    read(42, VALUE_BYTES, "0005");
    // The kernel counts in batches, so a later look may even say a little less.
    let grown = peak_kib(&gateway).saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB more for a row of {VALUE_BYTES} bytes");
}

/// A hidden value too large to look at: replaced where the mask is the same for all, else NULL.
#[test]
fn a_large_hidden_value_is_hidden() {
    let stage = Stage::new();
    stage.admin("ALTER TABLE customers DROP CONSTRAINT customers_email_key");
    let large = "UPDATE customers SET email = repeat('e', 4000000), \
                 card_number = repeat('c', 4000000) WHERE id = 42";
    stage.admin(large);
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let answer = wire.query("SELECT email, card_number, id FROM customers WHERE id = 42").unwrap();
    assert_eq!(last(&answer), "TDCZ");
    let shown = [Some(b"MASKED".to_vec()), None, Some(b"42".to_vec())];
    assert_eq!(answer[1].values(), shown);
    let derived = "SELECT upper(email) || 'x', card_number || 'x' FROM customers WHERE id = 42";
    let answer = wire.query(derived).unwrap();
    let all: Vec<u8> = answer[1].values().into_iter().flatten().flatten().collect();
    assert!(all.len() < 100, "{} bytes came", all.len());
}

/// A session that is ended in the middle of a row must not speak inside the row.
#[test]
fn nothing_is_said_inside_a_row_that_was_cut_off() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    wire.send(&query(&format!("SELECT repeat('x', {VALUE_BYTES})"))).unwrap();
    assert_eq!(wire.message().unwrap().tag, b'T');
    assert_eq!(head(&mut wire).1, 1);
    let mut first = vec![0; 1_000_000];
    wire.read_exact(&mut first).unwrap();
    stage.admin(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE usename = 'shop_app' AND query LIKE 'SELECT repeat%'",
    );
    let mut rest = Vec::new();
    // An abrupt end of TLS counts as an end, too.
    let _: io::Result<usize> = wire.read_to_end(&mut rest);
    assert!(rest.len() < VALUE_BYTES, "the row came whole, so nothing was cut off");
    assert!(rest.iter().all(|byte| *byte == b'x'), "words inside a row");
}

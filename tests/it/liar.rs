//! A target that lies: a small fake of a server, which answers a Query with whatever it is told
//! to. The real one never sends what is sent here.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use portcullis_tests::operator::entries_of;
use portcullis_tests::wire::{READ_SECS_MAX, c_string, frame, query, tags};

use crate::replication::{OPEN, PHYSICAL, replicated, session};
use crate::stage::Stage;

/// Takes sessions without a password, and answers every Query with `lie` and every CopyDone with
/// `ends`.
fn fake(lie: Vec<u8>, ends: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (lie, ends) = (lie.clone(), ends.clone());
            std::thread::spawn(move || drop(serve(stream.unwrap(), &lie, &ends)));
        }
    });
    port
}

fn serve(mut stream: TcpStream, lie: &[u8], ends: &[u8]) -> std::io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    read(&mut stream, u32::from_be_bytes(length))?;
    let setting = |name, value| frame(b'S', &[c_string(name), c_string(value)].concat());
    let hello = [
        frame(b'R', &[0; 4]),
        setting("client_encoding", "UTF8"),
        setting("standard_conforming_strings", "on"),
        frame(b'K', &[0, 0, 0, 7, 1, 2, 3, 4]),
        frame(b'Z', b"I"),
    ];
    stream.write_all(&hello.concat())?;
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let [tag, length @ ..] = head;
        read(&mut stream, u32::from_be_bytes(length))?;
        match tag {
            b'Q' => stream.write_all(lie)?,
            b'c' => stream.write_all(ends)?,
            _ => {}
        }
    }
}

fn read(stream: &mut TcpStream, length: u32) -> std::io::Result<()> {
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body)
}

fn done(tag: &str) -> Vec<u8> {
    frame(b'C', &c_string(tag))
}

/// The target is `next` in place of `address`, without TLS.
fn go_to(stage: &Stage, address: &str, next: &str) {
    stage.site.edit_config(|text| {
        let plain = text
            .lines()
            .filter(|line| !line.starts_with("tls_"))
            .map(|line| if line.starts_with("tls = ") { "tls = \"disable\"" } else { line });
        let text: Vec<&str> = plain.collect();
        text.join("\n").replace(address, next)
    });
}

/// Answers to `SELECT 1`, and the reason in the log.
fn lies() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let described = frame(b'T', b"\0\x01a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0");
    let row = frame(b'D', b"\0\x01\0\0\0\x011");
    let ready = frame(b'Z', b"I");
    let select = done("SELECT 1");
    vec![
        ("another command", [done("DELETE 5"), ready.clone()].concat(), "completion_mismatch"),
        (
            "one statement more",
            [select.clone(), done("DELETE 5"), ready.clone()].concat(),
            "completion_mismatch",
        ),
        ("one statement less", ready.clone(), "completion_mismatch"),
        ("no statement", [frame(b'I', b""), ready.clone()].concat(), "completion_mismatch"),
        ("rows without columns", [row.clone(), ready.clone()].concat(), "target_out_of_step"),
        (
            "an answer to nothing",
            [described, row, select, ready.clone(), ready.clone()].concat(),
            "target_out_of_step",
        ),
        ("a COPY to the client", frame(b'H', b"\0\0\x01\0\0"), "target_out_of_step"),
        ("a COPY from the client", frame(b'G', b"\0\0\x01\0\0"), "target_out_of_step"),
        ("rows of a COPY", frame(b'd', b"secret\n"), "target_out_of_step"),
        ("replication", frame(b'W', b"\0\0\0"), "target_out_of_step"),
        ("a function's result", frame(b'V', b"\0\0\0\x01x"), "target_out_of_step"),
        ("an unknown message", frame(b'?', b""), "target_out_of_step"),
    ]
}

#[test]
fn a_target_that_answers_something_else_ends_the_session() {
    let stage = Stage::with_policy("default = \"allow\"\n");
    let real = format!("127.0.0.1:{}", stage.postgres.port());
    let mut address = real.clone();
    let mut reasons = Vec::new();
    for (what, lie, reason) in lies() {
        let next = format!("127.0.0.1:{}", fake(lie, Vec::new()));
        go_to(&stage, &address, &next);
        address = next;
        let gateway = stage.site.start();
        let mut wire = stage.wire(&gateway);
        wire.send(&query("SELECT 1")).unwrap();
        let messages: Vec<_> = std::iter::from_fn(|| wire.message().ok()).collect();
        let last = messages.last().expect(what);
        assert_eq!((last.tag, last.field(b'S').as_deref()), (b'E', Some("FATAL")), "{what}");
        assert!(messages.iter().all(|message| message.tag != b'd'), "{what}");
        assert!(wire.closed_within(READ_SECS_MAX).unwrap(), "{what}");
        assert!(gateway.stop().success());
        reasons.push(reason);
    }
    let ends = entries_of(&stage.site.log_dir(), "session_end");
    let told: Vec<&str> = ends.iter().map(|it| it["body"]["reason"].as_str().unwrap()).collect();
    assert_eq!(told, reasons, "the log says why each session ended");
}

/// A server ends the stream first where a timeline ends. The real one needs a standby that was
/// promoted, so a fake says what it would.
#[test]
fn a_stream_that_the_target_ends_first_ends_in_step() {
    let stage = replicated(OPEN, "all");
    let both = frame(b'W', b"\0\0\0");
    let alive = frame(b'd', &[&b"k"[..], &[0; 17]].concat());
    let ends = [done("COPY 0"), done("START_REPLICATION"), frame(b'Z', b"I")].concat();
    // Keep-alives may follow.
    let stream = [both, alive.clone(), frame(b'c', b""), alive].concat();
    let real = format!("127.0.0.1:{}", stage.postgres.port());
    let next = format!("127.0.0.1:{}", fake(stream, ends));
    go_to(&stage, &real, &next);
    let gateway = stage.site.start();
    let mut wire = session(&stage, &gateway, "true");
    // Twice: what is left of the first stream must not tell in the second.
    for round in 0..2 {
        wire.send(&query(PHYSICAL)).unwrap();
        let begun = wire.messages_until(b'c').unwrap();
        assert_eq!(tags(&begun), "W d c", "{round}");
        // The client may go on until it has read that.
        wire.send(&[frame(b'd', &[&b"r"[..], &[0; 33]].concat()), frame(b'c', b"")].concat())
            .unwrap();
        assert_eq!(tags(&wire.messages_until(b'Z').unwrap()), "d C C Z", "{round}");
    }
    drop(wire);
    assert!(gateway.stop().success());
}

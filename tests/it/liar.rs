//! A target that lies: a small fake of a server, which answers a Query with whatever it is told
//! to. The real one never sends what is sent here.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use portcullis_tests::operator::entries_of;
use portcullis_tests::wire::{READ_SECS_MAX, c_string, frame, query};

use crate::stage::Stage;

/// Takes sessions without a password, and answers every Query with `lie`.
fn fake(lie: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let lie = lie.clone();
            std::thread::spawn(move || drop(serve(stream.unwrap(), &lie)));
        }
    });
    port
}

fn serve(mut stream: TcpStream, lie: &[u8]) -> std::io::Result<()> {
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
        if tag == b'Q' {
            stream.write_all(lie)?;
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
        let next = format!("127.0.0.1:{}", fake(lie));
        stage.site.edit_config(|text| {
            let plain = text
                .lines()
                .filter(|line| !line.starts_with("tls_"))
                .map(|line| if line.starts_with("tls = ") { "tls = \"disable\"" } else { line });
            let text: Vec<&str> = plain.collect();
            text.join("\n").replace(&address, &next)
        });
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

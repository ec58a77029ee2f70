//! A target's messages: a server is trusted with its data, not with the gateway's memory.

use bytes::Bytes;
use portcullis::protocol::postgres::backend;

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "backend",
    seeds: &[
        b"\0\x01id\0\0\0\x40\0\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0",
        b"\0\x02\0\0\0\x01x\xff\xff\xff\xff",
        b"SELECT 1\0",
        b"server_version\x0015.4\0",
        b"SERROR\0C42501\0Mno\0\0",
        b"\xff\xff",
    ],
    words: &[b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"C42501\0", b"M"],
    run,
};

fn run(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    if let Ok(row) = backend::text_row(body.clone()) {
        let bytes: usize = row.iter().flatten().map(String::len).sum();
        // Each value has a length of four bytes before it, and the row a count of two.
        assert!(bytes <= 3 * data.len(), "values were made up");
    }
    // These read or refuse; there is nothing else to hold.
    let _ = backend::row_description(body.clone());
    let _ = backend::command_tag(body.clone());
    let _ = backend::parameter_status(body.clone());
    let _ = backend::report_field(&body, b'C');
}

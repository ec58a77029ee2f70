//! Requests to a witness: anybody on the network writes them. What is read has one form only.

use portcullis::export::anchor::request::{AddCheckpoint, size};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "witness",
    seeds: &[
        b"old 0\n\na\n1\nAQ==\n\n\xe2\x80\x94 a AAAAAA==\n",
        b"old 3\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\na\n5\nAQ==\n",
        b"old 18446744073709551615\n\n",
        b"old 01\n\n",
        b"",
    ],
    words: &[b"old ", b"\n\n", b"=\n", b"\xe2\x80\x94 ", b"18446744073709551616"],
    run,
};

fn run(data: &[u8]) {
    if let Some(read) = AddCheckpoint::read(data) {
        assert_eq!(read.text().as_bytes(), data, "a request is not what it was written as");
    }
    let text = String::from_utf8_lossy(data);
    if let Some(number) = size(&text) {
        assert_eq!(number.to_string(), text);
    }
}

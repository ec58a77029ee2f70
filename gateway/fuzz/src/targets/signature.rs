//! Signatures of plugins: whoever can write beside a component writes them.

use portcullis::note::VerifierKey;
use portcullis::policy::signature;

use crate::Target;

/// Signed by the key below, whose other half is gone: bytes `component`, name `mask`.
const SIGNED: &str = include_str!("signature.note");
const KEY: &str = include_str!("signature.pub");

pub(crate) const TARGET: Target = Target {
    name: "signature",
    seeds: &[
        SIGNED.as_bytes(),
        b"",
        b"portcullis plugin signature 1\nmask\n\n\n",
        b"audit.example/gw1/1\n3\nAQ==\n\n\xe2\x80\x94 a AAAAAA==\n",
    ],
    words: &[b"portcullis plugin signature 1", b"\n\n", b"\xe2\x80\x94 ", b"mask", b"=="],
    run,
};

fn run(data: &[u8]) {
    let key = VerifierKey::read(KEY).expect("the key is one");
    let held = signature::verify(b"component", "mask", data, &[key]).is_ok();
    if held {
        let (text, _) = SIGNED.split_once("\n\n").expect("the note has a text");
        let same = data.strip_prefix(text.as_bytes()).is_some_and(|rest| rest.starts_with(b"\n\n"));
        assert!(same, "a text that nobody signed passed");
    }
    // Keys come from the configuration, and are read the same way.
    let text = String::from_utf8_lossy(data);
    if let Ok(key) = VerifierKey::read(&text) {
        assert_eq!(key.text(), text.trim(), "a key is not what it was written as");
    }
}

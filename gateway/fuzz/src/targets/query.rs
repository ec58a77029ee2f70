//! What an auditor searches for: read, or refused with its place.

use portcullis::search;

use crate::Target;

const NOW: u64 = 1_800_000_000_000_000_000;

pub(crate) const TARGET: Target = Target {
    name: "query",
    seeds: &[
        b"agent:reporter column:customers.email since:2d",
        b"-verdict:denied \"drop \"\"the\"\" table\" until:2026-11-23",
        b"text:\"a b\" since:2026-11-23T01:02:03.5+01:00",
    ],
    words: &[b"since:", b"until:", b"column:", b"\"", b"\"\"", b"-", b":", b" ", b"99999999d"],
    run,
};

/// Whatever is read has conditions, and each asks for something.
fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match search::parse(text, NOW) {
        Ok(query) => {
            assert!(!query.clauses.is_empty());
            let again = search::parse(text, NOW).expect("the same again");
            assert_eq!(query, again);
        }
        Err(mistake) => assert!(mistake.at >= 1 && mistake.at <= text.chars().count() + 1),
    }
}

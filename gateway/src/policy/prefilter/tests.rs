#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Prefilter;
use crate::limits::{PREFILTER_PATTERN_BYTES_MAX, PREFILTER_PATTERNS_MAX};

fn patterns(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn cells_with_a_match_and_cells_that_are_no_text_are_shown() {
    let filter = Prefilter::new(&patterns(&["[0-9]{4}", "(?i)secret"])).unwrap().unwrap();
    for (cell, shown) in [
        (&b"card 4111"[..], true),
        (b"SECRET", true),
        (b"plain", false),
        (b"", false),
        (b"\xff", true),
        ("n\u{e4}he".as_bytes(), false),
    ] {
        assert_eq!(filter.shows(cell), shown, "{cell:?}");
    }
    assert!(Prefilter::new(&[]).unwrap().is_none());
}

#[test]
fn patterns_have_bounds_and_are_named() {
    let told = |texts: &[String]| Prefilter::new(texts).unwrap_err();
    assert!(told(&patterns(&["a", "(b"])).starts_with("patterns[1] can't be used: "));
    assert!(told(&patterns(&["(?=a)"])).contains("patterns[0]"), "no look-around");
    assert!(told(&vec!["a".to_owned(); PREFILTER_PATTERNS_MAX + 1]).contains("257 patterns"));
    let long = "a".repeat(PREFILTER_PATTERN_BYTES_MAX + 1);
    assert!(told(&[long]).contains("patterns[0] is longer"));
    let much = vec!["a".repeat(PREFILTER_PATTERN_BYTES_MAX); 17];
    assert!(told(&much).contains("bytes; expected at most"));
    assert!(told(&patterns(&["(\\w{200}){200}"])).contains("can't be used"), "a huge automaton");
}

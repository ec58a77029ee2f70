use super::{CHANGED, STORED, places};

#[test]
fn one_byte_differs() {
    assert_eq!(STORED.len(), CHANGED.len());
    assert_eq!(STORED.iter().zip(CHANGED).filter(|(a, b)| a != b).count(), 1);
}

#[test]
fn every_place_is_found() {
    assert_eq!(places(b"abcabca", b"abc"), [0, 3]);
    assert!(places(b"ab", b"abc").is_empty());
}

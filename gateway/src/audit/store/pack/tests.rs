#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn things_come_out_as_they_went_in_and_values_stay_below_the_bound() {
    let mut packer = Packer::new();
    let things: Vec<Vec<u8>> = (0..40_u8).map(|n| vec![n; usize::from(n) * 500]).collect();
    for (thing, index) in things.iter().zip(7_u64..) {
        packer.add(index, part_head(index, 3), thing);
    }
    let mut expected = things.iter().zip(7_u64..);
    for packed in packer.values() {
        let (key, value) = (packed.key, packed.written());
        assert!(value.len() <= STORE_VALUE_BYTES_MAX);
        let mut first = true;
        for (head, thing) in Things::<PART_HEAD_BYTES>::of(&value) {
            let (wanted, index) = expected.next().unwrap();
            assert_eq!((part_index(head.unwrap()), thing), (index, wanted.as_slice()));
            assert!(!first || key == index);
            first = false;
        }
    }
    assert!(expected.next().is_none());
    assert!(packer.values().len() > 3);
}

#[test]
fn bytes_that_are_no_thing_are_not_swallowed() {
    let cut = [0, 0, 0, 1, b'a', 0, 0, 0, 9, b'b'];
    let things: Vec<_> = Things::<0>::of(&cut).collect();
    assert_eq!(things, [(Some([]), &b"a"[..]), (None, &cut[5..])]);
    assert_eq!(numbers(&[0, 0, 0, 0, 0, 0, 0, 5, 1]).collect::<Vec<_>>(), [Some(5), None]);
}

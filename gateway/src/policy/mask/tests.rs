#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use aws_lc_rs::hmac;

use super::{Shape, apply, derived, strictest};
use crate::policy::host::wit::Mask;
use crate::protocol::Column;
use crate::protocol::postgres::rows::Cell;

fn shape(type_name: &str, binary: bool) -> Shape {
    Shape::of(&Column {
        name: "c".into(),
        type_name: type_name.into(),
        type_oid: 0,
        binary,
        origins: Vec::new(),
        exact: true,
    })
}

fn masked(mask: &Mask, shape: Shape, value: &str) -> Option<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    match apply(mask, shape, value.as_bytes(), &key) {
        Cell::Null => None,
        Cell::Value(value) => Some(String::from_utf8(value).unwrap()),
        Cell::Keep => panic!("a masked value must not be kept"),
    }
}

#[test]
fn masks_hide_what_they_say() {
    for (mask, value, expected) in [
        (Mask::NullOut, "secret", None),
        (Mask::Fixed("-".into()), "secret", Some("-")),
        (Mask::KeepFirst(2), "secret", Some("se****")),
        (Mask::KeepLast(2), "secret", Some("****et")),
        (Mask::KeepLast(2), "gr\u{fc}n", Some("**\u{fc}n")),
        // Keeping as much as there is would keep it all.
        (Mask::KeepFirst(6), "secret", Some("******")),
        (Mask::KeepLast(200), "secret", Some("******")),
        (Mask::KeepFirst(0), "secret", Some("******")),
        (Mask::KeepLast(4), "", Some("")),
    ] {
        assert_eq!(masked(&mask, Shape::Text, value).as_deref(), expected, "{mask:?}");
    }
}

#[test]
fn a_hash_is_keyed_and_keeps_equality() {
    let hash = |value| masked(&Mask::Hash, Shape::Text, value).unwrap();
    assert_eq!(hash("a").len(), 16);
    assert_eq!(hash("a"), hash("a"));
    assert_ne!(hash("a"), hash("b"));
    let other = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
    let with_other = apply(&Mask::Hash, Shape::Text, b"a", &other);
    assert_ne!(with_other, Cell::Value(hash("a").into_bytes()));
}

#[test]
fn what_is_not_text_becomes_null() {
    for (type_name, binary) in
        [("int4", false), ("int4", true), ("jsonb", false), ("bytea", true), ("_text", false)]
    {
        let found = masked(&Mask::Fixed("x".into()), shape(type_name, binary), "1");
        assert_eq!(found, None, "{type_name}");
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    assert_eq!(apply(&Mask::KeepFirst(1), Shape::Text, b"\xff\xfe", &key), Cell::Null);
}

#[test]
fn the_stricter_mask_counts_in_either_order() {
    let order = [
        Mask::NullOut,
        Mask::Fixed("f".into()),
        Mask::Hash,
        Mask::KeepFirst(1),
        Mask::KeepFirst(3),
    ];
    for (at, strict) in order.iter().enumerate() {
        for loose in order.iter().skip(at) {
            let expected = format!("{strict:?}");
            let found = format!("{:?}", strictest(strict.clone(), loose.clone()));
            assert_eq!(found, expected, "with {loose:?}");
            let found = format!("{:?}", strictest(loose.clone(), strict.clone()));
            assert_eq!(found, expected, "with {loose:?}");
        }
    }
    let both = strictest(Mask::KeepFirst(2), Mask::KeepLast(2));
    assert!(matches!(both, Mask::Fixed(_)), "first and last parts together show too much");
}

#[test]
fn a_computed_value_is_hidden_whole() {
    for mask in [Mask::Hash, Mask::KeepFirst(1), Mask::KeepLast(1)] {
        assert!(matches!(derived(mask), Mask::Fixed(_)));
    }
    assert!(matches!(derived(Mask::NullOut), Mask::NullOut));
}

#[test]
fn values_are_shown_as_text_or_not_at_all() {
    let show = |shape: Shape, value: &[u8]| shape.show(value).map(|v| v.to_vec());
    assert_eq!(show(shape("int8", true), &4111_i64.to_be_bytes()), Some(b"4111".to_vec()));
    assert_eq!(show(shape("int8", true), b"odd"), None);
    assert_eq!(show(shape("jsonb", true), b"\x01{}"), Some(b"{}".to_vec()));
    assert_eq!(show(shape("jsonb", true), b"\x02{}"), None);
    assert_eq!(show(shape("numeric", true), b"x"), None);
    assert_eq!(shape("jsonb", true).replace("{\"a\":1}"), Cell::Value(b"\x01{\"a\":1}".to_vec()));
    assert_eq!(shape("json", false).replace("{"), Cell::Null);
    assert_eq!(shape("int4", false).replace("1"), Cell::Null);
}

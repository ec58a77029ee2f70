#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
use std::path::Path;

use super::{VaultKey, base32};

fn key(byte: u8) -> VaultKey {
    VaultKey::new(Path::new("customer.key"), &[byte; 32])
}

#[test]
fn equal_values_get_equal_results_under_one_key_only() {
    for act in [
        |key: &VaultKey| key.hmac(b"ann@x.org"),
        |key: &VaultKey| key.tokenize("mail", "ann@x.org").map(String::into_bytes),
        |key: &VaultKey| key.imitate("ann@x.org").map(String::into_bytes),
    ] {
        assert_eq!(act(&key(1)), act(&key(1)));
        assert_ne!(act(&key(1)), act(&key(2)));
    }
}

#[test]
fn a_use_tells_nothing_of_another() {
    // A plugin that asks for the hash of a label does not get the key behind it.
    let hash = key(1).hmac(super::TOKEN).unwrap();
    let token = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &hash);
    let forged = aws_lc_rs::hmac::sign(&token, b"mail\0ann@x.org");
    let token = key(1).tokenize("mail", "ann@x.org").unwrap();
    assert_ne!(token, format!("mail_{}", base32(forged.as_ref(), 20)));
    assert!(!format!("{:?}", key(7)).contains("07, 7"), "the key is not shown");
}

#[test]
fn a_token_says_what_it_stands_for() {
    let token = key(1).tokenize("mail", "ann@x.org").unwrap();
    let (prefix, rest) = token.split_once('_').unwrap();
    assert_eq!((prefix, rest.len()), ("mail", 20));
    assert!(rest.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)));
    assert_ne!(Ok(token), key(1).tokenize("login", "ann@x.org"));
    for prefix in ["", "E", "a_b", "seventeen-letters", "a\0"] {
        assert!(key(1).tokenize(prefix, "x").is_err(), "{prefix:?}");
    }
}

#[test]
fn an_imitation_keeps_the_look() {
    let look = |text: &str| -> String {
        let one = |letter: char| match letter {
            _ if letter.is_ascii_digit() => '0',
            _ if letter.is_uppercase() => 'A',
            _ if letter.is_alphanumeric() => 'a',
            other => other,
        };
        text.chars().map(one).collect()
    };
    for value in ["4111 1111-1111.1111", "Ann.Lee+x@X.org", "", "\u{c9}ric \u{4e2d}"] {
        let imitation = key(1).imitate(value).unwrap();
        assert_eq!(look(&imitation), look(value), "{value}");
        assert!(imitation.is_ascii(), "{imitation}");
    }
    let longer = key(1).imitate(&"7".repeat(1_000)).unwrap();
    let seen: HashSet<char> = longer.chars().collect();
    assert_eq!(seen.len(), 10, "every digit comes");
    assert_ne!(longer.get(..32), longer.get(32..64), "blocks differ");
}

#[test]
fn a_value_has_a_bound() {
    let large = "x".repeat(crate::limits::VAULT_VALUE_BYTES_MAX + 1);
    assert!(key(1).hmac(large.as_bytes()).is_err());
    assert!(key(1).tokenize("x", &large).is_err());
    assert!(key(1).imitate(&large).is_err());
}

#[test]
fn base_32_is_that_of_the_standard() {
    // RFC 4648 section 10.
    assert_eq!(base32(b"fooba", 8), "mzxw6ytb");
}

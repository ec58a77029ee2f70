#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

const KEY: [u8; KEY_BYTES] = [9; KEY_BYTES];

fn seal(session: &str, chunks: &[&[u8]]) -> Sealed {
    SessionKey::new(&KEY).unwrap().seal(session, "request", chunks).unwrap()
}

#[test]
fn payloads_of_every_length_come_back() {
    for length in [0, 1, PART_PLAIN_BYTES - 1, PART_PLAIN_BYTES, PART_PLAIN_BYTES + 1, 200_000] {
        let plain: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let (head, tail) = plain.split_at(length / 3);
        let sealed = seal("ses_1", &[head, tail]);
        assert!(sealed.parts.iter().all(|part| part.len() <= PAYLOAD_PART_BYTES_MAX));
        assert_eq!(sealed.reference.bytes, sealed_bytes(length) as u64);
        assert_eq!(sealed.reference.sha256, hex(&crate::audit::tree::sha256(&sealed.parts)));
        assert_eq!(open(&KEY, "ses_1", &sealed.reference, sealed.parts).unwrap(), plain);
    }
}

#[test]
fn another_key_session_order_or_byte_does_not_open() {
    let plain = vec![3; PART_PLAIN_BYTES * 2];
    let make = || seal("ses_1", &[plain.as_slice()]);
    let sealed = make();
    let refused = Err(SealError::Cipher);
    assert_eq!(open(&[8; 32], "ses_1", &sealed.reference, make().parts), refused);
    assert_eq!(open(&KEY, "ses_2", &sealed.reference, make().parts), refused);
    let mut swapped = make().parts;
    swapped.swap(0, 1);
    assert_eq!(open(&KEY, "ses_1", &sealed.reference, swapped), refused);
    let mut changed = make().parts;
    changed[1][5] ^= 1;
    assert_eq!(open(&KEY, "ses_1", &sealed.reference, changed), refused);
}

#[test]
fn no_nonce_is_used_twice() {
    let key = SessionKey::new(&KEY).unwrap();
    let first = key.seal("ses_1", "request", &[b"same"]).unwrap();
    let second = key.seal("ses_1", "request", &[b"same"]).unwrap();
    assert_ne!(first.reference.n, second.reference.n);
    assert_ne!(first.parts, second.parts);
}

#[test]
fn a_payload_above_the_bound_is_refused() {
    let long = vec![0; PAYLOAD_BYTES_MAX + 1];
    let error = SessionKey::new(&KEY).unwrap().seal("ses_1", "request", &[&long]).unwrap_err();
    assert_eq!(error, SealError::TooLong);
}

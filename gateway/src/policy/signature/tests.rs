#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn key() -> SigningKey {
    SigningKey::generate("policy-team").unwrap()
}

#[test]
fn a_signature_holds_for_its_bytes_its_name_and_its_key() {
    let (mine, other) = (key(), key());
    let note = sign(&mine, "mask", b"component");
    let trusted = [other.key().clone(), mine.key().clone()];
    let by = verify(b"component", "mask", note.as_bytes(), &trusted);
    assert_eq!(by, Ok(mine.key().id()));

    let untrusted = verify(b"component", "mask", note.as_bytes(), &trusted[..1]);
    assert_eq!(untrusted, Err(SignatureError::Untrusted));
    assert_eq!(verify(b"component", "mask", note.as_bytes(), &[]), Err(SignatureError::Untrusted));
    let changed = verify(b"Component", "mask", note.as_bytes(), &trusted);
    assert!(matches!(changed, Err(SignatureError::Bytes(_))), "{changed:?}");
    let swapped = verify(b"component", "risk", note.as_bytes(), &trusted);
    assert_eq!(swapped, Err(SignatureError::Name("mask".to_owned())));
    // What the note says of itself is not what was signed.
    let renamed = note.replacen("\nmask\n", "\nrisk\n", 1);
    let told = verify(b"component", "risk", renamed.as_bytes(), &trusted);
    assert_eq!(told, Err(SignatureError::Untrusted));
    let redigested = note.replacen(&digest::sha256(b"component"), &digest::sha256(b"evil"), 1);
    let told = verify(b"evil", "mask", redigested.as_bytes(), &trusted);
    assert_eq!(told, Err(SignatureError::Untrusted));
}

#[test]
fn no_cut_and_no_changed_byte_of_a_signature_holds() {
    let mine = key();
    let note = sign(&mine, "mask", b"component").into_bytes();
    let trusted = [mine.key().clone()];
    let holds = |note: &[u8]| verify(b"component", "mask", note, &trusted).is_ok();
    assert!(holds(&note));
    // The last byte is the line feed behind the signature, which carries nothing.
    for length in 0..note.len() - 1 {
        assert!(!holds(&note[..length]), "cut to {length}");
    }
    for at in 0..note.len() - 1 {
        let mut changed = note.clone();
        changed[at] ^= 1;
        assert!(!holds(&changed), "byte {at}");
    }
}

#[test]
fn a_note_of_another_kind_is_no_signature() {
    let mine = key();
    let digest = digest::sha256(b"component");
    for text in [
        format!("audit.example/gw1/1\n3\n{digest}\n"),
        format!("{KIND}\nmask\n{digest}\nmore\n"),
        format!("{KIND}\n{digest}\n"),
    ] {
        let told = verify(b"component", "mask", mine.sign(&text).as_bytes(), &[mine.key().clone()]);
        assert!(matches!(told, Err(SignatureError::Form(_))), "{text}: {told:?}");
    }
}

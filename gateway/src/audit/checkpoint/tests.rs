#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn signer(name: &str) -> Signer {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    Signer::new(name, pair).unwrap()
}

#[test]
fn a_note_is_what_c2sp_describes() {
    let note = signer("audit.example/gw1/1").sign(3, [1; 32]);
    let lines: Vec<&str> = note.split('\n').collect();
    assert_eq!(lines[0], "audit.example/gw1/1");
    assert_eq!(lines[1], "3");
    assert_eq!(lines[2], "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    assert_eq!(lines[3], "");
    assert!(lines[4].starts_with("\u{2014} audit.example/gw1/1 "));
    assert_eq!(lines[5], "");
}

#[test]
fn a_changed_note_or_key_is_refused() {
    let signer = signer("audit.example/gw1/1");
    let note = signer.sign(3, [1; 32]);
    let read = Checkpoint::verify(&note, signer.key()).unwrap();
    assert_eq!((read.size, read.root), (3, [1; 32]));
    let forged = note.replacen("\n3\n", "\n4\n", 1);
    assert_eq!(Checkpoint::verify(&forged, signer.key()), Err(CheckpointError::Signature));
    let padded = note.replacen("\n3\n", "\n03\n", 1);
    assert!(matches!(Checkpoint::verify(&padded, signer.key()), Err(CheckpointError::Form(_))));
    let extended = note.replacen("=\n\n", "=\nmore\n\n", 1);
    assert!(matches!(Checkpoint::verify(&extended, signer.key()), Err(CheckpointError::Form(_))));
    let pair = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
    let other = Signer::new("audit.example/gw1/1", pair).unwrap();
    assert_eq!(Checkpoint::verify(&note, other.key()), Err(CheckpointError::Signature));
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let elsewhere = Signer::new("audit.example/gw2/1", pair).unwrap();
    let error = Checkpoint::verify(&note, elsewhere.key()).unwrap_err();
    assert!(matches!(error, CheckpointError::Origin { .. }));
    let text = signer.key().text().replacen("audit", "tidua", 1);
    assert!(VerifierKey::read(&text).is_err());
}

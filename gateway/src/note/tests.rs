#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn the_verifier_key_of_the_go_documentation_is_read() {
    let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let key = VerifierKey::read(text).unwrap();
    assert_eq!(key.name(), "PeterNeumann");
    assert_eq!(key.text(), text);
    assert_eq!(key.id(), "PeterNeumann+c74f20a3");
    let line = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2p\
                ZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    let body = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    assert!(key.signed(body, line));
    assert!(key.signed(body, &format!("\u{2014} other AAAA\n{line}\n")));
    assert!(!key.signed("another text\n", line));
    assert!(!key.signed(body, ""));
}

/// The private half of the key above, from the same documentation (golang.org/x/mod/sumdb/note).
#[test]
fn the_private_key_of_the_go_documentation_is_read() {
    let text = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let key = SigningKey::read(text).unwrap();
    let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(key.key().text(), public);
    assert_eq!(key.secret_text().unwrap().as_str(), text);
}

#[test]
fn a_key_is_what_it_was_written_as() {
    let key = SigningKey::generate("policy-team").unwrap();
    let read = SigningKey::read(&key.secret_text().unwrap()).unwrap();
    assert_eq!(read.key(), key.key());
    let note = read.sign("some text\n");
    let (text, signatures) = note.split_once("\n\n").unwrap();
    assert!(key.key().signed(&format!("{text}\n"), signatures));
    let other = SigningKey::generate("policy-team").unwrap();
    assert!(!other.key().signed(&format!("{text}\n"), signatures));
}

#[test]
fn what_is_no_key_is_refused() {
    let good = SigningKey::generate("a").unwrap();
    let (secret, public) = (good.secret_text().unwrap(), good.key().text());
    let renamed = public.replacen('a', "b", 1);
    for text in ["", "a", "a+b", "a+00000000+AAAA", "+x+y", public.get(..20).unwrap(), &renamed] {
        assert!(matches!(VerifierKey::read(text), Err(KeyError::Verifier(_))), "{text}");
    }
    for text in ["", &public, secret.get(..30).unwrap(), &secret.replacen("+a+", "+b+", 1)] {
        assert!(matches!(SigningKey::read(text), Err(KeyError::Private(_))), "{text}");
    }
    for name in ["", "a b", "a+b", "a\nb", "a\u{7}"] {
        assert!(SigningKey::generate(name).is_none(), "{name:?}");
    }
}

#[test]
fn a_note_with_anything_beside_signatures_is_refused() {
    let key = SigningKey::generate("a").unwrap();
    let note = key.sign("some text\n");
    let good = |note: &str| Note::read(note).is_ok_and(|read| read.signed(key.key()));
    let stranger = "\u{2014} witness.example AAAAAAAA\n";
    assert!(good(&note) && good(&format!("{note}{stranger}")));
    for more in ["x\n", "\n", "\u{2014} witness.example\n", "\u{2014} a+b AAAAAAAA\n", "no end"] {
        assert!(Note::read(&format!("{note}{more}")).is_err(), "{more:?}");
    }
    // A false line in the key's own name spoils the note, whatever stands beside it.
    let forged = key.sign("other text\n").lines().last().unwrap().to_owned();
    assert!(!good(&format!("{note}{forged}\n")));
    assert!(Note::read(&format!("{note}{}", stranger.repeat(SIGNATURES_MAX))).is_err());
    let other = SigningKey::generate("a").unwrap();
    assert!(!Note::read(&note).unwrap().signed(other.key()));
}

//! Signed notes and their keys: Ed25519 over a few lines of text, as C2SP signed-note says.
//!
//! The log signs its checkpoints so, and authors their plugins. A key has a name and is one line
//! of text; only Ed25519 is read or made: 0x01 for what a key's owner says, 0x04 for what a witness
//! has seen ([`cosignature`]).

pub mod cosignature;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Signature type of Ed25519 in signed notes.
const ED25519_TYPE: u8 = 0x01;
/// Length of an Ed25519 public key and of the seed of a private one, bytes.
const KEY_BYTES: usize = 32;
/// What a signature line starts with: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";
/// Most signatures of one note (C2SP asks for at least 16).
const SIGNATURES_MAX: usize = 64;
/// What a private key starts with.
const PRIVATE_MARK: &str = "PRIVATE+KEY+";

/// Why a key was refused. Never holds any of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// Not a private key.
    #[error("it is not a private key of the form PRIVATE+KEY+name+hash+key: {0}")]
    Private(&'static str),
    /// Not a verifier key.
    #[error("it is not a verifier key of the form name+hash+key: {0}")]
    Verifier(&'static str),
}

/// A public key with its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifierKey {
    name: String,
    public: [u8; KEY_BYTES],
}

impl VerifierKey {
    /// Reads `<name>+<hash>+<key>` (C2SP signed-note, verifier keys).
    ///
    /// # Errors
    /// The form is wrong, or the hash does not belong to name and key.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let (name, hash, public) = parts(text.trim(), ED25519_TYPE).map_err(KeyError::Verifier)?;
        let read = Self { name: name.to_owned(), public: *public };
        if read.hash() != hash {
            return Err(KeyError::Verifier("the hash does not belong to the name and key"));
        }
        Ok(read)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `<name>+<hash>+<key>`.
    pub fn text(&self) -> String {
        format!("{}+{}+{}", self.name, self.hash(), typed(ED25519_TYPE, &self.public).as_str())
    }

    /// `<name>+<hash>`: names this key and no other, as far as 32 bits can.
    pub fn id(&self) -> String {
        format!("{}+{}", self.name, self.hash())
    }

    /// Whether one of the lines under a note is a valid signature of `text` by this key. `text`
    /// ends with its line feed.
    pub fn signed(&self, text: &str, signatures: &str) -> bool {
        signatures.lines().any(|line| self.made(text, line))
    }

    fn made(&self, text: &str, line: &str) -> bool {
        let Some((name, id, signature)) = signature(line) else { return false };
        name == self.name
            && id == self.id_bytes()
            && UnparsedPublicKey::new(&ED25519, self.public)
                .verify(text.as_bytes(), &signature)
                .is_ok()
    }

    fn id_bytes(&self) -> [u8; 4] {
        id_of(&self.name, ED25519_TYPE, &self.public)
    }

    fn hash(&self) -> String {
        hash_of(self.id_bytes())
    }
}

/// First four bytes of SHA-256(name || 0x0A || type || key).
fn id_of(name: &str, kind: u8, public: &[u8; KEY_BYTES]) -> [u8; 4] {
    let mut bytes = name.as_bytes().to_vec();
    bytes.extend_from_slice(&[b'\n', kind]);
    bytes.extend_from_slice(public);
    match digest(&SHA256, &bytes).as_ref() {
        [a, b, c, d, ..] => [*a, *b, *c, *d],
        _ => [0; 4],
    }
}

fn hash_of([a, b, c, d]: [u8; 4]) -> String {
    format!("{a:02x}{b:02x}{c:02x}{d:02x}")
}

/// A note and its signature lines, read strictly: nothing stands in one that is neither.
#[derive(Debug)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<&'a str>,
}

impl<'a> Note<'a> {
    /// Splits a note at its last blank line.
    ///
    /// # Errors
    /// In words: it is no note as C2SP signed-note describes, with at most 64 signatures.
    pub fn read(note: &'a str) -> Result<Self, &'static str> {
        if note.chars().any(|char| char != '\n' && char < ' ') {
            return Err("control characters");
        }
        let blank = note.rfind("\n\n").ok_or("no blank line before the signatures")?;
        let (text, rest) = note.split_at_checked(blank + 1).ok_or("cut short")?;
        let lines = rest.strip_prefix('\n').and_then(|rest| rest.strip_suffix('\n'));
        let signatures: Vec<&str> =
            lines.ok_or("its last line does not end")?.split('\n').collect();
        if signatures.len() > SIGNATURES_MAX {
            return Err("too many signatures");
        }
        if signatures.iter().any(|line| signature(line).is_none()) {
            return Err("a line that is no signature");
        }
        Ok(Self { text, signatures })
    }

    /// The text with its last line feed; to be believed only when [`signed`](Self::signed).
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// True when this key signed the text, and no line in the key's name and id is false.
    pub fn signed(&self, key: &VerifierKey) -> bool {
        let id = key.id_bytes();
        let named = |line: &&&str| {
            signature(line).is_some_and(|(name, known, _)| name == key.name && known == id)
        };
        let mut ours = self.signatures.iter().filter(named);
        let first = ours.next();
        first.is_some_and(|line| key.made(self.text, line))
            && ours.all(|line| key.made(self.text, line))
    }
}

/// Name, key id and signature of a signature line.
fn signature(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, signature) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok().filter(|_| is_name(name))?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    Some((name, *id, signature.to_vec()))
}

/// A private key with its name. It has no `Debug`.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl SigningKey {
    /// A key of this name; `None` when the pair's public key has a strange length.
    pub fn new(name: &str, pair: Ed25519KeyPair) -> Option<Self> {
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, key: VerifierKey { name: name.to_owned(), public } })
    }

    /// A fresh key; `None` when the name can't stand in a key, or the system gives no random
    /// bytes.
    pub fn generate(name: &str) -> Option<Self> {
        if !is_name(name) {
            return None;
        }
        Self::new(name, Ed25519KeyPair::generate().ok()?)
    }

    /// Reads `PRIVATE+KEY+<name>+<hash>+<key>` (as Go's `note.GenerateKey` writes it).
    ///
    /// # Errors
    /// The form is wrong, or the hash does not belong to name and key.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let fail = KeyError::Private;
        let rest = text.trim().strip_prefix(PRIVATE_MARK).ok_or(fail("it starts otherwise"))?;
        let (name, hash, seed) = parts(rest, ED25519_TYPE).map_err(fail)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| fail("a bad seed"))?;
        let read = Self::new(name, pair).ok_or(fail("not 32 bytes"))?;
        if read.key.hash() != hash {
            return Err(fail("the hash does not belong to the name and key"));
        }
        Ok(read)
    }

    /// `PRIVATE+KEY+<name>+<hash>+<key>`: a secret. `None` when the pair gives no seed.
    pub fn secret_text(&self) -> Option<Zeroizing<String>> {
        use aws_lc_rs::encoding::AsBigEndian as _;
        let seed = self.pair.seed().ok()?;
        let bytes: aws_lc_rs::encoding::Curve25519SeedBin<'_> = seed.as_be_bytes().ok()?;
        let key = typed(ED25519_TYPE, bytes.as_ref());
        let id = self.key.id();
        Some(Zeroizing::new(format!("{PRIVATE_MARK}{id}+{}", key.as_str())))
    }

    /// The public half.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The signed note of a text, which ends with a line feed and holds no blank line.
    pub fn sign(&self, text: &str) -> String {
        let mut signature = self.key.id_bytes().to_vec();
        signature.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        let (name, signature) = (&self.key.name, STANDARD.encode(signature));
        format!("{text}\n{SIGNATURE_MARK}{name} {signature}\n")
    }
}

/// Whether a name can stand in a key: not empty, no white space, no plus.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c == '+' || c.is_whitespace() || c.is_control())
}

/// Name, hash and key of `<name>+<hash>+<key>`, a key of this type.
fn parts(text: &str, kind: u8) -> Result<(&str, &str, Zeroizing<[u8; KEY_BYTES]>), &'static str> {
    let mut parts = text.splitn(3, '+');
    let name = parts.next().filter(|name| is_name(name)).ok_or("no name")?;
    let hash = parts.next().ok_or("no hash")?;
    let key = parts.next().ok_or("no key")?;
    let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| "the key is not base64")?);
    let Some((found, key)) = key.split_first() else { return Err("an empty key") };
    if *found != kind {
        return Err("a key of another type");
    }
    Ok((name, hash, Zeroizing::new(key.try_into().map_err(|_| "not 32 bytes")?)))
}

/// A key's bytes behind their type, in base64.
fn typed(kind: u8, key: &[u8]) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(vec![kind]);
    bytes.extend_from_slice(key);
    Zeroizing::new(STANDARD.encode(&*bytes))
}

#[cfg(test)]
mod tests;

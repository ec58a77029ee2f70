//! Checkpoints: a tree's size and root, signed as a C2SP signed note.
//!
//! Sources: C2SP signed-note (note text, signature lines, key ids, verifier keys) and C2SP
//! tlog-checkpoint (origin, size, root). Ed25519 only (signature type 0x01).

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::tree::{Hash, sha256};

/// Signature type of Ed25519 in signed notes.
const ED25519_TYPE: u8 = 0x01;
/// Length of an Ed25519 public key, bytes.
const PUBLIC_KEY_BYTES: usize = 32;
/// What a signature line starts with: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// Why a checkpoint or a key was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a checkpoint.
    #[error("it is not a checkpoint: {0}")]
    Form(&'static str),
    /// Not a verifier key.
    #[error("it is not a verifier key of the form name+hash+key: {0}")]
    Key(&'static str),
    /// Another log's checkpoint.
    #[error("it names the log {found}, not {expected}")]
    Origin {
        /// The origin in the checkpoint.
        found: String,
        /// The origin of the key.
        expected: String,
    },
    /// No valid signature by the key.
    #[error("it has no valid signature by the log's key")]
    Signature,
}

/// Size and root of a log's tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// `audit.<organization>/<gateway>/<epoch>`.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads and checks a signed checkpoint.
    ///
    /// # Errors
    /// The form, the origin or the signature is wrong.
    pub fn verify(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let (checkpoint, body, signatures) = split(note)?;
        if checkpoint.origin != key.name {
            return Err(CheckpointError::Origin {
                found: checkpoint.origin,
                expected: key.name.clone(),
            });
        }
        let good = signatures.lines().any(|line| key.signed(body.as_bytes(), line));
        if good { Ok(checkpoint) } else { Err(CheckpointError::Signature) }
    }

    /// Reads a checkpoint and checks no signature.
    ///
    /// # Errors
    /// The form is wrong.
    pub fn read_unsigned(note: &str) -> Result<Self, CheckpointError> {
        split(note).map(|(checkpoint, _, _)| checkpoint)
    }
}

fn split(note: &str) -> Result<(Checkpoint, &str, &str), CheckpointError> {
    let form = CheckpointError::Form;
    let blank = note.find("\n\n").ok_or(form("no blank line before the signatures"))?;
    let (body, rest) = note.split_at_checked(blank + 1).ok_or(form("cut short"))?;
    let signatures = rest.strip_prefix('\n').ok_or(form("cut short"))?;
    let mut lines = body.lines();
    let origin = lines.next().filter(|line| !line.is_empty()).ok_or(form("no origin"))?;
    let digits = lines.next().ok_or(form("no size"))?;
    let size: u64 = digits.parse().map_err(|_| form("the size is no number"))?;
    if size.to_string() != digits {
        return Err(form("the size is not written as digits alone"));
    }
    let root = lines.next().and_then(|line| STANDARD.decode(line).ok());
    let root = root.and_then(|bytes| Hash::try_from(bytes).ok());
    let root = root.ok_or(form("the root is not a SHA-256 hash in base64"))?;
    if lines.next().is_some() {
        return Err(form("extension lines are not used by this log"));
    }
    Ok((Checkpoint { origin: origin.to_owned(), size, root }, body, signatures))
}

/// The public key of a log, with the log's name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifierKey {
    name: String,
    public: [u8; PUBLIC_KEY_BYTES],
}

impl VerifierKey {
    /// Reads `<name>+<hash>+<key>` (C2SP signed-note, verifier keys).
    ///
    /// # Errors
    /// The form is wrong, or the hash does not belong to name and key.
    pub fn read(text: &str) -> Result<Self, CheckpointError> {
        let form = CheckpointError::Key;
        let mut parts = text.trim().splitn(3, '+');
        let name = parts.next().filter(|name| !name.is_empty()).ok_or(form("no name"))?;
        let hash = parts.next().ok_or(form("no hash"))?;
        let key = parts.next().ok_or(form("no key"))?;
        let key = STANDARD.decode(key).map_err(|_| form("the key is not base64"))?;
        let Some((&ED25519_TYPE, key)) = key.split_first() else {
            return Err(form("not an Ed25519 key"));
        };
        let public = key.try_into().map_err(|_| form("not 32 bytes"))?;
        let read = Self { name: name.to_owned(), public };
        if hex(&read.id()) != hash.to_ascii_lowercase() {
            return Err(form("the hash does not belong to the name and key"));
        }
        Ok(read)
    }

    /// The name: the origin of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `<name>+<hash>+<key>`.
    pub fn text(&self) -> String {
        let mut key = vec![ED25519_TYPE];
        key.extend_from_slice(&self.public);
        format!("{}+{}+{}", self.name, hex(&self.id()), STANDARD.encode(key))
    }

    /// First four bytes of SHA-256(name || 0x0A || type || key).
    fn id(&self) -> [u8; 4] {
        let mut bytes = self.name.as_bytes().to_vec();
        bytes.extend_from_slice(&[b'\n', ED25519_TYPE]);
        bytes.extend_from_slice(&self.public);
        let [a, b, c, d, ..] = sha256(&[bytes]);
        [a, b, c, d]
    }

    fn signed(&self, body: &[u8], line: &str) -> bool {
        let line = line.strip_prefix(SIGNATURE_MARK).and_then(|rest| rest.split_once(' '));
        let Some((name, signature)) = line else { return false };
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let Some((id, signature)) = signature.split_at_checked(4) else { return false };
        name == self.name
            && id == self.id()
            && UnparsedPublicKey::new(&ED25519, self.public).verify(body, signature).is_ok()
    }
}

/// Signs checkpoints of one log. It has no `Debug`: it holds the private key.
pub(in crate::audit) struct Signer {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl Signer {
    /// A signer for the log `name`; `None` when the pair's public key has a strange length.
    pub(in crate::audit) fn new(name: &str, pair: Ed25519KeyPair) -> Option<Self> {
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, key: VerifierKey { name: name.to_owned(), public } })
    }

    /// The public half.
    pub(in crate::audit) fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The signed note for a size and root.
    pub(in crate::audit) fn sign(&self, size: u64, root: Hash) -> String {
        let checkpoint = Checkpoint { origin: self.key.name.clone(), size, root };
        let mut note = checkpoint.body();
        let mut signature = self.key.id().to_vec();
        signature.extend_from_slice(self.pair.sign(note.as_bytes()).as_ref());
        note.push('\n');
        note.push_str(SIGNATURE_MARK);
        note.push_str(&self.key.name);
        note.push(' ');
        note.push_str(&STANDARD.encode(signature));
        note.push('\n');
        note
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |half: u8| DIGITS.get(usize::from(half)).map_or('?', |digit| char::from(*digit));
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}

#[cfg(test)]
mod tests;

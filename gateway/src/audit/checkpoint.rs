//! Checkpoints: a tree's size and root, signed as a C2SP signed note.
//!
//! Sources: C2SP signed-note (`crate::note`) and C2SP tlog-checkpoint (origin, size, root).

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::tree::Hash;
use crate::note::{Note, SigningKey};

pub use crate::note::VerifierKey;

/// Why a checkpoint or a key was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a checkpoint.
    #[error("it is not a checkpoint: {0}")]
    Form(&'static str),
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
        let note = Note::read(note).map_err(CheckpointError::Form)?;
        let checkpoint = Self::read_text(note.text())?;
        if checkpoint.origin != key.name() {
            return Err(CheckpointError::Origin {
                found: checkpoint.origin,
                expected: key.name().to_owned(),
            });
        }
        if note.signed(key) { Ok(checkpoint) } else { Err(CheckpointError::Signature) }
    }

    /// Reads a checkpoint and checks no signature.
    ///
    /// # Errors
    /// The form is wrong.
    pub fn read_unsigned(note: &str) -> Result<Self, CheckpointError> {
        Self::read_text(Note::read(note).map_err(CheckpointError::Form)?.text())
    }

    fn read_text(text: &str) -> Result<Self, CheckpointError> {
        let form = CheckpointError::Form;
        let mut lines = text.split_terminator('\n');
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
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// Signs what one log says of itself. It has no `Debug`: it holds the private key.
pub(in crate::audit) struct Signer(SigningKey);

impl Signer {
    /// A signer for the log `name`; `None` when the pair's public key has a strange length.
    pub(in crate::audit) fn new(name: &str, pair: Ed25519KeyPair) -> Option<Self> {
        SigningKey::new(name, pair).map(Self)
    }

    /// The public half.
    pub(in crate::audit) fn key(&self) -> &VerifierKey {
        self.0.key()
    }

    /// The signed note for a size and root.
    pub(in crate::audit) fn sign(&self, size: u64, root: Hash) -> String {
        let checkpoint = Checkpoint { origin: self.key().name().to_owned(), size, root };
        self.0.sign(&checkpoint.body())
    }

    /// The signed note of a text that ends with a line feed. What is no checkpoint must not begin
    /// with a line that could be an origin.
    pub(in crate::audit) fn sign_text(&self, text: &str) -> String {
        self.0.sign(text)
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

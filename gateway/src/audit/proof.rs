//! Proofs as text: a C2SP tlog-proof holds an entry's place, its inclusion proof and the
//! checkpoint, and is checked with the log's key alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::{Checkpoint, CheckpointError, VerifierKey};
use super::tree::{Hash, ProofError, check_inclusion};

/// The first line of a tlog-proof.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// Proof that one entry is in the tree of a checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proof {
    /// The entry's place in the log.
    pub index: u64,
    /// The inclusion proof, the leaf's sibling first.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, word for word.
    pub checkpoint: String,
}

/// Why a proof does not prove what it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The checkpoint is not good.
    #[error("its checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The hashes are not good.
    #[error("{0}")]
    Hashes(#[from] ProofError),
}

impl Proof {
    /// The proof as a C2SP tlog-proof without extra data.
    pub fn text(&self) -> String {
        let mut text = format!("{MAGIC}\nindex {}\n", self.index);
        for hash in &self.hashes {
            text.push_str(&STANDARD.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a tlog-proof as [`text`](Self::text) writes it; `None` for any other text.
    pub fn read(text: &str) -> Option<Self> {
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let (magic, index) = (lines.next()?, lines.next()?.strip_prefix("index ")?);
        let index: u64 = index.parse().ok()?;
        let hash = |line: &str| Hash::try_from(STANDARD.decode(line).ok()?).ok();
        let hashes: Option<Vec<Hash>> = lines.map(hash).collect();
        let proof = Self { index, hashes: hashes?, checkpoint: checkpoint.to_owned() };
        (magic == MAGIC && proof.text() == text).then_some(proof)
    }

    /// Checks that the entry with this leaf hash is under the checkpoint, and gives that.
    ///
    /// # Errors
    /// It is not, or the checkpoint is not one of the key.
    pub fn check(&self, leaf: &Hash, key: &VerifierKey) -> Result<Checkpoint, Refused> {
        let checkpoint = Checkpoint::verify(&self.checkpoint, key)?;
        check_inclusion(self.index, checkpoint.size, leaf, &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests;

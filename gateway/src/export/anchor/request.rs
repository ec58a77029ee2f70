//! What goes to a witness and comes back: C2SP tlog-witness, `add-checkpoint`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::audit::tree::Hash;
use crate::limits::WITNESS_PROOF_LINES_MAX;

/// The media type of the size in a 409.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// A demand to cosign a checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddCheckpoint {
    /// Size of the checkpoint that the witness cosigned last; 0 = none.
    pub old: u64,
    /// The consistency proof from there, as RFC 6962 section 2.1.2 orders it.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, word for word.
    pub checkpoint: String,
}

impl AddCheckpoint {
    /// The body of the request.
    pub fn text(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text.push_str(&STANDARD.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a body as [`text`](Self::text) writes it; `None` for any other.
    pub fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = size(lines.next()?.strip_prefix("old ")?)?;
        let hash = |line: &str| Hash::try_from(STANDARD.decode(line).ok()?).ok();
        let proof: Option<Vec<Hash>> = lines.map(hash).collect();
        let read = Self { old, proof: proof?, checkpoint: checkpoint.to_owned() };
        (read.proof.len() <= WITNESS_PROOF_LINES_MAX && read.text() == text).then_some(read)
    }
}

/// A size in decimal, without leading zeroes.
pub fn size(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text).then_some(size)
}

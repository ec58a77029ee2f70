//! Following one session's chain.

use crate::audit::checkpoint::hex;
use crate::audit::entry::{Entry, SessionEnd, kind};
use crate::audit::tree::{Edge, Hash};

/// One session's chain as far as it was followed.
#[derive(Debug, Default)]
pub struct Chain {
    tree: Edge,
    previous: Option<Hash>,
    ended: bool,
}

impl Chain {
    /// True once the session's last entry was followed.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Follows the next entry of the session, whose leaf hash the caller computed from its
    /// stored bytes.
    ///
    /// # Errors
    /// In words: what does not fit. The entry counts as followed all the same.
    pub fn follow(&mut self, entry: &Entry, leaf: Hash) -> Result<(), String> {
        let expected = self.tree.size();
        let checked = self.check(entry, expected);
        // After a gap the entry's own number holds, so that one gap is told once.
        self.previous = Some(leaf);
        self.tree.push(leaf);
        self.ended |= matches!(entry.kind.as_str(), kind::SESSION_END | kind::SESSION_TORN);
        checked
    }

    fn check(&self, entry: &Entry, expected: u64) -> Result<(), String> {
        if self.ended {
            return Err("it comes after the session's last entry".to_owned());
        }
        if entry.sseq != Some(expected) {
            let number = entry.sseq.map_or("none".to_owned(), |number| number.to_string());
            return Err(format!("its number in the session is {number}, expected {expected}"));
        }
        if entry.sprev != self.previous.map(|hash| hex(&hash)) {
            return Err("it does not name the session's previous entry".to_owned());
        }
        if (entry.kind == kind::SESSION_START) != (expected == 0) {
            return Err("a session must begin with its session_start".to_owned());
        }
        if entry.kind == kind::SESSION_END {
            let end: SessionEnd = entry.body().map_err(|error| error.to_string())?;
            if end.entries != expected || end.session_root != hex(&self.tree.root()) {
                return Err("it sums up other entries than the session has".to_owned());
            }
        }
        Ok(())
    }
}

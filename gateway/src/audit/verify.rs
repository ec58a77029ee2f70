//! Judging a log that no gateway holds: every byte that a proof can reach.
//!
//! It shares the entry, tree, checkpoint and store code with the writer, and nothing else: no
//! key, no committer, no state. It changes nothing.

mod chain;
mod walk;

pub use chain::Chain;

use std::path::{Path, PathBuf};

use serde::Serialize;

use self::walk::Walk;
use super::checkpoint::{Checkpoint, VerifierKey, hex};
use super::store::{PUBLIC_FILE, STORE_FILE, STORE_FORMAT, Sealed, Store, StoreError, View};

/// Exit code for [`Judgement::Intact`].
pub const EXIT_INTACT: u8 = 0;
/// Exit code for [`Judgement::Tampered`].
pub const EXIT_TAMPERED: u8 = 1;
/// Exit code for [`Judgement::RolledBack`].
pub const EXIT_ROLLED_BACK: u8 = 2;
/// Exit code for [`Judgement::CannotJudge`].
pub const EXIT_CANNOT_JUDGE: u8 = 3;

/// What the verifier may rely on that is not part of the log.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    /// File with the log's public key, `name+hash+key`. Without it the key beside the log is
    /// used, which whoever changed the log could have changed too.
    pub key_file: Option<PathBuf>,
    /// File with a checkpoint of the log kept elsewhere. Without it a log put back to an older
    /// state can't be told from one that never went further.
    pub checkpoint_file: Option<PathBuf>,
}

/// Where the public key came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The file beside the store: proves nothing against somebody who could write there.
    Folder,
    /// The file that the caller named.
    Pinned,
    /// The store itself: proves nothing against somebody who could write there.
    Store,
}

/// What was checked of an intact log.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Checked {
    /// `audit.<organization>/<gateway>/<epoch>`.
    pub origin: String,
    /// Entries, each hashed from its stored bytes.
    pub entries: u64,
    /// Root over them, hex.
    pub root: String,
    /// Checkpoints whose size and root were recomputed.
    pub checkpoints: u64,
    /// Checkpoints whose signature was checked, newest first.
    pub signatures: u64,
    /// Sessions whose chain was followed.
    pub sessions: u64,
    /// Sessions without a last entry.
    pub open: u64,
    /// Payloads whose ciphertext was hashed.
    pub payloads: u64,
    /// Where the public key came from.
    pub key_source: KeySource,
    /// A checkpoint from elsewhere was compared.
    pub pinned_checkpoint: bool,
}

/// The verifier's answer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "judgement", rename_all = "snake_case")]
pub enum Judgement {
    /// No answer can be given.
    CannotJudge {
        /// Why.
        why: String,
    },
    /// Everything agrees.
    Intact(Checked),
    /// The log is older than a checkpoint of it that was kept elsewhere.
    RolledBack {
        /// Entries there are.
        entries: u64,
        /// Entries there must be at least.
        expected: u64,
    },
    /// Something was changed.
    Tampered {
        /// The first bad entry, where one can be named.
        index: Option<u64>,
        /// What is wrong.
        what: String,
    },
}

impl Judgement {
    /// The exit code that tells it to scripts.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::CannotJudge { .. } => EXIT_CANNOT_JUDGE,
            Self::Intact(_) => EXIT_INTACT,
            Self::RolledBack { .. } => EXIT_ROLLED_BACK,
            Self::Tampered { .. } => EXIT_TAMPERED,
        }
    }

    fn tampered(index: Option<u64>, what: impl Into<String>) -> Self {
        Self::Tampered { index, what: what.into() }
    }

    fn unsure(why: impl Into<String>) -> Self {
        Self::CannotJudge { why: why.into() }
    }
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CannotJudge { why } => write!(f, "cannot judge: {why}"),
            Self::Intact(checked) => {
                writeln!(f, "intact: {}", checked.origin)?;
                writeln!(f, "  entries      {} (root {})", checked.entries, checked.root)?;
                writeln!(
                    f,
                    "  checkpoints  {} recomputed, {} signatures checked",
                    checked.checkpoints, checked.signatures
                )?;
                writeln!(f, "  sessions     {} ({} still open)", checked.sessions, checked.open)?;
                writeln!(f, "  payloads     {}", checked.payloads)?;
                match checked.key_source {
                    KeySource::Pinned => writeln!(f, "  key          pinned by you")?,
                    KeySource::Folder | KeySource::Store => writeln!(
                        f,
                        "  key          from beside the log: better pin a copy kept elsewhere"
                    )?,
                }
                f.write_str(if checked.pinned_checkpoint {
                    "  rollback     excluded up to the checkpoint you pinned"
                } else {
                    "  rollback     not excluded: no checkpoint kept elsewhere was given"
                })
            }
            Self::RolledBack { entries, expected } => write!(
                f,
                "rolled back: the log has {entries} entries, your checkpoint proves {expected}"
            ),
            Self::Tampered { index: Some(index), what } => {
                write!(f, "tampered: first bad entry {index}: {what}")
            }
            Self::Tampered { index: None, what } => write!(f, "tampered: {what}"),
        }
    }
}

/// Judges a log: a folder with `log.redb`, or a copy of that file.
pub fn verify(path: &Path, pins: &Pins) -> Judgement {
    // The file may be hostile, and redb's debug checks panic on some damage.
    let judged = std::panic::catch_unwind(|| judge(path, pins));
    match judged {
        Ok(Ok(checked)) => Judgement::Intact(checked),
        Ok(Err(judgement)) => *judgement,
        Err(_) => Judgement::unsure("the store is damaged below the level of entries"),
    }
}

type Judged<T> = Result<T, Box<Judgement>>;

fn store_failed(error: &StoreError) -> Box<Judgement> {
    Box::new(Judgement::unsure(match error {
        StoreError::InUse => {
            "a gateway has it open; make a copy with `audit snapshot`, or stop it".to_owned()
        }
        StoreError::Failed(reason) => format!("redb refuses the file: {reason}"),
    }))
}

fn judge(path: &Path, pins: &Pins) -> Judged<Checked> {
    let folder = path.is_dir();
    let file = if folder { path.join(STORE_FILE) } else { path.to_owned() };
    let store = Sealed::open(&file).map_err(|error| store_failed(&error))?;
    let view = store.view().map_err(|error| store_failed(&error))?;
    let format = view.meta("format").map_err(|error| store_failed(&error))?;
    if let Some(format) = format.filter(|format| format != STORE_FORMAT) {
        let why = format!("the store has format {format:?}, this program reads {STORE_FORMAT}");
        return Err(Box::new(Judgement::unsure(why)));
    }
    let (key, source) = find_key(folder.then_some(path), &view, pins)?;
    let pinned = pinned_checkpoint(&key, pins)?;
    let size = view.size().map_err(|error| store_failed(&error))?;
    let last = view.last_checkpoint().map_err(|error| store_failed(&error))?;
    let Some((_, note)) = last else {
        return Err(Box::new(Judgement::tampered(None, "there is no checkpoint")));
    };
    let last = Checkpoint::verify(&note, &key).map_err(|error| {
        Judgement::tampered(None, format!("the last checkpoint is not good: {error}"))
    })?;
    if let Some(pinned) = &pinned
        && pinned.size > last.size.min(size)
    {
        let entries = last.size.min(size);
        return Err(Box::new(Judgement::RolledBack { entries, expected: pinned.size }));
    }
    let mut walk =
        Walk::new(&view, &key, last, pinned.as_ref()).map_err(|error| store_failed(&error))?;
    let failed = walk.run().map_err(|error| store_failed(&error))?;
    if let Some(judgement) = failed {
        return Err(Box::new(judgement));
    }
    let found = walk.counts();
    Ok(Checked {
        origin: key.name().to_owned(),
        entries: size,
        root: hex(&found.root),
        checkpoints: found.checkpoints,
        signatures: found.signatures,
        sessions: found.sessions,
        open: found.open,
        payloads: found.payloads,
        key_source: source,
        pinned_checkpoint: pinned.is_some(),
    })
}

fn find_key(folder: Option<&Path>, view: &View, pins: &Pins) -> Judged<(VerifierKey, KeySource)> {
    let stored = view.meta("vkey").map_err(|error| store_failed(&error))?.unwrap_or_default();
    let (text, source) = if let Some(path) = &pins.key_file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Judgement::unsure(format!("can't read the key {}: {error}", path.display()))
        })?;
        (text, KeySource::Pinned)
    } else if let Some(Ok(text)) =
        folder.map(|folder| std::fs::read_to_string(folder.join(PUBLIC_FILE)))
    {
        (text, KeySource::Folder)
    } else {
        (stored.clone(), KeySource::Store)
    };
    let key = VerifierKey::read(&text)
        .map_err(|error| Judgement::unsure(format!("the public key: {error}")))?;
    if stored != key.text() {
        let what = match source {
            KeySource::Pinned => "the store names another public key than the one you pinned",
            KeySource::Folder | KeySource::Store => {
                "the store names another public key than log.vkey beside it"
            }
        };
        return Err(Box::new(Judgement::tampered(None, what)));
    }
    Ok((key, source))
}

fn pinned_checkpoint(key: &VerifierKey, pins: &Pins) -> Judged<Option<Checkpoint>> {
    let Some(path) = &pins.checkpoint_file else { return Ok(None) };
    let unsure = |why: String| {
        Box::new(Judgement::unsure(format!("the checkpoint {}: {why}", path.display())))
    };
    let note = std::fs::read_to_string(path).map_err(|error| unsure(error.to_string()))?;
    let read = Checkpoint::verify(&note, key).map_err(|error| unsure(error.to_string()))?;
    Ok(Some(read))
}

#[cfg(test)]
mod tests;

//! What the verifier answers.

use serde::Serialize;

/// Exit code for [`Judgement::Intact`].
pub const EXIT_INTACT: u8 = 0;
/// Exit code for [`Judgement::Tampered`].
pub const EXIT_TAMPERED: u8 = 1;
/// Exit code for [`Judgement::RolledBack`] and [`Judgement::Incomplete`].
pub const EXIT_ROLLED_BACK: u8 = 2;
/// Exit code for [`Judgement::CannotJudge`].
pub const EXIT_CANNOT_JUDGE: u8 = 3;

/// Where the public key came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The file beside the store: proves nothing against somebody who could write there.
    Folder,
    /// The file that the caller named.
    Pinned,
    /// The bundle or the store itself: proves nothing against somebody who could write there.
    Store,
}

/// What was judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The report bundle of one session.
    Bundle,
    /// A log's store.
    Log,
    /// A log as a directory of tiles.
    Tiles,
}

/// What was checked of something intact.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Checked {
    /// What it is.
    pub form: Form,
    /// `audit.<organization>/<gateway>/<epoch>`.
    pub origin: String,
    /// Entries, each hashed from its stored bytes.
    pub entries: u64,
    /// Root over them, hex; of a bundle, the root of the log that they are in.
    pub root: String,
    /// Checkpoints whose size and root were recomputed.
    pub checkpoints: u64,
    /// Checkpoints whose signature was checked, newest first.
    pub signatures: u64,
    /// Sessions whose chain was followed.
    pub sessions: u64,
    /// Sessions without a last entry.
    pub open: u64,
    /// Payloads whose ciphertext was hashed; 0 of tiles, which have none.
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
    /// What is there is genuine, but there is or was more.
    Incomplete {
        /// What is missing.
        what: String,
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
            Self::Incomplete { .. } | Self::RolledBack { .. } => EXIT_ROLLED_BACK,
            Self::Tampered { .. } => EXIT_TAMPERED,
        }
    }

    pub(super) fn tampered(index: Option<u64>, what: impl Into<String>) -> Self {
        Self::Tampered { index, what: what.into() }
    }

    pub(super) fn unsure(why: impl Into<String>) -> Self {
        Self::CannotJudge { why: why.into() }
    }
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CannotJudge { why } => write!(f, "cannot judge: {why}"),
            Self::Incomplete { what } => write!(f, "incomplete: {what}"),
            Self::Intact(checked) => checked.fmt(f),
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

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.form {
            Form::Bundle => "intact: one session of ",
            Form::Log | Form::Tiles => "intact: ",
        };
        writeln!(f, "{what}{}", self.origin)?;
        writeln!(f, "  entries      {} (root {})", self.entries, self.root)?;
        writeln!(
            f,
            "  checkpoints  {} recomputed, {} signatures checked",
            self.checkpoints, self.signatures
        )?;
        writeln!(f, "  sessions     {} ({} still open)", self.sessions, self.open)?;
        writeln!(f, "  payloads     {}", self.payloads)?;
        match self.key_source {
            KeySource::Pinned => writeln!(f, "  key          pinned by you")?,
            KeySource::Folder | KeySource::Store => {
                writeln!(f, "  key          from beside the log: better pin a copy kept elsewhere")?
            }
        }
        f.write_str(if self.pinned_checkpoint {
            "  rollback     excluded up to the checkpoint you pinned"
        } else {
            "  rollback     not excluded: no checkpoint kept elsewhere was given"
        })
    }
}

pub(super) type Judged<T> = Result<T, Box<Judgement>>;

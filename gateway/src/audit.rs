//! The log of record: makes [`Permit`] and [`Release`], each only once its entry is durable.
//!
//! ```text
//! Recorder: seal, stamp, hash --queue--> Committer: tree, sign, one redb commit --> Permit
//! ```
//!
//! One RFC 6962 tree (C2SP tlog-tiles) with an Ed25519 signed checkpoint (C2SP signed note) in
//! every commit, a hash chain in every session, payloads encrypted with a key of the session's
//! own. `FORMAT.md` describes every byte for somebody who writes their own verifier.

mod clock;
mod committer;
#[cfg(test)]
pub(crate) mod fixture;
mod halt;
mod keys;
mod log;
mod queue;
mod recorder;
mod recover;
mod recovery;
mod reserve;
mod standing;
mod store;

pub mod bundle;
pub mod checkpoint;
pub mod entry;
pub mod proof;
pub mod reader;
pub mod report;
pub mod seal;
pub mod tiles;
pub mod tree;
pub mod verify;

pub use entry::{AnchorCheck, AnchorOutcome, ApprovalDecision, Event, SessionNote};
pub use log::{Log, LogStatus, Prepared, Refusal};
pub use reader::Reader;
pub use recorder::{ApprovalOutcome, EndReason, Pending, Permit, Recorder, Release};
pub use recover::put_aside;
pub use standing::{Kept, Standing};
pub use store::pack;

use std::path::{Path, PathBuf};

/// When a request or reply counts as recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Durability {
    /// Once its entry is in the operating system's stable storage.
    #[default]
    Durable,
    /// Once its entry is queued. A crash loses at most the entries that lingered to share a commit
    /// ([`LOG_LINGER_MILLIS`](crate::limits::LOG_LINGER_MILLIS)) and those being committed then. A
    /// looser mode: every entry it touched says so.
    Buffered,
}

/// Where the log lives and how it is named. Plain data, checked by the configuration reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogSettings {
    /// Folder of the log: the store, the signing key, the payload keystore.
    pub dir: std::path::PathBuf,
    /// Organisation part of the log's origin.
    pub organization: String,
    /// Gateway part of the log's origin, unique in the organisation.
    pub gateway: String,
}

/// Why a log can't be opened or read, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store is gone or empty, but the log had begun.
    #[error(
        "the log in {dir} had begun, but its store is empty: somebody removed entries. Restore \
         the store, or keep the folder as evidence and configure another one"
    )]
    Emptied {
        /// The log's folder.
        dir: PathBuf,
    },
    /// A secret that others may read.
    #[error("{path} is readable by others; make it yours alone: chmod 600 {path}")]
    Exposed {
        /// The secret's file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("can't {act} {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        act: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Tables of another version.
    #[error(
        "the log in {dir} has format {found:?}, which this gateway can't continue: keep the folder \
         with the gateway that wrote it, and configure another one"
    )]
    Format {
        /// The log's folder.
        dir: PathBuf,
        /// What the store says.
        found: String,
    },
    /// Another process has the log open.
    #[error("the log in {dir} is in use by another process; a folder holds one gateway's log")]
    InUse {
        /// The log's folder or file.
        dir: PathBuf,
    },
    /// A key file holds no key.
    #[error("{path} does not hold a key of this log; restore it from your backup")]
    Key {
        /// The key's file.
        path: PathBuf,
    },
    /// A key file is missing though the log has entries.
    #[error("{path} is missing though the log has entries; restore it from your backup")]
    KeyMissing {
        /// The key's file.
        path: PathBuf,
    },
    /// A name that can't be part of an origin.
    #[error("the {what} `{name}` of the log must be 1 to 64 letters, digits, `-`, `_` or `.`")]
    Name {
        /// `organization` or `gateway`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The folder holds the log of another gateway.
    #[error("the folder holds the log {found}, the configuration expects {expected}...")]
    OtherLog {
        /// The origin in the store.
        found: String,
        /// How it must begin.
        expected: String,
    },
    /// The store failed.
    #[error("the store {path} failed: {reason}")]
    Store {
        /// The log's folder or file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A session that no bundle can be made of.
    #[error("no report or bundle can be made of {id}: {why}")]
    Unfit {
        /// The session.
        id: String,
        /// Why.
        why: String,
    },
    /// The newest part of the log is not what was signed.
    #[error("the log was changed{}: {what}; keep it as evidence and run `audit verify` on it",
        index.map(|index| format!(" at entry {index}")).unwrap_or_default())]
    Tampered {
        /// The first entry that is wrong, where one can be named.
        index: Option<u64>,
        /// What is wrong.
        what: String,
    },
}

impl Error {
    fn store(path: &Path, error: store::StoreError) -> Self {
        match error {
            store::StoreError::InUse => Self::InUse { dir: path.to_owned() },
            store::StoreError::Full(reason) | store::StoreError::Failed(reason) => {
                Self::Store { path: path.to_owned(), reason }
            }
        }
    }
}

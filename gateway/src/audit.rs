//! The log of record: makes [`Permit`] and [`Release`], each only once its entry is durable.

use bytes::Bytes;

/// Proof that a request was allowed and that its entry is durable. Only this stage makes one.
#[derive(Debug)]
pub struct Permit {
    wire: Bytes,
}

/// Proof that a part of a reply was masked and that its entry is durable.
#[derive(Debug)]
pub struct Release {
    frames: Bytes,
}

/// When a request or reply counts as recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Durability {
    /// Once its entry is in the operating system's stable storage.
    #[default]
    Durable,
    /// Once its entry is queued; a crash loses at most the last queued entries. A looser mode:
    /// every entry it touched says so.
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

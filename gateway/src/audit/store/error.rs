//! How the store fails.

/// The store failed. The words are redb's or the operating system's; they hold no data.
#[derive(Debug, thiserror::Error)]
pub(in crate::audit) enum StoreError {
    /// Another process holds the file.
    #[error("another process has it open")]
    InUse,
    /// There is no room for what was to be written.
    #[error("{0}")]
    Full(String),
    /// Reading or writing failed, or the file is damaged.
    #[error("{0}")]
    Failed(String),
}

pub(super) type Result<T> = std::result::Result<T, StoreError>;

pub(super) fn failed(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => StoreError::InUse,
        redb::Error::Io(error) => StoreError::of(&error),
        error => StoreError::Failed(error.to_string()),
    }
}

impl StoreError {
    /// A lack of room may end; after any other failure nobody knows what is on the disk.
    pub(in crate::audit) fn of(error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            FileTooLarge | QuotaExceeded | StorageFull => Self::Full(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

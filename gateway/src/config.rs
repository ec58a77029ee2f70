//! One TOML file becomes a checked [`Config`], or a list of every mistake in it.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::audit::LogSettings;
use crate::identity::IssuerSettings;
use crate::listener::ListenerSettings;
use crate::upstream::TargetSettings;

/// Who may use the admin endpoint for what; each needs a token of their own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdminSettings {
    /// Loopback address to bind; port 0 = any free one.
    pub listen: SocketAddr,
    /// Groups whose members may decide approvals.
    pub approver_groups: Vec<String>,
    /// Groups whose members may read sessions and reports.
    pub auditor_groups: Vec<String>,
}

/// The whole configuration. Plain data; nothing is bound, opened or fetched yet.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// SHA-256 over the file and every policy file, hex.
    pub digest: String,
    /// The log of record.
    pub log: LogSettings,
    /// The admin endpoint.
    pub admin: AdminSettings,
    /// Who signs tokens.
    pub issuers: Vec<IssuerSettings>,
    /// Addresses for PostgreSQL clients.
    pub listeners: Vec<ListenerSettings>,
    /// What is guarded.
    pub targets: Vec<TargetSettings>,
}

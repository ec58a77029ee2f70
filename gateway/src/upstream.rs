//! The guarded side: connects to a target and sends nothing but a permit's bytes.

pub mod catalogue;
pub mod kubernetes;
pub mod postgres;
pub mod tls;

/// A secret that the gateway uses on a target. It has no `Debug`, `Display` or `Serialize`.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(zeroize::Zeroizing<String>);

impl Secret {
    /// Wraps a secret read from a file or the environment.
    pub fn new(text: String) -> Self {
        Self(zeroize::Zeroizing::new(text))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// How the connection to a target is protected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TlsMode {
    /// None; only accepted for a loopback address.
    Disable,
    /// The certificate must chain to `ca_file` (or the public roots) and name `server_name`.
    VerifyFull {
        /// PEM file of the CA; `None` = the public ones.
        ca_file: Option<std::path::PathBuf>,
        /// Name to verify.
        server_name: String,
    },
}

/// A role on the target and how the gateway signs in as it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The role.
    pub role: String,
    /// Its password; of an API server the bearer token of an account that may impersonate.
    pub password: Secret,
    /// Of an API server: requests act as the caller. Without it they act as the account itself.
    pub impersonate: Option<Impersonation>,
}

/// How callers are named to an API server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Impersonation {
    /// The groups that they have there; the groups of a token are never passed on.
    pub groups: Vec<String>,
}

/// A function that clients may call by object id, as libpq does for large objects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FunctionCall {
    /// `schema.name`.
    pub name: String,
    /// Its result holds nothing of any table, so it is shown where columns are masked.
    pub harmless: bool,
}

/// One guarded system. Plain data, checked by the configuration reader.
#[derive(Clone, Debug)]
pub struct TargetSettings {
    /// The operator's name for it.
    pub name: String,
    /// What it speaks.
    pub protocol: crate::protocol::Protocol,
    /// `host:port`.
    pub address: String,
    /// Databases a session may use; the first is the default.
    pub databases: Vec<String>,
    /// Protection of the connection.
    pub tls: TlsMode,
    /// Roles the gateway can sign in as.
    pub accounts: Vec<Account>,
    /// Who may open a session.
    pub access: Vec<crate::session::AccessRule>,
    /// When requests and replies count as recorded.
    pub durability: crate::audit::Durability,
    /// What requests may do.
    pub policy: crate::policy::PolicySettings,
    /// Functions that clients may call by object id.
    pub function_calls: Vec<FunctionCall>,
    /// Foreign tables, `schema.table`, that hold only what their own names say. What others hold
    /// may come from anywhere.
    pub foreign_tables: Vec<String>,
    /// What replication sessions may do.
    pub replication: crate::protocol::postgres::replication::Scope,
    /// Refuse a statement that the two parsers read differently (`strict`), or trust the
    /// PostgreSQL grammar alone (`compat`).
    pub strict_parsers: bool,
}

//! One principal on one target over one downstream connection.

use std::fmt;
use std::net::SocketAddr;

use crate::identity::Principal;

/// A session's id: a UUID version 7, unique across gateways and sortable by time.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(uuid::Uuid);

impl SessionId {
    fn mint() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ses_{}", self.0.simple())
    }
}

/// An open session: proof that the principal's claims allow it on the target.
#[derive(Clone, Debug)]
pub struct Session {
    id: SessionId,
    principal: Principal,
    target: String,
    protocol: &'static str,
    database: String,
    role: String,
    client: String,
    peer: SocketAddr,
}

impl Session {
    /// Test double for the stages to the right.
    #[cfg(test)]
    pub(crate) fn for_test(principal: Principal) -> Self {
        Self {
            id: SessionId::mint(),
            principal,
            target: "shop".into(),
            protocol: "postgres",
            database: "shop".into(),
            role: "shop_app".into(),
            client: "test".into(),
            peer: SocketAddr::from(([127, 0, 0, 1], 5)),
        }
    }
    /// The id.
    pub fn id(&self) -> SessionId {
        self.id
    }
    /// Who.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
    /// The configured name of the target.
    pub fn target(&self) -> &str {
        &self.target
    }
    /// `postgres`, later `ssh` and `kubernetes`.
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }
    /// The database, for protocols that have one.
    pub fn database(&self) -> &str {
        &self.database
    }
    /// The role used on the target.
    pub fn role(&self) -> &str {
        &self.role
    }
    /// What the client calls itself (`application_name`); not trusted.
    pub fn client(&self) -> &str {
        &self.client
    }
    /// The address of the caller.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }
}

/// Who may open a session on a target: every given condition must hold. Plain data.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessRule {
    /// The configured name of the issuer.
    pub issuer: String,
    /// One of these groups; empty = no condition.
    pub groups_any: Vec<String>,
    /// All of these scopes.
    pub scopes_all: Vec<String>,
    /// One of these OAuth clients; empty = no condition.
    pub clients_any: Vec<String>,
    /// One of these subjects; empty = no condition.
    pub subjects_any: Vec<String>,
    /// Roles (accounts of the target) this rule opens; never empty.
    pub roles: Vec<String>,
    /// Databases this rule opens; empty = every database of the target.
    pub databases: Vec<String>,
}

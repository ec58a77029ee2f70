//! One principal on one target over one downstream connection.

pub mod registry;

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::fault::{Blame, Fault};
use crate::identity::{Claims, Principal};
use crate::limits::WORK_ID_BYTES_MAX;

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

/// Who says which task or ticket a session is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The client, when it connected.
    Client,
    /// The token's issuer.
    Token,
}

/// The task or ticket that a session is for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Work {
    /// Its name, as whoever keeps tasks or tickets gave it out.
    pub id: String,
    /// Who says so.
    pub from: Source,
}

impl Work {
    /// What the token and the client say together. `what` is `task` or `ticket`.
    fn of(what: &str, claimed: Option<&str>, said: Option<&str>) -> Result<Option<Self>, Fault> {
        if let (Some(claimed), Some(said)) = (claimed, said)
            && claimed != said
        {
            let message = format!("the token is for another {what} than the client says");
            return Err(Fault::new(Blame::Client, "work_conflict", "28000", message)
                .hint("Leave it out where you connect: the token's word counts."));
        }
        let (id, from) = match (claimed, said) {
            (Some(id), _) => (id, Source::Token),
            (None, Some(id)) => (id, Source::Client),
            (None, None) => return Ok(None),
        };
        if id.is_empty() || id.len() > WORK_ID_BYTES_MAX || id.chars().any(char::is_control) {
            let message = format!(
                "the {what} is no name of 1 to {WORK_ID_BYTES_MAX} bytes without control characters"
            );
            return Err(Fault::new(Blame::Client, "work_invalid", "22023", message));
        }
        Ok(Some(Self { id: id.to_owned(), from }))
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
    task: Option<Work>,
    ticket: Option<Work>,
}

impl Session {
    /// Test double for the stages to the right.
    #[cfg(test)]
    pub(crate) fn for_test(principal: Principal) -> Self {
        Self {
            id: SessionId::mint(),
            task: Work::of("task", principal.claims().task.as_deref(), None).ok().flatten(),
            ticket: Work::of("ticket", principal.claims().ticket.as_deref(), None).ok().flatten(),
            principal,
            target: "shop".into(),
            protocol: "postgres",
            database: "shop".into(),
            role: "shop_app".into(),
            client: "test".into(),
            peer: SocketAddr::from(([127, 0, 0, 1], 5)),
        }
    }
    /// Whether these rules would open it today.
    pub fn admitted(&self, rules: &[AccessRule]) -> bool {
        let claims = self.principal.claims();
        rules.iter().any(|rule| rule.admits(claims) && rule.opens(&self.role, &self.database))
    }
    /// Whether these rules would open it on each of these databases.
    pub fn admitted_to_all(&self, rules: &[AccessRule], databases: &[String]) -> bool {
        let claims = self.principal.claims();
        let rules: Vec<_> = rules.iter().filter(|rule| rule.admits(claims)).collect();
        databases.iter().all(|name| rules.iter().any(|rule| rule.opens(&self.role, name)))
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
    /// The task that it is for, when the token or the client says so.
    pub fn task(&self) -> Option<&Work> {
        self.task.as_ref()
    }
    /// The ticket that it is for, likewise.
    pub fn ticket(&self) -> Option<&Work> {
        self.ticket.as_ref()
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

impl AccessRule {
    fn admits(&self, claims: &Claims) -> bool {
        let any = |wanted: &[String], has: &dyn Fn(&String) -> bool| {
            wanted.is_empty() || wanted.iter().any(has)
        };
        self.issuer == claims.issuer_name
            && any(&self.groups_any, &|group| claims.groups.contains(group))
            && any(&self.clients_any, &|client| claims.client.as_ref() == Some(client))
            && any(&self.subjects_any, &|subject| claims.subject == *subject)
            && self.scopes_all.iter().all(|scope| claims.scopes.contains(scope))
    }

    fn opens(&self, role: &str, database: &str) -> bool {
        self.roles.iter().any(|opened| opened == role)
            && (self.databases.is_empty() || self.databases.iter().any(|name| name == database))
    }
}

/// What a client asks to open.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The configured name of the target.
    pub target: &'a str,
    /// The protocol it speaks.
    pub protocol: &'static str,
    /// The database.
    pub database: &'a str,
    /// The role.
    pub role: &'a str,
    /// What the client calls itself.
    pub client: &'a str,
    /// Where it calls from.
    pub peer: SocketAddr,
    /// The task that the client says it is for.
    pub task: Option<&'a str>,
    /// The ticket, likewise.
    pub ticket: Option<&'a str>,
}

/// Opens a session if one rule admits the principal to what it wants.
///
/// A caller whom no rule admits learns nothing of the target's roles and databases; one who is
/// admitted is told which roles and databases they may use.
pub fn open(
    principal: Principal,
    rules: &[AccessRule],
    wanted: &Wanted<'_>,
) -> Result<Session, Fault> {
    let admitting: Vec<&AccessRule> =
        rules.iter().filter(|rule| rule.admits(principal.claims())).collect();
    if admitting.is_empty() {
        return Err(not_admitted(principal.claims(), wanted));
    }
    if !admitting.iter().any(|rule| rule.opens(wanted.role, wanted.database)) {
        return Err(not_opened(&admitting, wanted));
    }
    let claims = principal.claims();
    let task = Work::of("task", claims.task.as_deref(), wanted.task)?;
    let ticket = Work::of("ticket", claims.ticket.as_deref(), wanted.ticket)?;
    Ok(Session {
        id: SessionId::mint(),
        task,
        ticket,
        principal,
        target: wanted.target.to_owned(),
        protocol: wanted.protocol,
        database: wanted.database.to_owned(),
        role: wanted.role.to_owned(),
        client: wanted.client.chars().filter(|c| !c.is_control()).take(CLIENT_CHARS_MAX).collect(),
        peer: wanted.peer,
    })
}

/// The first role that these rules open to a principal, for clients that name none.
pub fn first_role<'a>(principal: &Principal, rules: &'a [AccessRule]) -> Option<&'a str> {
    let mut rules = rules.iter().filter(|rule| rule.admits(principal.claims()));
    rules.find_map(|rule| rule.roles.first()).map(String::as_str)
}

/// Longest client name kept; PostgreSQL cuts `application_name` at 63 bytes.
const CLIENT_CHARS_MAX: usize = 64;

fn not_admitted(claims: &Claims, wanted: &Wanted<'_>) -> Fault {
    let message =
        format!("the token is valid, but its claims do not open target \"{}\"", wanted.target);
    Fault::new(Blame::Policy, "target_not_allowed", "28000", message)
        .detail(format!(
            "The token has groups [{}] and scopes [{}].",
            claims.groups.join(", "),
            claims.scopes.join(", ")
        ))
        .hint("Ask for a token with the groups and scopes that the operator of this target names.")
}

fn not_opened(admitting: &[&AccessRule], wanted: &Wanted<'_>) -> Fault {
    let offers: Vec<String> = admitting
        .iter()
        .map(|rule| {
            let databases = match rule.databases.as_slice() {
                [] => "any database of the target".to_owned(),
                names => names.join(", "),
            };
            format!("{} on {databases}", rule.roles.join(", "))
        })
        .collect();
    let message = format!(
        "role \"{}\" on database \"{}\" is not open to this token on target \"{}\"",
        wanted.role, wanted.database, wanted.target
    );
    Fault::new(Blame::Policy, "role_not_allowed", "28000", message)
        .hint(format!("Connect as one of: {}.", offers.join("; ")))
}

#[cfg(test)]
mod tests;

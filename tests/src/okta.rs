//! The gateway's own development issuer, shaped like an Okta custom authorization server, with
//! a small company of people and agents.

use std::net::SocketAddr;

use portcullis::demo::issuer::{Client, Issuer, MintRequest, Person, Settings, Signing};
use tokio::runtime::Runtime;

use crate::gateway::{AGENTS, APPROVERS, AUDITORS, IssuerEntry};

/// `aud` of the tokens that the gateway accepts.
pub const AUDIENCE: &str = "api://portcullis";
/// The application that agents run as.
pub const AGENT_CLIENT: &str = "0oa1reportagent";
/// Its secret: a canary that must show up nowhere.
pub const AGENT_SECRET: &str = "canary-agent-secret-77c3";
/// Life of the tokens, seconds.
const TOKEN_SECS: u64 = 3600;

/// A running issuer, with the runtime it needs.
pub struct Okta {
    // Dropped before its runtime.
    issuer: Issuer,
    runtime: Runtime,
}

impl Okta {
    /// Starts it on a free port, signing RS256 as Okta does.
    pub fn start() -> Self {
        Self::start_signing(Signing::Rs256)
    }

    /// Starts it on a free port with another kind of key.
    pub fn start_signing(signing: Signing) -> Self {
        Self::start_at(0, signing)
    }

    /// Starts it on this port of 127.0.0.1, with keys of its own as every time.
    pub fn start_at(port: u16, signing: Signing) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], port)),
            audience: AUDIENCE.into(),
            token_secs: TOKEN_SECS,
            signing,
            clients: vec![agent()],
            people: vec![alice(), bob()],
        };
        let issuer = runtime.block_on(Issuer::start(settings));
        let issuer = issuer.unwrap_or_else(|fault| panic!("no issuer: {fault}: {fault:?}"));
        Self { issuer, runtime }
    }

    /// The issuer, for keys and for tokens that nobody should be given.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The runtime it runs on, for tests that need one.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// As a gateway's configuration names it.
    pub fn entry(&self) -> IssuerEntry {
        IssuerEntry {
            issuer: self.issuer.url(),
            audience: AUDIENCE.to_owned(),
            ca_file: None,
            development: true,
        }
    }

    /// A token as asked for.
    pub fn mint(&self, request: &MintRequest) -> String {
        self.issuer.mint(request).unwrap_or_else(|fault| panic!("no token: {fault}: {fault:?}"))
    }

    /// A token of the agent for itself (client credentials).
    pub fn agent_token(&self) -> String {
        self.mint(&MintRequest::client(&agent()))
    }

    /// A token of `person`, got through the agents' application.
    pub fn person_token(&self, person: &Person) -> String {
        self.mint(&MintRequest::person(person, AGENT_CLIENT))
    }

    /// A token with which an AI agent acts for `person` (RFC 8693 `act`).
    pub fn delegated_token(&self, person: &Person) -> String {
        let mut request = MintRequest::person(person, AGENT_CLIENT);
        request.actors = vec![(AGENT_CLIENT.to_owned(), Some("ai_agent".to_owned()))];
        self.mint(&request)
    }
}

/// The application that agents run as; it may open sessions on the shop.
pub fn agent() -> Client {
    Client {
        id: AGENT_CLIENT.into(),
        secret: AGENT_SECRET.to_owned().into(),
        scopes: vec!["shop.read".into(), "shop.write".into()],
        groups: vec![AGENTS.into()],
    }
}

/// An analyst: may open sessions on the shop and decide nothing.
pub fn alice() -> Person {
    Person { uid: "00u1alice".into(), login: "alice@acme.test".into(), groups: vec![AGENTS.into()] }
}

/// A data owner and auditor: may decide approvals and read sessions, and open none.
pub fn bob() -> Person {
    Person {
        uid: "00u2bob".into(),
        login: "bob@acme.test".into(),
        groups: vec![APPROVERS.into(), AUDITORS.into()],
    }
}

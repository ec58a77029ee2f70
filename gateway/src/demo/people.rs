//! Who takes part: an AI agent, the person it works for, and somebody else to ask.

use std::net::{Ipv4Addr, SocketAddr};

use super::folder::Folder;
use super::issuer::{Client, Issuer, MintRequest, Person, Settings, Signing};
use super::{Error, random_text};
use crate::fault::Fault;
use crate::limits::DEMO_TOKEN_SECS;

/// `aud` of the tokens that the gateway accepts.
const AUDIENCE: &str = "api://portcullis";
/// `aud` of a token for somebody else.
const AUDIENCE_FOREIGN: &str = "api://payroll";
/// The application that the agent runs as.
const AGENT: &str = "0oa1shopagent";
/// The application that people sign in with. The agent's own would not do: whoever holds that
/// could answer its own questions.
const CONSOLE: &str = "0oa2console";

/// File of the agent's token.
pub(super) const AGENT_TOKEN: &str = "agent.token";
/// File of the agent's token for another service.
pub(super) const FOREIGN_TOKEN: &str = "foreign.token";
/// File of the token of the person whom the agent works for.
pub(super) const ALICE_TOKEN: &str = "alice.token";
/// File of the token of the person who answers and reads reports.
pub(super) const BOB_TOKEN: &str = "bob.token";

/// The development issuer and the tokens that it gave out.
pub(super) struct People {
    issuer: Issuer,
}

impl People {
    /// Starts the issuer on `wanted` if it is free, else on any port.
    pub(super) async fn start(wanted: Option<u16>) -> Result<Self, Error> {
        let port = super::database::free_port(wanted)?;
        let settings = Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            audience: AUDIENCE.to_owned(),
            token_secs: DEMO_TOKEN_SECS,
            signing: Signing::Rs256,
            clients: vec![
                Client {
                    id: AGENT.to_owned(),
                    secret: random_text()?,
                    scopes: vec!["shop".to_owned()],
                    groups: vec!["data-agents".to_owned()],
                },
                Client {
                    id: CONSOLE.to_owned(),
                    secret: String::new().into(),
                    scopes: vec!["approvals".to_owned()],
                    groups: Vec::new(),
                },
            ],
            people: vec![alice(), bob()],
        };
        Ok(Self { issuer: Issuer::start(settings).await.map_err(failed)? })
    }

    /// `iss`.
    pub(super) fn url(&self) -> String {
        self.issuer.url()
    }

    /// `HOST:PORT` of the issuer.
    pub(super) fn address(&self) -> String {
        let url = self.issuer.url();
        url.split('/').nth(2).unwrap_or_default().to_owned()
    }

    /// Writes a fresh token of everybody into the run folder.
    pub(super) fn write_tokens(&self, folder: &Folder) -> Result<(), Error> {
        let agent = agent_for(&alice());
        let foreign = MintRequest { audience: Some(AUDIENCE_FOREIGN.to_owned()), ..agent.clone() };
        for (name, request) in [
            (AGENT_TOKEN, agent),
            (FOREIGN_TOKEN, foreign),
            (ALICE_TOKEN, MintRequest::person(&alice(), CONSOLE)),
            (BOB_TOKEN, MintRequest::person(&bob(), CONSOLE)),
        ] {
            let token = zeroize::Zeroizing::new(self.issuer.mint(&request).map_err(failed)?);
            folder.write_secret(name, &token)?;
        }
        Ok(())
    }

    /// Ends the issuer.
    pub(super) fn stop(&self) {
        self.issuer.stop();
    }
}

/// A token with which the agent acts for a person (RFC 8693 `act`).
fn agent_for(person: &Person) -> MintRequest {
    let mut request = MintRequest::person(person, AGENT);
    request.actors = vec![(AGENT.to_owned(), Some("ai_agent".to_owned()))];
    request
}

/// Works with the data through the agent. She may answer questions too, but not her own.
fn alice() -> Person {
    Person {
        uid: "00u1alice".to_owned(),
        login: "alice@shop.example".to_owned(),
        groups: vec!["data-agents".to_owned(), "data-owners".to_owned()],
    }
}

/// Answers questions and reads reports; opens no sessions.
fn bob() -> Person {
    Person {
        uid: "00u2bob".to_owned(),
        login: "bob@shop.example".to_owned(),
        groups: vec!["data-owners".to_owned(), "auditors".to_owned()],
    }
}

fn failed(fault: Fault) -> Error {
    Error::new(fault.to_string())
}

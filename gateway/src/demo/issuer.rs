//! A development issuer, shaped like an Okta custom authorization server.
//!
//! It lets the demonstration and the tests run without a tenant. It listens on loopback only,
//! its keys are random and die with it, and it says what it is in every answer. It was written
//! after Okta's documentation; it is not Okta, and passing with it is not passing with Okta.

mod form;
mod keys;
mod oauth;
mod serve;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::fault::{Blame, Fault};
use crate::limits::ISSUER_TOKEN_SECS_MAX;

pub use keys::Signing;

/// An application that may get tokens for itself (`client_credentials`) or for people (device).
pub struct Client {
    /// `client_id`, such as `0oa1agent`.
    pub id: String,
    /// `client_secret`; an application with an empty one can only sign people in by device.
    pub secret: Zeroizing<String>,
    /// Scopes it may ask for; it gets all when it asks for none.
    pub scopes: Vec<String>,
    /// Groups in the tokens it gets for itself.
    pub groups: Vec<String>,
}

/// A person who may sign in.
#[derive(Clone, Debug)]
pub struct Person {
    /// Okta's stable user id, such as `00u1alice`.
    pub uid: String,
    /// Login name; `sub` and `email` of the tokens.
    pub login: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// What to start.
pub struct Settings {
    /// A loopback address; port 0 = any free one.
    pub listen: SocketAddr,
    /// `aud` of the tokens, such as `api://portcullis`.
    pub audience: String,
    /// Life of the tokens, seconds.
    pub token_secs: u64,
    /// Kind of signing key. Okta signs with RS256.
    pub signing: Signing,
    /// Applications.
    pub clients: Vec<Client>,
    /// People.
    pub people: Vec<Person>,
}

/// A token to mint directly, with no sign-in. Start from [`MintRequest::person`] or
/// [`MintRequest::client`].
#[derive(Clone, Debug, Default)]
pub struct MintRequest {
    /// `sub`.
    pub subject: String,
    /// `uid`, for people.
    pub uid: Option<String>,
    /// `email`, for people.
    pub email: Option<String>,
    /// `cid`.
    pub client: String,
    /// `aud`; `None` = the issuer's audience.
    pub audience: Option<String>,
    /// `groups`.
    pub groups: Vec<String>,
    /// `scp`.
    pub scopes: Vec<String>,
    /// Life, seconds; `None` = the issuer's.
    pub lifetime_secs: Option<u64>,
    /// The delegation chain as `(sub, sub_profile)`, outermost (acting now) first.
    pub actors: Vec<(String, Option<String>)>,
    /// Further claims: names and texts.
    pub more: Vec<(String, String)>,
}

impl MintRequest {
    /// A token of `person` that they got through the client `client`.
    pub fn person(person: &Person, client: &str) -> Self {
        Self {
            subject: person.login.clone(),
            uid: Some(person.uid.clone()),
            email: Some(person.login.clone()),
            client: client.to_owned(),
            groups: person.groups.clone(),
            ..Self::default()
        }
    }

    /// A token of an application for itself: `sub` is `cid`, and there is no `uid`.
    pub fn client(client: &Client) -> Self {
        Self {
            subject: client.id.clone(),
            client: client.id.clone(),
            groups: client.groups.clone(),
            scopes: client.scopes.clone(),
            ..Self::default()
        }
    }
}

/// The running issuer; it ends when this is dropped.
pub struct Issuer {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What the connections share.
struct Shared {
    /// `http://127.0.0.1:PORT`.
    origin: String,
    settings: Settings,
    ring: Mutex<keys::Ring>,
    state: Mutex<oauth::State>,
    key_reads: AtomicU64,
}

impl Issuer {
    /// Binds, makes a key and serves on the current tokio runtime.
    ///
    /// # Errors
    /// `demo_issuer_refused` for an address that is not loopback, a life of 0 or more than a
    /// day; `demo_issuer_failed` when it can't bind or make a key.
    pub async fn start(settings: Settings) -> Result<Self, Fault> {
        if !settings.listen.ip().is_loopback() {
            return Err(refused("the development issuer listens on a loopback address only"));
        }
        if !(1..=ISSUER_TOKEN_SECS_MAX).contains(&settings.token_secs) {
            return Err(refused("tokens of the development issuer live from 1 s to a day"));
        }
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
            failed(format!("the development issuer can't listen on {}: {error}", settings.listen))
        })?;
        let address = listener.local_addr().map_err(|error| failed(error.to_string()))?;
        let ring = keys::Ring::new(settings.signing)?;
        let shared = Arc::new(Shared {
            origin: format!("http://{address}"),
            settings,
            ring: Mutex::new(ring),
            state: Mutex::default(),
            key_reads: AtomicU64::new(0),
        });
        let task = tokio::spawn(serve::run(listener, Arc::clone(&shared)));
        Ok(Self { shared, task })
    }

    /// `iss`: `http://127.0.0.1:PORT/oauth2/default`.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// How often the key set was read, to see what a gateway asks for.
    pub fn key_reads(&self) -> u64 {
        self.shared.key_reads.load(Ordering::Relaxed)
    }

    /// A token as the token endpoint would give it.
    ///
    /// # Errors
    /// `demo_issuer_failed` when signing fails.
    pub fn mint(&self, request: &MintRequest) -> Result<String, Fault> {
        self.shared.mint(request, now())
    }

    /// A token with this header and these claims, signed with the current key whatever they say;
    /// for tests of what a gateway must refuse.
    ///
    /// # Errors
    /// `demo_issuer_failed` when signing fails.
    pub fn mint_raw(&self, header: &str, claims: &str) -> Result<String, Fault> {
        self.shared.ring().sign(header.as_bytes(), claims.as_bytes())
    }

    /// `kid` of the key that signs now.
    pub fn key_id(&self) -> String {
        self.shared.ring().key_id().to_owned()
    }

    /// Signs with a new key from now on; the old ones stay in the key set.
    ///
    /// # Errors
    /// `demo_issuer_failed` when no key can be made.
    pub fn rotate(&self) -> Result<(), Fault> {
        self.shared.ring().rotate(self.shared.settings.signing)
    }

    /// Takes every key but the current one out of the key set.
    pub fn withdraw_old_keys(&self) {
        self.shared.ring().withdraw_old();
    }

    /// Ends it.
    pub fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn url(&self) -> String {
        format!("{}/oauth2/default", self.origin)
    }

    fn ring(&self) -> MutexGuard<'_, keys::Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, oauth::State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims as in Okta's samples, and the token remembered for introspection.
    fn mint(&self, request: &MintRequest, now: u64) -> Result<String, Fault> {
        let life = request.lifetime_secs.unwrap_or(self.settings.token_secs);
        let audience = request.audience.as_ref().unwrap_or(&self.settings.audience);
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("ver", json!(1));
        put("jti", json!(format!("AT.{}", keys::random_text()?)));
        put("iss", json!(self.url()));
        put("aud", json!(audience));
        put("iat", json!(now));
        put("exp", json!(now.saturating_add(life)));
        put("cid", json!(request.client));
        if let Some(uid) = &request.uid {
            put("uid", json!(uid));
            put("auth_time", json!(now));
        }
        put("scp", json!(request.scopes));
        put("sub", json!(request.subject));
        if let Some(email) = &request.email {
            put("email", json!(email));
        }
        put("groups", json!(request.groups));
        for (name, text) in &request.more {
            put(name, json!(text));
        }
        if let Some(act) = nest(&request.actors) {
            put("act", act);
        }
        let claims = Value::Object(claims);
        let ring = self.ring();
        let header = json!({ "kid": ring.key_id(), "alg": ring.algorithm() });
        let token = ring.sign(header.to_string().as_bytes(), claims.to_string().as_bytes())?;
        drop(ring);
        self.state().remember(&token, claims);
        Ok(token)
    }
}

/// RFC 8693 section 4.1: who acts now is outside, who acted before inside.
fn nest(actors: &[(String, Option<String>)]) -> Option<Value> {
    actors.iter().rev().fold(None, |inner, (subject, profile)| {
        let mut link = json!({ "sub": subject });
        if let Some(profile) = profile {
            link["sub_profile"] = json!(profile);
        }
        if let Some(inner) = inner {
            link["act"] = inner;
        }
        Some(link)
    })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn refused(message: &'static str) -> Fault {
    Fault::new(Blame::Operator, "demo_issuer_refused", "F0000", message)
}

fn failed(message: String) -> Fault {
    Fault::new(Blame::Operator, "demo_issuer_failed", "58000", message)
}

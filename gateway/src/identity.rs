//! Who is calling: turns a [`Token`] into a [`Principal`], or refuses.
//!
//! [`token`] and [`claims`] are the rules, pure; [`jwk`] the keys; `keys` and `fetch` keep them
//! fresh; [`verifier`] joins them.

pub mod claims;
mod fetch;
pub mod json;
pub mod jwk;
mod keep;
mod keys;
mod refusal;
pub mod rules;
pub mod token;
mod verdict;
pub mod verifier;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;
use zeroize::Zeroizing;

pub(crate) use fetch::tls_config;
pub use jwk::{Algorithm, KeySet};
pub use rules::Rules;
pub use verifier::{IssuerStatus, Verifier};

/// A bearer string not yet trusted. It has no `Debug`, `Display` or `Serialize` on purpose.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Wraps a string that a caller presented.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the verifier only.
    pub(in crate::identity) fn expose(&self) -> &str {
        &self.0
    }
}

/// One link of the delegation chain (RFC 8693 section 4.1): the outermost acts now.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Actor {
    /// The `sub` of the actor.
    pub subject: String,
    /// The `sub_profile` of the actor, such as `ai_agent`, when it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// What a verified token says. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Claims {
    /// The configured name of the issuer.
    pub issuer_name: String,
    /// `iss`, byte for byte as configured.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// Okta's stable user id `uid`, when there is one.
    pub uid: Option<String>,
    /// The OAuth client: `cid`, `client_id`, `azp` or `appid`.
    pub client: Option<String>,
    /// `sub_profile`: what kind of subject it is, such as `ai_agent`, when the token says so.
    pub profile: Option<String>,
    /// `email`, when there is one.
    pub email: Option<String>,
    /// Groups from the configured claim; empty when the claim is missing.
    pub groups: Vec<String>,
    /// Scopes from `scp` or `scope`.
    pub scopes: Vec<String>,
    /// The delegation chain, outermost (acting now) first.
    pub actors: Vec<Actor>,
    /// `aud`.
    pub audience: Vec<String>,
    /// `jti`, when there is one.
    pub token_id: Option<String>,
    /// `iat`.
    pub issued_at: i64,
    /// `exp`.
    pub expires_at: i64,
    /// The task that the token was given for, from the configured claim.
    pub task: Option<String>,
    /// The ticket, likewise.
    pub ticket: Option<String>,
    /// `auth_time`, when there is one.
    pub auth_time: Option<i64>,
    /// `kid` of the key that verified the signature.
    pub key_id: Option<String>,
    /// RFC 7638 thumbprint (base64url SHA-256) of that key.
    pub key_thumbprint: String,
    /// SHA-256 of the compact token, hex. The token itself is stored nowhere.
    pub token_sha256: String,
}

/// A verified caller. Only [`Verifier::verify`] makes one.
#[derive(Clone, Debug)]
pub struct Principal {
    claims: Arc<Claims>,
}

impl Principal {
    /// Test double for the stages to the right.
    #[cfg(test)]
    pub(crate) fn for_test(claims: Claims) -> Self {
        Self { claims: Arc::new(claims) }
    }
    /// What the token says.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Who calls now: the outermost actor, else the client, else the subject.
    pub fn agent(&self) -> &str {
        let claims = &self.claims;
        match (claims.actors.first(), &claims.client) {
            (Some(actor), _) => &actor.subject,
            (None, Some(client)) => client,
            (None, None) => &claims.subject,
        }
    }
}

/// One configured issuer. Plain data, checked by the configuration reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerSettings {
    /// The operator's name for it.
    pub name: String,
    /// `iss`, compared byte for byte; `https`, or `http` on loopback when `development`.
    pub issuer: String,
    /// Accepted audiences; a token needs one of them.
    pub audiences: Vec<String>,
    /// JOSE names: `RS256`, `ES256` (default both), `PS256`, `EdDSA`, `RS384`, ...
    pub algorithms: Vec<String>,
    /// Claim that holds the groups, a string or an array; default `groups`.
    pub groups_claim: String,
    /// Claims that may name the OAuth client, in order; two that disagree refuse the token.
    pub client_claims: Vec<String>,
    /// Claim that names the task that the token was given for; `None` = there is none.
    pub task_claim: Option<String>,
    /// Claim that names the ticket, likewise.
    pub ticket_claim: Option<String>,
    /// Refuse a token whose header lacks `typ: at+jwt` (RFC 9068).
    pub require_at_jwt: bool,
    /// Accept a token with more than one audience.
    pub many_audiences: bool,
    /// Clock skew allowed, seconds; at most 120.
    pub skew_secs: u64,
    /// Oldest `iat` accepted, seconds; `None` = no bound but `exp`.
    pub age_secs_max: Option<u64>,
    /// PEM file of the CA to trust instead of the public ones.
    pub ca_file: Option<std::path::PathBuf>,
    /// Where the last good key set is kept across restarts; `None` = nowhere.
    pub cache_dir: Option<std::path::PathBuf>,
    /// It is the development issuer: plain http on loopback is accepted. Never beside others.
    pub development: bool,
}

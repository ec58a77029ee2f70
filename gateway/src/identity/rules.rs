//! The checked form of an issuer's settings: what a token of that issuer must satisfy.

use std::net::IpAddr;

use openidconnect::url::{Host, Url};

use super::refusal::misconfigured;
use super::{Algorithm, IssuerSettings};
use crate::fault::{Fault, shown};
use crate::limits::SKEW_SECS_MAX;

/// An issuer's settings after every check that needs no network.
#[derive(Clone, Debug)]
pub struct Rules {
    settings: IssuerSettings,
    algorithms: Vec<Algorithm>,
    url: Url,
}

impl Rules {
    /// Checks `settings`.
    ///
    /// # Errors
    /// `issuer_settings_bad`, naming the issuer and what was expected.
    pub fn new(settings: IssuerSettings) -> Result<Self, Fault> {
        let name = shown(&settings.name);
        let bad = |what: String| misconfigured(format!("issuer {name}: {what}"));
        if settings.name.is_empty() {
            return Err(bad("the name is empty".into()));
        }
        let url = check_url(&settings).map_err(bad)?;
        if settings.audiences.is_empty() || settings.audiences.iter().any(String::is_empty) {
            return Err(bad("give at least one audience, and none that is empty".into()));
        }
        if settings.skew_secs > SKEW_SECS_MAX {
            return Err(bad(format!("clock skew of more than {SKEW_SECS_MAX} s")));
        }
        if settings.groups_claim.is_empty() || settings.client_claims.iter().any(String::is_empty) {
            return Err(bad("a claim name is empty".into()));
        }
        let mut algorithms = Vec::new();
        for wanted in &settings.algorithms {
            let algorithm = Algorithm::from_name(wanted).ok_or_else(|| {
                bad(format!(
                    "algorithm {} is not one of {}; symmetric ones and none are never accepted",
                    shown(wanted),
                    Algorithm::names()
                ))
            })?;
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
        if algorithms.is_empty() {
            return Err(bad("give at least one algorithm".into()));
        }
        Ok(Self { settings, algorithms, url })
    }

    /// The settings as configured.
    pub fn settings(&self) -> &IssuerSettings {
        &self.settings
    }

    /// The algorithms a token may be signed with.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The parsed issuer identifier.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }
}

/// OpenID Connect Discovery 1.0 section 3: https, no query and no fragment. Plain http only on a
/// loopback literal, because a name such as `localhost` is whatever the resolver says.
fn check_url(settings: &IssuerSettings) -> Result<Url, String> {
    let text = &settings.issuer;
    let url = Url::parse(text)
        .map_err(|error| format!("issuer identifier {} is not a URL: {error}", shown(text)))?;
    if !text.is_ascii() || text.chars().any(|c| c.is_ascii_control() || c == ' ') {
        return Err("the issuer identifier has characters that are not printable ASCII".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the issuer identifier has a query or a fragment".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the issuer identifier has a user name or password".into());
    }
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(_)) => false,
        None => return Err("the issuer identifier has no host".into()),
    };
    match url.scheme() {
        _ if settings.development && !loopback => {
            Err("a development issuer must be on a loopback address such as 127.0.0.1".into())
        }
        "https" => Ok(url),
        "http" if settings.development => Ok(url),
        _ => Err("the issuer identifier must start with https://".into()),
    }
}

//! `[[issuers]]`: who signs tokens.

use std::path::Path;

use super::page::{Item, Section};
use super::secret;
use super::text::{is_loopback, issuer_url, name, owned};
use crate::identity::IssuerSettings;
use crate::limits::{CLOCK_SKEW_SECS, SKEW_SECS_MAX, TOKEN_AGE_SECS_MAX, TOKEN_AGE_SECS_MIN};

/// Signatures accepted. Never `none` and never a shared secret (RFC 8725 sections 3.1, 3.2).
const ALGORITHMS: [&str; 9] =
    ["ES256", "ES384", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

/// Accepted when the issuer doesn't name any.
const ALGORITHMS_DEFAULT: [&str; 2] = ["RS256", "ES256"];

/// Claims that name the OAuth client: Okta, RFC 9068, OpenID Connect, Entra.
const CLIENT_CLAIMS_DEFAULT: [&str; 4] = ["cid", "client_id", "azp", "appid"];

/// Reads every issuer.
pub(super) fn issuers(top: &mut Section<'_>, data_dir: &Path) -> Vec<IssuerSettings> {
    let sections = top.sections("issuers", "issuers");
    if sections.is_empty() && top.has("issuers").is_none() {
        top.missing("issuers", "at least one [[issuers]] section: who signs tokens");
    }
    let alone = sections.len() == 1;
    let mut issuers: Vec<IssuerSettings> = Vec::new();
    for section in sections {
        let issuer = issuer(section, alone, data_dir, &issuers);
        issuers.push(issuer);
    }
    issuers
}

fn issuer(
    mut section: Section<'_>,
    alone: bool,
    data_dir: &Path,
    earlier: &[IssuerSettings],
) -> IssuerSettings {
    let taken: Vec<String> = earlier.iter().map(|other| other.name.clone()).collect();
    let name = name(&mut section, "name", &taken);
    let development = section.boolean("development").filter(|item| item.value);
    if let Some(item) = &development
        && !alone
    {
        let what = "a development issuer stands beside others; expected it alone, because anyone \
                    on this machine may sign in with it";
        section.mistake(item.at, what);
    }
    let url = section.string_needed("issuer", "the `iss` of its tokens, an https URL");
    if let Some(url) = &url {
        check_url(&section, url, development.is_some());
        if earlier.iter().any(|other| other.issuer == url.value) {
            section.mistake(url.at, "another [[issuers]] has this `issuer`; expected each once");
        }
    }
    let audiences = owned(section.strings_needed("audiences", "the `aud` of this gateway"));
    let algorithms = algorithms(&mut section);
    let claim = section.string("groups_claim", "the name of a claim");
    let claims = owned(section.strings("client_claims", "names of claims"));
    let mut work = |key| section.string(key, "the name of a claim").map(|it| it.value.to_owned());
    let (task_claim, ticket_claim) = (work("task_claim"), work("ticket_claim"));
    let require_at_jwt = section.boolean("require_at_jwt").is_some_and(|item| item.value);
    let many_audiences = section.boolean("many_audiences").is_some_and(|item| item.value);
    let skew = section.integer("clock_skew_secs", 0..=SKEW_SECS_MAX);
    let age_secs_max =
        section.integer("token_age_secs_max", TOKEN_AGE_SECS_MIN..=TOKEN_AGE_SECS_MAX);
    let ca_file = secret::authority(&mut section, "ca_file");
    section.end();
    IssuerSettings {
        name,
        issuer: url.map_or_else(String::new, |item| item.value.to_owned()),
        audiences,
        algorithms,
        groups_claim: claim.map_or("groups", |item| item.value).to_owned(),
        client_claims: if claims.is_empty() {
            CLIENT_CLAIMS_DEFAULT.map(str::to_owned).to_vec()
        } else {
            claims
        },
        task_claim,
        ticket_claim,
        require_at_jwt,
        many_audiences,
        skew_secs: skew.unwrap_or(CLOCK_SKEW_SECS),
        age_secs_max,
        ca_file,
        cache_dir: Some(data_dir.join("issuers")),
        development: development.is_some(),
    }
}

fn check_url(section: &Section<'_>, url: &Item<&str>, development: bool) {
    let shown = url.value.escape_debug();
    let what = match (issuer_url(url.value), development) {
        (None, _) => "a URL without query, fragment, user or spaces",
        (Some(("https", _)), false) => return,
        (Some(("http", host)), true) if host == "localhost" || is_loopback(host) => return,
        (Some(_), true) => "http on localhost, 127.0.0.1 or [::1], for a development issuer",
        (Some(_), false) => "https",
    };
    section.mistake(url.at, format!("`issuer` is \"{shown}\"; expected {what}"));
}

fn algorithms(section: &mut Section<'_>) -> Vec<String> {
    let expected = format!("some of {}", ALGORITHMS.join(", "));
    let items = section.strings("algorithms", &expected);
    for item in &items {
        if !ALGORITHMS.contains(&item.value) {
            let shown = item.value.escape_debug();
            section.mistake(item.at, format!("`algorithms` has \"{shown}\"; expected {expected}"));
        }
    }
    if items.is_empty() {
        return ALGORITHMS_DEFAULT.map(str::to_owned).to_vec();
    }
    owned(items)
}

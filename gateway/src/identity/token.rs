//! The pure part of verification: bytes, keys and a time in, claims or a refusal out.
//!
//! The order of the checks is fixed and each has a code of its own: form, header, issuer (read
//! unverified, only to choose the rules), key, signature, and only then every other claim.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::jwk::{Algorithm, Key, KeySet, Lookup};
use super::refusal::refuse;
use super::rules::Rules;
use super::{Claims, claims, json};
use crate::fault::{Fault, shown};
use crate::limits::{CLAIM_TEXT_BYTES_MAX, TOKEN_BYTES_MAX};

/// What the JOSE header of an acceptable token says (RFC 7515 section 4).
#[derive(Debug)]
pub struct Header {
    /// `alg`, always asymmetric.
    pub algorithm: Algorithm,
    /// `kid`.
    pub key_id: Option<String>,
    /// `typ` is `at+jwt` (RFC 9068 section 2.1).
    pub access_token_type: bool,
}

/// A token in compact form (RFC 7515 section 3.1), taken apart but not verified.
pub struct Compact<'a> {
    header: Header,
    claims: Map<String, Value>,
    signed: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes `text` apart: three parts of canonical base64url, strict JSON, a header to accept.
    ///
    /// # Errors
    /// `token_malformed`, `token_too_long`, `token_encrypted`, `algorithm_refused`,
    /// `token_header_refused`, `token_type_refused`, `org_server_token`.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Err(malformed("it is empty").hint("send an access token as the password"));
        }
        if text.len() > TOKEN_BYTES_MAX {
            return Err(refuse(
                "token_too_long",
                format!("the token has {} bytes; at most {TOKEN_BYTES_MAX} are read", text.len()),
            ));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let &[header, payload, signature] = parts.as_slice() else {
            return Err(parts_refused(parts.len()));
        };
        let signed_bytes = header.len() + 1 + payload.len();
        let signed = text.as_bytes().get(..signed_bytes).unwrap_or_default();
        let header = check_header(&object(header, "header")?)?;
        let claims = object(payload, "payload")?;
        let signature = decode(signature, "signature")?;
        Ok(Self { header, claims, signed, signature })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// `iss`, not verified: good for nothing but choosing the rules and keys to verify with.
    ///
    /// # Errors
    /// `issuer_unknown` when the token names none.
    pub fn issuer(&self) -> Result<&str, Fault> {
        self.claims.get("iss").and_then(Value::as_str).ok_or_else(|| {
            refuse("issuer_unknown", "the token does not say who issued it (claim iss)")
        })
    }

    /// Checks what the issuer's rules say about the header.
    ///
    /// # Errors
    /// `algorithm_refused`, `token_type_refused`.
    pub fn check_rules(&self, rules: &Rules) -> Result<(), Fault> {
        if !rules.algorithms().contains(&self.header.algorithm) {
            let accepted = rules.settings().algorithms.join(", ");
            return Err(refuse(
                "algorithm_refused",
                format!("the token's algorithm is not accepted from this issuer, only {accepted}"),
            ));
        }
        if rules.settings().require_at_jwt && !self.header.access_token_type {
            return Err(refuse(
                "token_type_refused",
                "tokens of this issuer must have the header typ at+jwt, and this one has not",
            ));
        }
        Ok(())
    }

    /// Verifies the signature with `key`, then every claim.
    ///
    /// # Errors
    /// `signature_bad`, and every code of [`claims::check`].
    pub fn verify(&self, rules: &Rules, key: &Key, now: i64) -> Result<claims::Checked, Fault> {
        if !key.verifies(self.header.algorithm, self.signed, &self.signature) {
            return Err(refuse(
                "signature_bad",
                "the token's signature does not fit the issuer's key",
            )
            .hint("send the token whole and unchanged; some programs cut long passwords"));
        }
        claims::check(&self.claims, rules, now)
    }
}

/// Verifies `text` with keys at hand, as the gateway does with keys it fetches. `now` is seconds
/// since the epoch.
///
/// # Errors
/// Every refusal of this stage but `issuer_keys_unavailable`.
pub fn judge(text: &str, rules: &Rules, keys: &KeySet, now: i64) -> Result<Claims, Fault> {
    let compact = Compact::parse(text)?;
    let issuer = compact.issuer()?;
    if issuer != rules.settings().issuer {
        return Err(issuer_unknown(issuer));
    }
    compact.check_rules(rules)?;
    let header = compact.header();
    let key = match keys.find(header.key_id.as_deref(), header.algorithm) {
        Lookup::Found(key) => key,
        Lookup::Ambiguous => return Err(key_ambiguous()),
        Lookup::Unfit => return Err(key_unfit()),
        Lookup::Unknown => return Err(key_unknown(header.key_id.as_deref())),
    };
    let checked = compact.verify(rules, &key, now)?;
    Ok(checked.into_claims(rules, &key, &fingerprint(text)))
}

/// SHA-256 of the compact token.
pub fn fingerprint(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}

pub(super) fn issuer_unknown(issuer: &str) -> Fault {
    refuse("issuer_unknown", format!("the token's issuer {} is not accepted here", shown(issuer)))
        .hint("the issuer is compared byte for byte with the configured one, slashes included")
}

pub(super) fn key_unknown(id: Option<&str>) -> Fault {
    match id {
        Some(id) => refuse(
            "key_unknown",
            format!("the issuer has no usable key {} that this token names", shown(id)),
        ),
        None => refuse("key_unknown", "the token names no key, and the issuer has no only one"),
    }
    .hint("get a new token from the issuer")
}

pub(super) fn key_unfit() -> Fault {
    refuse("key_unfit", "the key that the token names is not for the token's algorithm")
}

pub(super) fn key_ambiguous() -> Fault {
    refuse("key_unknown", "the issuer has several keys that the token could mean")
}

fn malformed(why: &str) -> Fault {
    refuse("token_malformed", format!("this is not a signed JSON web token: {why}"))
}

fn parts_refused(count: usize) -> Fault {
    if count == 5 {
        return refuse("token_encrypted", "the token is encrypted (JWE), which is not supported")
            .hint("switch off access token encryption for this audience at the issuer");
    }
    malformed("it does not have three parts separated by dots")
        .hint("send the access token itself, whole and without quotes or line breaks")
}

fn decode(part: &str, name: &str) -> Result<Vec<u8>, Fault> {
    if part.is_empty() {
        return Err(malformed(&format!("its {name} is empty")));
    }
    URL_SAFE_NO_PAD.decode(part).map_err(|_| {
        malformed(&format!("its {name} is not canonical base64url without padding"))
            .hint("send the token whole and unchanged; some programs cut long passwords")
    })
}

fn object(part: &str, name: &str) -> Result<Map<String, Value>, Fault> {
    json::parse_object(&decode(part, name)?)
        .map_err(|why| malformed(&format!("its {name} can't be read: {why}")))
}

fn check_header(header: &Map<String, Value>) -> Result<Header, Fault> {
    let Some(name) = header.get("alg").and_then(Value::as_str) else {
        return Err(refuse("algorithm_refused", "the token's header names no algorithm"));
    };
    let Some(algorithm) = Algorithm::from_name(name) else {
        return Err(refuse(
            "algorithm_refused",
            format!(
                "algorithm {} is not accepted; the token must be signed with one of {}",
                shown(name),
                Algorithm::names()
            ),
        ));
    };
    // `crit` marks extensions that must be understood, and none is; `b64` and `zip` change what
    // is signed; `cty` announces a token inside the token.
    for member in ["crit", "b64", "zip", "cty", "enc"] {
        if header.contains_key(member) {
            return Err(refuse(
                "token_header_refused",
                format!("the token's header has the member {member}, which is not accepted"),
            ));
        }
    }
    // Keys come from the configured issuer and nowhere else (RFC 8725 section 3.10).
    for member in ["jku", "jwk", "x5c", "x5u"] {
        if header.contains_key(member) {
            tracing::info!(member, "ignored a key that a token brought along");
        }
    }
    let access_token_type = check_type(header.get("typ"))?;
    let key_id = match header.get("kid") {
        None => None,
        Some(Value::String(id))
            if (1..=CLAIM_TEXT_BYTES_MAX).contains(&id.len())
                && !id.chars().any(char::is_control) =>
        {
            Some(id.clone())
        }
        Some(_) => {
            return Err(refuse(
                "token_header_refused",
                format!(
                    "the token's kid is not a plain string of 1 to {CLAIM_TEXT_BYTES_MAX} bytes"
                ),
            ));
        }
    };
    Ok(Header { algorithm, key_id, access_token_type })
}

/// Whether `typ` is the access token type; an error when it is of another use (RFC 8725
/// section 3.11). Media types compare without case (RFC 7515 section 4.1.9).
fn check_type(kind: Option<&Value>) -> Result<bool, Fault> {
    let Some(kind) = kind else { return Ok(false) };
    let Some(kind) = kind.as_str() else {
        return Err(refuse("token_type_refused", "the token's header typ is not a string"));
    };
    let lower = kind.to_ascii_lowercase();
    match lower.strip_prefix("application/").unwrap_or(&lower) {
        "jwt" if !lower.contains('/') => Ok(false),
        "at+jwt" => Ok(true),
        "okta-internal-at+jwt" => Err(refuse(
            "org_server_token",
            "this access token is of an Okta org authorization server, which only Okta may read",
        )
        .hint("ask for a token of a custom authorization server, such as /oauth2/default")),
        "oauth-id-jag+jwt" => Err(refuse(
            "token_type_refused",
            "this is an identity assertion (ID-JAG), not an access token",
        )
        .hint("exchange it for an access token at the authorization server that it names")),
        _ => Err(refuse(
            "token_type_refused",
            format!("the token's type {} is not that of an access token", shown(kind)),
        )
        .hint("send an OAuth 2.0 access token")),
    }
}

//! The claims of a token whose signature is good: every one that is used is checked here.

use serde_json::{Map, Value};

use super::jwk::Key;
use super::refusal::{clock, refuse};
use super::rules::Rules;
use super::{Actor, Claims};
use crate::fault::{Fault, shown};
use crate::limits::{
    ACTORS_DEPTH_MAX, AUDIENCES_COUNT_MAX, CLAIM_TEXT_BYTES_MAX, GROUPS_COUNT_MAX, SCOPES_COUNT_MAX,
};

/// Seconds since the epoch at the end of the year 9999 (RFC 3339's last).
const TIME_SECS_MAX: f64 = 253_402_300_799.0;

/// Claims that passed; what verified them is added by [`Checked::into_claims`].
#[derive(Debug)]
pub struct Checked(Claims);

impl Checked {
    /// The claims with the issuer, the key and the token they came from.
    pub fn into_claims(self, rules: &Rules, key: &Key, fingerprint: &[u8; 32]) -> Claims {
        let settings = rules.settings();
        Claims {
            issuer_name: settings.name.clone(),
            issuer: settings.issuer.clone(),
            key_id: key.id().map(str::to_owned),
            key_thumbprint: key.thumbprint().to_owned(),
            token_sha256: fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
            ..self.0
        }
    }
}

type Members = Map<String, Value>;

/// Checks `claims` against `rules` at `now`, seconds since the epoch, in this order: times,
/// audience, kind of token, subject, then everything else.
///
/// # Errors
/// `token_time_bad`, `token_expired`, `token_not_yet_valid`, `token_too_old`, `audience_wrong`,
/// `audience_many`, `id_token_refused`, `token_type_refused`, `sender_bound_token`,
/// `subject_bad`, `claim_bad`, `client_conflict`, `scope_conflict`, `actor_bad`.
pub fn check(claims: &Members, rules: &Rules, now: i64) -> Result<Checked, Fault> {
    let settings = rules.settings();
    let (issued_at, expires_at) = check_times(claims, rules, now)?;
    let audience = check_audience(claims, rules)?;
    let client = client(claims, &settings.client_claims)?;
    let scopes = scopes(claims)?;
    check_kind(claims, client.as_deref(), &scopes, &audience)?;
    let subject = match claims.get("sub") {
        Some(Value::String(subject)) => plain("sub", subject)
            .map_err(|fault| Fault { code: "subject_bad", ..fault })?
            .to_owned(),
        _ => return Err(refuse("subject_bad", "the token has no subject (claim sub)")),
    };
    let actors = actors(claims, &subject)?;
    Ok(Checked(Claims {
        issuer_name: String::new(),
        issuer: String::new(),
        uid: optional(claims, "uid")?,
        client,
        profile: optional(claims, "sub_profile")?,
        email: optional(claims, "email")?,
        groups: groups(claims, &settings.groups_claim)?,
        scopes,
        actors,
        audience,
        token_id: optional(claims, "jti")?,
        task: work(claims, settings.task_claim.as_deref())?,
        ticket: work(claims, settings.ticket_claim.as_deref())?,
        issued_at,
        expires_at,
        auth_time: time(claims, "auth_time")?.map(floor),
        subject,
        key_id: None,
        key_thumbprint: String::new(),
        token_sha256: String::new(),
    }))
}

/// The name of a task or ticket, from the claim that the operator named, if they did.
fn work(claims: &Members, claim: Option<&str>) -> Result<Option<String>, Fault> {
    claim.map_or(Ok(None), |claim| optional(claims, claim))
}

/// RFC 7519 sections 4.1.4 to 4.1.6. `exp` rounds down and `nbf` and `iat` up, so a fraction
/// never lengthens a life.
fn check_times(claims: &Members, rules: &Rules, now: i64) -> Result<(i64, i64), Fault> {
    let settings = rules.settings();
    let skew = i64::try_from(settings.skew_secs).unwrap_or_default();
    let missing = |name| {
        refuse("token_time_bad", format!("the token has no {name}, so its life is not bounded"))
    };
    let expires_at = floor(time(claims, "exp")?.ok_or_else(|| missing("exp"))?);
    let issued_at = ceil(time(claims, "iat")?.ok_or_else(|| missing("iat"))?);
    if expires_at <= now.saturating_sub(skew) {
        return Err(refuse(
            "token_expired",
            format!("the token expired at {}; it is now {}", clock(expires_at), clock(now)),
        )
        .hint("get a new token from the issuer and connect again"));
    }
    let early = now.saturating_add(skew);
    let not_before = time(claims, "nbf")?.map(ceil);
    for (name, at) in [("nbf", not_before), ("iat", Some(issued_at))] {
        if let Some(at) = at.filter(|at| *at > early) {
            return Err(refuse(
                "token_not_yet_valid",
                format!("the token is valid from {} ({name}); it is now {}", clock(at), clock(now)),
            )
            .hint("compare the clocks of the gateway and the issuer"));
        }
    }
    if expires_at <= issued_at {
        return Err(refuse("token_time_bad", "the token expires before it was issued"));
    }
    if let Some(oldest) = settings.age_secs_max.and_then(|age| i64::try_from(age).ok())
        && issued_at < now.saturating_sub(skew).saturating_sub(oldest)
    {
        return Err(refuse(
            "token_too_old",
            format!(
                "the token was issued at {}; tokens older than {oldest} s are not accepted here",
                clock(issued_at)
            ),
        )
        .hint("get a new token from the issuer and connect again"));
    }
    Ok((issued_at, expires_at))
}

/// A NumericDate (RFC 7519 section 2): a number, never a string (CVE-2026-25537), from the epoch
/// to the year 9999.
fn time(claims: &Members, name: &str) -> Result<Option<f64>, Fault> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    match value.as_f64() {
        Some(at) if (0.0..=TIME_SECS_MAX).contains(&at) => Ok(Some(at)),
        _ => Err(refuse(
            "token_time_bad",
            format!("the token's {name} is not a number of seconds since 1970"),
        )),
    }
}

#[allow(clippy::cast_possible_truncation)] // `time` bounds it.
fn floor(at: f64) -> i64 {
    at.floor() as i64
}

#[allow(clippy::cast_possible_truncation)] // `time` bounds it.
fn ceil(at: f64) -> i64 {
    at.ceil() as i64
}

fn check_audience(claims: &Members, rules: &Rules) -> Result<Vec<String>, Fault> {
    let settings = rules.settings();
    let expected =
        || settings.audiences.iter().map(|each| shown(each)).collect::<Vec<_>>().join(" or ");
    let seen = match claims.get("aud") {
        Some(value) => strings("aud", value, AUDIENCES_COUNT_MAX)?,
        None => Vec::new(),
    };
    if !seen.iter().any(|each| settings.audiences.contains(each)) {
        let seen = seen.iter().map(|each| shown(each)).collect::<Vec<_>>().join(", ");
        let seen = if seen.is_empty() { "none".to_owned() } else { seen };
        let hint = if looks_like_id_token(claims) {
            "this looks like an ID token; send the access token instead".to_owned()
        } else {
            format!("ask the issuer for a token with the audience {}", expected())
        };
        return Err(refuse(
            "audience_wrong",
            format!("the token is for audience {seen}, and this gateway is {}", expected()),
        )
        .hint(hint));
    }
    if seen.len() > 1 && !settings.many_audiences {
        return Err(refuse(
            "audience_many",
            "the token is for several audiences, so another of them could have replayed it here",
        )
        .hint(format!("ask the issuer for a token with the audience {} alone", expected())));
    }
    Ok(seen)
}

fn looks_like_id_token(claims: &Members) -> bool {
    // OpenID Connect Core 1.0 sections 2, 3.1.3.6 and 3.3.2.11; `token_use` is Amazon Cognito's
    // and a claim `typ` Keycloak's.
    ["nonce", "at_hash", "c_hash", "s_hash"].iter().any(|name| claims.contains_key(*name))
        || claims.get("token_use").is_some_and(|value| value == "id")
        || claims.get("typ").is_some_and(|value| value == "ID")
}

/// Refuses what the right issuer signed for another use than access (RFC 8725 section 2.8).
fn check_kind(
    claims: &Members,
    client: Option<&str>,
    scopes: &[String],
    audience: &[String],
) -> Result<(), Fault> {
    let for_its_client =
        scopes.is_empty() && client.is_some_and(|client| audience.iter().any(|aud| aud == client));
    if looks_like_id_token(claims) || for_its_client {
        return Err(refuse("id_token_refused", "this is an ID token, not an access token")
            .hint("an ID token tells a client who signed in; send the access token instead"));
    }
    let other_use = claims
        .get("typ")
        .and_then(Value::as_str)
        .is_some_and(|kind| ["Refresh", "Offline", "Logout"].contains(&kind));
    if other_use || claims.contains_key("events") || claims.contains_key("htu") {
        return Err(refuse("token_type_refused", "this token is not an access token")
            .hint("send an OAuth 2.0 access token"));
    }
    if claims.contains_key("cnf") {
        return Err(refuse(
            "sender_bound_token",
            "the token is bound to a key of its client (DPoP or mTLS), which can't be proved here",
        )
        .hint("ask the issuer for a bearer token that is not sender-constrained"));
    }
    Ok(())
}

fn bad(name: &str, what: &str) -> Fault {
    refuse("claim_bad", format!("the token's claim {} {what}", shown(name)))
}

/// A text that may be shown and compared: not empty, short, and with no character that is
/// invisible or changes how the rest of a line reads (Unicode Cc and the common Cf).
fn plain<'a>(name: &str, text: &'a str) -> Result<&'a str, Fault> {
    if text.is_empty() {
        return Err(bad(name, "is empty"));
    }
    if text.len() > CLAIM_TEXT_BYTES_MAX {
        return Err(bad(name, &format!("is longer than {CLAIM_TEXT_BYTES_MAX} bytes")));
    }
    if text.chars().any(|symbol| symbol.is_control() || is_invisible(symbol)) {
        return Err(bad(name, "has control, invisible or text direction characters"));
    }
    Ok(text)
}

fn is_invisible(symbol: char) -> bool {
    matches!(symbol,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

fn optional(claims: &Members, name: &str) -> Result<Option<String>, Fault> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => plain(name, text).map(|text| Some(text.to_owned())),
        Some(_) => Err(bad(name, "is not a string")),
    }
}

/// A string or an array of strings.
fn strings(name: &str, value: &Value, count_max: usize) -> Result<Vec<String>, Fault> {
    let items = match value {
        Value::String(_) => std::slice::from_ref(value),
        Value::Array(items) => items.as_slice(),
        _ => return Err(bad(name, "is not a string or an array of strings")),
    };
    if items.len() > count_max {
        return Err(bad(
            name,
            &format!("has {} entries; at most {count_max} are read", items.len()),
        ));
    }
    items
        .iter()
        .map(|item| match item {
            Value::String(text) => plain(name, text).map(str::to_owned),
            _ => Err(bad(name, "is not a string or an array of strings")),
        })
        .collect()
}

/// The client by the configured claims, of which those present must agree.
fn client(claims: &Members, names: &[String]) -> Result<Option<String>, Fault> {
    let mut found: Option<(&str, String)> = None;
    for name in names {
        let Some(value) = optional(claims, name)? else { continue };
        match &found {
            Some((first, known)) if *known != value => {
                return Err(refuse(
                    "client_conflict",
                    format!("the token's claims {first} and {name} name different clients"),
                ));
            }
            Some(_) => {}
            None => found = Some((name, value)),
        }
    }
    Ok(found.map(|(_, client)| client))
}

/// Okta's `scp` array, or RFC 8693's `scope` string; Entra ID's `scp` is a string as well.
fn scopes(claims: &Members) -> Result<Vec<String>, Fault> {
    let mut lists = Vec::new();
    for name in ["scp", "scope"] {
        let list = match claims.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => {
                text.split(' ').filter(|each| !each.is_empty()).map(str::to_owned).collect()
            }
            Some(value) => strings(name, value, SCOPES_COUNT_MAX)?,
        };
        if list.len() > SCOPES_COUNT_MAX {
            return Err(bad(name, &format!("has more than {SCOPES_COUNT_MAX} entries")));
        }
        for scope in &list {
            if plain(name, scope)?.contains(' ') {
                return Err(bad(name, "has an entry with a space in it"));
            }
        }
        lists.push(list);
    }
    let sorted = |list: &Vec<String>| {
        let mut list = list.clone();
        list.sort();
        list.dedup();
        list
    };
    match lists.as_slice() {
        [scp, scope] if sorted(scp) != sorted(scope) => {
            Err(refuse("scope_conflict", "the token's claims scp and scope disagree"))
        }
        _ => Ok(lists.into_iter().next().unwrap_or_default()),
    }
}

/// Groups; none when the claim is missing. A name that starts with `/` is a JSON pointer
/// (RFC 6901), for issuers that nest them, such as Keycloak's `/realm_access/roles`.
fn groups(claims: &Members, name: &str) -> Result<Vec<String>, Fault> {
    let value = match name.strip_prefix('/') {
        None => claims.get(name),
        Some(path) => {
            let (first, rest) = path.split_once('/').map_or((path, None), |(a, b)| (a, Some(b)));
            let first = first.replace("~1", "/").replace("~0", "~");
            claims.get(&first).and_then(|value| match rest {
                Some(rest) => value.pointer(&format!("/{rest}")),
                None => Some(value),
            })
        }
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(value) => strings(name, value, GROUPS_COUNT_MAX),
    }
}

/// The delegation chain (RFC 8693 section 4.1), outermost first. Nobody acts for themselves: a
/// chain that names the subject would let the one person count as two.
fn actors(claims: &Members, subject: &str) -> Result<Vec<Actor>, Fault> {
    let broken = |what: &str| refuse("actor_bad", format!("the token's delegation chain {what}"));
    let mut chain = Vec::new();
    let mut next = claims.get("act");
    while let Some(link) = next {
        let Value::Object(link) = link else {
            return Err(broken("(claim act) is not made of objects"));
        };
        if chain.len() == ACTORS_DEPTH_MAX {
            return Err(broken(&format!("is longer than {ACTORS_DEPTH_MAX}")));
        }
        let name = optional(link, "sub")
            .map_err(|_| broken("has a sub that is not plain text"))?
            .ok_or_else(|| broken("has an actor without sub"))?;
        if name == subject {
            return Err(broken("names the token's subject as an actor"));
        }
        let profile = optional(link, "sub_profile")
            .map_err(|_| broken("has a sub_profile that is not plain text"))?;
        chain.push(Actor { subject: name, profile });
        next = link.get("act");
    }
    Ok(chain)
}

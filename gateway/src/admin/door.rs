//! What holds before any request is answered: the right host, no foreign page, a person's token.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Desk;
use super::reply::Refusal;
use crate::fault::Blame;
use crate::identity::{Principal, Token};
use crate::limits::{ADMIN_BODY_BYTES_MAX, ADMIN_BODY_SECS_MAX, TOKEN_BYTES_MAX};
use crate::policy::approval;

/// The body of an answer to a question.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    #[serde(default)]
    pub(super) note: String,
}

/// Refuses what a web page could send: another host name (DNS rebinding), or an `Origin`
/// (cross-site requests; this endpoint has no pages of its own).
pub(super) fn check_source(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(ORIGIN) {
        let message = "requests of web pages are not accepted here";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "origin_refused", message)
            .hint("use `portcullis approvals` or `portcullis sessions`, or send no Origin"));
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        _ => "",
    };
    if uri.authority().is_some() || !is_local(host) {
        let message = "this endpoint answers to loopback addresses and `localhost` only";
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "host_refused", message)
            .hint("connect to http://127.0.0.1 and the configured port"));
    }
    Ok(())
}

/// `127.0.0.1`, `[::1]` or `localhost`, with or without a port.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|v6| v6.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The person behind the request's bearer token (RFC 6750 section 2.1).
pub(super) async fn person(desk: &Desk, headers: &HeaderMap) -> Result<Principal, Refusal> {
    let token = bearer(headers)?;
    let principal = desk.people.verify(&token, SystemTime::now()).await.map_err(|fault| {
        let status = match fault.blame {
            Blame::Client | Blame::Policy => StatusCode::UNAUTHORIZED,
            Blame::Bug | Blame::Operator | Blame::Plugin | Blame::Upstream => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Refusal::of(status, fault)
    })?;
    let issuer = &principal.claims().issuer_name;
    if !desk.settings.issuers.contains(issuer) {
        let message = "the issuer of this token is not one of the admin endpoint's";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "issuer_refused", message)
            .hint("the operator names it in [admin] issuers"));
    }
    approval::person(&principal).map_err(|fault| Refusal::of(StatusCode::FORBIDDEN, fault))?;
    Ok(principal)
}

fn bearer(headers: &HeaderMap) -> Result<Token, Refusal> {
    let missing = || {
        let message = "this needs a bearer token";
        Refusal::new(StatusCode::UNAUTHORIZED, "token_missing", message)
            .hint("send `Authorization: Bearer TOKEN` with an access token for this gateway")
    };
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(missing());
    };
    let text = value.to_str().map_err(|_| missing())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(missing());
    }
    if token.len() > TOKEN_BYTES_MAX {
        let message = format!("the token is longer than {TOKEN_BYTES_MAX} bytes");
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "token_too_long", message));
    }
    Ok(Token::new(token.to_owned()))
}

/// What is searched for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub(super) query: String,
    pub(super) limit: Option<usize>,
}

/// Reads the note of an answer; an empty body is an empty note.
pub(super) async fn note(request: Request<Incoming>) -> Result<Note, Refusal> {
    body(request, "send {\"note\": \"why\"} or nothing").await
}

/// Reads a body of JSON; an empty one is the default.
pub(super) async fn body<T: Default + DeserializeOwned>(
    request: Request<Incoming>,
    expected: &'static str,
) -> Result<T, Refusal> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_owned());
    let collected = Limited::new(request.into_body(), ADMIN_BODY_BYTES_MAX).collect();
    let collected = tokio::time::timeout(Duration::from_secs(ADMIN_BODY_SECS_MAX), collected);
    let body = match collected.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            let message = format!("the body is longer than {ADMIN_BODY_BYTES_MAX} bytes");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", message));
        }
        Ok(Err(_)) => {
            let message = "the body ended early";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "body_broken", message));
        }
        Err(_) => {
            let message = format!("the body took longer than {ADMIN_BODY_SECS_MAX} s");
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "body_slow", message));
        }
    };
    if body.is_empty() {
        return Ok(T::default());
    }
    // A web form can't send this type, so a page can't answer a question by one.
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        let message = "the body is not application/json";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body_type", message)
            .hint("send Content-Type: application/json"));
    }
    serde_json::from_slice(&body).map_err(|_| {
        let message = "the body is not what this path takes";
        Refusal::new(StatusCode::BAD_REQUEST, "body_invalid", message).hint(expected)
    })
}

//! Answers over HTTP: made of a release's bytes, or of the gateway's own words.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use crate::audit::Release;
use crate::fault::Fault;
use crate::protocol::kubernetes::status::status;

/// The body of an answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, Broken>;

/// The answer could not be given to its end.
#[derive(Debug)]
pub struct Broken(Fault);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Broken {}

/// Headers of a target's answer that its client gets. All others are the connection's business, or
/// nobody's.
const PASSED: [&str; 8] = [
    "audit-id",
    "cache-control",
    "content-type",
    "etag",
    "last-modified",
    "retry-after",
    "vary",
    "warning",
];
/// Pieces on their way to a client who does not take them.
const PIECES_MAX: usize = 4;

/// Status and headers of an answer.
#[derive(Debug)]
pub struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

impl Head {
    /// Takes over what a client may see of a target's head.
    pub fn of(status: u16, headers: &HeaderMap) -> Self {
        let mut passed = HeaderMap::new();
        for name in PASSED.map(HeaderName::from_static) {
            for value in headers.get_all(&name) {
                passed.append(name.clone(), value.clone());
            }
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        Self { status, headers: passed }
    }

    fn with(self, body: AnswerBody) -> Response<AnswerBody> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// A whole answer.
    pub fn released(self, release: Release) -> Response<AnswerBody> {
        let bytes: Vec<Bytes> = release.into_frames();
        let body = Full::new(Bytes::from(bytes.concat()));
        self.with(body.map_err(|never| match never {}).boxed_unsync())
    }

    /// An answer that comes piece by piece.
    pub fn streamed(self) -> (Stream, Response<AnswerBody>) {
        let (sender, body) = Channel::new(PIECES_MAX);
        (Stream(sender), self.with(body.boxed_unsync()))
    }
}

/// The rest of an answer.
pub struct Stream(Sender<Bytes, Broken>);

impl Stream {
    /// Sends a piece; false when the client is gone.
    pub async fn send(&mut self, release: Release) -> bool {
        for frames in release.into_frames() {
            if !frames.is_empty() && self.0.send_data(frames).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Breaks the answer off, so that the client can't take it for whole.
    pub fn break_off(self, fault: Fault) {
        self.0.abort(Broken(fault));
    }
}

/// What the gateway itself says: a `Status` of the API.
///
/// As `text` where it answers a look at which groups there are: there, clients show no other words
/// than those of a plain text.
pub fn say(fault: &Fault, retry_secs: Option<u64>, text: bool) -> Response<AnswerBody> {
    let (code, body) = status(fault);
    let words = body.get("message").and_then(Value::as_str).unwrap_or_default();
    let bytes = Bytes::from(if text { words.to_owned() } else { body.to_string() });
    let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    let kind = if text { "text/plain; charset=utf-8" } else { "application/json" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if code == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(secs) = retry_secs {
        headers.insert(RETRY_AFTER, HeaderValue::from(secs));
    }
    response
}

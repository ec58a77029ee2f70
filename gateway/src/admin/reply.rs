//! What the admin endpoint sends: JSON, text, a file, or a refusal.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::fault::{Blame, Fault};

/// A body: whole, or a file in pieces. A piece that is an error cuts the connection, so a
/// truncated file never looks complete.
pub(super) enum Content {
    Pieces(mpsc::Receiver<std::io::Result<Bytes>>),
    Whole(Option<Bytes>),
}

pub(super) type Reply = Response<Content>;

/// A refusal with its HTTP status.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Box<RefusalBody>,
}

#[derive(Debug, Serialize)]
struct RefusalBody {
    code: &'static str,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, body: Box::new(RefusalBody { code, message: message.into(), hint: None }) }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    pub(super) fn of(status: StatusCode, fault: Fault) -> Self {
        let Fault { code, message, hint, .. } = fault;
        Self { status, body: Box::new(RefusalBody { code, message, hint }) }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let status = match fault.code {
            "approval_unknown" | "session_unknown" => StatusCode::NOT_FOUND,
            "approval_answered"
            | "approval_expired"
            | "approval_not_recorded"
            | "approval_withdrawn" => StatusCode::CONFLICT,
            code if code.starts_with("approver_") => StatusCode::FORBIDDEN,
            _ => match fault.blame {
                Blame::Client => StatusCode::BAD_REQUEST,
                Blame::Policy => StatusCode::FORBIDDEN,
                Blame::Bug | Blame::Plugin => StatusCode::INTERNAL_SERVER_ERROR,
                Blame::Operator | Blame::Upstream => StatusCode::SERVICE_UNAVAILABLE,
            },
        };
        Self::of(status, fault)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let mut reply = json(&refusal.body);
        *reply.status_mut() = refusal.status;
        if refusal.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            reply.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        reply
    }
}

/// A JSON reply.
pub(super) fn json<T: Serialize>(value: &T) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => whole("application/json", body.into()),
        Err(_) => {
            let mut reply = whole("text/plain; charset=utf-8", Bytes::new());
            *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            reply
        }
    }
}

/// A reply that is JSON already.
pub(super) fn json_text(text: String) -> Reply {
    whole("application/json", text.into())
}

/// A text reply.
pub(super) fn text(text: String) -> Reply {
    whole("text/plain; charset=utf-8", text.into())
}

/// A page, which a browser shows without its style: nothing inside may run or be fetched.
pub(super) fn html(text: String) -> Reply {
    whole("text/html; charset=utf-8", text.into())
}

/// A file, in pieces.
pub(super) fn file(name: &'static str, pieces: mpsc::Receiver<std::io::Result<Bytes>>) -> Reply {
    let mut reply = reply("application/octet-stream", Content::Pieces(pieces));
    reply.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(name));
    reply
}

fn whole(kind: &'static str, body: Bytes) -> Reply {
    reply(kind, Content::Whole(Some(body)))
}

fn reply(kind: &'static str, content: Content) -> Reply {
    // No cache keeps it, and no browser guesses its type or runs anything in it.
    const HEADERS: [(HeaderName, &str); 3] = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    let mut reply = Response::new(content);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    reply
}

impl Body for Content {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut *self {
            Self::Pieces(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
            Self::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Pieces(_) => SizeHint::default(),
            Self::Whole(body) => {
                let bytes = body.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(bytes).unwrap_or(u64::MAX))
            }
        }
    }
}

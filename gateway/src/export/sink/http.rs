//! HTTP/1.1 to a receiver, over TLS unless it is on this machine.

use std::path::Path;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::Trouble;
use crate::identity::tls_config;
use crate::limits::{EXPORT_ANSWER_BYTES_MAX, EXPORT_ANSWER_SHOWN_CHARS_MAX};

/// A client of one receiver.
pub(in crate::export) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What it answered.
pub(in crate::export) struct Answer {
    pub(in crate::export) status: StatusCode,
    pub(in crate::export) body: Bytes,
}

impl Http {
    /// Trusts this CA, or the public ones. The error is for the operator.
    pub(in crate::export) fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls_config(ca_file)?);
        // The configuration takes http for a loopback address only.
        let connector = builder.https_or_http().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Sends one request, and reads the whole answer. Redirects are not followed.
    pub(in crate::export) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, HeaderValue)],
        body: Bytes,
    ) -> Result<Answer, Trouble> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| retry(&error))?;
        let answer = self.0.request(request).await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), EXPORT_ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| retry(&error))?.to_bytes();
        Ok(Answer { status, body })
    }
}

impl Answer {
    /// The status and the beginning of what was said, for the operator.
    pub(in crate::export) fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let shown: String = text
            .chars()
            .take(EXPORT_ANSWER_SHOWN_CHARS_MAX)
            .map(|ch| if ch.is_control() { ' ' } else { ch })
            .collect();
        format!("the receiver answers {}: {shown}", self.status)
    }

    pub(in crate::export) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The header that says what a body is.
pub(in crate::export) fn content(kind: &'static str) -> (&'static str, HeaderValue) {
    ("content-type", HeaderValue::from_static(kind))
}

/// A header that holds a secret: not shown by anything that prints headers.
pub(in crate::export) fn secret(text: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(text);
    let mut value = value.map_err(|_| "the secret holds characters that no header has")?;
    value.set_sensitive(true);
    Ok(value)
}

fn retry(error: &dyn std::fmt::Display) -> Trouble {
    Trouble::Retry(error.to_string())
}

/// The innermost cause says what happened; the outer ones only where.
fn unreachable(error: &(dyn std::error::Error + 'static)) -> Trouble {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Trouble::Retry(format!("the receiver can't be reached: {cause}"))
}

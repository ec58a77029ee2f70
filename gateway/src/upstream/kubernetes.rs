//! Requests to an API server: nothing is sent but a permit's bytes, under an identity of the
//! operator's choice.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;

use super::tls;
use super::{Account, TargetSettings};
use crate::audit::Permit;
use crate::fault::{Blame, Fault};
use crate::protocol::kubernetes::wire;
use crate::session::Session;

/// How an API server is reached. Made once a target.
#[derive(Clone, Debug)]
pub struct Server {
    scheme: &'static str,
    authority: String,
    connector: HttpsConnector<HttpConnector>,
}

/// One session's way to an API server; its connections are not shared with other sessions.
pub struct Line {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    scheme: &'static str,
    authority: String,
    identity: HeaderMap,
}

/// What an API server answers.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
}

impl Server {
    /// Reads the roots. The error is for the operator.
    pub fn new(settings: &TargetSettings) -> Result<Self, String> {
        let builder = HttpsConnectorBuilder::new();
        let (scheme, connector) = match tls::client(&settings.tls, &[])? {
            Some((config, name)) => {
                let builder = builder.with_tls_config(config).https_only();
                let builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
                ("https", builder.enable_http1().build())
            }
            // Only for a loopback address. The connector wants a configuration all the same.
            None => {
                let provider = rustls::crypto::aws_lc_rs::default_provider();
                let config = ClientConfig::builder_with_provider(provider.into())
                    .with_safe_default_protocol_versions()
                    .map_err(|error| error.to_string())?
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth();
                ("http", builder.with_tls_config(config).https_or_http().enable_http1().build())
            }
        };
        Ok(Self { scheme, authority: settings.address.clone(), connector })
    }

    /// A session's line. The account's token is sent on it and on nothing else.
    ///
    /// # Errors
    /// Who the caller is can't be said in a header.
    pub fn line(&self, account: &Account, session: &Session) -> Result<Line, Fault> {
        Ok(Line {
            client: Client::builder(TokioExecutor::new()).build(self.connector.clone()),
            scheme: self.scheme,
            authority: self.authority.clone(),
            identity: identity(account, session)?,
        })
    }
}

/// The headers that say who acts (Kubernetes, "User impersonation").
fn identity(account: &Account, session: &Session) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &str, secret: bool| {
        let mut value = HeaderValue::from_str(value).map_err(|_| unnamed(name))?;
        value.set_sensitive(secret);
        headers.append(HeaderName::from_static(name), value);
        Ok(())
    };
    put(AUTHORIZATION_NAME, &format!("Bearer {}", account.password.expose()), true)?;
    if let Some(as_caller) = &account.impersonate {
        let claims = session.principal().claims();
        let user = format!("{}:{}", claims.issuer_name, claims.subject);
        put("impersonate-user", &user, false)?;
        for group in &as_caller.groups {
            put("impersonate-group", group, false)?;
        }
        put("impersonate-extra-portcullis-session", &session.id().to_string(), false)?;
        put("impersonate-extra-portcullis-agent", session.principal().agent(), false)?;
    }
    Ok(headers)
}

const AUTHORIZATION_NAME: &str = "authorization";

impl Line {
    /// Sends what was permitted.
    ///
    /// # Errors
    /// The server can't be reached, or the permit holds no request.
    pub async fn send(&self, permit: Permit) -> Result<Answer, Fault> {
        let sent = wire::decode(&permit.into_wire()).ok_or_else(torn)?;
        let uri = format!("{}://{}{}", self.scheme, self.authority, sent.target);
        let mut request = Request::builder().method(sent.method.as_str()).uri(uri);
        for (name, value) in &sent.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(Full::new(sent.body)).map_err(|_| torn())?;
        request.headers_mut().remove(AUTHORIZATION);
        request.headers_mut().remove(HOST);
        for (name, value) in &self.identity {
            request.headers_mut().append(name, value.clone());
        }
        let response = self.client.request(request).await.map_err(|error| {
            let mut why = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                why = cause.to_string();
                source = cause.source();
            }
            unreachable(&why)
        })?;
        let (head, body) = response.into_parts();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}

impl Answer {
    /// The next piece of the body; nothing at its end.
    ///
    /// # Errors
    /// The server broke off.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| unreachable(&error.to_string()))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

fn unreachable(why: &str) -> Fault {
    let message = format!("the API server behind the gateway does not answer: {why}");
    Fault::new(Blame::Upstream, "target_unreachable", "08001", message)
}

fn torn() -> Fault {
    let message = "the gateway lost the request that it had judged";
    Fault::new(Blame::Bug, "permit_torn", "XX000", message)
}

fn unnamed(header: &str) -> Fault {
    let message = format!("who you are can't be told to the API server ({header})");
    Fault::new(Blame::Client, "principal_unnamed", "28000", message)
}

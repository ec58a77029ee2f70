//! Reads an issuer's discovery document and key set, from the issuer's own origin only.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use openidconnect::core::CoreProviderMetadata;
use openidconnect::url::{Origin, Url};
use openidconnect::{AsyncHttpClient, DiscoveryError, HttpRequest, HttpResponse, IssuerUrl};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::refusal::misconfigured;
use super::rules::Rules;
use crate::fault::{Fault, shown};
use crate::limits::{ISSUER_DOCUMENT_BYTES_MAX, ISSUER_FETCH_MILLIS_MAX, ISSUER_HEADERS_BYTES_MAX};

/// A key set as fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    /// The JWK Set, not yet read.
    pub(super) body: Vec<u8>,
    /// How long the issuer lets it be kept (`Cache-Control: max-age`).
    pub(super) max_age: Option<Duration>,
}

/// Reaches one issuer.
#[derive(Clone)]
pub(super) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    issuer: String,
    origin: Origin,
}

impl Fetcher {
    /// Trusts the CA of the settings, or the public ones.
    ///
    /// # Errors
    /// `issuer_settings_bad` when the CA file can't be used.
    pub(super) fn new(rules: &Rules) -> Result<Self, Fault> {
        let settings = rules.settings();
        let tls = tls_config(settings.ca_file.as_deref())
            .map_err(|why| misconfigured(format!("issuer {}: {why}", shown(&settings.name))))?;
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = if settings.development {
            builder.https_or_http().enable_http1().build()
        } else {
            builder.https_only().enable_http1().build()
        };
        // One connection per fetch: they are an hour apart, and a kept one would be stale.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(ISSUER_HEADERS_BYTES_MAX)
            .build(connector);
        Ok(Self { client, issuer: settings.issuer.clone(), origin: rules.url().origin() })
    }

    /// Reads the discovery document (OpenID Connect Discovery 1.0 section 4) and then the key
    /// set that it names.
    ///
    /// # Errors
    /// What failed, for the operator.
    pub(super) async fn fetch(&self) -> Result<Fetched, String> {
        let visit = Visit { fetcher: self.clone(), last: Mutex::default() };
        let issuer = IssuerUrl::new(self.issuer.clone()).map_err(|error| error.to_string())?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &visit)
            .await
            .map_err(|error| explain(&error))?;
        // The library compares these too; a looser later version must not go unnoticed.
        if metadata.issuer().as_str() != self.issuer {
            return Err("the discovery document is of another issuer".into());
        }
        let last = visit.last.into_inner().unwrap_or_else(PoisonError::into_inner);
        last.ok_or_else(|| "the issuer's key set was not read".into())
    }

    async fn read(&self, url: &str) -> Result<(HttpResponse, Option<Duration>), FetchError> {
        let parsed = Url::parse(url).map_err(|_| FetchError::new("it is not a URL"))?;
        // Covers `jwks_uri` too: a document that points elsewhere must not make the gateway
        // call there, be it another issuer's keys or a cloud metadata address.
        if parsed.origin() != self.origin {
            return Err(FetchError(format!(
                "it is not on the issuer's own origin {}",
                self.origin.ascii_serialization()
            )));
        }
        let request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json, application/jwk-set+json")
            .header(http::header::USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| FetchError(error.to_string()))?;
        let response = self.client.request(request).await.map_err(|error| deepest(&error))?;
        let (head, body) = response.into_parts();
        if head.status.is_redirection() {
            return Err(FetchError::new("it answers with a redirect, which is not followed"));
        }
        if head.status != http::StatusCode::OK {
            return Err(FetchError(format!("it answers with HTTP status {}", head.status)));
        }
        if !is_json(&head.headers) {
            return Err(FetchError::new("its answer is not of content type application/json"));
        }
        let body = Limited::new(body, ISSUER_DOCUMENT_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| FetchError(format!("its answer can't be read: {error}")))?
            .to_bytes();
        let max_age = max_age(&head.headers);
        let mut answer = HttpResponse::new(body.to_vec());
        *answer.headers_mut() = head.headers;
        Ok((answer, max_age))
    }
}

/// One discovery: keeps what was read last, which after a success is the key set.
struct Visit {
    fetcher: Fetcher,
    last: Mutex<Option<Fetched>>,
}

impl<'c> AsyncHttpClient<'c> for Visit {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let url = request.uri().to_string();
            let limit = Duration::from_millis(ISSUER_FETCH_MILLIS_MAX);
            let (answer, max_age) = tokio::time::timeout(limit, self.fetcher.read(&url))
                .await
                .unwrap_or_else(|_| Err(FetchError(format!("no full answer within {limit:?}"))))
                .map_err(|why| FetchError(format!("{}: {why}", shown(&url))))?;
            let fetched = Fetched { body: answer.body().clone(), max_age };
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(fetched);
            Ok(answer)
        })
    }
}

/// Why one request failed.
#[derive(Debug)]
pub(super) struct FetchError(String);

impl FetchError {
    fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FetchError {}

/// The innermost cause says what happened ("Connection refused"); the outer ones only where.
fn deepest(error: &(dyn std::error::Error + 'static)) -> FetchError {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    FetchError(format!("it can't be reached: {cause}"))
}

fn explain(error: &DiscoveryError<FetchError>) -> String {
    match error {
        DiscoveryError::Request(why) => why.to_string(),
        DiscoveryError::Parse(why) => {
            format!("the discovery document or key set can't be read: {}", shown(&why.to_string()))
        }
        DiscoveryError::Response(_, _, why)
        | DiscoveryError::Validation(why)
        | DiscoveryError::Other(why) => shown(why),
        other => other.to_string(),
    }
}

fn is_json(headers: &http::HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .is_some_and(|kind| kind == "application/json" || kind == "application/jwk-set+json")
}

/// RFC 9111 section 5.2.2; `no-store` and `no-cache` count as an age of zero.
fn max_age(headers: &http::HeaderMap) -> Option<Duration> {
    let mut age = None;
    for value in headers.get_all(http::header::CACHE_CONTROL) {
        for directive in value.to_str().ok()?.split(',') {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-store" || directive == "no-cache" {
                return Some(Duration::ZERO);
            }
            if let Some(seconds) = directive.strip_prefix("max-age=") {
                age = seconds.trim_matches('"').parse().ok().map(Duration::from_secs).or(age);
            }
        }
    }
    age
}

/// TLS for a client that trusts the CA of a file, or the public ones.
///
/// # Errors
/// What is wrong with the file, for the operator.
pub(crate) fn tls_config(
    ca_file: Option<&std::path::Path>,
) -> Result<rustls::ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Some(file) = ca_file else {
        return Ok(builder.with_webpki_roots().with_no_client_auth());
    };
    let cannot = |error: &dyn fmt::Display| format!("CA file {}: {error}", file.display());
    let pem = std::fs::read(file).map_err(|error| cannot(&error))?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| cannot(&error))?;
        roots.add(certificate).map_err(|error| cannot(&error))?;
    }
    if roots.is_empty() {
        return Err(cannot(&"it holds no certificate"));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

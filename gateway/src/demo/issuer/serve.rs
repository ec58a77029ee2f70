//! The development issuer on HTTP/1.1.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::oauth::{Answer, Form};
use super::{Shared, form};
use crate::limits::{ISSUER_CONNECTIONS_MAX, ISSUER_FORM_BYTES_MAX, ISSUER_HEAD_MILLIS_MAX};

const NAME: &str = "portcullis-development-issuer";
/// Pause after a failed accept, so that running out of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(ISSUER_CONNECTIONS_MAX));
    // Ends the connections with the issuer: dropping the set aborts them.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the development issuer can't accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let serve = hyper::service::service_fn(|request| answer(&shared, request));
            let done = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_millis(ISSUER_HEAD_MILLIS_MAX))
                .serve_connection(TokioIo::new(stream), serve)
                .await;
            if let Err(error) = done {
                tracing::debug!(%error, "a connection to the development issuer ended badly");
            }
            drop(place);
        });
    }
}

type Reply = Response<Full<Bytes>>;

async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let mut reply = route(shared, request).await;
    let headers = reply.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static(NAME));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(reply)
}

async fn route(shared: &Shared, request: Request<Incoming>) -> Reply {
    // A page elsewhere that points its own name at 127.0.0.1 has that name in Host.
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    if host != shared.origin.strip_prefix("http://") {
        return page(StatusCode::MISDIRECTED_REQUEST, "This issuer answers to its address only.");
    }
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let path = path.strip_prefix("/oauth2/default").unwrap_or(path);
    if head.method == Method::GET {
        return match path {
            "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" => {
                keepable((200, shared.metadata()))
            }
            "/activate" => activation(shared, head.uri.query().unwrap_or_default()),
            "/v1/keys" => {
                shared.key_reads.fetch_add(1, Ordering::Relaxed);
                keepable((200, shared.ring().jwks()))
            }
            _ => page(StatusCode::NOT_FOUND, "There is nothing at this address."),
        };
    }
    if head.method != Method::POST {
        return page(StatusCode::METHOD_NOT_ALLOWED, "Only GET and POST are answered.");
    }
    let Some(fields) = read_form(body).await else {
        return page(StatusCode::BAD_REQUEST, "The form can't be read.");
    };
    let authorization =
        head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match path {
        "/activate" => match shared.activate(&fields) {
            Ok(()) => page(StatusCode::OK, "Signed in. Go back to your device."),
            Err(why) => page(StatusCode::BAD_REQUEST, why),
        },
        "/v1/device/authorize" => json(shared.device(&fields)),
        "/v1/introspect" => json(shared.introspect(authorization, &fields)),
        "/v1/revoke" => json(shared.revoke(authorization, &fields)),
        "/v1/token" => json(shared.token(authorization, &fields)),
        _ => page(StatusCode::NOT_FOUND, "There is nothing at this address."),
    }
}

async fn read_form(body: Incoming) -> Option<Form> {
    let bytes = Limited::new(body, ISSUER_FORM_BYTES_MAX).collect();
    let limit = Duration::from_millis(ISSUER_HEAD_MILLIS_MAX);
    let bytes = tokio::time::timeout(limit, bytes).await.ok()?.ok()?.to_bytes();
    form::parse(std::str::from_utf8(&bytes).ok()?)
}

fn json((status, body): Answer) -> Reply {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut reply = Response::new(Full::from(text));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// Metadata and keys may be kept for an hour, as Okta says of its own.
fn keepable(answer: Answer) -> Reply {
    let mut reply = json(answer);
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    reply
}

fn page(status: StatusCode, text: &str) -> Reply {
    let html = format!(
        "<!doctype html><meta charset=utf-8><title>Portcullis development issuer</title>\
         <h1>Portcullis development issuer</h1><p>For demonstrations on this machine only.</p>\
         {text}\n"
    );
    let mut reply = Response::new(Full::from(html));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; form-action 'self'; frame-ancestors 'none'"),
    );
    reply
}

/// Asks who signs in on the device that shows the code.
fn activation(shared: &Shared, query: &str) -> Reply {
    let code = form::parse(query).and_then(|mut fields| fields.remove("user_code"));
    let mut html = format!(
        "<form method=post action=/activate><label>Code shown by the device \
         <input name=user_code value=\"{}\"></label>",
        escaped(&code.unwrap_or_default())
    );
    for person in &shared.settings.people {
        let login = escaped(&person.login);
        // Writing to a String can't fail.
        let _ = write!(html, "<p><button name=login value=\"{login}\">Sign in as {login}</button>");
    }
    html.push_str("</form>");
    page(StatusCode::OK, &html)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

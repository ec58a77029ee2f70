//! HTTP/1.1 and HTTP/2 under TLS, for clients of an API server.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::tls::Acceptor;
use super::{Accepted, ClientStream};
use crate::fault::{Blame, Fault};
use crate::limits::{
    HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_STREAMS_MAX, KUBERNETES_BODY_BYTES_MAX,
    SIGN_IN_MILLIS_MAX,
};

/// What is offered by ALPN (RFC 7301), the best first.
pub const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// One request, whole.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query as sent.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, if it could be taken whole.
    pub body: Result<Bytes, Fault>,
}

/// Protects a connection.
///
/// # Errors
/// The handshake failed.
pub async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: &Acceptor,
) -> Result<Accepted<ClientStream>, Fault> {
    let stream = acceptor.accept(stream).await.map_err(|error| {
        let message = format!("the TLS handshake failed: {error}");
        Fault::new(Blame::Client, "tls_failed", "08P01", message)
    })?;
    Ok(Accepted { stream, peer })
}

/// Answers the requests of one connection until it ends.
pub async fn serve<A, F, B>(accepted: Accepted<ClientStream>, answer: A)
where
    A: Fn(Call) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    A: Clone + Send + 'static,
{
    let stream = accepted.into_stream();
    let http2 = stream.get_ref().1.alpn_protocol() == ALPN.first().copied();
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let call = call(request).await;
            let answered = answer(call);
            Ok::<_, Infallible>(answered.await)
        }
    });
    let patience = Duration::from_millis(SIGN_IN_MILLIS_MAX);
    let ended = if http2 {
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP_STREAMS_MAX)
            .max_header_list_size(u32::try_from(HTTP_HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .keep_alive_interval(patience)
            .keep_alive_timeout(patience)
            .serve_connection(TokioIo::new(stream), service)
            .await
    } else {
        http1::Builder::new()
            .timer(TokioTimer::new())
            .max_buf_size(HTTP_HEAD_BYTES_MAX)
            .max_headers(HTTP_HEADERS_MAX)
            .header_read_timeout(patience)
            .serve_connection(TokioIo::new(stream), service)
            .await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection for Kubernetes failed");
    }
}

async fn call(request: Request<Incoming>) -> Call {
    let (head, body) = request.into_parts();
    let limited = Limited::new(body, KUBERNETES_BODY_BYTES_MAX);
    let patience = Duration::from_millis(SIGN_IN_MILLIS_MAX);
    let body = match tokio::time::timeout(patience, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(cut("the body of the request broke off")),
        Err(_) => Err(cut("the body of the request took too long")),
    };
    Call {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
    }
}

fn too_large() -> Fault {
    let message = format!("the body is longer than {KUBERNETES_BODY_BYTES_MAX} bytes");
    Fault::new(Blame::Client, "body_too_large", "54000", message)
}

fn cut(what: &'static str) -> Fault {
    Fault::new(Blame::Client, "body_cut", "08P01", what)
}

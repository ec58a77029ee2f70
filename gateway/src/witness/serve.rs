//! The witness on HTTP/1.1.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::book::{Answer, Book};
use crate::limits::{WITNESS_CONNECTIONS_MAX, WITNESS_READ_SECS_MAX, WITNESS_REQUEST_BYTES_MAX};
use crate::listener::tls::{self, Acceptor};

/// Pause after a failed accept, so that running out of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a witness answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address; port 0 = any free one.
    pub listen: SocketAddr,
    /// PEM files of certificate and key; without them it answers on loopback only.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// A bound witness.
pub struct Witness {
    listener: TcpListener,
    address: SocketAddr,
    acceptor: Option<Acceptor>,
    book: Arc<Book>,
}

impl Witness {
    /// Binds the address.
    ///
    /// # Errors
    /// In words: an address that others reach without TLS, one that is taken, bad TLS files.
    pub async fn bind(settings: &Settings, book: Book) -> Result<Self, String> {
        let acceptor = match &settings.tls {
            Some((certificate, key)) => Some(tls::acceptor_for(certificate, key, &[b"http/1.1"])?),
            None if settings.listen.ip().is_loopback() => None,
            None => return Err("an address beside loopback needs --certificate and --key".into()),
        };
        let at = |error: std::io::Error| format!("{}: {error}", settings.listen);
        let listener = TcpListener::bind(settings.listen).await.map_err(at)?;
        let address = listener.local_addr().map_err(at)?;
        Ok(Self { listener, address, acceptor, book: Arc::new(book) })
    }

    /// The address it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) {
        let places = Arc::new(Semaphore::new(WITNESS_CONNECTIONS_MAX));
        let mut open = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            tokio::select! {
                () = &mut stop => return,
                Some(_) = open.join_next() => {}
                (place, accepted) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let (book, acceptor) = (Arc::clone(&self.book), self.acceptor.clone());
                        open.spawn(async move {
                            greet(stream, acceptor, book).await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the witness can't accept");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }
}

async fn greet(stream: TcpStream, acceptor: Option<Acceptor>, book: Arc<Book>) {
    let Some(acceptor) = acceptor else { return connection(stream, book).await };
    let limit = Duration::from_secs(WITNESS_READ_SECS_MAX);
    if let Ok(Ok(stream)) = tokio::time::timeout(limit, acceptor.accept(stream)).await {
        connection(stream, book).await;
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, book: Arc<Book>) {
    let service = hyper::service::service_fn(move |request| answer(Arc::clone(&book), request));
    let done = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(WITNESS_READ_SECS_MAX))
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = done {
        tracing::debug!(%error, "a connection to the witness ended badly");
    }
}

type Reply = Response<Full<Bytes>>;

async fn answer(book: Arc<Book>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    if request.uri().path() != "/add-checkpoint" {
        return Ok(reply(StatusCode::NOT_FOUND, "text/plain", "nothing is here\n".into()));
    }
    if request.method() != Method::POST {
        return Ok(reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "use POST\n".into()));
    }
    let body = Limited::new(request.into_body(), WITNESS_REQUEST_BYTES_MAX).collect();
    let limit = Duration::from_secs(WITNESS_READ_SECS_MAX);
    let Ok(Ok(body)) = tokio::time::timeout(limit, body).await else {
        let why = "the request is too long or too slow\n";
        return Ok(reply(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", why.into()));
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let body = body.to_bytes();
    let judged = tokio::task::spawn_blocking(move || book.add(&body, now.as_secs())).await;
    Ok(match judged {
        Ok(Answer { status, media, body }) => {
            reply(StatusCode::from_u16(status).unwrap_or_default(), media, body)
        }
        Err(_) => reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "it failed\n".into()),
    })
}

fn reply(status: StatusCode, media: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    reply
}

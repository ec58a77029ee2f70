//! Talks to the admin endpoint of a gateway on this machine.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::Stop;
use crate::cli::AdminArgs;
use crate::config;
use crate::limits::{
    ADMIN_CONNECTION_SECS_MAX, ADMIN_REPLY_BYTES_MAX, ADMIN_REPLY_SECS_MAX, TOKEN_BYTES_MAX,
};

/// The environment variable that holds a person's token.
const TOKEN_VARIABLE: &str = "PORTCULLIS_TOKEN";

/// One endpoint and the token to show it.
pub(super) struct Client {
    host: String,
    port: u16,
    authorization: HeaderValue,
}

impl Client {
    /// Reads the token; connects to nothing yet.
    pub(super) fn new(args: &AdminArgs) -> Result<Self, Stop> {
        let (host, port) = endpoint(&args.admin)?;
        let token = token(args.token_file.as_deref())?;
        let bearer = Zeroizing::new(format!("Bearer {}", token.trim()));
        let mut authorization = HeaderValue::from_str(&bearer)
            .map_err(|_| Stop::usage("the token holds characters that no token has"))?;
        authorization.set_sensitive(true);
        Ok(Self { host, port, authorization })
    }

    /// The body of a GET.
    pub(super) async fn read(&self, path: &str) -> Result<String, Stop> {
        self.text(Method::GET, path, String::new()).await
    }

    /// The body of a GET, as JSON.
    pub(super) async fn read_json(&self, path: &str) -> Result<Value, Stop> {
        let text = self.read(path).await?;
        serde_json::from_str(&text).map_err(|_| Stop::failed("the gateway did not answer in JSON"))
    }

    /// The body of a POST of JSON.
    pub(super) async fn write(&self, path: &str, body: &Value) -> Result<String, Stop> {
        self.text(Method::POST, path, body.to_string()).await
    }

    /// Writes the body of a GET to a new file that only its owner can read.
    pub(super) async fn download(&self, path: &str, file: &Path) -> Result<u64, Stop> {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        let wrong = |error: std::io::Error| {
            Stop::failed(format!("can't write {}: {error}", file.display()))
        };
        // It gets its name only once it is whole.
        let mut part = tempfile::NamedTempFile::new_in(dir).map_err(wrong)?;
        let mut bytes = 0u64;
        let copy = async {
            let mut body = checked(self.send(Method::GET, path, String::new()).await?).await?;
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| Stop::failed("the copy ended early; try again"))?;
                if let Some(data) = frame.data_ref() {
                    part.write_all(data).map_err(wrong)?;
                    bytes += u64::try_from(data.len()).unwrap_or(0);
                }
            }
            Ok(())
        };
        limited(ADMIN_CONNECTION_SECS_MAX, copy).await?;
        part.as_file().sync_all().map_err(wrong)?;
        part.persist_noclobber(file).map_err(|error| wrong(error.error))?;
        Ok(bytes)
    }

    async fn text(&self, method: Method, path: &str, body: String) -> Result<String, Stop> {
        let exchange = async {
            let body = checked(self.send(method, path, body).await?).await?;
            let collected = Limited::new(body, ADMIN_REPLY_BYTES_MAX).collect().await;
            let bytes = collected.map_err(|_| Stop::failed("the answer is broken or too long"))?;
            String::from_utf8(bytes.to_bytes().to_vec())
                .map_err(|_| Stop::failed("the answer is not text"))
        };
        limited(ADMIN_REPLY_SECS_MAX, exchange).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Response<Incoming>, Stop> {
        let Self { host, port, authorization } = self;
        let unreachable = |error: &dyn std::fmt::Display| {
            Stop::failed(format!("no gateway answers at http://{host}:{port}: {error}"))
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, *port)).await.map_err(|e| unreachable(&e))?;
        // The name `localhost` is up to the machine's resolver, so where it led is checked too.
        if !stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback()) {
            return Err(Stop::usage("the admin endpoint is not on this machine"));
        }
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| unreachable(&e))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the admin endpoint failed");
            }
        });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{host}:{port}"))
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Stop::usage("the id has characters that no id has"))?;
        sender.send_request(request).await.map_err(|e| unreachable(&e))
    }
}

/// The body of a reply that is no refusal.
async fn checked(reply: Response<Incoming>) -> Result<Incoming, Stop> {
    let status = reply.status();
    if status.is_success() {
        return Ok(reply.into_body());
    }
    let collected = Limited::new(reply.into_body(), ADMIN_REPLY_BYTES_MAX).collect().await;
    let body = collected.map(|body| body.to_bytes()).unwrap_or_default();
    let refusal: Value = serde_json::from_slice(&body).unwrap_or_default();
    let field = |name: &str| refusal.get(name).and_then(Value::as_str);
    let mut message = match (field("message"), field("code")) {
        (Some(message), Some(code)) => format!("{message} [{code}]"),
        _ => format!("the gateway answered {status}"),
    };
    if let Some(hint) = field("hint") {
        message.push_str("\nhint: ");
        message.push_str(hint);
    }
    Err(Stop::failed(message))
}

async fn limited<T>(secs: u64, exchange: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    tokio::time::timeout(Duration::from_secs(secs), exchange)
        .await
        .unwrap_or_else(|_| Err(Stop::failed(format!("the gateway took longer than {secs} s"))))
}

/// Host and port of `http://HOST:PORT` on this machine: the token would cross a network in the
/// clear otherwise.
fn endpoint(url: &str) -> Result<(String, u16), Stop> {
    let wrong = || {
        Stop::usage(
            "--admin is not http://HOST:PORT on a loopback address; to reach a gateway on another \
             machine, forward its port (ssh -L 8470:127.0.0.1:8470 HOST)",
        )
    };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    let (true, Some(authority)) = (plain && uri.query().is_none(), authority) else {
        return Err(wrong());
    };
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match authority.port_u16() {
        Some(port) if local => Ok((host.to_owned(), port)),
        _ => Err(wrong()),
    }
}

fn token(file: Option<&Path>) -> Result<Zeroizing<String>, Stop> {
    let most = u64::try_from(TOKEN_BYTES_MAX).unwrap_or(u64::MAX);
    match file {
        Some(file) => {
            let wrong = |why: &str| Stop::usage(format!("{} {why}", file.display()));
            let bytes = config::read_secret(file, most).map_err(|why| wrong(&why))?;
            let text = std::str::from_utf8(&bytes).map_err(|_| wrong("is not a token"))?;
            Ok(Zeroizing::new(text.to_owned()))
        }
        None => std::env::var(TOKEN_VARIABLE).map(Zeroizing::new).map_err(|_| {
            Stop::usage(format!("no token: give --token-file FILE or set {TOKEN_VARIABLE}"))
        }),
    }
}

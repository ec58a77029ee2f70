//! The start of a PostgreSQL connection, up to the StartupMessage under TLS
//! (PostgreSQL 18, section 54.2.10 "SSL Session Encryption").

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tls::Acceptor;
use super::{Accepted, ClientStream};
use crate::fault::{Blame, Fault};
use crate::limits::{LINGER_BYTES_MAX, LINGER_MILLIS_MAX, STARTUP_PACKET_BYTES_MAX};
use crate::protocol::postgres::backend::{self, Severity};
use crate::protocol::postgres::startup::{self, ALPN, Packet, Refused, Startup, TLS_HANDSHAKE};

/// What a connection turned out to be.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "made once a connection, moved at once")]
pub enum Greeted {
    /// A request to cancel what another connection runs. It gets no answer.
    Cancel {
        /// Process id.
        pid: i32,
        /// Key.
        key: Bytes,
    },
    /// The client left before it said what it wants, as port checks do.
    Gone,
    /// A client that wants a session.
    Session {
        /// The protected connection.
        accepted: Accepted<ClientStream>,
        /// What it asks for.
        startup: Startup,
    },
}

/// Runs the start-up phase. The client has been told of the error when this returns one.
pub async fn greet(
    mut stream: TcpStream,
    peer: SocketAddr,
    acceptor: &Acceptor,
) -> Result<Greeted, Fault> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1..) if first == [TLS_HANDSHAKE] => {
            let stream = handshake(stream, acceptor).await?;
            if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
                let fault = fault("alpn_missing", "direct TLS needs ALPN \"postgresql\"");
                return Err(refuse(stream, fault).await);
            }
            return session(stream, peer).await;
        }
        Ok(1..) => {}
        Ok(0) | Err(_) => return Ok(Greeted::Gone),
    }
    let mut gss_asked = false;
    loop {
        match packet(&mut stream).await {
            Ok(None) => return Ok(Greeted::Gone),
            Ok(Some(Packet::Cancel { pid, key })) => return Ok(Greeted::Cancel { pid, key }),
            Ok(Some(Packet::GssEnc)) if !gss_asked => {
                gss_asked = true;
                if stream.write_all(b"N").await.is_err() {
                    return Ok(Greeted::Gone);
                }
            }
            Ok(Some(Packet::GssEnc)) => {
                let fault = fault("startup_malformed", "GSSAPI encryption was asked for twice");
                return Err(refuse(stream, fault).await);
            }
            Ok(Some(Packet::Ssl)) => {
                if stream.write_all(b"S").await.is_err() {
                    return Ok(Greeted::Gone);
                }
                // Nothing is buffered here: whatever a peer pushed in plain text behind its
                // SSLRequest becomes part of the handshake and breaks it (CVE-2021-23214).
                let stream = handshake(stream, acceptor).await?;
                return session(stream, peer).await;
            }
            Ok(Some(Packet::Startup(_))) => return Err(refuse(stream, tls_required()).await),
            Err(fault) => return Err(refuse(stream, fault).await),
        }
    }
}

async fn session(mut stream: ClientStream, peer: SocketAddr) -> Result<Greeted, Fault> {
    match packet(&mut stream).await {
        Ok(None) => Ok(Greeted::Gone),
        Ok(Some(Packet::Cancel { pid, key })) => Ok(Greeted::Cancel { pid, key }),
        Ok(Some(Packet::Startup(startup))) => {
            Ok(Greeted::Session { accepted: Accepted { stream, peer }, startup })
        }
        Ok(Some(Packet::GssEnc | Packet::Ssl)) => {
            let fault = fault("startup_malformed", "TLS is already in use");
            Err(refuse(stream, fault).await)
        }
        Err(fault) => Err(refuse(stream, fault).await),
    }
}

async fn handshake(stream: TcpStream, acceptor: &Acceptor) -> Result<ClientStream, Fault> {
    acceptor
        .accept(stream)
        .await
        .map_err(|error| fault("tls_failed", format!("the TLS handshake failed: {error}")))
}

/// Reads one start-up packet; `None` when the peer left before its first byte.
async fn packet<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<Packet>, Fault> {
    let mut length = [0; 4];
    match stream.read(&mut length[..1]).await {
        Ok(1..) => {}
        Ok(0) | Err(_) => return Ok(None),
    }
    let cut = |_| fault("startup_truncated", "the connection ended inside a start-up packet");
    stream.read_exact(&mut length[1..]).await.map_err(cut)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(0);
    if !(8..=STARTUP_PACKET_BYTES_MAX).contains(&length) {
        return Err(fault(
            "startup_malformed",
            "this is no PostgreSQL start-up packet; is the client meant for this port?",
        ));
    }
    let mut body = BytesMut::zeroed(length - 4);
    stream.read_exact(&mut body).await.map_err(cut)?;
    startup::parse(body.freeze()).map(Some).map_err(|refused| match refused {
        Refused::Malformed(why) => fault("startup_malformed", why),
        Refused::Version(major, minor) => fault(
            "protocol_version",
            format!("protocol {major}.{minor} is not spoken here; use protocol 3.0 to 3.2"),
        ),
    })
}

fn fault(code: &'static str, message: impl std::fmt::Display) -> Fault {
    Fault::new(Blame::Client, code, "08P01", format!("{message}"))
}

fn tls_required() -> Fault {
    Fault::new(
        Blame::Client,
        "tls_required",
        "28000",
        "TLS is required before a token is asked for",
    )
    .hint("Connect with sslmode=verify-full and sslrootcert=<the gateway's CA>.")
}

/// Tells the client and closes in a way that lets it read what it was told.
pub async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, fault: Fault) -> Fault {
    let mut out = BytesMut::new();
    backend::report(&mut out, Severity::Fatal, &fault);
    let linger = async {
        stream.write_all(&out).await.ok()?;
        stream.shutdown().await.ok()?;
        // Closing with unread bytes makes the kernel send a reset, which can overtake the error.
        let mut left = LINGER_BYTES_MAX;
        let mut sink = [0; 4096];
        while left > 0 {
            let read = stream.read(&mut sink).await.ok().filter(|&read| read > 0)?;
            left = left.saturating_sub(read);
        }
        Some(())
    };
    let _ = timeout(Duration::from_millis(LINGER_MILLIS_MAX), linger).await;
    fault
}

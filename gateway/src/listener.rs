//! Bound addresses: accepts connections and makes [`Accepted`], the first proof of the chain.

pub mod kubernetes;
pub mod postgres;
pub mod tls;

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::protocol::Protocol;

/// A client's connection under TLS.
pub type ClientStream = TlsStream<TcpStream>;

/// A downstream connection whose transport is protected by TLS.
///
/// Only this stage makes one, and only after the TLS handshake: nothing later ever asks a
/// plaintext peer for a token.
#[derive(Debug)]
pub struct Accepted<S> {
    stream: S,
    peer: SocketAddr,
}

impl<S> Accepted<S> {
    /// The address of the caller.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The protected stream and the peer.
    pub fn into_stream(self) -> S {
        self.stream
    }
}

/// One bound address. Plain data, checked by the configuration reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenerSettings {
    /// The operator's name for it.
    pub name: String,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Address to bind; port 0 = any free one.
    pub listen: SocketAddr,
    /// PEM certificate chain.
    pub certificate_file: std::path::PathBuf,
    /// PEM private key.
    pub key_file: std::path::PathBuf,
}

//! The Rust driver `tokio-postgres` as a client: prepared statements, typed parameters and
//! binary results, which `psql` does not use.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_rustls::TlsConnector;

use crate::wire;

/// A connection to a PostgreSQL server or gateway inside TLS, nothing else sent yet.
pub type Secured = tokio_rustls::client::TlsStream<TcpStream>;

/// Opens a connection inside TLS, trusting only the authority `ca_pem`.
///
/// # Errors
///
/// What the network or TLS said.
pub async fn secure(
    address: SocketAddr,
    ca_pem: &str,
) -> Result<Secured, Box<dyn std::error::Error + Send + Sync>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&wire::SSL_REQUEST).await?;
    if stream.read_u8().await? != b'S' {
        return Err(io::Error::other("TLS was declined").into());
    }
    let connector = TlsConnector::from(Arc::new(wire::tls_settings(ca_pem)?));
    Ok(connector.connect(ServerName::try_from("localhost")?, stream).await?)
}

/// Signs in over TLS, trusting only the authority `ca_pem`, and drives the connection on the
/// current runtime. `password` may be a token.
///
/// # Errors
///
/// What the connection or the server said.
pub async fn connect(
    address: SocketAddr,
    ca_pem: &str,
    user: &str,
    database: &str,
    password: &str,
) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
    let stream = secure(address, ca_pem).await?;
    // TLS runs already: the driver must not ask for it again.
    let mut config = Config::new();
    config.ssl_mode(SslMode::Disable).user(user).dbname(database).password(password);
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

//! TLS towards a target: the certificate must chain to a trusted root and name the server.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::TlsMode;
use crate::protocol::postgres::startup::ALPN;

/// The TLS set-up of one target, made once.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    server_name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({:?})", self.server_name)
    }
}

impl Tls {
    /// Reads the roots; `None` when the mode asks for no TLS. The error is for the operator.
    pub fn new(mode: &TlsMode) -> Result<Option<Self>, String> {
        let Some((config, server_name)) = client(mode, &[ALPN])? else { return Ok(None) };
        Ok(Some(Self { connector: TlsConnector::from(Arc::new(config)), server_name }))
    }

    /// Runs the handshake.
    pub async fn connect<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connector.connect(self.server_name.clone(), stream).await
    }
}

/// What verifies a target, and the name that its certificate must have; `None` when the mode asks
/// for no TLS.
pub(super) fn client(
    mode: &TlsMode,
    alpn: &[&[u8]],
) -> Result<Option<(ClientConfig, ServerName<'static>)>, String> {
    let TlsMode::VerifyFull { ca_file, server_name } = mode else { return Ok(None) };
    let roots = match ca_file {
        Some(file) => roots(file)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let server_name = ServerName::try_from(server_name.clone())
        .map_err(|_| format!("\"{server_name}\" is no server name"))?;
    Ok(Some((config, server_name)))
}

fn roots(file: &Path) -> Result<RootCertStore, String> {
    let at = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let reader = BufReader::new(File::open(file).map_err(|error| at(&error))?);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_reader_iter(reader) {
        let certificate = certificate.map_err(|error| at(&error))?;
        roots.add(certificate).map_err(|error| at(&error))?;
    }
    if roots.is_empty() {
        return Err(at(&"no certificate in it"));
    }
    Ok(roots)
}

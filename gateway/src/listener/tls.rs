//! TLS towards clients.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
pub use tokio_rustls::TlsAcceptor as Acceptor;

use super::{ListenerSettings, kubernetes};
use crate::protocol::Protocol;
use crate::protocol::postgres::startup::ALPN;

/// Reads certificate and key. The error is for the operator and names the file.
pub fn acceptor(settings: &ListenerSettings) -> Result<Acceptor, String> {
    let alpn: &[&[u8]] = match settings.protocol {
        Protocol::Kubernetes => &kubernetes::ALPN,
        Protocol::Postgres => &[ALPN],
    };
    acceptor_for(&settings.certificate_file, &settings.key_file, alpn)
}

/// The same for any protocol, by its ALPN names, the best first.
pub fn acceptor_for(
    certificate_file: &Path,
    key_file: &Path,
    alpn: &[&[u8]],
) -> Result<Acceptor, String> {
    let certificates = certificates(certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| format!("{}: {error}", key_file.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| format!("{}: {error}", certificate_file.display()))?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Acceptor::from(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let at = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let reader = BufReader::new(File::open(file).map_err(|error| at(&error))?);
    let certificates = CertificateDer::pem_reader_iter(reader).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(at(&"no certificate in it")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(at(&error)),
    }
}

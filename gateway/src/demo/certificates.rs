//! A certificate authority that lives as long as the demonstration, and what it signs.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::Error;
use crate::limits::DEMO_CERTIFICATE_SECS_MAX;

/// The names that every server of the demonstration answers to.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];
/// Clocks of this machine and its containers may differ a little.
const CLOCK_SLACK: Duration = Duration::from_secs(3_600);

/// A throw-away authority. Its key never leaves this process.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A server's certificate with its key.
pub(super) struct Certificate {
    /// The certificate, PEM.
    pub(super) pem: String,
    /// Its private key, PEM (PKCS #8).
    pub(super) key_pem: Zeroizing<String>,
}

impl Authority {
    /// Makes a key and a certificate for it.
    pub(super) fn new() -> Result<Self, Error> {
        let mut params = dated(CertificateParams::default());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Portcullis demo, made for this run");
        let key = KeyPair::generate().map_err(failed)?;
        let pem = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// The authority's certificate, for those who shall trust it.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server on this machine.
    pub(super) fn sign(&self) -> Result<Certificate, Error> {
        let names: Vec<String> = NAMES.iter().map(ToString::to_string).collect();
        let mut params = dated(CertificateParams::new(names).map_err(failed)?);
        params.distinguished_name.push(DnType::CommonName, NAMES[0]);
        let key = KeyPair::generate().map_err(failed)?;
        let pem = params.signed_by(&key, &self.issuer).map_err(failed)?.pem();
        Ok(Certificate { pem, key_pem: Zeroizing::new(key.serialize_pem()) })
    }
}

/// The same, valid for no longer than a demonstration runs.
fn dated(mut params: CertificateParams) -> CertificateParams {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - CLOCK_SLACK;
    params.not_after = now + Duration::from_secs(DEMO_CERTIFICATE_SECS_MAX);
    params
}

fn failed(error: rcgen::Error) -> Error {
    Error::new(format!("can't make a certificate: {error}"))
}

//! A certificate authority for one test, and certificates signed by it.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// The names that every server of the harness answers to.
pub const LOOPBACK_NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// A fresh certificate authority; its key never leaves the process.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

/// A certificate with its key, PEM.
pub struct Certificate {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key (PKCS #8).
    pub key_pem: String,
}

/// Where [`Authority::write`] put its files.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The certificate of the authority.
    pub ca: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's private key, mode 0600.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority named `name` (its common name).
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names to refuse");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a P-256 key can be made");
        let certificate = params.self_signed(&key).expect("the authority can sign itself");
        Self { certificate_pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    /// The authority's certificate, for those who shall trust it.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Signs a server certificate for `names` (DNS names or addresses).
    pub fn sign(&self, names: &[&str]) -> Certificate {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names.clone()).expect("the names are valid");
        params.distinguished_name.push(DnType::CommonName, names.join(" "));
        let key = KeyPair::generate().expect("a P-256 key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority can sign");
        Certificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }

    /// Signs a certificate for [`LOOPBACK_NAMES`] and writes it with its key and the authority
    /// into `dir` as `STEM.crt`, `STEM.key` and `STEM-ca.crt`.
    pub fn write(&self, dir: &Path, stem: &str) -> CertificateFiles {
        let server = self.sign(&LOOPBACK_NAMES);
        let files = CertificateFiles {
            ca: dir.join(format!("{stem}-ca.crt")),
            certificate: dir.join(format!("{stem}.crt")),
            key: dir.join(format!("{stem}.key")),
        };
        crate::folder::write(&files.ca, &self.certificate_pem);
        crate::folder::write(&files.certificate, &server.certificate_pem);
        crate::folder::write_private(&files.key, &server.key_pem);
        files
    }
}

//! An issuer that is not ours: the npm package `oidc-provider` over https on loopback.
//!
//! It judges the gateway's view of OpenID Connect from outside: its discovery document, its key
//! set and its RFC 9068 access tokens were written by other people.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::certs::Authority;
use crate::folder;
use crate::gateway::IssuerEntry;
use crate::https::{self, Question};
use crate::process::Server;

/// Longest wait for node to load the provider and listen.
const START_SECS_MAX: Duration = Duration::from_secs(60);
/// The provider's program.
const PROGRAM: &str = include_str!("../data/oidc-provider.mjs");

/// Who may ask the provider for tokens, and what its tokens say.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// `client_id`, which becomes `sub` of a client's token.
    pub client: String,
    /// Its secret: letters, digits and dashes.
    pub secret: String,
    /// The audience of access tokens: a resource indicator (RFC 8707), an absolute URI.
    pub audience: String,
    /// The claim `groups` of every access token.
    pub groups: Vec<String>,
    /// Life of an access token, seconds.
    pub token_secs: u32,
}

impl Default for OidcSettings {
    fn default() -> Self {
        Self {
            client: "nightly-report-agent".into(),
            secret: "canary-client-secret-4e1b".into(),
            audience: "https://portcullis.test/postgres".into(),
            groups: vec![crate::gateway::AGENTS.into()],
            token_secs: 600,
        }
    }
}

/// A running provider.
pub struct OidcProvider {
    settings: OidcSettings,
    authority: Authority,
    ca_file: PathBuf,
    address: SocketAddr,
    server: Server,
    // Removed last: node reads its program from it.
    _dir: TempDir,
}

impl OidcProvider {
    /// Starts it on a free port.
    pub fn start(settings: OidcSettings) -> Self {
        let dir = folder::temporary("oidc");
        let authority = Authority::new("harness OIDC CA");
        let files = authority.write(dir.path(), "server");
        let modules = packages().join("node_modules");
        std::os::unix::fs::symlink(&modules, dir.path().join("node_modules"))
            .expect("a link in a folder of ours can be made");
        let program = dir.path().join("server.mjs");
        folder::write(&program, PROGRAM);
        let mut node = Command::new("node");
        node.arg(&program).current_dir(dir.path());
        node.env("PROVIDER_CERTIFICATE", &files.certificate).env("PROVIDER_KEY", &files.key);
        node.env("PROVIDER_CLIENT", &settings.client).env("PROVIDER_SECRET", &settings.secret);
        node.env("PROVIDER_AUDIENCE", &settings.audience);
        node.env("PROVIDER_GROUPS", settings.groups.join(","));
        node.env("PROVIDER_TOKEN_SECS", settings.token_secs.to_string());
        let mut server = Server::start("oidc-provider", node);
        let line = server.line(START_SECS_MAX);
        let ready: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("oidc-provider said {line:?}: {}", server.stderr()));
        let port = ready["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let port = port.expect("the provider tells its port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { settings, authority, ca_file: files.ca, address, server, _dir: dir }
    }

    /// `iss` of its tokens.
    pub fn issuer(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The CA file to verify it with.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// As a gateway's configuration names it.
    pub fn entry(&self) -> IssuerEntry {
        IssuerEntry {
            issuer: self.issuer(),
            audience: self.settings.audience.clone(),
            ca_file: Some(self.ca_file.clone()),
            development: false,
        }
    }

    /// What it was started with.
    pub fn settings(&self) -> &OidcSettings {
        &self.settings
    }

    /// An access token by the client credentials grant, as the client itself would ask.
    pub fn token(&mut self) -> String {
        let credentials = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&resource={}",
            self.settings.client,
            self.settings.secret,
            form_value(&self.settings.audience)
        );
        let question = Question {
            method: "POST",
            path: "/token",
            headers: &[("Content-Type", "application/x-www-form-urlencoded")],
            body: &credentials,
        };
        let answer = https::ask_tls(self.address, self.authority.certificate_pem(), question)
            .unwrap_or_else(|error| panic!("no token: {error}; {}", self.server.stderr()));
        let token = serde_json::from_str::<serde_json::Value>(&answer.body).ok().and_then(|body| {
            body.get("access_token").and_then(|token| token.as_str()).map(str::to_owned)
        });
        token.unwrap_or_else(|| {
            panic!("the provider refused (status {}): {}", answer.status, answer.body)
        })
    }
}

/// Writes a value as `application/x-www-form-urlencoded` wants it.
fn form_value(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Where `scripts/setup.sh test` installs the npm packages.
fn packages() -> PathBuf {
    let packages = folder::cache().join("oidc-provider");
    let module = packages.join("node_modules").join("oidc-provider");
    assert!(module.is_dir(), "{} is missing: run scripts/setup.sh test", module.display());
    packages
}

#[cfg(test)]
mod tests;

//! One TOML file becomes a checked [`Config`], or a list of every mistake in it.
//!
//! Unknown keys are mistakes, nothing is expanded, and a relative path is relative to the folder
//! of the file it stands in. Secrets come from files that only their owner can read, or from the
//! environment. Reading binds, fetches and starts nothing.

mod anchor;
mod capability;
mod export;
mod facts;
mod gateway;
mod issuer;
mod listener;
mod page;
mod policy;
mod secret;
mod signing;
mod target;
mod text;

use std::fmt;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::SHA256;

use crate::audit::LogSettings;
use crate::export::ExportSettings;
use crate::export::anchor::AnchorSettings;
use crate::identity::IssuerSettings;
use crate::limits::CONFIG_FILE_BYTES_MAX;
use crate::listener::ListenerSettings;
use crate::policy::{PolicySettings, signature};
use crate::upstream::{TargetSettings, TlsMode};
use page::{Page, Section};

pub(crate) use secret::read_secret;

/// Who may use the admin endpoint for what; each needs a token of their own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdminSettings {
    /// Loopback address to bind; port 0 = any free one.
    pub listen: SocketAddr,
    /// Configured names of the issuers whose tokens count here; never empty.
    pub issuers: Vec<String>,
    /// Groups whose members may decide approvals.
    pub approver_groups: Vec<String>,
    /// Groups whose members may read sessions and reports.
    pub auditor_groups: Vec<String>,
}

/// The whole configuration. Plain data; nothing is bound, opened or fetched yet.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// SHA-256 over the file and every policy file, hex.
    pub digest: String,
    /// The log of record.
    pub log: LogSettings,
    /// The admin endpoint.
    pub admin: AdminSettings,
    /// Who signs tokens.
    pub issuers: Vec<IssuerSettings>,
    /// Addresses for PostgreSQL clients.
    pub listeners: Vec<ListenerSettings>,
    /// What is guarded.
    pub targets: Vec<TargetSettings>,
    /// Where the log is sent.
    pub exports: Vec<ExportSettings>,
    /// Who remembers the log's newest checkpoint.
    pub anchors: Vec<AnchorSettings>,
    /// Folder for what witnesses answer.
    pub anchor_dir: PathBuf,
    /// Folder of the exports' cursors.
    pub export_dir: PathBuf,
    /// Folder in which the search index is kept.
    pub search_dir: PathBuf,
}

/// One thing that is wrong, where, and what was expected: `FILE:LINE:COLUMN: ...`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    /// The file it stands in.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong; what was expected. Never holds a secret.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, what } = self;
        write!(f, "{}:{line}:{column}: {what}", file.display())
    }
}

/// Reads and checks a configuration file and the policy files it names.
///
/// # Errors
/// Every mistake, in the main file first, each file from top to bottom. A file that isn't TOML
/// is reported for that alone.
pub fn load(path: &Path) -> Result<Config, Vec<Mistake>> {
    let alone = |what: String| vec![Mistake { file: path.to_owned(), line: 1, column: 1, what }];
    let bytes = secret::read(path, CONFIG_FILE_BYTES_MAX)
        .map_err(|why| alone(format!("the file {why}")))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| alone("the file is not UTF-8".into()))?;
    let page = Page::new(path.to_owned(), text.to_owned());
    let Some(table) = page.parse() else {
        return Err(page.mistakes());
    };
    let (config, policy_mistakes) = read(&page, Section::top(&page, &table));
    drop(table);
    let mut mistakes = page.mistakes();
    mistakes.extend(policy_mistakes);
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        // Every `None` comes with a mistake; this holds even if one were forgotten.
        _ if mistakes.is_empty() => Err(alone("the file can't be used".into())),
        _ => Err(mistakes),
    }
}

/// Reads and checks one policy file by itself, for looking at what it would do.
///
/// # Errors
/// Every mistake, from top to bottom.
pub fn load_policy(path: &Path) -> Result<PolicySettings, Vec<Mistake>> {
    let alone =
        |what: &str| vec![Mistake { file: path.to_owned(), line: 1, column: 1, what: what.into() }];
    let bytes = secret::read(path, CONFIG_FILE_BYTES_MAX)
        .map_err(|why| alone(&format!("the file {why}")))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| alone("the file is not UTF-8"))?;
    policy::alone(path, text.to_owned())
}

/// The same for a policy that stands in no file; its paths are relative to the current folder.
///
/// # Errors
/// Every mistake, from top to bottom.
pub fn policy_of(text: String) -> Result<PolicySettings, Vec<Mistake>> {
    policy::alone(Path::new("policy"), text)
}

fn read(page: &Page, mut top: Section<'_>) -> (Option<Config>, Vec<Mistake>) {
    let gateway = gateway::gateway(&mut top);
    let data_dir = gateway.as_ref().map_or_else(PathBuf::new, |gateway| gateway.data_dir.clone());
    let issuers = issuer::issuers(&mut top, &data_dir);
    let admin = gateway::admin(&mut top, &issuers);
    let approvers_exist = !admin.as_ref().is_none_or(|admin| admin.approver_groups.is_empty());
    let development = issuers.iter().any(|issuer| issuer.development);
    let listeners = listener::listeners(&mut top, admin.as_ref(), development);
    let signing = signing::signing(&mut top);
    let mut policies = policy::Policies::new(approvers_exist, signing);
    let targets = target::targets(&mut top, &issuers, &mut policies);
    let exports = export::exports(&mut top);
    let anchors = anchor::anchors(&mut top);
    top.end();
    let texts = std::iter::once(page.text()).chain(policies.texts.iter().map(String::as_str));
    let digest = digest(texts);
    let config = gateway.zip(admin).map(|(gateway, admin)| Config {
        file: page.file().to_owned(),
        digest,
        log: gateway.log(),
        admin,
        issuers,
        listeners,
        targets,
        exports,
        anchors,
        anchor_dir: data_dir.join("anchor"),
        export_dir: data_dir.join("export"),
        search_dir: data_dir,
    });
    (config, policies.mistakes)
}

/// Every file whose change should make the gateway read its configuration again: the main file,
/// policies, plugins with their signatures, facts and vault keys, certificates and keys. Sorted,
/// each once. Files of other secrets are read when the main file is.
pub fn files(config: &Config) -> Vec<PathBuf> {
    let mut files = vec![config.file.clone()];
    files.extend(config.issuers.iter().filter_map(|issuer| issuer.ca_file.clone()));
    for listener in &config.listeners {
        files.extend([listener.certificate_file.clone(), listener.key_file.clone()]);
    }
    for target in &config.targets {
        if let TlsMode::VerifyFull { ca_file, .. } = &target.tls {
            files.extend(ca_file.clone());
        }
        files.push(target.policy.file.clone());
        for plugin in &target.policy.plugins {
            files.extend([plugin.file.clone(), signature::file_of(&plugin.file)]);
            files.extend(plugin.tests.clone());
            files.extend(plugin.capabilities.files().map(Path::to_owned));
        }
    }
    files.sort();
    files.dedup();
    files
}

/// SHA-256 over the SHA-256 of each text, hex: no two lists of texts share an input.
fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut all = aws_lc_rs::digest::Context::new(&SHA256);
    for text in texts {
        all.update(aws_lc_rs::digest::digest(&SHA256, text.as_bytes()).as_ref());
    }
    hex(all.finish().as_ref())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;

//! `[gateway]` and `[admin]`: what this gateway is called, and who may look into it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::AdminSettings;
use super::page::Section;
use super::secret::said;
use super::target::known;
use super::text::{address, name, owned};
use crate::audit::LogSettings;
use crate::identity::IssuerSettings;
use crate::limits::ADMIN_PORT;

pub(super) struct Gateway {
    name: String,
    organization: String,
    pub(super) data_dir: PathBuf,
}

impl Gateway {
    pub(super) fn log(self) -> LogSettings {
        LogSettings {
            dir: self.data_dir.join("log"),
            organization: self.organization,
            gateway: self.name,
        }
    }
}

/// Reads `[gateway]`.
pub(super) fn gateway(top: &mut Section<'_>) -> Option<Gateway> {
    let mut section = top.section("gateway");
    if !section.exists() {
        if top.has("gateway").is_none() {
            top.missing("gateway", "a [gateway] section with name, organization and data_dir");
        }
        return None;
    }
    let gateway = name(&mut section, "name", &[]);
    let organization = name(&mut section, "organization", &[]);
    let data_dir = section.string_needed("data_dir", "a folder for the log and the key caches");
    let data_dir = data_dir.map(|item| (section.page().path(item.value), item));
    if let Some((path, item)) = &data_dir {
        if item.value.is_empty() {
            section.mistake(item.at, "`data_dir` is empty; expected a folder");
        } else if path.exists() && !path.is_dir() {
            section.mistake(item.at, format!("`data_dir` {}", said(path, "is not a folder")));
        }
    }
    section.end();
    let (data_dir, _) = data_dir?;
    Some(Gateway { name: gateway, organization, data_dir })
}

/// Reads `[admin]`, which may be missing: then nobody may do anything but see the health.
pub(super) fn admin(top: &mut Section<'_>, issuers: &[IssuerSettings]) -> Option<AdminSettings> {
    let mut section = top.section("admin");
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN_PORT));
    let listen = address(&mut section, "listen", Some(default));
    if let Some(item) = &listen
        && !item.value.ip().is_loopback()
    {
        let what = format!(
            "`listen` is {}, which others can reach; expected a loopback address such as \
             127.0.0.1:{ADMIN_PORT}",
            item.value
        );
        section.mistake(item.at, what);
    }
    let approver_groups = owned(section.strings("approver_groups", "names of groups"));
    let auditor_groups = owned(section.strings("auditor_groups", "names of groups"));
    let names: Vec<String> = issuers.iter().map(|issuer| issuer.name.clone()).collect();
    let trusted = section.strings("issuers", "names of [[issuers]] sections");
    for item in &trusted {
        known(&section, "issuers", item, &names);
    }
    let mut trusted = owned(trusted);
    let grouped = !(approver_groups.is_empty() && auditor_groups.is_empty());
    if trusted.is_empty() {
        // A group name means nothing without the issuer that gives it out.
        if grouped && names.len() > 1 {
            section.missing("issuers", "the names of the issuers that these groups come from");
        }
        trusted = names;
    }
    section.end();
    let listen = listen?.value;
    Some(AdminSettings { listen, issuers: trusted, approver_groups, auditor_groups })
}

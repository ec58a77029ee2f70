//! `[[listeners]]`: addresses for clients.

use std::net::SocketAddr;

use super::AdminSettings;
use super::page::Section;
use super::secret;
use super::target::PROTOCOLS;
use super::text::{address, name};
use crate::listener::ListenerSettings;

/// Reads every listener.
pub(super) fn listeners(
    top: &mut Section<'_>,
    admin: Option<&AdminSettings>,
    development: bool,
) -> Vec<ListenerSettings> {
    let sections = top.sections("listeners", "listeners");
    if sections.is_empty() && top.has("listeners").is_none() {
        top.missing("listeners", "at least one [[listeners]] section: where clients connect");
    }
    let mut taken = Vec::new();
    let mut bound: Vec<SocketAddr> = admin.iter().map(|admin| admin.listen).collect();
    let mut listeners = Vec::new();
    for mut section in sections {
        let name = name(&mut section, "name", &taken);
        taken.push(name.clone());
        let protocol = section.word("protocol", &PROTOCOLS).unwrap_or_default();
        let listen = address(&mut section, "listen", None);
        if let Some(item) = &listen {
            // Port 0 is any free one, so two of them don't clash.
            if item.value.port() != 0 && bound.contains(&item.value) {
                let what = format!("`listen` {} is taken; expected another address", item.value);
                section.mistake(item.at, what);
            }
            if development && !item.value.ip().is_loopback() {
                let what = format!(
                    "`listen` is {} beside a development issuer; expected a loopback address",
                    item.value
                );
                section.mistake(item.at, what);
            }
            bound.push(item.value);
        }
        let files = secret::certificate(&mut section);
        section.end();
        if let (Some(listen), Some((certificate_file, key_file))) = (listen, files) {
            let listen = listen.value;
            listeners.push(ListenerSettings { name, protocol, listen, certificate_file, key_file });
        }
    }
    listeners
}

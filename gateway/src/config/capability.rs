//! What a plugin is granted, and what it finds behind its grants.

use std::path::Path;
use std::sync::Arc;

use super::facts;
use super::page::{Item, Section};
use super::secret::{read_secret, said};
use super::text::{NAME, is_name};
use crate::limits::{
    KV_ENTRIES_MAX, KV_KIB_MAX, KV_SESSION_ENTRIES_MAX, KV_SESSION_KIB_MAX, PLUGIN_NAMED_FILES_MAX,
    VAULT_KEY_FILE_BYTES_MAX,
};
use crate::policy::{Capabilities, GRANTS, KvQuota, VaultKey, grants_listed};

/// Reads `grants`.
pub(super) fn grants(section: &mut Section<'_>) -> Vec<String> {
    let expected = format!("some of {}", grants_listed());
    let items = section.strings("grants", &expected);
    for item in &items {
        if !GRANTS.contains(&item.value) {
            let shown = item.value.escape_debug();
            section.mistake(item.at, format!("`grants` has \"{shown}\"; expected {expected}"));
        }
    }
    super::text::owned(items)
}

/// Reads `[plugins.kv]`, `[plugins.facts]` and `[plugins.vault]`.
pub(super) fn capabilities(section: &mut Section<'_>, grants: &[String]) -> Capabilities {
    for key in ["facts", "kv", "vault"] {
        let granted = grants.iter().any(|grant| grant == key);
        match section.has(key) {
            Some(at) if !granted => {
                let what = format!("[plugins.{key}] is given; expected \"{key}\" in `grants` too");
                section.mistake(at, what);
            }
            None if granted && key != "kv" => {
                let what = format!("\"{key}\" is granted; expected files in [plugins.{key}]");
                section.mistake(section.at(), what);
            }
            _ => {}
        }
    }
    Capabilities {
        kv: quota(section.section("kv")),
        facts: files(section, "facts", "a file of facts", |section, item, path| {
            facts::read(section, item, path).map(Arc::new)
        }),
        vault: files(section, "vault", "a file of mode 0600", |section, item, path| {
            key(path)
                .map_err(|why| section.mistake(item.at, format!("`vault` {}", said(path, &why))))
                .ok()
                .map(Arc::new)
        }),
    }
}

fn quota(mut section: Section<'_>) -> KvQuota {
    let default = KvQuota::default();
    let mut number = |key, most, unit: usize, default: usize| {
        let given = section.integer(key, 1..=most);
        let given = given.and_then(|number| usize::try_from(number).ok());
        given.and_then(|number| number.checked_mul(unit)).unwrap_or(default)
    };
    let quota = KvQuota {
        entries_max: number("entries_max", KV_ENTRIES_MAX, 1, default.entries_max),
        bytes_max: number("kib_max", KV_KIB_MAX, 1024, default.bytes_max),
        session_entries_max: number(
            "session_entries_max",
            KV_SESSION_ENTRIES_MAX,
            1,
            default.session_entries_max,
        ),
        session_bytes_max: number(
            "session_kib_max",
            KV_SESSION_KIB_MAX,
            1024,
            default.session_bytes_max,
        ),
    };
    section.end();
    quota
}

/// The files of a table, by name.
fn files<T>(
    section: &mut Section<'_>,
    key: &'static str,
    expected: &str,
    read: impl Fn(&Section<'_>, &Item<&str>, &Path) -> Option<T>,
) -> Vec<(String, T)> {
    let named = section.named(key, expected);
    if let Some((name, _)) = named.get(PLUGIN_NAMED_FILES_MAX) {
        let what = format!("[plugins.{key}] has too many; expected {PLUGIN_NAMED_FILES_MAX}");
        section.mistake(name.at, what);
    }
    let mut found = Vec::new();
    for (name, file) in named.iter().take(PLUGIN_NAMED_FILES_MAX) {
        if !is_name(name.value) {
            let shown = name.value.escape_debug();
            let what = format!("[plugins.{key}] names \"{shown}\"; expected {NAME}");
            section.mistake(name.at, what);
        }
        let path = section.page().path(file.value);
        if let Some(read) = read(section, file, &path) {
            found.push((name.value.to_owned(), read));
        }
    }
    found
}

/// A key file: 64 hexadecimal digits on one line.
fn key(path: &Path) -> Result<VaultKey, String> {
    let bytes = read_secret(path, VAULT_KEY_FILE_BYTES_MAX)?;
    let digits = bytes.trim_ascii();
    let wrong = || "is no key; expected 64 hexadecimal digits (openssl rand -hex 32)".to_owned();
    if digits.len() != 64 {
        return Err(wrong());
    }
    let mut key = zeroize::Zeroizing::new([0; 32]);
    for (slot, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        *slot = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(VaultKey::new(path, &key))
}

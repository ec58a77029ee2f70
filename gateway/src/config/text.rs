//! What single values must look like.

use std::net::{IpAddr, SocketAddr};

use super::page::{Item, Section};
use crate::limits::{CONFIG_NAME_BYTES_MAX, POSTGRES_NAME_BYTES_MAX};

/// What a plain name is, for mistakes.
pub(super) const NAME: &str = "a name of a-z, 0-9, `-`, `_` and `.`, starting with a letter";

/// A plain name: safe in log lines, origins and file names.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= CONFIG_NAME_BYTES_MAX
        && text.starts_with(|ch: char| ch.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
}

/// Reads `key` as a plain name that no earlier section took.
pub(super) fn name(section: &mut Section<'_>, key: &'static str, taken: &[String]) -> String {
    let Some(item) = section.string_needed(key, NAME) else {
        return String::new();
    };
    let shown = item.value.escape_debug();
    if !is_name(item.value) {
        section.mistake(item.at, format!("`{key}` is \"{shown}\"; expected {NAME}"));
    } else if taken.iter().any(|other| other == item.value) {
        section.mistake(item.at, format!("`{key}` \"{shown}\" is taken; expected a unique name"));
    }
    item.value.to_owned()
}

/// Reports a name that PostgreSQL can't have or that could deceive a reader.
pub(super) fn postgres_name(section: &Section<'_>, key: &str, item: &Item<&str>) {
    let text = item.value;
    if text.is_empty() || text.len() > POSTGRES_NAME_BYTES_MAX || text.chars().any(char::is_control)
    {
        let what = format!(
            "`{key}` has \"{}\"; expected a name of 1 to {POSTGRES_NAME_BYTES_MAX} bytes",
            text.escape_debug()
        );
        section.mistake(item.at, what);
    }
}

/// The texts of a list.
pub(super) fn owned(items: Vec<Item<&str>>) -> Vec<String> {
    items.into_iter().map(|item| item.value.to_owned()).collect()
}

/// Reads `key` as an address to bind.
pub(super) fn address(
    section: &mut Section<'_>,
    key: &'static str,
    default: Option<SocketAddr>,
) -> Option<Item<SocketAddr>> {
    let expected = "an address and port such as \"127.0.0.1:5432\"";
    let item = match default {
        Some(value) => match section.string(key, expected) {
            Some(item) => item,
            None => return Some(Item { value, at: section.at() }),
        },
        None => section.string_needed(key, expected)?,
    };
    match item.value.parse() {
        Ok(value) => Some(Item { value, at: item.at }),
        Err(_) => {
            let shown = item.value.escape_debug();
            section.mistake(item.at, format!("`{key}` is \"{shown}\"; expected {expected}"));
            None
        }
    }
}

/// Splits `host:port`; an IPv6 host stands in brackets. The host comes without brackets.
pub(super) fn host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|v6| v6.parse::<IpAddr>().is_ok())?,
        None => host,
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    let named = !host.contains(':') || host.parse::<IpAddr>().is_ok();
    (!host.is_empty() && named && host.bytes().all(plain)).then_some((host, port))
}

/// A literal loopback address. A name isn't one: what it resolves to is up to others.
pub(super) fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Scheme and host of an issuer URL (OpenID Connect Discovery 1.0 section 4.3: no query, no
/// fragment); `None` when it isn't one.
pub(super) fn issuer_url(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split('/').next()?;
    let plain = |b: u8| b.is_ascii_graphic() && !b"?#@\\\"<>".contains(&b);
    if authority.is_empty() || !text.bytes().all(plain) {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) || host.is_empty() {
        return None;
    }
    let host = host.strip_prefix('[').and_then(|v6| v6.strip_suffix(']')).unwrap_or(host);
    Some((scheme, host))
}

/// The known key that a wrong one was most likely meant to be.
pub(super) fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let most = (wrong.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|key| (distance(wrong, key), *key))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, key)| key)
}

/// Edit distance: insertions, deletions, replacements and swaps of neighbours (optimal string
/// alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ch) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let replaced = at(&row, j) + usize::from(ch != other);
            let mut least = replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(other) && b.get(j - 1) == Some(ch);
            if swapped {
                least = least.min(at(&above, j - 1) + 1);
            }
            next.push(least);
        }
        above = std::mem::replace(&mut row, next);
    }
    at(&row, b.len())
}

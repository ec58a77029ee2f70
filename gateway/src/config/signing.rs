//! `[signing]`: whose plugins this gateway loads.

use super::page::Section;
use crate::limits::SIGNING_KEYS_MAX;
use crate::note::VerifierKey;
use crate::policy::signature::Signing;

const KEYS: &str = "public keys as `portcullis plugin keygen` prints them, name+hash+key";

/// Reads `[signing]`, which may be missing: then no signature is asked for. It stands in the main
/// file alone, so that who writes a policy can't decide whose plugins it may name.
pub(super) fn signing(top: &mut Section<'_>) -> Signing {
    let mut section = top.section("signing");
    if !section.exists() {
        return Signing::default();
    }
    let named = section.strings_needed("keys", KEYS);
    let mut keys = Vec::new();
    for item in &named {
        match VerifierKey::read(item.value) {
            Ok(key) => keys.push(key),
            Err(error) => section.mistake(item.at, format!("`keys`: {error}")),
        }
    }
    if let Some(item) = named.get(SIGNING_KEYS_MAX) {
        let what = format!("too many `keys`; expected at most {SIGNING_KEYS_MAX}");
        section.mistake(item.at, what);
    }
    let required = section.boolean("required").is_none_or(|item| item.value);
    section.end();
    Signing { keys, required }
}

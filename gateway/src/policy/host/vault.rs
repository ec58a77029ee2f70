//! Keyed hashes and tokens, with keys that plugins name and never see.
//!
//! The operator's key is used for one thing only: to make the keys of each use. So nothing that a
//! plugin has hashed under one use tells it anything of another.

use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;

use crate::limits::{VAULT_PREFIX_BYTES_MAX, VAULT_VALUE_BYTES_MAX};
use crate::policy::digest;

/// What the operator's key is for, by use.
const HASH: &[u8] = b"portcullis vault hmac 1";
const TOKEN: &[u8] = b"portcullis vault token 1";
const LOOK: &[u8] = b"portcullis vault look 1";
const NAME: &[u8] = b"portcullis vault name 1";

/// RFC 4648 section 6, lower case.
const BASE32: [u8; 32] = *b"abcdefghijklmnopqrstuvwxyz234567";
/// Characters of a token: 100 bits.
const TOKEN_CHARS: usize = 20;

/// A key of the operator's.
#[derive(Clone)]
pub struct VaultKey {
    file: PathBuf,
    hash: hmac::Key,
    token: hmac::Key,
    look: hmac::Key,
    fingerprint: String,
}

impl std::fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultKey").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl PartialEq for VaultKey {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file && self.fingerprint == other.fingerprint
    }
}

impl Eq for VaultKey {}

impl VaultKey {
    /// A key as read from a file.
    pub fn new(file: &Path, key: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = |label| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, label).as_ref());
        let name = hmac::sign(&key, NAME);
        let shown = name.as_ref().get(..8).unwrap_or_default();
        Self {
            file: file.to_owned(),
            hash: derived(HASH),
            token: derived(TOKEN),
            look: derived(LOOK),
            fingerprint: digest::hex(shown),
        }
    }

    /// The file it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Names the key without telling it: 16 hexadecimal digits.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// HMAC-SHA-256.
    pub(in crate::policy) fn hmac(&self, data: &[u8]) -> Result<Vec<u8>, &'static str> {
        sized(data)?;
        Ok(hmac::sign(&self.hash, data).as_ref().to_vec())
    }

    /// The prefix, `_`, and [`TOKEN_CHARS`] characters.
    pub(in crate::policy) fn tokenize(
        &self,
        prefix: &str,
        value: &str,
    ) -> Result<String, &'static str> {
        sized(value.as_bytes())?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=VAULT_PREFIX_BYTES_MAX).contains(&prefix.len()) || !prefix.bytes().all(plain) {
            return Err("a prefix has 1 to 16 characters of a-z, 0-9 and `-`");
        }
        let mut message = hmac::Context::with_key(&self.token);
        message.update(prefix.as_bytes());
        // No prefix holds it, so no two pairs are one message.
        message.update(b"\0");
        message.update(value.as_bytes());
        Ok(format!("{prefix}_{}", base32(message.sign().as_ref(), TOKEN_CHARS)))
    }

    /// A value of the same look.
    pub(in crate::policy) fn imitate(&self, value: &str) -> Result<String, &'static str> {
        sized(value.as_bytes())?;
        let mut stream = Stream::new(&self.look, value.as_bytes());
        let letter = |letter: char| match letter {
            '0'..='9' => char::from(b'0' + stream.below(10)),
            _ if letter.is_uppercase() => char::from(b'A' + stream.below(26)),
            _ if letter.is_alphanumeric() => char::from(b'a' + stream.below(26)),
            other => other,
        };
        Ok(value.chars().map(letter).collect())
    }
}

fn sized(value: &[u8]) -> Result<(), &'static str> {
    if value.len() > VAULT_VALUE_BYTES_MAX {
        return Err("a value has at most 1 MiB");
    }
    Ok(())
}

/// The first characters of some bytes in base 32, five bits each.
fn base32(bytes: &[u8], chars: usize) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let five = |at: usize| (0..5).fold(0, |sum, more| sum << 1 | bit(at * 5 + more));
    let char_at = |at: usize| BASE32.get(usize::from(five(at))).map_or('?', |it| char::from(*it));
    (0..chars).map(char_at).collect()
}

/// Bytes that hang on a key and a value, as many as are needed: HMAC in counter mode (NIST SP
/// 800-108) over a hash of the value.
struct Stream {
    key: hmac::Key,
    block: [u8; 32],
    used: usize,
    counter: u32,
}

impl Stream {
    fn new(key: &hmac::Key, value: &[u8]) -> Self {
        let seed = hmac::sign(key, value);
        let key = hmac::Key::new(hmac::HMAC_SHA256, seed.as_ref());
        Self { key, block: [0; 32], used: 32, counter: 0 }
    }

    fn next(&mut self) -> u8 {
        if self.used == self.block.len() {
            let block = hmac::sign(&self.key, &self.counter.to_be_bytes());
            for (slot, byte) in self.block.iter_mut().zip(block.as_ref()) {
                *slot = *byte;
            }
            self.counter += 1;
            self.used = 0;
        }
        let byte = self.block.get(self.used).copied().unwrap_or(0);
        self.used += 1;
        byte
    }

    /// A number below `most`, each as likely: bytes that would favour the small ones are dropped.
    fn below(&mut self, most: u8) -> u8 {
        let fair = u8::MAX - u8::MAX % most;
        loop {
            let byte = self.next();
            if byte < fair {
                return byte % most;
            }
        }
    }
}

#[cfg(test)]
mod tests;

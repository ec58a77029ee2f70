//! Payloads: AES-256-GCM with a key of the session's own, cut into parts, named by the SHA-256
//! of the ciphertext. Destroying the key erases the payloads, and every proof stays valid.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::checkpoint::hex;
use super::tree::sha256;
use crate::limits::{PAYLOAD_BYTES_MAX, PAYLOAD_PART_BYTES_MAX};

/// Length of a key, bytes.
pub(in crate::audit) const KEY_BYTES: usize = 32;
/// Length of the tag that ends each part, bytes.
const TAG_BYTES: usize = 16;
/// Plain bytes in one part.
const PART_PLAIN_BYTES: usize = PAYLOAD_PART_BYTES_MAX - TAG_BYTES;
/// The one algorithm of this format.
const ALGORITHM: &str = "AES-256-GCM";

/// A payload could not be sealed or opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    /// More than [`PAYLOAD_BYTES_MAX`].
    #[error("the payload is longer than {PAYLOAD_BYTES_MAX} bytes")]
    TooLong,
    /// The cipher refused: wrong key, or changed bytes.
    #[error("the payload does not open with its session's key")]
    Cipher,
    /// Made by a newer format.
    #[error("the payload uses an unknown algorithm")]
    Algorithm,
}

/// What an entry says of its payload.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadRef {
    /// `AES-256-GCM`.
    pub alg: String,
    /// Number of the payload in its session: the first eight bytes of every part's nonce.
    pub n: u64,
    /// What the plain bytes are: `request`, `response` or `token`.
    pub media: String,
    /// Number of parts.
    pub parts: u32,
    /// Ciphertext bytes of all parts, tags included.
    pub bytes: u64,
    /// SHA-256 over the ciphertext of all parts in order, hex.
    pub sha256: String,
}

/// A sealed payload: what the entry says of it, and its ciphertext.
#[derive(Debug)]
pub(in crate::audit) struct Sealed {
    pub(in crate::audit) reference: PayloadRef,
    pub(in crate::audit) parts: Vec<Vec<u8>>,
}

/// The key of one session's payloads. It has no `Debug`.
pub(in crate::audit) struct SessionKey {
    key: LessSafeKey,
    next: AtomicU64,
}

/// Fresh key bytes from the system's random source.
pub(in crate::audit) fn fresh_key() -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| SealError::Cipher)?;
    Ok(bytes)
}

/// A cipher from key bytes.
pub(in crate::audit) fn cipher(bytes: &[u8]) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map_err(|_| SealError::Cipher)
}

/// What a session says of its payload key: SHA-256 of a title and the key, hex. The cipher alone
/// does not tie a ciphertext to one key, and a key shown later must be the one that sealed. The
/// key is 32 random bytes, so the hash tells nothing once the key is destroyed.
pub fn key_commitment(key: &[u8]) -> String {
    hex(&sha256(&[b"portcullis payload key 1\n".as_slice(), key]))
}

fn nonce(payload: u64, part: u32) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    let numbers = payload.to_be_bytes().into_iter().chain(part.to_be_bytes());
    for (to, from) in bytes.iter_mut().zip(numbers) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

/// Ties a part to its place, so that parts can't change places between payloads or sessions.
fn bound(session: &str, n: u64, part: u32, parts: u32, media: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{session}\n{n}\n{part}\n{parts}\n{media}").into_bytes())
}

impl SessionKey {
    /// A key for one session of one run. The same bytes must never make a second one that seals:
    /// nonces count from 0.
    pub(in crate::audit) fn new(bytes: &[u8]) -> Result<Self, SealError> {
        Ok(Self { key: cipher(bytes)?, next: AtomicU64::new(0) })
    }

    /// Encrypts the chunks as one payload. Each call uses fresh nonces, even when its entry is
    /// never written.
    pub(in crate::audit) fn seal(
        &self,
        session: &str,
        media: &str,
        chunks: &[&[u8]],
    ) -> Result<Sealed, SealError> {
        let total: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        if total > PAYLOAD_BYTES_MAX {
            return Err(SealError::TooLong);
        }
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut parts = cut(chunks, total);
        let count = u32::try_from(parts.len()).map_err(|_| SealError::TooLong)?;
        let mut hash = Context::new(&SHA256);
        let mut bytes = 0;
        for (part, number) in parts.iter_mut().zip(0_u32..) {
            let aad = bound(session, n, number, count, media);
            self.key
                .seal_in_place_append_tag(nonce(n, number), aad, part)
                .map_err(|_| SealError::Cipher)?;
            hash.update(part);
            bytes += part.len() as u64;
        }
        let reference = PayloadRef {
            alg: ALGORITHM.to_owned(),
            n,
            media: media.to_owned(),
            parts: count,
            bytes,
            sha256: hex(hash.finish().as_ref()),
        };
        Ok(Sealed { reference, parts })
    }
}

/// Ciphertext bytes of a payload with this many plain bytes.
pub(in crate::audit) fn sealed_bytes(plain: usize) -> usize {
    plain.saturating_add(plain.div_ceil(PART_PLAIN_BYTES).max(1) * TAG_BYTES)
}

/// Cuts chunks into parts with room for the tag; nothing makes one empty part.
fn cut(chunks: &[&[u8]], total: usize) -> Vec<Vec<u8>> {
    let mut parts = Vec::with_capacity(total.div_ceil(PART_PLAIN_BYTES).max(1));
    let mut left = total;
    let mut part = Vec::with_capacity(left.min(PART_PLAIN_BYTES) + TAG_BYTES);
    for chunk in chunks {
        let mut rest = *chunk;
        while !rest.is_empty() {
            if part.len() == PART_PLAIN_BYTES {
                left = left.saturating_sub(PART_PLAIN_BYTES);
                let next = Vec::with_capacity(left.min(PART_PLAIN_BYTES) + TAG_BYTES);
                parts.push(std::mem::replace(&mut part, next));
            }
            let room = PART_PLAIN_BYTES - part.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            part.extend_from_slice(now);
            rest = later;
        }
    }
    parts.push(part);
    parts
}

/// True when these plain bytes, sealed with this key, are the payload that the entry commits to.
pub(in crate::audit) fn is_payload(
    key: &[u8],
    session: &str,
    reference: &PayloadRef,
    plain: &[u8],
) -> bool {
    let Ok(key) = cipher(key) else { return false };
    let mut hash = Context::new(&SHA256);
    let (mut bytes, mut count) = (0, 0);
    for (mut part, number) in cut(&[plain], plain.len()).into_iter().zip(0_u32..) {
        let aad = bound(session, reference.n, number, reference.parts, &reference.media);
        let sealed = key.seal_in_place_append_tag(nonce(reference.n, number), aad, &mut part);
        if sealed.is_err() {
            return false;
        }
        hash.update(&part);
        bytes += part.len() as u64;
        count += 1;
    }
    reference.alg == ALGORITHM
        && (reference.parts, reference.bytes) == (count, bytes)
        && reference.sha256 == hex(hash.finish().as_ref())
}

/// Decrypts a payload from its parts.
///
/// # Errors
/// The key is another one, the parts were changed, or the algorithm is unknown.
pub(in crate::audit) fn open(
    key: &[u8],
    session: &str,
    reference: &PayloadRef,
    parts: Vec<Vec<u8>>,
) -> Result<Vec<u8>, SealError> {
    if reference.alg != ALGORITHM {
        return Err(SealError::Algorithm);
    }
    let key = cipher(key)?;
    let mut plain = Vec::new();
    for (mut part, number) in parts.into_iter().zip(0_u32..) {
        let aad = bound(session, reference.n, number, reference.parts, &reference.media);
        let opened = key
            .open_in_place(nonce(reference.n, number), aad, &mut part)
            .map_err(|_| SealError::Cipher)?;
        plain.extend_from_slice(opened);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests;

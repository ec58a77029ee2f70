//! Tokens verified a moment ago, by SHA-256, so that a burst of connections verifies once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Claims;
use crate::limits::{VERDICT_SECS_MAX, VERDICTS_COUNT_MAX};

const SHARDS_COUNT: usize = 16;

struct Verdict {
    claims: Arc<Claims>,
    issuer: usize,
    from: i64,
    until: i64,
}

/// The cache. A verdict ends with its token, after `VERDICT_SECS_MAX`, or when the clock runs
/// backwards; the caller checks that the key is still there.
#[derive(Default)]
pub(super) struct Verdicts {
    shards: [Mutex<HashMap<[u8; 32], Verdict>>; SHARDS_COUNT],
}

impl Verdicts {
    fn shard(&self, token: &[u8; 32]) -> Option<&Mutex<HashMap<[u8; 32], Verdict>>> {
        self.shards.get(usize::from(token[0]) % SHARDS_COUNT)
    }

    /// The claims of a token verified before, and the index of its issuer.
    pub(super) fn find(&self, token: &[u8; 32], now: i64) -> Option<(Arc<Claims>, usize)> {
        let shard = self.shard(token)?.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = shard.get(token).filter(|each| (each.from..each.until).contains(&now))?;
        Some((Arc::clone(&verdict.claims), verdict.issuer))
    }

    /// Remembers a verified token until `ends` at the latest.
    pub(super) fn put(
        &self,
        token: [u8; 32],
        claims: Arc<Claims>,
        issuer: usize,
        now: i64,
        ends: i64,
    ) {
        let until = ends.min(now.saturating_add(VERDICT_SECS_MAX));
        let Some(shard) = self.shard(&token) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= VERDICTS_COUNT_MAX / SHARDS_COUNT {
            shard.retain(|_, each| (each.from..each.until).contains(&now));
        }
        if shard.len() >= VERDICTS_COUNT_MAX / SHARDS_COUNT {
            shard.clear();
        }
        shard.insert(token, Verdict { claims, issuer, from: now, until });
    }

    /// Forgets a token.
    pub(super) fn drop_token(&self, token: &[u8; 32]) {
        if let Some(shard) = self.shard(token) {
            shard.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
        }
    }
}

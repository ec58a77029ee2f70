//! Facts of texts seen before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Parsers, facts};
use crate::fault::Fault;
use crate::limits;
use crate::protocol::Facts;

/// Facts by text, for all sessions of a gateway; bounded in bytes.
///
/// Facts hang on nothing but the text and the parsers' mode, so an entry never goes stale. Two
/// generations stand in for a list in order of use: a hit in the old one moves it to the young
/// one, and when the young one is full the old one is dropped whole. That keeps what was used
/// recently, at the cost of two look-ups.
#[derive(Debug)]
pub struct FactsCache {
    generations: Mutex<Generations>,
    bytes_max: usize,
}

type Key = (Arc<str>, Parsers);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Key, Arc<Facts>>,
    young_bytes: usize,
    old: HashMap<Key, Arc<Facts>>,
}

impl FactsCache {
    /// An empty cache of at most about [`limits::FACTS_CACHE_BYTES_MAX`].
    pub fn new() -> Self {
        Self::with_bytes_max(limits::FACTS_CACHE_BYTES_MAX)
    }

    /// An empty cache of at most about this many bytes.
    pub fn with_bytes_max(bytes_max: usize) -> Self {
        Self { generations: Mutex::default(), bytes_max }
    }

    /// The facts of a text, from the cache or fresh.
    ///
    /// # Errors
    /// Those of [`facts`]; errors are not kept.
    pub fn facts(&self, text: &Arc<str>, parsers: Parsers) -> Result<Arc<Facts>, Fault> {
        let key = (Arc::clone(text), parsers);
        if let Some(hit) = self.find(&key) {
            return Ok(hit);
        }
        // Parsed outside the lock: a slow text holds up its own session only.
        let fresh = Arc::new(facts(text, parsers)?);
        let bytes = size(text, &fresh);
        if bytes <= limits::FACTS_CACHE_ENTRY_BYTES_MAX {
            self.keep(key, &fresh, bytes);
        }
        Ok(fresh)
    }

    fn find(&self, key: &Key) -> Option<Arc<Facts>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hit) = generations.young.get(key) {
            return Some(Arc::clone(hit));
        }
        let hit = generations.old.remove(key)?;
        let bytes = size(&key.0, &hit);
        generations.admit(key.clone(), Arc::clone(&hit), bytes, self.bytes_max);
        Some(hit)
    }

    fn keep(&self, key: Key, facts: &Arc<Facts>, bytes: usize) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.admit(key, Arc::clone(facts), bytes, self.bytes_max);
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.young.len() + generations.old.len()
    }
}

impl Default for FactsCache {
    fn default() -> Self {
        Self::new()
    }
}

impl Generations {
    fn admit(&mut self, key: Key, facts: Arc<Facts>, bytes: usize, bytes_max: usize) {
        if self.young_bytes.saturating_add(bytes) > bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(key, facts).is_none() {
            self.young_bytes = self.young_bytes.saturating_add(bytes);
        }
    }
}

/// About how much memory an entry takes.
fn size(text: &str, facts: &Facts) -> usize {
    let strings = |statement: &crate::protocol::Statement| {
        let objects = statement.objects.iter().map(|object| object.kind.len() + object.name.len());
        let columns = statement.columns.iter().map(String::len);
        let attributes = statement.attributes.iter().map(|(key, value)| key.len() + value.len());
        // Each string also costs its own allocation.
        objects.map(|n| n + 96).sum::<usize>()
            + statement
                .uses
                .iter()
                .map(|it| it.relation.len() + it.column.len() + 192)
                .sum::<usize>()
            + columns.map(|n| n + 40).sum::<usize>()
            + attributes.map(|n| n + 80).sum::<usize>()
            + statement.verb.len()
            + size_of::<crate::protocol::Statement>()
    };
    text.len() + 128 + facts.statements.iter().map(strings).sum::<usize>()
}

//! What plugins store between calls: values with a time to live, and sums over windows of time.
//!
//! All of it is in memory. A plugin of a target has one store, and one more for each of its
//! sessions. The time is given with every call, so tests own it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::limits::{
    KV_ENTRIES, KV_ENTRY_BYTES, KV_KEY_BYTES_MAX, KV_KIB, KV_SESSION_ENTRIES, KV_SESSION_KIB,
    KV_VALUE_BYTES_MAX, KV_WINDOW_SECS_MAX, KV_WINDOW_STEPS,
};

/// How much a plugin may store. Bytes are those of names and values, and a fixed number for each
/// entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KvQuota {
    /// Values and counters of the plugin on one target.
    pub entries_max: usize,
    /// Their bytes.
    pub bytes_max: usize,
    /// Values and counters of one session.
    pub session_entries_max: usize,
    /// Their bytes.
    pub session_bytes_max: usize,
}

impl Default for KvQuota {
    fn default() -> Self {
        Self {
            entries_max: KV_ENTRIES,
            bytes_max: KV_KIB * 1024,
            session_entries_max: KV_SESSION_ENTRIES,
            session_bytes_max: KV_SESSION_KIB * 1024,
        }
    }
}

/// What one store may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::policy) struct Room {
    /// Values and counters.
    pub(in crate::policy) entries_max: usize,
    /// Their bytes.
    pub(in crate::policy) bytes_max: usize,
}

/// Why a store refuses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::policy) enum Refused {
    /// Its quota is used up.
    Full,
    /// An argument is out of bounds; what was expected.
    Unfit(&'static str),
}

/// Values and counters.
#[derive(Debug, Default)]
pub(in crate::policy) struct Store {
    values: HashMap<String, Value>,
    /// By name, then by window.
    counters: HashMap<String, Vec<(u32, Counter)>>,
    entries: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Value {
    bytes: Vec<u8>,
    ends_ms: u64,
}

/// Amounts in steps of a sixtieth of the window, oldest first.
#[derive(Debug, Default)]
struct Counter {
    steps: VecDeque<(u64, u64)>,
}

impl Store {
    /// A value that is still alive.
    pub(in crate::policy) fn get(
        &self,
        key: &str,
        now_ms: u64,
    ) -> Result<Option<Vec<u8>>, Refused> {
        named(key)?;
        let alive = self.values.get(key).filter(|value| value.ends_ms > now_ms);
        Ok(alive.map(|value| value.bytes.clone()))
    }

    /// Stores a value in place of the one before.
    pub(in crate::policy) fn set(
        &mut self,
        key: &str,
        bytes: Vec<u8>,
        ttl_secs: Option<u32>,
        room: Room,
        now_ms: u64,
    ) -> Result<(), Refused> {
        named(key)?;
        if bytes.len() > KV_VALUE_BYTES_MAX {
            return Err(Refused::Unfit("a value has at most 64 KiB"));
        }
        let before = self.values.get(key).map(|value| key.len() + value.bytes.len());
        let more = (key.len() + bytes.len()).saturating_sub(before.unwrap_or(0));
        self.make_room(usize::from(before.is_none()), more, room, now_ms)?;
        self.remove(key);
        self.entries += 1;
        self.bytes += KV_ENTRY_BYTES + key.len() + bytes.len();
        let ttl = |secs| now_ms.saturating_add(u64::from(secs) * 1_000);
        let ends_ms = ttl_secs.map_or(u64::MAX, ttl);
        self.values.insert(key.to_owned(), Value { bytes, ends_ms });
        Ok(())
    }

    /// Deletes a value; false when there was none.
    pub(in crate::policy) fn delete(&mut self, key: &str, now_ms: u64) -> Result<bool, Refused> {
        named(key)?;
        Ok(self.remove(key).is_some_and(|value| value.ends_ms > now_ms))
    }

    /// Adds to a counter; gives its sum.
    pub(in crate::policy) fn add(
        &mut self,
        name: &str,
        amount: u64,
        window_secs: u32,
        room: Room,
        now_ms: u64,
    ) -> Result<u64, Refused> {
        window(name, window_secs)?;
        let known = self.counters.get(name);
        let known = known.is_some_and(|list| list.iter().any(|(secs, _)| *secs == window_secs));
        if !known {
            self.make_room(1, name.len() + COUNTER_BYTES, room, now_ms)?;
            self.entries += 1;
            self.bytes += KV_ENTRY_BYTES + name.len() + COUNTER_BYTES;
            let list = self.counters.entry(name.to_owned()).or_default();
            list.push((window_secs, Counter::default()));
        }
        let list = self.counters.entry(name.to_owned()).or_default();
        let counter = list.iter_mut().find(|(secs, _)| *secs == window_secs);
        Ok(counter.map_or(0, |(_, counter)| counter.add(amount, window_secs, now_ms)))
    }

    /// The sum of a counter.
    pub(in crate::policy) fn sum(
        &self,
        name: &str,
        window_secs: u32,
        now_ms: u64,
    ) -> Result<u64, Refused> {
        window(name, window_secs)?;
        let list = self.counters.get(name).map(Vec::as_slice).unwrap_or_default();
        let counter = list.iter().find(|(secs, _)| *secs == window_secs);
        Ok(counter.map_or(0, |(_, counter)| counter.sum(window_secs, now_ms)))
    }

    /// Forgets a counter.
    pub(in crate::policy) fn clear(&mut self, name: &str, window_secs: u32) -> Result<(), Refused> {
        window(name, window_secs)?;
        self.keep_counters(|found, secs, _| found != name || secs != window_secs);
        Ok(())
    }

    /// Frees what is over when there is no room for `entries` more entries with `bytes` more bytes
    /// of names and values.
    fn make_room(
        &mut self,
        entries: usize,
        bytes: usize,
        room: Room,
        now_ms: u64,
    ) -> Result<(), Refused> {
        let more = bytes + entries * KV_ENTRY_BYTES;
        let fits = |store: &Self| {
            store.entries + entries <= room.entries_max && store.bytes + more <= room.bytes_max
        };
        if fits(self) {
            return Ok(());
        }
        let over = |(key, value): (&String, &Value)| (value.ends_ms <= now_ms).then(|| key.clone());
        let over: Vec<String> = self.values.iter().filter_map(over).collect();
        for key in over {
            self.remove(&key);
        }
        self.keep_counters(|_, secs, counter| counter.sum(secs, now_ms) > 0);
        if fits(self) { Ok(()) } else { Err(Refused::Full) }
    }

    fn remove(&mut self, key: &str) -> Option<Value> {
        let value = self.values.remove(key)?;
        self.entries -= 1;
        self.bytes -= KV_ENTRY_BYTES + key.len() + value.bytes.len();
        Some(value)
    }

    fn keep_counters(&mut self, keep: impl Fn(&str, u32, &Counter) -> bool) {
        let (mut entries, mut bytes) = (0, 0);
        self.counters.retain(|name, list| {
            list.retain(|(secs, counter)| {
                let kept = keep(name, *secs, counter);
                if !kept {
                    entries += 1;
                    bytes += KV_ENTRY_BYTES + name.len() + COUNTER_BYTES;
                }
                kept
            });
            !list.is_empty()
        });
        self.entries -= entries;
        self.bytes -= bytes;
    }
}

/// A full counter: two words for each step, and one step more that is partly over.
const COUNTER_BYTES: usize = 16 * (KV_WINDOW_STEPS as usize + 1);

impl Counter {
    fn add(&mut self, amount: u64, window_secs: u32, now_ms: u64) -> u64 {
        // A clock that was set back adds to the newest step: nothing is forgotten too early.
        let newest = self.steps.back().map_or(0, |(step, _)| *step);
        let now = step(window_secs, now_ms).max(newest);
        while self.steps.front().is_some_and(|(step, _)| step + KV_WINDOW_STEPS < now) {
            self.steps.pop_front();
        }
        match self.steps.back_mut() {
            Some((step, sum)) if *step == now => *sum = sum.saturating_add(amount),
            _ => self.steps.push_back((now, amount)),
        }
        self.sum(window_secs, now_ms)
    }

    fn sum(&self, window_secs: u32, now_ms: u64) -> u64 {
        let now = step(window_secs, now_ms);
        let alive = self.steps.iter().filter(|(step, _)| step + KV_WINDOW_STEPS >= now);
        alive.fold(0, |sum, (_, amount)| sum.saturating_add(*amount))
    }
}

/// The step that a time falls into.
fn step(window_secs: u32, now_ms: u64) -> u64 {
    // In thousandths of a millisecond: a window of one second has steps of 16.6 ms.
    let width = u64::from(window_secs.max(1)) * 1_000_000 / KV_WINDOW_STEPS;
    now_ms.saturating_mul(1_000) / width
}

fn named(name: &str) -> Result<(), Refused> {
    match name.len() {
        1..=KV_KEY_BYTES_MAX => Ok(()),
        _ => Err(Refused::Unfit("a key has 1 to 256 bytes")),
    }
}

fn window(name: &str, secs: u32) -> Result<(), Refused> {
    named(name)?;
    match secs {
        1..=KV_WINDOW_SECS_MAX => Ok(()),
        _ => Err(Refused::Unfit("a window has 1 second to 31 days")),
    }
}

/// A store that several instances share.
pub(in crate::policy) type Shared = Arc<Mutex<Store>>;

/// Takes a store, whatever happened to whoever held it last: every change of it is whole.
pub(in crate::policy) fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stores of one plugin on one target.
#[derive(Debug, Default)]
pub(in crate::policy) struct Stores {
    plugin: Shared,
    sessions: Mutex<HashMap<String, Weak<Mutex<Store>>>>,
}

impl Stores {
    /// The store of all sessions together.
    pub(in crate::policy) fn plugin(&self) -> &Shared {
        &self.plugin
    }

    /// The store of a session. It lives as long as somebody holds it.
    fn session(&self, id: &str) -> Shared {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = sessions.get(id).and_then(Weak::upgrade) {
            return store;
        }
        if sessions.len() == sessions.capacity() {
            sessions.retain(|_, store| store.strong_count() > 0);
        }
        let store = Shared::default();
        sessions.insert(id.to_owned(), Arc::downgrade(&store));
        store
    }
}

/// The stores of every plugin of every target, which a reload leaves as they are.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Shelves(Arc<Mutex<ByPlugin>>);

/// By target and plugin.
type ByPlugin = HashMap<(String, String), Arc<Stores>>;

impl Shelves {
    /// The stores of a plugin on a target.
    pub(in crate::policy) fn of(&self, target: &str, plugin: &str) -> Arc<Stores> {
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shelves.entry((target.to_owned(), plugin.to_owned())).or_default())
    }

    /// Forgets every target but these.
    pub(in crate::policy) fn retain(&self, targets: &[String]) {
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.retain(|(target, _), _| targets.contains(target));
    }
}

/// The stores that one direction of a session uses. Holding them here keeps them alive as long as
/// the session, whatever becomes of its instances.
#[derive(Debug)]
pub(in crate::policy) struct Held {
    session: String,
    stores: Vec<(Arc<Stores>, Shared)>,
}

impl Held {
    /// None yet.
    pub(in crate::policy) fn new(session: &str) -> Self {
        Self { session: session.to_owned(), stores: Vec::new() }
    }

    /// This session's store of a plugin.
    pub(in crate::policy) fn session(&mut self, stores: &Arc<Stores>) -> Shared {
        let known = self.stores.iter().find(|(known, _)| Arc::ptr_eq(known, stores));
        if let Some((_, store)) = known {
            return Arc::clone(store);
        }
        let store = stores.session(&self.session);
        self.stores.push((Arc::clone(stores), Arc::clone(&store)));
        store
    }
}

#[cfg(test)]
mod tests;

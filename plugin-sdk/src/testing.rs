//! A stand-in for the gateway's side, for tests of plugins outside Wasm. It is a fake: one store
//! for each thread without bounds, tokens without secrecy, a clock that moves when told to.
//!
//! ```
//! use portcullis_plugin::capability::kv;
//! use portcullis_plugin::testing;
//!
//! testing::reset();
//! testing::set_now_ms(1_000);
//! assert_eq!(kv::PLUGIN.counter("rows", 60).add(5), Ok(5));
//! testing::set_now_ms(100_000);
//! assert_eq!(kv::PLUGIN.counter("rows", 60).sum(), Ok(0));
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::capability::kv::Scope;

type Name = (u8, String);
type Row = Vec<(String, String)>;

#[derive(Default)]
struct Gateway {
    now_ms: u64,
    lines: Vec<String>,
    full: bool,
    values: BTreeMap<Name, (Vec<u8>, u64)>,
    counters: BTreeMap<(Name, u32), Vec<(u64, u64)>>,
    facts: BTreeMap<String, BTreeMap<String, Row>>,
    keys: BTreeSet<String>,
}

thread_local! {
    static GATEWAY: RefCell<Gateway> = RefCell::default();
}

fn with<R>(act: impl FnOnce(&mut Gateway) -> R) -> R {
    GATEWAY.with(|gateway| act(&mut gateway.borrow_mut()))
}

/// Forgets everything of this thread.
pub fn reset() {
    with(|gateway| *gateway = Gateway::default());
}

/// What `now_ms` and the counters take for the time.
pub fn set_now_ms(now_ms: u64) {
    with(|gateway| gateway.now_ms = now_ms);
}

/// Makes every write to a store fail as if its quota were used up.
pub fn set_full(full: bool) {
    with(|gateway| gateway.full = full);
}

/// What the plugin has logged.
pub fn log_lines() -> Vec<String> {
    with(|gateway| gateway.lines.clone())
}

/// Adds a table: each key with its columns and values.
pub fn add_facts(table: &str, rows: &[(&str, &[(&str, &str)])]) {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let rows = rows.iter().map(|(key, row)| ((*key).to_owned(), row.iter().map(own).collect()));
    with(|gateway| gateway.facts.insert(table.to_owned(), rows.collect()));
}

/// Adds a key of the vault.
pub fn add_key(name: &str) {
    with(|gateway| gateway.keys.insert(name.to_owned()));
}

fn name(scope: Scope, name: &str) -> Name {
    (scope as u8, name.to_owned())
}

/// The imports, as Wasm has them.
pub(crate) mod imports {
    use super::with;
    use crate::capability::Level;

    pub(crate) fn now_ms() -> u64 {
        with(|gateway| gateway.now_ms)
    }

    pub(crate) fn write(_level: Level, message: &str) {
        with(|gateway| gateway.lines.push(message.to_owned()));
    }

    pub(crate) mod kv {
        use super::super::{name, with};
        use crate::capability::kv::{KvError, Scope};

        pub(crate) fn get(scope: Scope, key: &str) -> Result<Option<Vec<u8>>, KvError> {
            Ok(with(|gateway| {
                let found = gateway.values.get(&name(scope, key));
                found.filter(|(_, ends)| *ends > gateway.now_ms).map(|(value, _)| value.clone())
            }))
        }

        pub(crate) fn set(
            scope: Scope,
            key: &str,
            value: &[u8],
            ttl_secs: Option<u32>,
        ) -> Result<(), KvError> {
            with(|gateway| {
                if gateway.full {
                    return Err(KvError::Full);
                }
                let ttl = |secs| gateway.now_ms + u64::from(secs) * 1_000;
                let ends = ttl_secs.map_or(u64::MAX, ttl);
                gateway.values.insert(name(scope, key), (value.to_vec(), ends));
                Ok(())
            })
        }

        pub(crate) fn delete(scope: Scope, key: &str) -> Result<bool, KvError> {
            let there = get(scope, key)?.is_some();
            with(|gateway| gateway.values.remove(&name(scope, key)));
            Ok(there)
        }

        pub(crate) fn add(
            scope: Scope,
            counter: &str,
            amount: u64,
            window_secs: u32,
        ) -> Result<u64, KvError> {
            with(|gateway| {
                if gateway.full {
                    return Err(KvError::Full);
                }
                let now_ms = gateway.now_ms;
                let added = gateway.counters.entry((name(scope, counter), window_secs));
                added.or_default().push((now_ms, amount));
                Ok(())
            })?;
            sum(scope, counter, window_secs)
        }

        pub(crate) fn sum(scope: Scope, counter: &str, window_secs: u32) -> Result<u64, KvError> {
            Ok(with(|gateway| {
                let from = gateway.now_ms.saturating_sub(u64::from(window_secs) * 1_000);
                let added = gateway.counters.get(&(name(scope, counter), window_secs));
                let added = added.into_iter().flatten().filter(|(at, _)| *at >= from);
                added.fold(0, |sum: u64, (_, amount)| sum.saturating_add(*amount))
            }))
        }

        pub(crate) fn clear(scope: Scope, counter: &str, window_secs: u32) -> Result<(), KvError> {
            with(|gateway| gateway.counters.remove(&(name(scope, counter), window_secs)));
            Ok(())
        }
    }

    pub(crate) mod facts {
        use super::super::{Row, with};
        use crate::bindings::shared::portcullis::policy::facts::FactsError;

        pub(crate) fn size(table: &str) -> Option<u32> {
            with(|gateway| gateway.facts.get(table).map(|rows| rows.len() as u32))
        }

        pub(crate) fn lookup(table: &str, key: &str) -> Result<Option<Row>, FactsError> {
            with(|gateway| {
                let rows = gateway.facts.get(table).ok_or(FactsError::UnknownTable)?;
                Ok(rows.get(key).cloned())
            })
        }

        pub(crate) fn has(table: &str, key: &str) -> Result<bool, FactsError> {
            lookup(table, key).map(|row| row.is_some())
        }

        pub(crate) fn keys(
            table: &str,
            after: Option<&str>,
            most: u32,
        ) -> Result<Vec<String>, FactsError> {
            with(|gateway| {
                let rows = gateway.facts.get(table).ok_or(FactsError::UnknownTable)?;
                let keys = rows.keys().filter(|key| after.is_none_or(|last| key.as_str() > last));
                Ok(keys.take(most as usize).cloned().collect())
            })
        }
    }

    pub(crate) mod vault {
        use super::super::with;
        use crate::capability::vault::VaultError;

        pub(crate) fn has(key: &str) -> bool {
            with(|gateway| gateway.keys.contains(key))
        }

        pub(crate) fn hmac(key: &str, data: &[u8]) -> Result<Vec<u8>, VaultError> {
            if !has(key) {
                return Err(VaultError::UnknownKey);
            }
            // FNV-1a four times: equal for equal data, and no more than that.
            let hash = |seed: u64| {
                key.bytes().chain(data.iter().copied()).fold(seed, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                })
            };
            Ok((1..=4).flat_map(|seed| hash(seed).to_be_bytes()).collect())
        }

        pub(crate) fn tokenize(key: &str, prefix: &str, value: &str) -> Result<String, VaultError> {
            let hash = hmac(key, format!("{prefix}\0{value}").as_bytes())?;
            let letter = |byte: &u8| char::from(b'a' + byte % 26);
            Ok(format!("{prefix}_{}", hash.iter().take(20).map(letter).collect::<String>()))
        }

        pub(crate) fn imitate(key: &str, value: &str) -> Result<String, VaultError> {
            let hash = hmac(key, value.as_bytes())?;
            let letter = |(letter, byte): (char, &u8)| match letter {
                '0'..='9' => char::from(b'0' + byte % 10),
                _ if letter.is_uppercase() => char::from(b'A' + byte % 26),
                _ if letter.is_alphanumeric() => char::from(b'a' + byte % 26),
                other => other,
            };
            Ok(value.chars().zip(hash.iter().cycle()).map(letter).collect())
        }
    }
}

//! What the host does for a plugin when it calls: the imports of `wit/`.

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};

use super::facts::Facts;
use super::imports::{self, kv::KvError, vault::VaultError};
use super::kv::{self, KvQuota, Refused, Room, Shared, Stores};
use super::vault::VaultKey;
use super::{Context, imports::facts::FactsError};
use crate::limits::{FACTS_KEYS_LISTED_MAX, PLUGIN_LOG_LINES_MAX};
use crate::policy::text;

/// What an operator gives to one plugin beside its grants.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Capabilities {
    /// What it may store.
    pub kv: KvQuota,
    /// Tables, by name.
    pub facts: Vec<(String, Arc<Facts>)>,
    /// Keys, by name.
    pub vault: Vec<(String, Arc<VaultKey>)>,
}

impl Capabilities {
    /// Each table and key with what tells its content from another, for the log.
    pub fn digests(&self) -> impl Iterator<Item = (String, String)> {
        let facts = self
            .facts
            .iter()
            .map(|(name, facts)| (format!("facts.{name}"), facts.digest().to_owned()));
        let keys = self
            .vault
            .iter()
            .map(|(name, key)| (format!("vault.{name}"), key.fingerprint().to_owned()));
        facts.chain(keys)
    }

    /// The files they were read from.
    pub fn files(&self) -> impl Iterator<Item = &std::path::Path> {
        let facts = self.facts.iter().map(|(_, facts)| facts.file());
        facts.chain(self.vault.iter().map(|(_, key)| key.file()))
    }
}

/// The stores that an instance may use.
pub(in crate::policy) struct Memory {
    pub(in crate::policy) plugin: Arc<Stores>,
    pub(in crate::policy) session: Shared,
}

/// Adds what these grants open to a linker.
pub(super) fn link(linker: &mut Linker<Context>, grants: &[String]) -> wasmtime::Result<()> {
    type Own = HasSelf<Context>;
    for grant in grants {
        match grant.as_str() {
            "clock" => imports::clock::add_to_linker::<_, Own>(linker, |context| context)?,
            "facts" => imports::facts::add_to_linker::<_, Own>(linker, |context| context)?,
            "kv" => imports::kv::add_to_linker::<_, Own>(linker, |context| context)?,
            "log" => imports::log::add_to_linker::<_, Own>(linker, |context| context)?,
            "vault" => imports::vault::add_to_linker::<_, Own>(linker, |context| context)?,
            _ => {}
        }
    }
    Ok(())
}

impl imports::types::Host for Context {}

impl imports::log::Host for Context {
    fn write(&mut self, level: imports::log::Level, message: String) -> wasmtime::Result<()> {
        use imports::log::Level;
        if self.lines >= PLUGIN_LOG_LINES_MAX {
            return Ok(());
        }
        self.lines += 1;
        let (plugin, line) = (&*self.plugin, text::sentence(&message));
        match level {
            Level::Debug => tracing::debug!(plugin, "{line}"),
            Level::Info => tracing::info!(plugin, "{line}"),
            Level::Warn => tracing::warn!(plugin, "{line}"),
            Level::Error => tracing::error!(plugin, "{line}"),
        }
        Ok(())
    }
}

impl imports::clock::Host for Context {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(self.now_ms)
    }
}

impl Context {
    /// Runs something on one of the stores.
    fn store<R>(
        &self,
        scope: imports::kv::Scope,
        act: impl FnOnce(&mut kv::Store, Room, u64) -> Result<R, Refused>,
    ) -> wasmtime::Result<Result<R, KvError>> {
        let Some(memory) = self.memory.as_ref().filter(|_| !self.configuring) else {
            return Ok(Err(KvError::Unavailable));
        };
        let quota = &self.capabilities.kv;
        let (store, entries_max, bytes_max) = match scope {
            imports::kv::Scope::Plugin => {
                (memory.plugin.plugin(), quota.entries_max, quota.bytes_max)
            }
            imports::kv::Scope::Session => {
                (&memory.session, quota.session_entries_max, quota.session_bytes_max)
            }
        };
        let done = act(&mut kv::lock(store), Room { entries_max, bytes_max }, self.now_ms);
        Ok(done.map_err(|refused| match refused {
            Refused::Full => KvError::Full,
            Refused::Unfit(expected) => KvError::Unfit(expected.to_owned()),
        }))
    }

    fn table(&self, name: &str) -> Option<&Facts> {
        let found = self.capabilities.facts.iter().find(|(known, _)| known == name);
        found.map(|(_, facts)| &**facts)
    }

    fn key<R>(
        &self,
        name: &str,
        act: impl FnOnce(&VaultKey) -> Result<R, &'static str>,
    ) -> wasmtime::Result<Result<R, VaultError>> {
        let found = self.capabilities.vault.iter().find(|(known, _)| known == name);
        let Some((_, key)) = found else { return Ok(Err(VaultError::UnknownKey)) };
        Ok(act(key).map_err(|expected| VaultError::Unfit(expected.to_owned())))
    }
}

impl imports::kv::Host for Context {
    fn get(
        &mut self,
        scope: imports::kv::Scope,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, KvError>> {
        self.store(scope, |store, _, now_ms| store.get(&key, now_ms))
    }

    fn set(
        &mut self,
        scope: imports::kv::Scope,
        key: String,
        value: Vec<u8>,
        ttl_secs: Option<u32>,
    ) -> wasmtime::Result<Result<(), KvError>> {
        self.store(scope, |store, room, now_ms| store.set(&key, value, ttl_secs, room, now_ms))
    }

    fn delete(
        &mut self,
        scope: imports::kv::Scope,
        key: String,
    ) -> wasmtime::Result<Result<bool, KvError>> {
        self.store(scope, |store, _, now_ms| store.delete(&key, now_ms))
    }

    fn add(
        &mut self,
        scope: imports::kv::Scope,
        counter: String,
        amount: u64,
        window_secs: u32,
    ) -> wasmtime::Result<Result<u64, KvError>> {
        self.store(scope, |store, room, now_ms| {
            store.add(&counter, amount, window_secs, room, now_ms)
        })
    }

    fn sum(
        &mut self,
        scope: imports::kv::Scope,
        counter: String,
        window_secs: u32,
    ) -> wasmtime::Result<Result<u64, KvError>> {
        self.store(scope, |store, _, now_ms| store.sum(&counter, window_secs, now_ms))
    }

    fn clear(
        &mut self,
        scope: imports::kv::Scope,
        counter: String,
        window_secs: u32,
    ) -> wasmtime::Result<Result<(), KvError>> {
        self.store(scope, |store, _, _| store.clear(&counter, window_secs))
    }
}

impl imports::facts::Host for Context {
    fn size(&mut self, table: String) -> wasmtime::Result<Option<u32>> {
        Ok(self.table(&table).map(|facts| u32::try_from(facts.len()).unwrap_or(u32::MAX)))
    }

    fn lookup(
        &mut self,
        table: String,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<(String, String)>>, FactsError>> {
        let facts = self.table(&table).ok_or(FactsError::UnknownTable);
        Ok(facts.map(|facts| facts.row(&key)))
    }

    fn has(&mut self, table: String, key: String) -> wasmtime::Result<Result<bool, FactsError>> {
        let facts = self.table(&table).ok_or(FactsError::UnknownTable);
        Ok(facts.map(|facts| facts.has(&key)))
    }

    fn keys(
        &mut self,
        table: String,
        after: Option<String>,
        most: u32,
    ) -> wasmtime::Result<Result<Vec<String>, FactsError>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(FACTS_KEYS_LISTED_MAX);
        let facts = self.table(&table).ok_or(FactsError::UnknownTable);
        Ok(facts.map(|facts| facts.keys(after.as_deref()).take(most).map(str::to_owned).collect()))
    }
}

impl imports::vault::Host for Context {
    fn has(&mut self, key: String) -> wasmtime::Result<bool> {
        Ok(self.capabilities.vault.iter().any(|(known, _)| *known == key))
    }

    fn hmac(
        &mut self,
        key: String,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, VaultError>> {
        self.key(&key, |key| key.hmac(&data))
    }

    fn tokenize(
        &mut self,
        key: String,
        prefix: String,
        value: String,
    ) -> wasmtime::Result<Result<String, VaultError>> {
        self.key(&key, |key| key.tokenize(&prefix, &value))
    }

    fn imitate(
        &mut self,
        key: String,
        value: String,
    ) -> wasmtime::Result<Result<String, VaultError>> {
        self.key(&key, |key| key.imitate(&value))
    }
}

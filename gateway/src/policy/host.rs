//! The plugin host: one Wasm engine for every plugin, with its limits.
//!
//! Calls are synchronous: a plugin never waits for anything. Each instance has its own memory
//! and budget, each call its own deadline.

mod bindings;
mod cache;
mod capability;
mod facts;
mod grants;
mod guest;
mod kv;
mod vault;

pub(super) use bindings::exports::portcullis::policy as exports;
pub(super) use bindings::portcullis::policy as imports;
pub(super) use bindings::portcullis::policy::types as wit;
pub use capability::Capabilities;
pub use facts::Facts;
pub use grants::{GRANTS, grants_listed};
pub use kv::KvQuota;
pub use vault::VaultKey;

pub(super) use capability::Memory;
pub(super) use grants::{PACKAGE, import, interface, later};
#[cfg(test)]
pub(super) use guest::CALLS;
pub(super) use guest::{Allowance, Context, Failure, Guest};
pub(super) use kv::{Held, Shelves, Stores};

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use self::cache::Cache;
use crate::limits::{
    PLUGIN_INSTANCES_MAX, PLUGIN_MEMORY_BYTES_MAX, PLUGIN_MODULES_MAX, PLUGIN_STACK_BYTES_MAX,
    PLUGIN_TABLE_ELEMENTS_MAX, PLUGIN_TABLES_MAX, PLUGIN_TICK_MILLIS,
};
use crate::policy::Problem;
use crate::policy::instances::Places;

/// The Wasm engine, the compile cache and the key of hash masks. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    wasm: wasmtime::Engine,
    pooled: bool,
    cache: Option<Arc<Cache>>,
    mask_key: Arc<hmac::Key>,
    places: Places,
    shelves: Shelves,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("pooled", &self.pooled).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts the engine and its clock thread.
    ///
    /// `cache_dir` is a private folder (made with mode 0700 if missing) for compiled plugins, the
    /// key that authenticates them and the key of hash masks, so that equal values hash alike
    /// across restarts. Without it every start compiles again and draws a new mask key.
    ///
    /// # Errors
    /// The engine can't be made, or the folder is not private.
    pub fn new(cache_dir: Option<&Path>) -> Result<Self, Problem> {
        let (wasm, pooled) = start()?;
        let cache = cache_dir.map(Cache::open).transpose()?.map(Arc::new);
        let key = match &cache {
            Some(cache) => cache.mask_key()?,
            None => random_key()?,
        };
        tick(&wasm)?;
        let mask_key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &key));
        let (places, shelves) = (Places::default(), Shelves::default());
        Ok(Self { wasm, pooled, cache, mask_key, places, shelves })
    }

    /// The same engine with a given key for hash masks, so that several gateways hash alike.
    pub fn with_mask_key(mut self, key: &[u8; 32]) -> Self {
        self.mask_key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key));
        self
    }

    /// Whether instances come from a pool; without one (too little address space) each is mapped
    /// on demand, which is correct but slower.
    pub fn pooled(&self) -> bool {
        self.pooled
    }

    pub(super) fn mask_key(&self) -> &Arc<hmac::Key> {
        &self.mask_key
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// What plugins have stored, by target.
    pub(super) fn shelves(&self) -> &Shelves {
        &self.shelves
    }

    pub(super) fn wasm(&self) -> &wasmtime::Engine {
        &self.wasm
    }

    /// Compiles a component, or reads it back from the cache. `digest` is its SHA-256, hex.
    pub(super) fn compile(&self, bytes: &[u8], digest: &str) -> Result<Component, String> {
        let compile = || {
            Component::from_binary(&self.wasm, bytes)
                .map_err(|error| format!("is not a usable WebAssembly component: {error:#}"))
        };
        let Some(cache) = &self.cache else { return compile() };
        if let Some(component) = cache.read(&self.wasm, digest) {
            return Ok(component);
        }
        let component = compile()?;
        // A cache that can't be written costs time at the next start and nothing else.
        if let Err(error) = cache.write(&self.wasm, digest, &component) {
            tracing::warn!("the compiled plugin can't be kept: {error}");
        }
        Ok(component)
    }

    /// What a plugin with these grants may call.
    pub(super) fn linker(&self, grants: &[String]) -> wasmtime::Result<Linker<Context>> {
        let mut linker = Linker::new(&self.wasm);
        capability::link(&mut linker, grants)?;
        Ok(linker)
    }
}

pub(super) fn random_key() -> Result<[u8; 32], Problem> {
    let mut key = [0; 32];
    rand::fill(&mut key)
        .map_err(|_| Problem::general("the system gives no random bytes for the mask key"))?;
    Ok(key)
}

fn start() -> Result<(wasmtime::Engine, bool), Problem> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    match wasmtime::Engine::new(&config) {
        Ok(engine) => Ok((engine, true)),
        Err(error) => {
            tracing::warn!("no instance pool for plugins, mapping on demand: {error:#}");
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            wasmtime::Engine::new(&config).map(|engine| (engine, false)).map_err(|error| {
                Problem::general(format!("the plugin engine can't start here: {error:#}"))
            })
        }
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(PLUGIN_STACK_BYTES_MAX)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_memory64(false)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(PLUGIN_INSTANCES_MAX)
        .total_core_instances(PLUGIN_INSTANCES_MAX * PLUGIN_MODULES_MAX)
        .total_memories(PLUGIN_INSTANCES_MAX)
        .total_tables(PLUGIN_INSTANCES_MAX * PLUGIN_TABLES_MAX)
        .max_core_instances_per_component(PLUGIN_MODULES_MAX)
        .max_memories_per_component(1)
        .max_tables_per_component(PLUGIN_TABLES_MAX)
        .table_elements(PLUGIN_TABLE_ELEMENTS_MAX)
        .max_memory_size(PLUGIN_MEMORY_BYTES_MAX);
    pool
}

/// A thread of its own, because a task can starve behind the very call it should stop.
fn tick(engine: &wasmtime::Engine) -> Result<(), Problem> {
    let weak = engine.weak();
    let step = Duration::from_millis(PLUGIN_TICK_MILLIS);
    std::thread::Builder::new()
        .name("plugin-clock".to_owned())
        .spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(step);
            }
        })
        .map(|_| ())
        .map_err(|error| Problem::general(format!("the plugin clock can't start: {error}")))
}

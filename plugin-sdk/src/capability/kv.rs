//! Values and counters that outlive a call. Needs the grant `kv`.
//!
//! ```
//! use portcullis_plugin::Ruling;
//! use portcullis_plugin::capability::kv;
//!
//! # fn check() -> Result<Ruling, kv::KvError> {
//! let statements = kv::SESSION.counter("statements", 60);
//! if statements.add(1)? > 100 {
//!     return Ok(Ruling::deny("budget.statements", "more than 100 statements a minute"));
//! }
//! # Ok(Ruling::abstain()) }
//! # assert!(check().is_ok());
//! ```

pub use crate::bindings::shared::portcullis::policy::kv::{KvError, Scope};

use super::host::kv;

/// What is stored for the session that is asked about; gone when it ends.
pub const SESSION: Store = Store { scope: Scope::Session };

/// What is stored for all sessions of the target. It outlives a reload of the policy, not a
/// restart of the gateway.
pub const PLUGIN: Store = Store { scope: Scope::Plugin };

/// Values and counters of one scope. When it is full, a plugin that decides by what it stores
/// should refuse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Store {
    scope: Scope,
}

impl Store {
    /// A value.
    ///
    /// # Errors
    /// The key is out of bounds, or there is no store: in [`crate::Plugin::new`].
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        kv::get(self.scope, key)
    }

    /// Stores a value, for so many seconds or until it is deleted.
    ///
    /// # Errors
    /// The quota is used up, something is out of bounds, or there is no store.
    pub fn set(&self, key: &str, value: &[u8], ttl_secs: Option<u32>) -> Result<(), KvError> {
        kv::set(self.scope, key, value, ttl_secs)
    }

    /// Deletes a value; says whether it was there.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn delete(&self, key: &str) -> Result<bool, KvError> {
        kv::delete(self.scope, key)
    }

    /// A counter over the last so many seconds. Another window is another counter.
    pub fn counter<'a>(&self, name: &'a str, window_secs: u32) -> Counter<'a> {
        Counter { scope: self.scope, name, window_secs }
    }
}

/// A sum over a window of time: everything of it, and up to a sixtieth more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counter<'a> {
    scope: Scope,
    name: &'a str,
    window_secs: u32,
}

impl Counter<'_> {
    /// Adds to it; gives the sum.
    ///
    /// # Errors
    /// As [`Store::set`].
    pub fn add(&self, amount: u64) -> Result<u64, KvError> {
        kv::add(self.scope, self.name, amount, self.window_secs)
    }

    /// The sum.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn sum(&self) -> Result<u64, KvError> {
        kv::sum(self.scope, self.name, self.window_secs)
    }

    /// Sets it back to 0.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn clear(&self) -> Result<(), KvError> {
        kv::clear(self.scope, self.name, self.window_secs)
    }
}

//! Keyed hashes and tokens whose keys stay in the gateway. Needs the grant `vault`.
//!
//! ```
//! use portcullis_plugin::capability::vault::Key;
//!
//! # portcullis_plugin::testing::add_key("customers");
//! // In `Plugin::new`: a key that is missing is a mistake of the settings.
//! let key = Key::open("customers")?;
//! // Later: equal values get equal tokens.
//! assert_eq!(key.tokenize("mail", "ann@x.org"), key.tokenize("mail", "ann@x.org"));
//! # Ok::<(), Vec<portcullis_plugin::Problem>>(())
//! ```

pub use crate::bindings::shared::portcullis::policy::vault::VaultError;

use super::host::vault;
use crate::Problem;

/// A key that is there, by its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    name: String,
}

impl Key {
    /// Finds a key; made for [`crate::Plugin::new`].
    ///
    /// # Errors
    /// The policy gives this plugin no such key.
    pub fn open(name: &str) -> Result<Self, Vec<Problem>> {
        if vault::has(name) {
            return Ok(Self { name: name.to_owned() });
        }
        Err(vec![Problem::at("", format!("needs a key \"{name}\" in [plugins.vault]"))])
    }

    /// HMAC-SHA-256, 32 bytes.
    ///
    /// # Errors
    /// The data has more than 1 MiB.
    pub fn hmac(&self, data: &[u8]) -> Result<Vec<u8>, VaultError> {
        vault::hmac(&self.name, data)
    }

    /// The prefix, `_`, and 20 characters: 100 bits.
    ///
    /// # Errors
    /// The value has more than 1 MiB, or the prefix is not 1 to 16 of a-z, 0-9 and `-`.
    pub fn tokenize(&self, prefix: &str, value: &str) -> Result<String, VaultError> {
        vault::tokenize(&self.name, prefix, value)
    }

    /// A value of the same look: digits for digits, letters for letters, all else as it is. Short
    /// values can collide.
    ///
    /// # Errors
    /// The value has more than 1 MiB.
    pub fn imitate(&self, value: &str) -> Result<String, VaultError> {
        vault::imitate(&self.name, value)
    }
}

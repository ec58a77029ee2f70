//! Tables that the operator gives to a plugin. Needs the grant `facts`.
//!
//! ```
//! use portcullis_plugin::Problem;
//! use portcullis_plugin::capability::facts::Table;
//!
//! # fn new() -> Result<Table, Vec<Problem>> {
//! // In `Plugin::new`: a table that is missing is a mistake of the settings.
//! let owners = Table::open("owners")?;
//! # Ok(owners) }
//! # portcullis_plugin::testing::add_facts("owners", &[("orders", &[("owner", "ann")])]);
//! # let owners = new().unwrap();
//! // Later: the owner of a table.
//! let owner = owners.row("orders").and_then(|row| row.get("owner").map(str::to_owned));
//! # assert_eq!(owner.as_deref(), Some("ann"));
//! ```

use super::host::facts;
use crate::Problem;

/// A table that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Table {
    name: String,
    len: u32,
}

/// One row, without its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row(Vec<(String, String)>);

impl Table {
    /// Finds a table; made for [`crate::Plugin::new`].
    ///
    /// # Errors
    /// The policy gives this plugin no such table.
    pub fn open(name: &str) -> Result<Self, Vec<Problem>> {
        match facts::size(name) {
            Some(len) => Ok(Self { name: name.to_owned(), len }),
            None => {
                let message = format!("needs a table \"{name}\" in [plugins.facts]");
                Err(vec![Problem::at("", message)])
            }
        }
    }

    /// How many rows it has.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The row of a key.
    pub fn row(&self, key: &str) -> Option<Row> {
        // Tables don't change under a live instance, so one that was there still is.
        facts::lookup(&self.name, key).ok().flatten().map(Row)
    }

    /// Whether it has a key; costs less than [`Table::row`].
    pub fn has(&self, key: &str) -> bool {
        facts::has(&self.name, key) == Ok(true)
    }

    /// Every key, ascending by its bytes; asked for as it is needed, many at a time.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        let mut page: std::vec::IntoIter<String> = Vec::new().into_iter();
        let (mut last, mut more): (Option<String>, bool) = (None, true);
        std::iter::from_fn(move || {
            if page.as_slice().is_empty() && more {
                page =
                    facts::keys(&self.name, last.as_deref(), PAGE).unwrap_or_default().into_iter();
                more = !page.as_slice().is_empty();
            }
            let key = page.next()?;
            if page.as_slice().is_empty() {
                last = Some(key.clone());
            }
            Some(key)
        })
    }
}

/// Keys fetched by one call.
const PAGE: u32 = 1_000;

impl Row {
    /// The value of a column.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value.as_str())
    }

    /// Every column with its value, in the order of the file.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

//! Finding PostgreSQL's programs on this machine.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::Error;

/// Where Debian keeps the servers, one folder a version, outside of `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The environment variable that names the folder to use.
const FOLDER_VARIABLE: &str = "PG_BIN";
/// Programs that make and run a server.
const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];
const CLIENT: &str = "psql";

/// One installation's server programs, and a client.
#[derive(Clone, Debug)]
pub(in crate::demo) struct Programs {
    dir: PathBuf,
    psql: PathBuf,
}

impl Programs {
    /// The folder that `PG_BIN` names, or the newest of Debian's, or one in `PATH`.
    pub(in crate::demo) fn find() -> Result<Self, Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let given = std::env::var_os(FOLDER_VARIABLE).filter(|dir| !dir.is_empty());
        Self::among(given.as_deref(), Path::new(DEBIAN), &path)
    }

    fn among(given: Option<&OsStr>, debian: &Path, path: &OsStr) -> Result<Self, Error> {
        let searched: Vec<PathBuf> = std::env::split_paths(path).collect();
        let whole = |dir: &PathBuf| NEEDED.iter().all(|name| dir.join(name).is_file());
        let dir = match given {
            Some(given) => Some(PathBuf::from(given)).filter(whole).ok_or_else(|| {
                let shown = Path::new(given).display();
                Error::new(format!(
                    "{FOLDER_VARIABLE} is {shown}, which lacks some of {}",
                    NEEDED.join(", ")
                ))
            })?,
            None => newest_first(debian)
                .into_iter()
                .chain(searched.iter().cloned())
                .find(whole)
                .ok_or_else(|| missing("a PostgreSQL server"))?,
        };
        let homes = searched.iter().chain([&dir]);
        let psql = homes.map(|home| home.join(CLIENT)).find(|file| file.is_file());
        Ok(Self { psql: psql.ok_or_else(|| missing("`psql`"))?, dir })
    }

    /// One of the server's programs.
    pub(in crate::demo) fn server(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The client, as a user's shell finds it.
    pub(in crate::demo) fn psql(&self) -> &Path {
        &self.psql
    }
}

fn newest_first(debian: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(debian) else { return Vec::new() };
    let versioned = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin")))
    });
    let mut found: Vec<(u32, PathBuf)> = versioned.collect();
    found.sort_by_key(|(version, _)| Reverse(*version));
    found.into_iter().map(|(_, dir)| dir).collect()
}

fn missing(what: &str) -> Error {
    Error::new(format!(
        "{what} is not installed: run scripts/setup.sh demo, or name the folder of PostgreSQL's \
         programs in {FOLDER_VARIABLE}"
    ))
}

#[cfg(test)]
mod tests;

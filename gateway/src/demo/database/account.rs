//! Whom the server runs as: PostgreSQL refuses to run as root, which most containers are.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::Error;

/// Accounts for the server when the caller is root, best first.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];
const ACCOUNTS: &str = "/etc/passwd";

/// The caller, or an unprivileged account in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::demo) struct Account {
    change: Option<(u32, u32)>,
}

impl Account {
    /// The account that may own `dir`, a folder that the caller has just made.
    pub(in crate::demo) fn for_servers(dir: &Path) -> Result<Self, Error> {
        let made = fs::metadata(dir).map_err(|error| Error::file("read", dir, &error))?;
        if made.uid() != 0 {
            return Ok(Self { change: None });
        }
        let path = Path::new(ACCOUNTS);
        let text = fs::read_to_string(path).map_err(|error| Error::file("read", path, &error))?;
        let found = UNPRIVILEGED.iter().find_map(|name| ids(&text, name)).ok_or_else(|| {
            Error::new(
                "PostgreSQL refuses to run as root, and this machine has neither an account \
                 `postgres` nor `nobody`: run the demo as another user",
            )
        })?;
        let account = Self { change: Some(found) };
        // The caller's own programs run there too, so it stays passable for everybody.
        fs::set_permissions(dir, Permissions::from_mode(0o711))
            .map_err(|error| Error::file("open", dir, &error))?;
        account.own(dir)?;
        Ok(account)
    }

    /// Makes a command run as this account.
    pub(in crate::demo) fn run(self, command: &mut Command) {
        if let Some((uid, gid)) = self.change {
            command.uid(uid).gid(gid);
        }
    }

    /// Gives a file or folder to this account.
    pub(in crate::demo) fn own(self, path: &Path) -> Result<(), Error> {
        let Some((uid, gid)) = self.change else { return Ok(()) };
        chown(path, Some(uid), Some(gid)).map_err(|error| Error::file("give away", path, &error))
    }
}

/// User and group id of `name` in the text of `/etc/passwd` (passwd(5)).
fn ids(accounts: &str, name: &str) -> Option<(u32, u32)> {
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let ids = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    // An account of that name that is root as well is no better than root.
    (ids.0 != 0).then_some(ids)
}

#[cfg(test)]
mod tests;

//! Temporary folders, and who owns them.
//!
//! PostgreSQL refuses to run as root, so a root caller (as in most containers) hands its
//! servers' folders to an unprivileged user.

use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Accounts to run servers as when the caller is root, best first.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user that servers run as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    change: Option<(u32, u32)>,
}

impl Owner {
    /// The caller itself, or an unprivileged account when the caller is root.
    pub fn for_servers() -> Self {
        let probe = TempDir::new().expect("a temporary folder can be made");
        let caller = fs::metadata(probe.path()).expect("the folder just made can be read").uid();
        if caller != 0 {
            return Self { change: None };
        }
        let accounts = fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
        let found = UNPRIVILEGED.iter().find_map(|name| ids(&accounts, name));
        Self { change: Some(found.expect("an account `postgres` or `nobody` exists")) }
    }

    /// A command that runs as this user.
    pub fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.change {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Hands `path` to this user, with everything in it.
    pub fn take(self, path: &Path) {
        let Some((uid, gid)) = self.change else { return };
        std::os::unix::fs::lchown(path, Some(uid), Some(gid)).unwrap_or_else(|error| {
            panic!("can't change the owner of {}: {error}", path.display())
        });
        if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
            for entry in fs::read_dir(path).expect("the folder can be listed") {
                self.take(&entry.expect("the entry can be read").path());
            }
        }
    }
}

/// The user and group id of `name` in the text of `/etc/passwd` (passwd(5)).
fn ids(accounts: &str, name: &str) -> Option<(u32, u32)> {
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// A temporary folder that other users may pass through: PostgreSQL, running as somebody else,
/// keeps its own folder below it.
pub fn temporary(purpose: &str) -> TempDir {
    let dir = tempfile::Builder::new()
        .prefix(&format!("portcullis-{purpose}-"))
        .tempdir()
        .expect("a temporary folder can be made");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))
        .expect("the mode of a folder of ours can be set");
    dir
}

/// Writes a file that anybody may read.
pub fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("can't write {}: {error}", path.display()));
}

/// Writes a file that only its owner may read (mode 0600).
pub fn write_private(path: &Path, text: &str) {
    let open = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    open.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .unwrap_or_else(|error| panic!("can't write {}: {error}", path.display()));
}

/// The folder that holds the programs of this build, such as `target/debug`.
///
/// A test runs from `target/debug/deps`, a program of this package from `target/debug`.
pub fn programs() -> PathBuf {
    let executable = std::env::current_exe().expect("the path of this program is known");
    let dir = executable.parent().expect("a program stands in a folder");
    match dir.file_name() {
        Some(name) if name == "deps" => dir.parent().expect("deps stands in a folder").into(),
        _ => dir.into(),
    }
}

/// The top folder of the repository.
pub fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package stands in the repository").into()
}

/// Where scripts/setup.sh keeps what it fetched.
pub fn cache() -> PathBuf {
    let base = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) => PathBuf::from(home).join(".cache"),
        _ => panic!("neither XDG_CACHE_HOME nor HOME is set"),
    };
    base.join("portcullis")
}

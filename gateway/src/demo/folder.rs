//! The run folder: everything a reader may open, and nothing that outlives the next run.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Error, Settings};

/// Marks a folder as ours to empty, and keeps two demonstrations out of one.
const LOCK: &str = "demo.lock";
/// What cargo puts into a target folder (https://bford.info/cachedir/).
const CARGO_MARK: &str = "CACHEDIR.TAG";
/// The plugins that the policy of the shop names.
const PLUGINS: [&str; 3] = ["mask-columns", "risk-statement", "approval-writes"];

/// A folder of this run.
pub(super) struct Folder {
    path: PathBuf,
    // Held for as long as the folder is used.
    _lock: File,
    // Removed with what is in it when dropped.
    _temporary: Option<TempDir>,
}

impl Folder {
    /// Makes or empties the run folder and puts copies of the plugins into it.
    pub(super) fn open(settings: &Settings) -> Result<Self, Error> {
        let plugins = find_plugins(settings)?;
        let target = plugins.parent().filter(|target| target.join(CARGO_MARK).is_file());
        let (path, temporary) = match (&settings.dir, target) {
            (Some(dir), _) => (dir.clone(), None),
            (None, Some(target)) => (target.join("demo"), None),
            (None, None) => {
                let made = tempfile::Builder::new().prefix("portcullis-demo-").tempdir();
                let made =
                    made.map_err(|error| Error::new(format!("can't make a run folder: {error}")))?;
                (made.path().to_owned(), Some(made))
            }
        };
        fs::create_dir_all(&path).map_err(|error| Error::file("make", &path, &error))?;
        let path = fs::canonicalize(&path).map_err(|error| Error::file("open", &path, &error))?;
        let lock = claim(&path)?;
        let folder = Self { path, _lock: lock, _temporary: temporary };
        folder.copy_plugins(&plugins)?;
        Ok(folder)
    }

    /// Where it is, absolute.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file that anybody may read.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.file(name);
        fs::write(&path, text).map_err(|error| Error::file("write", &path, &error))?;
        Ok(path)
    }

    /// Puts a file in place, whole, that only its owner may read.
    pub(super) fn write_secret(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.file(name);
        let failed = |error: std::io::Error| Error::file("write", &path, &error);
        // Made with mode 0600.
        let mut part = tempfile::NamedTempFile::new_in(&self.path).map_err(failed)?;
        part.write_all(text.as_bytes()).map_err(failed)?;
        part.persist(&path).map_err(|error| failed(error.error))?;
        Ok(path)
    }

    fn copy_plugins(&self, from: &Path) -> Result<(), Error> {
        let dir = self.file("plugins");
        fs::create_dir_all(&dir).map_err(|error| Error::file("make", &dir, &error))?;
        for name in PLUGINS {
            let file = format!("{name}.wasm");
            let (from, to) = (from.join(&file), dir.join(&file));
            let plugin = fs::read(&from).map_err(|error| Error::file("read", &from, &error))?;
            fs::write(&to, plugin).map_err(|error| Error::file("write", &to, &error))?;
        }
        Ok(())
    }
}

/// The folder of the built plugins: the one given, or `plugins` beside the folder of this
/// program, as cargo lays out its target folder.
fn find_plugins(settings: &Settings) -> Result<PathBuf, Error> {
    let given = settings.plugins.clone();
    let dir = given.or_else(|| {
        let program = std::env::current_exe().ok()?;
        Some(program.parent()?.parent()?.join("plugins"))
    });
    let dir = dir.unwrap_or_else(|| PathBuf::from("target/plugins"));
    for name in PLUGINS {
        let file = dir.join(format!("{name}.wasm"));
        if !file.is_file() {
            let shown = file.display();
            return Err(Error::new(format!(
                "the plugin {shown} is missing: run `make plugins` in the repository, or name \
                 the folder of the built plugins with --plugins"
            )));
        }
    }
    Ok(dir)
}

/// Locks the folder for this run and empties it; only a folder of ours or an empty one is taken.
fn claim(path: &Path) -> Result<File, Error> {
    let lock_path = path.join(LOCK);
    let list = || fs::read_dir(path).map_err(|error| Error::file("read", path, &error));
    if !lock_path.exists() && list()?.next().is_some() {
        let shown = path.display();
        return Err(Error::new(format!(
            "{shown} holds files that no demonstration made; name an empty folder with --dir"
        )));
    }
    let mut open = fs::OpenOptions::new();
    let lock = open.create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
    let lock = lock.map_err(|error| Error::file("make", &lock_path, &error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let shown = path.display();
            return Err(Error::new(format!(
                "another demonstration runs in {shown}: end it, or name another folder with --dir"
            )));
        }
        Err(TryLockError::Error(error)) => return Err(Error::file("lock", &lock_path, &error)),
    }
    for entry in list()? {
        let entry = entry.map_err(|error| Error::file("read", path, &error))?;
        let old = entry.path();
        if old == lock_path {
            continue;
        }
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if folder { fs::remove_dir_all(&old) } else { fs::remove_file(&old) };
        removed.map_err(|error| Error::file("remove", &old, &error))?;
    }
    // The folder holds tokens and keys; their files are private too, this is the outer door.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(|error| Error::file("guard", path, &error))?;
    Ok(lock)
}

#[cfg(test)]
mod tests;

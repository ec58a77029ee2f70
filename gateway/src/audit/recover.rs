//! Beginning anew after a log was put back: a named act of a person, and the first thing that the
//! log after it says.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::entry::{AnchorCheck, Event, Recovery, clip};
use super::reader::Reader;
use super::{Error, LogSettings, Standing, keys, store};
use crate::audit::checkpoint::hex;

/// Beside a log that was put aside: who did it and why, until the next log says so.
const FILE: &str = "recovery.json";

fn failed(path: &Path, act: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, act, source }
}

/// Puts the log aside under a name of its own, whole, and leaves word for the one that comes next.
/// Nothing is removed. Gives the new name of the folder.
///
/// # Errors
/// There is no log, a gateway holds it, or a file can't be moved or written.
pub fn put_aside(
    settings: &LogSettings,
    (by, reason): (&str, &str),
    anchors: Vec<AnchorCheck>,
) -> Result<PathBuf, Error> {
    let dir = &settings.dir;
    let (mut origin, mut size, mut root) = (String::new(), 0, String::new());
    if dir.join(store::STORE_FILE).exists() {
        // Fails when a gateway holds it.
        if let Some(standing) = Standing::of(Reader::open(dir)?)? {
            size = standing.size();
            root = hex(&standing.root(size)?);
            origin = standing.origin().to_owned();
        }
    }
    let parent = dir.parent().unwrap_or(Path::new("."));
    let kept = (1_u32..)
        .map(|number| parent.join(format!("log.kept-{number}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| parent.join("log.kept"));
    if dir.exists() {
        fs::rename(dir, &kept).map_err(failed(dir, "put aside"))?;
    }
    DirBuilder::new().mode(0o700).create(dir).map_err(failed(dir, "create"))?;
    let recovery = Recovery {
        by: clip(by),
        reason: clip(reason),
        origin,
        size,
        root,
        kept_as: kept.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        anchors,
    };
    let json = serde_json::to_vec(&recovery).unwrap_or_default();
    keys::write_new(&dir.join(FILE), &json, 0o600)?;
    keys::sync_dir(parent)?;
    Ok(kept)
}

/// The word that was left for a log that begins now.
pub(in crate::audit) fn left(dir: &Path) -> Result<Option<Event>, Error> {
    let path = dir.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = fs::read(&path).map_err(failed(&path, "read"))?;
    let recovery: Recovery = serde_json::from_slice(&bytes)
        .map_err(|error| failed(&path, "read")(std::io::Error::other(error)))?;
    Ok(Some(Event::Recovered(recovery)))
}

/// Removes the word once it is in the log.
pub(in crate::audit) fn taken(dir: &Path) -> Result<(), Error> {
    let path = dir.join(FILE);
    fs::remove_file(&path).map_err(failed(&path, "remove"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_more_or_less_than_it_may_say_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let whole = serde_json::json!({"by": "ann", "reason": "r", "origin": "o", "size": 3,
            "root": "00", "kept_as": "log.kept-1", "anchors": []});
        let told = |word: &serde_json::Value| {
            fs::write(dir.path().join(FILE), word.to_string()).unwrap();
            left(dir.path())
        };
        assert!(matches!(told(&whole), Ok(Some(Event::Recovered(_)))));
        let mut more = whole.clone();
        more["approved_by"] = "bob".into();
        assert!(told(&more).is_err());
        let mut less = whole;
        less.as_object_mut().unwrap().remove("reason");
        assert!(told(&less).is_err());
    }
}

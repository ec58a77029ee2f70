//! Judging a log, a directory of tiles or a report bundle offline: every byte that a proof can
//! reach.
//!
//! It shares the entry, tree, checkpoint and store code with the writer, and nothing else: no
//! committer, no state. It changes nothing.

mod bundle;
mod chain;
mod judgement;
mod tiles;
mod walk;

pub use chain::Chain;
pub use judgement::{
    Checked, EXIT_CANNOT_JUDGE, EXIT_INTACT, EXIT_ROLLED_BACK, EXIT_TAMPERED, Form, Judgement,
    KeySource,
};

use std::io::Read;
use std::path::{Path, PathBuf};

use self::judgement::Judged;
use self::walk::Walk;
use super::bundle::archive;
use super::checkpoint::{Checkpoint, VerifierKey, hex};
use super::store::{
    PUBLIC_FILE, STORE_FILE, STORE_FORMAT, STORE_MAGIC, Sealed, Store, StoreError, View,
};
use super::tiles::CHECKPOINT;
use crate::limits::BUNDLE_BYTES_MAX;

/// What the verifier may rely on that is not part of the log.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    /// File with the log's public key, `name+hash+key`. Without it the key beside the log is
    /// used, which whoever changed the log could have changed too.
    pub key_file: Option<PathBuf>,
    /// File with a checkpoint of the log kept elsewhere. Without it a log put back to an older
    /// state can't be told from one that never went further.
    pub checkpoint_file: Option<PathBuf>,
}

impl Pins {
    /// The public key that the caller named.
    fn key(&self) -> Judged<Option<VerifierKey>> {
        let Some(path) = &self.key_file else { return Ok(None) };
        let unsure =
            |why: String| Box::new(Judgement::unsure(format!("the key {}: {why}", path.display())));
        let text = std::fs::read_to_string(path).map_err(|error| unsure(error.to_string()))?;
        VerifierKey::read(&text).map(Some).map_err(|error| unsure(error.to_string()))
    }
}

/// Judges a log (a folder with `log.redb`, or a copy of that file), a directory of tiles, or a
/// report bundle.
pub fn verify(path: &Path, pins: &Pins) -> Judgement {
    // The file may be hostile, and redb's debug checks panic on some damage.
    let judged = std::panic::catch_unwind(|| match form(path) {
        Form::Bundle => bundle(path, pins),
        Form::Log => judge(path, pins),
        Form::Tiles => tiles::judge(path, pins),
    });
    match judged {
        Ok(Ok(checked)) => Judgement::Intact(checked),
        Ok(Err(judgement)) => *judgement,
        Err(_) => Judgement::unsure("the store is damaged below the level of entries"),
    }
}

/// What a path seems to be; what is nothing of ours is left to the store to refuse.
fn form(path: &Path) -> Form {
    if path.is_dir() {
        let tiles = path.join(CHECKPOINT).exists() && !path.join(STORE_FILE).exists();
        return if tiles { Form::Tiles } else { Form::Log };
    }
    let (at, word) = archive::MAGIC;
    let mut start = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take((at + word.len()) as u64).read_to_end(&mut start));
    let store = start.starts_with(STORE_MAGIC);
    if read.is_ok() && !store && start.ends_with(word) { Form::Bundle } else { Form::Log }
}

fn bundle(path: &Path, pins: &Pins) -> Judged<Checked> {
    let failed = |error: std::io::Error| {
        Box::new(Judgement::unsure(format!("can't read {}: {error}", path.display())))
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(BUNDLE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > BUNDLE_BYTES_MAX {
        let why = format!("the bundle has more than {BUNDLE_BYTES_MAX} bytes");
        return Err(Box::new(Judgement::unsure(why)));
    }
    let key = pins.key()?;
    bundle::judge(&bytes, key.as_ref())
}

fn store_failed(error: &StoreError) -> Box<Judgement> {
    Box::new(Judgement::unsure(match error {
        StoreError::InUse => {
            "a gateway has it open; make a copy with `audit snapshot`, or stop it".to_owned()
        }
        StoreError::Full(reason) | StoreError::Failed(reason) => {
            format!("redb refuses the file: {reason}")
        }
    }))
}

fn judge(path: &Path, pins: &Pins) -> Judged<Checked> {
    let folder = path.is_dir();
    let file = if folder { path.join(STORE_FILE) } else { path.to_owned() };
    let store = Sealed::open(&file).map_err(|error| store_failed(&error))?;
    let view = store.view().map_err(|error| store_failed(&error))?;
    judge_view(folder.then_some(path), &view, pins)
}

fn judge_view(folder: Option<&Path>, view: &View, pins: &Pins) -> Judged<Checked> {
    let format = view.meta("format").map_err(|error| store_failed(&error))?;
    let format = format.unwrap_or_default();
    if format != STORE_FORMAT {
        let why = format!("the store has format {format:?}, this program reads {STORE_FORMAT}");
        return Err(Box::new(Judgement::unsure(why)));
    }
    let (key, source) = find_key(folder, view, pins)?;
    let origin = view.meta("origin").map_err(|error| store_failed(&error))?;
    if origin.as_deref() != Some(key.name()) {
        return Err(Box::new(Judgement::tampered(
            None,
            "the store names another log than its key",
        )));
    }
    let pinned = pinned_checkpoint(&key, pins)?;
    let size = view.size().map_err(|error| store_failed(&error))?;
    let last = view.last_checkpoint().map_err(|error| store_failed(&error))?;
    let Some((_, note)) = last else {
        return Err(Box::new(Judgement::tampered(None, "there is no checkpoint")));
    };
    let last = Checkpoint::verify(&note, &key).map_err(|error| {
        Judgement::tampered(None, format!("the last checkpoint is not good: {error}"))
    })?;
    if let Some(pinned) = &pinned
        && pinned.size > last.size.min(size)
    {
        let entries = last.size.min(size);
        return Err(Box::new(Judgement::RolledBack { entries, expected: pinned.size }));
    }
    let mut walk =
        Walk::new(view, &key, last, pinned.as_ref()).map_err(|error| store_failed(&error))?;
    let failed = walk.run().map_err(|error| store_failed(&error))?;
    if let Some(judgement) = failed {
        return Err(Box::new(judgement));
    }
    let found = walk.counts();
    Ok(Checked {
        form: Form::Log,
        origin: key.name().to_owned(),
        entries: size,
        root: hex(&found.root),
        checkpoints: found.checkpoints,
        signatures: found.signatures,
        sessions: found.sessions,
        open: found.open,
        payloads: found.payloads,
        key_source: source,
        pinned_checkpoint: pinned.is_some(),
    })
}

fn find_key(folder: Option<&Path>, view: &View, pins: &Pins) -> Judged<(VerifierKey, KeySource)> {
    let stored = view.meta("vkey").map_err(|error| store_failed(&error))?.unwrap_or_default();
    let (text, source) = if let Some(key) = pins.key()? {
        (key.text(), KeySource::Pinned)
    } else if let Some(Ok(text)) =
        folder.map(|folder| std::fs::read_to_string(folder.join(PUBLIC_FILE)))
    {
        (text, KeySource::Folder)
    } else {
        (stored.clone(), KeySource::Store)
    };
    let key = VerifierKey::read(&text)
        .map_err(|error| Judgement::unsure(format!("the public key: {error}")))?;
    if stored != key.text() {
        let what = match source {
            KeySource::Pinned => "the store names another public key than the one you pinned",
            KeySource::Folder | KeySource::Store => {
                "the store names another public key than log.vkey beside it"
            }
        };
        return Err(Box::new(Judgement::tampered(None, what)));
    }
    Ok((key, source))
}

fn pinned_checkpoint(key: &VerifierKey, pins: &Pins) -> Judged<Option<Checkpoint>> {
    let Some(path) = &pins.checkpoint_file else { return Ok(None) };
    let unsure = |why: String| {
        Box::new(Judgement::unsure(format!("the checkpoint {}: {why}", path.display())))
    };
    let note = std::fs::read_to_string(path).map_err(|error| unsure(error.to_string()))?;
    let read = Checkpoint::verify(&note, key).map_err(|error| unsure(error.to_string()))?;
    Ok(Some(read))
}

#[cfg(test)]
mod tests;

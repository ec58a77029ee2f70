//! What a witness knows: one checkpoint a log, durable before it is cosigned.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::audit::checkpoint::{Checkpoint, CheckpointError};
use crate::audit::tree::check_consistency;
use crate::config::read_secret;
use crate::export::anchor::request::{AddCheckpoint, SIZE_TYPE};
use crate::limits::SECRET_BYTES_MAX;
use crate::note::cosignature::CosignerKey;
use crate::note::{SigningKey, VerifierKey};

const KEY_FILE: &str = "witness.key";
const PUBLIC_FILE: &str = "witness.vkey";
const STATE_FILE: &str = "checkpoints.json";

/// What a witness answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub media: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    fn words(status: u16, body: &str) -> Self {
        Self { status, media: "text/plain; charset=utf-8", body: format!("{body}\n") }
    }
}

/// The memory of a witness, and its key.
pub struct Book {
    dir: PathBuf,
    key: SigningKey,
    logs: HashMap<String, VerifierKey>,
    /// By origin, the newest checkpoint cosigned, as the log signed it.
    known: Mutex<BTreeMap<String, String>>,
}

impl Book {
    /// Opens the witness in a folder, or makes one with a new key in an empty folder. `logs` are
    /// the logs that it knows.
    ///
    /// # Errors
    /// In words: another name, a key without its memory, a memory that can't be read.
    pub fn open(dir: &Path, name: &str, logs: Vec<VerifierKey>) -> Result<Self, String> {
        let at =
            |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| at(dir, &error))?;
        let (key_file, state_file) = (dir.join(KEY_FILE), dir.join(STATE_FILE));
        if !key_file.exists() {
            let key = SigningKey::generate(name);
            let secret = key.as_ref().and_then(SigningKey::secret_text);
            let (Some(key), Some(secret)) = (key, secret) else {
                return Err(format!("no key can be made for the name `{name}`"));
            };
            // The key comes last: with it, the memory must be there.
            write(&state_file, "{}", 0o600).map_err(|error| at(&state_file, &error))?;
            let public_file = dir.join(PUBLIC_FILE);
            let public = format!("{}\n", key.cosigner().text());
            write(&public_file, &public, 0o644).map_err(|error| at(&public_file, &error))?;
            write(&key_file, &secret, 0o600).map_err(|error| at(&key_file, &error))?;
        }
        let secret = read_secret(&key_file, SECRET_BYTES_MAX);
        let secret = secret.map_err(|why| format!("{} {why}", key_file.display()))?;
        let secret = std::str::from_utf8(&secret).map_err(|error| at(&key_file, &error))?;
        let key = SigningKey::read(secret).map_err(|error| at(&key_file, &error))?;
        if key.key().name() != name {
            let found = key.key().name();
            return Err(at(&key_file, &format!("it is the key of `{found}`, not of `{name}`")));
        }
        let state = fs::read(&state_file).map_err(|error| {
            at(
                &state_file,
                &format!("{error}; a witness that forgot what it saw must get a new key"),
            )
        })?;
        let known: BTreeMap<String, String> =
            serde_json::from_slice(&state).map_err(|error| at(&state_file, &error))?;
        for (origin, note) in &known {
            Checkpoint::read_unsigned(note)
                .ok()
                .filter(|kept| kept.origin == *origin)
                .ok_or_else(|| at(&state_file, &format!("no checkpoint of {origin}")))?;
        }
        let logs = logs.into_iter().map(|key| (key.name().to_owned(), key)).collect();
        Ok(Self { dir: dir.to_owned(), key, logs, known: Mutex::new(known) })
    }

    /// The public key, for the gateways.
    pub fn key(&self) -> CosignerKey {
        self.key.cosigner()
    }

    /// Answers an `add-checkpoint`; `now` is seconds since the Unix epoch. Blocks while it writes.
    pub fn add(&self, body: &[u8], now: u64) -> Answer {
        let Some(asked) = AddCheckpoint::read(body) else {
            return Answer::words(400, "not a request of tlog-witness");
        };
        let Ok(said) = Checkpoint::read_unsigned(&asked.checkpoint) else {
            return Answer::words(400, "not a checkpoint");
        };
        let Some(key) = self.logs.get(&said.origin) else {
            return Answer::words(404, "this log is not known here");
        };
        let checkpoint = match Checkpoint::verify(&asked.checkpoint, key) {
            Ok(checkpoint) => checkpoint,
            Err(CheckpointError::Signature) => {
                return Answer::words(403, "no valid signature by the key of this log");
            }
            Err(error) => return Answer::words(400, &error.to_string()),
        };
        if asked.old > checkpoint.size || checkpoint.size == 0 {
            return Answer::words(400, "the sizes do not fit together");
        }
        // From the look at what is known to the write nobody comes between.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let last = known.get(&checkpoint.origin).map(|note| Checkpoint::read_unsigned(note));
        let last = match last {
            Some(Ok(last)) => Some(last),
            None => None,
            Some(Err(_)) => return Answer::words(500, "what is known can't be read"),
        };
        let size = last.as_ref().map_or(0, |last| last.size);
        let same = last
            .as_ref()
            .is_none_or(|last| last.size != checkpoint.size || last.root == checkpoint.root);
        if asked.old != size || !same {
            return Answer { status: 409, media: SIZE_TYPE, body: format!("{size}\n") };
        }
        let follows = last.as_ref().map_or(asked.proof.is_empty(), |last| {
            let roots = (&last.root, &checkpoint.root);
            check_consistency(size, checkpoint.size, roots.0, roots.1, &asked.proof).is_ok()
        });
        if !follows {
            return Answer::words(422, "the proof does not lead from what is known to this");
        }
        let text = asked.checkpoint.split_once("\n\n").map_or("", |(text, _)| text);
        let cosignature = self.key.cosign(&format!("{text}\n"), now);
        let before = known.insert(checkpoint.origin.clone(), asked.checkpoint);
        if let Err(error) = self.store(&known) {
            tracing::error!("what was seen can't be kept: {error}");
            match before {
                Some(before) => known.insert(checkpoint.origin, before),
                None => known.remove(&checkpoint.origin),
            };
            return Answer::words(500, "it can't be kept");
        }
        Answer { status: 200, media: "text/plain; charset=utf-8", body: cosignature }
    }

    fn store(&self, known: &BTreeMap<String, String>) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        serde_json::to_writer(&mut file, known)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(self.dir.join(STATE_FILE)).map_err(|error| error.error)?;
        fs::File::open(&self.dir).and_then(|dir| dir.sync_all())
    }
}

/// A file that was not there before, or was left by a start that did not get to the key.
fn write(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), |dir| fs::File::open(dir).and_then(|dir| dir.sync_all()))
}

#[cfg(test)]
mod tests;

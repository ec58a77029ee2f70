//! Reading along: the entries from an index on, with the session each belongs to, for whoever
//! keeps a copy elsewhere (exports, the search index).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Payload, Reader, payload, store_error};
use crate::audit::Error;
use crate::audit::entry::{Entry, RequestPayload, SessionStart, kind};
use crate::limits::FOLLOWED_SESSIONS_MAX;
use crate::protocol::Facts;

/// One entry as stored.
#[derive(Debug)]
pub struct Stored {
    /// Its place in the log.
    pub index: u64,
    /// Its bytes.
    pub line: Vec<u8>,
}

/// A stretch of the log.
#[derive(Debug, Default)]
pub struct Stretch {
    /// The entries, in order, without gaps.
    pub entries: Vec<Stored>,
    /// Entries in the whole log when it was read.
    pub size: u64,
    /// The newest signed checkpoint then; it covers every entry of the stretch.
    pub checkpoint: String,
}

/// What the words of a request were.
#[derive(Debug, Eq, PartialEq)]
pub enum Words {
    /// The session's key is gone (erased) or was never there.
    Gone,
    /// The entry has none, or they do not belong to it.
    None,
    /// The exact text judged. Never its bound values.
    Text(String),
}

/// What a request was, as its payload has it; without its bound values. The rest of a
/// [`RequestPayload`] is passed over: this is read of every request, for the index.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// The exact text judged.
    pub text: String,
    /// What the grammar said.
    pub facts: Facts,
    /// Why it was held or refused, in words.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Follows a log. It keeps what sessions began with, and their keys, for the next entries.
pub struct Follower {
    reader: Reader,
    starts: HashMap<String, Option<Arc<SessionStart>>>,
    keys: HashMap<String, Option<Zeroizing<Vec<u8>>>>,
}

impl Reader {
    /// The file whose lines are the keys of sessions; a line that goes erases.
    pub fn keystore(&self) -> PathBuf {
        self.master.as_ref().map(|master| master.file()).unwrap_or_default()
    }

    /// Follows this log.
    pub fn follow(&self) -> Follower {
        Follower { reader: self.clone(), starts: HashMap::new(), keys: HashMap::new() }
    }
}

impl Follower {
    /// At most `count` entries from an index on, fewer where they have more than `bytes`; one at
    /// least, if there is one.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn stretch(&self, from: u64, count: usize, bytes: usize) -> Result<Stretch, Error> {
        let view = self.reader.view()?;
        let mut entries: Vec<Stored> = Vec::new();
        let mut taken = 0;
        let mut take = |index, line: &[u8]| {
            taken += line.len();
            if !entries.is_empty() && taken > bytes {
                return false;
            }
            entries.push(Stored { index, line: line.to_vec() });
            entries.len() < count
        };
        view.leaves(from, &mut take).map_err(store_error)?;
        let (size, checkpoint) = view.last_checkpoint().map_err(store_error)?.unwrap_or_default();
        Ok(Stretch { entries, size, checkpoint })
    }

    /// One entry, as stored.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, Error> {
        self.reader.view()?.leaf(index).map_err(store_error)
    }

    /// Forgets all keys, so that one erased since is not used again.
    pub fn forget_keys(&mut self) {
        self.keys.clear();
    }

    /// What the session of an entry began with; `None` for an entry of no session.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn start(&mut self, entry: &Entry) -> Result<Option<Arc<SessionStart>>, Error> {
        let Some(id) = &entry.sess else { return Ok(None) };
        if let Some(start) = self.starts.get(id) {
            return Ok(start.clone());
        }
        let start = if entry.kind == kind::SESSION_START {
            entry.body().ok()
        } else {
            let view = self.reader.view()?;
            let first = view.session_entry(id, 0).map_err(store_error)?;
            let line = first.map(|index| view.leaf(index).map_err(store_error)).transpose()?;
            let first = line.flatten().and_then(|line| Entry::read(&line).ok());
            first.and_then(|first| first.body().ok())
        };
        let start = start.map(Arc::new);
        if self.starts.len() >= FOLLOWED_SESSIONS_MAX {
            self.starts.clear();
        }
        self.starts.insert(id.clone(), start.clone());
        Ok(start)
    }

    /// The text of a request. Nothing else of a payload is ever given out here.
    ///
    /// # Errors
    /// The store or the keys can't be read.
    pub fn words(&mut self, index: u64, entry: &Entry) -> Result<Words, Error> {
        Ok(match self.payload(index, entry)? {
            Payload::Plain(bytes) => match serde_json::from_slice::<RequestPayload<'_>>(&bytes) {
                Ok(payload) => Words::Text(payload.text.into_owned()),
                Err(_) => Words::None,
            },
            Payload::Sealed => Words::Gone,
            Payload::Damaged | Payload::None => Words::None,
        })
    }

    /// What a request was; `None` for other entries, and when the session's key is gone.
    ///
    /// # Errors
    /// The store or the keys can't be read.
    pub fn asked(&mut self, index: u64, entry: &Entry) -> Result<Option<Asked>, Error> {
        let Payload::Plain(bytes) = self.payload(index, entry)? else { return Ok(None) };
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// The payload of a request.
    fn payload(&mut self, index: u64, entry: &Entry) -> Result<Payload, Error> {
        let (Some(session), Some(reference)) = (&entry.sess, &entry.pl) else {
            return Ok(Payload::None);
        };
        if entry.kind != kind::REQUEST || reference.media != kind::REQUEST {
            return Ok(Payload::None);
        }
        let Some(master) = &self.reader.master else { return Ok(Payload::Sealed) };
        if self.keys.len() >= FOLLOWED_SESSIONS_MAX {
            self.keys.clear();
        }
        if !self.keys.contains_key(session) {
            self.keys.insert(session.clone(), master.session(session)?);
        }
        let key = self.keys.get(session).and_then(Option::as_ref).map(|key| key.as_slice());
        let view = self.reader.view()?;
        payload(&view, session, index, entry, key).map_err(store_error)
    }
}

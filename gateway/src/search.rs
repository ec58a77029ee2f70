//! Search in the log: an index beside it that follows within a second, and a look at what the
//! index has not yet. No proof hangs on it, and it can be made again from the log at any time.
//!
//! Every hit is read from the log and compared with the query again, so an index that was
//! tampered with can hide a hit but never make one up; reports never ask the index.

mod document;
mod index;
mod query;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::checkpoint::hex;
use crate::audit::entry::{Entry, kind};
use crate::audit::reader::{Follower, Reader, Stored};
use crate::audit::tree::leaf_hash;
use crate::audit::{Error, Log};
use crate::fault::{Blame, Fault};
use crate::limits::{
    SEARCH_BATCH_BYTES, SEARCH_BATCH_ENTRIES, SEARCH_COMMIT_ENTRIES, SEARCH_COMMIT_MILLIS,
    SEARCH_EXCERPT_CHARS, SEARCH_NICENESS, SEARCH_POLL_MILLIS, SEARCH_RETRY_MILLIS,
    SEARCH_TAIL_ENTRIES_MAX,
};
use document::Documents;
use index::{Files, Keys, Place, Writer};
pub use query::{Mistake, Query, parse};

/// The search of a running gateway. Dropping it stops the indexer.
pub struct Search {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    dir: PathBuf,
    origin: String,
    keystore: PathBuf,
    reader: Reader,
    files: Mutex<Option<Arc<Files>>>,
    /// Entries in the index, as far as it is committed.
    indexed: AtomicU64,
    again: AtomicBool,
    stop: AtomicBool,
    error: Mutex<Option<String>>,
}

/// How the index is, for status pages.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SearchStatus {
    /// Entries in it.
    pub indexed: u64,
    /// Why it does not grow, when it does not.
    pub error: Option<String>,
}

/// How one run of the indexer ended.
enum End {
    /// The index must be made anew.
    Again,
    /// The gateway stops.
    Stopped,
}

impl Search {
    /// Starts the indexer. The index is in `search` below `data_dir`, and is made anew when it
    /// is missing, damaged, of another format or of another log, or when a key was erased.
    ///
    /// # Errors
    /// The thread can't be started.
    pub fn start(data_dir: &Path, log: &Log) -> std::io::Result<Self> {
        let reader = log.reader();
        let shared = Arc::new(Shared {
            dir: index::folder(data_dir),
            origin: log.status().origin,
            keystore: reader.keystore(),
            reader,
            files: Mutex::default(),
            indexed: AtomicU64::new(0),
            again: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            error: Mutex::default(),
        });
        let indexer = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("search-indexer".to_owned())
            .spawn(move || indexer.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the indexer and waits for it. Blocks.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = lock(&self.thread).take() {
            // An indexer that panicked has nothing more to say: the index is made again.
            let _ = thread.join();
        }
    }

    /// Has the index made anew from the log.
    pub fn reindex(&self) {
        self.shared.again.store(true, Ordering::SeqCst);
    }

    /// How the index is.
    pub fn status(&self) -> SearchStatus {
        let indexed = self.shared.indexed.load(Ordering::SeqCst);
        SearchStatus { indexed, error: lock(&self.shared.error).clone() }
    }

    /// The entries that a query asks for, the newest first, as one JSON object. Blocks.
    ///
    /// # Errors
    /// `query_invalid` with what is wrong with it, or `search_failed`.
    pub fn search(&self, text: &str, most: usize) -> Result<Value, Fault> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let query = parse(text, now).map_err(|mistake| {
            Fault::new(Blame::Client, "query_invalid", "42601", mistake.to_string())
                .hint("Such as: agent:reporter column:customers.email since:2d \"drop table\"")
        })?;
        self.shared.answer(&query, most).map_err(|why| {
            let message = format!("the log can't be searched: {why}");
            Fault::new(Blame::Operator, "search_failed", "58030", message)
                .hint("The index is made anew; ask again in a moment.")
        })
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn answer(&self, query: &Query, most: usize) -> Result<Value, String> {
        let words = |error: Error| error.to_string();
        let files = lock(&self.files).clone();
        // Taken first: what is indexed later is found in the log below.
        let indexed = if files.is_some() { self.indexed.load(Ordering::SeqCst) } else { 0 };
        let mut documents = Documents::new(self.reader.follow());
        let (mut hits, mut total, mut next) = (Vec::new(), 0_u64, indexed);
        let (mut size, mut whole) = (indexed, true);
        loop {
            let follower = &documents.follower;
            let stretch = follower.stretch(next, SEARCH_BATCH_ENTRIES, SEARCH_BATCH_BYTES);
            let stretch = stretch.map_err(words)?;
            size = size.max(stretch.size);
            if stretch.entries.is_empty() {
                break;
            }
            if next - indexed >= SEARCH_TAIL_ENTRIES_MAX {
                whole = false;
                break;
            }
            for stored in stretch.entries {
                next = stored.index + 1;
                if documents.of(&stored).map_err(words)?.fits(query) {
                    total += 1;
                    hits.push(stored.index);
                }
            }
        }
        hits.reverse();
        hits.truncate(most);
        if let Some(files) = files {
            let found = files.search(query, indexed, most).inspect_err(|_| self.damaged())?;
            total += found.total;
            hits.extend(found.indexes);
            hits.truncate(most);
        }
        let mut shown = Vec::new();
        for index in hits {
            shown.extend(self.hit(index, query, &mut documents).map_err(words)?);
        }
        Ok(json!({
            "hits": shown,
            "total": total,
            "complete": whole,
            "indexed": indexed,
            "entries": size,
        }))
    }

    fn damaged(&self) {
        self.again.store(true, Ordering::SeqCst);
    }

    /// One hit as the log has it; `None` when the index was wrong about it.
    fn hit(
        &self,
        index: u64,
        query: &Query,
        documents: &mut Documents,
    ) -> Result<Option<Value>, Error> {
        let Some(line) = documents.follower.entry(index)? else { return Ok(None) };
        let stored = Stored { index, line };
        if !documents.of(&stored)?.fits(query) {
            self.damaged();
            return Ok(None);
        }
        let Ok(entry) = Entry::read(&stored.line) else {
            return Ok(Some(json!({ "index": index, "type": "unreadable" })));
        };
        let follower = &mut documents.follower;
        let start = follower.start(&entry)?;
        let asked = follower.asked(index, &entry)?;
        let body: Value = serde_json::from_str(entry.body.get()).unwrap_or_default();
        let names = |list: &str, field: &str| -> Vec<Value> {
            let items = body.get(list).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(|item| item.get(field).cloned()).collect()
        };
        let verdict = ["state", "decision", "reason"].iter().find_map(|name| body.get(name));
        let refused = entry.kind == kind::REFUSAL;
        Ok(Some(json!({
            "index": index,
            "time": entry.ts,
            "type": entry.kind,
            "session": entry.sess,
            "number": body.get("number"),
            "agent": start.as_ref().map(|start| &start.agent),
            "person": start.as_ref().map(|start| &start.token.subject),
            "target": start.as_ref().map(|start| &start.target),
            "verdict": if refused { Some(&body["code"]) } else { verdict },
            "rules": names("findings", "rule"),
            "objects": names("objects", "name"),
            "statement": document::excerpt(asked, SEARCH_EXCERPT_CHARS),
            "detail": body.get("event").or(body.get("note")).or(body.get("message")),
        })))
    }

    /// The indexer's life.
    fn run(&self) {
        stand_back();
        while !self.stop.load(Ordering::SeqCst) {
            match self.follow() {
                Ok(End::Stopped) => return,
                Ok(End::Again) => {}
                Err(why) => {
                    tracing::warn!("the search index does not grow: {why}");
                    *lock(&self.error) = Some(why);
                    // Whatever is wrong with the index, the log has everything.
                    self.again.store(true, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(SEARCH_RETRY_MILLIS));
                }
            }
        }
    }

    /// Opens the index or makes one, and keeps it up with the log.
    fn follow(&self) -> Result<End, String> {
        let anew = self.again.swap(false, Ordering::SeqCst);
        // What is open must not hold on to files that go.
        lock(&self.files).take();
        let mut documents = Documents::new(self.reader.follow());
        let keys = Keys::look(&self.keystore);
        let kept = if anew { None } else { Files::open(&self.dir) };
        let kept = kept.filter(|(_, place)| self.usable(place, &keys, &documents.follower));
        let (files, mut place) = match kept {
            Some(kept) => kept,
            None => (Files::create(&self.dir)?, Place::start(self.origin.clone(), keys)),
        };
        let mut writer = files.writer()?;
        self.indexed.store(place.next, Ordering::SeqCst);
        *lock(&self.files) = Some(Arc::new(files));
        let mut added = Added::default();
        loop {
            let keys = Keys::look(&self.keystore);
            if self.again.load(Ordering::SeqCst) || !keys.only_grew_since(&place.keys) {
                self.again.store(true, Ordering::SeqCst);
                lock(&self.files).take();
                return Ok(End::Again);
            }
            place.keys = keys;
            let stopped = self.stop.load(Ordering::SeqCst);
            let count = if stopped { 0 } else { add(&mut writer, &mut place, &mut documents)? };
            added.count(count);
            if added.due() || (stopped && added.entries > 0) {
                writer.commit(&place)?;
                added = Added::default();
                self.indexed.store(place.next, Ordering::SeqCst);
                lock(&self.error).take();
            }
            if stopped {
                return Ok(End::Stopped);
            }
            if count == 0 {
                std::thread::sleep(Duration::from_millis(SEARCH_POLL_MILLIS));
            }
        }
    }

    /// Whether an index is one of this log, and holds nothing that was erased.
    fn usable(&self, place: &Place, keys: &Keys, follower: &Follower) -> bool {
        let last = |index: u64| follower.entry(index).ok().flatten();
        place.origin == self.origin
            && keys.only_grew_since(&place.keys)
            && (place.next == 0
                || last(place.next - 1).is_some_and(|it| hex(&leaf_hash(&it)) == place.leaf))
    }
}

/// Who waits for an answer comes first: on a busy machine the index falls behind, and a search says
/// so. On Linux a niceness is that of a thread and of those that it starts (`setpriority(2)`).
fn stand_back() {
    if let Err(error) = rustix::process::setpriority_process(None, SEARCH_NICENESS) {
        tracing::warn!("the search indexer runs at the priority of a session: {error}");
    }
}

/// What was added since the last commit.
#[derive(Default)]
struct Added {
    entries: usize,
    since: Option<Instant>,
}

impl Added {
    fn count(&mut self, entries: usize) {
        self.entries += entries;
        if entries > 0 {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    fn due(&self) -> bool {
        let most = Duration::from_millis(SEARCH_COMMIT_MILLIS);
        self.entries >= SEARCH_COMMIT_ENTRIES || self.since.is_some_and(|at| at.elapsed() >= most)
    }
}

/// Adds the next entries; gives their number.
fn add(writer: &mut Writer, place: &mut Place, documents: &mut Documents) -> Result<usize, String> {
    let words = |error: Error| error.to_string();
    let follower = &mut documents.follower;
    follower.forget_keys();
    let stretch = follower.stretch(place.next, SEARCH_BATCH_ENTRIES, SEARCH_BATCH_BYTES);
    let stretch = stretch.map_err(words)?;
    for stored in &stretch.entries {
        writer.add(&documents.of(stored).map_err(words)?)?;
    }
    if let Some(last) = stretch.entries.last() {
        place.next = last.index + 1;
        place.leaf = hex(&leaf_hash(&last.line));
    }
    Ok(stretch.entries.len())
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

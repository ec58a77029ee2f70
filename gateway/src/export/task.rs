//! One sink's task: read, write as events, deliver, move the cursor; wait and try again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::cursor::{CursorFile, Place};
use super::event;
use super::sink::{Record, Sink, Trouble};
use super::{Begin, Include, State, wall};
use crate::audit::checkpoint::hex;
use crate::audit::reader::Follower;
use crate::audit::tree::leaf_hash;
use crate::audit::{Event, Log};
use crate::limits::{
    EXPORT_ANCHOR_MILLIS, EXPORT_BATCH_BYTES_MAX, EXPORT_BATCH_ENTRIES_MAX,
    EXPORT_DELIVERY_SECS_MAX, EXPORT_POLL_MILLIS, EXPORT_RETRY_MILLIS, EXPORT_RETRY_MILLIS_MAX,
};

/// Name of the entry that says that a sink refused one; refusing that one too must not make
/// another.
const REFUSED: &str = "event.export_refused";

/// Nanoseconds in a second.
const NANOS: u64 = 1_000_000_000;

/// Carries the log to one sink.
pub struct Exporter {
    state: Arc<State>,
    file: CursorFile,
    log: Log,
    origin: Arc<str>,
    place: Place,
    sink: Sink,
    follower: Option<Follower>,
    /// Entries in one delivery: fewer while one among them is refused.
    most: usize,
    anchored: Option<(Instant, u64)>,
}

/// What one delivery carries.
struct Batch {
    records: Vec<Record>,
    /// Place once they are acknowledged.
    place: Place,
    /// Wall clock of the first entry.
    oldest: Option<u64>,
    /// Size that the checkpoint among them has, if there is one.
    anchored: Option<u64>,
}

impl Exporter {
    pub(super) fn new(state: Arc<State>, file: CursorFile, log: &Log) -> Result<Self, String> {
        let sink = Sink::new(&state.settings)?;
        let status = log.status();
        let origin: Arc<str> = status.origin.into();
        let follower = log.reader().follow();
        let place = match file.load()? {
            Some(place) if place.origin == *origin => {
                known(&place, status.size, &follower, &file)?;
                place
            }
            kept => {
                let begin = match (kept, state.settings.begin) {
                    // A log that was begun anew is wanted whole.
                    (Some(_), _) | (None, Begin::Beginning) => 0,
                    (None, Begin::End) => status.size,
                };
                Place { origin: origin.to_string(), next: begin, leaf: String::new() }
            }
        };
        file.store(&place)?;
        state.change(|progress| progress.next = place.next);
        let (follower, most) = (Some(follower), EXPORT_BATCH_ENTRIES_MAX);
        let log = log.clone();
        Ok(Self { state, file, log, origin, place, sink, follower, most, anchored: None })
    }

    /// Runs until told to stop. A delivery under way is dropped then, and made again next time.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.carry() => {}
        }
    }

    async fn carry(&mut self) {
        let name = self.state.settings.name.clone();
        let mut tries = 0_u32;
        loop {
            match self.step().await {
                Ok(true) => tries = 0,
                Ok(false) => {
                    tries = 0;
                    sleep(Duration::from_millis(EXPORT_POLL_MILLIS)).await;
                }
                Err(why) => {
                    if tries == 0 {
                        tracing::warn!(export = name, "an export is behind: {why}");
                    }
                    self.state.change(|progress| progress.error = Some(why));
                    sleep(backoff(tries)).await;
                    tries = tries.saturating_add(1);
                }
            }
        }
    }

    /// Delivers what is next; false when there is nothing. The error is for the operator.
    async fn step(&mut self) -> Result<bool, String> {
        let size = self.log.status().size;
        let gather = self.state.settings.sink.gather_secs();
        if self.place.next >= size {
            self.state.change(|progress| progress.oldest = None);
            // Where entries gather, the checkpoint goes with them.
            if gather > 0 || !self.anchor_due(size) {
                return Ok(false);
            }
        }
        let batch = self.batch().await?;
        if batch.records.is_empty() {
            return Ok(false);
        }
        self.state.change(|progress| progress.oldest = batch.oldest);
        let fresh = batch.oldest.is_some_and(|at| wall() < at.saturating_add(gather * NANOS));
        if fresh && batch.records.len() < self.most {
            return Ok(false);
        }
        let most = Duration::from_secs(EXPORT_DELIVERY_SECS_MAX);
        let delivered = timeout(most, self.sink.deliver(&batch.records)).await;
        let delivered = delivered
            .unwrap_or_else(|_| Err(Trouble::Retry(format!("no acknowledgement within {most:?}"))));
        match delivered {
            Ok(()) => self.most = EXPORT_BATCH_ENTRIES_MAX,
            Err(Trouble::Retry(why)) => return Err(why),
            Err(Trouble::Refused(why)) => self.refused(&batch, why).await?,
        }
        self.advance(batch).await?;
        Ok(true)
    }

    /// Narrows the batch until it is the one entry that the sink will not take; that it did not
    /// is then in the log, and the export goes on behind it.
    async fn refused(&mut self, batch: &Batch, why: String) -> Result<(), String> {
        let entries: Vec<&Record> =
            batch.records.iter().filter(|record| record.index.is_some()).collect();
        match entries.as_slice() {
            [] => Ok(()),
            [one] if one.name == REFUSED => Err(why),
            [one] => {
                let (sink, index) = (self.state.settings.name.clone(), one.index.unwrap_or(0));
                let event = Event::ExportRefused { export: sink, index, reason: why };
                self.most = EXPORT_BATCH_ENTRIES_MAX;
                self.log.event(event).await.map_err(|fault| fault.to_string())
            }
            many => {
                self.most = (many.len() / 2).max(1);
                Err(format!("one of {} entries was refused: {why}", many.len()))
            }
        }
    }

    async fn advance(&mut self, batch: Batch) -> Result<(), String> {
        if let Some(size) = batch.anchored {
            self.anchored = Some((Instant::now(), size));
        }
        if batch.place != self.place {
            let (file, place) = (self.file.clone(), batch.place.clone());
            let stored = tokio::task::spawn_blocking(move || file.store(&place)).await;
            stored.map_err(|error| error.to_string())??;
            self.place = batch.place;
        }
        let next = self.place.next;
        self.state.change(|progress| {
            *progress = super::Progress { next, oldest: None, error: None };
        });
        Ok(())
    }

    /// Whether the checkpoint of this size should go down the stream.
    fn anchor_due(&self, size: u64) -> bool {
        let pause = Duration::from_millis(EXPORT_ANCHOR_MILLIS);
        match self.anchored {
            None => size > 0,
            Some((at, last)) => size > last && at.elapsed() >= pause,
        }
    }

    /// Reads and writes out what is next, on a thread that may block.
    async fn batch(&mut self) -> Result<Batch, String> {
        let lost = || "reading the log failed in an earlier try".to_owned();
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => self.log.reader().follow(),
        };
        let settings = self.state.settings.clone();
        let (origin, place, most) = (Arc::clone(&self.origin), self.place.clone(), self.most);
        let due = self
            .anchored
            .is_none_or(|(at, _)| at.elapsed() >= Duration::from_millis(EXPORT_ANCHOR_MILLIS));
        let last = self.anchored.map(|(_, size)| size);
        let read = tokio::task::spawn_blocking(move || {
            let batch = read(&mut follower, &settings, &origin, place, most, (due, last));
            (batch, follower)
        });
        let (batch, follower) = read.await.map_err(|_| lost())?;
        self.follower = Some(follower);
        batch
    }
}

/// The place is one that this log has been at. Anything else means that the log was put back or
/// changed, and what comes next would not be what it says.
fn known(place: &Place, size: u64, follower: &Follower, file: &CursorFile) -> Result<(), String> {
    let path = file.path().display();
    if place.next > size {
        return Err(format!(
            "{} entries were acknowledged, but the log has {size}: it was put back to an older \
             state. Keep it as evidence; to go on all the same, remove {path}",
            place.next
        ));
    }
    if place.leaf.is_empty() || place.next == 0 {
        return Ok(());
    }
    let last = follower.entry(place.next - 1).map_err(|error| error.to_string())?;
    if last.is_some_and(|line| hex(&leaf_hash(&line)) == place.leaf) {
        return Ok(());
    }
    Err(format!(
        "entry {} is not the one that was acknowledged: the log was changed. Keep it as evidence \
         and run `audit verify`; to go on all the same, remove {path}",
        place.next - 1
    ))
}

fn read(
    follower: &mut Follower,
    settings: &super::ExportSettings,
    origin: &Arc<str>,
    mut place: Place,
    most: usize,
    (due, last): (bool, Option<u64>),
) -> Result<Batch, String> {
    let failed = |error: crate::audit::Error| error.to_string();
    let stretch = follower.stretch(place.next, most, EXPORT_BATCH_BYTES_MAX).map_err(failed)?;
    let statements = settings.include == Include::Statements;
    // A key erased since the last batch must not be used for this one.
    follower.forget_keys();
    let mut records = Vec::with_capacity(stretch.entries.len() + 1);
    for stored in &stretch.entries {
        let event = event::event(origin, stored, follower, statements).map_err(failed)?;
        records.push(Record::new(&event, settings.format.line(&event)));
        place.next = stored.index + 1;
        place.leaf = hex(&leaf_hash(&stored.line));
    }
    let oldest = records.first().map(|record: &Record| record.time);
    let anchor = stretch.size > 0 && due && last.is_none_or(|last| last < stretch.size);
    if anchor {
        let event = event::anchor(origin, stretch.size, wall(), &stretch.checkpoint);
        records.push(Record::new(&event, settings.format.line(&event)));
    }
    Ok(Batch { records, place, oldest, anchored: anchor.then_some(stretch.size) })
}

/// Doubles with each try, and no two sinks that failed together try again together.
fn backoff(tries: u32) -> Duration {
    let longest = EXPORT_RETRY_MILLIS
        .saturating_mul(1_u64.checked_shl(tries.min(16)).unwrap_or(u64::MAX))
        .min(EXPORT_RETRY_MILLIS_MAX);
    let mut byte = [0; 1];
    // Without random bytes the pause is the longest one.
    let random = aws_lc_rs::rand::fill(&mut byte).map_or(u64::from(u8::MAX), |()| byte[0].into());
    Duration::from_millis(longest / 2 + longest * random / (2 * u64::from(u8::MAX)))
}

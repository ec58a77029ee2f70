//! The keys of one issuer: read without a lock, fetched by one task.
//!
//! All fetches are made by [`Keys::run`], so there is never more than one at a time. A request
//! with an unknown key asks for a fetch that starts after it came, joins one already asked for,
//! or, when the budget is spent, is refused at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::fetch::Fetcher;
use super::jwk::{Algorithm, Key, KeySet, Lookup};
use super::refusal::unavailable;
use super::rules::Rules;
use super::{keep, token};
use crate::fault::Fault;
use crate::limits::{
    KEY_FETCH_BURST, KEY_FETCH_REFILL_SECS, KEY_MISS_SECS, KEY_MISSES_COUNT_MAX,
    KEY_WAIT_MILLIS_MAX, KEYS_REFRESH_SECS_MAX, KEYS_REFRESH_SECS_MIN, KEYS_RETRY_MILLIS_MIN,
    KEYS_STALE_SECS_MAX,
};

/// A key set and when it came; nothing was ever fetched when there is no time.
#[derive(Default)]
struct Snapshot {
    keys: KeySet,
    fetched_at: Option<SystemTime>,
}

/// Fetches are numbered from 1; `asked >= begun >= done`.
struct Demand {
    asked: u64,
    begun: u64,
    budget: u32,
    refilled: Instant,
    misses: HashMap<String, Instant>,
    order: VecDeque<String>,
}

/// How the last fetch ended.
#[derive(Clone, Default)]
struct Outcome {
    done: u64,
    error: Option<String>,
}

/// The keys of one issuer.
pub(super) struct Keys {
    rules: Rules,
    fetcher: Fetcher,
    snapshot: ArcSwap<Snapshot>,
    demand: Mutex<Demand>,
    asked: Notify,
    outcome: watch::Sender<Outcome>,
    changes: watch::Sender<u64>,
}

impl Keys {
    /// Starts from the set kept on disk, if there is a good one. Nothing is fetched yet.
    ///
    /// # Errors
    /// `issuer_settings_bad` when the CA file can't be used.
    pub(super) fn new(rules: Rules, changes: watch::Sender<u64>) -> Result<Self, Fault> {
        let fetcher = Fetcher::new(&rules)?;
        let snapshot = kept(&rules, SystemTime::now()).unwrap_or_default();
        let demand = Demand {
            asked: 1,
            begun: 0,
            budget: KEY_FETCH_BURST,
            refilled: Instant::now(),
            misses: HashMap::new(),
            order: VecDeque::new(),
        };
        Ok(Self {
            rules,
            fetcher,
            snapshot: ArcSwap::from_pointee(snapshot),
            demand: Mutex::new(demand),
            asked: Notify::new(),
            outcome: watch::Sender::default(),
            changes,
        })
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// How many keys, how old, and what went wrong last.
    pub(super) fn state(&self, now: SystemTime) -> (usize, Option<Duration>, Option<String>) {
        let snapshot = self.snapshot.load();
        let age = snapshot.fetched_at.map(|at| now.duration_since(at).unwrap_or_default());
        (snapshot.keys.len(), age, self.outcome.borrow().error.clone())
    }

    /// Waits until the first fetch has ended, well or not.
    pub(super) async fn first_fetch(&self) {
        let mut outcome = self.outcome.subscribe();
        // An error means that the sender is gone, and `self` holds it.
        let _ = outcome.wait_for(|outcome| outcome.done > 0).await;
    }

    /// Whether the key that verified a token before may still do so.
    ///
    /// # Errors
    /// `key_unknown`, `issuer_keys_unavailable`.
    pub(super) fn check(
        &self,
        id: Option<&str>,
        thumbprint: &str,
        now: SystemTime,
    ) -> Result<(), Fault> {
        let snapshot = self.snapshot.load();
        if !snapshot.keys.holds(id, thumbprint) {
            return Err(token::key_unknown(id));
        }
        self.check_age(&snapshot, now)
    }

    /// The key a token names, after a fetch if need be.
    ///
    /// # Errors
    /// `key_unknown`, `key_unfit`, `issuer_keys_unavailable`.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        now: SystemTime,
    ) -> Result<Arc<Key>, Fault> {
        if let Some(key) = self.find_now(id, algorithm, now)? {
            return Ok(key);
        }
        if id.is_none() && self.snapshot.load().fetched_at.is_some() {
            return Err(token::key_unknown(None));
        }
        let mut outcome = self.outcome.subscribe();
        let name = &self.rules.settings().name;
        let Some(ticket) = self.ask(id)? else {
            if outcome.borrow().error.is_some() || self.snapshot.load().fetched_at.is_none() {
                return Err(unavailable(name, "the issuer could not be asked for its keys"));
            }
            return Err(token::key_unknown(id).hint(format!(
                "if the issuer has just changed its keys, try again in {KEY_FETCH_REFILL_SECS} s"
            )));
        };
        let deadline = Instant::now() + Duration::from_millis(KEY_WAIT_MILLIS_MAX);
        loop {
            let seen = tokio::time::timeout_at(deadline, outcome.changed()).await;
            if let Some(key) = self.find_now(id, algorithm, now)? {
                return Ok(key);
            }
            let Ok(Ok(())) = seen else {
                return Err(unavailable(name, "the issuer did not answer in time"));
            };
            let last = outcome.borrow_and_update().clone();
            if last.done < ticket {
                continue;
            }
            if last.error.is_some() {
                return Err(unavailable(name, "the issuer could not be asked for its keys"));
            }
            self.miss(id);
            return Err(token::key_unknown(id));
        }
    }

    fn find_now(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        now: SystemTime,
    ) -> Result<Option<Arc<Key>>, Fault> {
        let snapshot = self.snapshot.load();
        match snapshot.keys.find(id, algorithm) {
            Lookup::Found(key) => self.check_age(&snapshot, now).map(|()| Some(key)),
            Lookup::Ambiguous => Err(token::key_ambiguous()),
            Lookup::Unfit => Err(token::key_unfit()),
            Lookup::Unknown => Ok(None),
        }
    }

    fn check_age(&self, snapshot: &Snapshot, now: SystemTime) -> Result<(), Fault> {
        let age = snapshot.fetched_at.map(|at| now.duration_since(at).unwrap_or_default());
        match age {
            Some(age) if age.as_secs() <= KEYS_STALE_SECS_MAX => Ok(()),
            _ => Err(unavailable(
                &self.rules.settings().name,
                "the gateway has not reached the issuer for too long",
            )),
        }
    }

    fn demand(&self) -> MutexGuard<'_, Demand> {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a fetch that starts after now; `None` when the budget is spent.
    fn ask(&self, id: Option<&str>) -> Result<Option<u64>, Fault> {
        let mut demand = self.demand();
        let now = Instant::now();
        if let Some(id) = id
            && demand.misses.get(id).is_some_and(|until| now < *until)
        {
            return Err(token::key_unknown(Some(id)));
        }
        if demand.asked > demand.begun {
            return Ok(Some(demand.asked));
        }
        demand.refill(now);
        if demand.budget == 0 {
            return Ok(None);
        }
        demand.budget -= 1;
        demand.asked += 1;
        self.asked.notify_one();
        Ok(Some(demand.asked))
    }

    /// Remembers that the issuer does not have the key.
    fn miss(&self, id: Option<&str>) {
        let Some(id) = id else { return };
        let mut demand = self.demand();
        let until = Instant::now() + Duration::from_secs(KEY_MISS_SECS);
        if demand.misses.insert(id.to_owned(), until).is_none() {
            demand.order.push_back(id.to_owned());
        }
        while demand.order.len() > KEY_MISSES_COUNT_MAX {
            if let Some(oldest) = demand.order.pop_front() {
                demand.misses.remove(&oldest);
            }
        }
    }

    /// Fetches at once, then on schedule and on demand, until the task is aborted.
    pub(super) async fn run(self: Arc<Self>) {
        let mut failures: u32 = 0;
        loop {
            let number = {
                let mut demand = self.demand();
                demand.asked = demand.asked.max(demand.begun + 1);
                demand.begun = demand.asked;
                demand.begun
            };
            let name = &self.rules.settings().name;
            let (pause, error) = match self.refresh().await {
                Ok(max_age) => {
                    failures = 0;
                    (scheduled(max_age), None)
                }
                Err(error) => {
                    tracing::warn!(issuer = name, error, "the issuer's keys can't be refreshed");
                    let pause = retry(failures);
                    failures = failures.saturating_add(1);
                    (pause, Some(error))
                }
            };
            self.outcome.send_replace(Outcome { done: number, error });
            self.rest(jittered(pause)).await;
        }
    }

    /// Waits until the next scheduled fetch or until one is asked for.
    async fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        loop {
            // Looked at again after each wake-up: one may be left over from a fetch already made.
            let asked = {
                let demand = self.demand();
                demand.asked > demand.begun
            };
            if asked {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                () = self.asked.notified() => {}
            }
        }
    }

    /// One fetch; the new set replaces the old one only when it is good.
    async fn refresh(&self) -> Result<Option<Duration>, String> {
        let fetched = self.fetcher.fetch().await?;
        let fetched_at = SystemTime::now();
        let keys = KeySet::parse(&fetched.body, self.rules.algorithms())?;
        if keys.is_empty() {
            tracing::warn!(issuer = self.rules.settings().name, "the issuer has no usable key");
        }
        let old = self.snapshot.swap(Arc::new(Snapshot { keys, fetched_at: Some(fetched_at) }));
        if !old.keys.within(&self.snapshot.load().keys) {
            tracing::info!(issuer = self.rules.settings().name, "the issuer withdrew a key");
            self.changes.send_modify(|count| *count += 1);
        }
        self.keep(fetched_at, fetched.body).await;
        Ok(fetched.max_age)
    }

    async fn keep(&self, fetched_at: SystemTime, body: Vec<u8>) {
        let settings = self.rules.settings();
        let Some(folder) = settings.cache_dir.clone() else { return };
        let issuer = settings.issuer.clone();
        let write = move || keep::save(&folder, &issuer, fetched_at, &body);
        let written = tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string());
        if let Err(error) = written.flatten() {
            tracing::warn!(issuer = settings.name, error, "the key set is not kept");
        }
    }
}

impl Demand {
    fn refill(&mut self, now: Instant) {
        let each = Duration::from_secs(KEY_FETCH_REFILL_SECS);
        while self.budget < KEY_FETCH_BURST && now.duration_since(self.refilled) >= each {
            self.budget += 1;
            self.refilled += each;
        }
        if self.budget == KEY_FETCH_BURST {
            self.refilled = now;
        }
    }
}

fn kept(rules: &Rules, now: SystemTime) -> Option<Snapshot> {
    let settings = rules.settings();
    let folder = settings.cache_dir.as_deref()?;
    let read = keep::load(folder, &settings.issuer, now).and_then(|found| {
        found
            .map(|(body, at)| KeySet::parse(&body, rules.algorithms()).map(|keys| (keys, at)))
            .transpose()
    });
    match read {
        Ok(found) => found.map(|(keys, at)| Snapshot { keys, fetched_at: Some(at) }),
        Err(error) => {
            tracing::warn!(issuer = settings.name, error, "the kept key set is not used");
            None
        }
    }
}

fn scheduled(max_age: Option<Duration>) -> Duration {
    max_age.unwrap_or(Duration::from_secs(KEYS_REFRESH_SECS_MAX)).clamp(
        Duration::from_secs(KEYS_REFRESH_SECS_MIN),
        Duration::from_secs(KEYS_REFRESH_SECS_MAX),
    )
}

fn retry(failures: u32) -> Duration {
    Duration::from_millis(KEYS_RETRY_MILLIS_MIN)
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(Duration::from_secs(KEYS_REFRESH_SECS_MIN))
}

/// Up to a tenth less, so that many gateways don't call together. Without randomness, no jitter.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0_u8];
    let share = match aws_lc_rs::rand::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 2560.0,
        Err(_) => 0.0,
    };
    pause.mul_f64(1.0 - share)
}

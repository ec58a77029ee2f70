//! A plugin loaded to be tried: asked single questions, and measured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::answer::{self, Answer, Question};
use super::{Case, Golden, Who, fixed_key};
use crate::limits::{BENCH_STARTS, SCAN_BATCH_BYTES_MAX, SCAN_BATCH_ROWS_MAX};
use crate::policy::generation::Generation;
use crate::policy::host::Engine;
use crate::policy::instances::Instances;
use crate::policy::plugin::Plugin;

/// A plugin loaded to be tried.
pub struct Trial {
    plugin: Arc<Plugin>,
    generation: Generation,
}

/// What one case costs.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The case.
    pub name: String,
    /// Starting and configuring an instance, median, nanoseconds.
    pub start_nanos: u64,
    /// Memory and tables of an instance once it is configured, bytes.
    pub memory_bytes: u64,
    /// How often the question was asked.
    pub calls: u64,
    /// Asking once, median, nanoseconds: of a statement, every call that it takes; of rows, one
    /// batch of them.
    pub call_nanos: u64,
    /// The slowest of a hundred, nanoseconds.
    pub call_nanos_p99: u64,
    /// Of rows: bytes of cells masked or looked at in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_sec: Option<u64>,
}

impl Trial {
    pub(super) fn new(engine: &Engine, plugin: Arc<Plugin>) -> Self {
        let generation = Generation::of_one(engine, Arc::clone(&plugin), fixed_key());
        Self { plugin, generation }
    }

    pub(super) fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Who the plugin says it is: its name and version.
    ///
    /// # Errors
    /// It failed.
    pub fn manifest(&self) -> Result<(String, String), String> {
        self.plugin.manifest().map_err(answer::broken)
    }

    /// Asks a plugin what a single case asks; `json` is the case without `expect`.
    ///
    /// # Errors
    /// The case is wrong, or the plugin failed.
    pub fn run(&self, json: &[u8]) -> Result<Answer, String> {
        let case: Case = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        case.shape()?;
        let who = case.session.clone().unwrap_or_default();
        self.ask(&who, &case)
    }

    pub(super) fn ask(&self, who: &Who, case: &Case) -> Result<Answer, String> {
        let who = case.session.as_ref().unwrap_or(who).info();
        match &case.columns {
            None => answer::judge(&self.plugin, &who, case).map(Answer::Heard),
            Some(columns) => answer::mask(&self.generation, who, columns, case).map(Answer::Shown),
        }
    }

    /// Measures every case, each for about so long.
    ///
    /// # Errors
    /// The plugin failed, and at which case.
    pub fn bench(&self, golden: &Golden, each: Duration) -> Result<Vec<Figures>, String> {
        let one = |case: &Case| {
            let who = case.session.as_ref().unwrap_or(&golden.session);
            self.measure(who, case, each).map_err(|what| format!("case \"{}\": {what}", case.name))
        };
        golden.cases.iter().map(one).collect()
    }

    fn measure(&self, who: &Who, case: &Case, each: Duration) -> Result<Figures, String> {
        let mut starts = Vec::new();
        let mut memory_bytes = 0;
        for _ in 0..BENCH_STARTS {
            let begun = Instant::now();
            let live = self.plugin.alone().map_err(answer::broken)?;
            starts.push(begun.elapsed());
            memory_bytes = live.memory_bytes();
        }
        let (mut calls, bytes) = match &case.columns {
            None => (self.judgements(who, case, each)?, None),
            Some(_) => {
                let (calls, bytes) = self.batches(who, case, each)?;
                (calls, Some(bytes))
            }
        };
        let call_nanos = median(&mut calls);
        let place = calls.len().saturating_mul(99) / 100;
        Ok(Figures {
            name: case.name.clone(),
            start_nanos: median(&mut starts),
            memory_bytes,
            calls: calls.len() as u64,
            call_nanos,
            call_nanos_p99: calls.get(place).map_or(call_nanos, nanos),
            bytes_per_sec: bytes.map(|bytes| {
                bytes.saturating_mul(1_000_000_000).checked_div(call_nanos).unwrap_or(0)
            }),
        })
    }

    fn judgements(&self, who: &Who, case: &Case, each: Duration) -> Result<Vec<Duration>, String> {
        let question = Question::of(case)?;
        let who = who.info();
        let mut live = self.plugin.alone().map_err(answer::broken)?;
        repeat(each, || {
            if !live.is_fit() {
                live = self.plugin.alone().map_err(answer::broken)?;
            }
            live.begin();
            let begun = Instant::now();
            answer::hear(&self.plugin, &mut live, &who, &question, case.risk)
                .map_err(answer::broken)?;
            Ok(begun.elapsed())
        })
    }

    /// Batches of about the size that the host shows at once, and their bytes.
    fn batches(
        &self,
        who: &Who,
        case: &Case,
        each: Duration,
    ) -> Result<(Vec<Duration>, u64), String> {
        let cells = || case.rows.iter().flatten().flatten();
        let once = cells().map(String::len).sum::<usize>().max(1);
        let times =
            (SCAN_BATCH_BYTES_MAX / once).min(SCAN_BATCH_ROWS_MAX / case.rows.len().max(1)).max(1);
        let table: Vec<_> = (0..times).flat_map(|_| case.rows.iter().cloned()).collect();
        let rows = answer::rows_of(&table);
        let columns = answer::columns(case.columns.as_deref().unwrap_or_default());
        let told = |fault| answer::failed(&fault);
        let mut instances = Instances::of(who.info());
        let mut plan = self.generation.plan(&mut instances, &columns).map_err(told)?;
        let taken = repeat(each, || {
            let begun = Instant::now();
            plan.mask(&rows).map_err(told)?;
            Ok(begun.elapsed())
        })?;
        Ok((taken, (once * times) as u64))
    }
}

/// Asks until the time is up, at least once.
fn repeat(
    each: Duration,
    mut ask: impl FnMut() -> Result<Duration, String>,
) -> Result<Vec<Duration>, String> {
    let end = Instant::now() + each;
    let mut taken = vec![ask()?];
    while Instant::now() < end {
        taken.push(ask()?);
    }
    Ok(taken)
}

/// The middle one, nanoseconds; leaves the list sorted.
fn median(taken: &mut [Duration]) -> u64 {
    taken.sort_unstable();
    taken.get(taken.len() / 2).map_or(0, nanos)
}

fn nanos(taken: &Duration) -> u64 {
    u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX)
}

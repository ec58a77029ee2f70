//! Anchors: what others remember of the log, so that a log put back as a whole is found.
//!
//! ```text
//! start:   checkpoint in the store --compare--> file, witness     one that contradicts: no start
//! running: checkpoint of the last commit --once a second--> file, witness
//! ```
//!
//! A log alone can't tell its own past from one that never went further. Each anchor keeps the
//! newest checkpoint somewhere else: a file, or a witness that cosigns only what follows.

mod file;
pub mod request;
mod witness;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::audit::{AnchorCheck, AnchorOutcome, Event, Log, Standing};
use crate::fault::{Blame, Fault};
use crate::limits::{ANCHOR_MILLIS, ANCHOR_SECS_MAX, EXPORT_RETRY_MILLIS_MAX};
use crate::note::cosignature::CosignerKey;

/// Where an anchor is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AnchorPlace {
    /// A file on another disk or machine, which holds the newest checkpoint.
    File {
        /// The file.
        path: PathBuf,
    },
    /// A C2SP witness.
    Witness {
        /// Its submission prefix: `https://HOST:PORT`, or http for a loopback address.
        url: String,
        /// Its public key.
        key: CosignerKey,
        /// PEM file of the CA; `None` = the public ones.
        ca_file: Option<PathBuf>,
    },
}

/// One `[[anchor]]`. Plain data, checked by the configuration reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnchorSettings {
    /// The operator's name for it.
    pub name: String,
    /// Where it is.
    pub place: AnchorPlace,
    /// The gateway does not start without its word.
    pub required: bool,
}

/// How one anchor is, for status pages.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AnchorStatus {
    /// The operator's name for it.
    pub name: String,
    /// `file` or `witness`.
    pub kind: &'static str,
    /// Entries under the newest checkpoint that it has.
    pub anchored: u64,
    /// Why the last exchange failed; none once one went well.
    pub last_error: Option<String>,
    /// What it says against the log; sessions are refused then.
    pub contradiction: Option<String>,
}

/// Why a checkpoint did not get to an anchor.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Trouble {
    /// The log is not what the anchor has seen.
    Contradiction(String),
    /// It could not be asked, or its answer can't be used.
    Unreachable(String),
}

#[derive(Debug, Default)]
struct Progress {
    anchored: u64,
    error: Option<String>,
    contradiction: Option<String>,
}

#[derive(Debug)]
struct State {
    settings: AnchorSettings,
    progress: Mutex<Progress>,
}

impl State {
    fn change<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The way to one anchor.
enum Way {
    File(file::File),
    Witness(Box<witness::Witness>),
}

impl Way {
    /// Shows the anchor where the log is; gives how much of it the anchor had seen before, `None`
    /// when nothing.
    async fn show(&mut self, standing: &Standing, store: bool) -> Result<Option<u64>, Trouble> {
        let exchange = async {
            match self {
                Self::File(file) => file.show(standing, store),
                Self::Witness(witness) => witness.show(standing).await,
            }
        };
        let limit = Duration::from_secs(ANCHOR_SECS_MAX);
        timeout(limit, exchange).await.unwrap_or_else(|_| {
            Err(Trouble::Unreachable(format!("no answer within {ANCHOR_SECS_MAX} s")))
        })
    }
}

/// Carries checkpoints to one anchor.
pub struct Anchorer {
    state: Arc<State>,
    way: Way,
}

/// The anchors and what each said of a log.
pub struct Compared {
    /// The anchors, as the rest of the gateway sees them.
    pub anchors: Anchors,
    /// What each said.
    pub checks: Vec<AnchorCheck>,
    /// They do nothing until they are run.
    pub anchorers: Vec<Anchorer>,
}

impl Compared {
    /// What stands against going on with this log, for the operator: first whether an anchor
    /// contradicts it.
    pub fn objections(&self) -> (bool, Vec<String>) {
        let required = |name: &str| {
            self.anchors.0.iter().any(|it| it.settings.name == name && it.settings.required)
        };
        let mut contradicted = false;
        let mut told = Vec::new();
        for AnchorCheck { anchor, outcome, detail, .. } in &self.checks {
            match outcome {
                AnchorOutcome::Contradicts => {
                    contradicted = true;
                    told.push(format!(
                        "anchor \"{anchor}\" contradicts the log: {detail}. The log was put back, \
                         changed or exchanged, or the anchor was. Keep both as evidence; \
                         `portcullis audit recover` begins a new log and says so in it"
                    ));
                }
                AnchorOutcome::Unreachable if required(anchor) => told
                    .push(format!("anchor \"{anchor}\" is required and can't be asked: {detail}")),
                _ => {}
            }
        }
        (contradicted, told)
    }
}

/// Every anchor of a gateway, as the rest of it sees them.
#[derive(Clone, Debug, Default)]
pub struct Anchors(Arc<[Arc<State>]>);

impl Anchors {
    /// Asks every anchor what it knows of a log; `None` = one that begins now. `dir` is a folder of
    /// the gateway's own, for what witnesses answer. Nothing is stored at a file, and a witness
    /// keeps what it cosigns.
    ///
    /// # Errors
    /// What can't be used at all, for the operator.
    pub async fn compare(
        settings: &[AnchorSettings],
        dir: &Path,
        standing: Option<&Standing>,
    ) -> Result<Compared, Vec<String>> {
        let (mut states, mut checks, mut anchorers) = (Vec::new(), Vec::new(), Vec::new());
        for one in settings {
            let wrong = |why: String| vec![format!("anchor \"{}\": {why}", one.name)];
            let mut way = way(one, dir).map_err(wrong)?;
            let said = match (standing, &way) {
                (Some(standing), _) => way.show(standing, false).await,
                (None, Way::File(file)) => file.expect_nothing(),
                (None, Way::Witness(_)) => Ok(None),
            };
            let state = Arc::new(State { settings: one.clone(), progress: Mutex::default() });
            checks.push(check(&one.name, said, &state));
            states.push(Arc::clone(&state));
            anchorers.push(Anchorer { state, way });
        }
        Ok(Compared { anchors: Self(states.into()), checks, anchorers })
    }

    /// How each is.
    pub fn status(&self) -> Vec<AnchorStatus> {
        let status = |state: &Arc<State>| {
            state.change(|progress| AnchorStatus {
                name: state.settings.name.clone(),
                kind: match state.settings.place {
                    AnchorPlace::File { .. } => "file",
                    AnchorPlace::Witness { .. } => "witness",
                },
                anchored: progress.anchored,
                last_error: progress.error.clone(),
                contradiction: progress.contradiction.clone(),
            })
        };
        self.0.iter().map(status).collect()
    }

    /// Whether sessions may go on.
    ///
    /// # Errors
    /// `log_contradicted` when an anchor has seen another log than this one.
    pub fn check(&self) -> Result<(), Fault> {
        let mut anchors = self.0.iter();
        let against =
            anchors.find(|state| state.change(|progress| progress.contradiction.is_some()));
        let Some(against) = against else { return Ok(()) };
        let message =
            format!("the anchor \"{}\" has seen another log than this", against.settings.name);
        Err(Fault::new(Blame::Operator, "log_contradicted", "58030", message)
            .hint("Nothing runs until a person has looked; the operator sees why."))
    }
}

fn way(settings: &AnchorSettings, dir: &Path) -> Result<Way, String> {
    match &settings.place {
        AnchorPlace::File { path } => Ok(Way::File(file::File::new(path.clone()))),
        AnchorPlace::Witness { url, key, ca_file } => {
            let copy = dir.join(format!("{}.checkpoint", settings.name));
            let made = witness::Witness::new(url, key.clone(), ca_file.as_deref(), copy);
            made.map(|witness| Way::Witness(Box::new(witness)))
        }
    }
}

fn check(name: &str, said: Result<Option<u64>, Trouble>, state: &State) -> AnchorCheck {
    let mut size = None;
    let (outcome, detail) = match said {
        Ok(None) => (AnchorOutcome::Empty, String::new()),
        Ok(Some(seen)) => {
            size = Some(seen);
            (AnchorOutcome::Agrees, String::new())
        }
        Err(Trouble::Contradiction(what)) => (AnchorOutcome::Contradicts, what),
        Err(Trouble::Unreachable(why)) => {
            tracing::warn!(anchor = name, "an anchor can't be asked: {why}");
            state.change(|progress| progress.error = Some(why.clone()));
            (AnchorOutcome::Unreachable, why)
        }
    };
    AnchorCheck { anchor: name.to_owned(), outcome, size, detail }
}

impl Anchorer {
    /// Carries checkpoints until told to stop.
    pub async fn run(mut self, log: Log, mut stop: watch::Receiver<bool>) {
        let stopped = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => true,
            () = self.carry(&log) => false,
        };
        if stopped {
            // What came since the last second; what comes behind it is the end of the run.
            let _ = self.step(&log).await;
        }
    }

    /// Returns when the anchor contradicts the log: nothing heals that.
    async fn carry(&mut self, log: &Log) {
        let mut pause = ANCHOR_MILLIS;
        loop {
            match self.step(log).await {
                Ok(()) => pause = ANCHOR_MILLIS,
                Err(Trouble::Unreachable(why)) => {
                    if self.state.change(|progress| progress.error.replace(why.clone())).is_none() {
                        let name = &self.state.settings.name;
                        tracing::warn!(anchor = name, "an anchor can't be reached: {why}");
                    }
                    pause = (pause * 2).min(EXPORT_RETRY_MILLIS_MAX);
                }
                Err(Trouble::Contradiction(what)) => {
                    let anchor = self.state.settings.name.clone();
                    tracing::error!(anchor, "an anchor contradicts the log: {what}");
                    self.state.change(|progress| progress.contradiction = Some(what.clone()));
                    let event = Event::AnchorContradicts { anchor, detail: what };
                    if let Err(fault) = log.event(event).await {
                        tracing::error!("that is not recorded: {fault}");
                    }
                    return;
                }
            }
            sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn step(&mut self, log: &Log) -> Result<(), Trouble> {
        let anchored = self.state.change(|progress| progress.anchored);
        let trouble = |error: crate::audit::Error| Trouble::Unreachable(error.to_string());
        let Some(standing) = log.reader().standing().map_err(trouble)? else { return Ok(()) };
        if standing.size() == anchored {
            return Ok(());
        }
        self.way.show(&standing, true).await?;
        self.state.change(|progress| {
            progress.anchored = standing.size();
            progress.error = None;
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;

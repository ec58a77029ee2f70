//! Export of the log: one task a sink reads the log of record by a cursor, and moves the cursor
//! once the sink has acknowledged.
//!
//! ```text
//! log --Follower--> Event --format--> Record --Sink--> acknowledged --> cursor (durable)
//! ```
//!
//! At least once: a crash between the acknowledgement and the cursor sends again, with the same
//! uid. Nothing is kept in memory for a sink that is down: the log is the queue.

pub mod anchor;
mod cef;
mod cursor;
mod ecs;
mod event;
mod ndjson;
mod ocsf;
mod sink;
mod task;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use crate::audit::Log;
use crate::fault::{Blame, Fault};
use crate::upstream::Secret;
use cursor::CursorFile;
use event::Event;
pub use task::Exporter;

/// How events are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// ArcSight Common Event Format.
    Cef,
    /// Elastic Common Schema.
    Ecs,
    /// The entry itself.
    Ndjson,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
}

impl Format {
    fn word(self) -> &'static str {
        match self {
            Self::Cef => "cef",
            Self::Ecs => "ecs",
            Self::Ndjson => "ndjson",
            Self::Ocsf => "ocsf",
        }
    }

    fn line(self, event: &Event) -> String {
        match self {
            Self::Cef => cef::line(event),
            Self::Ecs => ecs::line(event),
            Self::Ndjson => ndjson::line(event),
            Self::Ocsf => ocsf::line(event),
        }
    }
}

/// Where a sink that has nothing yet begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begin {
    /// With entry 0.
    Beginning,
    /// With what comes next.
    End,
}

/// What of an entry is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// What stands in clear in the log: who, what kind, which objects, verdicts, counts.
    Metadata,
    /// The exact statements too. Never bound values, never results.
    Statements,
}

/// One sink. Plain data, checked by the configuration reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SinkSettings {
    /// Lines appended to a file.
    File {
        /// The file.
        path: PathBuf,
    },
    /// Splunk's HTTP Event Collector.
    Hec(HecSettings),
    /// OpenTelemetry logs over HTTP.
    Otlp(OtlpSettings),
    /// Objects in a bucket.
    S3(S3Settings),
    /// Syslog over TLS.
    Syslog(SyslogSettings),
}

/// A Splunk HTTP Event Collector.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HecSettings {
    /// `https://HOST:PORT`; http for a loopback address only.
    pub url: String,
    /// PEM file of the CA; `None` = the public ones.
    pub ca_file: Option<PathBuf>,
    /// The collector's token.
    pub token: Secret,
    /// Wait for the indexer's acknowledgement.
    pub ack: bool,
}

/// A collector of OpenTelemetry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OtlpSettings {
    /// `https://HOST:PORT`, without `/v1/logs`; http for a loopback address only.
    pub url: String,
    /// PEM file of the CA; `None` = the public ones.
    pub ca_file: Option<PathBuf>,
    /// A bearer token, for collectors that want one.
    pub token: Option<Secret>,
}

/// An S3 bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct S3Settings {
    /// `https://HOST:PORT` of the store; http for a loopback address only.
    pub url: String,
    /// PEM file of the CA; `None` = the public ones.
    pub ca_file: Option<PathBuf>,
    /// The bucket, named in the path.
    pub bucket: String,
    /// What object names begin with.
    pub prefix: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The access key's id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: Secret,
    /// How long entries gather for one object, seconds.
    pub gather_secs: u64,
}

/// A syslog receiver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SyslogSettings {
    /// `host:port`.
    pub address: String,
    /// Name that its certificate must have.
    pub server_name: String,
    /// PEM file of the CA; `None` = the public ones.
    pub ca_file: Option<PathBuf>,
    /// Only an end that TLS itself carries counts; else the end of the connection does.
    pub tls_end: bool,
}

impl SinkSettings {
    fn word(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Hec(_) => "hec",
            Self::Otlp(_) => "otlp",
            Self::S3(_) => "s3",
            Self::Syslog(_) => "syslog",
        }
    }

    /// How long entries gather before they are sent, seconds.
    fn gather_secs(&self) -> u64 {
        match self {
            Self::S3(settings) => settings.gather_secs,
            Self::File { .. } | Self::Hec(_) | Self::Otlp(_) | Self::Syslog(_) => 0,
        }
    }
}

/// One `[[export]]`. Plain data, checked by the configuration reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExportSettings {
    /// The operator's name for it; its cursor is kept under this name.
    pub name: String,
    /// Where events go.
    pub sink: SinkSettings,
    /// How they are written.
    pub format: Format,
    /// What of an entry is sent.
    pub include: Include,
    /// Where it begins when it has nothing yet.
    pub begin: Begin,
    /// No statement is served while an entry has waited longer than this, seconds.
    pub fail_closed_after_secs: Option<u64>,
}

/// How one export is, for status pages.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ExportStatus {
    /// The operator's name for it.
    pub name: String,
    /// `file`, ...
    pub sink: &'static str,
    /// How events are written.
    pub format: Format,
    /// Entries acknowledged.
    pub acknowledged: u64,
    /// Entries not yet acknowledged.
    pub behind: u64,
    /// How long the oldest of them has waited in this run, seconds; 0 when there is none.
    pub waiting_secs: u64,
    /// Why the last delivery failed; none once one went well.
    pub last_error: Option<String>,
    /// It stops the sessions: `fail_closed_after_secs` has passed.
    pub blocking: bool,
}

/// How far one export is.
#[derive(Debug, Default)]
struct Progress {
    next: u64,
    /// Wall clock of the oldest entry that is not acknowledged, nanoseconds since the epoch.
    oldest: Option<u64>,
    error: Option<String>,
}

/// What an exporter and those who ask about it share.
#[derive(Debug)]
struct State {
    settings: ExportSettings,
    began: u64,
    progress: Mutex<Progress>,
}

impl State {
    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How long the oldest entry has waited, and whether that is too long.
    fn waiting(&self, progress: &Progress, now: u64) -> (u64, bool) {
        // What waited while no gateway ran is not the sink's fault.
        let since = progress.oldest.map(|oldest| oldest.max(self.began));
        let secs = since.map_or(0, |since| now.saturating_sub(since) / 1_000_000_000);
        (secs, self.settings.fail_closed_after_secs.is_some_and(|limit| secs >= limit))
    }

    fn blocks(&self) -> bool {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting(&progress, wall()).1
    }

    fn status(&self, size: u64, now: u64) -> ExportStatus {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (waiting_secs, blocking) = self.waiting(&progress, now);
        ExportStatus {
            name: self.settings.name.clone(),
            sink: self.settings.sink.word(),
            format: self.settings.format,
            acknowledged: progress.next,
            behind: size.saturating_sub(progress.next),
            waiting_secs,
            last_error: progress.error.clone(),
            blocking,
        }
    }
}

/// Every export of a gateway, as the rest of it sees them.
#[derive(Clone, Debug, Default)]
pub struct Exports(Arc<[Arc<State>]>);

impl Exports {
    /// Reads the cursors and makes the sinks ready; `dir` is the folder of the cursors. The
    /// exporters do nothing until they are run.
    ///
    /// # Errors
    /// What stands in the way, for the operator: a folder that can't be made, a cursor that
    /// can't be read, or a log that is shorter or other than what a sink has acknowledged.
    pub fn prepare(
        settings: &[ExportSettings],
        dir: &Path,
        log: &Log,
    ) -> Result<(Self, Vec<Exporter>), Vec<String>> {
        if settings.is_empty() {
            return Ok((Self::default(), Vec::new()));
        }
        std::fs::create_dir_all(dir)
            .map_err(|error| vec![format!("can't make {}: {error}", dir.display())])?;
        let (mut states, mut exporters, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for one in settings {
            let state = Arc::new(State {
                settings: one.clone(),
                began: wall(),
                progress: Mutex::default(),
            });
            let file = CursorFile::new(dir, &one.name);
            match Exporter::new(Arc::clone(&state), file, log) {
                Ok(exporter) => exporters.push(exporter),
                Err(error) => errors.push(format!("export \"{}\": {error}", one.name)),
            }
            states.push(state);
        }
        if errors.is_empty() { Ok((Self(states.into()), exporters)) } else { Err(errors) }
    }

    /// How each is; `size` is the number of entries in the log.
    pub fn status(&self, size: u64) -> Vec<ExportStatus> {
        let now = wall();
        self.0.iter().map(|state| state.status(size, now)).collect()
    }

    /// Whether sessions may go on.
    ///
    /// # Errors
    /// `export_behind` when a sink that is configured to stop them has been behind for too long.
    pub fn check(&self) -> Result<(), Fault> {
        let mut limited = self.0.iter().filter(|it| it.settings.fail_closed_after_secs.is_some());
        match limited.find(|state| state.blocks()) {
            None => Ok(()),
            Some(state) => Err(behind(&state.settings.name)),
        }
    }
}

fn behind(name: &str) -> Fault {
    let message = format!("the log's export \"{name}\" is behind for longer than allowed");
    Fault::new(Blame::Operator, "export_behind", "58030", message)
        .hint("Nothing runs until its receiver takes entries again; the operator sees why.")
}

fn wall() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

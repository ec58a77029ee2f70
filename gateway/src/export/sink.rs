//! Where events go. Each sink says for itself what counts as an acknowledgement.

mod file;
mod hec;
pub(in crate::export) mod http;
mod otlp;
mod s3;
mod syslog;

use super::event::{Event, Severity};
use super::{ExportSettings, SinkSettings};

/// One event as its sink gets it: a line without a line break.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) uid: String,
    /// Place in the log; a checkpoint has none.
    pub(super) index: Option<u64>,
    /// Nanoseconds since the Unix epoch.
    pub(super) time: u64,
    pub(super) name: String,
    pub(super) severity: Severity,
    pub(super) line: String,
}

impl Record {
    pub(super) fn new(event: &Event, line: String) -> Self {
        Self {
            uid: event.uid.clone(),
            index: event.index,
            time: event.time,
            name: event.name.clone(),
            severity: event.severity,
            line,
        }
    }
}

/// Why a delivery was not acknowledged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::export) enum Trouble {
    /// Something among the records will never be taken.
    Refused(String),
    /// It may work later. In words for the operator; never a secret.
    Retry(String),
}

/// One sink, connected or about to be.
pub(super) enum Sink {
    File(file::FileSink),
    Hec(Box<hec::HecSink>),
    Otlp(Box<otlp::OtlpSink>),
    S3(Box<s3::S3Sink>),
    Syslog(Box<syslog::SyslogSink>),
}

impl Sink {
    /// Gets ready; connects to nothing yet. The error is for the operator.
    pub(super) fn new(settings: &ExportSettings) -> Result<Self, String> {
        let format = settings.format;
        Ok(match &settings.sink {
            SinkSettings::File { path } => Self::File(file::FileSink::new(path.clone())),
            SinkSettings::Hec(it) => Self::Hec(Box::new(hec::HecSink::new(it, format)?)),
            SinkSettings::Otlp(it) => Self::Otlp(Box::new(otlp::OtlpSink::new(it)?)),
            SinkSettings::S3(it) => Self::S3(Box::new(s3::S3Sink::new(it, format)?)),
            SinkSettings::Syslog(it) => Self::Syslog(Box::new(syslog::SyslogSink::new(it)?)),
        })
    }

    /// Hands records over, in order. When this returns well, all of them are acknowledged.
    pub(super) async fn deliver(&mut self, records: &[Record]) -> Result<(), Trouble> {
        match self {
            Self::File(sink) => sink.deliver(records).await,
            Self::Hec(sink) => sink.deliver(records).await,
            Self::Otlp(sink) => sink.deliver(records).await,
            Self::S3(sink) => sink.deliver(records).await,
            Self::Syslog(sink) => sink.deliver(records).await,
        }
    }
}

//! Syslog (RFC 5424) over TLS with octet counting (RFC 5425).
//!
//! The protocol has no acknowledgement. The nearest to one is the end of a connection: what was
//! written counts only when the receiver, told that nothing more comes, has read all of it and
//! closed in its turn. What it does with the messages then, nobody says. Where the receiver ends
//! TLS too (`close_notify`), not even its death in between passes for such an end; not every
//! receiver does.

use std::fmt::Write as _;
use std::io::ErrorKind::UnexpectedEof;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Record, Trouble};
use crate::export::SyslogSettings;
use crate::export::event::Severity;
use crate::identity::tls_config;
use crate::limits::{EXPORT_CLOSE_SECS_MAX, EXPORT_CONNECT_SECS_MAX};

/// Facility 13, log audit (RFC 5424 section 6.2.1).
const FACILITY: u32 = 13;
/// The number that RFC 5612 sets aside for those without one of their own.
const STRUCTURE: &str = "portcullis@32473";

pub(in crate::export) struct SyslogSink {
    connector: TlsConnector,
    server_name: ServerName<'static>,
    address: String,
    tls_end: bool,
}

impl SyslogSink {
    pub(super) fn new(settings: &SyslogSettings) -> Result<Self, String> {
        let config = tls_config(settings.ca_file.as_deref().map(Path::new))?;
        let name = settings.server_name.clone();
        let server_name =
            ServerName::try_from(name).map_err(|_| "`server_name` is no name".to_owned())?;
        let connector = TlsConnector::from(Arc::new(config));
        let SyslogSettings { address, tls_end, .. } = settings.clone();
        Ok(Self { connector, server_name, address, tls_end })
    }

    pub(super) async fn deliver(&self, records: &[Record]) -> Result<(), Trouble> {
        let mut bytes = String::new();
        for record in records {
            let message = message(record);
            // Writing to a String can't fail.
            let _ = write!(bytes, "{} {message}", message.len());
        }
        let wrong = |error: std::io::Error| {
            Trouble::Retry(format!("the receiver {}: {error}", self.address))
        };
        let connect = async {
            let stream = TcpStream::connect(&self.address).await?;
            self.connector.connect(self.server_name.clone(), stream).await
        };
        let most = Duration::from_secs(EXPORT_CONNECT_SECS_MAX);
        let late = || std::io::Error::other("it took too long");
        let connected = timeout(most, connect).await.unwrap_or_else(|_| Err(late()));
        let mut stream = connected.map_err(wrong)?;
        let exchange = async {
            stream.write_all(bytes.as_bytes()).await?;
            stream.shutdown().await?;
            let mut rest = [0; 256];
            loop {
                match stream.read(&mut rest).await {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    // The receiver's system says this too when the receiver was killed; with
                    // bytes unread, it says "reset" instead.
                    Err(error) if error.kind() == UnexpectedEof && !self.tls_end => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        let most = Duration::from_secs(EXPORT_CLOSE_SECS_MAX);
        timeout(most, exchange).await.unwrap_or_else(|_| Err(late())).map_err(wrong)
    }
}

/// One message, without its length.
fn message(record: &Record) -> String {
    let severity = match record.severity {
        Severity::Informational => 6,
        Severity::Low => 5,
        Severity::Medium => 4,
        Severity::High => 3,
    };
    // The format has no more than six digits.
    let micros = i128::from(record.time / 1_000) * 1_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(micros).ok();
    let time = time.and_then(|time| time.format(&Rfc3339).ok());
    let origin = record.uid.split('#').next().unwrap_or_default();
    let host = origin.split('/').nth(1).unwrap_or("-");
    let id: String = record.name.chars().filter(char::is_ascii_graphic).take(32).collect();
    format!(
        "<{}>1 {} {host} portcullis - {id} [{STRUCTURE} uid=\"{}\"] {}",
        FACILITY * 8 + severity,
        time.as_deref().unwrap_or("-"),
        parameter(&record.uid),
        record.line,
    )
}

/// A value of structured data (RFC 5424 section 6.3.3).
fn parameter(value: &str) -> String {
    let mut out = String::new();
    for ch in value.chars() {
        if matches!(ch, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(ch);
    }
    out
}

//! OpenTelemetry logs by OTLP/HTTP in its JSON encoding (OTLP 1.x).
//!
//! Only a full success counts. What the collector refuses for good is found, noted in the log,
//! and left behind.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::http::{Http, content, secret};
use super::{Record, Trouble};
use crate::export::OtlpSettings;
use crate::export::event::Severity;

pub(in crate::export) struct OtlpSink {
    http: Http,
    url: String,
    headers: Vec<(&'static str, HeaderValue)>,
}

impl OtlpSink {
    pub(super) fn new(settings: &OtlpSettings) -> Result<Self, String> {
        let mut headers = vec![content("application/json")];
        if let Some(token) = &settings.token {
            headers.push(("authorization", secret(&format!("Bearer {}", token.expose()))?));
        }
        let url = format!("{}/v1/logs", settings.url.trim_end_matches('/'));
        Ok(Self { http: Http::new(settings.ca_file.as_deref())?, url, headers })
    }

    pub(super) async fn deliver(&self, records: &[Record]) -> Result<(), Trouble> {
        let body = Bytes::from(request(records).to_string());
        let answer = self.http.send(Method::POST, &self.url, &self.headers, body).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(Trouble::Refused(answer.words()));
            }
            _ => return Err(Trouble::Retry(answer.words())),
        }
        let said = answer.json();
        let rejected = said.pointer("/partialSuccess/rejectedLogRecords");
        // A 64-bit number is a string in this encoding; some collectors write a number.
        let none = match rejected {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text == "0",
            Some(number) => number.as_i64() == Some(0),
        };
        if none { Ok(()) } else { Err(Trouble::Refused(answer.words())) }
    }
}

/// `ExportLogsServiceRequest`.
fn request(records: &[Record]) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let logs: Vec<Value> = records
        .iter()
        .map(|record| {
            let (number, word) = match record.severity {
                Severity::Informational => (9, "INFO"),
                Severity::Low => (10, "INFO2"),
                Severity::Medium => (13, "WARN"),
                Severity::High => (17, "ERROR"),
            };
            json!({
                "timeUnixNano": record.time.to_string(),
                "observedTimeUnixNano": record.time.to_string(),
                "severityNumber": number,
                "severityText": word,
                "body": { "stringValue": record.line },
                "attributes": [
                    text("log.record.uid", &record.uid),
                    text("event.name", &format!("portcullis.{}", record.name)),
                ],
            })
        })
        .collect();
    json!({
        "resourceLogs": [{
            "resource": { "attributes": [
                text("service.name", "portcullis"),
                text("service.version", env!("CARGO_PKG_VERSION")),
            ] },
            "scopeLogs": [{ "scope": { "name": "portcullis.audit" }, "logRecords": logs }],
        }],
    })
}

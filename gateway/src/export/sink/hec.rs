//! Splunk's HTTP Event Collector.
//!
//! A status of 200 says that events were received, not that they are kept: with `ack` an event
//! counts once the indexer says so (Splunk Enterprise, "About HTTP Event Collector Indexer
//! Acknowledgment").

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::http::{Http, content, secret};
use super::{Record, Trouble};
use crate::export::{Format, HecSettings};
use crate::limits::EXPORT_ACK_POLL_MILLIS;

pub(in crate::export) struct HecSink {
    http: Http,
    url: String,
    channel: String,
    headers: Vec<(&'static str, HeaderValue)>,
    ack: bool,
    format: Format,
}

impl HecSink {
    pub(super) fn new(settings: &HecSettings, format: Format) -> Result<Self, String> {
        // Acknowledgements are counted within a channel, and this run has one of its own.
        let channel = uuid::Uuid::now_v7().to_string();
        let header = HeaderValue::from_str(&channel).map_err(|error| error.to_string())?;
        let token = secret(&format!("Splunk {}", settings.token.expose()))?;
        Ok(Self {
            http: Http::new(settings.ca_file.as_deref())?,
            url: settings.url.trim_end_matches('/').to_owned(),
            channel,
            headers: vec![
                ("authorization", token),
                ("x-splunk-request-channel", header),
                content("application/json"),
            ],
            ack: settings.ack,
            format,
        })
    }

    pub(super) async fn deliver(&self, records: &[Record]) -> Result<(), Trouble> {
        let body: String = records.iter().map(|record| self.event(record)).collect();
        let url = format!("{}/services/collector/event", self.url);
        let body = Bytes::from(body);
        let answer = self.http.send(Method::POST, &url, &self.headers, body).await?;
        if answer.status == StatusCode::PAYLOAD_TOO_LARGE {
            return Err(Trouble::Refused(answer.words()));
        }
        let said = answer.json();
        if answer.status != StatusCode::OK || said.get("code") != Some(&Value::from(0)) {
            return Err(Trouble::Retry(answer.words()));
        }
        if !self.ack {
            return Ok(());
        }
        let Some(id) = said.get("ackId").and_then(Value::as_u64) else {
            let why = "the receiver gives no ackId: turn on indexer acknowledgment for this token";
            return Err(Trouble::Retry(why.to_owned()));
        };
        self.acknowledged(id).await
    }

    /// Waits until the indexer has what was sent; whoever calls limits the time.
    async fn acknowledged(&self, id: u64) -> Result<(), Trouble> {
        let url = format!("{}/services/collector/ack?channel={}", self.url, self.channel);
        let question = Bytes::from(json!({ "acks": [id] }).to_string());
        loop {
            let sent = self.http.send(Method::POST, &url, &self.headers, question.clone());
            let answer = sent.await?;
            if answer.status != StatusCode::OK {
                return Err(Trouble::Retry(answer.words()));
            }
            let said = answer.json();
            if said.pointer(&format!("/acks/{id}")) == Some(&Value::Bool(true)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(EXPORT_ACK_POLL_MILLIS)).await;
        }
    }

    fn event(&self, record: &Record) -> String {
        let event = match self.format {
            Format::Cef => Value::from(record.line.as_str()),
            Format::Ecs | Format::Ndjson | Format::Ocsf => {
                serde_json::from_str(&record.line).unwrap_or_else(|_| record.line.as_str().into())
            }
        };
        let millis = record.time / 1_000_000;
        json!({
            "time": format!("{}.{:03}", millis / 1_000, millis % 1_000),
            "source": "portcullis",
            "sourcetype": format!("portcullis:{}", self.format.word()),
            "event": event,
            "fields": { "uid": record.uid },
        })
        .to_string()
    }
}

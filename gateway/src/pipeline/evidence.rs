//! What the admin endpoint shows of the gateway and its log.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::runtime::Gateway;
use crate::admin::{Evidence, Look, ReportFormat};
use crate::audit::reader::WorkKind;
use crate::audit::{ApprovalDecision, Event, report};
use crate::fault::{Blame, Fault};
use crate::policy::approval::{Answer, LateAnswer};
use crate::policy::{OnError, PluginSettings, PolicySettings};

/// The real thing behind [`Evidence`].
pub(super) struct LogEvidence {
    gateway: Arc<Gateway>,
    runtime: Handle,
}

impl LogEvidence {
    /// Made inside the runtime whose threads wait for the log.
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway, runtime: Handle::current() }
    }
}

impl Evidence for LogEvidence {
    fn ready(&self) -> Result<(), Fault> {
        if !self.gateway.log.status().healthy {
            let message = "the log can't be written; no request is served until it has room, or \
                           until a restart";
            return Err(Fault::new(Blame::Operator, "log_unavailable", "58030", message));
        }
        self.gateway.vouched()?;
        // The keys kept from before serve while an issuer can't be reached; none at all can't.
        let keyless = |issuer: &crate::identity::IssuerStatus| issuer.key_count == 0;
        if self.gateway.verifier().status().iter().any(keyless) {
            let message = "an issuer has given no keys yet";
            return Err(Fault::new(Blame::Operator, "issuer_keys_unavailable", "58000", message));
        }
        Ok(())
    }

    fn status(&self) -> Value {
        let gateway = &self.gateway;
        let config = gateway.config();
        let log = gateway.log.status();
        let verifier = gateway.verifier();
        let issuers: Vec<Value> = verifier
            .status()
            .iter()
            .map(|issuer| {
                json!({
                    "name": issuer.name,
                    "issuer": issuer.issuer,
                    "keys": issuer.key_count,
                    "keys_age_secs": issuer.age.map(|age| age.as_secs()),
                    "degraded": issuer.degraded,
                    "last_error": issuer.last_error,
                    "development": issuer.development,
                })
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "config_digest": config.digest,
            "config_change_refused": config.change_refused,
            "sessions_open": gateway.sessions.count(),
            "anchors": gateway.anchors.status(),
            "exports": gateway.exports.status(log.size),
            "search": gateway.search.status(),
            "log": log,
            "issuers": issuers,
            "targets": gateway.target_names().iter().map(|name| self.target(name))
                .collect::<Vec<_>>(),
        })
    }

    fn sessions(&self, most: usize) -> Result<Value, Fault> {
        let sessions = self.gateway.log.reader().sessions(most).map_err(unreadable)?;
        serde_json::to_value(sessions).map_err(unreadable)
    }

    fn session(&self, id: &str) -> Result<Option<Value>, Fault> {
        let Some(text) = self.report(id, ReportFormat::Json)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(unreadable)
    }

    fn report(&self, id: &str, format: ReportFormat) -> Result<Option<String>, Fault> {
        let reader = self.gateway.log.reader();
        let Some(record) = reader.session(id).map_err(unreadable)? else { return Ok(None) };
        let report = report::report(&record, reader.public_key());
        match format {
            ReportFormat::Html => Ok(Some(report::html(&report))),
            ReportFormat::Text => Ok(Some(report::text(&report))),
            ReportFormat::Json => report::json(&report).map(Some).map_err(unreadable),
        }
    }

    fn bundle_to(&self, id: &str, file: &Path) -> Result<bool, Fault> {
        self.gateway.log.bundle_to(id, file).map_err(unreadable)
    }

    fn work_report(
        &self,
        kind: WorkKind,
        id: &str,
        format: ReportFormat,
    ) -> Result<Option<String>, Fault> {
        let reader = self.gateway.log.reader();
        let Some(record) = reader.work(kind, id).map_err(unreadable)? else { return Ok(None) };
        let form = match format {
            ReportFormat::Html => report::Form::Html,
            ReportFormat::Json => report::Form::Json,
            ReportFormat::Text => report::Form::Text,
        };
        let written = report::work(&record, reader.public_key()).written(form);
        written.map(Some).map_err(unreadable)
    }

    fn work_bundle_to(&self, kind: WorkKind, id: &str, file: &Path) -> Result<bool, Fault> {
        self.gateway.log.work_bundle_to(kind, id, file).map_err(unreadable)
    }

    fn checkpoint(&self) -> Result<String, Fault> {
        Ok(self.gateway.log.status().checkpoint)
    }

    fn snapshot_to(&self, file: &Path) -> Result<(), Fault> {
        self.gateway.log.snapshot_to(file).map_err(unreadable)
    }

    fn search(&self, query: &str, most: usize) -> Result<Value, Fault> {
        self.gateway.search.search(query, most)
    }

    fn reindex(&self) -> Result<(), Fault> {
        self.gateway.search.reindex();
        Ok(())
    }

    fn late(&self, answer: &LateAnswer) -> Result<(), Fault> {
        let stamp = answer.stamp();
        let event = Event::LateAnswer {
            id: stamp.id.clone(),
            session: answer.asked_in().to_owned(),
            by: stamp.approver.clone(),
            decision: match answer.answer() {
                Answer::Approve => ApprovalDecision::Approved,
                Answer::Deny => ApprovalDecision::Denied,
            },
            binding: stamp.binding.clone(),
            note: answer.note().to_owned(),
        };
        self.runtime.block_on(self.gateway.log.event(event))
    }

    fn record(&self, look: &Look) -> Result<(), Fault> {
        let what = format!("{} {}", look.what, look.of).trim_end().to_owned();
        let event = Event::AuditAccess { who: look.person.clone(), what };
        self.runtime.block_on(self.gateway.log.event(event))
    }
}

impl LogEvidence {
    /// One target, with every mode that is looser than the default.
    fn target(&self, name: &str) -> Value {
        let Some(target) = self.gateway.target(name) else { return Value::Null };
        let policy = self.gateway.policies.current(name);
        json!({
            "name": name,
            "policy_digest": policy.as_ref().map(|it| it.settings().digest.clone()),
            "plugins": policy.as_ref().map(|it| it.stamps().to_vec()),
            "risks_accepted": policy.as_ref().map(|it| risks(it.settings())),
            "log": match target.settings.durability {
                crate::audit::Durability::Durable => "durable",
                crate::audit::Durability::Buffered => "buffered",
            },
            "masking": policy.as_ref().map(|it| it.settings().masking.mode.word()),
            "parsers": if target.settings.strict_parsers { "strict" } else { "compat" },
        })
    }
}

/// Who answers for plugins whose failures let through what they should have judged.
fn risks(policy: &PolicySettings) -> Vec<Value> {
    let now = SystemTime::now();
    let risk = |plugin: &PluginSettings| match &plugin.on_error {
        OnError::Allow(accepted) => Some(json!({
            "plugin": plugin.name,
            "by": accepted.by,
            "because": accepted.because,
            "until": accepted.until,
            "holds": accepted.holds_at(now),
        })),
        OnError::Deny | OnError::Redact => None,
    };
    policy.plugins.iter().filter_map(risk).collect()
}

fn unreadable(error: impl std::fmt::Display) -> Fault {
    let message = format!("the log can't be read: {error}");
    Fault::new(Blame::Operator, "log_unreadable", "58030", message)
}

//! Takes up changes of the configuration, the policies and the plugin files while sessions run.
//!
//! A change lands at the next statement. One that can't be used changes nothing: the last good
//! one stays in force, the operator is told, and the log says so.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::sleep;

use super::runtime::{self, Gateway};
use crate::audit::Event;
use crate::config::{self, Config};
use crate::fault::Fault;
use crate::identity::Verifier;
use crate::limits::{ISSUER_FIRST_FETCH_MILLIS_MAX, RELOAD_POLL_MILLIS};
use crate::policy::{PolicySettings, Problem};

/// Size and time of each watched file; a missing file is a state like any other.
type Look = HashMap<PathBuf, Option<(u64, SystemTime)>>;

/// Watches until the gateway stops. The log can fail here; then it is the sessions that stop.
pub(super) async fn watch(gateway: Arc<Gateway>, config: Config, mut stop: watch::Receiver<bool>) {
    let mut config = config;
    let mut seen = look(&config);
    loop {
        tokio::select! {
            () = super::serve::stopped(&mut stop) => return,
            () = sleep(Duration::from_millis(RELOAD_POLL_MILLIS)) => {}
        }
        let now = look(&config);
        if now == seen {
            continue;
        }
        seen = now;
        let result = match load(&config).await {
            Ok(next) => apply(&gateway, &mut config, next).await,
            Err(reason) => reject(&gateway, reason).await,
        };
        if let Err(fault) = result {
            tracing::error!("a change of the configuration is not recorded: {fault}");
        }
    }
}

fn look(config: &Config) -> Look {
    let state = |file: &PathBuf| {
        let meta = std::fs::metadata(file).ok()?;
        Some((meta.len(), meta.modified().ok()?))
    };
    config::files(config).into_iter().map(|file| (file.clone(), state(&file))).collect()
}

async fn load(config: &Config) -> Result<Config, String> {
    let file = config.file.clone();
    let loaded = tokio::task::spawn_blocking(move || config::load(&file)).await;
    let mistakes = match loaded {
        Ok(Ok(config)) => return Ok(config),
        Ok(Err(mistakes)) => mistakes,
        Err(error) => return Err(error.to_string()),
    };
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    Err(lines.join("\n"))
}

async fn reject(gateway: &Gateway, reason: String) -> Result<(), Fault> {
    tracing::error!("the changed configuration is refused, the last good one stays:\n{reason}");
    gateway.log.event(Event::ConfigRejected { reason }).await
}

/// Puts the new configuration in force, part by part; `config` becomes what is in force.
async fn apply(gateway: &Gateway, config: &mut Config, next: Config) -> Result<(), Fault> {
    let targets = match runtime::targets(&next.targets) {
        Ok(targets) => targets,
        Err(errors) => return reject(gateway, errors.join("\n")).await,
    };
    if next.listeners != config.listeners
        || next.log != config.log
        || next.admin.listen != config.admin.listen
    {
        let reason = "a change of listeners, log or the admin address needs a restart";
        return reject(gateway, reason.to_owned()).await;
    }
    for target in &next.targets {
        publish(gateway, &target.name, &target.policy).await?;
    }
    gateway.approvals.trust(next.admin.approver_groups.clone());
    gateway.replace_targets(targets);
    if next.issuers != config.issuers {
        let verifier = match Verifier::start(next.issuers.clone()) {
            Ok(verifier) => verifier,
            Err(fault) => return reject(gateway, fault.to_string()).await,
        };
        verifier.first_fetch(Duration::from_millis(ISSUER_FIRST_FETCH_MILLIS_MAX)).await;
        gateway.replace_verifier(verifier);
    }
    let changed = next.digest != config.digest;
    let digest = next.digest.clone();
    *config = next;
    if changed {
        tracing::info!(digest, "the changed configuration is in force");
        gateway.log.event(Event::ConfigChange { digest }).await?;
    }
    Ok(())
}

/// Loads a target's policy anew if its file, its settings or one of its plugin files changed.
async fn publish(gateway: &Gateway, target: &str, policy: &PolicySettings) -> Result<(), Fault> {
    match gateway.policies.publish(target, policy) {
        Ok(change) if change.is_empty() => Ok(()),
        Ok(_) => {
            tracing::info!(target, "the changed policy is in force from the next statement on");
            gateway.log.event(loaded(gateway, target)).await
        }
        Err(problems) => {
            let reason =
                problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n");
            tracing::error!("the changed policy is refused, the last good one stays:\n{reason}");
            let target = target.to_owned();
            gateway.log.event(Event::PolicyRejected { target, reason }).await
        }
    }
}

/// The policy in force for a target, as an event for the log.
pub(super) fn loaded(gateway: &Gateway, target: &str) -> Event {
    let generation = gateway.policies.current(target);
    let digest = generation.as_ref().map(|it| it.settings().digest.clone()).unwrap_or_default();
    let plugins = generation.map(|it| it.stamps().to_vec()).unwrap_or_default();
    Event::PolicyLoaded { target: target.to_owned(), digest, plugins }
}

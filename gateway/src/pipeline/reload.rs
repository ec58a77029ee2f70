//! Takes up changes of the configuration, the policies and the plugin files while sessions run.
//!
//! A change lands at the next statement. One that can't be used changes nothing: the last good
//! one stays in force, the operator is told, and the log says so. Sessions that a change no
//! longer admits end.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::runtime::{self, ConfigState, Gateway};
use crate::audit::Event;
use crate::config::{self, Config};
use crate::fault::{Blame, Fault};
use crate::identity::{IssuerStatus, Verifier};
use crate::limits::{ISSUER_FIRST_FETCH_MILLIS_MAX, RELOAD_POLL_MILLIS, RELOAD_RETRY_MILLIS};
use crate::policy::{PolicySettings, Problem};

/// Size and time of each watched file; a missing file is a state like any other.
type Look = HashMap<PathBuf, Option<(u64, SystemTime)>>;

/// Watches until the gateway stops. The log can fail here; then it is the sessions that stop.
pub(super) async fn watch(gateway: Arc<Gateway>, config: Config, mut stop: watch::Receiver<bool>) {
    let mut watcher = Watcher { seen: look(&config), gateway, config, refused: None };
    let mut keys = watcher.gateway.verifier().changes();
    let mut issuers = Issuers::new(&watcher.gateway);
    loop {
        tokio::select! {
            () = super::serve::stopped(&mut stop) => return,
            Ok(()) = keys.changed() => {
                watcher.gateway.trust_changed();
                issuers.tell(&watcher.gateway, true).await;
                continue;
            }
            () = sleep(Duration::from_millis(RELOAD_POLL_MILLIS)) => {}
        }
        issuers.tell(&watcher.gateway, false).await;
        if !watcher.due() {
            continue;
        }
        if let Err(fault) = watcher.reload().await {
            tracing::error!("a change of the configuration is not recorded: {fault}");
        }
        keys = watcher.gateway.verifier().changes();
    }
}

/// How the issuers were when the log was told last: usable keys, and whether all is well.
struct Issuers(Vec<(String, usize, bool)>);

impl Issuers {
    fn new(gateway: &Gateway) -> Self {
        let state = |issuer: IssuerStatus| (issuer.name, issuer.key_count, issuer.degraded);
        Self(gateway.verifier().status().into_iter().map(state).collect())
    }

    /// Records each issuer whose keys changed, can't be read, or can be read again; all of them
    /// when keys were `withdrawn`, which the numbers may not show.
    async fn tell(&mut self, gateway: &Gateway, withdrawn: bool) {
        let last = std::mem::replace(self, Self::new(gateway)).0;
        for now in self.0.iter().filter(|now| withdrawn || !last.contains(now)) {
            let (issuer, count, degraded) = now.clone();
            let state = if degraded { "; they can't be refreshed now" } else { "" };
            let why = if withdrawn { "; an issuer has withdrawn keys" } else { "" };
            let detail = format!("{count} usable keys{state}{why}");
            tracing::info!(issuer, "the keys of an issuer: {detail}");
            if let Err(fault) = gateway.log.event(Event::IssuerKeys { issuer, detail }).await {
                tracing::error!("a change of an issuer's keys is not recorded: {fault}");
            }
        }
    }
}

/// What is in force, and what was tried last.
struct Watcher {
    gateway: Arc<Gateway>,
    config: Config,
    seen: Look,
    refused: Option<Refused>,
}

/// A change that could not be used.
struct Refused {
    reason: String,
    again: Instant,
}

impl Watcher {
    /// Whether there is something to read: a file that changed, or a refusal to look at again. A
    /// refused configuration may name files that the one in force does not, and those are not
    /// watched.
    fn due(&mut self) -> bool {
        let now = look(&self.config);
        let changed = now != self.seen;
        self.seen = now;
        changed || self.refused.as_ref().is_some_and(|refused| refused.again <= Instant::now())
    }

    async fn reload(&mut self) -> Result<(), Fault> {
        match load(&self.config).await {
            Ok(next) => self.apply(next).await,
            Err(reason) => self.refuse(reason).await,
        }
    }

    /// Tells the operator and the log, once for each reason.
    async fn refuse(&mut self, reason: String) -> Result<(), Fault> {
        let again = Instant::now() + Duration::from_millis(RELOAD_RETRY_MILLIS);
        let known = self.refused.as_ref().is_some_and(|refused| refused.reason == reason);
        self.refused = Some(Refused { reason: reason.clone(), again });
        if known {
            return Ok(());
        }
        self.tell(true);
        tracing::error!("the changed configuration is refused, the last good one stays:\n{reason}");
        self.gateway.log.event(Event::ConfigRejected { reason }).await
    }

    fn tell(&self, change_refused: bool) {
        let digest = self.config.digest.clone();
        self.gateway.set_config(ConfigState { digest, change_refused });
    }

    /// Puts the new configuration in force. Whatever can fail for the whole of it comes first, so
    /// that a refused change changes nothing; then each target's policy stands for itself.
    async fn apply(&mut self, next: Config) -> Result<(), Fault> {
        let targets = match runtime::targets(&next.targets) {
            Ok(targets) => targets,
            Err(errors) => return self.refuse(errors.join("\n")).await,
        };
        let config = &self.config;
        if next.listeners != config.listeners
            || next.log != config.log
            || next.exports != config.exports
            || next.anchors != config.anchors
            || next.admin.listen != config.admin.listen
        {
            let reason = "a change of listeners, log, exports, anchors or the admin address needs \
                          a restart";
            return self.refuse(reason.to_owned()).await;
        }
        let mut verifier = None;
        if next.issuers != config.issuers {
            match Verifier::start(next.issuers.clone()) {
                Ok(started) => verifier = Some(started),
                Err(fault) => return self.refuse(fault.to_string()).await,
            }
        }
        if let Some(verifier) = verifier {
            verifier.first_fetch(Duration::from_millis(ISSUER_FIRST_FETCH_MILLIS_MAX)).await;
            self.gateway.replace_verifier(verifier);
        }
        let mut sound = true;
        for target in &next.targets {
            sound &= publish(&self.gateway, &target.name, &target.policy).await?;
        }
        let names: Vec<String> = next.targets.iter().map(|target| target.name.clone()).collect();
        self.gateway.policies.retain(&names);
        self.gateway.approvals.trust(next.admin.approver_groups.clone());
        self.gateway.replace_targets(targets);
        let changed = next.digest != self.config.digest;
        self.config = next;
        // A file named for the first time may have changed since it was read: the next look takes
        // it for changed and reads it once more.
        let named = look(&self.config);
        self.seen.retain(|file, _| named.contains_key(file));
        for file in named.into_keys() {
            self.seen.entry(file).or_insert(None);
        }
        self.refused = None;
        self.tell(!sound);
        if changed {
            let digest = self.config.digest.clone();
            tracing::info!(digest, "the changed configuration is in force");
            self.gateway.log.event(Event::ConfigChange { digest }).await?;
        }
        Ok(())
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

/// Loads a target's policy anew if its file, its settings or one of its plugin files changed;
/// false when it is refused.
async fn publish(
    gateway: &Arc<Gateway>,
    target: &str,
    policy: &PolicySettings,
) -> Result<bool, Fault> {
    // Compiling a plugin takes a while, and sessions run on this thread too.
    let (shared, name, policy) = (Arc::clone(gateway), target.to_owned(), policy.clone());
    let publish = move || shared.policies.publish(&name, &policy);
    let published = tokio::task::spawn_blocking(publish).await.map_err(|_| {
        Fault::new(Blame::Bug, "reload_failed", "XX000", "loading a policy ended in a defect")
    })?;
    match published {
        Ok(change) if change.is_empty() => Ok(true),
        Ok(_) => {
            tracing::info!(target, "the changed policy is in force from the next statement on");
            gateway.log.event(loaded(gateway, target)).await?;
            Ok(true)
        }
        Err(problems) => {
            let reason = problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n");
            tracing::error!("the changed policy is refused, the last good one stays:\n{reason}");
            let target = target.to_owned();
            gateway.log.event(Event::PolicyRejected { target, reason }).await?;
            Ok(false)
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

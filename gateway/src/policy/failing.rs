//! What a plugin's failure means: what the policy says of it, when the plugin is asked again, and
//! who is told.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::PluginStamp;
use super::host::Failure;
use super::plugin::Plugin;
use crate::limits::{
    PLUGIN_BACKOFF_MILLIS, PLUGIN_BACKOFF_MILLIS_MAX, PLUGIN_STRIKES, PLUGIN_TRAP_SECS,
};

/// What a plugin failure (trap, deadline, memory, bad output) means.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum OnError {
    /// The request is denied, the reply withheld.
    #[default]
    Deny,
    /// What the plugin should have looked at in a result is hidden, and the session goes on. A
    /// request that it should have judged is denied: no mask makes up for a verdict.
    Redact,
    /// It goes on as if the plugin were not there. Somebody answers for it.
    Allow(RiskAcceptance),
}

impl OnError {
    /// The word of the policy file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Redact => "redact",
            Self::Allow(_) => "allow",
        }
    }

    /// What holds at this time: an acceptance that has ended is none.
    pub(super) fn at(&self, now: SystemTime) -> Act<'_> {
        match self {
            Self::Deny => Act::Deny,
            Self::Redact => Act::Redact,
            Self::Allow(accepted) if accepted.holds_at(now) => Act::Allow(accepted),
            Self::Allow(_) => Act::Deny,
        }
    }
}

/// What is done about a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act<'a> {
    Deny,
    Redact,
    Allow(&'a RiskAcceptance),
}

/// Who answers for letting through what a plugin could not judge.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RiskAcceptance {
    /// Who.
    pub by: String,
    /// Why.
    pub because: String,
    /// When it ends, seconds since the Unix epoch; from then on a failure denies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

impl RiskAcceptance {
    /// Whether it still counts.
    pub fn holds_at(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.until.is_none_or(|until| now < until)
    }
}

impl Act<'_> {
    /// The word of the policy file, where the session goes on.
    pub(super) fn word(&self) -> Option<&'static str> {
        match self {
            Self::Deny => None,
            Self::Redact => Some("redact"),
            Self::Allow(_) => Some("allow"),
        }
    }
}

/// A plugin that failed where its policy goes on all the same, for the record of what it touched.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FailedPlugin {
    /// The plugin's configured name.
    pub plugin: String,
    /// `redact` or `allow`.
    pub on_error: String,
}

/// A failure to tell the operator of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PluginTrap {
    /// Whose.
    pub plugin: PluginStamp,
    /// What happened; never data.
    pub what: String,
    /// What the policy says of it.
    pub on_error: &'static str,
    /// Failures of this plugin in this session that were not told since the last one.
    pub untold: u64,
}

/// The failing plugins of one session: a plugin that fails again and again is asked less and less
/// often, and told of no more than once in [`PLUGIN_TRAP_SECS`]. Other sessions have their own.
#[derive(Debug, Default)]
pub struct Troubles {
    state: Mutex<State>,
    noticed: Notify,
}

#[derive(Debug, Default)]
struct State {
    plugins: Vec<Trouble>,
    traps: Vec<PluginTrap>,
}

#[derive(Debug)]
struct Trouble {
    plugin: PluginStamp,
    /// Failures in a row.
    strikes: u32,
    /// It is not asked before this.
    until: Option<Instant>,
    told: Option<Instant>,
    untold: u64,
}

impl Troubles {
    /// Whether a plugin may be asked.
    pub(super) fn check(&self, plugin: &Plugin) -> Result<(), Failure> {
        let state = self.state();
        let Some(trouble) = state.plugins.iter().find(|it| it.plugin == plugin.stamp) else {
            return Ok(());
        };
        match trouble.until {
            Some(until) if until > Instant::now() => {
                let what = format!(
                    "it failed {} times in a row in this session and is not asked for a while",
                    trouble.strikes
                );
                Err(Failure::answer(&plugin.stamp.name, what))
            }
            _ => Ok(()),
        }
    }

    /// It answered as it should.
    pub(super) fn sound(&self, plugin: &Plugin) {
        let mut state = self.state();
        let found = state.plugins.iter_mut().find(|it| it.plugin == plugin.stamp);
        if let Some(trouble) = found {
            (trouble.strikes, trouble.until) = (0, None);
        }
    }

    /// It failed.
    pub(super) fn failed(&self, plugin: &Plugin, failure: &Failure) {
        let now = Instant::now();
        let mut state = self.state();
        let State { plugins, traps } = &mut *state;
        let at = plugins.iter().position(|it| it.plugin == plugin.stamp);
        let at = at.unwrap_or_else(|| {
            // Those of policies before this one are forgotten.
            plugins.retain(|it| it.until.is_some_and(|until| until > now));
            let plugin = plugin.stamp.clone();
            plugins.push(Trouble { plugin, strikes: 0, until: None, told: None, untold: 0 });
            plugins.len() - 1
        });
        let Some(trouble) = plugins.get_mut(at) else { return };
        if trouble.until.is_none_or(|until| until <= now) {
            trouble.strikes = trouble.strikes.saturating_add(1);
            let doublings = trouble.strikes.checked_sub(PLUGIN_STRIKES);
            trouble.until = doublings.map(|doublings| {
                let millis = PLUGIN_BACKOFF_MILLIS.saturating_mul(1 << doublings.min(16));
                now + Duration::from_millis(millis.min(PLUGIN_BACKOFF_MILLIS_MAX))
            });
        }
        let quiet = Duration::from_secs(PLUGIN_TRAP_SECS);
        if trouble.told.is_some_and(|told| now.duration_since(told) < quiet) {
            trouble.untold = trouble.untold.saturating_add(1);
            return;
        }
        trouble.told = Some(now);
        traps.push(PluginTrap {
            plugin: plugin.stamp.clone(),
            what: failure.what.clone(),
            on_error: plugin.settings().on_error.word(),
            untold: std::mem::take(&mut trouble.untold),
        });
        drop(state);
        self.noticed.notify_one();
    }

    /// Waits until there is something to tell.
    pub async fn noticed(&self) {
        self.noticed.notified().await;
    }

    /// What is to be told; nothing is told twice.
    pub fn take(&self) -> Vec<PluginTrap> {
        std::mem::take(&mut self.state().traps)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

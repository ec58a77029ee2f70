//! One loaded policy ([`Generation`]), and the one in force for each target ([`Policies`]).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;

use super::host::Engine;
use super::instances::Places;
use super::plugin::{self, Plugin};
use super::{PluginStamp, PolicySettings, Problem, digest};

/// A policy with its plugins compiled, linked and configured. It never changes; sessions hold it
/// for the length of a request, so a reload lands at the next one.
pub struct Generation {
    settings: PolicySettings,
    plugins: Vec<Arc<Plugin>>,
    stamps: Arc<[PluginStamp]>,
    mask_key: Arc<hmac::Key>,
    places: Places,
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generation")
            .field("digest", &self.settings.digest)
            .field("plugins", &self.stamps)
            .finish_non_exhaustive()
    }
}

impl Generation {
    /// What it was loaded from.
    pub fn settings(&self) -> &PolicySettings {
        &self.settings
    }

    /// Its plugins, by digest.
    pub fn stamps(&self) -> &Arc<[PluginStamp]> {
        &self.stamps
    }

    /// Whether any plugin hides values: then errors are scrubbed and columns need their origins.
    pub fn masks(&self) -> bool {
        self.plugins.iter().any(|plugin| plugin.masks())
    }

    pub(super) fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    pub(super) fn mask_key(&self) -> &Arc<hmac::Key> {
        &self.mask_key
    }

    /// Where sessions keep their instances.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }
}

impl Engine {
    /// Loads a policy with all its plugins.
    ///
    /// # Errors
    /// Every problem of every plugin at once.
    pub fn load(&self, settings: &PolicySettings) -> Result<Generation, Vec<Problem>> {
        let mut plugins = Vec::new();
        let mut problems = Vec::new();
        for (place, one) in settings.plugins.iter().enumerate() {
            if settings.plugins.iter().take(place).any(|other| other.name == one.name) {
                problems.push(Problem::of(&one.name, "is named twice in this policy"));
            }
            match Plugin::load(self, one) {
                Ok(plugin) => plugins.push(Arc::new(plugin)),
                Err(more) => problems.extend(more),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Generation {
            settings: settings.clone(),
            stamps: plugins.iter().map(|plugin| plugin.stamp.clone()).collect(),
            plugins,
            mask_key: self.mask_key().clone(),
            places: self.places().clone(),
        })
    }
}

/// What a reload changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The target.
    pub target: String,
    /// SHA-256 of the policy file before and now, hex.
    pub policy_digest: (String, String),
    /// The plugins before.
    pub before: Arc<[PluginStamp]>,
    /// The plugins now.
    pub now: Arc<[PluginStamp]>,
}

impl Change {
    /// Whether anything differs at all.
    pub fn is_empty(&self) -> bool {
        self.policy_digest.0 == self.policy_digest.1 && self.before == self.now
    }
}

/// The policy in force for each target.
#[derive(Debug)]
pub struct Policies {
    engine: Engine,
    current: HashMap<String, ArcSwap<Generation>>,
    /// What each plugin file was when it was last looked at.
    seen: Mutex<HashMap<PathBuf, Seen>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Seen {
    stat: Option<(u64, SystemTime)>,
    digest: Option<String>,
}

impl Policies {
    /// Loads the policy of every target.
    ///
    /// # Errors
    /// Every problem of every plugin of every target at once.
    pub fn new(
        engine: Engine,
        targets: Vec<(String, PolicySettings)>,
    ) -> Result<Self, Vec<Problem>> {
        let (mut current, mut problems) = (HashMap::new(), Vec::new());
        for (target, settings) in targets {
            match engine.load(&settings) {
                Ok(generation) => {
                    current.insert(target, ArcSwap::from_pointee(generation));
                }
                Err(more) => problems.extend(more.into_iter().map(|p| p.on(&target))),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let policies = Self { engine, current, seen: Mutex::default() };
        for generation in policies.current.values() {
            policies.remember(&generation.load());
        }
        Ok(policies)
    }

    /// The policy in force for a target; `None` for a target that is not configured, which must
    /// be refused.
    pub fn current(&self, target: &str) -> Option<Arc<Generation>> {
        self.current.get(target).map(ArcSwap::load_full)
    }

    /// Loads a policy anew and puts it in force from the next request on.
    ///
    /// # Errors
    /// Every problem; the policy in force stays the one before.
    pub fn publish(&self, target: &str, settings: &PolicySettings) -> Result<Change, Vec<Problem>> {
        let slot = self
            .current
            .get(target)
            .ok_or_else(|| vec![Problem::general("is not a target of this gateway").on(target)])?;
        let next = Arc::new(self.engine.load(settings).map_err(|problems| {
            problems.into_iter().map(|problem| problem.on(target)).collect::<Vec<_>>()
        })?);
        self.remember(&next);
        let last = slot.swap(next.clone());
        Ok(Change {
            target: target.to_owned(),
            policy_digest: (last.settings.digest.clone(), next.settings.digest.clone()),
            before: last.stamps.clone(),
            now: next.stamps.clone(),
        })
    }

    /// Targets with a plugin file whose contents changed since they were last loaded or reported
    /// here. Each change is reported once, so a broken file is tried once.
    pub fn changed(&self) -> Vec<String> {
        let mut touched: Vec<PathBuf> = Vec::new();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (file, last) in seen.iter_mut() {
            let stat = stat(file);
            if stat.is_some() && stat == last.stat {
                continue;
            }
            let digest = plugin::read(file).ok().map(|bytes| digest::sha256(&bytes));
            if digest != last.digest {
                touched.push(file.clone());
            }
            *last = Seen { stat, digest };
        }
        drop(seen);
        let uses = |generation: &Generation| {
            generation.settings.plugins.iter().any(|plugin| touched.contains(&plugin.file))
        };
        let mut targets: Vec<String> = self
            .current
            .iter()
            .filter(|(_, generation)| uses(&generation.load()))
            .map(|(target, _)| target.clone())
            .collect();
        targets.sort();
        targets
    }

    fn remember(&self, generation: &Generation) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (settings, stamp) in generation.settings.plugins.iter().zip(&*generation.stamps) {
            // No stat: the file may have changed since it was read, so the next look hashes it.
            let digest = Some(stamp.digest.clone());
            seen.insert(settings.file.clone(), Seen { stat: None, digest });
        }
    }
}

fn stat(file: &Path) -> Option<(u64, SystemTime)> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

//! One loaded policy ([`Generation`]), and the one in force for each target ([`Policies`]).

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;

use super::host::{Engine, Stores};
use super::instances::Places;
use super::plugin::Plugin;
use super::{PluginStamp, PolicySettings, Problem};

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

    /// Whether any plugin counts what results give out.
    pub(super) fn meters(&self) -> bool {
        self.plugins.iter().any(|plugin| plugin.meters())
    }

    /// Whether any plugin judges or hides anything.
    pub fn has_plugins(&self) -> bool {
        !self.plugins.is_empty()
    }

    pub(super) fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// One plugin alone, with a mask key of its own.
    pub(super) fn of_one(engine: &Engine, plugin: Arc<Plugin>, mask_key: Arc<hmac::Key>) -> Self {
        let settings = PolicySettings::of_one(plugin.settings().clone());
        let stamps = Arc::from([plugin.stamp.clone()]);
        let (plugins, places) = (vec![plugin], engine.places().clone());
        Self { settings, plugins, stamps, mask_key, places }
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
    /// Loads a policy with all its plugins, apart from any target: what they store is theirs alone.
    ///
    /// # Errors
    /// Every problem of every plugin at once.
    pub fn load(&self, settings: &PolicySettings) -> Result<Generation, Vec<Problem>> {
        self.load_with(settings, |_| Arc::default())
    }

    /// The same for a target, whose plugins find what they stored before.
    ///
    /// # Errors
    /// Every problem of every plugin at once.
    pub(super) fn load_on(
        &self,
        target: &str,
        settings: &PolicySettings,
    ) -> Result<Generation, Vec<Problem>> {
        self.load_with(settings, |plugin| self.shelves().of(target, plugin))
    }

    fn load_with(
        &self,
        settings: &PolicySettings,
        stores: impl Fn(&str) -> Arc<Stores>,
    ) -> Result<Generation, Vec<Problem>> {
        let mut plugins = Vec::new();
        let mut problems = Vec::new();
        for (place, one) in settings.plugins.iter().enumerate() {
            if settings.plugins.iter().take(place).any(|other| other.name == one.name) {
                problems.push(Problem::of(&one.name, "is named twice in this policy"));
            }
            match Plugin::load(self, one, &settings.signing, stores(&one.name)) {
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
    /// SHA-256 of the policy file before and now, hex; a target that is new had none.
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
    current: ArcSwap<HashMap<String, Arc<Generation>>>,
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
            match engine.load_on(&target, &settings) {
                Ok(generation) => {
                    current.insert(target, Arc::new(generation));
                }
                Err(more) => problems.extend(more.into_iter().map(|p| p.on(&target))),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { engine, current: ArcSwap::from_pointee(current) })
    }

    /// The policy in force for a target; `None` for a target that is not configured, which must
    /// be refused.
    pub fn current(&self, target: &str) -> Option<Arc<Generation>> {
        self.current.load().get(target).map(Arc::clone)
    }

    /// Loads a policy, anew or for a target that had none, and puts it in force from the next
    /// request on.
    ///
    /// # Errors
    /// Every problem; the policy in force stays the one before.
    pub fn publish(&self, target: &str, settings: &PolicySettings) -> Result<Change, Vec<Problem>> {
        let next = Arc::new(self.engine.load_on(target, settings).map_err(|problems| {
            problems.into_iter().map(|problem| problem.on(target)).collect::<Vec<_>>()
        })?);
        let last = self.current.rcu(|current| {
            let mut current = HashMap::clone(current);
            current.insert(target.to_owned(), Arc::clone(&next));
            current
        });
        let last = last.get(target);
        let digest = last.map(|last| last.settings.digest.clone()).unwrap_or_default();
        Ok(Change {
            target: target.to_owned(),
            policy_digest: (digest, next.settings.digest.clone()),
            before: last.map_or_else(|| Arc::from([]), |last| Arc::clone(&last.stamps)),
            now: next.stamps.clone(),
        })
    }

    /// Forgets every target but these; open sessions keep the policy they hold.
    pub fn retain(&self, targets: &[String]) {
        self.engine.shelves().retain(targets);
        self.current.rcu(|current| {
            let mut current = HashMap::clone(current);
            current.retain(|target, _| targets.contains(target));
            current
        });
    }
}

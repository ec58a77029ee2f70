//! What all sessions share: the log, the verifier, the policies, the targets.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::audit::Log;
use crate::fault::Fault;
use crate::identity::Verifier;
use crate::policy::Policies;
use crate::policy::approval;
use crate::protocol::Facts;
use crate::protocol::postgres::frontend::Grammar;
use crate::protocol::postgres::statement::{FactsCache, Parsers};
use crate::session::registry;
use crate::upstream::TargetSettings;
use crate::upstream::catalogue::Catalogues;
use crate::upstream::tls::Tls;

/// A running gateway, as its sessions see it.
pub struct Gateway {
    pub(super) log: Log,
    pub(super) approvals: approval::Registry,
    pub(super) sessions: registry::Registry,
    pub(super) policies: Policies,
    verifier: ArcSwap<Verifier>,
    targets: ArcSwap<HashMap<String, Arc<Target>>>,
}

/// One target, ready for sessions.
pub(super) struct Target {
    pub(super) settings: TargetSettings,
    pub(super) tls: Option<Tls>,
    pub(super) catalogues: Catalogues,
    pub(super) grammar: TargetGrammar,
}

/// PostgreSQL's grammar as a target is configured to use it.
pub(super) struct TargetGrammar {
    cache: Arc<FactsCache>,
    parsers: Parsers,
}

impl Grammar for TargetGrammar {
    fn facts(&self, text: &Arc<str>) -> Result<Arc<Facts>, Fault> {
        self.cache.facts(text, self.parsers)
    }
}

impl Target {
    fn new(settings: TargetSettings) -> Result<Self, String> {
        let tls = Tls::new(&settings.tls)
            .map_err(|error| format!("target \"{}\": {error}", settings.name))?;
        let parsers =
            if settings.strict_parsers { Parsers::Strict } else { Parsers::Compat };
        let grammar = TargetGrammar { cache: Arc::new(FactsCache::new()), parsers };
        Ok(Self { settings, tls, catalogues: Catalogues::default(), grammar })
    }
}

/// Makes every target ready. The errors are for the operator.
pub(super) fn targets(
    settings: &[TargetSettings],
) -> Result<HashMap<String, Arc<Target>>, Vec<String>> {
    let mut targets = HashMap::new();
    let mut errors = Vec::new();
    for one in settings {
        match Target::new(one.clone()) {
            Ok(target) => {
                targets.insert(one.name.clone(), Arc::new(target));
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(targets) } else { Err(errors) }
}

impl Gateway {
    pub(super) fn new(
        log: Log,
        approvals: approval::Registry,
        policies: Policies,
        verifier: Verifier,
        targets: HashMap<String, Arc<Target>>,
    ) -> Self {
        Self {
            log,
            approvals,
            sessions: registry::Registry::default(),
            policies,
            verifier: ArcSwap::from_pointee(verifier),
            targets: ArcSwap::from_pointee(targets),
        }
    }

    /// Verifies tokens.
    pub(super) fn verifier(&self) -> Arc<Verifier> {
        self.verifier.load_full()
    }

    /// A configured target.
    pub(super) fn target(&self, name: &str) -> Option<Arc<Target>> {
        self.targets.load().get(name).map(Arc::clone)
    }

    /// The names of the targets, sorted.
    pub(super) fn target_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.targets.load().keys().cloned().collect();
        names.sort();
        names
    }

    /// Replaces the targets; open sessions keep theirs and take the new policy.
    pub(super) fn replace_targets(&self, targets: HashMap<String, Arc<Target>>) {
        self.targets.store(Arc::new(targets));
    }

    /// Replaces the verifier and stops the old one's tasks.
    pub(super) fn replace_verifier(&self, verifier: Verifier) {
        self.verifier.swap(Arc::new(verifier)).stop();
    }
}

//! What all sessions share: the log, the verifier, the policies, the targets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::audit::Log;
use crate::export::Exports;
use crate::export::anchor::Anchors;
use crate::fault::{Blame, Fault};
use crate::identity::Verifier;
use crate::policy::Policies;
use crate::policy::approval;
use crate::protocol::postgres::frontend::Grammar;
use crate::protocol::postgres::replication::{self, Mode, Scope};
use crate::protocol::postgres::statement::{FactsCache, Parsers};
use crate::protocol::{Facts, Protocol};
use crate::search::Search;
use crate::session::{Session, registry};
use crate::upstream::TargetSettings;
use crate::upstream::catalogue::Catalogues;
use crate::upstream::kubernetes::Server;
use crate::upstream::tls::Tls;

/// A running gateway, as its sessions see it.
pub struct Gateway {
    pub(super) log: Log,
    pub(super) approvals: approval::Registry,
    pub(super) sessions: registry::Registry,
    pub(super) policies: Policies,
    pub(super) anchors: Anchors,
    pub(super) exports: Exports,
    pub(super) search: Search,
    verifier: ArcSwap<Verifier>,
    targets: ArcSwap<HashMap<String, Arc<Target>>>,
    config: ArcSwap<ConfigState>,
    trust: watch::Sender<u64>,
}

/// Which configuration is in force, for the operator.
#[derive(Clone, Debug, Default)]
pub(super) struct ConfigState {
    /// SHA-256 over it, hex.
    pub(super) digest: String,
    /// The files have changed since, and what they say now is refused.
    pub(super) change_refused: bool,
}

/// One target, ready for sessions.
pub(super) struct Target {
    pub(super) settings: TargetSettings,
    pub(super) tls: Option<Tls>,
    /// How an API server is reached, if it is one.
    pub(super) server: Option<Server>,
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

/// The same for one session, which may be one for replication.
pub(super) struct SessionGrammar<'a> {
    pub(super) grammar: &'a TargetGrammar,
    pub(super) mode: Option<Mode>,
    pub(super) scope: Scope,
}

impl Grammar for SessionGrammar<'_> {
    fn facts(&self, text: &Arc<str>) -> Result<Arc<Facts>, Fault> {
        let Some(mode) = self.mode else { return self.grammar.facts(text) };
        match replication::facts(text, self.scope)? {
            Some(facts) => Ok(Arc::new(facts)),
            None if mode == Mode::Physical => Err(no_sql()),
            None => self.grammar.facts(text),
        }
    }
}

fn no_sql() -> Fault {
    let message = "a session with replication=true takes replication commands, not SQL";
    Fault::new(Blame::Client, "replication_no_sql", "0A000", message)
        .hint("Connect with replication=database, or without it, to run SQL.")
}

impl Target {
    fn new(settings: TargetSettings) -> Result<Self, String> {
        let named = |error: String| format!("target \"{}\": {error}", settings.name);
        let tls = Tls::new(&settings.tls).map_err(named)?;
        let server = match settings.protocol {
            Protocol::Kubernetes => Some(Server::new(&settings).map_err(named)?),
            Protocol::Postgres => None,
        };
        let parsers = if settings.strict_parsers { Parsers::Strict } else { Parsers::Compat };
        let grammar = TargetGrammar { cache: Arc::new(FactsCache::new()), parsers };
        Ok(Self { settings, tls, server, catalogues: Catalogues::default(), grammar })
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
        (anchors, exports, search): (Anchors, Exports, Search),
        approvals: approval::Registry,
        policies: Policies,
        verifier: Verifier,
        targets: HashMap<String, Arc<Target>>,
        digest: String,
    ) -> Self {
        Self {
            log,
            approvals,
            sessions: registry::Registry::default(),
            policies,
            anchors,
            exports,
            search,
            verifier: ArcSwap::from_pointee(verifier),
            targets: ArcSwap::from_pointee(targets),
            config: ArcSwap::from_pointee(ConfigState { digest, change_refused: false }),
            trust: watch::Sender::default(),
        }
    }

    /// Verifies tokens.
    pub(super) fn verifier(&self) -> Arc<Verifier> {
        self.verifier.load_full()
    }

    /// Whether anything may run, as far as those who keep the log elsewhere say.
    pub(super) fn vouched(&self) -> Result<(), Fault> {
        self.anchors.check()?;
        self.exports.check()
    }

    /// A configured target.
    pub(super) fn target(&self, name: &str) -> Option<Arc<Target>> {
        self.targets.load().get(name).map(Arc::clone)
    }

    /// The only target that is open to physical replication.
    pub(super) fn physical_target(&self) -> Option<Arc<Target>> {
        let targets = self.targets.load();
        let mut open = targets.values().filter(|one| one.settings.replication == Scope::All);
        match (open.next(), open.next()) {
            (Some(only), None) => Some(Arc::clone(only)),
            _ => None,
        }
    }

    /// The names of the targets, sorted.
    pub(super) fn target_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.targets.load().keys().cloned().collect();
        names.sort();
        names
    }

    /// Replaces the targets; open sessions keep theirs and take the new policy, unless the new
    /// access rules end them.
    pub(super) fn replace_targets(&self, targets: HashMap<String, Arc<Target>>) {
        self.targets.store(Arc::new(targets));
        self.trust_changed();
    }

    /// Which configuration is in force.
    pub(super) fn config(&self) -> Arc<ConfigState> {
        self.config.load_full()
    }

    /// Says which configuration is in force.
    pub(super) fn set_config(&self, state: ConfigState) {
        self.config.store(Arc::new(state));
    }

    /// Makes every session check again whether it may go on.
    pub(super) fn trust_changed(&self) {
        self.trust.send_modify(|round| *round = round.wrapping_add(1));
    }

    /// Changes whenever sessions must check again whether they may go on.
    pub(super) fn trust(&self) -> watch::Receiver<u64> {
        self.trust.subscribe()
    }

    /// Whether an open session would be opened today: its token still counts, and the access
    /// rules of its target still admit it.
    pub(super) fn recheck(
        &self,
        session: &Session,
        replication: Option<Mode>,
    ) -> Result<(), Fault> {
        self.verifier().recheck(session.principal(), SystemTime::now())?;
        let admitted = self.target(session.target()).is_some_and(|target| {
            let TargetSettings { access, databases, .. } = &target.settings;
            let streams = replication.is_none_or(|mode| {
                let everything = mode == Mode::Physical;
                target.settings.replication.opens(mode)
                    && (!everything || session.admitted_to_all(access, databases))
            });
            streams
                && (target.settings.protocol != Protocol::Postgres
                    || databases.iter().any(|name| name == session.database()))
                && session.admitted(access)
        });
        if admitted { Ok(()) } else { Err(withdrawn(session.target())) }
    }

    /// Replaces the verifier and stops the old one's tasks.
    pub(super) fn replace_verifier(&self, verifier: Verifier) {
        self.verifier.swap(Arc::new(verifier)).stop();
        self.trust_changed();
    }
}

fn withdrawn(target: &str) -> Fault {
    let message = format!("the session ends because target \"{target}\" is no longer open to it");
    Fault::new(Blame::Policy, "access_withdrawn", "57P01", message)
        .hint("The operator changed who may connect; what ran before is recorded.")
}

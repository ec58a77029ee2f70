//! Starting and stopping a gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::evidence::LogEvidence;
use super::runtime::{self, Gateway};
use super::{connection, kubernetes, reload};
use crate::admin::{Admin, Desk, People, Verifying};
use crate::audit::{Event, Log};
use crate::config::Config;
use crate::export::anchor::{Anchorer, Anchors, Compared};
use crate::export::{Exporter, Exports};
use crate::fault::{Blame, Fault};
use crate::identity::{Token, Verifier};
use crate::limits::{
    ACCEPT_BACKOFF_MILLIS_MAX, CONNECTIONS_MAX, DRAIN_MILLIS_MAX, ISSUER_FIRST_FETCH_MILLIS_MAX,
};
use crate::listener::tls::Acceptor;
use crate::listener::{ListenerSettings, tls};
use crate::policy::approval::Registry;
use crate::policy::{Engine, Policies};
use crate::protocol::Protocol;
use crate::search::Search;

/// An address that the gateway answers on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bound {
    /// The protocol's word, or `admin`.
    pub kind: &'static str,
    /// The operator's name for it.
    pub name: String,
    /// Where; the real port when the configuration said 0.
    pub address: SocketAddr,
}

/// A gateway that serves until it is told to stop.
pub struct Running {
    bound: Vec<Bound>,
    gateway: Arc<Gateway>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Why a gateway does not start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StartError {
    /// The log is not what an anchor remembers of it.
    pub contradicted: bool,
    /// Everything that stands in the way, for the operator.
    pub errors: Vec<String>,
}

impl From<Vec<String>> for StartError {
    fn from(errors: Vec<String>) -> Self {
        Self { contradicted: false, errors }
    }
}

/// Starts a gateway: loads the plugins, compares the log with its anchors and opens it, reads the
/// issuers' keys, binds.
///
/// # Errors
/// Everything that stands in the way, for the operator.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let one = |error: String| StartError::from(vec![error]);
    let targets = runtime::targets(&config.targets)?;
    let mut acceptors = Vec::new();
    for settings in &config.listeners {
        acceptors.push(tls::acceptor(settings).map_err(one)?);
    }
    let engine = Engine::new(Some(&config.log.dir.join("plugin-cache")))
        .map_err(|problem| one(problem.to_string()))?;
    let wanted = config.targets.iter().map(|it| (it.name.clone(), it.policy.clone())).collect();
    let policies = Policies::new(engine, wanted)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let (log, anchors, anchorers) = open_log(&config).await?;
    let verifier =
        Verifier::start(config.issuers.clone()).map_err(|fault| one(fault.to_string()))?;
    verifier.first_fetch(Duration::from_millis(ISSUER_FIRST_FETCH_MILLIS_MAX)).await;
    for issuer in verifier.status().iter().filter(|issuer| issuer.degraded) {
        let why = issuer.last_error.as_deref().unwrap_or("no keys yet");
        tracing::warn!(issuer = issuer.name, "the keys of an issuer can't be read: {why}");
    }
    let approvals = Registry::new(config.admin.approver_groups.clone());
    let digest = config.digest.clone();
    let (exports, exporters) = Exports::prepare(&config.exports, &config.export_dir, &log)?;
    let search = Search::start(&config.search_dir, &log)
        .map_err(|error| one(format!("the search index can't be kept: {error}")))?;
    let gateway = Arc::new(Gateway::new(
        log,
        (anchors, exports, search),
        approvals,
        policies,
        verifier,
        targets,
        digest,
    ));
    for name in gateway.target_names() {
        let loaded = reload::loaded(&gateway, &name);
        gateway.log.event(loaded).await.map_err(|fault| one(fault.to_string()))?;
    }
    Ok(bind(config, gateway, acceptors, (anchorers, exporters)).await?)
}

/// Opens the log, once no anchor contradicts it.
async fn open_log(config: &Config) -> Result<(Log, Anchors, Vec<Anchorer>), StartError> {
    let one = |error: crate::audit::Error| StartError::from(vec![error.to_string()]);
    let prepared = Log::prepare(&config.log).map_err(one)?;
    let standing = prepared.standing().map_err(one)?;
    let compared = Anchors::compare(&config.anchors, &config.anchor_dir, standing.as_ref()).await?;
    let (contradicted, errors) = compared.objections();
    if !errors.is_empty() {
        return Err(StartError { contradicted, errors });
    }
    let Compared { anchors, checks, anchorers } = compared;
    let checked = (!checks.is_empty()).then_some(Event::AnchorsChecked { anchors: checks });
    let log = prepared.begin(&config.digest, checked.into_iter().collect()).map_err(one)?;
    Ok((log, anchors, anchorers))
}

async fn bind(
    config: Config,
    gateway: Arc<Gateway>,
    acceptors: Vec<Acceptor>,
    (anchorers, exporters): (Vec<Anchorer>, Vec<Exporter>),
) -> Result<Running, Vec<String>> {
    let (stop, stopping) = watch::channel(false);
    let mut bound = Vec::new();
    let mut tasks = JoinSet::new();
    for (settings, acceptor) in config.listeners.iter().zip(acceptors) {
        let at = |error: std::io::Error| vec![format!("{}: {error}", settings.listen)];
        let listener = TcpListener::bind(settings.listen).await.map_err(at)?;
        let address = listener.local_addr().map_err(at)?;
        bound.push(Bound { kind: settings.protocol.word(), name: settings.name.clone(), address });
        let accept =
            accept(Arc::clone(&gateway), settings.clone(), acceptor, listener, stopping.clone());
        tasks.spawn(accept);
    }
    for anchorer in anchorers {
        tasks.spawn(anchorer.run(gateway.log.clone(), stopping.clone()));
    }
    for exporter in exporters {
        tasks.spawn(exporter.run(stopping.clone()));
    }
    let desk = Desk {
        settings: config.admin.clone(),
        people: Arc::new(Tokens(Arc::clone(&gateway))),
        approvals: gateway.approvals.clone(),
        evidence: Arc::new(LogEvidence::new(Arc::clone(&gateway))),
        scratch_dir: config.log.dir.clone(),
    };
    let admin = Admin::bind(desk).await.map_err(|fault| vec![fault.to_string()])?;
    bound.push(Bound { kind: "admin", name: "admin".to_owned(), address: admin.address() });
    let mut admin_stop = stopping.clone();
    tasks.spawn(admin.serve(async move { stopped(&mut admin_stop).await }));
    tasks.spawn(reload::watch(Arc::clone(&gateway), config, stopping));
    Ok(Running { bound, gateway, stop, tasks })
}

impl Running {
    /// The addresses it answers on.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// Takes no more connections, ends the open sessions, and closes the log.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let fault =
            Fault::new(Blame::Operator, "gateway_stopping", "57P01", "the gateway is stopping")
                .hint("Connect again in a moment; what ran before is recorded.");
        self.gateway.sessions.end_all(&fault);
        let deadline = Instant::now() + Duration::from_millis(DRAIN_MILLIS_MAX);
        while self.gateway.sessions.count() > 0 && Instant::now() < deadline {
            sleep(DRAIN_LOOK).await;
        }
        let rest = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout_at(deadline, rest).await;
        self.tasks.shutdown().await;
        self.gateway.verifier().stop();
        let gateway = Arc::clone(&self.gateway);
        let _ = tokio::task::spawn_blocking(move || gateway.search.stop()).await;
        if let Err(fault) =
            self.gateway.log.event(Event::Shutdown { reason: "told to stop".to_owned() }).await
        {
            tracing::error!("the end of the gateway is not recorded: {fault}");
        }
    }
}

/// How often a stopping gateway looks whether its sessions have ended.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Waits for the order to stop, or for the end of whoever could give it.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The guard is dropped here, so that nothing holds it across a wait.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn accept(
    gateway: Arc<Gateway>,
    settings: ListenerSettings,
    acceptor: Acceptor,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (name, protocol): (Arc<str>, _) = (settings.name.into(), settings.protocol);
    let mut backoff = Duration::from_millis(1);
    loop {
        let accepted = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = stopped(&mut stop) => return,
            (place, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    backoff = Duration::from_millis(1);
                    let (gateway, acceptor) = (Arc::clone(&gateway), acceptor.clone());
                    let name = Arc::clone(&name);
                    // Sessions outlive the accept loop for as long as draining lets them.
                    tokio::spawn(async move {
                        match protocol {
                            Protocol::Kubernetes => {
                                kubernetes::connection(gateway, &name, &acceptor, stream, peer)
                                    .await;
                            }
                            Protocol::Postgres => {
                                connection(gateway, &name, &acceptor, stream, peer).await;
                            }
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(listener = &*name, "can't accept: {error}");
                    sleep(backoff).await;
                    let most = Duration::from_millis(ACCEPT_BACKOFF_MILLIS_MAX);
                    backoff = (backoff * 2).min(most);
                }
            },
        }
    }
}

/// The verifier in force, for the admin endpoint.
struct Tokens(Arc<Gateway>);

impl People for Tokens {
    fn verify<'a>(&'a self, token: &'a Token, now: SystemTime) -> Verifying<'a> {
        Box::pin(async move { self.0.verifier().verify(token, now).await })
    }
}

//! One session: opening it, judging its requests, ending it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::Response;
use tokio::sync::watch;
use tokio::time::sleep;

use super::super::runtime::Gateway;
use super::super::{EXPIRY_LOOK, no_policy, tell_of};
use super::{hold, reply, unknown};
use crate::audit::{EndReason, Recorder};
use crate::downstream::http::AnswerBody;
use crate::fault::{Blame, Fault};
use crate::identity::Principal;
use crate::policy::{Decided, Generation, Instances, Judged, Troubles, refuse};
use crate::protocol::{Protocol, kubernetes};
use crate::session::registry::Registered;
use crate::session::{self, Session, Wanted};
use crate::upstream::kubernetes::Line;

/// An open session.
pub(super) struct Visit {
    pub(super) gateway: Arc<Gateway>,
    pub(super) session: Session,
    pub(super) recorder: Recorder,
    pub(super) line: Line,
    first: Arc<Generation>,
    /// Instances that no request uses now.
    instances: Mutex<Vec<Instances>>,
    troubles: Arc<Troubles>,
    over: watch::Sender<Option<Fault>>,
}

/// Sets of instances that a session keeps while no request uses them.
const IDLE_MAX: usize = 4;

/// Opens a session if the claims allow it.
pub(super) async fn open(
    gateway: &Arc<Gateway>,
    principal: Principal,
    (target, role): (&str, &str),
    client: &str,
    peer: SocketAddr,
) -> Result<Arc<Visit>, Fault> {
    let found = gateway.target(target);
    let found = found.filter(|found| found.settings.protocol == Protocol::Kubernetes);
    let target = found.ok_or_else(|| unknown(target))?;
    let settings = &target.settings;
    let role = match role {
        "" => session::first_role(&principal, &settings.access).unwrap_or_default(),
        role => role,
    };
    let wanted = Wanted {
        target: &settings.name,
        protocol: settings.protocol.word(),
        database: "",
        role,
        client,
        task: None,
        ticket: None,
        peer,
    };
    let session = session::open(principal, &settings.access, &wanted)?;
    let first = gateway.policies.current(session.target()).ok_or_else(no_policy)?;
    gateway.exports.check()?;
    let account = settings.accounts.iter().find(|account| account.role == session.role());
    let line = match (account, &target.server) {
        (Some(account), Some(server)) => server.line(account, &session)?,
        _ => {
            let message = format!("role \"{}\" has no account here", session.role());
            return Err(Fault::new(Blame::Operator, "account_missing", "28000", message));
        }
    };
    let place = gateway.sessions.enter(session.id(), 0, true).map_err(|_| {
        Fault::new(Blame::Operator, "no_random", "58000", "no random bytes to be had")
    })?;
    let recorder = gateway.log.begin(&session, settings.durability).await?;
    let visit = Arc::new(Visit {
        gateway: Arc::clone(gateway),
        session,
        recorder,
        line,
        first,
        instances: Mutex::default(),
        troubles: Arc::default(),
        over: watch::Sender::default(),
    });
    tokio::spawn(warden(Arc::clone(&visit), place));
    Ok(visit)
}

impl Visit {
    /// Whether the session has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over.borrow().is_some()
    }

    /// Gives the fault once the session ends.
    pub(super) async fn ended(&self) -> Fault {
        let mut over = self.over.subscribe();
        let fault = over.wait_for(Option::is_some).await.ok().and_then(|fault| fault.clone());
        fault.unwrap_or_else(gone)
    }

    /// The connection is closed.
    pub(super) fn leave(&self) {
        self.end(gone());
    }

    fn end(&self, fault: Fault) {
        self.over.send_if_modified(|over| {
            let first = over.is_none();
            over.get_or_insert(fault);
            first
        });
    }

    /// The policy in force now.
    pub(super) fn generation(&self) -> Arc<Generation> {
        let current = self.gateway.policies.current(self.session.target());
        current.unwrap_or_else(|| Arc::clone(&self.first))
    }

    /// Instances for one request, which nothing else uses meanwhile.
    pub(super) fn instances(&self) -> Instances {
        let kept = self.instances.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| Instances::new(&self.session, Arc::clone(&self.troubles)))
    }

    /// Gives them back.
    pub(super) async fn give_back(&self, instances: Instances) {
        {
            let mut kept = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < IDLE_MAX {
                kept.push(instances);
            }
        }
        tell_of(&self.gateway, &self.session, &self.troubles).await;
    }

    /// Judges, records, sends and answers one request.
    pub(super) async fn answer(
        self: Arc<Self>,
        asked: kubernetes::Asked,
    ) -> Result<Response<AnswerBody>, Fault> {
        if let Some(fault) = self.over.borrow().clone() {
            return Err(fault);
        }
        let generation = self.generation();
        let (info, request) = match kubernetes::request(&asked) {
            Ok(read) => read,
            Err(fault) => {
                let denied = refuse(kubernetes::unread(&asked), fault);
                self.recorder.deny(&denied).await?;
                return Err(denied.into_fault());
            }
        };
        let mut instances = self.instances();
        let judged = generation.judge(&mut instances, request);
        let judged = reply::guarded(&generation, &mut instances, &info, &asked, judged);
        self.give_back(instances).await;
        let decided = self.decided(judged).await?;
        let permit = self.recorder.permit(decided).await?.await?;
        let number = permit.number();
        let answer = tokio::select! {
            biased;
            fault = self.ended() => Err(fault),
            answer = self.line.send(permit) => answer,
        };
        reply::relay(self, generation, info, number, answer).await
    }

    async fn decided(&self, judged: Judged) -> Result<Decided, Fault> {
        let denied = match judged {
            Judged::Decided(decided) => return Ok(decided),
            Judged::Denied(denied) => denied,
            Judged::Held(held) => match hold::wait(self, held).await? {
                Ok(decided) => return Ok(decided),
                Err(denied) => *denied,
            },
        };
        self.recorder.deny(&denied).await?;
        Err(denied.into_fault())
    }
}

/// Watches for whatever ends the session from outside, and closes its record.
async fn warden(visit: Arc<Visit>, mut place: Registered) {
    let expires_at = visit.session.principal().claims().expires_at;
    let expiry = Duration::from_secs(u64::try_from(expires_at).unwrap_or(0));
    let expiry = SystemTime::UNIX_EPOCH + expiry;
    let mut trust = visit.gateway.trust();
    trust.mark_changed();
    let fault = loop {
        let left = expiry.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        if left.is_zero() {
            break super::super::expired();
        }
        tokio::select! {
            () = sleep(left.min(EXPIRY_LOOK)) => {}
            Ok(()) = trust.changed() => {
                if let Err(fault) = visit.gateway.recheck(&visit.session, None) {
                    break fault;
                }
            }
            fault = place.ended() => break fault.unwrap_or_else(gone),
            fault = visit.ended() => break fault,
        }
    };
    let reason = match fault.code {
        "client_gone" => EndReason::Downstream,
        "token_expired" => EndReason::Expired,
        _ => EndReason::Fault(fault.clone()),
    };
    visit.end(fault);
    tell_of(&visit.gateway, &visit.session, &visit.troubles).await;
    if let Err(fault) = visit.recorder.end(reason).await {
        let session = visit.session.id();
        tracing::error!(%session, "the end of a session is not recorded: {fault}");
    }
}

fn gone() -> Fault {
    Fault::new(Blame::Client, "client_gone", "57014", "the client left")
}

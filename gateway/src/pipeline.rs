//! The order of the stages, for every session. It reads top to bottom:
//!
//! 1. [`listener`] takes a connection and protects it: `Accepted`.
//! 2. [`identity`] verifies the token: `Principal`.
//! 3. [`session`] opens a session if the claims allow it: `Session`.
//! 4. [`protocol`] reads what the client asks for: `Request` (in [`forward`]).
//! 5. [`policy`] judges it: `Decided`, `Held` ([`hold`]) or `Denied`.
//! 6. [`audit`] makes it durable: `Permit`.
//! 7. [`upstream`] sends the permit, and reads the answers.
//! 8. [`policy`] masks each answer: `Masked` (in [`back`]).
//! 9. [`audit`] makes it durable: `Release`.
//! 10. [`downstream`] sends the release.

mod back;
mod calls;
mod change;
mod evidence;
mod forward;
mod hold;
mod kubernetes;
mod ledger;
mod live;
mod masking;
mod observe;
mod reload;
mod reported;
mod runtime;
mod serve;
mod signin;

pub use runtime::Gateway;
pub use serve::{Bound, Running, StartError, start};

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::audit::{EndReason, Event, Refusal, SessionNote};
use crate::downstream::{Sender, Word};
use crate::fault::{Blame, Fault};
use crate::identity::Claims;
use crate::limits::SIGN_IN_MILLIS_MAX;
use crate::listener::ClientStream;
use crate::listener::postgres::{Greeted, greet, refuse};
use crate::listener::tls::Acceptor;
use crate::policy::{SettingRules, Troubles};
use crate::protocol::postgres::backend::Severity;
use crate::protocol::postgres::startup::Startup;
use crate::session::Session;
use crate::session::registry::Registered;
use crate::upstream::postgres::{CancelKey, Connection, Start};
use crate::{listener, upstream};
use live::Live;

/// How a session ended, when no fault ended it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    ClientGone,
    ClientTerminated,
    TargetEnded,
}

/// Serves one connection from its first byte to its last.
async fn connection(
    gateway: Arc<Gateway>,
    listener: &str,
    acceptor: &Acceptor,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let limit = Duration::from_millis(SIGN_IN_MILLIS_MAX);
    let _ = stream.set_nodelay(true);
    let (accepted, startup) = match timeout(limit, greet(stream, peer, acceptor)).await {
        Ok(Ok(Greeted::Session { accepted, startup })) => (accepted, startup),
        Ok(Ok(Greeted::Cancel { pid, key })) => {
            gateway.sessions.cancel(pid, &key);
            return;
        }
        Ok(Ok(Greeted::Gone)) => return,
        Ok(Err(fault)) => return refused(&gateway, listener, peer, "start", fault, None).await,
        Err(_) => {
            let fault = too_slow();
            return refused(&gateway, listener, peer, "start", fault, None).await;
        }
    };
    let mut claims = None;
    match admit(&gateway, accepted, &startup, limit, &mut claims).await {
        Ok(Some(admitted)) => relay(admitted).await,
        Ok(None) => {}
        Err(refusal) => {
            let (stream, fault) = *refusal;
            let fault = refuse(stream, fault).await;
            refused(&gateway, listener, peer, "sign-in", fault, claims).await;
        }
    }
}

/// A session that is open on both sides.
struct Admitted {
    live: Live,
    client: ClientStream,
    target: Connection,
    place: Registered,
}

type Refused = Box<(ClientStream, Fault)>;

/// Token, principal, session, first entry, target: in this order.
async fn admit(
    gateway: &Arc<Gateway>,
    accepted: listener::Accepted<ClientStream>,
    startup: &Startup,
    limit: Duration,
    claims: &mut Option<Claims>,
) -> Result<Option<Admitted>, Refused> {
    let peer = accepted.peer();
    let mut client = accepted.into_stream();
    let token = match timeout(limit, signin::ask_token(&mut client, startup)).await {
        Ok(Ok(Some(token))) => token,
        Ok(Ok(None)) => return Ok(None),
        Ok(Err(fault)) => return Err(Box::new((client, fault))),
        Err(_) => return Err(Box::new((client, too_slow()))),
    };
    let verifier = gateway.verifier();
    let principal = match verifier.verify(&token, SystemTime::now()).await {
        Ok(principal) => principal,
        Err(fault) => return Err(Box::new((client, fault))),
    };
    drop(token);
    *claims = Some(principal.claims().clone());
    let opened = signin::target(gateway, startup).and_then(|(target, database)| {
        let session = signin::open(principal, &target, startup, database, peer)?;
        let replication = signin::replication(startup, &target, &session)?;
        let settings = signin::settings(startup, replication)?;
        let policy = gateway.policies.current(session.target()).ok_or_else(no_policy)?;
        Ok((target, session, settings, policy, replication))
    });
    let (target, session, settings, policy, replication) = match opened {
        Ok(opened) => opened,
        Err(fault) => return Err(Box::new((client, fault))),
    };
    if let Err(fault) = gateway.exports.check() {
        return Err(Box::new((client, fault)));
    }
    let durability = target.settings.durability;
    let recorder = match gateway.log.begin(&session, durability).await {
        Ok(recorder) => recorder,
        Err(fault) => return Err(Box::new((client, fault))),
    };
    let judged = signin::judge(settings, &target, &session, &policy, &recorder).await;
    let connected = match judged {
        Ok(start) => {
            let start = start.replicating(replication);
            connect(gateway, &target, &session, startup, start).await
        }
        Err(fault) => Err(fault),
    };
    match connected {
        Ok((connection, place)) => {
            let begun = connection.parameters();
            let live = Live::new(Arc::clone(gateway), target, session, recorder, policy, begun)
                .replicating(replication);
            Ok(Some(Admitted { live, client, target: connection, place }))
        }
        Err(fault) => {
            // The session's own entry says why it ended, so no refusal is recorded for it too.
            let _ = recorder.end(EndReason::Fault(fault.clone())).await;
            refuse(client, fault).await;
            Ok(None)
        }
    }
}

async fn connect(
    gateway: &Gateway,
    target: &runtime::Target,
    session: &Session,
    startup: &Startup,
    start: Start,
) -> Result<(Connection, Registered), Fault> {
    let accounts = &target.settings.accounts;
    let account = accounts.iter().find(|account| account.role == session.role());
    let account = account.ok_or_else(|| {
        let message = format!("role \"{}\" has no account here", session.role());
        Fault::new(Blame::Operator, "account_missing", "28000", message)
    })?;
    let tls = target.tls.as_ref();
    let database = session.database();
    let connection =
        upstream::postgres::connect(&target.settings, tls, account, database, start).await?;
    for (name, value) in connection.parameters() {
        reported::check(name, value, None, &SettingRules::default())?;
    }
    let pid = connection.cancel_key().pid();
    let long_key = startup.minor_spoken() >= 2;
    let place = gateway.sessions.enter(session.id(), pid, long_key).map_err(|_| {
        let message = "no random bytes to be had";
        Fault::new(Blame::Operator, "no_random", "58000", message)
    })?;
    Ok((connection, place))
}

/// Runs an open session in both directions until one ends it.
async fn relay(admitted: Admitted) {
    let Admitted { live, client, target, mut place } = admitted;
    let (read, write) = tokio::io::split(client);
    let mut sender = Sender::new(write);
    sender.say(&Word::AuthenticationOk);
    for (name, value) in target.parameters() {
        sender.say(&Word::Parameter(name, value));
    }
    sender.say(&Word::KeyData(target.cancel_key().pid(), place.key()));
    sender.say(&Word::Ready(b'I'));
    let cancel_key = target.cancel_key().clone();
    let (to_target, from_target) = target.split();
    let (notices, noticed) = mpsc::channel(NOTICES_MAX);
    let ended = match sender.flush().await {
        Err(_) => Ok(End::ClientGone),
        Ok(()) => {
            let mut forward = forward::Forward::new(&live, read, to_target, notices);
            let mut back = back::Back::new(&live, from_target, &mut sender, noticed);
            tokio::select! {
                biased;
                fault = warden(&live, &mut place, &cancel_key) => Err(fault),
                end = back.run() => end,
                end = forward.run() => end,
            }
        }
    };
    finish(&live, sender, &cancel_key, ended).await;
}

/// Notices on their way to the client.
const NOTICES_MAX: usize = 16;

/// Watches for whatever ends or cancels the session from outside.
async fn warden(live: &Live, place: &mut Registered, key: &CancelKey) -> Fault {
    let cancel = place.cancel();
    let expires_at = live.session.principal().claims().expires_at;
    let expiry = u64::try_from(expires_at).unwrap_or(0);
    let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(expiry);
    let mut trust = live.gateway.trust();
    // What changed between the sign-in and now must not be missed.
    trust.mark_changed();
    loop {
        // Asked again each round: a suspended machine's timers stand still, its clock does not.
        let left = expiry.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        if left.is_zero() {
            return expired();
        }
        tokio::select! {
            () = sleep(left.min(EXPIRY_LOOK)) => {}
            Ok(()) = trust.changed() => {
                if let Err(fault) = live.gateway.recheck(&live.session, live.replication) {
                    return fault;
                }
            }
            () = live.troubles.noticed() => tell(live).await,
            fault = place.ended() => return fault.unwrap_or_else(client_gone),
            () = cancel.notified() => {
                if live.holding.load(Ordering::SeqCst) {
                    live.withdraw.notify_one();
                } else {
                    let _nothing_follows = live.sending.lock().await;
                    if live.shared().ledger.len() > 0 {
                        let tls = live.target.tls.as_ref();
                        let _ = upstream::postgres::cancel(&live.target.settings, tls, key).await;
                    }
                }
            }
        }
    }
}

/// Records the plugins that failed: the operator's business, and no reason to stop a session.
async fn tell(live: &Live) {
    tell_of(&live.gateway, &live.session, &live.troubles).await;
}

async fn tell_of(gateway: &Gateway, session: &Session, troubles: &Troubles) {
    for trap in troubles.take() {
        let event = Event::PluginTrap {
            target: session.target().to_owned(),
            session: session.id().to_string(),
            plugin: trap.plugin,
            detail: trap.what,
            on_error: trap.on_error.to_owned(),
            untold: trap.untold,
        };
        if let Err(fault) = gateway.log.event(event).await {
            tracing::error!("a failure of a plugin is not recorded: {fault}");
        }
    }
}

/// How often a session looks at the clock for its token's expiry.
const EXPIRY_LOOK: Duration = Duration::from_secs(5);

/// Tells the client why, stops what still runs on the target, and closes the record.
async fn finish(
    live: &Live,
    mut sender: Sender<ClientStream>,
    key: &CancelKey,
    ended: Result<End, Fault>,
) {
    let told = ended.as_ref().err().cloned();
    let reason = match ended {
        Ok(End::ClientGone | End::ClientTerminated) => EndReason::Downstream,
        Ok(End::TargetEnded) => EndReason::Upstream,
        Err(fault) if fault.code == "token_expired" => EndReason::Expired,
        Err(fault) => EndReason::Fault(fault),
    };
    if let Some(fault) = &told {
        if live.shared().ledger.len() > 0 {
            let tls = live.target.tls.as_ref();
            let _ = upstream::postgres::cancel(&live.target.settings, tls, key).await;
        }
        if !sender.interrupted() {
            sender.say(&Word::Report(Severity::Fatal, fault));
            let _ = timeout(Duration::from_secs(1), sender.flush()).await;
        }
    }
    tell(live).await;
    let _ = timeout(Duration::from_secs(1), sender.into_half().shutdown()).await;
    if let Err(fault) = live.recorder.end(reason).await {
        let session = live.session.id();
        tracing::error!(%session, "the end of a session is not recorded: {fault}");
    }
}

async fn refused(
    gateway: &Gateway,
    listener: &str,
    peer: SocketAddr,
    stage: &'static str,
    fault: Fault,
    claims: Option<Claims>,
) {
    tracing::info!(%peer, code = fault.code, "refused: {fault}");
    let listener = listener.to_owned();
    let refusal = Refusal { listener, peer, stage, fault, claims, detail: None };
    gateway.log.refusal(refusal).await;
}

/// A refusal inside a session, for its record.
fn noted(fault: &Fault) -> SessionNote {
    SessionNote::Other { what: fault.code.to_owned(), detail: fault.message.to_string() }
}

fn too_slow() -> Fault {
    Fault::new(Blame::Client, "sign_in_slow", "08006", "signing in took too long")
}

fn no_policy() -> Fault {
    let message = "this target has no policy in force";
    Fault::new(Blame::Operator, "policy_missing", "28000", message)
}

fn expired() -> Fault {
    Fault::new(
        Blame::Client,
        "token_expired",
        "57P01",
        "the session ends because its token has expired",
    )
    .hint("Get a fresh token and connect again; what ran before is recorded.")
}

fn client_gone() -> Fault {
    Fault::new(Blame::Client, "client_gone", "08006", "the client is gone")
}

fn upstream_gone() -> Fault {
    Fault::new(Blame::Upstream, "target_gone", "08006", "the target closed the connection")
        .hint("What was under way may or may not have run; look before repeating it.")
}

//! A held request: the answer waits for a person, for as long as clients are patient with a
//! server that is silent. Then they are told to come back, and the same request joins the same
//! question.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::super::hold::Open;
use super::visit::Visit;
use crate::fault::Fault;
use crate::limits::KUBERNETES_HOLD_SECS;
use crate::policy::approval::{Given, Pending};
use crate::policy::{Decided, Denied, Held};

enum Woken {
    Answer(Box<Given>),
    Ended(Fault),
    Expired,
    Later,
}

/// Asks and waits. The inner error is a refusal; the outer one may be the word to come back.
pub(super) async fn wait(visit: &Visit, held: Held) -> Result<Result<Decided, Box<Denied>>, Fault> {
    let now = SystemTime::now();
    let approvals = &visit.gateway.approvals;
    if let Some(late) = approvals.redeem(&held, &visit.session, now) {
        visit.recorder.late_approval(&late).await?;
        return Ok(held.grant(late.granted, &visit.session, SystemTime::now()));
    }
    let asked = match approvals.rejoin(&held, &visit.session, now) {
        Some(pending) => Ok(pending),
        None => approvals.ask(&held, &visit.session, now),
    };
    let pending = match asked {
        Ok(pending) => pending,
        Err(fault) => return Ok(Err(Box::new(held.refuse(fault)))),
    };
    let mut open = Open::record(&visit.recorder, &visit.session, held, pending).await?;
    match sleep_on(visit, &mut open.pending, now).await {
        Woken::Answer(given) => open.answered(*given).await,
        Woken::Expired => open.expired().await,
        Woken::Later => {
            let fault = open.pending.notice(SystemTime::now());
            open.withdrawn("the client is told to come back").await?;
            open.pending.leave(SystemTime::now());
            Err(Fault { hint: None, ..fault }
                .hint("Send the same request again to go on waiting; kubectl does so by itself."))
        }
        Woken::Ended(fault) => {
            open.withdrawn("the session ended").await?;
            open.pending.leave(SystemTime::now());
            Err(fault)
        }
    }
}

async fn sleep_on(visit: &Visit, pending: &mut Pending, now: SystemTime) -> Woken {
    let left = pending.deadline().duration_since(now).unwrap_or(Duration::ZERO);
    tokio::select! {
        biased;
        fault = visit.ended() => Woken::Ended(fault),
        () = sleep(left) => Woken::Expired,
        answer = pending.answer() => match answer {
            Ok(given) => Woken::Answer(Box::new(given)),
            Err(fault) => Woken::Ended(fault),
        },
        () = sleep(Duration::from_secs(KUBERNETES_HOLD_SECS)) => Woken::Later,
    }
}

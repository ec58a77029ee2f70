//! A held request: the answer waits for a person, for as long as clients are patient with a
//! server that is silent. Then they are told to come back, and the same request joins the same
//! question.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::visit::Visit;
use crate::audit::{ApprovalDecision, ApprovalOutcome};
use crate::fault::Fault;
use crate::identity::Claims;
use crate::limits::KUBERNETES_HOLD_SECS;
use crate::policy::approval::{Answer, Given, Pending};
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
    let mut pending = match asked {
        Ok(pending) => pending,
        Err(fault) => return Ok(Err(Box::new(held.refuse(fault)))),
    };
    let deadline = pending.deadline();
    let until = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let until = i64::try_from(until.as_secs()).unwrap_or(i64::MAX);
    let number = visit.recorder.hold(&held, pending.id(), pending.binding(), until).await?;
    let id = pending.id().to_owned();
    let record = async |decision, by: Option<Claims>, note: &str| {
        let note = (!note.is_empty()).then(|| note.to_owned());
        let outcome = ApprovalOutcome { id: id.clone(), number, decision, by, note };
        visit.recorder.approval(&outcome).await
    };
    match sleep_on(visit, &mut pending, deadline, now).await {
        Woken::Answer(given) => {
            let result = match given.answer() {
                Answer::Approve => ApprovalDecision::Approved,
                Answer::Deny => ApprovalDecision::Denied,
            };
            record(result, Some(given.approver().clone()), given.note()).await?;
            let now = SystemTime::now();
            match pending.acknowledge(*given, now) {
                Ok(granted) => Ok(held.grant(granted, &visit.session, now)),
                Err(fault) => Ok(Err(Box::new(held.refuse(fault)))),
            }
        }
        Woken::Expired => {
            record(ApprovalDecision::Expired, None, "").await?;
            Ok(Err(Box::new(held.refuse(pending.expire(SystemTime::now())))))
        }
        Woken::Later => {
            let fault = pending.notice(SystemTime::now());
            record(ApprovalDecision::Withdrawn, None, "the client is told to come back").await?;
            pending.leave(SystemTime::now());
            Err(Fault { hint: None, ..fault }
                .hint("Send the same request again to go on waiting; kubectl does so by itself."))
        }
        Woken::Ended(fault) => {
            record(ApprovalDecision::Withdrawn, None, "the session ended").await?;
            pending.leave(SystemTime::now());
            Err(fault)
        }
    }
}

async fn sleep_on(
    visit: &Visit,
    pending: &mut Pending,
    deadline: SystemTime,
    now: SystemTime,
) -> Woken {
    let left = deadline.duration_since(now).unwrap_or(Duration::ZERO);
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

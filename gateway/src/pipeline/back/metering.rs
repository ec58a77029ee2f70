//! Counting what is given out: plugins that meter results are asked before each part leaves.

use std::sync::{Arc, PoisonError};

use super::{Back, shared};
use crate::audit::SessionNote;
use crate::fault::Fault;
use crate::pipeline::ledger::{Judgement, SharedPlan};
use crate::policy::{Finding, Masked};

/// The request that rows answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Its number in the log.
    pub(super) number: u64,
    /// A person let it run.
    pub(super) approved: bool,
}

impl Asked {
    pub(super) fn of(judgement: &Judgement) -> Self {
        Self { number: judgement.number, approved: judgement.approved }
    }
}

impl Back<'_> {
    /// The same part if it may be released; the inner error is for the client, in its place.
    pub(super) async fn metered(
        &mut self,
        asked: &Asked,
        plan: &SharedPlan,
        masked: Result<Masked, Fault>,
    ) -> Result<Result<Masked, Fault>, Fault> {
        let size = |masked: &Masked| (masked.rows(), masked.frames().len() as u64);
        match masked {
            Ok(masked) => self.metered_as(asked, plan, size(&masked), masked).await,
            Err(fault) => Ok(Err(fault)),
        }
    }

    /// The same for a part that stands for more than it holds: the first piece of a large row is
    /// asked about with the size of all of it, so that no row ends in its middle.
    pub(super) async fn metered_as(
        &mut self,
        asked: &Asked,
        plan: &SharedPlan,
        size: (u64, u64),
        masked: Masked,
    ) -> Result<Result<Masked, Fault>, Fault> {
        let counted = {
            let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
            let counted = plan.count(&mut self.instances, asked.approved, size);
            counted.map(|notes| (plan.counted(masked), notes))
        };
        let (masked, notes) = match counted {
            Ok(counted) => counted,
            Err(fault) => return Ok(Err(fault)),
        };
        for Finding { plugin, rule, message, .. } in notes {
            let detail = format!("request {}: plugin {plugin}, {rule}: {message}", asked.number);
            let what = "result_noted".to_owned();
            self.live.recorder.note(SessionNote::Other { what, detail }).await?;
        }
        Ok(Ok(masked))
    }

    /// The same for a result that is one part and has no columns. The function has run, so what
    /// may not be released ends the session.
    pub(super) async fn metered_alone(
        &mut self,
        judgement: &Judgement,
        masked: Masked,
    ) -> Result<Masked, Fault> {
        let generation = Arc::clone(&judgement.generation);
        let plan = generation.plan(&mut self.instances, &[])?.metered_by(&generation);
        let plan = shared(plan);
        self.metered(&Asked::of(judgement), &plan, Ok(masked)).await?
    }
}

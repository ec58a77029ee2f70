//! Functions called by their object id, as libpq does for large objects.

use std::sync::Arc;

use super::Forward;
use super::sending::Queued;
use crate::fault::{Blame, Fault};
use crate::pipeline::change::Change;
use crate::pipeline::ledger::{Expect, Judgement};
use crate::policy::{Decided, Generation};
use crate::protocol::postgres::frontend::{Call, Cycle};

impl Forward<'_> {
    /// Judges a call of a function that the target opens to calls.
    pub(super) async fn call(&mut self, call: Call) -> Result<(), Fault> {
        let state = self.live.state(self.queued.is_empty());
        let target = &self.live.target;
        let name = if target.settings.function_calls.is_empty() {
            None
        } else {
            let (tls, session) = (target.tls.as_ref(), &self.live.session);
            target.catalogues.function(&target.settings, tls, session, call.oid()).await?
        };
        let mut opened = target.settings.function_calls.iter();
        let opened = opened.find(|one| name.as_ref() == Some(&one.name));
        let shown = name.clone().unwrap_or_else(|| call.oid().to_string());
        let request = call.request(&shown, &state);
        let Some(harmless) = opened.map(|one| one.harmless) else {
            return self.refuse(Cycle::Simple, closed(&shown), Some(request)).await;
        };
        let generation = self.live.generation();
        let judged = generation.judge(&mut self.instances, request);
        match self.allowed(Cycle::Simple, judged).await? {
            Some(decided) => self.permit_call(decided, generation, harmless).await,
            None => Ok(()),
        }
    }

    async fn permit_call(
        &mut self,
        decided: Decided,
        generation: Arc<Generation>,
        harmless: bool,
    ) -> Result<(), Fault> {
        let facts = decided.request().shared_facts();
        // What the operator calls harmless makes no view and no setting mean something else.
        let change = if harmless { Change::None } else { Change::of(&facts) };
        let lineage = self.lineage();
        if !harmless {
            self.live.tracks(&facts);
        }
        let approved = decided.approval().is_some();
        let pending = self.live.recorder.permit(decided).await?;
        let number = pending.number();
        let judgement = Judgement { number, facts, generation, approved, change, lineage };
        let expect = Expect::Function { judgement, harmless, answered: false };
        self.queued.push_back(Queued::Permit { pending, expect, before: Vec::new() });
        Ok(())
    }
}

fn closed(function: &str) -> Fault {
    let message = format!("the function {function} is not open to calls by object id (fast path)");
    Fault::new(Blame::Policy, "function_call_refused", "0A000", message).hint(
        "Call it with SELECT instead, or ask the operator to list it in `function_calls`; the \
         session goes on.",
    )
}

//! Descriptions of results: the columns that are coming, and the plan that masks them.

use std::sync::Arc;

use super::{Back, out_of_step, shared};
use crate::fault::Fault;
use crate::pipeline::ledger::{Expect, Judgement, PlanSlot, Rows, SharedPlan};
use crate::protocol::postgres::backend;
use crate::protocol::postgres::frame::Frame;
use crate::protocol::postgres::lineage::FieldDescription;
use crate::upstream::catalogue::Asked;

impl Back<'_> {
    pub(super) async fn description(&mut self, frame: Frame) -> Result<(), Fault> {
        if let Some((judgement, copy)) = self.own_description() {
            return self.copy_described(&judgement, &copy, &frame).await;
        }
        let (judgement, slot, told) = {
            let mut shared = self.live.shared();
            match shared.ledger.head() {
                Some(Expect::Query { judgement, .. }) if frame.tag == b'T' => {
                    (judgement.clone(), None, true)
                }
                Some(Expect::DescribePortal { judgement, slot, told }) => {
                    let found = (judgement.clone(), Some(Arc::clone(slot)), *told);
                    shared.ledger.pop();
                    found
                }
                Some(Expect::DescribeStatement { .. }) => {
                    shared.ledger.pop();
                    drop(shared);
                    self.words(0, &frame);
                    return Ok(());
                }
                _ => return Err(out_of_step("a description that was not asked for")),
            }
        };
        let plan = match frame.tag {
            b'T' => match self.plan(&judgement, &frame).await {
                Ok(plan) => Rows::Some(plan),
                Err(fault) => return self.withhold(fault).await,
            },
            _ => Rows::None,
        };
        self.planned(slot, plan);
        if told {
            self.words(judgement.number, &frame);
        }
        Ok(())
    }

    fn planned(&self, slot: Option<PlanSlot>, rows: Rows) {
        match (slot, rows) {
            (Some(slot), rows) => {
                // A portal described twice keeps its first plan: its columns can't change.
                let _ = slot.set(rows);
            }
            (None, Rows::Some(new)) => {
                if let Some(Expect::Query { plan, .. }) = self.live.shared().ledger.head() {
                    *plan = Some(new);
                }
            }
            (None, Rows::None) => {}
        }
    }

    async fn plan(&mut self, judgement: &Judgement, frame: &Frame) -> Result<SharedPlan, Fault> {
        let fields = backend::row_description(frame.body.clone())
            .map_err(|_| out_of_step("a malformed RowDescription"))?;
        self.plan_of(judgement, &fields, false).await
    }

    pub(super) async fn plan_of(
        &mut self,
        judgement: &Judgement,
        fields: &[FieldDescription],
        stored_only: bool,
    ) -> Result<SharedPlan, Fault> {
        let generation = &judgement.generation;
        if !generation.masks() {
            let plan = generation.plan(&mut self.instances, &[])?;
            return Ok(shared(plan.metered_by(generation)));
        }
        let live = self.live;
        let tls = live.target.tls.as_ref();
        let asked = Asked {
            fields,
            facts: &judgement.facts,
            lineage: judgement.lineage,
            relinked: live.relinked(),
            stored_only,
        };
        let columns = live
            .target
            .catalogues
            .columns(&live.target.settings, tls, &live.session, asked)
            .await?;
        let plan = generation.plan(&mut self.instances, &columns)?;
        Ok(shared(plan.metered_by(generation)))
    }
}

//! COPY on its way back: rows that are masked as those of a SELECT, and the word that lets the
//! client give rows.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::metering::Asked;
use super::{Back, out_of_step};
use crate::fault::{Blame, Fault};
use crate::limits::{COPY_ROW_BYTES_MAX, LARGE_ROW_BYTES_MIN};
use crate::pipeline::ledger::{Copy, Expect, Judgement, Rows, SharedPlan};
use crate::policy::{Generation, Masked};
use crate::protocol::Statement;
use crate::protocol::postgres::backend;
use crate::protocol::postgres::copy::{CopyRows, Format};
use crate::protocol::postgres::frame::{self, Frame, Malformed};
use crate::protocol::postgres::lineage::FieldDescription;
use crate::protocol::postgres::replication;
use crate::protocol::postgres::statement::{copies_in, copies_out};

/// A COPY whose rows are on their way to the client.
pub(super) struct CopyOut {
    asked: Asked,
    plan: SharedPlan,
    /// Reads the rows; nothing when none of them has to be masked.
    rows: Option<CopyRows>,
    /// The policy under which a stream or a backup runs; it ends with it.
    under: Option<Arc<Generation>>,
    /// It is a stream; whether the server has ended it. Keep-alives may come after that.
    both: bool,
    ended: bool,
}

impl CopyOut {
    /// Whether the rows may be followed by something else.
    pub(super) fn may_complete(&self) -> bool {
        self.both && self.ended
    }
}

/// The statement under way, with what is known of its COPY.
struct UnderWay {
    judgement: Judgement,
    copy: Option<Arc<Copy>>,
}

impl Back<'_> {
    /// Takes the entry at the head if the gateway asked for a description of a COPY's query.
    pub(super) fn own_description(&self) -> Option<(Judgement, Arc<Copy>)> {
        let mut shared = self.live.shared();
        let Some(Expect::DescribeCopy { judgement, copy }) = shared.ledger.head() else {
            return None;
        };
        let own = (judgement.clone(), Arc::clone(copy));
        shared.ledger.pop();
        Some(own)
    }

    /// The columns of a COPY's query are known.
    pub(super) async fn copy_described(
        &mut self,
        judgement: &Judgement,
        copy: &Copy,
        frame: &Frame,
    ) -> Result<(), Fault> {
        if frame.tag != b'T' {
            return Ok(());
        }
        let mut fields = backend::row_description(frame.body.clone())
            .map_err(|_| out_of_step("a malformed RowDescription"))?;
        let binary = copy.out.options.format == Format::Binary;
        fields.iter_mut().for_each(|field| field.format = i16::from(binary));
        match self.plan_of(judgement, &fields, copy.out.stored_only).await {
            Ok(plan) => {
                let _ = copy.slot.set(Rows::Some(plan));
                Ok(())
            }
            Err(fault) => self.withhold(fault).await,
        }
    }

    /// CopyOutResponse: rows of a COPY follow.
    pub(super) async fn copy_out(&mut self, frame: &Frame) -> Result<(), Fault> {
        let (binary, columns) = backend::copy_response(frame.body.clone())
            .map_err(|_| out_of_step("a malformed CopyOutResponse"))?;
        let sends =
            |statement: &Statement| copies_out(statement) || replication::backs_up(statement);
        let UnderWay { judgement, copy } = self.under_way(sends)?;
        if self.withhold {
            return Ok(());
        }
        let planned = match copy {
            _ if !judgement.generation.masks() => self.plan_of(&judgement, &[], false).await,
            Some(ref copy) if binary == (copy.out.options.format == Format::Binary) => {
                self.copy_plan(&judgement, copy, columns).await
            }
            _ => return Err(out_of_step("a COPY in another format than asked for")),
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err(fault) => return self.withhold(fault).await,
        };
        let pass = plan.lock().unwrap_or_else(PoisonError::into_inner).is_pass();
        let masked = copy.filter(|_| !pass);
        let rows = masked.map(|copy| CopyRows::new(copy.out.options.clone(), columns));
        let command = judgement.facts.statements.iter().any(replication::is_command);
        let under = command.then(|| Arc::clone(&judgement.generation));
        let (asked, both, ended) = (Asked::of(&judgement), false, false);
        self.copy = Some(CopyOut { asked, plan, rows, under, both, ended });
        self.words(judgement.number, frame);
        Ok(())
    }

    /// CopyBothResponse: a stream follows, and the client answers it.
    pub(super) async fn copy_both(&mut self, frame: &Frame) -> Result<(), Fault> {
        backend::copy_response(frame.body.clone())
            .map_err(|_| out_of_step("a malformed CopyBothResponse"))?;
        let UnderWay { judgement, .. } = self.under_way(replication::streams)?;
        if self.withhold || judgement.generation.masks() {
            return Err(out_of_step("a stream that may not be shown"));
        }
        let plan = self.plan_of(&judgement, &[], false).await?;
        let under = Some(Arc::clone(&judgement.generation));
        let (asked, rows, both, ended) = (Asked::of(&judgement), None, true, false);
        self.copy = Some(CopyOut { asked, plan, rows, under, both, ended });
        self.live.shared().ledger.set_copying(true);
        self.words(judgement.number, frame);
        Ok(())
    }

    /// The plan from the description; without one that fits, every column may come from all that
    /// the statements touch.
    async fn copy_plan(
        &mut self,
        judgement: &Judgement,
        copy: &Copy,
        columns: usize,
    ) -> Result<SharedPlan, Fault> {
        if let Some(Rows::Some(plan)) = copy.slot.get()
            && plan.lock().unwrap_or_else(PoisonError::into_inner).width() == columns
        {
            return Ok(Arc::clone(plan));
        }
        let format = i16::from(copy.out.options.format == Format::Binary);
        let field = |at| FieldDescription {
            name: format!("column{at}"),
            table_oid: 0,
            attnum: 0,
            type_oid: 0,
            format,
        };
        let fields: Vec<_> = (1..=columns).map(field).collect();
        self.plan_of(judgement, &fields, false).await
    }

    /// Takes one run of CopyData; false when more bytes are needed.
    pub(super) async fn copy_run(&mut self) -> Result<bool, Fault> {
        let broken = |_| out_of_step("a malformed message");
        if let Some(under) = self.copy.as_ref().and_then(|copy| copy.under.as_ref())
            && !Arc::ptr_eq(under, &self.live.generation())
        {
            return Err(policy_changed());
        }
        let pass = self.copy.as_ref().filter(|copy| copy.rows.is_none());
        let pass = pass.map(|copy| (copy.asked, Arc::clone(&copy.plan)));
        let most = if pass.is_some() { LARGE_ROW_BYTES_MIN } else { COPY_ROW_BYTES_MAX };
        let buffer = &mut self.upstream.buffer;
        match frame::run(buffer, b'd', most) {
            Ok((_, 0)) => {
                let next = frame::next(buffer, most);
                // Reserves room for the rest of the message.
                return next.map(|_| false).map_err(broken);
            }
            Ok((frames, count)) => self.copied(frames, count).await?,
            Err(Malformed::Oversize { body_bytes, .. }) => {
                self.begin_large_copy(pass, body_bytes).await?;
            }
            Err(malformed) => return Err(broken(malformed)),
        }
        Ok(true)
    }

    /// Rows of a COPY.
    async fn copied(&mut self, frames: Bytes, messages: u64) -> Result<(), Fault> {
        if self.withhold {
            return Ok(());
        }
        let Some(copy) = &mut self.copy else {
            return Err(out_of_step("rows of a COPY that was not asked for"));
        };
        let masked = mask(copy, frames, messages);
        let (asked, plan, both) = (copy.asked, Arc::clone(&copy.plan), copy.both);
        match self.metered(&asked, &plan, masked).await? {
            Ok(masked) => {
                self.push(asked.number, masked);
                Ok(())
            }
            // A stream has no end of its own, so the session's has to do.
            Err(fault) if both => Err(fault),
            Err(fault) => self.withhold(fault).await,
        }
    }

    /// CopyDone: the rows of a COPY are all there.
    pub(super) async fn copy_done(&mut self, frame: &Frame) -> Result<(), Fault> {
        if let Some(copy) = self.copy.as_mut().filter(|copy| copy.both && !copy.ended) {
            copy.ended = true;
            let number = copy.asked.number;
            self.words(number, frame);
            return Ok(());
        }
        let copy = self.copy.take();
        if self.withhold {
            return Ok(());
        }
        let Some(copy) = copy else {
            return Err(out_of_step("the end of a COPY that was not asked for"));
        };
        match copy.rows.map_or(Ok(()), |rows| rows.finish()) {
            Ok(()) => {
                self.words(copy.asked.number, frame);
                Ok(())
            }
            Err(fault) => self.withhold(fault).await,
        }
    }

    /// CopyInResponse: the client may give rows.
    pub(super) fn copy_in(&mut self, frame: &Frame) -> Result<(), Fault> {
        backend::copy_response(frame.body.clone())
            .map_err(|_| out_of_step("a malformed CopyInResponse"))?;
        let UnderWay { judgement, .. } = self.under_way(copies_in)?;
        if self.withhold {
            let message = "the target wants rows for a COPY whose client was told an error";
            return Err(Fault::new(Blame::Upstream, "copy_withheld", "08P01", message));
        }
        self.live.shared().ledger.set_copying(true);
        self.words(judgement.number, frame);
        Ok(())
    }

    /// The statement that a COPY answers, which must be one.
    fn under_way(&self, is_copy: fn(&Statement) -> bool) -> Result<UnderWay, Fault> {
        let mut shared = self.live.shared();
        let (judgement, copies, at) = match shared.ledger.head() {
            Some(Expect::Query { judgement, copies, done, .. }) => (judgement, copies, *done),
            Some(Expect::Execute { judgement, copies, .. }) => (judgement, copies, 0),
            _ => return Err(out_of_step("a COPY that was not asked for")),
        };
        // A backup's rows come behind the first of its results.
        let at = if super::replicates(judgement).is_some() { 0 } else { at };
        if !judgement.facts.statements.get(at).is_some_and(is_copy) {
            return Err(out_of_step("a COPY in answer to something else"));
        }
        let copy = copies.iter().find(|(place, _)| *place == at).map(|(_, copy)| Arc::clone(copy));
        Ok(UnderWay { judgement: judgement.clone(), copy })
    }
}

fn policy_changed() -> Fault {
    let message = "the stream ends because the policy of this target changed while it ran";
    Fault::new(Blame::Policy, "policy_changed", "57P01", message)
        .hint("Start it again: it is judged by the policy in force, and goes on where it stood.")
}

fn mask(copy: &mut CopyOut, frames: Bytes, messages: u64) -> Result<Masked, Fault> {
    let mut plan = copy.plan.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut copy.rows {
        None => plan.relay_copy(frames, messages),
        Some(rows) => plan.mask_copy(rows.take(&frames)?),
    }
}

/// An error about the query of a COPY says where it stands in the client's own text.
pub(super) fn moved(body: &Bytes, offset: Option<usize>) -> Bytes {
    backend::moved_report(body, |position| offset.map_or(1, |offset| offset + position))
}

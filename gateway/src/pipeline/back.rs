//! From the target to the client: every answer is masked and recorded before it is released.

mod copying;
mod describing;
mod large;
mod metering;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use self::copying::CopyOut;
use self::metering::Asked;
use super::ledger::{Expect, Judgement, Rows, SharedPlan};
use super::live::Live;
use super::{ClientStream, End};
use crate::downstream::{Sender, Word};
use crate::fault::{Blame, Fault};
use crate::limits::{LARGE_ROW_BYTES_MIN, SERVER_MESSAGE_BYTES_MAX};
use crate::policy::{self, Instances, Masked, ResultPlan};
use crate::protocol::postgres::backend::{self, Severity};
use crate::protocol::postgres::frame::{self, Fields, Frame, Malformed};
use crate::protocol::postgres::names::Answer;
use crate::protocol::postgres::replication;
use crate::protocol::{self, Outcome, Statement};
use crate::upstream::postgres::Receiver;

/// A read of at least this much says that more is on its way.
const BULK_BYTES_MIN: usize = 4 * 1024;
/// How much of that is taken at once: one entry of the log, one write to the client.
const BULK_BYTES: usize = 128 * 1024;

/// The direction's own state.
pub(super) struct Back<'a> {
    live: &'a Live,
    upstream: Receiver,
    client: &'a mut Sender<ClientStream>,
    notices: mpsc::Receiver<Fault>,
    /// Masked parts that are not released yet, with the numbers of their requests.
    batch: Vec<(u64, Masked)>,
    instances: Instances,
    /// A row that is too large to be taken whole, under way.
    large: Option<large::Large>,
    /// Bytes of a large row that are dropped because its result is withheld.
    skip_bytes: usize,
    /// The client was told an error in place of the rest of this cycle.
    withhold: bool,
    /// The target said a FATAL error, after which it closes.
    fatal: bool,
    /// The COPY whose rows are under way.
    copy: Option<CopyOut>,
}

impl<'a> Back<'a> {
    /// Starts with what was read ahead during sign-in.
    pub(super) fn new(
        live: &'a Live,
        upstream: Receiver,
        client: &'a mut Sender<ClientStream>,
        notices: mpsc::Receiver<Fault>,
    ) -> Self {
        Self {
            live,
            upstream,
            client,
            notices,
            batch: Vec::new(),
            instances: Instances::new(&live.session, Arc::clone(&live.troubles)),
            large: None,
            skip_bytes: 0,
            withhold: false,
            fatal: false,
            copy: None,
        }
    }

    /// Runs until the target closes, or until a fault ends the session.
    pub(super) async fn run(&mut self) -> Result<End, Fault> {
        loop {
            while self.next().await? {}
            self.release().await?;
            self.live.progress.notify_one();
            tokio::select! {
                // Not inside a message of which more is to come.
                Some(notice) = self.notices.recv(), if self.large.is_none() => {
                    self.say(&notice, Severity::Notice).await?;
                }
                read = self.upstream.read() => match read {
                    Ok(0) | Err(_) if self.fatal => return Ok(End::TargetEnded),
                    Ok(0) | Err(_) => return Err(super::upstream_gone()),
                    Ok(read) if read >= BULK_BYTES_MIN => self.upstream.gather(BULK_BYTES).await,
                    Ok(_) => {}
                },
            }
        }
    }

    /// Takes one frame, or one run of rows; false when more bytes are needed.
    async fn next(&mut self) -> Result<bool, Fault> {
        let broken = |_| out_of_step("a malformed message");
        if self.large.is_some() || self.skip_bytes > 0 {
            return self.large_row().await;
        }
        if self.upstream.buffer.first() == Some(&b'd') {
            return self.copy_run().await;
        }
        if self.upstream.buffer.first() == Some(&b'D') {
            match frame::run(&mut self.upstream.buffer, b'D', LARGE_ROW_BYTES_MIN) {
                Ok((_, 0)) => {
                    let next = frame::next(&mut self.upstream.buffer, LARGE_ROW_BYTES_MIN);
                    // Reserves room for the rest of the row.
                    return next.map(|_| false).map_err(broken);
                }
                Ok((frames, count)) => self.rows(frames, count).await?,
                Err(Malformed::Oversize { body_bytes, .. }) => self.begin_large(body_bytes).await?,
                Err(malformed) => return Err(broken(malformed)),
            }
            return Ok(true);
        }
        let next = frame::next(&mut self.upstream.buffer, SERVER_MESSAGE_BYTES_MAX);
        let Some(frame) = next.map_err(broken)? else { return Ok(false) };
        match frame.tag {
            b'E' => self.error(frame).await?,
            b'A' | b'N' | b'S' => self.aside(frame)?,
            b'C' | b'I' | b's' => self.complete(frame)?,
            b'T' | b'n' => self.description(frame).await?,
            b't' => self.parameters(&frame)?,
            b'Z' => self.ready(&frame)?,
            b'1' | b'2' | b'3' => self.acknowledge(&frame)?,
            b'G' => self.copy_in(&frame)?,
            b'H' => self.copy_out(&frame).await?,
            b'W' => self.copy_both(&frame).await?,
            b'V' => self.function_result(frame).await?,
            b'c' => self.copy_done(&frame).await?,
            tag => return Err(out_of_step(format!("message type {tag:#04x}"))),
        }
        Ok(true)
    }

    async fn rows(&mut self, frames: Bytes, count: u64) -> Result<(), Fault> {
        if self.withhold {
            return Ok(());
        }
        if let Some(Expect::Observe(seen)) = self.live.shared().ledger.head() {
            let sound = count == 1 && seen.row(frames);
            return if sound { Ok(()) } else { Err(out_of_step("another answer to SHOW")) };
        }
        let (result, plan) = self.plan_in_force()?;
        let masked = {
            let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
            plan.mask(&protocol::Rows::new(frames, count))
        };
        match self.metered(&result, &plan, masked).await? {
            Ok(masked) => self.batch.push((result.number, masked)),
            Err(fault) => self.withhold(fault).await?,
        }
        Ok(())
    }

    /// The plan of the rows that are coming, and their request.
    fn plan_in_force(&self) -> Result<(Asked, SharedPlan), Fault> {
        match self.live.shared().ledger.head() {
            Some(Expect::Query { judgement, plan: Some(plan), .. }) => {
                Ok((Asked::of(judgement), Arc::clone(plan)))
            }
            Some(Expect::Execute { judgement, slot, .. }) => match slot.get() {
                Some(Rows::Some(plan)) => Ok((Asked::of(judgement), Arc::clone(plan))),
                _ => Err(out_of_step("rows of a result that was not described")),
            },
            _ => Err(out_of_step("rows that were not asked for")),
        }
    }

    fn parameters(&mut self, frame: &Frame) -> Result<(), Fault> {
        match self.live.shared().ledger.head() {
            Some(Expect::DescribeStatement { prepared: None }) => {}
            Some(Expect::DescribeStatement { prepared: Some(prepared) }) => {
                let types = backend::parameter_description(frame.body.clone())
                    .map_err(|_| out_of_step("a malformed ParameterDescription"))?;
                // The types of a prepared statement never change.
                let _ = prepared.told_types.set(types.into());
            }
            Some(Expect::DescribeCopy { .. }) => return Ok(()),
            _ => return Err(out_of_step("a ParameterDescription that was not asked for")),
        }
        self.words(0, frame);
        Ok(())
    }

    fn complete(&mut self, frame: Frame) -> Result<(), Fault> {
        let tag = match frame.tag {
            b'C' => backend::command_tag(frame.body.clone())
                .map_err(|_| out_of_step("a malformed CommandComplete"))?,
            b'I' => "EMPTY".to_owned(),
            _ => "SUSPENDED".to_owned(),
        };
        if self.copy.take().is_some_and(|copy| !copy.may_complete()) {
            return Err(out_of_step("a completion inside the rows of a COPY"));
        }
        let number = {
            let mut shared = self.live.shared();
            shared.ledger.set_copying(false);
            match shared.ledger.head() {
                Some(Expect::Query { judgement, plan, done, .. }) if frame.tag != b's' => {
                    let command = replicates(judgement);
                    match command {
                        Some(statement) => command_fits(statement, &frame, &tag)?,
                        None => fits(judgement, *done, &frame, &tag)?,
                    }
                    *plan = None;
                    // A command may complete several times, for each result within it.
                    *done += usize::from(frame.tag == b'C' && (command.is_none() || *done == 0));
                    judgement.number
                }
                Some(Expect::Execute { judgement, .. }) => {
                    fits(judgement, 0, &frame, &tag)?;
                    let number = judgement.number;
                    shared.ledger.pop();
                    number
                }
                Some(Expect::Observe(_)) if frame.tag == b'C' => return Ok(()),
                _ => return Err(out_of_step("a completion that was not asked for")),
            }
        };
        let outcome = Outcome { tag: Some(tag), sqlstate: None, message: None };
        self.push(number, policy::completion(bytes(&frame), outcome));
        Ok(())
    }

    async fn error(&mut self, mut frame: Frame) -> Result<(), Fault> {
        self.copy = None;
        let severity = backend::report_field(&frame.body, b'V')
            .or_else(|| backend::report_field(&frame.body, b'S'));
        self.fatal |= severity.is_some_and(|word| word == "FATAL" || word == "PANIC");
        let (number, refusal) = {
            let mut shared = self.live.shared();
            let shared = &mut *shared;
            shared.ledger.set_copying(false);
            let found = match shared.ledger.head() {
                Some(Expect::Query { judgement, plan, failed, .. }) => {
                    (*plan, *failed) = (None, true);
                    (judgement.number, None)
                }
                Some(
                    Expect::DescribeCopy { judgement, .. }
                    | Expect::Execute { judgement, .. }
                    | Expect::Function { judgement, .. },
                ) => (judgement.number, None),
                Some(Expect::PrepareOwn { number, offset }) => {
                    frame.body = copying::moved(&frame.body, *offset);
                    (*number, None)
                }
                Some(Expect::Fail(fault)) => (0, Some((**fault).clone())),
                None if !self.fatal => {
                    return Err(out_of_step("an error that nothing asked for"));
                }
                // The commit at Sync failed, on a deferred constraint for one.
                Some(Expect::Sync) => (shared.ledger.last(), None),
                _ => (0, None),
            };
            let head = shared.ledger.head();
            if !matches!(head, Some(Expect::Function { .. } | Expect::Query { .. })) {
                shared.ledger.fail(&mut shared.names);
            }
            found
        };
        match refusal {
            Some(fault) if !self.withhold => {
                self.release().await?;
                self.say(&fault, Severity::Error).await
            }
            Some(_) => Ok(()),
            None => {
                let protected = self.live.generation().protects(&self.instances);
                self.push(number, policy::report(bytes(&frame), true, protected));
                Ok(())
            }
        }
    }

    /// Messages that may come at any time and answer nothing.
    fn aside(&mut self, frame: Frame) -> Result<(), Fault> {
        let number = match self.live.shared().ledger.head() {
            Some(Expect::Query { judgement, .. } | Expect::Execute { judgement, .. }) => {
                judgement.number
            }
            _ => 0,
        };
        match frame.tag {
            b'N' => {
                let protected = self.live.generation().protects(&self.instances);
                self.push(number, policy::report(bytes(&frame), false, protected));
            }
            b'S' => {
                let (name, value) = backend::parameter_status(frame.body.clone())
                    .map_err(|_| out_of_step("a malformed ParameterStatus"))?;
                self.live.reported(&name, &value)?;
                self.words(number, &frame);
            }
            _ => self.words(number, &frame),
        }
        Ok(())
    }

    /// The result of a function that was called by its object id.
    async fn function_result(&mut self, frame: Frame) -> Result<(), Fault> {
        let (judgement, hide) = match self.live.shared().ledger.head() {
            Some(Expect::Function { judgement, harmless, answered }) if !*answered => {
                *answered = true;
                let protects = judgement.generation.protects(&self.instances);
                (judgement.clone(), protects && !*harmless)
            }
            _ => return Err(out_of_step("a function's result that was not asked for")),
        };
        let mut fields = Fields::new(frame.body);
        let value = fields.value().and_then(|value| fields.end().map(|()| value));
        let value = value.map_err(|_| out_of_step("a malformed FunctionCallResponse"))?;
        let result = policy::function_result(value, hide);
        let masked = self.metered_alone(&judgement, result).await?;
        self.push(judgement.number, masked);
        Ok(())
    }

    fn acknowledge(&mut self, frame: &Frame) -> Result<(), Fault> {
        {
            let mut shared = self.live.shared();
            let shared = &mut *shared;
            if let Some(Expect::Observe(seen)) = shared.ledger.head() {
                if frame.tag == b'3' && seen.closed() {
                    shared.ledger.pop();
                }
                return Ok(());
            }
            match (frame.tag, shared.ledger.pop()) {
                (b'1', Some(Expect::Parse { name, id })) => {
                    shared.names.settle(&name, id, Answer::Done);
                }
                (b'1', Some(Expect::PrepareOwn { .. })) | (b'3', Some(Expect::CloseOwn)) => {
                    return Ok(());
                }
                (b'2', Some(Expect::Bind { name, id })) => {
                    shared.names.bound(&name, id, Answer::Done);
                }
                (b'3', Some(Expect::Close { named, id })) => {
                    if let protocol::postgres::frontend::Named::Statement(name) = named {
                        shared.names.settle(&name, id, Answer::Done);
                    }
                }
                _ => return Err(out_of_step("a completion of what was not asked for")),
            }
        }
        self.words(0, frame);
        Ok(())
    }

    fn ready(&mut self, frame: &Frame) -> Result<(), Fault> {
        let status = *frame.body.first().ok_or_else(|| out_of_step("an empty ReadyForQuery"))?;
        let answered = self.live.shared().ledger.pop();
        match answered {
            Some(Expect::Function { .. } | Expect::Sync) => {}
            Some(Expect::QuietSync) => {
                self.live.ready(status);
                return Ok(());
            }
            Some(Expect::Query { judgement, done, failed, .. }) => {
                if !failed && done != judgement.facts.statements.len() {
                    return Err(mismatch(&format!("{done} statements")));
                }
            }
            _ => return Err(out_of_step("a ReadyForQuery that was not asked for")),
        }
        self.withhold = false;
        self.live.ready(status);
        self.words(0, frame);
        Ok(())
    }

    /// Tells the client a fault in place of what is left of this cycle.
    async fn withhold(&mut self, fault: Fault) -> Result<(), Fault> {
        if !self.live.shared().ledger.withhold() {
            // Something ran, or will run, whatever the client is told, so nothing short of ending
            // the session leaves both sides knowing the same.
            return Err(fault);
        }
        self.release().await?;
        self.live.recorder.note(super::noted(&fault)).await?;
        self.withhold = true;
        self.say(&fault, Severity::Error).await
    }

    fn words(&mut self, number: u64, frame: &Frame) {
        self.push(number, policy::words(bytes(frame)));
    }

    fn push(&mut self, number: u64, masked: Masked) {
        if !self.withhold {
            self.batch.push((number, masked));
        }
    }

    async fn say(&mut self, fault: &Fault, severity: Severity) -> Result<(), Fault> {
        self.client.say(&Word::Report(severity, fault));
        self.client.flush().await.map_err(|_| super::client_gone())
    }

    /// Releases the batch once it is recorded.
    async fn release(&mut self) -> Result<(), Fault> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let release = self.live.recorder.release(batch).await?.await?;
        self.client.send(release);
        self.client.flush().await.map_err(|_| super::client_gone())
    }
}

fn shared(plan: ResultPlan) -> SharedPlan {
    Arc::new(Mutex::new(plan))
}

fn bytes(frame: &Frame) -> Bytes {
    let mut out = BytesMut::with_capacity(frame::HEADER_BYTES + frame.body.len());
    backend::put_frame(&mut out, frame);
    out.freeze()
}

/// What completed must be what was judged, in number and in kind: a net under the grammar, should
/// it ever read a statement in another way than the server.
fn fits(judgement: &Judgement, done: usize, frame: &Frame, tag: &str) -> Result<(), Fault> {
    let statement = judgement.facts.statements.get(done);
    let fits = match (frame.tag, statement) {
        (b'C', Some(statement)) => backend::tag_fits(&statement.verb, tag),
        (b's', Some(_)) | (b'I', None) => true,
        _ => false,
    };
    if fits { Ok(()) } else { Err(mismatch(&format!("\"{tag}\""))) }
}

/// The command of a replication session that is under way.
fn replicates(judgement: &Judgement) -> Option<&Statement> {
    judgement.facts.statements.first().filter(|statement| replication::is_command(statement))
}

fn command_fits(statement: &Statement, frame: &Frame, tag: &str) -> Result<(), Fault> {
    let fits = frame.tag == b'C' && replication::tag_fits(statement, tag);
    if fits { Ok(()) } else { Err(mismatch(&format!("\"{tag}\""))) }
}

fn mismatch(what: &str) -> Fault {
    let message =
        format!("the target completed {what}, which is not what was judged; the session ends");
    Fault::new(Blame::Bug, "completion_mismatch", "XX000", message)
        .hint("Report the statement to the operator of this gateway; it is in the log.")
}

fn out_of_step(what: impl std::fmt::Display) -> Fault {
    let message = format!("the target sent {what}; the session ends");
    Fault::new(Blame::Upstream, "target_out_of_step", "08P01", message)
}

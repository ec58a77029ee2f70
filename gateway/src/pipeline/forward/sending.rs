//! What is on its way to the target, and what the client is told in its place.

use super::Forward;
use crate::audit::{Pending, Permit};
use crate::fault::Fault;
use crate::limits::PIPELINE_MESSAGES_MAX;
use crate::pipeline;
use crate::pipeline::ledger::Expect;
use crate::policy;
use crate::protocol::Request;
use crate::protocol::postgres::frontend::{Control, Cycle};

/// Something on its way to the target, in order.
pub(super) enum Queued {
    /// `before` goes right ahead of it, once its entry is durable.
    Permit { pending: Pending<Permit>, expect: Expect, before: Before },
    /// Rows of a COPY, which have no answer of their own.
    Rows { pending: Pending<Permit> },
    /// Words that need no permit.
    Say { control: Control, expect: Option<Expect> },
}

/// Words that belong to a permit and go ahead of it.
pub(super) type Before = Vec<(Control, Expect)>;

impl Forward<'_> {
    pub(in crate::pipeline) fn say(&mut self, control: Control, expect: Option<Expect>) {
        self.queued.push_back(Queued::Say { control, expect });
    }

    /// Refuses what was not judged by a policy, and records what was asked.
    pub(super) async fn refuse(
        &mut self,
        cycle: Cycle,
        fault: Fault,
        request: Option<Request>,
    ) -> Result<(), Fault> {
        match request {
            Some(request) => {
                let denied = policy::refuse(request, fault);
                self.deny(cycle, denied).await
            }
            None => {
                self.live.recorder.note(pipeline::noted(&fault)).await?;
                self.tell(cycle, fault).await
            }
        }
    }

    pub(super) async fn deny(&mut self, cycle: Cycle, denied: policy::Denied) -> Result<(), Fault> {
        self.live.recorder.deny(&denied).await?;
        self.tell(cycle, denied.into_fault()).await
    }

    /// Puts the server in the state that the client is told, and the fault in its place among
    /// the answers.
    async fn tell(&mut self, cycle: Cycle, fault: Fault) -> Result<(), Fault> {
        if cycle == Cycle::Simple {
            self.send_queued().await?;
            if !self.live.shared().ledger.at_boundary() {
                self.settle().await?;
                if self.live.shared().ledger.skips() {
                    // The server would have skipped it too: a Sync of ours would wake it early.
                    return Ok(());
                }
            }
        }
        self.say(Control::Fail, Some(Expect::Fail(Box::new(fault))));
        match cycle {
            Cycle::Extended => self.skip_to_sync = true,
            Cycle::Simple => {
                self.live.shared().names.next_cycle();
                self.say(Control::Sync, Some(Expect::Sync));
            }
        }
        Ok(())
    }

    /// Sends what is queued, each once its entry is durable. Entries queued together become
    /// durable together.
    pub(in crate::pipeline) async fn send_queued(&mut self) -> Result<(), Fault> {
        while let Some(queued) = self.queued.pop_front() {
            match queued {
                Queued::Permit { pending, expect, before } => {
                    let permit = pending.await?;
                    for (control, expect) in before {
                        if self.live.expect(expect) {
                            self.upstream.say(&control);
                        }
                    }
                    if self.live.expect(expect) {
                        self.upstream.send(permit);
                    }
                }
                Queued::Rows { pending } => {
                    let permit = pending.await?;
                    self.upstream.send(permit);
                }
                Queued::Say { control, expect } => {
                    if expect.is_none_or(|expect| self.live.expect(expect)) {
                        self.upstream.say(&control);
                    }
                }
            }
        }
        // Waits for a cancel request under way: it is for what was sent before.
        drop(self.live.sending.lock().await);
        self.upstream.flush().await.map_err(|_| pipeline::upstream_gone())
    }

    /// Waits until the target has answered all that was sent.
    pub(in crate::pipeline) async fn settle(&mut self) -> Result<(), Fault> {
        self.say(Control::Flush, None);
        self.send_queued().await?;
        loop {
            let progress = self.live.progress.notified();
            if self.live.shared().ledger.len() == 0 {
                return Ok(());
            }
            progress.await;
        }
    }

    /// Keeps a client from sending without end ahead of the answers.
    pub(super) async fn room(&mut self) -> Result<(), Fault> {
        if self.queued.len() >= PIPELINE_MESSAGES_MAX {
            self.send_queued().await?;
        }
        loop {
            let progress = self.live.progress.notified();
            if self.live.shared().ledger.len() < PIPELINE_MESSAGES_MAX {
                return Ok(());
            }
            progress.await;
        }
    }
}

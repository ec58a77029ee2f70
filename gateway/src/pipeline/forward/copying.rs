//! COPY on its way to the target: what has to be known before its rows come, and the rows that
//! the client gives.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::sending::{Before, Queued};
use super::{Forward, truncated, violation};
use crate::fault::{Blame, Fault};
use crate::limits::{
    CLIENT_MESSAGE_BYTES_MAX, COPY_MESSAGE_BYTES_MAX, COPY_RUN_BYTES_MAX,
    HOLD_READ_AHEAD_BYTES_MAX, READ_BYTES,
};
use crate::pipeline::End;
use crate::pipeline::ledger::{Copies, Copy, Expect, Judgement, PlanSlot};
use crate::policy::{self, Decided, Generation, Ruling};
use crate::protocol::Request;
use crate::protocol::postgres::frame::{self, Frame, HEADER_BYTES};
use crate::protocol::postgres::frontend::{self, Control, Named};
use crate::protocol::postgres::replication;
use crate::protocol::postgres::statement::{copies_in, copies_out, copy_out};

/// A request that takes rows from the client, and what it was allowed by.
pub(super) struct CopyIn {
    ruling: Ruling,
    /// A simple Query, which may ask for rows more than once.
    simple: bool,
    /// The server sends rows too, and takes nothing but rows in between.
    both: bool,
}

impl CopyIn {
    /// Nothing for a request that takes none.
    pub(super) fn of(decided: &Decided, simple: bool) -> Option<Self> {
        let statements = &decided.request().facts().statements;
        let both = statements.iter().any(replication::streams);
        let takes = both || statements.iter().any(copies_in);
        takes.then(|| Self { ruling: decided.ruling().clone(), simple, both })
    }
}

/// The COPYs of a request whose rows go to the client and may have to be masked. A replication
/// session can't have their queries described.
pub(super) fn copies(
    request: &Request,
    generation: &Generation,
    replicating: bool,
) -> Result<Copies, Fault> {
    let statements = request.facts().statements.iter().enumerate();
    statements
        .filter(|(_, statement)| generation.masks() && copies_out(statement))
        .map(|(at, statement)| {
            if replicating {
                return Err(undescribed());
            }
            let out = copy_out(request.text(), statement)?;
            Ok((at, Arc::new(Copy { out, slot: PlanSlot::default() })))
        })
        .collect()
}

fn undescribed() -> Fault {
    let message = "a COPY can't be masked on a replication connection, and this policy masks";
    Fault::new(Blame::Policy, "masking_refused", "42501", message)
        .hint("Run it on an ordinary connection, where it comes masked, or SELECT the rows here.")
}

/// Has the query of the only COPY described, by a statement of this name. The gateway's own name
/// is closed before and after, so that it is never there for long or twice.
pub(super) fn describe(name: &'static [u8], judgement: &Judgement, copies: &Copies) -> Before {
    let [(_, copy)] = copies.as_slice() else { return Vec::new() };
    let name = Bytes::from_static(name);
    let named = Named::Statement(name.clone());
    let (judgement, copy) = (judgement.clone(), Arc::clone(copy));
    let prepare = Control::Prepare(name.clone(), copy.out.query.clone());
    let prepared = Expect::PrepareOwn { number: judgement.number, offset: copy.out.query_offset };
    let mut before = vec![
        (prepare, prepared),
        (Control::Describe(named.clone()), Expect::DescribeCopy { judgement, copy }),
    ];
    if !name.is_empty() {
        before.insert(0, (Control::Close(named.clone()), Expect::CloseOwn));
        before.push((Control::Close(named), Expect::CloseOwn));
    }
    before
}

/// Whether the server wants rows.
enum Wants {
    Rows,
    Nothing,
    ClientGone,
}

/// The next thing the client says during a COPY.
enum Said {
    Rows(BytesMut),
    Other(Frame),
    Nothing,
}

impl Forward<'_> {
    /// Waits until a query of a COPY is described. If it can't be, the Query behind it was skipped,
    /// so only Sync is left to say.
    pub(super) async fn described_copy(&mut self) -> Result<(), Fault> {
        self.say(Control::Flush, None);
        self.send_queued().await?;
        loop {
            let progress = self.live.progress.notified();
            if !self.live.shared().ledger.describing() {
                break;
            }
            progress.await;
        }
        if self.live.shared().ledger.skips() {
            self.copying = None;
            self.live.shared().names.next_cycle();
            self.say(Control::Sync, Some(Expect::Sync));
        }
        Ok(())
    }

    /// Gives the server the client's rows, once it asks for them, until they end.
    pub(super) async fn copy_in(&mut self, copying: CopyIn) -> Result<Option<End>, Fault> {
        if !copying.both {
            // A stream may have begun, and takes nothing but rows.
            self.say(Control::Flush, None);
        }
        self.send_queued().await?;
        loop {
            match self.wants_rows().await {
                Wants::Rows => {}
                Wants::Nothing => return Ok(None),
                Wants::ClientGone => return Ok(Some(End::ClientGone)),
            }
            if let Some(end) = self.rows_in(&copying).await? {
                return Ok(Some(end));
            }
            if !copying.simple {
                return Ok(None);
            }
        }
    }

    /// Waits until the server asks for rows, or is done without them. The client may leave.
    async fn wants_rows(&mut self) -> Wants {
        loop {
            let progress = self.live.progress.notified();
            {
                let shared = self.live.shared();
                if shared.ledger.copying() {
                    return Wants::Rows;
                }
                if shared.ledger.len() == 0 || shared.ledger.skips() {
                    return Wants::Nothing;
                }
            }
            let room = self.buffer.len() < HOLD_READ_AHEAD_BYTES_MAX;
            tokio::select! {
                () = progress => {}
                read = self.client.read_buf(&mut self.buffer), if room => {
                    if !matches!(read, Ok(1..)) {
                        return Wants::ClientGone;
                    }
                }
            }
        }
    }

    /// Takes rows until the client or the server ends them.
    async fn rows_in(&mut self, copying: &CopyIn) -> Result<Option<End>, Fault> {
        let CopyIn { ruling, both, .. } = copying;
        let mut left_bytes = 0;
        loop {
            if !self.live.shared().ledger.copying() {
                // The server gave up. It drops what is left of the rows, and so does the gateway.
                self.skip_bytes = left_bytes;
                return Ok(None);
            }
            let frame = match self.said(&mut left_bytes)? {
                Said::Rows(rows) => {
                    let rows = self.more_rows(rows, &mut left_bytes).await?;
                    self.send_rows(rows, ruling).await?;
                    continue;
                }
                Said::Nothing => {
                    self.buffer.reserve(READ_BYTES);
                    match self.client.read_buf(&mut self.buffer).await {
                        Ok(1..) => continue,
                        _ if left_bytes == 0 && self.buffer.is_empty() => {
                            return Ok(Some(End::ClientGone));
                        }
                        _ => return Err(truncated()),
                    }
                }
                Said::Other(frame) => frame,
            };
            match frame.tag {
                b'X' | b'c' => {}
                // The server would end the session for it.
                tag if *both => {
                    return Err(violation(format!("message type {tag:#04x} inside a stream")));
                }
                _ => {}
            }
            match frame.tag {
                // Ignored, as the server ignores them while it takes rows.
                b'H' | b'S' => continue,
                b'X' => {
                    self.say(Control::Terminate, None);
                    self.send_queued().await?;
                    return Ok(Some(End::ClientTerminated));
                }
                b'c' if frame.body.is_empty() => self.say(Control::CopyDone, None),
                b'f' => {
                    let state = self.live.state(self.queued.is_empty());
                    let request = frontend::copy_fail(frame, &state)?;
                    self.permit_rows(request, ruling).await?;
                }
                tag => {
                    let why = format!("unexpected message type {tag:#04x} during COPY from stdin");
                    self.say(Control::CopyFail(why), None);
                }
            }
            self.live.shared().ledger.set_copying(false);
            self.send_queued().await?;
            return Ok(None);
        }
    }

    /// What the buffer holds: rows as far as they are there, or one other message.
    fn said(&mut self, left_bytes: &mut usize) -> Result<Said, Fault> {
        let mut rows = BytesMut::new();
        self.take_rows(&mut rows, left_bytes)?;
        if !rows.is_empty() {
            return Ok(Said::Rows(rows));
        }
        if *left_bytes > 0 || self.buffer.first() == Some(&b'd') {
            return Ok(Said::Nothing);
        }
        match frame::next(&mut self.buffer, CLIENT_MESSAGE_BYTES_MAX) {
            Ok(Some(frame)) => Ok(Said::Other(frame)),
            Ok(None) => Ok(Said::Nothing),
            Err(_) => Err(violation("a message of a length out of bounds during COPY")),
        }
    }

    /// Moves rows out of the buffer, across the bounds of messages.
    fn take_rows(&mut self, rows: &mut BytesMut, left_bytes: &mut usize) -> Result<(), Fault> {
        while rows.len() < COPY_RUN_BYTES_MAX {
            if *left_bytes > 0 {
                let room = COPY_RUN_BYTES_MAX - rows.len();
                let take = self.buffer.len().min(*left_bytes).min(room);
                if take == 0 {
                    break;
                }
                rows.extend_from_slice(&self.buffer.split_to(take));
                *left_bytes -= take;
                continue;
            }
            let Some(head) = self.buffer.first_chunk::<HEADER_BYTES>() else { break };
            let [b'd', length @ ..] = *head else { break };
            let bytes = usize::try_from(i32::from_be_bytes(length)).ok();
            let bytes = bytes.and_then(|bytes| bytes.checked_sub(4));
            let bytes = bytes.filter(|bytes| *bytes <= COPY_MESSAGE_BYTES_MAX);
            *left_bytes = bytes.ok_or_else(|| violation("a CopyData of a length out of bounds"))?;
            self.buffer.advance(HEADER_BYTES);
        }
        Ok(())
    }

    /// Adds rows that are there already, so that one entry in the log holds more of them.
    async fn more_rows(
        &mut self,
        mut rows: BytesMut,
        left_bytes: &mut usize,
    ) -> Result<BytesMut, Fault> {
        while rows.len() < COPY_RUN_BYTES_MAX && self.buffer.is_empty() {
            self.buffer.reserve(READ_BYTES);
            tokio::select! {
                biased;
                read = self.client.read_buf(&mut self.buffer) => {
                    if !matches!(read, Ok(1..)) {
                        break;
                    }
                }
                () = std::future::ready(()) => break,
            }
            self.take_rows(&mut rows, left_bytes)?;
        }
        Ok(rows)
    }

    async fn send_rows(&mut self, rows: BytesMut, ruling: &Ruling) -> Result<(), Fault> {
        let state = self.live.state(self.queued.is_empty());
        self.permit_rows(frontend::copy_data(rows.freeze(), &state), ruling).await?;
        self.send_queued().await
    }

    async fn permit_rows(&mut self, request: Request, ruling: &Ruling) -> Result<(), Fault> {
        let decided = policy::data(request, ruling)?;
        let pending = self.live.recorder.permit(decided).await?;
        self.queued.push_back(Queued::Rows { pending });
        Ok(())
    }
}

//! The proofs this stage makes, and the wait for them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::audit::committer::unavailable;
use crate::audit::entry::{FramePiece, HiddenColumn, OutcomeBrief, Response, clip_to, listed};
use crate::fault::Fault;
use crate::limits::ENTRY_LIST_ITEMS_MAX;
use crate::policy::{Marks, Masked, Piece, ShadowMasking};

/// Proof that a request was allowed and that its entry is durable. Only this stage makes one.
#[derive(Debug)]
pub struct Permit {
    number: u64,
    wire: Bytes,
}

impl Permit {
    pub(super) fn new(number: u64, wire: Bytes) -> Self {
        Self { number, wire }
    }

    /// The request's number in its session.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The bytes that were judged and recorded, for the target.
    pub fn into_wire(self) -> Bytes {
        self.wire
    }
}

/// Proof that parts of replies were masked and that their entries are durable.
#[derive(Debug)]
pub struct Release {
    number: u64,
    frames: Vec<Bytes>,
}

impl Release {
    pub(super) fn new(parts: Vec<(u64, Masked)>) -> Self {
        let number = parts.first().map_or(0, |(number, _)| *number);
        let frames = parts.iter().map(|(_, masked)| masked.frames().clone()).collect();
        Self { number, frames }
    }

    /// The number of the first request that it answers; 0 when it holds nothing.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The masked frames in the order given, for the client.
    pub fn into_frames(self) -> Vec<Bytes> {
        self.frames
    }
}

/// A proof whose entry is queued. Awaiting it gives the proof once the entry is durable.
#[must_use = "nothing may be sent before the proof is there"]
#[derive(Debug)]
pub struct Pending<T> {
    number: u64,
    proof: Option<T>,
    done: Option<oneshot::Receiver<Result<u64, Fault>>>,
}

impl<T> Pending<T> {
    pub(super) fn new(
        number: u64,
        proof: T,
        done: Option<oneshot::Receiver<Result<u64, Fault>>>,
    ) -> Self {
        Self { number, proof: Some(proof), done }
    }

    /// The request's number in its session.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl<T: Unpin> Future for Pending<T> {
    type Output = Result<T, Fault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(done) = self.done.as_mut() {
            match Pin::new(done).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Ok(_))) => self.done = None,
                Poll::Ready(Ok(Err(fault))) => {
                    self.proof = None;
                    return Poll::Ready(Err(fault));
                }
                Poll::Ready(Err(_)) => {
                    self.proof = None;
                    return Poll::Ready(Err(unavailable("the log's committer has ended")));
                }
            }
        }
        let taken = self.proof.take();
        Poll::Ready(taken.ok_or_else(|| unavailable("this proof was taken already")))
    }
}

/// One `response` entry to write, with the frames that are its payload.
pub(super) struct Reply {
    pub(super) body: Response,
    pub(super) frames: Vec<Bytes>,
}

impl Reply {
    /// Bytes of the frames.
    pub(super) fn bytes(&self) -> usize {
        self.frames.iter().map(Bytes::len).sum()
    }

    fn add(&mut self, masked: &Masked) {
        let frames = masked.frames();
        let body = &mut self.body;
        body.rows = body.rows.saturating_add(masked.rows());
        body.masked_cells = body.masked_cells.saturating_add(masked.masked_cells());
        hide(&mut body.hidden, masked);
        mark(body, masked.marks());
        body.bytes = body.bytes.saturating_add(frames.len() as u64);
        body.outcomes_total += u64::from(masked.outcome().is_some());
        let room = ENTRY_LIST_ITEMS_MAX.saturating_sub(body.outcomes.len());
        body.outcomes.extend(masked.outcome().into_iter().take(room).map(|outcome| OutcomeBrief {
            tag: outcome.tag.as_deref().map(|tag| clip_to(tag, 64)),
            sqlstate: outcome.sqlstate.as_deref().map(|state| clip_to(state, 16)),
        }));
        self.frames.push(frames.clone());
    }
}

/// The entry that a piece of a large row makes.
pub(super) fn piece(number: u64, piece: &Piece) -> Reply {
    let mut reply = Reply { body: Response::of(number), frames: Vec::new() };
    reply.add(&piece.masked);
    reply.body.piece = Some(FramePiece { offset: piece.offset, of: piece.message_bytes });
    reply
}

/// The entries that a batch of reply parts makes: one for each request with more than words.
pub(super) fn drafts(parts: &[(u64, Masked)]) -> Vec<Reply> {
    let mut drafts: Vec<(Reply, bool)> = Vec::new();
    for (number, masked) in parts {
        let known = drafts.iter().position(|(draft, _)| draft.body.number == *number);
        let at = known.unwrap_or(drafts.len());
        if known.is_none() {
            drafts.push((Reply { body: Response::of(*number), frames: Vec::new() }, false));
        }
        let Some((draft, telling)) = drafts.get_mut(at) else { continue };
        draft.add(masked);
        *telling |= masked.rows() > 0 || masked.outcome().is_some() || tells(masked.frames());
    }
    drafts.into_iter().filter_map(|(draft, telling)| telling.then_some(draft)).collect()
}

/// Adds the hidden columns of a part that are not named yet.
fn hide(hidden: &mut Vec<HiddenColumn>, masked: &Masked) {
    for column in masked.hidden() {
        let position = u32::try_from(column.position.saturating_add(1)).unwrap_or(u32::MAX);
        let known = hidden.iter().any(|it| {
            it.position == position && it.rule == column.rule && it.plugin == column.plugin
        });
        if known || hidden.len() >= ENTRY_LIST_ITEMS_MAX {
            continue;
        }
        let (rule, plugin) = (clip_to(&column.rule, 64), clip_to(&column.plugin, 64));
        hidden.push(HiddenColumn { position, rule, plugin });
    }
}

/// Adds what is known of the plugins of a part.
fn mark(body: &mut Response, marks: &Marks) {
    if body.plugins.is_empty() {
        body.plugins = listed(&marks.plugins);
    }
    for one in &marks.failed {
        if !body.failed.contains(one) && body.failed.len() < ENTRY_LIST_ITEMS_MAX {
            body.failed.push(one.clone());
        }
    }
    for one in &marks.shadow {
        let room = body.shadow.len() < ENTRY_LIST_ITEMS_MAX;
        match body.shadow.iter_mut().find(|it| it.plugin == one.plugin) {
            Some(known) => {
                known.cells = known.cells.saturating_add(one.cells);
                known.ended = clip_to(&one.ended, 128);
            }
            None if room => {
                let ended = clip_to(&one.ended, 128);
                body.shadow.push(ShadowMasking { ended, ..one.clone() });
            }
            None => {}
        }
    }
}

/// True when frames hold an error, a notice or a notification: words of the target's own that
/// may quote data. Frames that can't be walked count as telling.
fn tells(frames: &[u8]) -> bool {
    let mut rest = frames;
    while let Some((head, _)) = rest.split_first_chunk::<5>() {
        let [tag, a, b, c, d] = *head;
        if matches!(tag, b'E' | b'N' | b'A') {
            return true;
        }
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(next) = rest.get(1 + length..) else { return true };
        if length < 4 {
            return true;
        }
        rest = next;
    }
    !rest.is_empty()
}

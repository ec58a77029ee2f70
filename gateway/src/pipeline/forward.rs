//! From the client to the target: every message is judged and recorded before it is sent.

mod calling;
mod copying;
mod sending;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, ReadHalf};
use tokio::sync::mpsc;

use self::copying::CopyIn;
use self::sending::Queued;
use super::change::Change;
use super::hold;
use super::ledger::{Expect, Judgement, PlanSlot};
use super::live::Live;
use super::masking::Guard;
use super::{ClientStream, End, observe};
use crate::fault::{Blame, Fault};
use crate::limits::{CLIENT_MESSAGE_BYTES_MAX, CLIENT_VALUES_BYTES_MAX, READ_BYTES};
use crate::policy::{Decided, Denied, Generation, Held, Instances, Judged, Ruling};
use crate::protocol::postgres::frame::{self, Frame, HEADER_BYTES, Malformed};
use crate::protocol::postgres::frontend::{self, Control, Cycle, DESCRIBED_STATEMENT, Named, Step};
use crate::protocol::postgres::names::{Answer, Portal, Prepared};
use crate::protocol::{Facts, Request};
use crate::upstream::postgres::Sender;

/// Bytes of an oversize message that are skipped so that the session survives it. Beyond that
/// the client is not one whose session is worth keeping.
const SKIP_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Portals known before those that ended are looked for, so that no Bind looks at all of them.
const BOUND_SWEPT_MIN: usize = 16;

/// What was decided when a portal was bound.
struct Bound {
    id: u64,
    generation: Arc<Generation>,
    ruling: Ruling,
    /// What was judged.
    facts: Arc<Facts>,
    slot: PlanSlot,
    /// The target's lineage before the server planned the portal.
    lineage: u64,
}

/// The direction's own state.
pub(super) struct Forward<'a> {
    pub(super) live: &'a Live,
    pub(super) client: ReadHalf<ClientStream>,
    pub(super) buffer: BytesMut,
    pub(super) notices: mpsc::Sender<Fault>,
    upstream: Sender,
    queued: VecDeque<Queued>,
    bound: HashMap<Bytes, Bound>,
    pub(super) instances: Instances,
    pub(super) guard: Guard,
    /// How many were left after those of ended portals were last dropped.
    bound_swept: usize,
    /// After a refusal the client's messages up to Sync are dropped, as the server drops them.
    skip_to_sync: bool,
    /// Bytes of an oversize message still to be dropped.
    skip_bytes: usize,
    /// A request that was sent takes rows from the client.
    copying: Option<CopyIn>,
}

impl<'a> Forward<'a> {
    /// Starts with nothing read.
    pub(super) fn new(
        live: &'a Live,
        client: ReadHalf<ClientStream>,
        upstream: Sender,
        notices: mpsc::Sender<Fault>,
    ) -> Self {
        Self {
            live,
            client,
            buffer: BytesMut::with_capacity(READ_BYTES),
            notices,
            upstream,
            queued: VecDeque::new(),
            bound: HashMap::new(),
            instances: Instances::new(&live.session, Arc::clone(&live.troubles)),
            guard: Guard::default(),
            bound_swept: BOUND_SWEPT_MIN,
            skip_to_sync: false,
            skip_bytes: 0,
            copying: None,
        }
    }

    /// Runs until the client leaves, or until a fault ends the session.
    pub(super) async fn run(&mut self) -> Result<End, Fault> {
        loop {
            if let Some(frame) = self.next_frame().await? {
                self.live.gateway.vouched()?;
                if let Some(end) = self.handle(frame).await? {
                    return Ok(end);
                }
                if let Some(copying) = self.copying.take()
                    && let Some(end) = self.copy_in(copying).await?
                {
                    return Ok(end);
                }
                continue;
            }
            self.send_queued().await?;
            self.buffer.reserve(READ_BYTES);
            match self.client.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) if self.buffer.is_empty() => return Ok(End::ClientGone),
                Ok(0) | Err(_) => return Err(truncated()),
                Ok(_) => {}
            }
        }
    }

    async fn next_frame(&mut self) -> Result<Option<Frame>, Fault> {
        if self.skip_bytes > 0 {
            let skipped = self.skip_bytes.min(self.buffer.len());
            self.buffer.advance(skipped);
            self.skip_bytes -= skipped;
        }
        if self.skip_bytes > 0 {
            return Ok(None);
        }
        let bytes_max = self.buffer.first().map_or(0, |tag| longest(*tag));
        match frame::next(&mut self.buffer, bytes_max) {
            Ok(frame) => Ok(frame),
            Err(Malformed::Length(length)) => Err(violation(format!("message length {length}"))),
            Err(Malformed::Oversize { tag, body_bytes }) => {
                self.oversize(tag, body_bytes).await?;
                Ok(None)
            }
        }
    }

    /// Drops a message that is too long, and refuses it as what it is.
    async fn oversize(&mut self, tag: u8, body_bytes: usize) -> Result<(), Fault> {
        let cycle = match tag {
            // Rows of a COPY that has failed: the server drops them too.
            b'd' => {
                self.skip_bytes = HEADER_BYTES + body_bytes;
                return Ok(());
            }
            b'Q' | b'F' => Cycle::Simple,
            b'P' | b'B' => Cycle::Extended,
            _ => return Err(violation(format!("message {tag:#04x} of {body_bytes} bytes"))),
        };
        if body_bytes > SKIP_BYTES_MAX {
            return Err(violation(format!("message {tag:#04x} of {body_bytes} bytes")));
        }
        self.skip_bytes = HEADER_BYTES + body_bytes;
        if self.skip_to_sync {
            return Ok(());
        }
        let most = longest(tag);
        let message =
            format!("the message has {body_bytes} bytes, more than the {most} that can be judged");
        let fault = Fault::new(Blame::Client, "statement_too_long", "54000", message)
            .hint("Send it in smaller statements; the session goes on.");
        self.refuse(cycle, fault, None).await
    }

    async fn handle(&mut self, frame: Frame) -> Result<Option<End>, Fault> {
        if self.skip_to_sync && !matches!(frame.tag, b'S' | b'X') {
            return Ok(None);
        }
        self.room().await?;
        let live = self.live;
        let step = {
            let state = live.state(self.queued.is_empty());
            let mut shared = live.shared();
            frontend::step(frame, &mut shared.names, &live.grammar(), &state)?
        };
        match step {
            Step::Bind { request, name, id } => self.bind(request, name, id).await?,
            Step::Call(call) => self.call(call).await?,
            Step::Close { named, id } => {
                let expect = Expect::Close { named: named.clone(), id };
                self.say(Control::Close(named), Some(expect));
            }
            Step::Describe { named, portal, prepared } => self.describe(named, portal, prepared),
            Step::Execute { request, name, portal } => {
                self.execute(request, name, &portal).await?;
            }
            Step::Flush => self.say(Control::Flush, None),
            Step::Ignore => {}
            Step::Parse { request, name, id, types } => {
                self.parse(request, &name, id, types).await?;
            }
            Step::Query { request } => self.query(request).await?,
            Step::Refuse { cycle, fault, request } => self.refuse(cycle, fault, request).await?,
            Step::Sync => {
                self.skip_to_sync = false;
                self.say(Control::Sync, Some(Expect::Sync));
            }
            Step::Terminate => {
                self.say(Control::Terminate, None);
                self.send_queued().await?;
                return Ok(Some(End::ClientTerminated));
            }
            Step::Wait(frame) => {
                self.settle().await?;
                return Box::pin(self.handle(frame)).await;
            }
        }
        Ok(None)
    }

    async fn query(&mut self, request: Request) -> Result<(), Fault> {
        let generation = self.live.generation();
        let lineage = self.lineage();
        let known = self.known(Cycle::Simple, &generation, request, &[]).await?;
        let Some(request) = known else { return Ok(()) };
        let judged = generation.judge(&mut self.instances, request);
        let judged = self.guarded(&generation, judged).await;
        match self.allowed(Cycle::Simple, judged).await? {
            Some(decided) => self.permit_query(decided, generation, lineage).await,
            None => Ok(()),
        }
    }

    /// What may run; what is denied is refused here, what is held is asked about.
    async fn allowed(&mut self, cycle: Cycle, judged: Judged) -> Result<Option<Decided>, Fault> {
        let denied = match judged {
            Judged::Decided(decided) => return Ok(Some(decided)),
            Judged::Denied(denied) => denied,
            Judged::Held(held) => match self.ask(held).await? {
                Some(Ok(decided)) => return Ok(Some(decided)),
                Some(Err(denied)) => *denied,
                None => return Ok(None),
            },
        };
        self.deny(cycle, denied).await?;
        Ok(None)
    }

    /// Asks a person; `None` when there is nothing to ask, because the server skips the request:
    /// an earlier message of its pipeline failed, and the client is told of that.
    async fn ask(&mut self, held: Held) -> Result<Option<Result<Decided, Box<Denied>>>, Fault> {
        self.settle().await?;
        if self.live.shared().ledger.skips() {
            return Ok(None);
        }
        let Some(state) = observe::state(self, &held).await? else { return Ok(None) };
        hold::wait(self, held.in_state(state)).await.map(Some)
    }

    /// The request with what the catalogue adds; `None` when that can't be told, which the client
    /// is.
    async fn known(
        &mut self,
        cycle: Cycle,
        generation: &Generation,
        request: Request,
        types: &[u32],
    ) -> Result<Option<Request>, Fault> {
        match self.knowing(generation, request, types).await {
            Ok(request) => Ok(Some(request)),
            Err(refused) => {
                let (request, fault) = *refused;
                self.refuse(cycle, fault, Some(request)).await?;
                Ok(None)
            }
        }
    }

    fn lineage(&self) -> u64 {
        self.live.target.catalogues.lineage(self.live.session.database())
    }

    async fn permit_query(
        &mut self,
        decided: Decided,
        generation: Arc<Generation>,
        lineage: u64,
    ) -> Result<(), Fault> {
        let replicating = self.live.replication.is_some();
        let copies = match copying::copies(decided.request(), &generation, replicating) {
            Ok(copies) => copies,
            Err(fault) => {
                return self.refuse(Cycle::Simple, fault, Some(decided.into_request())).await;
            }
        };
        let facts = decided.request().shared_facts();
        let (approved, change) = (decided.approval().is_some(), Change::of(&facts));
        self.live.tracks(decided.request().facts());
        self.copying = CopyIn::of(&decided, true);
        // What fails on its own must not be taken for what came before it.
        let describes = matches!((copies.as_slice(), facts.statements.len()), ([_], 1));
        if describes {
            self.settle().await?;
        }
        let describes = describes && !self.live.shared().ledger.skips();
        let pending = self.live.recorder.permit(decided).await?;
        let number = pending.number();
        let judgement = Judgement { number, facts, generation, approved, change, lineage };
        let mut before = Vec::new();
        if describes {
            before = copying::describe(b"", &judgement, &copies);
        }
        let expect = Expect::Query { judgement, plan: None, done: 0, failed: false, copies };
        self.queued.push_back(Queued::Permit { pending, expect, before });
        if describes { self.described_copy().await } else { Ok(()) }
    }

    async fn parse(
        &mut self,
        request: Request,
        name: &Bytes,
        id: u64,
        types: Arc<[u32]>,
    ) -> Result<(), Fault> {
        let generation = self.live.generation();
        let known = self.known(Cycle::Extended, &generation, request, &types).await?;
        let Some(request) = known else { return Ok(()) };
        let prepared = Prepared::new(request.shared_text(), request.shared_facts(), types);
        let judged = generation.judge(&mut self.instances, request);
        let decided = match self.guarded(&generation, judged).await {
            Judged::Decided(decided) => decided,
            Judged::Denied(denied) => return self.deny(Cycle::Extended, denied).await,
            Judged::Held(held) => held.defer()?,
        };
        let prepared = frontend::parse_sent(&mut self.live.shared().names, name, id, prepared);
        if let Err(fault) = prepared {
            return self.refuse(Cycle::Extended, fault, Some(decided.into_request())).await;
        }
        let pending = self.live.recorder.permit(decided).await?;
        let expect = Expect::Parse { name: name.clone(), id };
        self.queued.push_back(Queued::Permit { pending, expect, before: Vec::new() });
        Ok(())
    }

    async fn bind(&mut self, request: Request, name: Bytes, id: u64) -> Result<(), Fault> {
        let generation = self.live.generation();
        let lineage = self.lineage();
        let types = stated(&request);
        let known = self.known(Cycle::Extended, &generation, request, &types).await?;
        let Some(request) = known else {
            self.live.shared().names.bound(&name, id, Answer::Failed);
            return Ok(());
        };
        let decided = match generation.judge(&mut self.instances, request) {
            Judged::Decided(decided) => decided,
            Judged::Denied(denied) => {
                self.live.shared().names.bound(&name, id, Answer::Failed);
                return self.deny(Cycle::Extended, denied).await;
            }
            Judged::Held(held) => held.defer()?,
        };
        let (ruling, facts) = (decided.ruling().clone(), decided.request().shared_facts());
        let slot = PlanSlot::default();
        let bound = Bound { id, generation, ruling, facts, slot, lineage };
        self.bound.insert(name.clone(), bound);
        if self.bound.len() > self.bound_swept * 2 {
            let shared = self.live.shared();
            self.bound.retain(|name, _| shared.names.portal(name).is_some());
            drop(shared);
            self.bound_swept = self.bound.len().max(BOUND_SWEPT_MIN);
        }
        let pending = self.live.recorder.permit(decided).await?;
        let expect = Expect::Bind { name, id };
        self.queued.push_back(Queued::Permit { pending, expect, before: Vec::new() });
        Ok(())
    }

    fn describe(
        &mut self,
        named: Named,
        portal: Option<Arc<Portal>>,
        prepared: Option<Arc<Prepared>>,
    ) {
        let expect = match (&named, portal) {
            (Named::Portal(name), Some(portal)) => {
                portal.describe_once();
                self.expect_description(name, &portal, true)
            }
            _ => Expect::DescribeStatement { prepared },
        };
        self.say(Control::Describe(named), Some(expect));
    }

    /// The description of a portal, whose plan is for the Execute that follows.
    fn expect_description(&self, name: &Bytes, portal: &Portal, told: bool) -> Expect {
        let facts = Arc::clone(&portal.prepared.facts);
        match self.bound.get(name).filter(|bound| bound.id == portal.id) {
            Some(bound) => {
                let generation = Arc::clone(&bound.generation);
                let (number, approved, change) = (0, false, Change::None);
                let lineage = bound.lineage;
                let judgement = Judgement { number, facts, generation, approved, change, lineage };
                Expect::DescribePortal { judgement, slot: Arc::clone(&bound.slot), told }
            }
            None => Expect::DescribeStatement { prepared: None },
        }
    }

    async fn execute(
        &mut self,
        request: Request,
        name: Bytes,
        portal: &Arc<Portal>,
    ) -> Result<(), Fault> {
        let generation = self.live.generation();
        let types = stated(&request);
        let known = self.known(Cycle::Extended, &generation, request, &types).await?;
        let Some(request) = known else { return Ok(()) };
        let bound = self.bound.get(&name).filter(|bound| bound.id == portal.id);
        let judged = match bound {
            Some(bound)
                if Arc::ptr_eq(&bound.generation, &generation)
                    && same_calls(&bound.facts, request.facts()) =>
            {
                generation.confirm(&mut self.instances, request, &bound.ruling)
            }
            _ => generation.judge(&mut self.instances, request),
        };
        let judged = self.guarded(&generation, judged).await;
        let Some(decided) = self.allowed(Cycle::Extended, judged).await? else { return Ok(()) };
        let copies = match copying::copies(decided.request(), &generation, false) {
            Ok(copies) => copies,
            Err(fault) => {
                return self.refuse(Cycle::Extended, fault, Some(decided.into_request())).await;
            }
        };
        let slot = self.described(&name, portal, &generation, &decided);
        self.live.tracks(decided.request().facts());
        self.copying = CopyIn::of(&decided, false);
        let facts = decided.request().shared_facts();
        let (approved, change) = (decided.approval().is_some(), Change::of(&facts));
        let pending = self.live.recorder.permit(decided).await?;
        let (number, lineage) = (pending.number(), self.lineage());
        let judgement = Judgement { number, facts, generation, approved, change, lineage };
        let before = copying::describe(DESCRIBED_STATEMENT, &judgement, &copies);
        let expect = Expect::Execute { judgement, slot, copies };
        self.queued.push_back(Queued::Permit { pending, expect, before });
        Ok(())
    }

    /// Makes sure that the portal was described under the policy in force, so that its columns
    /// are known before its first row: clients that cache descriptions never ask.
    fn described(
        &mut self,
        name: &Bytes,
        portal: &Arc<Portal>,
        generation: &Arc<Generation>,
        decided: &Decided,
    ) -> PlanSlot {
        let current = self
            .bound
            .get(name)
            .is_some_and(|it| it.id == portal.id && Arc::ptr_eq(&it.generation, generation));
        if !current {
            let generation = Arc::clone(generation);
            let (ruling, slot) = (decided.ruling().clone(), PlanSlot::default());
            let facts = decided.request().shared_facts();
            // Without the earlier entry nobody knows when the portal was planned.
            let lineage = self.bound.get(name).map_or(0, |bound| bound.lineage);
            let bound = Bound { id: portal.id, generation, ruling, facts, slot, lineage };
            self.bound.insert(name.clone(), bound);
        }
        if portal.describe_once() || !current {
            let expect = self.expect_description(name, portal, false);
            self.say(Control::Describe(Named::Portal(name.clone())), Some(expect));
        }
        self.bound.get(name).map(|bound| Arc::clone(&bound.slot)).unwrap_or_default()
    }
}

/// The OIDs of the parameters' types.
fn stated(request: &Request) -> Vec<u32> {
    request.parameters().iter().map(|parameter| parameter.type_oid).collect()
}

fn same_calls(one: &Facts, other: &Facts) -> bool {
    let calls = |facts: &Facts| facts.statements.iter().map(|it| it.calls.clone()).collect();
    let (one, other): (Vec<_>, Vec<_>) = (calls(one), calls(other));
    one == other
}

/// The longest message of this kind, bytes: values may be longer than statements.
fn longest(tag: u8) -> usize {
    match tag {
        b'B' | b'F' => CLIENT_VALUES_BYTES_MAX,
        _ => CLIENT_MESSAGE_BYTES_MAX,
    }
}

fn violation(what: impl std::fmt::Display) -> Fault {
    let message = format!("the client broke the protocol: {what}");
    Fault::new(Blame::Client, "protocol_violation", "08P01", message)
}

fn truncated() -> Fault {
    Fault::new(Blame::Client, "message_truncated", "08P01", "the connection ended inside a message")
}

//! What answers are expected from the target, in order.
//!
//! One session has one upstream connection, and the server answers in the order it is asked. So
//! each answer belongs to the entry at the head; an answer that does not fit ends the session.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;

use crate::fault::Fault;
use crate::policy::{Generation, ResultPlan};
use crate::protocol::Facts;
use crate::protocol::postgres::frontend::Named;
use crate::protocol::postgres::names::Names;

/// How the rows of a portal are masked; set once it was described.
pub(super) type PlanSlot = Arc<OnceLock<Rows>>;

/// How rows are masked. Only the return direction uses it; plugins that look at cells keep state
/// from one batch to the next.
pub(super) type SharedPlan = Arc<Mutex<ResultPlan>>;

/// What a portal returns.
#[derive(Debug)]
pub(super) enum Rows {
    /// No rows.
    None,
    /// Rows, masked by this plan.
    Some(SharedPlan),
}

/// The facts and the policy under which a statement was judged; its rows are masked under the
/// same.
#[derive(Clone, Debug)]
pub(super) struct Judgement {
    /// Number of the request in the log.
    pub(super) number: u64,
    /// What the grammar said.
    pub(super) facts: Arc<Facts>,
    /// The policy.
    pub(super) generation: Arc<Generation>,
}

/// One expected answer.
#[derive(Debug)]
pub(super) enum Expect {
    /// BindComplete.
    Bind { name: Bytes, id: u64 },
    /// CloseComplete.
    Close { named: Named, id: u64 },
    /// RowDescription or NoData of a portal. `told` when the client asked for it.
    DescribePortal { judgement: Judgement, slot: PlanSlot, told: bool },
    /// ParameterDescription, then RowDescription or NoData.
    DescribeStatement,
    /// Rows, then CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute { judgement: Judgement, slot: PlanSlot },
    /// The error that the gateway provoked; the client is told this fault instead.
    Fail(Box<Fault>),
    /// ParseComplete.
    Parse { name: Bytes, id: u64 },
    /// Everything up to ReadyForQuery; the plan of the result set under way.
    Query { judgement: Judgement, plan: Option<SharedPlan> },
    /// ReadyForQuery.
    Sync,
}

/// The expected answers and the transaction status.
#[derive(Debug)]
pub(super) struct Ledger {
    queue: VecDeque<Expect>,
    /// The server skips everything up to a Sync that is not in the queue yet.
    skipping: bool,
    status: u8,
}

impl Ledger {
    /// Nothing expected, no transaction.
    pub(super) fn new() -> Self {
        Self { queue: VecDeque::new(), skipping: false, status: b'I' }
    }

    /// The status of the last ReadyForQuery.
    pub(super) fn status(&self) -> u8 {
        self.status
    }

    /// How many answers are expected.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Expects one more answer. The message is sent right after.
    pub(super) fn push(&mut self, expect: Expect, names: &mut Names) {
        match (&expect, self.skipping) {
            (Expect::Sync, true) => self.skipping = false,
            (_, true) => return skipped(&expect, names),
            (_, false) => {}
        }
        self.queue.push_back(expect);
    }

    /// The entry that the next answer belongs to.
    pub(super) fn head(&mut self) -> Option<&mut Expect> {
        self.queue.front_mut()
    }

    /// The head is answered.
    pub(super) fn pop(&mut self) -> Option<Expect> {
        self.queue.pop_front()
    }

    /// An error answered the head of an extended cycle: the server skips to the next Sync.
    pub(super) fn fail(&mut self, names: &mut Names) {
        while let Some(expect) = self.queue.front() {
            if matches!(expect, Expect::Sync) {
                return;
            }
            skipped(expect, names);
            self.queue.pop_front();
        }
        self.skipping = true;
    }

    /// True when nothing but the head itself runs before the next ReadyForQuery.
    pub(super) fn only_words_until_ready(&self) -> bool {
        if matches!(self.queue.front(), Some(Expect::Query { .. })) {
            return true;
        }
        let mut rest = self.queue.iter().take_while(|expect| !matches!(expect, Expect::Sync));
        let runs = rest.by_ref().filter(|it| matches!(it, Expect::Execute { .. })).count();
        runs <= 1
    }

    /// ReadyForQuery came.
    pub(super) fn ready(&mut self, status: u8, names: &mut Names) {
        self.status = status;
        if status == b'I' && self.queue.is_empty() {
            names.end_transaction();
        }
    }
}

fn skipped(expect: &Expect, names: &mut Names) {
    match expect {
        Expect::Bind { name, id } => names.bind_failed(name, *id),
        Expect::Close { named: Named::Statement(name), id } | Expect::Parse { name, id } => {
            names.settle(name, *id, false);
        }
        _ => {}
    }
}

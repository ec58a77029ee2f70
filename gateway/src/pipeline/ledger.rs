//! What answers are expected from the target, in order.
//!
//! One session has one upstream connection, and the server answers in the order it is asked. So
//! each answer belongs to the entry at the head; an answer that does not fit ends the session.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;

use super::change::{Change, brings_code};
use super::observe::Observation;
use crate::fault::Fault;
use crate::policy::{Generation, ResultPlan};
use crate::protocol::postgres::frontend::Named;
use crate::protocol::postgres::names::{Answer, Names, Prepared};
use crate::protocol::postgres::statement::CopyOut;
use crate::protocol::{Class, Facts};

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

/// A COPY to the client whose rows have to be masked.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) out: CopyOut,
    /// How its rows are masked; not set when it was not described.
    pub(super) slot: PlanSlot,
}

/// The COPYs of a request, by the place of their statements in it.
pub(super) type Copies = Vec<(usize, Arc<Copy>)>;

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
    /// A person let it run.
    pub(super) approved: bool,
    /// What running it may do to the schema.
    pub(super) change: Change,
    /// The target's lineage when it was judged: a result is named by the lineage it ran under.
    pub(super) lineage: u64,
}

impl Judgement {
    /// Running it can have changed nothing, so that nobody is misled when its result is withheld.
    fn is_quiet(&self) -> bool {
        let quiet = |class| matches!(class, Class::Read | Class::Session);
        self.facts.statements.iter().all(|statement| quiet(statement.class))
    }
}

/// One expected answer.
#[derive(Debug)]
pub(super) enum Expect {
    /// BindComplete.
    Bind { name: Bytes, id: u64 },
    /// CloseComplete.
    Close { named: Named, id: u64 },
    /// CloseComplete of the gateway's own statement.
    CloseOwn,
    /// ParameterDescription, then RowDescription or NoData of a query that the gateway prepared.
    DescribeCopy { judgement: Judgement, copy: Arc<Copy> },
    /// RowDescription or NoData of a portal. `told` when the client asked for it.
    DescribePortal { judgement: Judgement, slot: PlanSlot, told: bool },
    /// ParameterDescription, then RowDescription or NoData, of this statement if it is sure.
    DescribeStatement { prepared: Option<Arc<Prepared>> },
    /// Rows, then CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute { judgement: Judgement, slot: PlanSlot, copies: Copies },
    /// The error that the gateway provoked; the client is told this fault instead.
    Fail(Box<Fault>),
    /// FunctionCallResponse, then ReadyForQuery: whether the result may be shown, and whether it
    /// came.
    Function { judgement: Judgement, harmless: bool, answered: bool },
    /// ParseComplete.
    Parse { name: Bytes, id: u64 },
    /// ParseComplete of the gateway's own statement, made of a part of request `number`; where
    /// that part began, in characters.
    PrepareOwn { number: u64, offset: Option<usize> },
    /// Everything up to ReadyForQuery: the plan of the result set under way, how many statements
    /// have completed, and whether one failed.
    Query {
        judgement: Judgement,
        plan: Option<SharedPlan>,
        done: usize,
        failed: bool,
        copies: Copies,
    },
    /// The answer to [`Control::Observe`](crate::protocol::postgres::frontend::Control::Observe).
    Observe(Arc<Observation>),
    /// ReadyForQuery of a Sync that the client did not send.
    QuietSync,
    /// ReadyForQuery.
    Sync,
}

/// The expected answers and the transaction status.
#[derive(Debug)]
pub(super) struct Ledger {
    queue: VecDeque<Expect>,
    /// The server skips everything up to a Sync that is not in the queue yet.
    skipping: bool,
    /// The client was told an error that the server does not know of: what comes before the next
    /// Sync must not be sent.
    dropping: bool,
    /// Something that is not quiet has completed in this cycle.
    changed: bool,
    /// The number of the last request that ran in this cycle.
    last: u64,
    /// The server waits for rows of a COPY.
    copying: bool,
    status: u8,
}

impl Ledger {
    /// Nothing expected, no transaction.
    pub(super) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            skipping: false,
            dropping: false,
            changed: false,
            last: 0,
            copying: false,
            status: b'I',
        }
    }

    /// The status of the last ReadyForQuery.
    pub(super) fn status(&self) -> u8 {
        self.status
    }

    /// How many answers are expected.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// True while the server waits for rows of a COPY.
    pub(super) fn copying(&self) -> bool {
        self.copying
    }

    /// The server asked for rows, or they came to an end from either side.
    pub(super) fn set_copying(&mut self, copying: bool) {
        self.copying = copying;
    }

    /// True while a query of the gateway's own is not described yet.
    pub(super) fn describing(&self) -> bool {
        self.queue.iter().any(|expect| matches!(expect, Expect::DescribeCopy { .. }))
    }

    /// True when the server, or the client's belief, is past an error and before the next Sync.
    pub(super) fn skips(&self) -> bool {
        self.skipping || self.dropping
    }

    /// True when the last message sent ended a cycle, so that no error can be under way. A Query
    /// ends one only if nothing before it can make the server skip it.
    pub(super) fn at_boundary(&self) -> bool {
        let cycle =
            |expect: &Expect| matches!(expect, Expect::Function { .. } | Expect::Query { .. });
        match self.queue.iter().rev().find(|expect| !cycle(expect)) {
            None => !self.skips(),
            Some(expect) => matches!(expect, Expect::Sync),
        }
    }

    /// Expects one more answer; false if the message must not be sent. Else it is sent right
    /// after.
    #[must_use]
    pub(super) fn push(&mut self, expect: Expect, names: &mut Names) -> bool {
        if matches!(expect, Expect::Sync) {
            (self.skipping, self.dropping) = (false, false);
        } else if self.skips() {
            settle(&expect, Answer::Skipped, names);
            // Sent or not, the server skips it. Only what it would run is held back.
            return !self.dropping;
        }
        self.queue.push_back(expect);
        true
    }

    /// The entry that the next answer belongs to.
    pub(super) fn head(&mut self) -> Option<&mut Expect> {
        self.queue.front_mut()
    }

    /// The head is answered.
    pub(super) fn pop(&mut self) -> Option<Expect> {
        let expect = self.queue.pop_front();
        if let Some(Expect::Execute { judgement, .. }) = &expect {
            self.changed |= !judgement.is_quiet();
            self.last = judgement.number;
        }
        expect
    }

    /// An error answered the head of an extended cycle: the server skips to the next Sync.
    pub(super) fn fail(&mut self, names: &mut Names) {
        let mut answer = Answer::Failed;
        while let Some(expect) = self.queue.front() {
            if matches!(expect, Expect::Sync) {
                return;
            }
            settle(expect, answer, names);
            answer = Answer::Skipped;
            self.queue.pop_front();
        }
        self.skipping = true;
    }

    /// Starts withholding the rest of this cycle. False if the client can't be told an error
    /// instead, because something ran, or will run, that the error would deny.
    pub(super) fn withhold(&mut self) -> bool {
        if let Some(Expect::Query { judgement, .. }) = self.queue.front() {
            return judgement.is_quiet();
        }
        let mut runs = 0;
        for expect in self.queue.iter().take_while(|expect| !matches!(expect, Expect::Sync)) {
            match expect {
                Expect::Execute { judgement, .. } if judgement.is_quiet() => runs += 1,
                Expect::Execute { .. } | Expect::Function { .. } | Expect::Query { .. } => {
                    return false;
                }
                _ => {}
            }
        }
        if self.changed || runs > 1 {
            return false;
        }
        self.dropping = !self.queue.iter().any(|expect| matches!(expect, Expect::Sync));
        true
    }

    /// The number of the last request that ran in this cycle.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// ReadyForQuery came. True when nothing that may change the schema is under way any more.
    pub(super) fn ready(&mut self, status: u8, names: &mut Names) -> bool {
        self.status = status;
        self.changed = false;
        self.last = 0;
        if status == b'I' && self.queue.is_empty() {
            names.end_transaction();
        }
        status == b'I' && self.queue.iter().all(|expect| expect.change() == Change::None)
    }
}

impl Expect {
    /// What it may do to the schema.
    pub(super) fn change(&self) -> Change {
        match self {
            Self::Execute { judgement, .. }
            | Self::Function { judgement, .. }
            | Self::Query { judgement, .. } => judgement.change,
            _ => Change::None,
        }
    }
}

impl Expect {
    /// Whether it may change what code statements make run.
    pub(super) fn brings_code(&self) -> bool {
        match self {
            Self::Execute { judgement, .. } | Self::Query { judgement, .. } => {
                judgement.facts.statements.iter().any(brings_code)
            }
            _ => false,
        }
    }
}

fn settle(expect: &Expect, answer: Answer, names: &mut Names) {
    match expect {
        Expect::Bind { name, id } => names.bound(name, *id, answer),
        Expect::Close { named: Named::Statement(name), id } | Expect::Parse { name, id } => {
            names.settle(name, *id, answer);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;

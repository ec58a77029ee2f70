//! One limit: what it counts, for whom, and what it does once that is used up.

use portcullis_plugin::capability::kv::{self, KvError};
use portcullis_plugin::{ApprovalAsk, Part, Problem, SessionInfo};
use serde::Deserialize;

use crate::owner;

/// The longest window of a counter: 31 days. A session's counters have it, and end with it.
const WINDOW_SECS_MAX: u32 = 31 * 24 * 3_600;

/// The counter of results that a person could let pass.
const ASKS: &str = "asks";

/// Whose counts are added up.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Per {
    /// One result.
    Statement,
    /// One session.
    Session,
    /// All sessions of the client that acts.
    Agent,
    /// All sessions of the person or service it acts for.
    Principal,
    /// All sessions of the target.
    Everyone,
}

impl Per {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Session => "session",
            Self::Agent => "agent",
            Self::Principal => "principal",
            Self::Everyone => "everyone",
        }
    }
}

/// What becomes of what is over a limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    /// It is recorded.
    Warn,
    /// A person is asked.
    Hold,
    /// It is refused.
    #[default]
    Deny,
}

/// A limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub(crate) per: Per,
    window_secs: Option<u32>,
    rows: Option<u64>,
    bytes: Option<u64>,
    statements: Option<u64>,
    #[serde(default)]
    pub(crate) then: Then,
    rule: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    groups_except: Vec<String>,
    #[serde(default)]
    approvers: Vec<String>,
}

/// What was used up.
pub(crate) struct Spent {
    what: &'static str,
    most: u64,
}

impl Limit {
    /// Every mistake, with its place.
    pub(crate) fn problems(&self, place: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut say = |field: &str, message: &str| {
            let at = if field.is_empty() { place.to_owned() } else { format!("{place}.{field}") };
            problems.push(Problem::at(at, message));
        };
        if self.rows.is_none() && self.bytes.is_none() && self.statements.is_none() {
            say("", "has none of `rows`, `bytes`, `statements`");
        }
        let windowed = matches!(self.per, Per::Agent | Per::Principal | Per::Everyone);
        match self.window_secs {
            None if windowed => say("window_secs", "is missing: over what time it counts"),
            Some(_) if !windowed => say("window_secs", "has no meaning for this `per`"),
            Some(secs) if !(1..=WINDOW_SECS_MAX).contains(&secs) => {
                say("window_secs", "is 1 to 2678400 (31 days)");
            }
            _ => {}
        }
        if self.per == Per::Statement && self.statements.is_some() {
            say("statements", "has no meaning per statement");
        }
        if self.per == Per::Statement && self.then == Then::Hold {
            say("then", "can't be `hold` per statement: nobody knows before how much it returns");
        }
        if self.then != Then::Hold && !self.approvers.is_empty() {
            say("approvers", "needs `then = \"hold\"`");
        }
        problems
    }

    /// Whether the session's subject is one that it counts.
    pub(crate) fn is_for(&self, session: &SessionInfo) -> bool {
        let among = |groups: &[String]| groups.iter().any(|group| session.groups.contains(group));
        (self.groups.is_empty() || among(&self.groups)) && !among(&self.groups_except)
    }

    /// Its stable id.
    pub(crate) fn rule(&self) -> String {
        self.rule.clone().unwrap_or_else(|| format!("budget.{}", self.per.word()))
    }

    /// What is said of it.
    pub(crate) fn reason(&self, spent: &Spent) -> String {
        let Spent { what, most } = spent;
        let window = self.window_secs.unwrap_or(0);
        match self.per {
            Per::Statement => format!("a result may have at most {most} {what}"),
            Per::Session => format!("this session may have at most {most} {what}"),
            Per::Agent => format!("this agent may have at most {most} {what} in {window} s"),
            Per::Principal => format!("its subject may have at most {most} {what} in {window} s"),
            Per::Everyone => format!("this target gives at most {most} {what} in {window} s"),
        }
    }

    /// The question to a person.
    pub(crate) fn ask(&self, spent: &Spent) -> ApprovalAsk {
        ApprovalAsk {
            rule: self.rule(),
            reason: self.reason(spent),
            approvers: self.approvers.clone(),
            decide_within_secs: None,
        }
    }

    /// What is used up before a statement, which is counted if it `runs`.
    pub(crate) fn statement(
        &self,
        counts: &mut Counts<'_>,
        runs: bool,
    ) -> Result<Option<Spent>, KvError> {
        if self.per == Per::Statement {
            return Ok(None);
        }
        if let Some(most) = self.statements {
            let now = counts.add("statements", self, u64::from(runs))?;
            if now > most || (!runs && now == most) {
                return Ok(Some(Spent { what: "statements", most }));
            }
        }
        for (what, most) in self.sizes() {
            if counts.add(what, self, 0)? >= most || self.asks(counts)? {
                return Ok(Some(Spent { what, most }));
            }
        }
        Ok(None)
    }

    /// Counts a part of a result. What is used up with it, and whether that was not so before.
    pub(crate) fn part(
        &self,
        counts: &mut Counts<'_>,
        part: &Part,
    ) -> Result<Option<(Spent, bool)>, KvError> {
        let mut over = None;
        for (what, most) in self.sizes() {
            let (amount, before) = match what {
                "rows" => (part.rows, part.rows_before),
                _ => (part.bytes, part.bytes_before),
            };
            let now = match self.per {
                Per::Statement => before.saturating_add(amount),
                _ => counts.add(what, self, amount)?,
            };
            if now > most && over.is_none() {
                over = Some((Spent { what, most }, now.saturating_sub(amount) <= most));
            }
        }
        Ok(over)
    }

    /// A result was ended that a person could let pass: the next statement is held.
    pub(crate) fn asks_next(&self, session: &SessionInfo) -> Result<(), KvError> {
        Counts::of(session).add(ASKS, self, 1).map(|_| ())
    }

    fn asks(&self, counts: &mut Counts<'_>) -> Result<bool, KvError> {
        Ok(self.then == Then::Hold && counts.add(ASKS, self, 0)? > 0)
    }

    fn sizes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let rows = self.rows.map(|most| ("rows", most));
        rows.into_iter().chain(self.bytes.map(|most| ("bytes", most)))
    }

    fn window_secs(&self) -> u32 {
        self.window_secs.unwrap_or(WINDOW_SECS_MAX)
    }
}

/// The counters of one question. Limits that count the same over the same time have one counter,
/// whatever they do once it is used up, and it is added to once.
pub(crate) struct Counts<'a> {
    looks: bool,
    session: &'a SessionInfo,
    added: Vec<(&'static str, Per, u32, u64)>,
}

impl<'a> Counts<'a> {
    pub(crate) fn of(session: &'a SessionInfo) -> Self {
        Self { looks: false, session, added: Vec::new() }
    }

    /// The same, but nothing is added: the sums are those that there would be.
    pub(crate) fn looking(session: &'a SessionInfo) -> Self {
        Self { looks: true, ..Self::of(session) }
    }

    pub(crate) fn only_looks(&self) -> bool {
        self.looks
    }

    /// Adds to the counter of a limit; gives its sum.
    fn add(&mut self, what: &'static str, limit: &Limit, amount: u64) -> Result<u64, KvError> {
        let (per, window_secs) = (limit.per, limit.window_secs());
        let same = |it: &&(_, _, _, _)| (it.0, it.1, it.2) == (what, per, window_secs);
        if let Some((.., sum)) = self.added.iter().find(same) {
            return Ok(*sum);
        }
        let name = format!("{what}/{}/{}", per.word(), owner(per, self.session));
        let store = if per == Per::Session { kv::SESSION } else { kv::PLUGIN };
        let counter = store.counter(&name, window_secs);
        let sum = match amount {
            0 => counter.sum()?,
            _ if self.looks => counter.sum()?.saturating_add(amount),
            _ => counter.add(amount)?,
        };
        self.added.push((what, per, window_secs, sum));
        Ok(sum)
    }
}

//! The circuit breaker: after too much of something, everything is refused for a while.

use portcullis_plugin::capability::kv::{self, KvError, Store};
use portcullis_plugin::{Operation, Problem, Refusal, SessionInfo};
use serde::Deserialize;

use crate::limit::Per;
use crate::owner;

const DAY_SECS: u32 = 24 * 3_600;

/// When it opens, for whom and for how long.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Breaker {
    #[serde(default = "agent")]
    per: Per,
    /// Seconds for which it stays open.
    open_secs: u32,
    /// Refusals by this plugin.
    refusals: Option<Trip>,
    /// Statements of any kind.
    burst: Option<Trip>,
    /// Statements of at least the risk `at`.
    risk: Option<RiskTrip>,
}

fn agent() -> Per {
    Per::Agent
}

/// More than `most` in a window open it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trip {
    most: u64,
    window_secs: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RiskTrip {
    at: u8,
    most: u64,
    window_secs: u32,
}

impl Breaker {
    /// Every mistake, with its place.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut say = |at: &str, message: &str| {
            problems.push(Problem::at(format!("breaker{at}"), message));
        };
        if self.per == Per::Statement {
            say(".per", "is `session`, `agent`, `principal` or `everyone`");
        }
        if !(1..=DAY_SECS).contains(&self.open_secs) {
            say(".open_secs", "is 1 to 86400");
        }
        if self.refusals.is_none() && self.burst.is_none() && self.risk.is_none() {
            say("", "has none of `refusals`, `burst`, `risk`");
        }
        if self.risk.as_ref().is_some_and(|risk| !(1..=100).contains(&risk.at)) {
            say(".risk.at", "is 1 to 100");
        }
        let windows = [
            (".refusals", self.refusals.as_ref().map(|it| it.window_secs)),
            (".burst", self.burst.as_ref().map(|it| it.window_secs)),
            (".risk", self.risk.as_ref().map(|it| it.window_secs)),
        ];
        for (at, window) in windows {
            if window.is_some_and(|secs| !(1..=DAY_SECS).contains(&secs)) {
                say(&format!("{at}.window_secs"), "is 1 to 86400");
            }
        }
        problems
    }

    /// The refusal while it is open. A statement that `runs` is counted, and may open it.
    pub(crate) fn check(
        &self,
        session: &SessionInfo,
        operation: &Operation,
        runs: bool,
    ) -> Result<Option<Refusal>, KvError> {
        if let Some(why) = self.store().get(&self.key("open", session))? {
            let why = String::from_utf8_lossy(&why).into_owned();
            return Ok(Some(self.refusal(&why)));
        }
        if !runs {
            return Ok(None);
        }
        if let Some(Trip { most, window_secs }) = self.burst
            && self.count("burst", session, window_secs)? > most
        {
            let why = format!("more than {most} statements in {window_secs} s");
            return self.open(session, &why).map(Some);
        }
        if let Some(RiskTrip { at, most, window_secs }) = self.risk
            && operation.risk() >= at
            && self.count("risk", session, window_secs)? > most
        {
            let why =
                format!("more than {most} statements of risk {at} or more in {window_secs} s");
            return self.open(session, &why).map(Some);
        }
        Ok(None)
    }

    /// This plugin refused something.
    pub(crate) fn refused(&self, session: &SessionInfo) -> Result<(), KvError> {
        let Some(Trip { most, window_secs }) = self.refusals else { return Ok(()) };
        if self.count("refusals", session, window_secs)? > most {
            let why = format!("more than {most} refusals in {window_secs} s");
            self.open(session, &why)?;
        }
        Ok(())
    }

    fn open(&self, session: &SessionInfo, why: &str) -> Result<Refusal, KvError> {
        self.store().set(&self.key("open", session), why.as_bytes(), Some(self.open_secs))?;
        Ok(self.refusal(why))
    }

    fn refusal(&self, why: &str) -> Refusal {
        let reason = format!(
            "the circuit breaker is open after {why}; it closes {} s after it opened",
            self.open_secs
        );
        Refusal { rule: "budget.breaker".to_owned(), reason }
    }

    fn count(&self, what: &str, session: &SessionInfo, window_secs: u32) -> Result<u64, KvError> {
        self.store().counter(&self.key(what, session), window_secs).add(1)
    }

    fn key(&self, what: &str, session: &SessionInfo) -> String {
        format!("breaker/{what}/{}/{}", self.per.word(), owner(self.per, session))
    }

    fn store(&self) -> Store {
        if self.per == Per::Session { kv::SESSION } else { kv::PLUGIN }
    }
}

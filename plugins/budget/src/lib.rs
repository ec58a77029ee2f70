//! Budgets of rows, bytes and statements, and a circuit breaker. Settings: `README.md`.

mod breaker;
mod limit;

use portcullis_plugin::capability::kv::KvError;
use portcullis_plugin::{
    Approver, Decision, Finding, Meter, Metering, Operation, Part, Plugin, Problem, Refusal,
    Ruling, SessionInfo,
};
use serde::Deserialize;

use crate::breaker::Breaker;
use crate::limit::{Counts, Limit, Per, Spent, Then};

/// The `[plugins.settings]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Each counts by itself; the strictest that is used up counts.
    #[serde(default)]
    limits: Vec<Limit>,
    /// Refuses everything for a time after too much of something.
    breaker: Option<Breaker>,
}

/// The plugin.
#[derive(Debug)]
pub struct Budget {
    limits: Vec<Limit>,
    breaker: Option<Breaker>,
}

impl Plugin for Budget {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let Settings { limits, breaker } = settings;
        let mut problems = Vec::new();
        if limits.is_empty() && breaker.is_none() {
            problems.push(Problem::at("", "has neither `limits` nor a `breaker`"));
        }
        for (at, limit) in limits.iter().enumerate() {
            problems.extend(limit.problems(&format!("limits[{at}]")));
        }
        problems.extend(breaker.iter().flat_map(Breaker::problems));
        if problems.is_empty() { Ok(Self { limits, breaker }) } else { Err(problems) }
    }
}

/// What can't be counted is refused: the store is full, or there is none.
fn uncounted(error: &KvError) -> Refusal {
    let reason = match error {
        KvError::Full => {
            "there is no room to count in; raise [plugins.kv] of the policy".to_owned()
        }
        other => format!("it can't be counted: {other:?}"),
    };
    Refusal { rule: "budget.uncounted".to_owned(), reason }
}

/// Whether a question is one that runs something: a statement is counted once, when its values
/// are there, and not again when it is prepared or executed.
fn runs(operation: &Operation) -> bool {
    !matches!(operation.request(), "sql_parse" | "sql_execute" | "sql_copy_data" | "sql_setting")
}

impl Approver for Budget {
    fn check(&self, session: &SessionInfo, operation: &Operation) -> Ruling {
        // A session can always end its transaction.
        if operation.class == "transaction" {
            return Ruling::abstain();
        }
        self.judge(session, operation).unwrap_or_else(|error| {
            let refusal = uncounted(&error);
            Decision::Deny(refusal).into()
        })
    }
}

impl Budget {
    fn judge(&self, session: &SessionInfo, operation: &Operation) -> Result<Ruling, KvError> {
        let (runs, mut counts) = (runs(operation), Counts::of(session));
        if let Some(breaker) = &self.breaker
            && let Some(refusal) = breaker.check(session, operation, runs)?
        {
            return Ok(Decision::Deny(refusal).into());
        }
        let mut ruling = Ruling::abstain();
        for limit in self.limits.iter().filter(|limit| limit.is_for(session)) {
            let Some(spent) = limit.statement(&mut counts, runs)? else { continue };
            match limit.then {
                Then::Deny => {
                    self.refused(session)?;
                    let reason = limit.reason(&spent);
                    return Ok(Ruling::deny(limit.rule(), reason));
                }
                Then::Hold => {
                    if !matches!(ruling.decision, Decision::Hold(_)) {
                        ruling.decision = Decision::Hold(limit.ask(&spent));
                    }
                }
                Then::Warn => ruling.findings.push(finding(limit, &spent)),
            }
        }
        Ok(ruling)
    }

    fn count(&self, session: &SessionInfo, part: &Part) -> Result<Metering, KvError> {
        // What is withheld is not counted: whoever tries again is not worse off for it. Another
        // session may count in between, so it is looked at once more when it is counted.
        let (mut looking, mut adding) = (Counts::looking(session), Counts::of(session));
        for counts in [&mut looking, &mut adding] {
            let mut metering = Metering::Pass;
            let mut stop = None;
            // Every limit counts, whatever another says.
            for limit in self.limits.iter().filter(|limit| limit.is_for(session)) {
                let Some((spent, crossed)) = limit.part(counts, part)? else { continue };
                match limit.then {
                    // Somebody said yes to this very statement.
                    Then::Hold if part.is_approved() => {}
                    Then::Hold | Then::Deny => {
                        let mut reason = limit.reason(&spent);
                        if limit.then == Then::Hold {
                            limit.asks_next(session)?;
                            reason.push_str("; run it again, and a person is asked");
                        }
                        stop.get_or_insert(Refusal { rule: limit.rule(), reason });
                    }
                    Then::Warn if crossed => metering = Metering::Note(finding(limit, &spent)),
                    Then::Warn => {}
                }
            }
            if let Some(refusal) = stop {
                self.refused(session)?;
                return Ok(Metering::Stop(refusal));
            }
            if !counts.only_looks() {
                return Ok(metering);
            }
        }
        Ok(Metering::Pass)
    }

    fn refused(&self, session: &SessionInfo) -> Result<(), KvError> {
        self.breaker.as_ref().map_or(Ok(()), |breaker| breaker.refused(session))
    }
}

impl Meter for Budget {
    fn observe(&self, session: &SessionInfo, part: &Part) -> Metering {
        self.count(session, part).unwrap_or_else(|error| Metering::Stop(uncounted(&error)))
    }
}

fn finding(limit: &Limit, spent: &Spent) -> Finding {
    Finding { rule: limit.rule(), score: 0, message: limit.reason(spent) }
}

/// Whose counters these are: a name, cut so that it is no longer than a counter's may be. Two
/// names that are alike so far share a budget.
fn owner(per: Per, session: &SessionInfo) -> &str {
    const BYTES_MAX: usize = 200;
    let name = match per {
        Per::Agent => session.agent.as_str(),
        Per::Principal => session.principal.as_str(),
        Per::Everyone | Per::Session | Per::Statement => "",
    };
    let mut end = name.len().min(BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

portcullis_plugin::metering_approver!(Budget);

#[cfg(test)]
mod tests;

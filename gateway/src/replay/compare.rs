//! A session run again: each permitted request in order, its answer beside the recorded one.

use std::path::Path;

use serde::Serialize;

use super::frames::Answer;
use super::script::{Script, What};
use super::wire::Client;
use crate::audit::checkpoint::hex;
use crate::audit::entry::{Parameter, RequestState};
use crate::audit::tree::sha256;
use crate::protocol::Kind;

/// What became of a session that was run again.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Requests that were run.
    pub ran: u64,
    /// Those whose rows were compared too; others were masked, or recorded in pieces.
    pub rows_compared: u64,
    /// Requests that were not run, each with the reason.
    pub skipped: Vec<String>,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// One thing that differs.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// The request's number.
    pub request: u64,
    /// `tags`, `errors`, `count` or `rows`.
    pub what: &'static str,
    /// As recorded.
    pub recorded: String,
    /// As it came now.
    pub replayed: String,
}

/// A permitted request with the answer that was recorded.
struct Case<'a> {
    number: u64,
    kind: Kind,
    text: Option<&'a str>,
    parameters: &'a [Parameter],
    answer: Answer,
    /// The rows are as the target sent them, and all of them are there.
    whole: bool,
    answered: bool,
}

/// Runs a session in the server behind this socket, and compares.
///
/// # Errors
/// The server can't be reached or the connection broke, for the caller of the tool.
pub async fn against(script: &Script, socket: &Path, database: &str) -> Result<Outcome, String> {
    let mut client = Client::connect(socket, &script.role, database).await?;
    let mut outcome = Outcome::default();
    for case in cases(script) {
        let number = case.number;
        let mut skip = |why: &str| outcome.skipped.push(format!("request {number}: {why}"));
        let Some(text) = case.text else {
            skip("its statement is not in the bundle");
            continue;
        };
        let answer = match case.kind {
            // The Execute carries text and values of both.
            Kind::SqlBind | Kind::SqlParse => continue,
            Kind::SqlQuery | Kind::SqlSetting => client.query(text).await?,
            Kind::SqlExecute => client.execute(text, case.parameters, &case.answer.binary).await?,
            Kind::SqlCopyData
            | Kind::SqlFunctionCall
            | Kind::SqlReplication
            | Kind::KubernetesRequest => {
                skip("its kind is not run again");
                continue;
            }
        };
        outcome.ran += 1;
        if !case.answered {
            skip("no answer to it was recorded");
            continue;
        }
        let mut found = differences(&case, &answer);
        if case.kind == Kind::SqlExecute && found.iter().all(|it| it.what == "rows") {
            // Which format the client took rows in is not always recorded.
            for binary in [[true], [false]] {
                let reads = case.answer.tags.iter().all(|tag| tag.starts_with("SELECT"));
                if found.is_empty() || !reads {
                    break;
                }
                let answer = client.execute(text, case.parameters, &binary).await?;
                if differences(&case, &answer).is_empty() {
                    found.clear();
                }
            }
        }
        outcome.rows_compared += u64::from(case.whole);
        outcome.differences.extend(found);
    }
    Ok(outcome)
}

fn cases(script: &Script) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    // A portal is described in an answer of its own, before its rows come.
    let mut described = Vec::new();
    for step in &script.steps {
        match &step.what {
            What::Request {
                number,
                state: RequestState::Permitted,
                kind,
                text,
                parameters,
                ..
            } => cases.push(Case {
                number: *number,
                kind: *kind,
                text: text.as_deref(),
                parameters,
                answer: Answer::default(),
                whole: true,
                answered: false,
            }),
            What::Response { number, frames, masked, piece } => {
                let whole = frames.as_ref().filter(|_| !piece);
                let mut answer = Answer::default();
                whole.into_iter().for_each(|frames| answer.add(frames));
                if !answer.binary.is_empty() {
                    described.clone_from(&answer.binary);
                }
                let Some(case) = cases.iter_mut().rfind(|case| case.number == *number) else {
                    continue;
                };
                case.answered |= frames.is_some();
                case.whole &= !(*masked || *piece || frames.is_none() || answer.broken);
                case.answer.join(answer);
                if case.answer.binary.is_empty() {
                    case.answer.binary.clone_from(&described);
                }
            }
            _ => {}
        }
    }
    cases
}

fn differences(case: &Case<'_>, now: &Answer) -> Vec<Difference> {
    let then = &case.answer;
    let mut found = Vec::new();
    let mut differ = |what, recorded: String, replayed: String| {
        if recorded != replayed {
            found.push(Difference { request: case.number, what, recorded, replayed });
        }
    };
    differ("errors", then.errors.join(", "), now.errors.join(", "));
    differ("tags", then.tags.join("; "), now.tags.join("; "));
    if !case.whole {
        return found;
    }
    differ("count", then.rows.len().to_string(), now.rows.len().to_string());
    if then.rows.len() == now.rows.len() {
        // Without ORDER BY a server owes no order.
        let hash = |answer: &Answer| {
            let mut rows: Vec<_> = answer.rows.iter().map(|row| sha256(&[row])).collect();
            rows.sort_unstable();
            hex(&sha256(&rows))
        };
        differ("rows", hash(then), hash(now));
    }
    found
}

#[cfg(test)]
mod tests;

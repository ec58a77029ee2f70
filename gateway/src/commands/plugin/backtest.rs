//! `plugin backtest`: recorded sessions, judged again.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::client::Client;
use super::super::{Stop, print, sessions};
use super::trial;
use crate::audit::entry;
use crate::cli::plugin::BacktestArgs;
use crate::policy::{Caller, Finding, Generation, Instances, Verdict};
use crate::protocol::{Block, Facts, Kind, Parameter, Request, State};

/// Nothing could be judged.
const EXIT_UNSURE: u8 = 3;

/// A session's report, as far as judging again needs it.
#[derive(Deserialize)]
struct Session {
    session: Summary,
    token: Option<Token>,
    timeline: Vec<Moment>,
    #[serde(default)]
    more: u64,
}

#[derive(Deserialize)]
struct Summary {
    id: String,
    agent: String,
    subject: String,
    target: String,
    protocol: String,
    database: String,
    role: String,
}

#[derive(Deserialize)]
struct Token {
    groups: Vec<String>,
}

#[derive(Deserialize)]
struct Moment {
    time: String,
    kind: String,
    body: Value,
    command: Option<Command>,
}

/// What a request's payload says, as the report shows it.
#[derive(Deserialize)]
struct Command {
    text: String,
    parameters: Vec<entry::Parameter>,
    findings: Vec<Finding>,
    facts: Facts,
    in_transaction: bool,
    role: Option<String>,
    search_path: Option<String>,
}

/// What a backtest found.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    /// Sessions read.
    sessions: u64,
    /// Requests judged again.
    judged: u64,
    /// Those whose verdict is the same.
    same: u64,
    /// Those whose verdict would differ.
    differ: u64,
    /// By kind of difference, such as `allow -> deny`.
    changes: std::collections::BTreeMap<String, u64>,
    /// Refused by the gateway itself, whatever the policy says.
    by_gateway: u64,
    /// Not judged, because the payload is sealed, erased or damaged.
    unreadable: u64,
    /// Requests that the log has and the report of a very long session leaves out.
    left_out: u64,
    /// Each verdict that would differ.
    differences: Vec<Difference>,
}

/// A verdict that would differ.
#[derive(Debug, Serialize)]
struct Difference {
    session: String,
    number: u64,
    time: String,
    request: Kind,
    text: String,
    was: Verdict,
    would_be: Verdict,
    risk_was: u8,
    risk_would_be: u8,
    findings: Vec<Finding>,
}

/// The policy to judge by, and whether it is added to what was in force.
struct Bench {
    generation: Generation,
    added: bool,
}

pub(super) async fn run(args: BacktestArgs, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let bench = bench(&args)?;
    let unsure = |stop: Stop| Stop { code: EXIT_UNSURE, ..stop };
    let ids = match args.sessions.as_slice() {
        [] => listed(&args).await.map_err(unsure)?,
        named => {
            named.iter().try_for_each(|id| sessions::checked(id).map(|_| ()))?;
            named.to_vec()
        }
    };
    let mut outcome = Outcome::default();
    for id in &ids {
        let report = report(&args, id).await.map_err(unsure)?;
        let session: Session = serde_json::from_str(&report).map_err(|error| {
            unsure(Stop::failed(format!("the report of {id} can't be read: {error}")))
        })?;
        bench.judge(session, &mut outcome);
    }
    let text = if args.json {
        serde_json::to_string_pretty(&outcome)
            .map_err(|_| Stop::failed("the outcome can't be written as JSON"))?
    } else {
        outcome.text()
    };
    print(out, &text)?;
    match outcome {
        Outcome { differ: 1.., .. } => Err(Stop::failed("")),
        Outcome { judged: 0, .. } => Err(unsure(Stop::failed("no request could be judged again"))),
        _ => Ok(()),
    }
}

fn bench(args: &BacktestArgs) -> Result<Bench, Stop> {
    let (policy, added) = match (&args.plugin, &args.policy) {
        (Some(file), _) => {
            let risk = [("deny_at", args.deny_at), ("hold_at", args.hold_at)];
            let lines = risk.iter().filter_map(|(key, at)| Some(format!("{key} = {}\n", (*at)?)));
            let top = format!("[risk]\n{}", lines.collect::<String>());
            let memory = args.memory_mib.map(|mib| format!("memory_mib_max = {mib}\n"));
            let rest = memory.unwrap_or_default();
            let settings = args.settings.as_deref();
            (trial::alone(file, settings, &args.grants, (&top, &rest))?, true)
        }
        (None, Some(file)) => (crate::config::load_policy(file).map_err(trial::mistakes)?, false),
        (None, None) => return Err(Stop::usage("expected a component or --policy")),
    };
    let generation = trial::engine()?.load(&policy).map_err(|found| {
        let message = trial::problems(&found).into();
        Stop { code: EXIT_UNSURE, message }
    })?;
    Ok(Bench { generation, added })
}

/// The ids of the sessions to judge, newest first.
async fn listed(args: &BacktestArgs) -> Result<Vec<String>, Stop> {
    let list = sessions::summaries(&args.source, args.limit).await?;
    let wanted =
        |session: &&Value| args.target.as_deref().is_none_or(|target| session["target"] == target);
    let id = |session: &Value| session["id"].as_str().map(str::to_owned);
    Ok(list.iter().filter(wanted).filter_map(id).collect())
}

async fn report(args: &BacktestArgs, id: &str) -> Result<String, Stop> {
    match &args.source.dir {
        Some(dir) => sessions::at_rest(dir, id, crate::cli::Format::Json),
        None => {
            let path = format!("/v1/sessions/{id}/report?format=json");
            Client::new(&args.source.admin)?.read(&path).await
        }
    }
}

impl Bench {
    fn judge(&self, session: Session, outcome: &mut Outcome) {
        let Session { session, token, timeline, more } = session;
        let caller = Caller {
            id: session.id.clone(),
            target: session.target,
            protocol: session.protocol,
            database: session.database,
            role: session.role,
            principal: session.subject,
            agent: session.agent,
            groups: token.map(|token| token.groups).unwrap_or_default(),
        };
        let mut instances = Instances::recorded(&caller);
        outcome.sessions += 1;
        outcome.left_out += more;
        let mut last = 0;
        for moment in timeline.into_iter().filter(|moment| moment.kind == entry::kind::REQUEST) {
            let Ok(body) = serde_json::from_value::<entry::Request>(moment.body) else {
                outcome.unreadable += 1;
                continue;
            };
            // One that was held has a second entry once it runs; rows of a COPY have none of
            // their own verdict.
            if body.number == last || body.kind == Kind::SqlCopyData {
                continue;
            }
            last = body.number;
            let Some(command) = moment.command else {
                outcome.unreadable += 1;
                continue;
            };
            if by_gateway(&body, &command.findings) {
                outcome.by_gateway += 1;
                continue;
            }
            let text = command.text.clone();
            let request = request(body.kind, command);
            let ruling = self.generation.judge_recorded(&mut instances, request);
            let would_be = match self.added {
                true => ruling.verdict.max(body.verdict),
                false => ruling.verdict,
            };
            outcome.judged += 1;
            if would_be == body.verdict {
                outcome.same += 1;
                continue;
            }
            outcome.differ += 1;
            let change = format!("{} -> {}", word(body.verdict), word(would_be));
            *outcome.changes.entry(change).or_default() += 1;
            outcome.differences.push(Difference {
                session: session.id.clone(),
                number: body.number,
                time: moment.time,
                request: body.kind,
                text,
                was: body.verdict,
                would_be,
                risk_was: body.risk,
                risk_would_be: ruling.risk,
                findings: ruling.findings,
            });
        }
    }
}

/// Whether no policy's verdict was recorded: the text could not be read, or it did with a hidden
/// column what the masking mode refuses, which takes the target's catalogue to say.
fn by_gateway(body: &entry::Request, findings: &[Finding]) -> bool {
    let masking =
        |finding: &Finding| finding.plugin == "core" && finding.rule.starts_with("masking.");
    body.policy.is_empty() || (body.verdict == Verdict::Deny && findings.iter().any(masking))
}

fn request(kind: Kind, command: Command) -> Request {
    let parameters = command.parameters.into_iter().map(|parameter| {
        let value = parameter.value.and_then(|value| STANDARD.decode(value).ok());
        let (binary, type_oid) = (parameter.binary, parameter.type_oid);
        Parameter { binary, type_oid, value: value.map(Into::into) }
    });
    let state = State {
        block: if command.in_transaction { Block::Open } else { Block::None },
        role: command.role,
        search_path: command.search_path,
        read_only: false,
    };
    Request::recorded(kind, &command.text, command.facts, parameters.collect(), state)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Hold => "hold",
        Verdict::Deny => "deny",
    }
}

impl Outcome {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for one in &self.differences {
            lines.push(format!(
                "{} {} request {}: {} -> {} (risk {} -> {})",
                one.time,
                one.session,
                one.number,
                word(one.was),
                word(one.would_be),
                one.risk_was,
                one.risk_would_be
            ));
            lines.push(format!("  {}", one.text));
            let because = one.findings.iter().map(|finding| {
                let Finding { plugin, rule, score, message } = finding;
                format!("  {plugin} {rule} ({score}): {message}")
            });
            lines.extend(because);
        }
        lines.push(format!(
            "{} sessions, {} requests judged again: {} the same, {} would differ",
            self.sessions, self.judged, self.same, self.differ
        ));
        lines.extend(self.changes.iter().map(|(change, count)| format!("  {count} {change}")));
        for (count, what) in [
            (self.by_gateway, "refused by the gateway itself, whatever the policy"),
            (self.unreadable, "not judged: their payload is sealed, erased or damaged"),
            (self.left_out, "entries of very long sessions were left out"),
        ] {
            if count > 0 {
                lines.push(format!("  {count} {what}"));
            }
        }
        lines.push("Masks are not judged again: the log holds what the client got.".to_owned());
        lines.join("\n")
    }
}

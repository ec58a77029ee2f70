//! Judging a request: core rules, then risk, then guards, then one verdict.

use std::sync::Arc;

use super::core;
use super::generation::Generation;
use super::host::{Failure, wit};
use super::instances::Instances;
use super::merge::{self, Opinion};
use super::plugin::{Live, Plugin};
use super::{Ask, Decided, Denied, Finding, Held, Judged, Ruling, Verdict};
use crate::fault::{Blame, Fault};
use crate::limits::RULING_FINDINGS_MAX;
use crate::protocol::{Access, Class, Kind, Request, Statement};
use crate::session::Session;

/// Who is named when no plugin spoke: the policy file's own thresholds and default.
const POLICY: &str = "policy";
const CORE: &str = "core";

/// What gathers while the statements of a request are judged.
#[derive(Default)]
struct Tally {
    risk: u8,
    findings: Vec<Finding>,
    asks: Vec<Ask>,
    verdict: Option<Verdict>,
}

/// A plugin that is asked about a request, and its place in the policy.
struct Asked<'a> {
    live: Live,
    index: usize,
    plugin: &'a Plugin,
}

impl Generation {
    /// Judges a request: each of its statements, by every plugin; the strictest answer counts.
    /// A plugin that fails denies.
    pub fn judge(&self, instances: &mut Instances, request: Request) -> Judged {
        let mut tally = Tally::default();
        if let Err(refusal) = core::check(&request, &self.settings().settings) {
            tally.note(CORE, refusal.rule, refusal.fault.to_string());
            return self.deny(request, tally, refusal.fault);
        }
        match self.hear(instances, &request, &mut tally) {
            Err(fault) => self.deny(request, tally, *fault),
            Ok(()) => match tally.verdict.unwrap_or(Verdict::Allow) {
                Verdict::Allow => {
                    let ruling = self.ruling(tally, Verdict::Allow);
                    Judged::Decided(Decided { request, ruling, approval: None })
                }
                // Deny has left through the error above; here it can only be a question.
                Verdict::Hold | Verdict::Deny => {
                    let settings = self.settings();
                    let (who, time) = (&settings.approvers, settings.decide_within_secs);
                    let ask = merge::asks(&tally.asks, who, time);
                    let ruling = self.ruling(tally, Verdict::Hold);
                    Judged::Held(Held { request, ruling, ask })
                }
            },
        }
    }

    /// Judges the Execute of a portal whose Bind, with the same text and values, got `earlier`.
    /// What was allowed under this very policy is allowed; anything else is judged anew.
    pub fn confirm(&self, instances: &mut Instances, request: Request, earlier: &Ruling) -> Judged {
        let same = Arc::ptr_eq(self.stamps(), &earlier.plugins)
            && self.settings().digest == earlier.policy_digest;
        if same && earlier.verdict == Verdict::Allow && request.kind() == Kind::SqlExecute {
            let ruling = earlier.clone();
            return Judged::Decided(Decided { request, ruling, approval: None });
        }
        self.judge(instances, request)
    }

    /// Asks about every statement; stops at the first denial.
    fn hear(
        &self,
        instances: &mut Instances,
        request: &Request,
        tally: &mut Tally,
    ) -> Result<(), Box<Fault>> {
        if request.facts().statements.is_empty() {
            return Ok(());
        }
        let mut live = Vec::new();
        for (index, plugin) in self.plugins().iter().enumerate() {
            if plugin.scores() || plugin.guards() {
                let taken = instances.take(self, index).map_err(|f| failed(f, tally))?;
                live.push(Asked { live: taken, index, plugin });
            }
        }
        let heard = self.ask(instances.who(), &mut live, request, tally);
        for asked in live {
            instances.put(self, asked.index, asked.live);
        }
        heard
    }

    fn ask(
        &self,
        who: &wit::SessionInfo,
        live: &mut [Asked<'_>],
        request: &Request,
        tally: &mut Tally,
    ) -> Result<(), Box<Fault>> {
        for (seq, statement) in request.facts().statements.iter().enumerate() {
            let mut operation = operation(seq, statement, request)
                .ok_or_else(|| Box::new(torn(&statement.verb)))?;
            let (mut risk, before) = (0, tally.findings.len());
            for asked in live.iter_mut().filter(|asked| asked.plugin.scores()) {
                let answer = asked.live.score(who, &operation);
                let (score, findings) = answer.map_err(|f| failed(f, tally))?;
                risk = risk.max(score);
                tally.findings.extend(findings);
            }
            tally.risk = tally.risk.max(risk);
            operation.attributes.push(("risk".into(), risk.to_string()));
            let mut opinions = vec![self.threshold(risk, statement, tally.findings.get(before..))];
            opinions.extend(self.setting(statement, request, tally));
            for asked in live.iter_mut().filter(|asked| asked.plugin.guards()) {
                let opinion = self.opinion(&mut asked.live, who, &operation, tally);
                let opinion = opinion.map_err(|f| failed(f, tally))?;
                let denied = matches!(opinion, Opinion::Deny { .. });
                opinions.push(opinion);
                if denied {
                    break;
                }
            }
            self.settle(statement, opinions, tally)?;
        }
        Ok(())
    }

    fn opinion(
        &self,
        live: &mut Live,
        who: &wit::SessionInfo,
        operation: &wit::Operation,
        tally: &mut Tally,
    ) -> Result<Opinion, Failure> {
        let (decision, findings) = live.check(who, operation)?;
        tally.findings.extend(findings);
        Ok(match decision {
            wit::Decision::Abstain => Opinion::Abstain,
            wit::Decision::Allow => Opinion::Allow,
            wit::Decision::Deny(no) => {
                tally.note(live.name(), &no.rule, no.reason.clone());
                Opinion::Deny { by: live.name().to_owned(), rule: no.rule, reason: no.reason }
            }
            wit::Decision::Hold(ask) => {
                tally.note(live.name(), &ask.rule, ask.reason.clone());
                let most = self.settings().decide_within_secs;
                let decide_within_secs = ask.decide_within_secs.unwrap_or(most);
                let (reason, approvers) = (ask.reason, ask.approvers);
                Opinion::Hold { ask: Ask { reason, approvers, decide_within_secs } }
            }
        })
    }

    fn threshold(&self, risk: u8, statement: &Statement, findings: Option<&[Finding]>) -> Opinion {
        let settings = self.settings();
        let reason = |at: u8| {
            let verb = &statement.verb;
            let why = findings.unwrap_or_default().iter().max_by_key(|finding| finding.score);
            let why = why.map(|finding| format!(" ({})", finding.message)).unwrap_or_default();
            format!("`{verb}` has risk {risk}{why}, which reaches the limit {at} of the policy")
        };
        match (settings.risk_deny_at, settings.risk_hold_at) {
            (Some(at), _) if risk >= at => {
                Opinion::Deny { by: POLICY.into(), rule: "risk.deny_at".into(), reason: reason(at) }
            }
            (_, Some(at)) if risk >= at => {
                let reason = reason(at);
                let decide_within_secs = settings.decide_within_secs;
                Opinion::Hold { ask: Ask { reason, approvers: Vec::new(), decide_within_secs } }
            }
            _ => Opinion::Abstain,
        }
    }

    /// The question about a setting that the policy holds.
    fn setting(
        &self,
        statement: &Statement,
        request: &Request,
        tally: &mut Tally,
    ) -> Option<Opinion> {
        let settings = self.settings();
        let name = settings.settings.held(statement, request.state())?;
        let name = if name == "*" { "every setting" } else { name };
        let reason = format!("`{}` changes {name}", statement.verb);
        tally.note(POLICY, "settings.hold", reason.clone());
        let decide_within_secs = settings.decide_within_secs;
        Some(Opinion::Hold { ask: Ask { reason, approvers: Vec::new(), decide_within_secs } })
    }

    fn settle(
        &self,
        statement: &Statement,
        opinions: Vec<Opinion>,
        tally: &mut Tally,
    ) -> Result<(), Box<Fault>> {
        let default = self.settings().default_verdict;
        let verdict = merge::verdict(default, &opinions);
        tally.verdict = tally.verdict.max(Some(verdict));
        let asks = opinions.iter().filter_map(|opinion| match opinion {
            Opinion::Hold { ask } => Some(ask.clone()),
            _ => None,
        });
        tally.asks.extend(asks);
        if verdict != Verdict::Deny {
            return Ok(());
        }
        let denial = opinions.into_iter().find_map(|opinion| match opinion {
            Opinion::Deny { by, rule, reason } => Some((by, rule, reason)),
            _ => None,
        });
        let (by, rule, reason) = denial.unwrap_or_else(|| {
            let reason = format!("the policy of this target allows no `{}`", statement.verb);
            (POLICY.to_owned(), "policy.default".to_owned(), reason)
        });
        if by == POLICY {
            tally.note(POLICY, &rule, reason.clone());
        }
        Err(Box::new(refused(&by, &rule, &reason)))
    }

    fn deny(&self, request: Request, tally: Tally, fault: Fault) -> Judged {
        let ruling = self.ruling(tally, Verdict::Deny);
        Judged::Denied(Denied { request, ruling, fault })
    }

    fn ruling(&self, tally: Tally, verdict: Verdict) -> Ruling {
        let mut findings = tally.findings;
        if findings.len() > RULING_FINDINGS_MAX {
            // Stable, so equals keep the order in which they were found.
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.score));
            findings.truncate(RULING_FINDINGS_MAX);
        }
        Ruling {
            verdict,
            risk: tally.risk,
            findings,
            policy_digest: self.settings().digest.clone(),
            plugins: self.stamps().clone(),
        }
    }
}

impl Tally {
    /// Records what decided, with the highest score so that it survives any cut.
    fn note(&mut self, plugin: &str, rule: &str, message: String) {
        let (plugin, rule) = (plugin.to_owned(), rule.to_owned());
        self.findings.insert(0, Finding { plugin, rule, score: 100, message });
    }
}

fn failed(failure: Failure, tally: &mut Tally) -> Box<Fault> {
    let fault = failure.fault("the request was refused");
    tally.note(&failure.plugin, "plugin_failed", failure.what);
    Box::new(fault)
}

fn refused(by: &str, rule: &str, reason: &str) -> Fault {
    let who = match by {
        POLICY => "the policy of this target".to_owned(),
        plugin => format!("policy plugin \"{plugin}\""),
    };
    Fault::new(
        Blame::Policy,
        "policy_denied",
        "42501",
        format!("{who} refused this request: {reason} (rule {rule})"),
    )
    .hint(
        "Nothing was run and the connection stays usable. The same statement gets the same \
         answer, so do not retry it unchanged: change it, or ask the operator of this gateway.",
    )
}

/// Facts whose statement is not where they say it is: a defect, so nothing runs.
fn torn(verb: &str) -> Fault {
    let message = format!("the gateway lost the place of a `{verb}` in its request");
    Fault::new(Blame::Bug, "facts_torn", "XX000", message)
}

/// What plugins learn of a session.
pub(super) fn session_info(session: &Session) -> wit::SessionInfo {
    let claims = session.principal().claims();
    wit::SessionInfo {
        id: session.id().to_string(),
        target: session.target().to_owned(),
        protocol: session.protocol().to_owned(),
        database: session.database().to_owned(),
        role: session.role().to_owned(),
        principal: claims.subject.clone(),
        agent: session.principal().agent().to_owned(),
        groups: claims.groups.clone(),
    }
}

fn operation(seq: usize, statement: &Statement, request: &Request) -> Option<wit::Operation> {
    Some(wit::Operation {
        seq: u32::try_from(seq).ok()?,
        kind: "sql".to_owned(),
        verb: statement.verb.clone(),
        acts: statement.acts.clone(),
        class: class(statement.class).to_owned(),
        text: request.text().get(statement.start..statement.end)?.to_owned(),
        resources: statement
            .objects
            .iter()
            .map(|object| wit::Object {
                kind: object.kind.clone(),
                name: object.name.clone(),
                access: match object.access {
                    Access::Read => wit::Access::Read,
                    Access::Write => wit::Access::Write,
                },
            })
            .collect(),
        attributes: attributes(statement, request),
    })
}

fn attributes(statement: &Statement, request: &Request) -> Vec<(String, String)> {
    let kind = match request.kind() {
        Kind::SqlBind => "sql_bind",
        Kind::SqlCopyData => "sql_copy_data",
        Kind::SqlExecute => "sql_execute",
        Kind::SqlFunctionCall => "sql_function_call",
        Kind::SqlParse => "sql_parse",
        Kind::SqlQuery => "sql_query",
        Kind::SqlSetting => "sql_setting",
    };
    let mut list = vec![("request".to_owned(), kind.to_owned())];
    let flags = [
        ("in_transaction", request.state().in_transaction),
        ("unbounded_write", statement.unbounded_write),
        ("whole_row", statement.whole_row),
    ];
    for (name, _) in flags.iter().filter(|(_, set)| *set) {
        list.push(((*name).to_owned(), "true".to_owned()));
    }
    if !request.parameters().is_empty() {
        list.push(("parameters".to_owned(), request.parameters().len().to_string()));
    }
    list.extend(statement.columns.iter().map(|name| ("column".to_owned(), name.clone())));
    list.extend(statement.attributes.iter().cloned());
    list
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Transaction => "transaction",
        Class::Read => "read",
        Class::Session => "session",
        Class::Write => "write",
        Class::Code => "code",
        Class::Schema => "schema",
        Class::Privilege => "privilege",
        Class::Admin => "admin",
    }
}

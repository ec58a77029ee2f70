//! Judging a request: core rules, then risk, then guards, then one verdict.

use std::sync::Arc;
use std::time::SystemTime;

use super::core;
use super::failing::{Act, RiskAcceptance, Troubles};
use super::generation::Generation;
use super::host::{Failure, wit};
use super::instances::Instances;
use super::merge::{self, Opinion};
use super::operation::{Transactions, operation};
use super::plugin::{Live, Plugin};
use super::{Ask, Decided, Denied, Finding, Held, Judged, Ruling, ShadowVerdict, Verdict};
use crate::fault::{Blame, Fault};
use crate::limits::RULING_FINDINGS_MAX;
use crate::protocol::{Kind, Request, Statement};
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
    shadow: Vec<ShadowVerdict>,
}

/// A plugin that is asked about a request, and its place in the policy.
struct Asked<'a> {
    /// Gone once it has failed: it is not asked about the rest of the request.
    live: Option<Live>,
    index: usize,
    plugin: &'a Plugin,
    /// What it says counts.
    acts: bool,
}

impl Asked<'_> {
    /// Its answer; `None` when it has failed and the policy goes on without it.
    fn ask<T>(
        &mut self,
        troubles: &Troubles,
        tally: &mut Tally,
        call: impl FnOnce(&mut Live) -> Result<T, Failure>,
    ) -> Result<Option<T>, Box<Fault>> {
        let Some(live) = &mut self.live else { return Ok(None) };
        match call(live) {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) => {
                self.live = None;
                troubles.failed(self.plugin, &failure);
                tally.endure(self.plugin, self.acts, failure).map(|()| None)
            }
        }
    }
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
                    let terms = settings.approval_terms;
                    Judged::Held(Held { request, ruling, ask, terms })
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
        let mut asked = Vec::new();
        for (index, plugin) in self.plugins().iter().enumerate() {
            if plugin.scores() || plugin.guards() {
                let acts = instances.acts(plugin);
                let live = match instances.take(self, index) {
                    Ok(live) => Some(live),
                    Err(failure) => tally.endure(plugin, acts, failure).map(|()| None)?,
                };
                asked.push(Asked { live, index, plugin, acts });
            }
        }
        let troubles = Arc::clone(instances.troubles());
        let heard = self.ask(instances.who(), &troubles, &mut asked, request, tally);
        for one in asked {
            if let Some(live) = one.live {
                instances.put(self, one.index, live);
            }
        }
        heard
    }

    fn ask(
        &self,
        who: &wit::SessionInfo,
        troubles: &Troubles,
        asked: &mut [Asked<'_>],
        request: &Request,
        tally: &mut Tally,
    ) -> Result<(), Box<Fault>> {
        let mut transactions = Transactions::new(request);
        for (seq, statement) in request.facts().statements.iter().enumerate() {
            let place = transactions.next(statement);
            let mut operation = operation(seq, statement, request, place)
                .ok_or_else(|| Box::new(torn(&statement.verb)))?;
            let (mut risk, before) = (0, tally.findings.len());
            for one in asked.iter_mut().filter(|one| one.plugin.scores()) {
                let answer = one.ask(troubles, tally, |live| live.score(who, &operation))?;
                let Some((score, findings)) = answer else { continue };
                if one.acts {
                    risk = risk.max(score);
                    tally.findings.extend(findings);
                } else {
                    tally.overhear(one.plugin, "abstain", None, score);
                }
            }
            tally.risk = tally.risk.max(risk);
            operation.attributes.push(("risk".into(), risk.to_string()));
            let mut opinions = vec![self.threshold(risk, statement, tally.findings.get(before..))];
            opinions.extend(self.setting(statement, request, tally));
            let mut denied = false;
            for one in asked.iter_mut().filter(|one| one.plugin.guards()) {
                // The first denial settles it; those that do not act are asked all the same.
                if denied && one.acts {
                    continue;
                }
                let answer = one.ask(troubles, tally, |live| live.check(who, &operation))?;
                let Some((decision, findings)) = answer else { continue };
                if one.acts {
                    tally.findings.extend(findings);
                    let opinion = self.opinion(one.plugin, decision, tally);
                    denied |= matches!(opinion, Opinion::Deny { .. });
                    opinions.push(opinion);
                } else {
                    tally.shadowed(one.plugin, &decision);
                }
            }
            self.settle(statement, opinions, tally)?;
        }
        Ok(())
    }

    fn opinion(&self, plugin: &Plugin, decision: wit::Decision, tally: &mut Tally) -> Opinion {
        let name = plugin.stamp.name.as_str();
        match decision {
            wit::Decision::Abstain => Opinion::Abstain,
            wit::Decision::Allow => Opinion::Allow,
            wit::Decision::Deny(no) => {
                tally.note(name, &no.rule, no.reason.clone());
                Opinion::Deny { by: name.to_owned(), rule: no.rule, reason: no.reason }
            }
            wit::Decision::Hold(ask) => {
                tally.note(name, &ask.rule, ask.reason.clone());
                let most = self.settings().decide_within_secs;
                let decide_within_secs = ask.decide_within_secs.unwrap_or(most);
                let (reason, approvers) = (ask.reason, ask.approvers);
                Opinion::Hold { ask: Ask { reason, approvers, decide_within_secs } }
            }
        }
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
            shadow: tally.shadow,
        }
    }
}

impl Tally {
    /// A plugin failed: what its policy says of that. One that does not act is only noted.
    fn endure(&mut self, plugin: &Plugin, acts: bool, failure: Failure) -> Result<(), Box<Fault>> {
        if !acts {
            self.overhear(plugin, "failed", Some(("plugin_failed", &failure.what)), 0);
            return Ok(());
        }
        match plugin.settings().on_error.at(SystemTime::now()) {
            Act::Allow(accepted) => {
                let RiskAcceptance { by, because, .. } = accepted;
                let what = format!("{}; let through, as {by} answers for: {because}", failure.what);
                self.note(&failure.plugin, "plugin_failed_allowed", what);
                Ok(())
            }
            // A verdict can't be made up for by a mask.
            Act::Deny | Act::Redact => Err(failed(failure, self)),
        }
    }

    /// What a plugin that does not act decided about a statement.
    fn shadowed(&mut self, plugin: &Plugin, decision: &wit::Decision) {
        match decision {
            wit::Decision::Abstain => self.overhear(plugin, "abstain", None, 0),
            wit::Decision::Allow => self.overhear(plugin, "allow", None, 0),
            wit::Decision::Hold(ask) => {
                self.overhear(plugin, "hold", Some((&ask.rule, &ask.reason)), 0);
            }
            wit::Decision::Deny(no) => {
                self.overhear(plugin, "deny", Some((&no.rule, &no.reason)), 0);
            }
        }
    }

    /// Keeps the strictest word of a plugin that does not act, over all statements.
    fn overhear(&mut self, plugin: &Plugin, word: &str, why: Option<(&str, &str)>, risk: u8) {
        const STRICTER: [&str; 5] = ["abstain", "allow", "hold", "deny", "failed"];
        let name = &plugin.stamp.name;
        let at = self.shadow.iter().position(|it| it.plugin == *name);
        let at = at.unwrap_or_else(|| {
            let (plugin, verdict) = (name.clone(), STRICTER[0].to_owned());
            let (rule, reason) = (String::new(), String::new());
            self.shadow.push(ShadowVerdict { plugin, verdict, rule, reason, risk: 0 });
            self.shadow.len() - 1
        });
        let Some(heard) = self.shadow.get_mut(at) else { return };
        heard.risk = heard.risk.max(risk);
        let rank = |word: &str| STRICTER.iter().position(|it| *it == word);
        if rank(word) > rank(&heard.verdict) {
            word.clone_into(&mut heard.verdict);
            let (rule, reason) = why.unwrap_or_default();
            (heard.rule, heard.reason) = (rule.to_owned(), reason.to_owned());
        }
    }

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

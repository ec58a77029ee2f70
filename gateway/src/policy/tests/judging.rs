//! Verdicts of several plugins and of the policy itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::fixtures::*;
use crate::policy::{Judged, PolicySettings, Verdict};
use crate::protocol::postgres::replication::{Scope, facts};
use crate::protocol::{Class, Request};

fn judge(settings: &PolicySettings, request: Request) -> Judged {
    engine().load(settings).unwrap().judge(&mut instances(), request)
}

fn verdict(judged: &Judged) -> Verdict {
    match judged {
        Judged::Decided(decided) => decided.ruling().verdict,
        Judged::Denied(denied) => denied.ruling().verdict,
        Judged::Held(held) => held.ruling().verdict,
    }
}

#[test]
fn the_strictest_plugin_counts_in_any_order() {
    let (abstain, allow) = (guard_that(0), guard_that(ALLOW));
    let (hold, deny) = (guard_that(HOLD), guard_that(DENY));
    for (plugins, expected) in [
        (vec![abstain.clone()], Verdict::Allow),
        (vec![hold.clone(), allow.clone()], Verdict::Hold),
        (vec![allow.clone(), hold.clone()], Verdict::Hold),
        (vec![deny.clone(), allow.clone()], Verdict::Deny),
        (vec![allow, hold, deny], Verdict::Deny),
    ] {
        let (_dir, settings) = policy(&plugins);
        assert_eq!(verdict(&judge(&settings, select())), expected);
    }
}

#[test]
fn a_denial_says_who_why_and_what_now() {
    let (_dir, settings) = policy(&[guard_that(DENY)]);
    let Judged::Denied(denied) = judge(&settings, select()) else { panic!() };
    let fault = denied.fault();
    assert_eq!((fault.code, fault.sqlstate), ("policy_denied", "42501"));
    assert_eq!(fault.message, "policy plugin \"p0\" refused this request: why (rule rule)");
    let hint = fault.hint.as_ref().unwrap();
    assert!(hint.contains("connection stays usable") && hint.contains("do not retry"), "{hint}");
    let finding = denied.ruling().findings.first().unwrap();
    assert_eq!((finding.plugin.as_str(), finding.message.as_str()), ("p0", "why"));
    assert_eq!(denied.ruling().plugins.len(), 1);
}

#[test]
fn a_hold_asks_the_policy_s_approvers_within_its_time() {
    let (_dir, mut settings) = policy(&[guard_that(HOLD)]);
    settings.approvers = vec!["dba".into()];
    let Judged::Held(held) = judge(&settings, select()) else { panic!() };
    assert_eq!((held.ask().reason.as_str(), held.ask().decide_within_secs), ("why", 600));
    assert_eq!(held.ask().approvers, ["dba"]);
}

#[test]
fn risk_reaches_the_thresholds() {
    for (score, expected) in
        [(49, Verdict::Allow), (50, Verdict::Hold), (79, Verdict::Hold), (80, Verdict::Deny)]
    {
        let (_dir, mut settings) = policy(&[scorer_that(10), scorer_that(score)]);
        (settings.risk_hold_at, settings.risk_deny_at) = (Some(50), Some(80));
        let judged = judge(&settings, select());
        assert_eq!(verdict(&judged), expected, "{score}");
        let risk = match &judged {
            Judged::Decided(decided) => decided.ruling().risk,
            Judged::Denied(denied) => denied.ruling().risk,
            Judged::Held(held) => {
                assert!(held.ask().reason.contains("risk"));
                held.ruling().risk
            }
        };
        assert_eq!(u32::from(risk), score, "the highest counts");
    }
}

#[test]
fn no_plugin_lifts_a_threshold() {
    let (_dir, mut settings) = policy(&[guard_that(ALLOW), scorer_that(90)]);
    settings.risk_deny_at = Some(80);
    assert_eq!(verdict(&judge(&settings, select())), Verdict::Deny);
}

#[test]
fn the_default_counts_when_nobody_speaks() {
    let (_dir, mut settings) = policy(&[guard_that(0)]);
    settings.default_verdict = Verdict::Deny;
    let Judged::Denied(denied) = judge(&settings, select()) else { panic!() };
    assert!(denied.fault().message.contains("allows no `select`"), "{}", denied.fault());
    let (_dir, mut settings) = policy(&[guard_that(ALLOW)]);
    settings.default_verdict = Verdict::Deny;
    assert_eq!(verdict(&judge(&settings, select())), Verdict::Allow);
    let mut settings = policy_of(Vec::new());
    assert_eq!(verdict(&judge(&settings, select())), Verdict::Allow);
    settings.default_verdict = Verdict::Deny;
    assert_eq!(verdict(&judge(&settings, select())), Verdict::Deny);
    assert_eq!(verdict(&judge(&settings, request(Vec::new()))), Verdict::Allow, "an empty query");
}

#[test]
fn core_rules_come_before_a_plugin_that_allows() {
    let (_dir, settings) = policy(&[guard_that(ALLOW)]);
    let read = facts("IDENTIFY_SYSTEM", Scope::All).unwrap().unwrap();
    let command = read.statements.into_iter().next().unwrap();
    let backup = request(vec![statement("select", Class::Read, &[]), command]);
    let Judged::Denied(denied) = judge(&settings, backup) else { panic!() };
    assert_eq!((denied.fault().code, denied.fault().sqlstate), ("replication_misplaced", "0A000"));
    assert_eq!(denied.ruling().findings[0].plugin, "core");
}

#[test]
fn facts_that_point_outside_the_text_run_nothing() {
    let (_dir, settings) = policy(&[guard_that(ALLOW)]);
    let mut torn = statement("select", Class::Read, &[]);
    torn.end = 99;
    assert_eq!(verdict(&judge(&settings, request(vec![torn]))), Verdict::Deny);
}

/// The pipeline keeps a generation and a plan across awaits.
#[test]
fn proofs_and_plans_cross_threads() {
    fn is_send<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    is_send::<crate::policy::ResultPlan>();
    is_shared::<crate::policy::Generation>();
    is_shared::<crate::policy::Policies>();
    is_shared::<crate::policy::Engine>();
}

#[test]
fn a_default_that_holds_asks_with_a_reason() {
    let mut settings = policy_of(Vec::new());
    settings.default_verdict = Verdict::Hold;
    let Judged::Held(held) = judge(&settings, select()) else { panic!() };
    assert!(held.ask().reason.contains("asks for an approval"));
}

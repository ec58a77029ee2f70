#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use bytes::Bytes;

use super::*;
use crate::fault::Blame;
use crate::policy::{ApprovalTerms, Engine, PolicySettings, SettingRules, Verdict};
use crate::protocol::Statement;
use crate::protocol::postgres::names::{Lookup, Prepared};

fn judgement(number: u64, class: Class) -> Judgement {
    let settings = PolicySettings {
        file: PathBuf::new(),
        digest: String::new(),
        default_verdict: Verdict::Allow,
        plugins: Vec::new(),
        risk_deny_at: None,
        risk_hold_at: None,
        settings: SettingRules::default(),
        approvers: Vec::new(),
        decide_within_secs: 60,
        masking: crate::policy::Masking::default(),
        approval_terms: ApprovalTerms::default(),
        signing: Default::default(),
    };
    let generation = Engine::new(None).unwrap().load(&settings).unwrap();
    let statement = Statement::bare("select", class);
    let facts = Facts { statements: vec![statement], second_opinion: String::new() };
    let change = Change::of(&facts);
    let (facts, generation) = (facts.into(), generation.into());
    Judgement { number, facts, generation, approved: false, change, lineage: 0 }
}

fn execute(number: u64, class: Class) -> Expect {
    Expect::Execute {
        judgement: judgement(number, class),
        slot: PlanSlot::default(),
        copies: Vec::new(),
    }
}

fn parse(names: &mut Names, name: &str, text: &str) -> Expect {
    let prepared = Arc::new(Prepared::new(text.into(), Arc::default(), Arc::from([])));
    let (id, name) = (names.mint(), Bytes::copy_from_slice(name.as_bytes()));
    names.prepare(name.clone(), id, prepared).unwrap();
    Expect::Parse { name, id }
}

fn fail() -> Expect {
    Expect::Fail(Box::new(Fault::new(Blame::Policy, "no", "42501", "no")))
}

fn is_known(names: &Names, name: &str) -> bool {
    matches!(names.lookup(name.as_bytes()), Lookup::Found(_))
}

#[test]
fn an_error_skips_to_the_sync_in_the_queue_and_takes_the_names_back() {
    let (mut ledger, mut names) = (Ledger::new(), Names::default());
    for expect in [
        fail(),
        parse(&mut names, "gone", "A"),
        execute(1, Class::Read),
        Expect::Sync,
        parse(&mut names, "kept", "B"),
    ] {
        assert!(ledger.push(expect, &mut names));
    }
    ledger.fail(&mut names);
    assert!(matches!(ledger.head(), Some(Expect::Sync)));
    assert!(!ledger.skips(), "the Sync is there already");
    assert!(!is_known(&names, "gone"));
    assert!(is_known(&names, "kept"));
    assert_eq!(ledger.len(), 2);
}

#[test]
fn while_the_server_skips_nothing_is_expected_until_a_sync() {
    let (mut ledger, mut names) = (Ledger::new(), Names::default());
    assert!(ledger.push(fail(), &mut names));
    assert!(!ledger.at_boundary());
    ledger.fail(&mut names);
    assert!(ledger.skips() && !ledger.at_boundary());
    let parse = parse(&mut names, "gone", "A");
    assert!(ledger.push(parse, &mut names), "the server skips it by itself");
    assert!(!is_known(&names, "gone"));
    assert!(ledger.push(execute(1, Class::Read), &mut names));
    assert_eq!(ledger.len(), 0);
    assert!(ledger.push(Expect::Sync, &mut names));
    assert!(!ledger.skips() && ledger.at_boundary());
    assert_eq!(ledger.len(), 1);
}

#[test]
fn a_result_is_withheld_only_if_nothing_is_hidden_by_that() {
    let withheld = |done: &[Class], rest: Vec<Expect>| {
        let (mut ledger, mut names) = (Ledger::new(), Names::default());
        for class in done {
            assert!(ledger.push(execute(1, *class), &mut names));
            ledger.pop();
        }
        for expect in rest {
            assert!(ledger.push(expect, &mut names));
        }
        ledger.withhold()
    };
    let run = |class| execute(2, class);
    assert!(withheld(&[], vec![run(Class::Read), Expect::Sync]));
    assert!(withheld(&[Class::Read], vec![run(Class::Read)]));
    assert!(!withheld(&[], vec![run(Class::Write), Expect::Sync]), "the write would be denied");
    assert!(!withheld(&[Class::Write], vec![run(Class::Read)]), "so would the one before");
    assert!(!withheld(&[], vec![run(Class::Read), run(Class::Read)]), "two of one cycle");
    assert!(withheld(&[], vec![run(Class::Read), Expect::Sync, run(Class::Write)]), "the next");
    let query = |class| {
        let judgement = judgement(3, class);
        vec![Expect::Query { judgement, plan: None, done: 0, failed: false, copies: Vec::new() }]
    };
    assert!(withheld(&[], query(Class::Read)));
    assert!(!withheld(&[], query(Class::Write)));
}

#[test]
fn behind_a_withheld_result_nothing_is_sent_before_the_next_sync() {
    let (mut ledger, mut names) = (Ledger::new(), Names::default());
    assert!(ledger.push(execute(1, Class::Read), &mut names));
    assert!(ledger.withhold());
    assert!(!ledger.push(execute(2, Class::Write), &mut names));
    assert!(ledger.push(Expect::Sync, &mut names));
    assert!(ledger.push(execute(3, Class::Write), &mut names));
    assert_eq!(ledger.len(), 3);
}

#[test]
fn a_change_is_settled_once_nothing_that_changes_is_under_way() {
    let (mut ledger, mut names) = (Ledger::new(), Names::default());
    assert!(ledger.push(Expect::Sync, &mut names));
    assert!(ledger.push(execute(1, Class::Schema), &mut names));
    ledger.pop();
    assert!(!ledger.ready(b'I', &mut names), "the change is still to come");
    ledger.pop();
    assert!(!ledger.ready(b'T', &mut names), "it is not committed");
    assert!(ledger.ready(b'I', &mut names));
}

/// A Sync of the gateway's own behind such a Query would wake the server too early.
#[test]
fn a_query_behind_what_may_fail_ends_no_cycle() {
    let mut names = Names::default();
    let mut ledger = Ledger::new();
    let query = |number| Expect::Query {
        judgement: judgement(number, Class::Read),
        plan: None,
        done: 0,
        failed: false,
        copies: Vec::new(),
    };
    assert!(ledger.push(query(1), &mut names));
    assert!(ledger.at_boundary());
    let expect = parse(&mut names, "a", "SELECT 1");
    assert!(ledger.push(expect, &mut names) && ledger.push(query(2), &mut names));
    assert!(!ledger.at_boundary());
    assert!(ledger.push(Expect::Sync, &mut names) && ledger.push(query(3), &mut names));
    assert!(ledger.at_boundary());
}

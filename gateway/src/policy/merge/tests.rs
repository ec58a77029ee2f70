#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Opinion, asks, verdict};
use crate::policy::{Ask, Verdict};

fn ask(reason: &str, approvers: &[&str], decide_within_secs: u32) -> Ask {
    let approvers = approvers.iter().map(|group| (*group).to_owned()).collect();
    Ask { reason: reason.into(), approvers, decide_within_secs }
}

fn hold() -> Opinion {
    Opinion::Hold { ask: ask("r", &[], 60) }
}

fn deny() -> Opinion {
    Opinion::Deny { by: "p".into(), rule: "r".into(), reason: "x".into() }
}

#[test]
fn the_strictest_opinion_counts() {
    use Opinion::{Abstain, Allow};
    use Verdict as V;
    for (default, opinions, expected) in [
        (V::Allow, vec![], V::Allow),
        (V::Deny, vec![], V::Deny),
        (V::Allow, vec![Abstain, Abstain], V::Allow),
        (V::Deny, vec![Abstain], V::Deny),
        (V::Deny, vec![Abstain, Allow], V::Allow),
        (V::Allow, vec![Allow, hold()], V::Hold),
        (V::Allow, vec![hold(), Allow], V::Hold),
        (V::Allow, vec![hold(), deny()], V::Deny),
        (V::Allow, vec![deny(), hold(), Allow, Abstain], V::Deny),
    ] {
        assert_eq!(verdict(default, &opinions), expected, "{default:?} {opinions:?}");
    }
}

/// Whatever is added to a list of opinions, with any voice but the default spoken, it gets no
/// looser.
#[test]
fn no_further_opinion_loosens_a_verdict() {
    let all = [Opinion::Abstain, Opinion::Allow, hold(), deny()];
    for one in all.iter().skip(1) {
        for other in &all {
            let before = verdict(Verdict::Deny, std::slice::from_ref(one));
            for order in [[one.clone(), other.clone()], [other.clone(), one.clone()]] {
                assert!(verdict(Verdict::Deny, &order) >= before, "{order:?}");
            }
        }
    }
}

#[test]
fn questions_merge_to_named_groups_and_the_shortest_time() {
    let merged = asks(
        &[ask("a", &["dba"], 300), ask("b", &["sec", "dba"], 60), ask("a", &[], 900)],
        &["everyone".to_owned()],
        600,
    );
    assert_eq!(merged, ask("a; b", &["dba", "sec"], 60));
    let merged = asks(&[ask("a", &[], 900)], &["everyone".to_owned()], 600);
    assert_eq!(merged, ask("a", &["everyone"], 600), "a plugin can't ask for longer");
    let merged = asks(&[ask("a", &[], 0)], &[], 600);
    assert_eq!(merged.decide_within_secs, 1, "a question that expires at once can't be answered");
}

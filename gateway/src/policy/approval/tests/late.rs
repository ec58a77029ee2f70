//! Answers that come when nobody waits any more.

use super::*;

/// Nobody waits for the answer.
fn late(reaction: Reaction) -> LateAnswer {
    match reaction {
        Reaction::Late(late) => *late,
        Reaction::Told(proposed) => panic!("somebody waits: {proposed:?}"),
    }
}

/// A question that expired, answered late.
fn answered_late(registry: &Registry, answer: Answer) {
    let pending = pending(registry);
    let id = pending.id().to_owned();
    let fault = pending.expire(now());
    assert_eq!(fault.code, "approval_expired");
    let hint = fault.hint.unwrap();
    assert!(hint.contains(GROUP) && hint.contains(&id) && hint.contains("900 s"), "{hint}");
    let question = registry.question(&id, now()).expect("it can still be answered");
    assert!(question.late_until_at.is_some());
    let bob = principal(approver());
    let reaction = registry.propose(&id, &bob, answer, "late", now() + SECOND).unwrap();
    late(reaction).settle(now() + SECOND);
    assert!(registry.question(&id, now() + SECOND).is_none(), "it is answered once");
}

const SECOND: Duration = Duration::from_secs(1);
/// Just before a late answer, or the use of a late yes, has no time left.
const WINDOW: Duration = Duration::from_secs(899);

#[test]
fn a_late_yes_runs_one_repeat() {
    let registry = registry();
    answered_late(&registry, Answer::Approve);
    let later = now() + SECOND + WINDOW;
    let redeemed = registry.redeem(&held(), &session(), later).expect("the identical repeat");
    assert!(registry.redeem(&held(), &session(), later).is_none(), "the second has none");
    assert_eq!((redeemed.note.as_str(), redeemed.approver.subject.as_str()), ("late", "bob"));
    let decided = held().grant(redeemed.granted, &session(), later).expect("it may run");
    assert!(decided.approval().is_some());
    // Time ends it.
    answered_late(&registry, Answer::Approve);
    assert!(registry.redeem(&held(), &session(), later + 2 * SECOND).is_none());
}

#[test]
fn a_late_no_stays_a_no() {
    let registry = registry();
    answered_late(&registry, Answer::Deny);
    assert!(registry.redeem(&held(), &session(), now() + SECOND).is_none());
}

#[test]
fn nothing_but_the_identical_repeat_has_a_late_yes() {
    let registry = registry();
    answered_late(&registry, Answer::Approve);
    let at = now() + 2 * SECOND;
    let text = "DELETE FROM orders WHERE id = $1";
    let with = |state: State| {
        held_of(request(text, b"7", "public").with_for_test(vec![parameter(b"7")], state))
    };
    let mut policy = held();
    policy.ruling.policy_digest = "policy-2".into();
    let others = [
        held_of(request("DELETE FROM orders WHERE id = $1 ", b"7", "public")),
        held_of(request(text, b"8", "public")),
        held_of(request(text, b"7", "evil")),
        with(State { block: Block::Open, ..state("public") }),
        with(State { role: Some("postgres".into()), ..state("public") }),
        with(State { role: None, ..state("public") }),
        with(State { search_path: None, ..state("public") }),
        policy,
    ];
    for other in others {
        let shown = format!("{other:?}");
        assert!(registry.redeem(&other, &session(), at).is_none(), "{shown}");
    }
    let mallory = Session::for_test(principal(Claims { subject: "mallory".into(), ..requester() }));
    assert!(registry.redeem(&held(), &mallory, at).is_none(), "another principal");
    assert!(registry.redeem(&held(), &session(), at).is_some(), "nobody has used it up");
}

#[test]
fn a_late_answer_counts_only_once_it_is_recorded_and_only_in_time() {
    let (registry, bob) = (registry(), principal(approver()));
    let pending = pending(&registry);
    let id = pending.id().to_owned();
    pending.leave(now());
    let propose = |at| registry.propose(&id, &bob, Answer::Approve, "", at);
    let answer = late(propose(now()).unwrap());
    assert!(registry.redeem(&held(), &session(), now()).is_none(), "it is not recorded yet");
    assert_eq!(propose(now()).unwrap_err().code, "approval_answered");
    drop(answer);
    assert!(registry.redeem(&held(), &session(), now()).is_none(), "it could not be recorded");
    let own = principal(Claims { subject: "alice".into(), ..approver() });
    let own = registry.propose(&id, &own, Answer::Approve, "", now());
    assert_eq!(own.unwrap_err().code, "approver_is_requester");
    drop(propose(now() + WINDOW).expect("it is open again"));
    assert_eq!(propose(now() + WINDOW + SECOND).unwrap_err().code, "approval_unknown");
}

#[test]
fn what_cannot_be_repeated_exactly_is_not_kept() {
    let registry = registry();
    let unknown = State { search_path: None, ..state("public") };
    let request = request("DELETE FROM orders", b"7", "public");
    let held_unknown = held_of(request.with_for_test(Vec::new(), unknown));
    let pending = registry.ask(&held_unknown, &session(), now()).unwrap();
    let fault = pending.expire(now());
    assert_eq!(fault.hint.as_deref(), Some("send the request again to ask again"));
    assert!(registry.list(now()).is_empty());
    // Asked anew, the late question gives way to the one that is waited for.
    let first = self::pending(&registry);
    first.leave(now());
    let second = self::pending(&registry);
    let listed: Vec<String> = registry.list(now()).into_iter().map(|it| it.id).collect();
    assert_eq!(listed, [second.id()]);
}

#[test]
fn late_questions_stay_few_and_hold_up_nobody() {
    let registry = registry();
    for number in 0..=APPROVALS_LATE_PRINCIPAL_MAX {
        let text = format!("DELETE FROM orders WHERE id = {number}");
        let held = held_of(request(&text, b"7", "public"));
        let at = now() + Duration::from_millis(u64::try_from(number).unwrap());
        registry.ask(&held, &session(), at).unwrap().leave(at);
    }
    let listed = registry.list(now() + SECOND);
    assert_eq!(listed.len(), APPROVALS_LATE_PRINCIPAL_MAX);
    assert!(!listed.iter().any(|it| it.statement.ends_with("= 0")), "the oldest has gone");
    assert!(registry.ask(&held(), &session(), now()).is_ok(), "they take no place");
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod binding;
mod late;

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;

use super::escape::shown;
use super::{Answer, LateAnswer, Pending, Proposed, Reaction, Registry};
use crate::fault::Fault;
use crate::identity::{Actor, Claims, Principal};
use crate::limits::{
    APPROVAL_NOTE_BYTES_MAX, APPROVAL_RUN_WITHIN_SECS, APPROVAL_STATEMENT_SHOWN_BYTES_MAX,
    APPROVALS_LATE_PRINCIPAL_MAX, APPROVALS_PENDING_PRINCIPAL_MAX, APPROVALS_PENDING_SESSION_MAX,
};
use crate::policy::{Ask, Held, PluginStamp, Ruling, Verdict};
use crate::protocol::{Block, Facts, Kind, Parameter, Request, State};
use crate::session::Session;

const GROUP: &str = "data-owners";

fn claims(subject: &str) -> Claims {
    Claims {
        issuer_name: "okta".into(),
        issuer: "https://acme.okta.example".into(),
        subject: subject.into(),
        uid: None,
        client: None,
        email: None,
        groups: Vec::new(),
        scopes: Vec::new(),
        actors: Vec::new(),
        audience: vec!["portcullis".into()],
        token_id: None,
        issued_at: 0,
        expires_at: i64::MAX,
        auth_time: None,
        key_id: None,
        profile: None,
        key_thumbprint: "thumb".into(),
        task: None,
        ticket: None,
        token_sha256: "00".into(),
    }
}

/// A requester whose every name is set: an agent acting for alice.
fn requester() -> Claims {
    Claims {
        uid: Some("00u-alice".into()),
        client: Some("0oa-agents".into()),
        email: Some("Alice@Acme.example".into()),
        actors: vec![Actor { subject: "agent-7".into(), profile: Some("ai_agent".into()) }],
        ..claims("alice")
    }
}

fn approver() -> Claims {
    Claims {
        uid: Some("00u-bob".into()),
        client: Some("0oa-console".into()),
        email: Some("bob@acme.example".into()),
        groups: vec![GROUP.into()],
        ..claims("bob")
    }
}

fn principal(claims: Claims) -> Principal {
    Principal::for_test(claims)
}

fn session() -> Session {
    Session::for_test(principal(requester()))
}

fn ruling() -> Ruling {
    let stamp = PluginStamp {
        name: "risk".into(),
        digest: "d1".into(),
        settings_digest: "s1".into(),
        signed_by: None,
        mode: None,
        on_error: None,
    };
    Ruling {
        shadow: Vec::new(),
        verdict: Verdict::Hold,
        risk: 60,
        findings: Vec::new(),
        policy_digest: "policy-1".into(),
        plugins: [stamp].into(),
    }
}

fn ask(approvers: &[&str]) -> Ask {
    Ask {
        reason: "deletes rows".into(),
        approvers: approvers.iter().map(ToString::to_string).collect(),
        decide_within_secs: 600,
    }
}

fn parameter(value: &'static [u8]) -> Parameter {
    Parameter { binary: false, type_oid: 0, value: Some(Bytes::from_static(value)) }
}

fn state(search_path: &str) -> State {
    let (role, search_path) = (Some("shop_app".into()), Some(search_path.into()));
    State { block: Block::None, role, search_path, read_only: false }
}

fn request(text: &str, value: &'static [u8], search_path: &str) -> Request {
    Request::for_test(Kind::SqlBind, text, Facts::default())
        .with_for_test(vec![parameter(value)], state(search_path))
}

fn held_of(request: Request) -> Held {
    Held::for_test(request, ruling(), ask(&[]))
}

fn held() -> Held {
    held_of(request("DELETE FROM orders WHERE id = $1", b"7", "public"))
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn registry() -> Registry {
    Registry::new(vec![GROUP.into()])
}

fn pending(registry: &Registry) -> Pending {
    registry.ask(&held(), &session(), now()).unwrap()
}

fn refusal(approver: Claims) -> &'static str {
    let registry = registry();
    let pending = pending(&registry);
    let outcome = registry.propose(pending.id(), &principal(approver), Answer::Approve, "", now());
    outcome.expect_err("the answer is refused").code
}

async fn approve(registry: &Registry, mut pending: Pending, at: SystemTime) -> super::Granted {
    let bob = principal(approver());
    let proposed = registry.propose(pending.id(), &bob, Answer::Approve, "ok", at).unwrap();
    let given = pending.answer().await.unwrap();
    let granted = pending.acknowledge(given, at).unwrap();
    told(proposed).recorded().await.unwrap();
    granted
}

/// The answer went to a session that waits.
fn told(reaction: Reaction) -> Proposed {
    match reaction {
        Reaction::Told(proposed) => proposed,
        Reaction::Late(late) => panic!("nobody waits: {late:?}"),
    }
}

#[tokio::test]
async fn an_approved_request_runs_and_carries_its_stamp() {
    let (registry, held, session) = (registry(), held(), session());
    let pending = registry.ask(&held, &session, now()).unwrap();
    let (id, binding) = (pending.id().to_owned(), pending.binding().to_owned());
    assert!(id.starts_with("apr_") && id.len() == 20, "{id}");
    let granted = approve(&registry, pending, now()).await;
    let decided = held.grant(granted, &session, now()).expect("it was approved");
    let stamp = decided.approval().expect("an approval");
    assert_eq!(stamp.id, id);
    assert_eq!(stamp.binding, binding);
    assert_eq!(stamp.approver, "https://acme.okta.example bob");
    assert_eq!(decided.request().text(), "DELETE FROM orders WHERE id = $1");
    assert!(registry.list(now()).is_empty(), "an answered question is gone");
}

#[tokio::test]
async fn a_denied_request_is_refused_with_the_note() {
    let registry = registry();
    let mut pending = pending(&registry);
    let bob = principal(approver());
    let proposed =
        registry.propose(pending.id(), &bob, Answer::Deny, "not\u{202e} today", now()).unwrap();
    let given = pending.answer().await.unwrap();
    assert_eq!(given.answer(), Answer::Deny);
    let fault = pending.acknowledge(given, now()).unwrap_err();
    assert_eq!((fault.code, fault.sqlstate), ("approval_refused", "YA002"));
    assert_eq!(fault.detail.as_deref(), Some("not<U+202E> today"));
    told(proposed).recorded().await.unwrap();
    assert_eq!(held().refuse(fault).fault().code, "approval_refused");
}

/// Every name of the requester, worn by the approver in every one of his own names.
#[test]
fn the_requester_cannot_answer_under_any_name() {
    let theirs = [
        "alice",
        "00u-alice",
        "alice@acme.example",
        "ALICE+x@acme.EXAMPLE",
        "0oa-agents",
        "AGENT-7",
    ];
    for name in theirs {
        let name = || name.to_owned();
        let worn = [
            Claims { subject: name(), ..approver() },
            Claims { uid: Some(name()), ..approver() },
            Claims { email: Some(name()), ..approver() },
            Claims { client: Some(name()), ..approver() },
            // The same person from another issuer.
            Claims { subject: name(), issuer: "https://other.example".into(), ..approver() },
        ];
        for claims in worn {
            let shown = format!("{claims:?}");
            assert_eq!(refusal(claims), "approver_is_requester", "{shown}");
        }
    }
}

#[test]
fn only_a_person_answers() {
    let service = Claims { client: Some("bob".into()), uid: None, ..approver() };
    assert_eq!(refusal(service), "approver_is_service");
    let actor = |profile: Option<&str>| {
        vec![Actor { subject: "helper".into(), profile: profile.map(str::to_owned) }]
    };
    let agent = Claims { actors: actor(Some("AI_Agent")), ..approver() };
    assert_eq!(refusal(agent), "approver_is_agent");
    let deep = [actor(Some("service")), actor(Some("ai_agent"))].concat();
    assert_eq!(refusal(Claims { actors: deep, ..approver() }), "approver_is_agent");
    let delegated = Claims { actors: actor(None), ..approver() };
    assert_eq!(refusal(delegated), "approver_is_delegated");
}

#[test]
fn only_a_member_of_the_questions_groups_answers() {
    let outsider =
        Claims { groups: vec!["data-owners2".into(), "DATA-OWNERS".into()], ..approver() };
    assert_eq!(refusal(outsider), "approver_group");
    // A question's own groups replace the default ones.
    let registry = registry();
    let held = Held::for_test(held().request, ruling(), ask(&["dba"]));
    let pending = registry.ask(&held, &session(), now()).unwrap();
    let bob = principal(approver());
    let outcome = registry.propose(pending.id(), &bob, Answer::Approve, "", now());
    assert_eq!(outcome.unwrap_err().code, "approver_group");
    let dba = principal(Claims { groups: vec!["dba".into()], ..approver() });
    assert!(registry.propose(pending.id(), &dba, Answer::Approve, "", now()).is_ok());
}

#[test]
fn a_question_that_nobody_could_answer_is_not_asked() {
    let registry = Registry::new(Vec::new());
    let code = |registry: &Registry| registry.ask(&held(), &session(), now()).err().map(|f| f.code);
    assert_eq!(code(&registry), Some("approval_no_approver"));
    registry.trust(vec![GROUP.into()]);
    assert_eq!(code(&registry), None);
}

#[test]
fn an_expired_question_takes_no_answer() {
    let registry = registry();
    let pending = pending(&registry);
    let bob = principal(approver());
    let deadline = pending.deadline();
    assert_eq!(deadline, now() + Duration::from_secs(600));
    let propose = |at| registry.propose(pending.id(), &bob, Answer::Approve, "", at);
    assert_eq!(propose(deadline).unwrap_err().code, "approval_expired");
    assert!(registry.list(deadline).first().expect("still shown").expired);
    let before = deadline - Duration::from_millis(1);
    assert!(propose(before).is_ok(), "a refused answer does not use the question up");
    let fault = pending.expire(deadline);
    assert_eq!((fault.code, fault.sqlstate), ("approval_expired", "YA003"));
    assert!(registry.list(before).iter().all(|it| it.late_until_at.is_some()));
}

#[test]
fn the_first_answer_ends_a_question() {
    let registry = registry();
    let pending = pending(&registry);
    let bob = principal(approver());
    let _first = registry.propose(pending.id(), &bob, Answer::Deny, "", now()).unwrap();
    let second = registry.propose(pending.id(), &bob, Answer::Approve, "", now());
    assert_eq!(second.unwrap_err().code, "approval_answered");
    assert!(registry.list(now()).first().expect("still open").answered);
}

#[test]
fn a_dropped_question_is_withdrawn() {
    let registry = registry();
    let pending = pending(&registry);
    let id = pending.id().to_owned();
    drop(pending);
    assert!(registry.list(now()).is_empty());
    let bob = principal(approver());
    let outcome = registry.propose(&id, &bob, Answer::Approve, "", now());
    assert_eq!(outcome.unwrap_err().code, "approval_unknown");
}

#[tokio::test]
async fn an_answer_that_is_not_recorded_has_no_effect() {
    let registry = registry();
    let bob = principal(approver());
    // The session dies before it takes the answer.
    let first = pending(&registry);
    let proposed = registry.propose(first.id(), &bob, Answer::Approve, "", now()).unwrap();
    drop(first);
    assert_eq!(told(proposed).recorded().await.unwrap_err().code, "approval_not_recorded");
    // The session takes it, and fails to record it.
    let mut second = pending(&registry);
    let proposed = registry.propose(second.id(), &bob, Answer::Approve, "", now()).unwrap();
    let given = second.answer().await.unwrap();
    drop(given);
    assert_eq!(told(proposed).recorded().await.unwrap_err().code, "approval_not_recorded");
}

#[tokio::test]
async fn nothing_is_final_before_the_session_says_so() {
    let registry = registry();
    let mut pending = pending(&registry);
    let bob = principal(approver());
    let proposed = registry.propose(pending.id(), &bob, Answer::Approve, "", now()).unwrap();
    let mut recorded = std::pin::pin!(told(proposed).recorded());
    let given = pending.answer().await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(20), &mut recorded).await;
    assert!(waits.is_err(), "the answer counts only once it is recorded");
    pending.acknowledge(given, now()).unwrap();
    recorded.await.unwrap();
}

#[tokio::test]
async fn an_answer_to_another_question_is_not_taken() {
    let registry = registry();
    let mut first = pending(&registry);
    let second = pending(&registry);
    let bob = principal(approver());
    let _proposed = registry.propose(first.id(), &bob, Answer::Approve, "", now()).unwrap();
    let given = first.answer().await.unwrap();
    assert_eq!(second.acknowledge(given, now()).unwrap_err().code, "approval_mismatch");
}

#[test]
fn neither_a_session_nor_a_principal_floods_the_approvers() {
    let registry = registry();
    let code = |result: Result<Pending, Fault>| result.err().map(|fault| fault.code);
    let one = session();
    let mut open = Vec::new();
    for _ in 0..APPROVALS_PENDING_SESSION_MAX {
        open.push(registry.ask(&held(), &one, now()).unwrap());
    }
    assert_eq!(code(registry.ask(&held(), &one, now())), Some("approvals_session_full"));
    while open.len() < APPROVALS_PENDING_PRINCIPAL_MAX {
        open.push(registry.ask(&held(), &session(), now()).unwrap());
    }
    assert_eq!(code(registry.ask(&held(), &session(), now())), Some("approvals_principal_full"));
    let other = Session::for_test(principal(claims("carol")));
    assert_eq!(code(registry.ask(&held(), &other, now())), None, "others are not held up");
    open.pop();
    assert_eq!(code(registry.ask(&held(), &session(), now())), None, "room comes back");
}

#[test]
fn what_is_shown_cannot_deceive() {
    assert_eq!(shown("a\u{202e}b\u{1b}[2Jc\rd\te\nf"), "a<U+202E>b<U+001B>[2Jc<U+000D>d\te\nf");
    assert_eq!(
        shown("x\u{200b}y\u{feff}z\u{a0}w\u{e0041}"),
        "x<U+200B>y<U+FEFF>z<U+00A0>w<U+E0041>"
    );
    assert_eq!(shown("na\u{ef}ve '\u{4e2d}'"), "na\u{ef}ve '\u{4e2d}'");
    let registry = registry();
    let text = format!("SELECT 'x\u{2066}'{}", "-".repeat(APPROVAL_STATEMENT_SHOWN_BYTES_MAX));
    let value: &'static [u8] = b"7\n$2 8\x1b";
    let held = held_of(request(&text, value, "public\n"));
    let pending = registry.ask(&held, &session(), now()).unwrap();
    let listed = registry.list(now() + Duration::from_secs(5)).remove(0);
    assert!(listed.statement.starts_with("SELECT 'x<U+2066>'---"));
    assert!(listed.statement_cut && listed.statement_beyond_ascii);
    assert_eq!((listed.statement_bytes, listed.age_secs), (text.len(), 5));
    assert_eq!(listed.search_path.as_deref(), Some("public "));
    assert_eq!(listed.parameters, ["7\n$2 8<U+001B>"]);
    assert_eq!(listed.approvers, [GROUP]);
    let whole = registry.question(pending.id(), now()).unwrap();
    assert!(!whole.statement_cut && whole.statement.ends_with('-'));
    assert_eq!(whole.requester.actors, ["agent-7"]);
}

#[test]
fn a_note_has_a_bound() {
    let registry = registry();
    let pending = pending(&registry);
    let note = "n".repeat(APPROVAL_NOTE_BYTES_MAX + 1);
    let bob = principal(approver());
    let outcome = registry.propose(pending.id(), &bob, Answer::Approve, &note, now());
    assert_eq!(outcome.unwrap_err().code, "note_too_long");
}

#[test]
fn the_caller_is_told_what_it_waits_for() {
    let registry = registry();
    let pending = pending(&registry);
    let notice = pending.notice(now() + Duration::from_secs(15));
    assert_eq!(notice.sqlstate, "YA001");
    assert!(notice.message.contains(pending.id()) && notice.message.contains("585 s"));
}

#[test]
fn a_question_in_a_transaction_has_less_time() {
    let registry = registry();
    let open = State { block: Block::Open, ..state("public") };
    let request = request("DELETE FROM orders", b"7", "public");
    let held = held_of(request.with_for_test(Vec::new(), open));
    let pending = registry.ask(&held, &session(), now()).unwrap();
    assert_eq!(pending.deadline(), now() + Duration::from_secs(60));
    let hint = pending.expire(now()).hint.unwrap();
    assert!(hint.contains("in a transaction"), "{hint}");
}

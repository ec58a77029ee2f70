//! What an approval is for: this request and nothing else.

use super::super::binding;
use super::*;

/// Each change is what an attacker would swap in between question and run.
#[test]
fn any_change_gives_another_binding() {
    let text = "DELETE FROM orders WHERE id = $1";
    let base = || request(text, b"7", "public");
    let of = |request: Request| binding::hash(&held_of(request), &session());
    let original = of(base());
    assert_eq!(original, of(base()), "the same request has the same binding");
    let with = |parameters, state| base().with_for_test(parameters, state);
    let requests = [
        request("DELETE FROM orders WHERE id = $1 ", b"7", "public"),
        request(text, b"8", "public"),
        request(text, b"7", "evil, public"),
        Request::for_test(Kind::SqlExecute, text, Facts::default())
            .with_for_test(vec![parameter(b"7")], state("public")),
        with(vec![], state("public")),
        with(vec![parameter(b"7"), parameter(b"")], state("public")),
        with(vec![Parameter { binary: true, ..parameter(b"7") }], state("public")),
        with(vec![Parameter { binary: false, type_oid: 0, value: None }], state("public")),
        with(vec![parameter(b"7")], State { block: Block::Open, ..state("public") }),
        with(vec![parameter(b"7")], State { role: Some("postgres".into()), ..state("public") }),
    ];
    for request in requests {
        let shown = format!("{request:?}");
        assert_ne!(of(request), original, "{shown}");
    }
    let people = [
        Claims { subject: "mallory".into(), ..requester() },
        Claims { issuer: "https://other.example".into(), ..requester() },
        Claims { uid: None, ..requester() },
        Claims { client: Some("0oa-other".into()), ..requester() },
        Claims { actors: Vec::new(), ..requester() },
        Claims { actors: vec![Actor { subject: "agent-7".into(), profile: None }], ..requester() },
    ];
    for claims in people {
        let session = Session::for_test(principal(claims));
        assert_ne!(binding::hash(&held(), &session), original);
    }
    let policy = Ruling { policy_digest: "policy-2".into(), ..ruling() };
    let mut stamps = ruling().plugins.to_vec();
    stamps.iter_mut().for_each(|stamp| stamp.digest = "d2".into());
    let plugin = Ruling { plugins: stamps.into(), ..ruling() };
    for ruling in [policy, plugin] {
        let held = Held::for_test(base(), ruling, ask(&[]));
        assert_ne!(binding::hash(&held, &session()), original);
    }
}

/// The encoding written out by hand, so that no field is forgotten or moved.
#[test]
fn the_binding_is_the_documented_encoding() {
    let mut bytes = Vec::new();
    let count = |bytes: &mut Vec<u8>, count: u64| bytes.extend(count.to_be_bytes());
    let mut add = |parts: &[&[u8]]| {
        for part in parts {
            bytes.extend(u64::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(*part);
        }
    };
    add(&[b"portcullis approval 1", b"https://acme.okta.example", b"alice"]);
    for option in [b"00u-alice".as_slice(), b"0oa-agents"] {
        bytes.push(1);
        count(&mut bytes, u64::try_from(option.len()).unwrap());
        bytes.extend(option);
    }
    count(&mut bytes, 1);
    for (some, part) in [(false, b"agent-7".as_slice()), (true, b"ai_agent")] {
        bytes.extend(some.then_some(1));
        count(&mut bytes, u64::try_from(part.len()).unwrap());
        bytes.extend(part);
    }
    let text = b"DELETE FROM orders WHERE id = $1".as_slice();
    for part in [b"shop".as_slice(), b"shop_app", b"shop", b"postgres", b"SqlBind", text, text] {
        count(&mut bytes, u64::try_from(part.len()).unwrap());
        bytes.extend(part);
    }
    count(&mut bytes, 1);
    bytes.extend([0, 1]);
    count(&mut bytes, 1);
    bytes.extend(b"7");
    for (some, part) in [(false, b"None".as_slice()), (true, b"shop_app"), (true, b"public")] {
        bytes.extend(some.then_some(1));
        count(&mut bytes, u64::try_from(part.len()).unwrap());
        bytes.extend(part);
    }
    count(&mut bytes, 8);
    bytes.extend(b"policy-1");
    count(&mut bytes, 1);
    for part in [b"risk".as_slice(), b"d1", b"s1"] {
        count(&mut bytes, u64::try_from(part.len()).unwrap());
        bytes.extend(part);
    }
    let expected = crate::policy::approval::question::hex(digest(&SHA256, &bytes).as_ref());
    assert_eq!(binding::hash(&held(), &session()), expected);
}

#[tokio::test]
async fn a_yes_runs_nothing_but_what_was_asked() {
    let registry = registry();
    let code = |outcome: Result<_, Box<crate::policy::Denied>>| {
        outcome.map(drop).expect_err("it must not run").fault().code
    };
    let other = held_of(request("DELETE FROM orders WHERE id = $1", b"8", "public"));
    let granted = approve(&registry, pending(&registry), now()).await;
    assert_eq!(code(other.grant(granted, &session(), now())), "approval_mismatch");
    let mallory = Session::for_test(principal(claims("mallory")));
    let granted = approve(&registry, pending(&registry), now()).await;
    assert_eq!(code(held().grant(granted, &mallory, now())), "approval_mismatch");
    let granted = approve(&registry, pending(&registry), now()).await;
    let late = now() + Duration::from_secs(APPROVAL_RUN_WITHIN_SECS);
    assert_eq!(code(held().grant(granted, &session(), late)), "approval_stale");
}

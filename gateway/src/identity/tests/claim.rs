#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

//! Well-signed tokens with claims to refuse: items 7, 8, 10 and 15 of the attack list.

use serde_json::json;

use super::*;

#[track_caller]
fn refused_with(member: &str, value: Value, code: &str) {
    assert_refused(&sign(&good_header(), &with(good_claims(), member, value)), code);
}

#[track_caller]
fn accepted_with(member: &str, value: Value) -> Claims {
    judge(&sign(&good_header(), &with(good_claims(), member, value))).unwrap()
}

#[test]
fn times_are_numbers() {
    for name in ["exp", "iat"] {
        assert_refused(&sign(&good_header(), &without(good_claims(), name)), "token_time_bad");
    }
    for name in ["exp", "iat", "nbf"] {
        for value in [
            json!("1790000590"),
            json!(null),
            json!(true),
            json!([NOW]),
            json!(-1),
            json!(-1.5),
            json!(1e18),
            json!(u64::MAX),
        ] {
            refused_with(name, value, "token_time_bad");
        }
        let claims = with(good_claims(), name, json!("X")).to_string().replace("\"X\"", "1e400");
        let text = sign_bytes("RS256", good_header().to_string().as_bytes(), claims.as_bytes());
        assert_refused(&text, "token_malformed");
    }
    let claims = accepted_with("exp", json!(590.9 + NOW as f64));
    assert_eq!(claims.expires_at, NOW + 590);
}

#[test]
fn expiry_and_skew() {
    accepted_with("exp", json!(NOW - 9));
    let old = with(good_claims(), "iat", json!(NOW - 4_000));
    for (exp, code) in
        [(NOW - 59, None), (NOW - 60, Some("token_expired")), (0, Some("token_expired"))]
    {
        let text = sign(&good_header(), &with(old.clone(), "exp", json!(exp)));
        match code {
            None => assert!(judge(&text).is_ok(), "{exp}"),
            Some(code) => assert_refused(&text, code),
        }
    }
    let late = with(old, "exp", json!(NOW - 3_600));
    let fault = judge(&sign(&good_header(), &late)).unwrap_err();
    assert!(fault.message.contains("2026-09-21T13:13:20Z"), "{fault}");
    assert!(fault.message.contains("it is now 2026-09-21T14:13:20Z"), "{fault}");
}

#[test]
fn not_yet_valid() {
    for name in ["nbf", "iat"] {
        accepted_with(name, json!(NOW + 60));
        refused_with(name, json!(NOW + 61), "token_not_yet_valid");
        refused_with(name, json!(NOW as f64 + 60.1), "token_not_yet_valid");
    }
    refused_with("exp", json!(NOW - 10), "token_time_bad");
}

#[test]
fn too_old_for_the_issuers_rule() {
    let strict = IssuerSettings { age_secs_max: Some(600), ..settings() };
    for (iat, accepted) in [(NOW - 660, true), (NOW - 661, false)] {
        let text = sign(&good_header(), &with(good_claims(), "iat", json!(iat)));
        let result = judge_by(strict.clone(), &text);
        assert_eq!(result.is_ok(), accepted, "{iat}");
        if let Err(fault) = result {
            assert_eq!(fault.code, "token_too_old");
        }
    }
}

#[test]
fn audience() {
    for aud in [
        json!("api://other"),
        json!("api://portcullis/"),
        json!("API://portcullis"),
        json!([]),
        json!(["api://other", "api://another"]),
    ] {
        refused_with("aud", aud, "audience_wrong");
    }
    assert_refused(&sign(&good_header(), &without(good_claims(), "aud")), "audience_wrong");
    for aud in [json!(null), json!(1), json!({"api://portcullis": 1}), json!([[AUDIENCE]])] {
        refused_with("aud", aud, "claim_bad");
    }
    accepted_with("aud", json!([AUDIENCE]));
    let several = with(good_claims(), "aud", json!([AUDIENCE, "https://mcp.example"]));
    assert_refused(&sign(&good_header(), &several), "audience_many");
    let many = IssuerSettings { many_audiences: true, ..settings() };
    judge_by(many, &sign(&good_header(), &several)).unwrap();

    let text = sign(&good_header(), &with(good_claims(), "aud", json!("api://other")));
    let fault = judge(&text).unwrap_err();
    assert!(fault.message.contains("\"api://other\""), "{fault}");
    assert!(fault.hint.unwrap().contains("\"api://portcullis\""));
    let long = "a".repeat(250);
    let text = sign(&good_header(), &with(good_claims(), "aud", json!(long)));
    assert!(!judge(&text).unwrap_err().message.contains(&"a".repeat(121)));
}

#[test]
fn other_tokens_of_the_same_issuer() {
    for (member, value) in [
        ("nonce", json!("n-0S6_WzA2Mj")),
        ("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")),
        ("c_hash", json!("x")),
        ("token_use", json!("id")),
        ("typ", json!("ID")),
    ] {
        refused_with(member, value, "id_token_refused");
    }
    for (member, value) in [
        ("typ", json!("Refresh")),
        ("typ", json!("Offline")),
        ("typ", json!("Logout")),
        ("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}})),
        ("htu", json!("https://gateway.example/")),
    ] {
        refused_with(member, value, "token_type_refused");
    }
    // An operator who configured the client id as audience still lets no ID token in.
    let lax = IssuerSettings { audiences: vec!["0oa1agent".into()], ..settings() };
    let id = with(without(good_claims(), "scp"), "aud", json!("0oa1agent"));
    let fault = judge_by(lax, &sign(&good_header(), &id)).unwrap_err();
    assert_eq!(fault.code, "id_token_refused");
    // With the usual audience the message still says what went wrong.
    let text = sign(&good_header(), &with(id, "nonce", json!("n")));
    assert!(judge(&text).unwrap_err().hint.unwrap().contains("ID token"));
}

#[test]
fn sender_bound_token_is_no_bearer_token() {
    refused_with(
        "cnf",
        json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        "sender_bound_token",
    );
    refused_with(
        "cnf",
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        "sender_bound_token",
    );
    refused_with("cnf", json!(null), "sender_bound_token");
}

#[test]
fn subject() {
    assert_refused(&sign(&good_header(), &without(good_claims(), "sub")), "subject_bad");
    for sub in [
        json!(""),
        json!(null),
        json!(7),
        json!(["alice"]),
        json!("a".repeat(256)),
        json!("alice\r\nSet-Cookie: x"),
        json!("alice\0"),
        json!("alice\u{1b}[2J"),
        json!("alice\u{202e}nimda"),
        json!("ali\u{200b}ce"),
        json!("alice\u{85}"),
        json!("alice\u{2028}"),
    ] {
        refused_with("sub", sub, "subject_bad");
    }
    // Quotes are legal in a login; whoever writes them into another language escapes them.
    let claims = accepted_with("sub", json!("o'neil \"x\" <a>"));
    assert_eq!(claims.subject, "o'neil \"x\" <a>");
}

#[test]
fn other_texts() {
    for member in ["uid", "email", "jti", "cid"] {
        for value in [json!(1), json!("a\nb"), json!(""), json!(["x"]), json!("a".repeat(256))] {
            refused_with(member, value, "claim_bad");
        }
    }
    refused_with("auth_time", json!("yesterday"), "token_time_bad");
}

#[test]
fn client_claims_agree() {
    let claims = accepted_with("client_id", json!("0oa1agent"));
    assert_eq!(claims.client.as_deref(), Some("0oa1agent"));
    refused_with("client_id", json!("0oa9other"), "client_conflict");
    refused_with("appid", json!("0oa9other"), "client_conflict");
    let text = sign(&good_header(), &without(good_claims(), "cid"));
    assert_eq!(judge(&text).unwrap().client, None);
}

#[test]
fn scopes_in_both_spellings() {
    let bare = without(good_claims(), "scp");
    for (member, value) in
        [("scope", json!("db.read db.write")), ("scp", json!("db.read db.write"))]
    {
        let text = sign(&good_header(), &with(bare.clone(), member, value));
        assert_eq!(judge(&text).unwrap().scopes, ["db.read", "db.write"]);
    }
    accepted_with("scope", json!("db.read"));
    refused_with("scope", json!("db.read db.admin"), "scope_conflict");
    refused_with("scope", json!(""), "scope_conflict");
    for value in
        [json!({}), json!([1]), json!(["db.read db.admin"]), json!(vec!["x"; 257]), json!(["a\nb"])]
    {
        refused_with("scp", value, "claim_bad");
    }
}

#[test]
fn groups() {
    for (value, expected) in [
        (json!("Support"), vec!["Support"]),
        (json!(["a", "b"]), vec!["a", "b"]),
        (json!([]), vec![]),
        (json!(null), vec![]),
        // Only a name to this stage; whoever maps it to another system guards its reserved ones.
        (json!(["system:masters"]), vec!["system:masters"]),
    ] {
        assert_eq!(accepted_with("groups", value).groups, expected);
    }
    let text = sign(&good_header(), &without(good_claims(), "groups"));
    assert!(judge(&text).unwrap().groups.is_empty());
    for value in [
        json!({"Support": true}),
        json!(1),
        json!(["ok", 1]),
        json!([["nested"]]),
        json!(["a\r\nb"]),
        json!(["a\u{202e}b"]),
        json!(["a\0"]),
        json!([""]),
        json!(vec!["g"; 513]),
    ] {
        refused_with("groups", value, "claim_bad");
    }
}

#[test]
fn nested_groups_by_pointer() {
    let nested = IssuerSettings { groups_claim: "/realm_access/roles".into(), ..settings() };
    let claims = with(good_claims(), "realm_access", json!({"roles": ["dba"]}));
    let found = judge_by(nested.clone(), &sign(&good_header(), &claims)).unwrap();
    assert_eq!(found.groups, ["dba"]);
    // The claim of the usual name does not stand in.
    assert!(judge_by(nested, &sign(&good_header(), &good_claims())).unwrap().groups.is_empty());
    let named = IssuerSettings { groups_claim: "https://acme.example/groups".into(), ..settings() };
    let claims = with(good_claims(), "https://acme.example/groups", json!("dba"));
    assert_eq!(judge_by(named, &sign(&good_header(), &claims)).unwrap().groups, ["dba"]);
}

#[test]
fn delegation_chain() {
    let chain = |depth: usize| {
        (0..depth).rev().fold(Value::Null, |inner, index| match inner {
            Value::Null => json!({"sub": format!("agent{index}")}),
            inner => json!({"sub": format!("agent{index}"), "act": inner}),
        })
    };
    let claims = accepted_with("act", chain(8));
    assert_eq!((claims.actors.len(), claims.actors[0].subject.as_str()), (8, "agent0"));
    refused_with("act", chain(9), "actor_bad");
    refused_with("act", chain(60), "actor_bad");
    for act in [
        json!(null),
        json!("agent"),
        json!([{"sub": "agent"}]),
        json!({}),
        json!({"sub": ""}),
        json!({"sub": null}),
        json!({"sub": 1}),
        json!({"sub": "a\nb"}),
        json!({"sub": "agent", "sub_profile": ["ai_agent"]}),
        json!({"sub": "agent", "act": "inner"}),
        json!({"sub": "agent", "act": {}}),
        json!({"sub": "alice@acme.example"}),
        json!({"sub": "agent", "act": {"sub": "alice@acme.example"}}),
    ] {
        refused_with("act", act, "actor_bad");
    }
    let text = sign(&good_header(), &without(good_claims(), "act"));
    assert!(judge(&text).unwrap().actors.is_empty());
}

//! Tokens: with no key known, none may pass, however it is built.

use std::sync::OnceLock;

use portcullis::identity::{Algorithm, IssuerSettings, KeySet, Rules, token};

use crate::Target;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

pub(crate) const TARGET: Target = Target {
    name: "token",
    seeds: &[
        // {"alg":"RS256","kid":"a"}.{"iss":"https://i.test","aud":"a","exp":1767229200,...}
        b"eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.\
          eyJpc3MiOiJodHRwczovL2kudGVzdCIsImF1ZCI6ImEiLCJleHAiOjE3NjcyMjkyMDAsImlh\
          dCI6MTc2NzIyNTYwMCwic3ViIjoicyJ9.AAAA",
        // {"alg":"none"}
        b"eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2kudGVzdCJ9.",
        b"a.b.c",
        b"a.b.c.d.e",
        b"",
    ],
    words: &[b".", b"=", b"eyJ", b"IjoiIn0", b"AAAA", b"bm9uZQ"],
    run,
};

fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| {
        Rules::new(IssuerSettings {
            name: "i".into(),
            issuer: "https://i.test".into(),
            audiences: vec!["a".into()],
            algorithms: vec!["RS256".into(), "ES256".into()],
            groups_claim: "groups".into(),
            client_claims: vec!["cid".into()],
            task_claim: None,
            ticket_claim: None,
            require_at_jwt: false,
            many_audiences: false,
            skew_secs: 60,
            age_secs_max: None,
            ca_file: None,
            cache_dir: None,
            development: false,
        })
        .expect("the settings are sound")
    })
}

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let none = KeySet::parse(br#"{"keys":[]}"#, &[Algorithm::Rs256]).expect("an empty set is one");
    let Err(fault) = token::judge(text, rules(), &none, NOW) else {
        panic!("a token that no key signed was accepted");
    };
    // A refusal goes to the caller and into the log; it must not hand the token on.
    let signature = text.rsplit('.').next().unwrap_or_default();
    let shown = format!("{fault} {:?} {:?}", fault.detail, fault.hint);
    assert!(signature.len() < 16 || !shown.contains(signature), "the refusal shows the token");
}

#[test]
fn the_first_seed_is_stopped_by_its_signature_alone() {
    let text = std::str::from_utf8(TARGET.seeds[0]).expect("the seeds are text");
    let none = KeySet::parse(br#"{"keys":[]}"#, &[Algorithm::Rs256]).expect("an empty set is one");
    let fault = token::judge(text, rules(), &none, NOW).expect_err("no key is known");
    assert_eq!(fault.code, "key_unknown");
}

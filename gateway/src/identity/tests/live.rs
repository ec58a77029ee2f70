#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

//! The verifier against the development issuer over loopback: rotation, floods, verdicts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;
use crate::demo::issuer::{Issuer, MintRequest, Settings, Signing};
use crate::identity::{Token, Verifier};
use crate::limits::KEY_FETCH_BURST;

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn issuer() -> Issuer {
    Issuer::start(Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        audience: AUDIENCE.into(),
        token_secs: 600,
        signing: Signing::Es256,
        clients: vec![],
        people: vec![],
    })
    .await
    .unwrap()
}

pub(super) fn settings_of(issuer: &Issuer) -> IssuerSettings {
    IssuerSettings { name: "dev".into(), issuer: issuer.url(), development: true, ..settings() }
}

async fn started(issuer: &Issuer) -> Arc<Verifier> {
    let verifier = Verifier::start(vec![settings_of(issuer)]).unwrap();
    verifier.first_fetch(PATIENCE).await;
    Arc::new(verifier)
}

pub(super) fn request() -> MintRequest {
    MintRequest {
        subject: "alice@acme.example".into(),
        client: "0oa1agent".into(),
        groups: vec!["Support".into()],
        ..MintRequest::default()
    }
}

pub(super) async fn verify(verifier: &Verifier, text: &str, at: SystemTime) -> Result<(), Fault> {
    verifier.verify(&Token::new(text.into()), at).await.map(|_| ())
}

#[tokio::test]
async fn token_of_the_development_issuer_is_good() {
    let issuer = issuer().await;
    let verifier = started(&issuer).await;
    let minted = MintRequest {
        uid: Some("00u1alice".into()),
        actors: vec![
            ("agent2".into(), Some("ai_agent".into())),
            ("agent1".into(), Some("ai_agent".into())),
        ],
        ..request()
    };
    let token = Token::new(issuer.mint(&minted).unwrap());
    let principal = verifier.verify(&token, SystemTime::now()).await.unwrap();
    let claims = principal.claims();
    assert_eq!((claims.subject.as_str(), principal.agent()), ("alice@acme.example", "agent2"));
    assert_eq!(claims.key_id, Some(issuer.key_id()));
    assert!(claims.token_id.as_ref().unwrap().starts_with("AT."));
    verifier.recheck(&principal, SystemTime::now()).unwrap();
    let status = verifier.status();
    assert_eq!((status[0].key_count, status[0].degraded), (1, false), "{status:?}");
    assert!(status[0].development);
}

#[tokio::test]
async fn tokens_before_the_first_fetch_wait_for_it() {
    let issuer = issuer().await;
    let verifier = Verifier::start(vec![settings_of(&issuer)]).unwrap();
    verify(&verifier, &issuer.mint(&request()).unwrap(), SystemTime::now()).await.unwrap();
}

#[tokio::test]
async fn rotation_refuses_no_good_token() {
    let issuer = issuer().await;
    let verifier = started(&issuer).await;
    for _ in 0..KEY_FETCH_BURST {
        let before = issuer.mint(&request()).unwrap();
        issuer.rotate().unwrap();
        let mut all = tokio::task::JoinSet::new();
        for index in 0..60 {
            let text =
                if index % 3 == 0 { before.clone() } else { issuer.mint(&request()).unwrap() };
            let verifier = Arc::clone(&verifier);
            all.spawn(async move { verify(&verifier, &text, SystemTime::now()).await });
        }
        for result in all.join_all().await {
            result.unwrap();
        }
    }
    let reads = issuer.key_reads();
    assert!(reads <= u64::from(KEY_FETCH_BURST) + 1, "{reads} fetches");
}

#[tokio::test]
async fn flood_of_unknown_keys_makes_few_fetches() {
    let issuer = issuer().await;
    let verifier = started(&issuer).await;
    let claims = with(good_claims(), "iss", json!(issuer.url()));
    let mut flood = tokio::task::JoinSet::new();
    for index in 0..2_000 {
        let header = json!({"alg": "ES256", "kid": format!("flood{index}")});
        let text = sign(&header, &claims);
        let shared = Arc::clone(&verifier);
        flood.spawn(async move { verify(&shared, &text, SystemTime::now()).await });
        if index % 100 == 0 {
            let good = issuer.mint(&request()).unwrap();
            verify(&verifier, &good, SystemTime::now()).await.unwrap();
        }
    }
    for result in flood.join_all().await {
        assert_eq!(result.unwrap_err().code, "key_unknown");
    }
    // One after the other, so that none can join the fetch of another.
    for index in 0..20 {
        let header = json!({"alg": "ES256", "kid": format!("wave{index}")});
        let fault = verify(&verifier, &sign(&header, &claims), SystemTime::now()).await;
        assert_eq!(fault.unwrap_err().code, "key_unknown");
    }
    let reads = issuer.key_reads();
    assert!(reads <= u64::from(KEY_FETCH_BURST) + 1, "{reads} fetches");
}

#[tokio::test]
async fn unknown_key_is_remembered_as_unknown() {
    let issuer = issuer().await;
    let verifier = started(&issuer).await;
    let claims = with(good_claims(), "iss", json!(issuer.url()));
    let text = sign(&json!({"alg": "ES256", "kid": "nobody"}), &claims);
    for _ in 0..5 {
        let fault = verify(&verifier, &text, SystemTime::now()).await.unwrap_err();
        assert_eq!(fault.code, "key_unknown");
        assert_fault_is_clean(&fault, &text);
    }
    assert_eq!(issuer.key_reads(), 2);
}

#[tokio::test]
async fn withdrawn_key_stops_at_once() {
    let issuer = issuer().await;
    let verifier = started(&issuer).await;
    let now = SystemTime::now();
    let old = issuer.mint(&request()).unwrap();
    let principal = verifier.verify(&Token::new(old.clone()), now).await.unwrap();
    let mut changes = verifier.changes();
    issuer.rotate().unwrap();
    issuer.withdraw_old_keys();
    // The verdict still holds until the gateway reads the key set again, here for a new key.
    verify(&verifier, &old, now).await.unwrap();
    verify(&verifier, &issuer.mint(&request()).unwrap(), now).await.unwrap();
    assert_eq!(verify(&verifier, &old, now).await.unwrap_err().code, "key_unknown");
    assert_eq!(verifier.recheck(&principal, now).unwrap_err().code, "key_unknown");
    assert!(changes.has_changed().unwrap() && *changes.borrow_and_update() == 1);
}

#[tokio::test]
async fn verdict_does_not_outlive_the_token() {
    let issuer = issuer().await;
    let exact = IssuerSettings { skew_secs: 0, ..settings_of(&issuer) };
    let verifier = Verifier::start(vec![exact]).unwrap();
    let short = MintRequest { lifetime_secs: Some(5), ..request() };
    let text = issuer.mint(&short).unwrap();
    let now = SystemTime::now();
    let principal = verifier.verify(&Token::new(text.clone()), now).await.unwrap();
    verify(&verifier, &text, now).await.unwrap();
    let later = now + Duration::from_secs(6);
    assert_eq!(verify(&verifier, &text, later).await.unwrap_err().code, "token_expired");
    assert_eq!(verifier.recheck(&principal, later).unwrap_err().code, "token_expired");
    // A clock set back does not find the verdict, and the token is from the future.
    let earlier = now - Duration::from_secs(3_600);
    assert_eq!(verify(&verifier, &text, earlier).await.unwrap_err().code, "token_not_yet_valid");
}

#[tokio::test]
async fn verdict_of_one_token_is_not_that_of_another() {
    let issuer = issuer().await;
    let verifier = started(&issuer).await;
    let text = issuer.mint(&request()).unwrap();
    verify(&verifier, &text, SystemTime::now()).await.unwrap();
    let (signed, _) = text.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", b64([1; 64]));
    let fault = verify(&verifier, &forged, SystemTime::now()).await.unwrap_err();
    assert_eq!(fault.code, "signature_bad");
}

#[tokio::test]
async fn token_of_one_issuer_under_the_name_of_another() {
    let (first, second) = (issuer().await, issuer().await);
    let renamed = IssuerSettings { name: "dev2".into(), ..settings_of(&second) };
    let verifier = Verifier::start(vec![settings_of(&first), renamed]).unwrap();
    verifier.first_fetch(PATIENCE).await;
    let now = SystemTime::now();
    verify(&verifier, &second.mint(&request()).unwrap(), now).await.unwrap();
    // Signed by the second, claims to be of the first, with the kid of either.
    let claims = with(good_claims(), "iss", json!(first.url())).to_string();
    for (kid, code) in [(first.key_id(), "signature_bad"), (second.key_id(), "key_unknown")] {
        let header = json!({"alg": "ES256", "kid": kid}).to_string();
        let text = second.mint_raw(&header, &claims).unwrap();
        assert_eq!(verify(&verifier, &text, now).await.unwrap_err().code, code);
    }
    // The same issuer's other audience.
    let other = MintRequest { audience: Some("api://mcp".into()), ..request() };
    let text = first.mint(&other).unwrap();
    assert_eq!(verify(&verifier, &text, now).await.unwrap_err().code, "audience_wrong");
}

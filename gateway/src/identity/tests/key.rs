#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

//! Which keys of a key set are used, and settings that are refused.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;
use crate::identity::verdict::Verdicts;
use crate::identity::{keep, verifier};
use crate::limits::{VERDICT_SECS_MAX, VERDICTS_COUNT_MAX};

#[test]
fn unfit_keys_are_left_out() {
    let short = b64([0xc1; 128]);
    let mut off_curve = ec_jwk();
    off_curve["y"] = off_curve["x"].clone();
    let long_x = b64([&[0][..], &[1; 32]].concat());
    for (why, jwk) in [
        ("symmetric", json!({"kty": "oct", "kid": "o", "k": "c2VjcmV0", "alg": "HS256"})),
        ("RSA with k", with(rsa_jwk(), "k", json!("c2VjcmV0"))),
        ("private", with(rsa_jwk(), "d", json!("AQAB"))),
        ("RSA-1024", with(rsa_jwk(), "n", json!(short))),
        ("e = 1", with(rsa_jwk(), "e", json!("AQ"))),
        ("e = 3", with(rsa_jwk(), "e", json!("Aw"))),
        ("even e", with(rsa_jwk(), "e", json!("AQAC"))),
        ("leading zeros", with(rsa_jwk(), "e", json!("AAEAAQ"))),
        ("no modulus", without(rsa_jwk(), "n")),
        ("modulus with padding", with(rsa_jwk(), "n", json!("wcE="))),
        ("for encryption", with(rsa_jwk(), "use", json!("enc"))),
        ("for signing only", with(rsa_jwk(), "key_ops", json!(["sign"]))),
        ("key_ops is text", with(rsa_jwk(), "key_ops", json!("verify"))),
        ("encryption alg", with(rsa_jwk(), "alg", json!("RSA-OAEP"))),
        ("symmetric alg", with(rsa_jwk(), "alg", json!("HS256"))),
        ("alg of another kty", with(rsa_jwk(), "alg", json!("ES256"))),
        ("alg not allowed", with(rsa_jwk(), "alg", json!("RS512"))),
        ("kid is a number", with(rsa_jwk(), "kid", json!(7))),
        ("kid is empty", with(rsa_jwk(), "kid", json!(""))),
        ("off the curve", off_curve),
        ("unknown curve", with(ec_jwk(), "crv", json!("secp256k1"))),
        ("curve that does not fit", with(ec_jwk(), "crv", json!("P-384"))),
        ("long coordinate", with(ec_jwk(), "x", json!(long_x))),
        ("X25519", with(ed_jwk(), "crv", json!("X25519"))),
        ("short x", with(ed_jwk(), "x", json!(b64([1; 31])))),
        ("no kty", without(rsa_jwk(), "kty")),
        ("no object", json!("rsa")),
    ] {
        let set = key_set(&[jwk, ed_jwk()]);
        assert_eq!(set.len(), 1, "{why}");
    }
    let verify = with(rsa_jwk(), "key_ops", json!(["verify"]));
    assert_eq!(key_set(&[rsa_jwk(), ec_jwk(), ed_jwk(), verify]).len(), 4);
}

#[test]
fn key_sets_that_are_refused_whole() {
    let parse = |text: &str| KeySet::parse(text.as_bytes(), &[Algorithm::Rs256]);
    for text in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"keys": {}}"#,
        r#"{"keys": [], "keys": []}"#,
        r#"{"keys": [{"kty": "RSA", "kty": "EC"}]}"#,
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert!(parse(r#"{"keys": []}"#).unwrap().is_empty());
    let many = json!({"keys": vec![rsa_jwk(); 65]}).to_string();
    assert!(parse(&many).unwrap_err().contains("65 keys"));
}

#[test]
fn key_that_could_be_two_is_none() {
    let text = sign(&json!({"alg": "RS256"}), &good_claims());
    let rules = Rules::new(settings()).unwrap();
    let judge = |keys: &[Value]| token::judge(&text, &rules, &key_set(keys), NOW);
    let other = with(rsa_jwk(), "kid", json!("rsa2"));
    judge(&[rsa_jwk(), ec_jwk()]).unwrap();
    assert_eq!(judge(&[rsa_jwk(), other]).unwrap_err().code, "key_unknown");
    assert_eq!(judge(&[ec_jwk()]).unwrap_err().code, "key_unknown");
    let named = sign(&good_header(), &good_claims());
    let twice = key_set(&[rsa_jwk(), rsa_jwk()]);
    assert_eq!(token::judge(&named, &rules, &twice, NOW).unwrap_err().code, "key_unknown");
}

#[test]
fn curve_of_the_key_must_be_that_of_the_algorithm() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let jwk = json!({
        "kty": "EC", "kid": "ec", "crv": "P-384", "x": b64(&point[1..49]), "y": b64(&point[49..]),
    });
    let settings =
        IssuerSettings { algorithms: vec!["ES256".into(), "ES384".into()], ..settings() };
    let rules = Rules::new(settings).unwrap();
    let set = json!({"keys": [jwk]}).to_string();
    let keys = KeySet::parse(set.as_bytes(), rules.algorithms()).unwrap();
    assert_eq!(keys.len(), 1);
    let text = sign(&json!({"alg": "ES256", "kid": "ec"}), &good_claims());
    assert_eq!(token::judge(&text, &rules, &keys, NOW).unwrap_err().code, "key_unfit");
}

#[test]
fn thumbprint_is_rfc_7638() {
    // The example of RFC 7638 section 3.1.
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc\
             _BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQ\
             R0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bF\
             TWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let jwk = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    let keys = key_set(&[jwk]);
    assert!(keys.holds(Some("2011-04-29"), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
}

#[test]
fn settings_that_are_refused() {
    let refused = |change: &dyn Fn(&mut IssuerSettings)| {
        let mut settings = settings();
        change(&mut settings);
        let fault = Rules::new(settings).expect_err("refused");
        assert_eq!((fault.code, fault.blame), ("issuer_settings_bad", Blame::Operator));
    };
    for issuer in [
        "",
        "acme.okta.com",
        "http://acme.okta.com/oauth2/default",
        "http://127.0.0.1:8080",
        "ftp://acme.okta.com",
        "https://user@acme.okta.com",
        "https://acme.okta.com?x",
        "https://acme.okta.com#x",
        "https://acme.okta.com/\u{fc}",
        "https://acme.okta.com/a b",
        "https://",
    ] {
        refused(&|settings| settings.issuer = issuer.into());
    }
    for issuer in ["http://localhost:8080", "http://10.0.0.1", "http://127.0.0.1.evil.example"] {
        refused(&|settings| {
            settings.issuer = issuer.into();
            settings.development = true;
        });
    }
    refused(&|settings| settings.development = true);
    refused(&|settings| settings.name = String::new());
    refused(&|settings| settings.audiences = vec![]);
    refused(&|settings| settings.audiences = vec![String::new()]);
    refused(&|settings| settings.algorithms = vec![]);
    refused(&|settings| settings.algorithms = vec!["none".into()]);
    refused(&|settings| settings.skew_secs = 121);
    refused(&|settings| settings.groups_claim = String::new());
    refused(&|settings| settings.client_claims = vec![String::new()]);
    for issuer in ["http://127.0.0.1:1/x", "http://[::1]:8080", "https://127.0.0.1"] {
        let ok = IssuerSettings { issuer: issuer.into(), development: true, ..settings() };
        Rules::new(ok).unwrap();
    }
}

#[tokio::test]
async fn issuers_that_do_not_go_together() {
    let start = |all: Vec<IssuerSettings>| verifier::Verifier::start(all).map(|_| ());
    let other = IssuerSettings {
        name: "other".into(),
        issuer: "https://other.okta.com/oauth2/default".into(),
        ..settings()
    };
    assert_eq!(start(vec![]).unwrap_err().code, "issuer_settings_bad");
    assert!(start(vec![settings(), settings()]).is_err());
    let same_name = IssuerSettings { name: "okta".into(), ..other.clone() };
    assert!(start(vec![settings(), same_name]).is_err());
    let development =
        IssuerSettings { issuer: "http://127.0.0.1:1/x".into(), development: true, ..other };
    assert!(start(vec![settings(), development]).unwrap_err().message.contains("development"));
}

#[test]
fn verifier_needs_a_runtime() {
    let fault = verifier::Verifier::start(vec![settings()]).map(|_| ()).unwrap_err();
    assert_eq!(fault.code, "runtime_missing");
}

fn some_claims() -> Arc<Claims> {
    Arc::new(judge(&sign(&json!({"alg": "ES256", "kid": "ec"}), &good_claims())).unwrap())
}

#[test]
fn verdict_ends_in_time() {
    let claims = some_claims();
    let verdicts = Verdicts::default();
    let put = |ends| verdicts.put([7; 32], Arc::clone(&claims), 0, NOW, ends);
    let found = |at| verdicts.find(&[7; 32], at).is_some();
    put(NOW + 600);
    assert!(found(NOW) && found(NOW + VERDICT_SECS_MAX - 1));
    assert!(!found(NOW + VERDICT_SECS_MAX) && !found(NOW - 1));
    put(NOW + 5);
    assert!(found(NOW + 4) && !found(NOW + 5));
    verdicts.drop_token(&[7; 32]);
    assert!(!found(NOW));
}

#[test]
fn verdicts_are_bounded() {
    let claims = some_claims();
    let verdicts = Verdicts::default();
    for index in 0..u32::try_from(3 * VERDICTS_COUNT_MAX).unwrap() {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&index.to_le_bytes());
        verdicts.put(hash, Arc::clone(&claims), 0, NOW, NOW + 600);
    }
    // Every verdict held is one more reference to the claims.
    assert!(Arc::strong_count(&claims) <= VERDICTS_COUNT_MAX + 1);
}

fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn kept_key_set_is_checked() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("keys");
    let now = SystemTime::now();
    let load = |issuer: &str, at: SystemTime| keep::load(&folder, issuer, at);
    assert_eq!(load(ISSUER, now), Ok(None));
    keep::save(&folder, ISSUER, now, b"{\"keys\":[]}").unwrap();
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    assert_eq!(load(ISSUER, now).unwrap().unwrap().0, b"{\"keys\":[]}");
    assert_eq!(load("https://other.example", now), Ok(None));
    // Older than a day; and from the future, as a forged date would be.
    assert_eq!(load(ISSUER, now + Duration::from_secs(25 * 3_600)), Ok(None));
    assert!(load(ISSUER, now - Duration::from_secs(3_600)).is_err());
    for (path, mode) in [(&file, 0o666), (&file, 0o620), (&folder, 0o777)] {
        chmod(path, mode);
        assert!(load(ISSUER, now).unwrap_err().contains("others may write"));
        chmod(path, if path == &file { 0o600 } else { 0o700 });
    }
    load(ISSUER, now).unwrap().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("acme.okta.com", "evil.okta.com")).unwrap();
    assert!(load(ISSUER, now).unwrap_err().contains("another issuer"));
    std::fs::write(&file, "{").unwrap();
    assert!(load(ISSUER, now).is_err());
}

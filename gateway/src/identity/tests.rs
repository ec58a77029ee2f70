#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attack;
mod claim;
mod key;
mod live;
mod outage;

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Algorithm, Claims, IssuerSettings, KeySet, Rules, token};
use crate::fault::{Blame, Fault};

pub(super) const NOW: i64 = 1_790_000_000;
pub(super) const ISSUER: &str = "https://acme.okta.com/oauth2/default";
pub(super) const AUDIENCE: &str = "api://portcullis";

/// The issuer's keys: `rsa`, `ec` and `ed` are their `kid`s.
pub(super) struct Pairs {
    pub(super) rsa: RsaKeyPair,
    pub(super) ec: EcdsaKeyPair,
    pub(super) ed: Ed25519KeyPair,
}

pub(super) fn pairs() -> &'static Pairs {
    static PAIRS: OnceLock<Pairs> = OnceLock::new();
    PAIRS.get_or_init(|| Pairs {
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
        ed: Ed25519KeyPair::generate().unwrap(),
    })
}

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn rsa_jwk() -> Value {
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(pairs().rsa.public_key());
    json!({"kty": "RSA", "kid": "rsa", "use": "sig", "n": b64(public.n), "e": b64(public.e)})
}

pub(super) fn ec_jwk() -> Value {
    let point = pairs().ec.public_key().as_ref();
    json!({
        "kty": "EC", "kid": "ec", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..]),
    })
}

pub(super) fn ed_jwk() -> Value {
    json!({"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": b64(pairs().ed.public_key())})
}

pub(super) fn settings() -> IssuerSettings {
    IssuerSettings {
        name: "okta".into(),
        issuer: ISSUER.into(),
        audiences: vec![AUDIENCE.into()],
        algorithms: ["RS256", "ES256", "EdDSA", "PS256"].map(String::from).to_vec(),
        groups_claim: "groups".into(),
        client_claims: ["cid", "client_id", "azp", "appid"].map(String::from).to_vec(),
        task_claim: None,
        ticket_claim: None,
        require_at_jwt: false,
        many_audiences: false,
        skew_secs: 60,
        age_secs_max: None,
        ca_file: None,
        cache_dir: None,
        development: false,
    }
}

pub(super) fn key_set(keys: &[Value]) -> KeySet {
    let algorithms = Rules::new(settings()).unwrap().algorithms().to_vec();
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes(), &algorithms).unwrap()
}

pub(super) fn good_header() -> Value {
    json!({"kid": "rsa", "alg": "RS256"})
}

/// An Okta-shaped access token of a person who lets an agent act.
pub(super) fn good_claims() -> Value {
    json!({
        "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "iss": ISSUER,
        "aud": AUDIENCE, "iat": NOW - 10, "exp": NOW + 590, "cid": "0oa1agent", "uid": "00u1alice",
        "scp": ["db.read"], "auth_time": NOW - 100, "sub": "alice@acme.example",
        "groups": ["Everyone", "Support"], "email": "alice@acme.example",
        "act": {"sub": "0oa1agent", "sub_profile": "ai_agent", "act": {"sub": "0oa2planner"}},
    })
}

/// The signature of the issuer's key that fits `alg`.
pub(super) fn signature(alg: &str, signed: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let rsa = |encoding| {
        let mut made = vec![0; pairs().rsa.public_modulus_len()];
        pairs().rsa.sign(encoding, &random, signed, &mut made).unwrap();
        made
    };
    match alg {
        "ES256" => pairs().ec.sign(&random, signed).unwrap().as_ref().to_vec(),
        "EdDSA" => pairs().ed.sign(signed).as_ref().to_vec(),
        "PS256" => rsa(&RSA_PSS_SHA256),
        _ => rsa(&RSA_PKCS1_SHA256),
    }
}

/// A token from the very bytes of its header and payload, truly signed with `alg`.
pub(super) fn sign_bytes(alg: &str, header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let signature = signature(alg, signed.as_bytes());
    format!("{signed}.{}", b64(signature))
}

pub(super) fn sign(header: &Value, claims: &Value) -> String {
    let alg = header["alg"].as_str().unwrap_or_default();
    sign_bytes(alg, header.to_string().as_bytes(), claims.to_string().as_bytes())
}

pub(super) fn judge_by(settings: IssuerSettings, text: &str) -> Result<Claims, Fault> {
    let keys = key_set(&[rsa_jwk(), ec_jwk(), ed_jwk()]);
    token::judge(text, &Rules::new(settings).unwrap(), &keys, NOW)
}

pub(super) fn judge(text: &str) -> Result<Claims, Fault> {
    judge_by(settings(), text)
}

/// Refused with this code, blamed on the client, and without a word of the token in the fault.
#[track_caller]
pub(super) fn assert_refused(text: &str, code: &str) {
    let fault = judge(text).expect_err(code);
    assert_eq!(fault.code, code, "{fault:?}");
    assert_fault_is_clean(&fault, text);
}

#[track_caller]
pub(super) fn assert_fault_is_clean(fault: &Fault, text: &str) {
    assert_eq!((fault.blame, fault.sqlstate), (Blame::Client, "28000"), "{fault:?}");
    let words = format!("{fault:?} {fault}");
    for part in text.split('.').filter(|part| part.len() > 20) {
        assert!(!words.contains(part), "a part of the token is in {words}");
    }
    assert!(words.is_ascii() && !words.contains("\\n"), "{words:?}");
}

/// `value` with a member replaced or added.
pub(super) fn with(mut value: Value, member: &str, new: Value) -> Value {
    value[member] = new;
    value
}

/// `value` without a member.
pub(super) fn without(mut value: Value, member: &str) -> Value {
    value.as_object_mut().unwrap().remove(member).unwrap();
    value
}

#[test]
fn good_token_yields_its_claims() {
    for (kid, alg) in [("rsa", "RS256"), ("rsa", "PS256"), ("ec", "ES256"), ("ed", "EdDSA")] {
        let text = sign(&json!({"kid": kid, "alg": alg}), &good_claims());
        let claims = judge(&text).unwrap();
        assert_eq!(claims.subject, "alice@acme.example");
        assert_eq!(claims.uid.as_deref(), Some("00u1alice"));
        assert_eq!(claims.client.as_deref(), Some("0oa1agent"));
        assert_eq!(claims.groups, ["Everyone", "Support"]);
        assert_eq!(claims.scopes, ["db.read"]);
        assert_eq!(claims.audience, [AUDIENCE]);
        assert_eq!((claims.issued_at, claims.expires_at), (NOW - 10, NOW + 590));
        assert_eq!(claims.key_id.as_deref(), Some(kid));
        assert_eq!(claims.issuer_name, "okta");
        let actors: Vec<_> =
            claims.actors.iter().map(|a| (a.subject.as_str(), a.profile.as_deref())).collect();
        assert_eq!(actors, [("0oa1agent", Some("ai_agent")), ("0oa2planner", None)]);
        assert_eq!(claims.token_sha256.len(), 64);
    }
}

#[test]
fn algorithm_names_are_exact() {
    assert_eq!(Algorithm::from_name("RS256"), Some(Algorithm::Rs256));
    for name in ["rs256", "none", "HS256", "RS256 ", "", "ES256K", "RS1"] {
        assert_eq!(Algorithm::from_name(name), None, "{name}");
    }
}

#[test]
fn tokens_of_another_implementation_verify() {
    use jsonwebtoken::{Algorithm as Jose, EncodingKey, Header, encode};

    let ec = EncodingKey::from_ec_der(pairs().ec.to_pkcs8v1().unwrap().as_ref());
    let ed = EncodingKey::from_ed_der(pairs().ed.to_pkcs8v1().unwrap().as_ref());
    for (alg, kid, key) in [(Jose::ES256, "ec", ec), (Jose::EdDSA, "ed", ed)] {
        let header = Header { kid: Some(kid.into()), ..Header::new(alg) };
        judge(&encode(&header, &good_claims(), &key).unwrap()).unwrap();
    }
}

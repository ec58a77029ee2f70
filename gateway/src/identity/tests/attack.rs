#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

//! Forged and malformed tokens: items 1 to 6 and 9 of the attack list.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;

fn unsigned(header: &Value, claims: &Value, signature: &[u8]) -> String {
    format!("{}.{}.{}", b64(header.to_string()), b64(claims.to_string()), b64(signature))
}

#[test]
fn no_signature_is_no_token() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"alg": alg, "kid": "rsa"});
        assert_refused(&unsigned(&header, &good_claims(), b"x"), "algorithm_refused");
        assert_refused(&sign(&header, &good_claims()), "algorithm_refused");
    }
    let header = json!({"kid": "rsa"});
    assert_refused(&sign(&header, &good_claims()), "algorithm_refused");
    assert_refused(
        &sign(&with(header, "alg", json!(["RS256"])), &good_claims()),
        "algorithm_refused",
    );
    assert_refused(&unsigned(&good_header(), &good_claims(), b""), "token_malformed");
    assert_refused(&unsigned(&good_header(), &good_claims(), b"x"), "signature_bad");
}

#[test]
fn other_than_three_parts() {
    let good = sign(&good_header(), &good_claims());
    let two = good.rsplit_once('.').unwrap().0;
    assert_refused(two, "token_malformed");
    assert_refused(&format!("{good}.e30"), "token_malformed");
    assert_refused(&format!("{good}.e30.e30"), "token_encrypted");
    for text in ["", ".", "..", "...", "password", "gwt_0123456789"] {
        assert_refused(text, "token_malformed");
    }
    assert_refused(&format!("{good}{}", "A".repeat(16 * 1024)), "token_too_long");
    // What a client that cuts long passwords would send.
    assert_refused(&good[..good.len() - 42], "signature_bad");
}

#[test]
fn public_key_is_never_an_hmac_secret() {
    let der = pairs().rsa.public_key().as_der().unwrap().as_ref().to_vec();
    let base64 = base64::engine::general_purpose::STANDARD.encode(&der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
    let secrets = [
        der,
        pem.into_bytes(),
        rsa_jwk().to_string().into_bytes(),
        rsa_jwk()["n"].to_string().into(),
    ];
    for secret in &secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        for (alg, code) in [("HS256", "algorithm_refused"), ("RS256", "signature_bad")] {
            let header = json!({"alg": alg, "kid": "rsa"}).to_string();
            let signed = format!("{}.{}", b64(header), b64(good_claims().to_string()));
            let tag = hmac::sign(&key, signed.as_bytes());
            assert_refused(&format!("{signed}.{}", b64(tag)), code);
        }
    }
    // Nor does the operator get to allow it.
    let settings = IssuerSettings { algorithms: vec!["HS256".into()], ..settings() };
    assert_eq!(Rules::new(settings).unwrap_err().code, "issuer_settings_bad");
}

#[test]
fn kid_is_only_a_name() {
    for kid in ["../../../../dev/null", "rsa' OR '1'='1", "file:///etc/passwd", "RSA", "rsa "] {
        assert_refused(
            &sign(&with(good_header(), "kid", json!(kid)), &good_claims()),
            "key_unknown",
        );
    }
    let long = "k".repeat(4_000);
    for kid in [json!("rsa\0"), json!("a\nb"), json!(""), json!(long), json!(1), json!(["rsa"])] {
        let text = sign(&with(good_header(), "kid", kid), &good_claims());
        assert_refused(&text, "token_header_refused");
    }
    // Three keys are published, of which one fits RS256: it needs no name.
    judge(&sign(&json!({"alg": "RS256"}), &good_claims())).unwrap();
    // The name of another key of the same issuer.
    assert_refused(&sign(&json!({"alg": "RS256", "kid": "ec"}), &good_claims()), "key_unfit");
}

#[test]
fn keys_that_a_token_brings_are_not_used() {
    let mallory = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(mallory.public_key());
    let jwk = json!({"kty": "RSA", "kid": "rsa", "n": b64(public.n), "e": b64(public.e)});
    for (member, value) in [
        ("jwk", jwk),
        ("jku", json!("https://mallory.example/keys")),
        ("x5u", json!("https://mallory.example/cert")),
        ("x5c", json!(["MIIB"])),
    ] {
        let header = with(good_header(), member, value).to_string();
        let signed = format!("{}.{}", b64(&header), b64(good_claims().to_string()));
        let mut made = vec![0; mallory.public_modulus_len()];
        mallory
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut made)
            .unwrap();
        assert_refused(&format!("{signed}.{}", b64(made)), "signature_bad");
    }
}

#[test]
fn header_members_that_change_the_meaning() {
    for (member, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("enc", json!("A256GCM")),
    ] {
        let text = sign(&with(good_header(), member, value), &good_claims());
        assert_refused(&text, "token_header_refused");
    }
}

#[test]
fn token_of_another_use() {
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
        judge(&sign(&with(good_header(), "typ", json!(typ)), &good_claims())).expect(typ);
    }
    for (typ, code) in [
        (json!("okta-internal-at+jwt"), "org_server_token"),
        (json!("application/okta-internal-at+jwt"), "org_server_token"),
        (json!("oauth-id-jag+jwt"), "token_type_refused"),
        (json!("secevent+jwt"), "token_type_refused"),
        (json!("logout+jwt"), "token_type_refused"),
        (json!("global-token-revocation+jwt"), "token_type_refused"),
        (json!("dpop+jwt"), "token_type_refused"),
        (json!("client-authentication+jwt"), "token_type_refused"),
        (json!("application/jwt"), "token_type_refused"),
        (json!(""), "token_type_refused"),
        (json!(7), "token_type_refused"),
    ] {
        assert_refused(&sign(&with(good_header(), "typ", typ), &good_claims()), code);
    }
    let strict = IssuerSettings { require_at_jwt: true, ..settings() };
    for (typ, accepted) in [("JWT", false), ("at+jwt", true), ("application/at+jwt", true)] {
        let text = sign(&with(good_header(), "typ", json!(typ)), &good_claims());
        assert_eq!(judge_by(strict.clone(), &text).is_ok(), accepted, "{typ}");
    }
    assert!(judge_by(strict, &sign(&good_header(), &good_claims())).is_err());
}

#[test]
fn algorithm_outside_the_issuers_list() {
    let only = IssuerSettings { algorithms: vec!["ES256".into()], ..settings() };
    let fault = judge_by(only, &sign(&good_header(), &good_claims())).unwrap_err();
    assert_eq!(fault.code, "algorithm_refused");
}

#[test]
fn elliptic_signatures() {
    let header = json!({"alg": "ES256", "kid": "ec"});
    let signed = format!("{}.{}", b64(header.to_string()), b64(good_claims().to_string()));
    let token = |signature: &[u8]| format!("{signed}.{}", b64(signature));
    let good = signature("ES256", signed.as_bytes());
    judge(&token(&good)).unwrap();
    // The order n of P-256: r = s = 0 and r = s = n are the "psychic" signatures.
    let n = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
    let n: Vec<u8> =
        (0..32).map(|i| u8::from_str_radix(&n[2 * i..2 * i + 2], 16).unwrap()).collect();
    assert_refused(&token(&[0; 64]), "signature_bad");
    assert_refused(&token(&[n.clone(), n.clone()].concat()), "signature_bad");
    assert_refused(&token(&good[..63]), "signature_bad");
    assert_refused(&token(&[&good[..], &[0]].concat()), "signature_bad");
    // RFC 7518 section 3.4 asks for no low s, and issuers' signatures have a high one half of the
    // time: (r, n - s) is good too, so nothing may hang on a token being the only one of its kind.
    let mut borrow = 0_i16;
    let mut twin = good.clone();
    for index in (0..32).rev() {
        let digit = i16::from(n[index]) - i16::from(good[32 + index]) - borrow;
        borrow = i16::from(digit < 0);
        twin[32 + index] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    judge(&token(&twin)).unwrap();
    // The same key, the same bytes, but ASN.1 as TLS has it.
    let pkcs8 = pairs().ec.to_pkcs8v1().unwrap();
    let asn1 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    let der = asn1.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    assert_refused(&token(der.as_ref()), "signature_bad");
}

#[test]
fn rsa_signatures() {
    let header = good_header().to_string();
    let signed = format!("{}.{}", b64(header), b64(good_claims().to_string()));
    let good = signature("RS256", signed.as_bytes());
    let token = |signature: &[u8]| format!("{signed}.{}", b64(signature));
    judge(&token(&good)).unwrap();
    for bad in [
        vec![0; 256],
        vec![0xff; 256],
        [&[0], &good[..]].concat(),
        good[1..].to_vec(),
        // PSS over the same bytes, offered as PKCS #1 v1.5.
        signature("PS256", signed.as_bytes()),
    ] {
        assert_refused(&token(&bad), "signature_bad");
    }
    // One bit of the payload changed under a good signature.
    let text = token(&good);
    let other = with(good_claims(), "sub", json!("blice@acme.example")).to_string();
    let swapped = format!(
        "{}.{}.{}",
        text.split('.').next().unwrap(),
        b64(other),
        text.rsplit('.').next().unwrap()
    );
    assert_refused(&swapped, "signature_bad");
}

#[test]
fn json_means_one_thing() {
    let claims = good_claims().to_string();
    let header = good_header().to_string();
    for twice in
        [r#""aud":"x","#, r#""exp":1,"#, r#""sub":"root","#, r#""act":{},"#, r#""a\u0075d":"x","#]
    {
        let payload = claims.replacen('{', &format!("{{{twice}"), 1);
        assert_refused(
            &sign_bytes("RS256", header.as_bytes(), payload.as_bytes()),
            "token_malformed",
        );
    }
    let deep = with(good_claims(), "act", json!({"sub": "a"})).to_string();
    let deep = deep.replace(r#""act":{"sub":"a""#, r#""act":{"sub":"b","sub":"a""#);
    assert_refused(&sign_bytes("RS256", header.as_bytes(), deep.as_bytes()), "token_malformed");
    let twice = r#"{"alg":"none","alg":"RS256","kid":"rsa"}"#;
    assert_refused(&sign_bytes("RS256", twice.as_bytes(), claims.as_bytes()), "token_malformed");
    for payload in [
        format!("{claims}{{}}"),
        format!("{claims} x"),
        "[]".to_owned(),
        "null".to_owned(),
        claims.replace("590", "590,}"),
        format!("{{\"act\":{}", r#"{"act":"#.repeat(1_000)),
    ] {
        assert_refused(
            &sign_bytes("RS256", header.as_bytes(), payload.as_bytes()),
            "token_malformed",
        );
    }
    let mut latin1 = claims.clone().into_bytes();
    let at = claims.find("alice").unwrap();
    latin1[at] = 0xe9;
    assert_refused(&sign_bytes("RS256", header.as_bytes(), &latin1), "token_malformed");
}

#[test]
fn base64url_is_canonical() {
    let good = sign(&json!({"alg": "ES256", "kid": "ec"}), &good_claims());
    judge(&good).unwrap();
    // 64 bytes leave four spare bits in the last symbol: Q is 0b010000, R sets a spare one.
    let last = good.chars().last().unwrap();
    let spare = char::from(u8::try_from(u32::from(last)).unwrap() + 1);
    let spare = format!("{}{spare}", &good[..good.len() - 1]);
    assert_refused(&spare, "token_malformed");
    let (front, signature) = good.rsplit_once('.').unwrap();
    for text in [
        format!("{good}=="),
        format!("{good}="),
        format!("{good}\n"),
        format!(" {good}"),
        format!("Bearer {good}"),
        format!("{front}. {signature}"),
        format!("\"{good}\""),
    ] {
        assert_refused(&text, "token_malformed");
    }
    let (header, rest) = good.split_once('.').unwrap();
    assert_refused(&format!("{header}==.{rest}"), "token_malformed");
}

#[test]
fn issuer_is_compared_byte_for_byte() {
    for issuer in [
        "https://acme.okta.com/oauth2/default/",
        "https://acme.okta.com/oauth2/Default",
        "https://ACME.okta.com/oauth2/default",
        "https://acme.okta.com:443/oauth2/default",
        "https://acme.okta.com/oauth2/aus9other",
        "https://acme.okta.com",
        "http://acme.okta.com/oauth2/default",
        "https://acme.okta.com@evil.example/oauth2/default",
        "https://acme.okta.com.evil.example/oauth2/default",
        "https://xn--acm-epa.okta.com/oauth2/default",
        "https://acme.okta.com/oauth2/x/../default",
        "",
        "https://acme.okta.com/oauth2/default\0",
    ] {
        let text = sign(&good_header(), &with(good_claims(), "iss", json!(issuer)));
        assert_refused(&text, "issuer_unknown");
    }
    assert_refused(&sign(&good_header(), &without(good_claims(), "iss")), "issuer_unknown");
    let many = with(good_claims(), "iss", json!([ISSUER]));
    assert_refused(&sign(&good_header(), &many), "issuer_unknown");
}

#[test]
fn signature_comes_before_the_claims() {
    // A forged token learns nothing about which of its claims would have been wrong.
    let claims = with(good_claims(), "exp", json!(1));
    assert_refused(&unsigned(&good_header(), &claims, &[1; 256]), "signature_bad");
}

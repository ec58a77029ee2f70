#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

//! Issuers that are away, broken or hostile: item 12 of the attack list.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::live::{issuer, request, settings_of, verify};
use super::*;
use crate::demo::issuer::MintRequest;
use crate::identity::Verifier;
use crate::limits::KEY_FETCH_BURST;

const PATIENCE: Duration = Duration::from_secs(15);

/// What the stub says to a request for the discovery document or for the key set.
type Script = Arc<dyn Fn(&str, &str) -> Vec<u8> + Send + Sync>;

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn ok(body: &str) -> Vec<u8> {
    answer("200 OK\r\nContent-Type: application/json", body)
}

fn document(issuer: &str, jwks_uri: &str) -> String {
    json!({
        "issuer": issuer, "jwks_uri": jwks_uri, "authorization_endpoint": format!("{issuer}/a"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
    .to_string()
}

fn keys_json() -> String {
    json!({"keys": [rsa_jwk(), ec_jwk()]}).to_string()
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, url: String, script: Script) {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => head.extend_from_slice(&chunk[..count]),
        }
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    let reply = script(&url, &path);
    let slow = reply.starts_with(b"SLOW ");
    let reply = reply.strip_prefix(b"SLOW ").unwrap_or(&reply).to_vec();
    for part in reply.chunks(if slow { 1 } else { 65_536 }) {
        if stream.write_all(part).await.is_err() {
            return;
        }
        if slow {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let _ = stream.shutdown().await;
}

/// A plain HTTP server on loopback that answers by `script`; its URL.
async fn stub(script: Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let issuer = url.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(speak(stream, issuer.clone(), Arc::clone(&script)));
        }
    });
    url
}

fn development(url: &str) -> IssuerSettings {
    IssuerSettings { issuer: url.into(), development: true, ..settings() }
}

/// The verifier after its first fetch, and what went wrong with it.
async fn tried(settings: IssuerSettings) -> (Verifier, Option<String>) {
    let verifier = Verifier::start(vec![settings]).unwrap();
    verifier.first_fetch(PATIENCE).await;
    let status = verifier.status().remove(0);
    assert_eq!(status.degraded, status.key_count == 0 || status.last_error.is_some());
    (verifier, status.last_error)
}

/// Both documents as they should be.
fn honest(url: &str, path: &str) -> Vec<u8> {
    match path {
        "/.well-known/openid-configuration" => ok(&document(url, &format!("{url}/v1/keys"))),
        _ => ok(&keys_json()),
    }
}

#[tokio::test]
async fn honest_stub_is_believed() {
    let url = stub(Arc::new(honest)).await;
    let (verifier, error) = tried(development(&url)).await;
    assert_eq!(error, None);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(NOW).unwrap());
    let text = sign(&good_header(), &with(good_claims(), "iss", json!(url)));
    // The tokens of these tests are of another time than the keys; only the future makes them old.
    verify(&verifier, &text, now).await.unwrap();
}

#[tokio::test]
async fn broken_and_hostile_key_sets() {
    let moved = "302 Found\r\nLocation: http://169.254.169.254/latest/meta-data";
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300 * 1024));
    let many = json!({"keys": vec![rsa_jwk(); 65]}).to_string();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("redirect", answer(moved, "")),
        ("404", answer("404 Not Found\r\nContent-Type: application/json", "{}")),
        ("content type", answer("200 OK\r\nContent-Type: text/html", &keys_json())),
        ("content type", answer("200 OK", &keys_json())),
        ("length limit", ok(&huge)),
        ("65 keys", ok(&many)),
        ("can't be read", ok("<html>")),
        ("repeated", ok(&keys_json().replacen("\"kty\"", "\"kty\":\"oct\",\"kty\"", 1))),
        ("can't be reached", b"garbage\r\n\r\n".to_vec()),
        ("can't be reached", Vec::new()),
    ];
    for (expected, reply) in cases {
        let url = stub(Arc::new(move |url: &str, path: &str| match path {
            "/keys" => reply.clone(),
            _ => ok(&document(url, &format!("{url}/keys"))),
        }))
        .await;
        let (verifier, error) = tried(development(&url)).await;
        let error = error.unwrap();
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(verifier.status()[0].key_count, 0);
    }
}

#[tokio::test]
async fn document_of_or_to_somewhere_else() {
    let reads = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&reads);
    let elsewhere = stub(Arc::new(move |_: &str, _: &str| {
        seen.fetch_add(1, Ordering::Relaxed);
        ok(&keys_json())
    }))
    .await;
    let target = format!("{elsewhere}/keys");
    for jwks_uri in [target.as_str(), "http://169.254.169.254/keys", "file:///etc/passwd"] {
        let jwks_uri = jwks_uri.to_owned();
        let url = stub(Arc::new(move |url: &str, _: &str| ok(&document(url, &jwks_uri)))).await;
        let (_, error) = tried(development(&url)).await;
        let error = error.unwrap();
        assert!(error.contains("own origin") || error.contains("prepare request"), "{error}");
    }
    assert_eq!(reads.load(Ordering::Relaxed), 0, "the other origin was called");
    for suffix in ["/", "/oauth2/default"] {
        let url = stub(Arc::new(move |url: &str, path: &str| match path {
            "/keys" => ok(&keys_json()),
            _ => ok(&document(&format!("{url}{suffix}"), &format!("{url}/keys"))),
        }))
        .await;
        let (_, error) = tried(development(&url)).await;
        assert!(error.unwrap().contains("unexpected issuer"), "{suffix}");
    }
}

#[tokio::test]
async fn slow_issuer_is_given_up() {
    let url = stub(Arc::new(|_: &str, _: &str| [b"SLOW ", &ok("{}")[..]].concat())).await;
    let verifier = Verifier::start(vec![development(&url)]).unwrap();
    let text = sign(&good_header(), &with(good_claims(), "iss", json!(url)));
    let begun = std::time::Instant::now();
    let fault = verify(&verifier, &text, SystemTime::now()).await.unwrap_err();
    assert_eq!((fault.code, fault.blame), ("issuer_keys_unavailable", Blame::Operator));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    verifier.first_fetch(PATIENCE).await;
    assert!(verifier.status()[0].last_error.as_ref().unwrap().contains("within 5s"));
}

#[tokio::test]
async fn issuer_that_is_away_does_not_stop_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}");
    let (verifier, error) = tried(development(&url)).await;
    assert!(error.unwrap().contains("refused"));
    let text = sign(&good_header(), &with(good_claims(), "iss", json!(url)));
    let fault = verify(&verifier, &text, SystemTime::now()).await.unwrap_err();
    assert_eq!(fault.code, "issuer_keys_unavailable");
    assert!(!format!("{fault:?}").contains(text.rsplit('.').next().unwrap()));
    // Also when no more fetches are to be had: the caller's key is not known to be wrong.
    for _ in 0..=KEY_FETCH_BURST {
        let fault = verify(&verifier, &text, SystemTime::now()).await.unwrap_err();
        assert_eq!(fault.code, "issuer_keys_unavailable");
    }
    // It comes back, and the gateway finds it by itself.
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(speak(stream, url.clone(), Arc::new(honest)));
        }
    });
    let until = std::time::Instant::now() + PATIENCE;
    while verifier.status()[0].degraded {
        assert!(std::time::Instant::now() < until, "still degraded");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn last_good_keys_serve_for_a_day() {
    let issuer = issuer().await;
    let home = tempfile::tempdir().unwrap();
    let settings = IssuerSettings { cache_dir: Some(home.path().into()), ..settings_of(&issuer) };
    let verifier = Verifier::start(vec![settings.clone()]).unwrap();
    let long = || issuer.mint(&MintRequest { lifetime_secs: Some(200_000), ..request() }).unwrap();
    let now = SystemTime::now();
    verify(&verifier, &long(), now).await.unwrap();
    let (first, second, third) = (long(), long(), long());
    // The file is written after the keys are in use.
    let until = std::time::Instant::now() + PATIENCE;
    while std::fs::read_dir(home.path()).unwrap().next().is_none() {
        assert!(std::time::Instant::now() < until, "no key set was kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    issuer.stop();
    drop(issuer);
    verifier.stop();
    verify(&verifier, &first, now + Duration::from_secs(23 * 3_600)).await.unwrap();
    let late = now + Duration::from_secs(25 * 3_600);
    let fault = verify(&verifier, &second, late).await.unwrap_err();
    assert_eq!(fault.code, "issuer_keys_unavailable");
    let fault = verify(&verifier, &first, late).await.unwrap_err();
    assert_eq!(fault.code, "issuer_keys_unavailable", "the verdict is of no use either");
    // A restart without the issuer.
    let restarted = Verifier::start(vec![settings]).unwrap();
    verify(&restarted, &third, now).await.unwrap();
    restarted.first_fetch(PATIENCE).await;
    let status = restarted.status().remove(0);
    assert!(status.degraded && status.key_count == 1, "{status:?}");
}

/// An issuer with a certificate for `localhost` of a CA of its own; its URL and the CA's PEM.
async fn tls_stub() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let issuer = url.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(speak(stream, issuer.clone(), Arc::new(honest)));
            }
        }
    });
    (url, made.cert.pem())
}

#[tokio::test]
async fn tls_is_checked_against_the_pinned_ca() {
    let (url, pem) = tls_stub().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let real = IssuerSettings { issuer: url, ..settings() };
    let pinned = IssuerSettings { ca_file: Some(file.clone()), ..real.clone() };
    assert_eq!(tried(pinned).await.1, None);
    let (_, error) = tried(real.clone()).await;
    assert!(error.as_ref().unwrap().contains("certificate"), "{error:?}");
    let (_, other) = tls_stub().await;
    std::fs::write(&file, other).unwrap();
    let (_, error) = tried(IssuerSettings { ca_file: Some(file.clone()), ..real.clone() }).await;
    assert!(error.unwrap().contains("certificate"));
    for text in ["", "not a certificate"] {
        std::fs::write(&file, text).unwrap();
        let bad = IssuerSettings { ca_file: Some(file.clone()), ..real.clone() };
        assert_eq!(Verifier::start(vec![bad]).map(|_| ()).unwrap_err().code, "issuer_settings_bad");
    }
}

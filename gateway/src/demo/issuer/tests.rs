#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

fn settings() -> Settings {
    let client = |id: &str, secret: &str| Client {
        id: id.into(),
        secret: Zeroizing::new(secret.into()),
        scopes: vec!["db.read".into(), "db.write".into()],
        groups: vec!["Agents".into()],
    };
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        audience: "api://portcullis".into(),
        token_secs: 300,
        signing: Signing::Rs256,
        clients: vec![client("0oa1agent", "s3cret:+%"), client("0oa2native", "")],
        people: vec![Person {
            uid: "00u1alice".into(),
            login: "alice@acme.example".into(),
            groups: vec!["Support".into()],
        }],
    }
}

/// Status, whole head and body of one request.
async fn ask(issuer: &Issuer, request: &str) -> (u16, String, String) {
    let host = issuer.shared.origin.trim_start_matches("http://");
    let request = request.replace("$HOST", host);
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

async fn get(issuer: &Issuer, path: &str) -> (u16, String, String) {
    ask(issuer, &format!("GET {path} HTTP/1.1\r\nHost: $HOST\r\nConnection: close\r\n\r\n")).await
}

async fn post(issuer: &Issuer, path: &str, user: Option<&str>, form: &str) -> (u16, Value) {
    let basic = user
        .map(|user| format!("Authorization: Basic {}\r\n", STANDARD.encode(user)))
        .unwrap_or_default();
    let (status, _, body) = ask(
        issuer,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: $HOST\r\nConnection: close\r\n{basic}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ),
    )
    .await;
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

const TOKEN: &str = "/oauth2/default/v1/token";
/// `0oa1agent:s3cret:+%` as RFC 6749 section 2.3.1 encodes it.
const AGENT: &str = "0oa1agent:s3cret%3A%2B%25";

#[tokio::test]
async fn only_loopback_is_bound() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let settings = Settings { listen: listen.parse().unwrap(), ..settings() };
        let fault = Issuer::start(settings).await.map(|_| ()).unwrap_err();
        assert_eq!(fault.code, "demo_issuer_refused", "{listen}");
    }
    for token_secs in [0, 86_401] {
        assert!(Issuer::start(Settings { token_secs, ..settings() }).await.is_err());
    }
}

#[tokio::test]
async fn says_what_it_is_and_where() {
    let issuer = Issuer::start(settings()).await.unwrap();
    for document in ["openid-configuration", "oauth-authorization-server"] {
        let path = format!("/oauth2/default/.well-known/{document}");
        let (status, head, body) = get(&issuer, &path).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body["issuer"].as_str()), (200, Some(issuer.url().as_str())));
        assert_eq!(body["portcullis_development_issuer"], true);
        assert!(head.contains("server: portcullis-development-issuer"), "{head}");
    }
    let (status, _, body) = get(&issuer, "/oauth2/default/v1/keys").await;
    let keys: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, keys["keys"][0]["kid"].as_str()), (200, Some(issuer.key_id().as_str())));
    assert!(keys["keys"][0].get("d").is_none());
    assert_eq!(get(&issuer, "/nothing").await.0, 404);
    let foreign = "GET /oauth2/default/v1/keys HTTP/1.1\r\nHost: evil.example\r\n\
                   Connection: close\r\n\r\n";
    assert_eq!(ask(&issuer, foreign).await.0, 421);
}

#[tokio::test]
async fn client_credentials_like_okta() {
    let issuer = Issuer::start(settings()).await.unwrap();
    let grant = "grant_type=client_credentials&scope=db.read";
    let (status, answer) = post(&issuer, TOKEN, Some(AGENT), grant).await;
    assert_eq!((status, answer["expires_in"].as_u64()), (200, Some(300)), "{answer}");
    assert_eq!((&answer["token_type"], &answer["scope"]), (&json!("Bearer"), &json!("db.read")));
    let token = answer["access_token"].as_str().unwrap();
    let header = token.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(header, json!({"kid": issuer.key_id(), "alg": "RS256"}));
    let claims = claims(token);
    assert_eq!((&claims["sub"], &claims["cid"]), (&json!("0oa1agent"), &json!("0oa1agent")));
    assert_eq!((&claims["scp"], &claims["ver"]), (&json!(["db.read"]), &json!(1)));
    assert!(claims.get("uid").is_none() && claims["jti"].as_str().unwrap().starts_with("AT."));

    let posted = "grant_type=client_credentials&client_id=0oa1agent&client_secret=s3cret%3A%2B%25";
    assert_eq!(post(&issuer, TOKEN, None, posted).await.0, 200);
    for (user, form, status, error) in [
        (Some("0oa1agent:wrong"), grant, 401, "invalid_client"),
        (Some("0oa9nobody:x"), grant, 401, "invalid_client"),
        (Some("0oa2native:"), grant, 401, "invalid_client"),
        (None, grant, 401, "invalid_client"),
        (Some(AGENT), posted, 400, "invalid_request"),
        (Some(AGENT), "grant_type=client_credentials&scope=admin", 400, "invalid_scope"),
        (Some(AGENT), "grant_type=password", 400, "unsupported_grant_type"),
    ] {
        let (seen, answer) = post(&issuer, TOKEN, user, form).await;
        assert_eq!((seen, answer["error"].as_str()), (status, Some(error)), "{form}");
    }
    assert_eq!(post(&issuer, TOKEN, Some(AGENT), &format!("{grant}&scope=x")).await.0, 400);
}

#[tokio::test]
async fn device_grant_for_a_person() {
    let issuer = Issuer::start(settings()).await.unwrap();
    let start = "/oauth2/default/v1/device/authorize";
    let (status, device) = post(&issuer, start, None, "client_id=0oa2native").await;
    assert_eq!((status, device["interval"].as_u64()), (200, Some(5)), "{device}");
    let code = device["device_code"].as_str().unwrap();
    let user_code = device["user_code"].as_str().unwrap();
    let poll = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code\
         &device_code={code}&client_id=0oa2native"
    );
    let (status, answer) = post(&issuer, TOKEN, None, &poll).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("authorization_pending")));
    // Another client, or one that should have shown its secret, gets nothing for the code.
    let stolen = poll.replace("0oa2native", "0oa1agent");
    assert_eq!(post(&issuer, TOKEN, None, &stolen).await.0, 401);
    assert_eq!(post(&issuer, TOKEN, Some(AGENT), &stolen).await.1["error"], "invalid_grant");

    let page = get(&issuer, &format!("/activate?user_code={user_code}%22%3E%3Cb%3E")).await.2;
    assert!(page.contains(&format!("{user_code}&quot;&gt;&lt;b&gt;")), "{page}");
    for (form, status) in [
        (format!("user_code={user_code}&login=mallory"), 400),
        ("user_code=AAAAAAAA&login=alice%40acme.example".to_owned(), 400),
        (format!("user_code={user_code}&login=alice%40acme.example"), 200),
        (format!("user_code={user_code}&login=alice%40acme.example"), 400),
    ] {
        assert_eq!(post(&issuer, "/activate", None, &form).await.0, status, "{form}");
    }
    let (status, answer) = post(&issuer, TOKEN, None, &poll).await;
    assert_eq!(status, 200, "{answer}");
    let claims = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(
        (&claims["sub"], &claims["uid"]),
        (&json!("alice@acme.example"), &json!("00u1alice"))
    );
    assert_eq!((&claims["cid"], &claims["groups"]), (&json!("0oa2native"), &json!(["Support"])));
    let (_, again) = post(&issuer, TOKEN, None, &poll).await;
    assert_eq!(again["error"], "invalid_grant", "a device code is good once");
}

#[tokio::test]
async fn introspection_and_revocation() {
    let issuer = Issuer::start(settings()).await.unwrap();
    let token = issuer.mint(&MintRequest::client(&issuer.shared.settings.clients[0])).unwrap();
    let form = format!("token={token}&token_type_hint=access_token");
    let (introspect, revoke) = ("/oauth2/default/v1/introspect", "/oauth2/default/v1/revoke");
    assert_eq!(post(&issuer, introspect, None, &form).await.0, 401);
    assert_eq!(post(&issuer, revoke, None, &form).await.0, 401);
    let (_, live) = post(&issuer, introspect, Some(AGENT), &form).await;
    assert_eq!((&live["active"], &live["client_id"]), (&json!(true), &json!("0oa1agent")));
    assert_eq!(post(&issuer, revoke, Some(AGENT), &form).await.0, 200);
    let (_, dead) = post(&issuer, introspect, Some(AGENT), &form).await;
    assert_eq!(dead, json!({"active": false}));
    let (_, forged) = post(&issuer, introspect, Some(AGENT), &format!("{form}x")).await;
    assert_eq!(forged, json!({"active": false}));
}

#[tokio::test]
async fn rotation_keeps_old_keys_until_withdrawn() {
    let issuer = Issuer::start(Settings { signing: Signing::Es256, ..settings() }).await.unwrap();
    let old = issuer.key_id();
    issuer.rotate().unwrap();
    assert_ne!(issuer.key_id(), old);
    let keys = |body: String| serde_json::from_str::<Value>(&body).unwrap()["keys"].clone();
    let path = "/oauth2/default/v1/keys";
    let both = keys(get(&issuer, path).await.2);
    assert_eq!((both.as_array().unwrap().len(), both[1]["kid"].as_str()), (2, Some(old.as_str())));
    issuer.withdraw_old_keys();
    let one = keys(get(&issuer, path).await.2);
    assert_eq!(
        (one.as_array().unwrap().len(), one[0]["kid"].as_str().unwrap()),
        (1, &*issuer.key_id())
    );
    assert_eq!(issuer.key_reads(), 2);
}

#[test]
fn forms() {
    let parsed = form::parse("a=1+2&b=%C3%A9%26&c").unwrap();
    assert_eq!((&*parsed["a"], &*parsed["b"], &*parsed["c"]), ("1 2", "\u{e9}&", ""));
    for broken in ["a=1&a=2", "a=%", "a=%4", "a=%zz", "a=%ff", "%61=1&a=2"] {
        assert_eq!(form::parse(broken), None, "{broken}");
    }
}

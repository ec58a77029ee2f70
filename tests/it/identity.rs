//! Who may come in, as `psql` sees it: each bad token has an error and an entry of its own, and
//! no token is kept anywhere.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::demo::issuer::{MintRequest, Signing};
use portcullis_tests::clients::Psql;
use portcullis_tests::gateway::{AGENTS, IssuerEntry, Setup, Site};
use portcullis_tests::https::{self, Question};
use portcullis_tests::oidc_provider::{OidcProvider, OidcSettings};
use portcullis_tests::okta::{AGENT_CLIENT, AUDIENCE, Okta, agent, alice, bob};
use portcullis_tests::operator::{
    ALLOW, Stage, ask_status, entries_of, folder_holds, refusal_codes, wait_for, wait_for_stderr,
};
use portcullis_tests::postgres::{APP_PASSWORD, APP_ROLE, DATABASE, Postgres, free_port};
use serde_json::{Value, json};

/// Tail of a token that is looked for in everything the gateway wrote: part of its signature.
const CANARY_CHARS: usize = 24;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a good token of the agent.
fn claims(okta: &Okta) -> Value {
    json!({
        "iss": okta.issuer().url(), "aud": AUDIENCE, "sub": AGENT_CLIENT, "cid": AGENT_CLIENT,
        "iat": now() - 60, "exp": now() + 600, "scp": ["shop.read"], "groups": [AGENTS],
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn header(okta: &Okta) -> Value {
    json!({ "alg": "RS256", "kid": okta.issuer().key_id() })
}

fn raw(okta: &Okta, header: &Value, claims: &Value) -> String {
    okta.issuer().mint_raw(&header.to_string(), &claims.to_string()).unwrap()
}

/// The classic confusion: the issuer's public key as the secret of HS256.
fn signed_with_the_public_key(okta: &Okta) -> String {
    let url = okta.issuer().url();
    let address: SocketAddr = url.split('/').nth(2).unwrap().parse().unwrap();
    let question =
        Question { method: "GET", path: "/oauth2/default/v1/keys", headers: &[], body: "" };
    let keys: Value = serde_json::from_str(&https::ask(address, question).unwrap().body).unwrap();
    let modulus = keys["keys"][0]["n"].as_str().expect("the key set has an RSA key");
    let header = with(header(okta), "alg", json!("HS256")).to_string();
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims(okta).to_string())
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &URL_SAFE_NO_PAD.decode(modulus).unwrap());
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// Tokens that must be refused: the code, words of the error, the token.
fn bad_tokens(okta: &Okta, stranger: &Okta) -> Vec<(&'static str, &'static str, String)> {
    let good = claims(okta);
    let expired = with(good.clone(), "exp", json!(now() - 50));
    let issuer = with(good.clone(), "iss", json!("https://evil.test/oauth2/default"));
    let id_token = with(good.clone(), "nonce", json!("n-0S6"));
    let header = header(okta);
    let none = raw(okta, &with(header.clone(), "alg", json!("none")), &good);
    let none = format!("{}.", none.rsplit_once('.').unwrap().0);
    let cut = okta.agent_token();
    let cut = cut[..cut.len() - 30].to_owned();
    let other_key = raw(stranger, &header, &good);
    let unknown_key = raw(okta, &with(header.clone(), "kid", json!("../../etc/passwd")), &good);
    vec![
        ("token_expired", "the token expired at", raw(okta, &header, &expired)),
        (
            "audience_wrong",
            "the token is for audience \"api://other\"",
            raw(okta, &header, &with(good.clone(), "aud", json!("api://other"))),
        ),
        ("issuer_unknown", "is not accepted here", raw(okta, &header, &issuer)),
        ("algorithm_refused", "algorithm", none),
        ("algorithm_refused", "algorithm", signed_with_the_public_key(okta)),
        ("signature_bad", "signature does not fit", other_key),
        ("key_unknown", "key", unknown_key),
        ("id_token_refused", "this is an ID token", raw(okta, &header, &id_token)),
        ("signature_bad", "signature does not fit", cut),
        ("token_malformed", "not a signed JSON web token", "hunter2-canary-password-5512".into()),
        ("token_malformed", "not a signed JSON web token", "a.b.canary-part-three-8841".into()),
    ]
}

#[test]
fn each_bad_token_has_an_error_of_its_own_and_is_kept_nowhere() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let stranger = Okta::start();
    let tokens = bad_tokens(&stage.okta, &stranger);
    for (code, words, token) in &tokens {
        let output = gateway.psql(token).run("SELECT 1");
        assert_eq!(output.code, Some(2), "{code} came in: {}", output.stdout);
        assert!(output.stderr.contains(words), "{code}: {}", output.stderr);
        assert!(output.stderr.contains("FATAL"), "{code}: {}", output.stderr);
    }
    let good = stage.okta.agent_token();
    let ran = gateway.psql(&good).run("SELECT 41 + 1").success("a good token");
    assert_eq!(ran, "42\n");

    wait_for_stderr(&gateway, "refused: ", tokens.len());
    let stderr = gateway.stderr();
    assert!(gateway.stop().success());
    let codes: Vec<&str> = tokens.iter().map(|(code, ..)| *code).collect();
    assert_eq!(refusal_codes(&stage.site.log_dir()), codes);
    let secrets = tokens.iter().map(|(.., token)| token).chain([&good]);
    for secret in secrets {
        let canary = &secret[secret.len() - CANARY_CHARS..];
        let data = stage.site.data_dir();
        assert!(!folder_holds(&data, canary.as_bytes()), "a token was kept: {canary}");
        assert!(!stderr.contains(canary), "a token was told: {canary}");
    }
    let data = stage.site.data_dir();
    assert!(!folder_holds(&data, APP_PASSWORD.as_bytes()), "the target's password was kept");
    assert!(!stderr.contains(APP_PASSWORD));
}

#[test]
fn the_claims_decide_which_target_role_and_database_open() {
    let stage = Stage::new(ALLOW);
    stage.site.edit_config(|text| text + "scopes_all = [\"shop.read\"]\n");
    let gateway = stage.site.start();
    let okta = &stage.okta;
    gateway.psql(&okta.agent_token()).run("SELECT 1").success("group and scope");

    let refused = |token: &str, words: &str| {
        let output = gateway.psql(token).run("SELECT 1");
        assert_eq!(output.code, Some(2), "{}", output.stdout);
        assert!(output.stderr.contains(words), "{words:?}: {}", output.stderr);
    };
    refused(&okta.person_token(&alice()), "its claims do not open target \"shop\"");
    let mut request = MintRequest::client(&agent());
    request.groups = vec!["data-agents-2".into()];
    refused(&okta.mint(&request), "its claims do not open target \"shop\"");
    refused(&okta.person_token(&bob()), "its claims do not open target \"shop\"");

    let connect = |role: &str, database: &str| {
        let token = okta.agent_token();
        let psql = Psql::new(gateway.postgres_address().port(), role, database, &token);
        let output = psql.ca_file(gateway.ca_file()).run("SELECT 1");
        assert_eq!(output.code, Some(2), "{role} on {database} came in");
        output.stderr
    };
    let told = connect("postgres", DATABASE);
    assert!(told.contains("role \"postgres\" on database \"shop\" is not open"), "{told}");
    let told = connect(APP_ROLE, "payroll");
    assert!(told.contains("there is no target \"payroll\" here"), "{told}");
    let told = connect(APP_ROLE, "shop/template1");
    assert!(told.contains("has no database \"template1\""), "{told}");

    wait_for_stderr(&gateway, "refused: ", 6);
    assert!(gateway.stop().success());
    let expected = [
        "target_not_allowed",
        "target_not_allowed",
        "target_not_allowed",
        "role_not_allowed",
        "target_unknown",
        "database_unknown",
    ];
    assert_eq!(refusal_codes(&stage.site.log_dir()), expected);
    let refusals = entries_of(&stage.site.log_dir(), "refusal");
    assert_eq!(refusals[0]["body"]["token"]["subject"], "alice@acme.test", "the log says who");
}

#[test]
fn a_session_ends_with_its_token() {
    let stage = Stage::new(ALLOW);
    let gateway = stage.site.start();
    let mut request = MintRequest::client(&agent());
    request.lifetime_secs = Some(4);
    let mut wire = gateway.wire_tls();
    let ready = wire.sign_in(APP_ROLE, DATABASE, &stage.okta.mint(&request)).unwrap();
    assert_eq!(ready.tag, b'Z');
    wire.query("SELECT 1").unwrap();
    let error = wire.message().expect("the session ends with an error");
    assert_eq!((error.tag, error.field(b'C').as_deref()), (b'E', Some("57P01")), "{error:?}");
    assert_eq!(error.field(b'V').as_deref(), Some("FATAL"));
    assert!(error.field(b'M').unwrap().contains("token has expired"), "{error:?}");
    assert!(gateway.stop().success());
    let ends = entries_of(&stage.site.log_dir(), "session_end");
    assert_eq!(ends.len(), 1);
    assert!(ends[0]["body"]["reason"].as_str().unwrap().contains("expired"), "{}", ends[0]);
}

#[test]
fn an_issuer_by_somebody_else_opens_a_session() {
    let postgres = Postgres::start();
    let mut provider = OidcProvider::start(OidcSettings::default());
    let site = Site::new(&Setup::new(&postgres, provider.entry(), ALLOW));
    let gateway = site.start();
    let token = provider.token();
    let count = gateway.psql(&token).run("SELECT count(*) FROM customers").success("a session");
    assert_eq!(count, "200\n");
    assert!(gateway.stop().success());
    let starts = entries_of(&site.log_dir(), "session_start");
    assert_eq!(starts[0]["body"]["agent"], provider.settings().client.as_str());
}

#[test]
fn an_issuer_that_is_down_refuses_until_it_is_back_and_its_keys_outlive_a_restart() {
    let postgres = Postgres::start();
    let port = free_port();
    let before = Okta::start_at(port, Signing::Rs256);
    let lost = before.agent_token();
    let entry: IssuerEntry = before.entry();
    drop(before);
    let site = Site::new(&Setup::new(&postgres, entry, ALLOW));
    let gateway = site.start();
    let (_, told) = ask_status(&gateway, "/v1/status");
    assert_eq!(told["issuers"][0]["degraded"], true, "{told}");
    assert_eq!(ask_status(&gateway, "/readyz").0, 503);
    let output = gateway.psql(&lost).run("SELECT 1");
    assert_eq!(output.code, Some(2), "came in unchecked");
    assert!(output.stderr.contains("signing keys of issuer \"okta\""), "{}", output.stderr);

    let okta = Okta::start_at(port, Signing::Rs256);
    wait_for("the keys of the issuer", || {
        gateway.psql(&okta.agent_token()).run("SELECT 1").code.filter(|code| *code == 0)
    });
    assert_eq!(ask_status(&gateway, "/readyz").0, 200);
    wait_for_stderr(&gateway, "the keys of an issuer: 1 usable keys", 1);
    let kept = okta.agent_token();
    drop(okta);
    assert!(gateway.stop().success());
    let codes = refusal_codes(&site.log_dir());
    assert_eq!(codes.first().map(String::as_str), Some("issuer_keys_unavailable"));

    let mut events = entries_of(&site.log_dir(), "event");
    events.retain(|entry| entry["body"]["event"] == "issuer_keys");
    assert!(!events.is_empty(), "the log does not say that the keys came");

    let gateway = site.start();
    gateway.psql(&kept).run("SELECT 1").success("with the keys kept from before");
    let output = gateway.psql(&lost).run("SELECT 1");
    assert_eq!(output.code, Some(2), "a key that the issuer no longer has was taken");
}

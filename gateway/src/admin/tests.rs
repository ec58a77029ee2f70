#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::{Admin, Desk, Evidence, Look, People, ReportFormat, Verifying};
use crate::audit::reader::WorkKind;
use crate::config::AdminSettings;
use crate::fault::{Blame, Fault};
use crate::identity::{Actor, Claims, Principal, Token};
use crate::limits::{ADMIN_BODY_BYTES_MAX, ADMIN_HEAD_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::policy::approval::{LateAnswer, Pending, Registry};
use crate::policy::{Ask, Held, Ruling, Verdict};
use crate::protocol::{Facts, Kind, Request};
use crate::session::Session;

pub(crate) const APPROVERS: &str = "data-owners";
pub(crate) const AUDITORS: &str = "auditors";
pub(crate) const SNAPSHOT_BYTES: usize = 200_000;

pub(crate) fn claims(subject: &str, groups: &[&str]) -> Claims {
    Claims {
        issuer_name: "okta".into(),
        issuer: "https://acme.okta.example".into(),
        subject: subject.into(),
        uid: Some(format!("00u-{subject}")),
        client: Some(format!("console-of-{subject}")),
        email: None,
        groups: groups.iter().map(ToString::to_string).collect(),
        scopes: Vec::new(),
        actors: Vec::new(),
        audience: Vec::new(),
        token_id: None,
        issued_at: 0,
        expires_at: i64::MAX,
        auth_time: None,
        key_id: None,
        profile: None,
        key_thumbprint: "thumb".into(),
        task: None,
        ticket: None,
        token_sha256: "00".into(),
    }
}

/// Says the same of every token.
struct Everybody(Result<Claims, Fault>);

impl People for Everybody {
    fn verify<'a>(&'a self, _: &'a Token, _: SystemTime) -> Verifying<'a> {
        let answer = self.0.clone().map(Principal::for_test);
        Box::pin(std::future::ready(answer))
    }
}

#[derive(Default)]
struct Log {
    broken: bool,
    looks: Mutex<Vec<Look>>,
}

fn broken() -> Fault {
    Fault::new(Blame::Operator, "log_full", "53100", "the log's disk is full")
}

impl Evidence for Log {
    fn ready(&self) -> Result<(), Fault> {
        if self.broken { Err(broken()) } else { Ok(()) }
    }
    fn status(&self) -> Value {
        json!({ "log": { "size": 7 } })
    }
    fn sessions(&self, most: usize) -> Result<Value, Fault> {
        Ok(json!([{ "id": "ses_1", "most": most }]))
    }
    fn session(&self, id: &str) -> Result<Option<Value>, Fault> {
        Ok((id == "ses_1").then(|| json!({ "id": id })))
    }
    fn report(&self, id: &str, format: ReportFormat) -> Result<Option<String>, Fault> {
        Ok((id == "ses_1").then(|| match format {
            ReportFormat::Html => "<p>".to_owned(),
            ReportFormat::Json => "{\"report\":1}".to_owned(),
            ReportFormat::Text => "SELECT 1".to_owned(),
        }))
    }
    fn work_report(
        &self,
        kind: WorkKind,
        id: &str,
        _: ReportFormat,
    ) -> Result<Option<String>, Fault> {
        Ok((id == "OPS 1/2").then(|| format!("{} {id}", kind.word())))
    }
    fn work_bundle_to(&self, _: WorkKind, id: &str, file: &Path) -> Result<bool, Fault> {
        self.bundle_to(id, file)
    }
    fn checkpoint(&self) -> Result<String, Fault> {
        Ok("acme/gw-1\n7\n".to_owned())
    }
    fn bundle_to(&self, id: &str, file: &Path) -> Result<bool, Fault> {
        std::fs::write(file, vec![7; SNAPSHOT_BYTES]).unwrap();
        Ok(id == "ses_1")
    }
    fn snapshot_to(&self, file: &Path) -> Result<(), Fault> {
        std::fs::write(file, vec![7; SNAPSHOT_BYTES]).unwrap();
        Ok(())
    }
    fn search(&self, query: &str, most: usize) -> Result<Value, Fault> {
        if query.contains(':') {
            return Ok(json!({ "hits": [], "total": 0, "most": most }));
        }
        Err(Fault::new(Blame::Client, "query_invalid", "42601", "no query"))
    }
    fn reindex(&self) -> Result<(), Fault> {
        Ok(())
    }
    fn late(&self, _: &LateAnswer) -> Result<(), Fault> {
        if self.broken { Err(broken()) } else { Ok(()) }
    }
    fn record(&self, look: &Look) -> Result<(), Fault> {
        if self.broken {
            return Err(broken());
        }
        self.looks.lock().unwrap().push(look.clone());
        Ok(())
    }
}

pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) approvals: Registry,
    log: Arc<Log>,
    scratch: TempDir,
    _stop: oneshot::Sender<()>,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
    fn code(&self) -> String {
        self.json().get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }
    fn is(&self, status: u16, code: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.code(), code, "{text}");
    }
}

impl Site {
    pub(crate) async fn new(person: Claims) -> Self {
        Self::with(Ok(person), Log::default()).await
    }

    async fn with(person: Result<Claims, Fault>, log: Log) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let approvals = Registry::new(vec![APPROVERS.into()]);
        let log = Arc::new(log);
        let settings = AdminSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            issuers: vec!["okta".into()],
            approver_groups: vec![APPROVERS.into()],
            auditor_groups: vec![AUDITORS.into()],
        };
        let desk = Desk {
            settings,
            people: Arc::new(Everybody(person)),
            approvals: approvals.clone(),
            evidence: Arc::clone(&log) as Arc<dyn Evidence>,
            scratch_dir: scratch.path().to_owned(),
        };
        let admin = Admin::bind(desk).await.unwrap();
        let address = admin.address();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(admin.serve(async {
            let _ = stopped.await;
        }));
        Self { address, approvals, log, scratch, _stop: stop }
    }

    /// Sends bytes, reads until the endpoint closes.
    async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The endpoint may refuse and close before it has read everything.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let split = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(answer[..split].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: answer[split + 4..].to_vec() }
    }

    async fn send(&self, line: &str, headers: &str, body: &str) -> Answer {
        let host = self.address;
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.raw(request.as_bytes()).await
    }

    /// A GET with a token.
    async fn read(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), "Authorization: Bearer t\r\n", "").await
    }

    /// A POST with a token.
    async fn write(&self, path: &str, body: &str) -> Answer {
        let headers = "Authorization: bearer t\r\nContent-Type: application/json\r\n";
        self.send(&format!("POST {path}"), headers, body).await
    }

    fn looks(&self) -> Vec<(String, &'static str, String)> {
        let looks = self.log.looks.lock().unwrap();
        looks.iter().map(|look| (look.person.clone(), look.what, look.of.clone())).collect()
    }
}

pub(crate) fn ask(registry: &Registry, requester: Claims, approvers: &[&str]) -> Pending {
    let ruling = Ruling {
        shadow: Vec::new(),
        verdict: Verdict::Hold,
        risk: 60,
        findings: Vec::new(),
        policy_digest: "p".into(),
        plugins: [].into(),
    };
    let ask = Ask {
        reason: "deletes rows".into(),
        approvers: approvers.iter().map(ToString::to_string).collect(),
        decide_within_secs: 60,
    };
    let request = Request::for_test(Kind::SqlQuery, "DELETE FROM orders", Facts::default());
    let held = Held::for_test(request, ruling, ask);
    let session = Session::for_test(Principal::for_test(requester));
    registry.ask(&held, &session, SystemTime::now()).unwrap()
}

fn auditor() -> Claims {
    claims("eve", &[AUDITORS])
}

fn approver() -> Claims {
    claims("bob", &[APPROVERS])
}

const GUARDED: [&str; 8] = [
    "/v1/approvals",
    "/v1/approvals/apr_x",
    "/v1/sessions",
    "/v1/sessions/ses_1",
    "/v1/sessions/ses_1/report",
    "/v1/log/checkpoint",
    "/v1/sessions/ses_1/bundle",
    "/v1/log/snapshot",
];

#[tokio::test]
async fn health_needs_no_token_and_shows_no_person() {
    let site = Site::new(auditor()).await;
    for path in ["/healthz", "/readyz", "/v1/status"] {
        let answer = site.send(&format!("GET {path}"), "", "").await;
        assert_eq!(answer.status, 200, "{path}");
        for header in ["cache-control: no-store", "x-content-type-options: nosniff"] {
            assert!(answer.head.contains(header), "{}", answer.head);
        }
    }
    let status = site.read("/v1/status").await.json();
    assert_eq!(status.pointer("/log/size"), Some(&json!(7)));
    assert_eq!(status.pointer("/approvals_open"), Some(&json!(0)));
    let sick = Site::with(Ok(auditor()), Log { broken: true, ..Log::default() }).await;
    sick.send("GET /readyz", "", "").await.is(503, "log_full");
    assert_eq!(sick.send("GET /healthz", "", "").await.status, 200);
}

#[tokio::test]
async fn everything_else_needs_a_token() {
    let site = Site::new(claims("bob", &[APPROVERS, AUDITORS])).await;
    let long = format!("Authorization: Bearer {}\r\n", "t".repeat(TOKEN_BYTES_MAX + 1));
    let headers = ["", "Authorization: Basic dDp0\r\n", "Authorization: Bearer \r\n"];
    for path in GUARDED {
        for header in headers {
            let answer = site.send(&format!("GET {path}"), header, "").await;
            answer.is(401, "token_missing");
            assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
        }
        site.send(&format!("GET {path}"), &long, "").await.is(401, "token_too_long");
    }
    let two = "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n";
    site.send("GET /v1/sessions", two, "").await.is(401, "token_missing");
    site.send("POST /v1/approvals/apr_x/approve", "", "").await.is(401, "token_missing");
    assert!(site.looks().is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_accepted_opens_nothing() {
    let expired = Fault::new(Blame::Client, "token_expired", "28000", "the token has expired");
    let site = Site::with(Err(expired), Log::default()).await;
    for path in GUARDED {
        site.read(path).await.is(401, "token_expired");
    }
    let away = Fault::new(Blame::Upstream, "issuer_keys_unavailable", "28000", "no keys");
    let site = Site::with(Err(away), Log::default()).await;
    site.read("/v1/sessions").await.is(503, "issuer_keys_unavailable");
}

#[tokio::test]
async fn a_person_in_no_group_sees_nothing() {
    let site = Site::new(claims("mallory", &["data-owner", "AUDITORS"])).await;
    let _pending = ask(&site.approvals, claims("alice", &[]), &[]);
    for path in GUARDED {
        site.read(path).await.is(403, "not_permitted");
    }
    // Approvers don't read the log, and the log stays closed to them.
    let site = Site::new(approver()).await;
    for path in GUARDED.iter().filter(|path| !path.starts_with("/v1/approvals")) {
        site.read(path).await.is(403, "not_permitted");
    }
    assert!(site.looks().is_empty());
}

#[tokio::test]
async fn only_persons_of_the_admin_issuers_get_in() {
    let groups = [APPROVERS, AUDITORS];
    let foreign = Claims { issuer_name: "partner".into(), ..claims("bob", &groups) };
    let site = Site::new(foreign).await;
    site.read("/v1/sessions").await.is(403, "issuer_refused");
    let service = Claims { uid: None, client: Some("bob".into()), ..claims("bob", &groups) };
    let site = Site::new(service).await;
    site.read("/v1/sessions").await.is(403, "approver_is_service");
    let actor = Actor { subject: "agent".into(), profile: Some("ai_agent".into()) };
    let agent = Claims { actors: vec![actor], ..claims("bob", &groups) };
    let site = Site::new(agent).await;
    site.read("/v1/approvals").await.is(403, "approver_is_agent");
}

#[tokio::test]
async fn no_web_page_reaches_it() {
    let site = Site::new(claims("bob", &[APPROVERS, AUDITORS])).await;
    let token = "Authorization: Bearer t\r\n";
    for origin in ["https://evil.example", "http://127.0.0.1:8470", "null"] {
        let headers = format!("{token}Origin: {origin}\r\n");
        for path in ["/healthz", "/v1/status", "/v1/sessions"] {
            site.send(&format!("GET {path}"), &headers, "").await.is(403, "origin_refused");
        }
        let line = "POST /v1/approvals/apr_x/approve";
        site.send(line, &headers, "").await.is(403, "origin_refused");
    }
    let hosts =
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8470", "", "a b"];
    for host in hosts {
        let request = format!("GET /v1/sessions HTTP/1.1\r\nHost: {host}\r\n{token}\r\n");
        site.raw(request.as_bytes()).await.is(421, "host_refused");
    }
    let none = format!("GET /v1/sessions HTTP/1.1\r\n{token}\r\n");
    site.raw(none.as_bytes()).await.is(421, "host_refused");
    let proxied =
        format!("GET http://evil.example/v1/sessions HTTP/1.1\r\nHost: localhost\r\n{token}\r\n");
    site.raw(proxied.as_bytes()).await.is(421, "host_refused");
    for host in ["localhost", "LOCALHOST:1", "[::1]:8470", "127.0.0.1"] {
        let request = format!("GET /v1/sessions HTTP/1.1\r\nHost: {host}\r\n{token}\r\n");
        assert_eq!(site.raw(request.as_bytes()).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn what_is_too_long_or_not_understood_is_refused() {
    let site = Site::new(approver()).await;
    let path = "/v1/approvals/apr_x/deny";
    let long = "n".repeat(ADMIN_BODY_BYTES_MAX + 1);
    site.write(path, &long).await.is(413, "body_too_long");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    site.raw(head.as_bytes()).await.is(413, "body_too_long");
    site.write(path, "{\"note\": 7}").await.is(400, "body_invalid");
    site.write(path, "{\"note\": \"n\", \"answer\": \"approve\"}").await.is(400, "body_invalid");
    let form = "Authorization: Bearer t\r\nContent-Type: text/plain\r\n";
    site.send(&format!("POST {path}"), form, "{\"note\": \"n\"}").await.is(415, "body_type");
    site.write(path, "{\"note\": \"n\"}").await.is(404, "approval_unknown");
    let header = format!("X: {}\r\n", "x".repeat(ADMIN_HEAD_BYTES_MAX));
    assert_eq!(site.send("GET /healthz", &header, "").await.status, 431);
    for path in ["/", "/v1", "/v2/status", "/healthz/", "/v1/approvals/a/b/c", "//v1/sessions"] {
        site.read(path).await.is(404, "path_unknown");
    }
    site.write("/v1/sessions", "").await.is(405, "method_refused");
    site.read("/v1/approvals/apr_x/approve").await.is(405, "method_refused");
}

#[tokio::test]
async fn an_approver_answers_and_hears_when_it_counts() {
    let site = Site::new(approver()).await;
    let mut pending = ask(&site.approvals, claims("alice", &[]), &[]);
    let id = pending.id().to_owned();
    let list = site.read("/v1/approvals").await.json();
    assert_eq!(list.pointer("/approvals/0/id"), Some(&json!(id)));
    assert_eq!(list.pointer("/approvals/0/statement"), Some(&json!("DELETE FROM orders")));
    let one = site.read(&format!("/v1/approvals/{id}")).await.json();
    assert_eq!(one.pointer("/requester/subject"), Some(&json!("alice")));
    let waiting = tokio::spawn(async move {
        let given = pending.answer().await.unwrap();
        let note = given.note().to_owned();
        (pending.acknowledge(given, SystemTime::now()).is_ok(), note)
    });
    let path = format!("/v1/approvals/{id}/approve");
    let answer = site.write(&path, "{\"note\": \"agreed\"}").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json().pointer("/recorded"), Some(&json!(true)));
    assert_eq!(waiting.await.unwrap(), (true, "agreed".to_owned()));
    site.write(&path, "").await.is(404, "approval_unknown");
}

#[tokio::test]
async fn an_answer_that_the_session_loses_is_reported_lost() {
    let site = Site::new(approver()).await;
    let mut pending = ask(&site.approvals, claims("alice", &[]), &[]);
    let path = format!("/v1/approvals/{}/approve", pending.id());
    tokio::spawn(async move { pending.answer().await.map(drop) });
    site.write(&path, "").await.is(409, "approval_not_recorded");
}

#[tokio::test]
async fn nobody_answers_for_themselves() {
    let site = Site::new(approver()).await;
    let pending = ask(&site.approvals, claims("BOB", &[]), &[]);
    for verb in ["approve", "deny"] {
        let path = format!("/v1/approvals/{}/{verb}", pending.id());
        site.write(&path, "").await.is(403, "approver_is_requester");
    }
}

#[tokio::test]
async fn a_policys_own_approvers_see_only_their_questions() {
    let site = Site::new(claims("dora", &["dba"])).await;
    let theirs = ask(&site.approvals, claims("alice", &[]), &["dba"]);
    let other = ask(&site.approvals, claims("alice", &[]), &[]);
    let list = site.read("/v1/approvals").await.json();
    let ids: Vec<&Value> =
        list["approvals"].as_array().unwrap().iter().map(|question| &question["id"]).collect();
    assert_eq!(ids, [theirs.id()]);
    site.read(&format!("/v1/approvals/{}", other.id())).await.is(403, "not_permitted");
    let path = format!("/v1/approvals/{}/approve", other.id());
    site.write(&path, "").await.is(403, "approver_group");
}

#[tokio::test]
async fn an_auditor_reads_and_each_look_is_recorded() {
    let site = Site::new(auditor()).await;
    let list = site.read("/v1/sessions?limit=5").await.json();
    assert_eq!(list.pointer("/sessions/0/most"), Some(&json!(5)));
    assert!(site.looks().is_empty());
    assert_eq!(site.read("/v1/sessions/ses_1").await.json(), json!({ "id": "ses_1" }));
    assert_eq!(site.read("/v1/sessions/ses_1/report").await.body, b"SELECT 1");
    let report = site.read("/v1/sessions/ses_1/report?format=json").await;
    assert!(report.head.contains("content-type: application/json"));
    let page = site.read("/v1/sessions/ses_1/report?format=html").await;
    assert!(page.head.contains("content-type: text/html") && page.head.contains("'none'"));
    assert_eq!(site.read("/v1/log/checkpoint").await.body, b"acme/gw-1\n7\n");
    let bundle = site.read("/v1/sessions/ses_1/bundle").await;
    assert!(bundle.status == 200 && bundle.body.len() > SNAPSHOT_BYTES);
    site.read("/v1/sessions/ses_2/bundle").await.is(404, "session_unknown");
    let copy = site.read("/v1/log/snapshot").await;
    assert_eq!(copy.status, 200);
    assert!(copy.head.contains("transfer-encoding: chunked"));
    assert!(copy.body.len() > SNAPSHOT_BYTES);
    let person = "https://acme.okta.example eve".to_owned();
    let look = |what, of: &str| (person.clone(), what, of.to_owned());
    let (session, report) = (look("session", "ses_1"), look("report", "ses_1"));
    let (bundle, snapshot) = (look("bundle", "ses_1"), look("snapshot", ""));
    assert_eq!(site.looks(), [session, report.clone(), report.clone(), report, bundle, snapshot]);
    for _ in 0..100 {
        if std::fs::read_dir(site.scratch.path()).unwrap().next().is_none() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the copy of the log stays behind");
}

#[tokio::test]
async fn nothing_is_shown_that_cannot_be_recorded() {
    let site = Site::with(Ok(auditor()), Log { broken: true, ..Log::default() }).await;
    let shown = ["ses_1", "ses_1/report", "ses_1/bundle"].map(|it| format!("/v1/sessions/{it}"));
    for path in shown.iter().map(String::as_str).chain(["/v1/log/snapshot"]) {
        site.read(path).await.is(503, "log_full");
    }
    assert!(std::fs::read_dir(site.scratch.path()).unwrap().next().is_none());
}

#[tokio::test]
async fn ids_and_queries_are_what_they_should_be() {
    let site = Site::new(auditor()).await;
    for id in ["ses_2", "..", "%2e%2e", "a%2fb", "a.b", &"s".repeat(65)] {
        site.read(&format!("/v1/sessions/{id}")).await.is(404, "session_unknown");
        site.read(&format!("/v1/sessions/{id}/report")).await.is(404, "session_unknown");
    }
    for query in ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "most=1", "limit"] {
        site.read(&format!("/v1/sessions?{query}")).await.is(400, "query_invalid");
    }
    site.read("/v1/sessions/ses_1/report?format=pdf").await.is(400, "query_invalid");
    assert!(site.looks().is_empty());
}

#[tokio::test]
async fn it_binds_no_address_that_others_reach() {
    let site = Site::new(auditor()).await;
    let settings = AdminSettings {
        listen: SocketAddr::from(([0, 0, 0, 0], 0)),
        issuers: Vec::new(),
        approver_groups: Vec::new(),
        auditor_groups: Vec::new(),
    };
    let desk = Desk {
        settings,
        people: Arc::new(Everybody(Ok(auditor()))),
        approvals: site.approvals.clone(),
        evidence: Arc::new(Log::default()),
        scratch_dir: site.scratch.path().to_owned(),
    };
    let code = Admin::bind(desk).await.err().map(|fault| fault.code);
    assert_eq!(code, Some("admin_address"));
}

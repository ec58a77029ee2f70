//! What each path does, and who may ask for it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::door;
use super::reply::{self, Refusal, Reply};
use super::{Desk, Evidence, Look, ReportFormat};
use crate::audit::reader::WorkKind;
use crate::fault::{Blame, Fault};
use crate::identity::Principal;
use crate::limits::{
    ADMIN_RECORD_SECS_MAX, ADMIN_SESSIONS_LISTED, ADMIN_SESSIONS_LISTED_MAX, SEARCH_HITS,
    SEARCH_HITS_MAX, SNAPSHOT_PIECE_BYTES, SNAPSHOT_PIECES_QUEUED, WORK_ID_BYTES_MAX,
};
use crate::policy::approval::{Answer, Reaction};

type Outcome = Result<Reply, Refusal>;

/// Answers one request; every failure becomes a refusal.
pub(super) async fn answer(desk: &Desk, request: Request<Incoming>) -> Reply {
    dispatch(desk, request).await.unwrap_or_else(Reply::from)
}

async fn dispatch(desk: &Desk, request: Request<Incoming>) -> Outcome {
    door::check_source(request.uri(), request.headers())?;
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let method = request.method().clone();
    let allowed = match parts.as_slice() {
        ["healthz" | "readyz"]
        | ["v1", "status" | "approvals" | "sessions"]
        | ["v1", "approvals" | "sessions", _]
        | ["v1", "sessions" | "tasks" | "tickets", _, "report" | "bundle"]
        | ["v1", "log", "checkpoint" | "snapshot"] => Method::GET,
        ["v1", "approvals", _, "approve" | "deny"]
        | ["v1", "search"]
        | ["v1", "search", "reindex"] => Method::POST,
        _ => return Err(no_such("path_unknown", "there is nothing at this path")),
    };
    if method != allowed {
        let message = format!("this path takes {allowed} only");
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_refused", message));
    }
    match parts.as_slice() {
        ["healthz"] => return Ok(reply::json(&json!({ "healthy": true }))),
        ["readyz"] => return ready(desk).await,
        ["v1", "status"] => return status(desk).await,
        _ => {}
    }
    let person = door::person(desk, request.headers()).await?;
    let query = request.uri().query().unwrap_or_default().to_owned();
    match parts.as_slice() {
        ["v1", "approvals"] => approvals(desk, &person),
        ["v1", "approvals", id] => approval(desk, &person, id),
        ["v1", "approvals", id, "approve"] => {
            decide(desk, &person, id, Answer::Approve, request).await
        }
        ["v1", "approvals", id, "deny"] => decide(desk, &person, id, Answer::Deny, request).await,
        ["v1", "sessions"] => sessions(desk, &person, &query).await,
        ["v1", "sessions", id] => session(desk, &person, id).await,
        ["v1", "sessions", id, "report"] => report(desk, &person, id, &query).await,
        ["v1", "sessions", id, "bundle"] => bundle(desk, &person, id).await,
        ["v1", kind @ ("tasks" | "tickets"), id, what] => {
            let kind = if *kind == "tasks" { WorkKind::Task } else { WorkKind::Ticket };
            let id = decoded(id).ok_or_else(no_work)?;
            match *what {
                "report" => work_report(desk, &person, (kind, id), &query).await,
                _ => work_bundle(desk, &person, (kind, id)).await,
            }
        }
        ["v1", "search"] => search(desk, &person, request).await,
        ["v1", "search", "reindex"] => reindex(desk, &person).await,
        ["v1", "log", "checkpoint"] => checkpoint(desk, &person).await,
        ["v1", "log", "snapshot"] => snapshot(desk, &person).await,
        _ => Err(no_such("path_unknown", "there is nothing at this path")),
    }
}

async fn ready(desk: &Desk) -> Outcome {
    let outcome = blocking(desk, |evidence| evidence.ready()).await;
    outcome.map_err(|fault| Refusal::of(StatusCode::SERVICE_UNAVAILABLE, fault))?;
    Ok(reply::json(&json!({ "ready": true })))
}

async fn status(desk: &Desk) -> Outcome {
    let mut status = blocking(desk, |evidence| Ok(evidence.status())).await?;
    if let Value::Object(fields) = &mut status {
        fields.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        let list = desk.approvals.list(SystemTime::now());
        let late = list.iter().filter(|question| question.late_until_at.is_some()).count();
        fields.insert("approvals_open".into(), (list.len() - late).into());
        fields.insert("approvals_late".into(), late.into());
    }
    Ok(reply::json(&status))
}

/// The questions this person may see: all of them for auditors and the gateway's approvers,
/// else those that their groups may answer.
fn approvals(desk: &Desk, person: &Principal) -> Outcome {
    let all = is_auditor(desk, person) || is_approver(desk, person);
    let mut open = desk.approvals.list(SystemTime::now());
    if !all {
        open.retain(|question| in_any(person, &question.approvers));
        if open.is_empty() {
            return Err(not_permitted("approver"));
        }
    }
    Ok(reply::json(&json!({ "approvals": open })))
}

fn approval(desk: &Desk, person: &Principal, id: &str) -> Outcome {
    let all = is_auditor(desk, person) || is_approver(desk, person);
    let found = desk.approvals.question(id, SystemTime::now());
    match found.filter(|question| all || in_any(person, &question.approvers)) {
        Some(question) => Ok(reply::json(&question)),
        None if all => Err(no_such("approval_unknown", "no such question is open")),
        None => Err(not_permitted("approver")),
    }
}

async fn decide(
    desk: &Desk,
    person: &Principal,
    id: &str,
    answer: Answer,
    request: Request<Incoming>,
) -> Outcome {
    let note = door::note(request).await?.note;
    let proposed = match desk.approvals.propose(id, person, answer, &note, SystemTime::now())? {
        Reaction::Told(proposed) => proposed,
        Reaction::Late(late) => {
            // Dropped on a failure, which opens the question again.
            let late = blocking(desk, move |log| log.late(&late).map(|()| late)).await?;
            late.settle(SystemTime::now());
            let said = json!({ "id": id, "answer": answer, "recorded": true, "late": true });
            return Ok(reply::json(&said));
        }
    };
    let most = Duration::from_secs(ADMIN_RECORD_SECS_MAX);
    match tokio::time::timeout(most, proposed.recorded()).await {
        Ok(recorded) => recorded?,
        Err(_) => {
            let message = "the answer was given, but the session has not recorded it yet";
            return Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, "approval_unconfirmed", message)
                .hint("look at the session's report to see whether it took effect"));
        }
    }
    Ok(reply::json(&json!({ "id": id, "answer": answer, "recorded": true })))
}

async fn sessions(desk: &Desk, person: &Principal, query: &str) -> Outcome {
    auditor(desk, person)?;
    let most = match parameter(query, "limit")? {
        None => ADMIN_SESSIONS_LISTED,
        Some(text) => text
            .parse()
            .ok()
            .filter(|most| (1..=ADMIN_SESSIONS_LISTED_MAX).contains(most))
            .ok_or_else(|| {
                let expected = format!("`limit` is from 1 to {ADMIN_SESSIONS_LISTED_MAX}");
                Refusal::new(StatusCode::BAD_REQUEST, "query_invalid", expected)
            })?,
    };
    let sessions = blocking(desk, move |evidence| evidence.sessions(most)).await?;
    Ok(reply::json(&json!({ "sessions": sessions })))
}

async fn session(desk: &Desk, person: &Principal, id: &str) -> Outcome {
    auditor(desk, person)?;
    let (id, look) = look(person, "session", id)?;
    let found = blocking(desk, move |evidence| {
        let found = evidence.session(&id)?;
        if found.is_some() {
            evidence.record(&look)?;
        }
        Ok(found)
    });
    found.await?.map(|session| reply::json(&session)).ok_or_else(no_session)
}

fn report_format(query: &str) -> Result<ReportFormat, Refusal> {
    match parameter(query, "format")? {
        None | Some("text") => Ok(ReportFormat::Text),
        Some("html") => Ok(ReportFormat::Html),
        Some("json") => Ok(ReportFormat::Json),
        Some(_) => {
            let expected = "`format` is text, html or json";
            Err(Refusal::new(StatusCode::BAD_REQUEST, "query_invalid", expected))
        }
    }
}

fn shown(format: ReportFormat, text: String) -> Reply {
    match format {
        ReportFormat::Html => reply::html(text),
        ReportFormat::Text => reply::text(text),
        ReportFormat::Json => reply::json_text(text),
    }
}

async fn work_report(
    desk: &Desk,
    person: &Principal,
    (kind, id): (WorkKind, String),
    query: &str,
) -> Outcome {
    auditor(desk, person)?;
    let format = report_format(query)?;
    let what = if kind == WorkKind::Task { "task report" } else { "ticket report" };
    let look = Look { person: named(person), what, of: id.clone() };
    let found = blocking(desk, move |evidence| {
        let found = evidence.work_report(kind, &id, format)?;
        if found.is_some() {
            evidence.record(&look)?;
        }
        Ok(found)
    });
    Ok(shown(format, found.await?.ok_or_else(no_work)?))
}

async fn work_bundle(desk: &Desk, person: &Principal, (kind, id): (WorkKind, String)) -> Outcome {
    auditor(desk, person)?;
    let what = if kind == WorkKind::Task { "task bundle" } else { "ticket bundle" };
    let look = Look { person: named(person), what, of: id.clone() };
    let written = written(desk, move |evidence, file| {
        let made = evidence.work_bundle_to(kind, &id, file)?;
        if made {
            evidence.record(&look)?;
        }
        Ok(made)
    });
    let (dir, copy) = written.await?.ok_or_else(no_work)?;
    Ok(sent(dir, copy, "attachment; filename=\"work.tar\""))
}

/// A part of a path with its percent-encoding undone (RFC 3986 section 2.1).
fn decoded(part: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), part.as_bytes());
    while let Some((first, later)) = rest.split_first() {
        rest = later;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, later) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        if digits.starts_with('+') {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = later;
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.is_empty() && text.len() <= WORK_ID_BYTES_MAX).then_some(text)
}

async fn report(desk: &Desk, person: &Principal, id: &str, query: &str) -> Outcome {
    auditor(desk, person)?;
    let format = report_format(query)?;
    let (id, look) = look(person, "report", id)?;
    let found = blocking(desk, move |evidence| {
        let found = evidence.report(&id, format)?;
        if found.is_some() {
            evidence.record(&look)?;
        }
        Ok(found)
    });
    let text = found.await?.ok_or_else(no_session)?;
    Ok(shown(format, text))
}

/// A query is recorded before anything is shown; one that is none is recorded too.
async fn search(desk: &Desk, person: &Principal, request: Request<Incoming>) -> Outcome {
    auditor(desk, person)?;
    let expected = "send {\"query\": \"agent:reporter since:2d\", \"limit\": 50}";
    let door::Wanted { query, limit } = door::body(request, expected).await?;
    let most = limit.unwrap_or(SEARCH_HITS);
    if !(1..=SEARCH_HITS_MAX).contains(&most) {
        let message = format!("`limit` is from 1 to {SEARCH_HITS_MAX}");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "query_invalid", message));
    }
    let look = Look { person: named(person), what: "search", of: query.clone() };
    let found = blocking(desk, move |evidence| {
        evidence.record(&look)?;
        evidence.search(&query, most)
    });
    let found = found.await.map_err(|fault| match fault.blame {
        Blame::Client => Refusal::of(StatusCode::BAD_REQUEST, fault),
        _ => Refusal::from(fault),
    })?;
    Ok(reply::json(&found))
}

async fn reindex(desk: &Desk, person: &Principal) -> Outcome {
    auditor(desk, person)?;
    let look = Look { person: named(person), what: "reindex", of: String::new() };
    blocking(desk, move |evidence| {
        evidence.record(&look)?;
        evidence.reindex()
    })
    .await?;
    Ok(reply::json(&json!({ "reindexing": true })))
}

/// A person as looks name one.
fn named(person: &Principal) -> String {
    format!("{} {}", person.claims().issuer, person.claims().subject)
}

async fn checkpoint(desk: &Desk, person: &Principal) -> Outcome {
    auditor(desk, person)?;
    blocking(desk, |evidence| evidence.checkpoint()).await.map(reply::text).map_err(Refusal::from)
}

async fn bundle(desk: &Desk, person: &Principal, id: &str) -> Outcome {
    auditor(desk, person)?;
    let (id, look) = look(person, "bundle", id)?;
    let written = written(desk, move |evidence, file| {
        let made = evidence.bundle_to(&id, file)?;
        if made {
            evidence.record(&look)?;
        }
        Ok(made)
    });
    let (dir, copy) = written.await?.ok_or_else(no_session)?;
    Ok(sent(dir, copy, "attachment; filename=\"session.tar\""))
}

async fn snapshot(desk: &Desk, person: &Principal) -> Outcome {
    auditor(desk, person)?;
    let (_, look) = look(person, "snapshot", "")?;
    let written = written(desk, move |evidence, file| {
        evidence.record(&look)?;
        evidence.snapshot_to(file).map(|()| true)
    });
    let (dir, copy) = written.await?.ok_or_else(no_session)?;
    Ok(sent(dir, copy, "attachment; filename=\"portcullis-log.redb\""))
}

/// Has a file written in a folder of its own; `None` when `write` says that there is nothing.
async fn written(
    desk: &Desk,
    write: impl FnOnce(&dyn Evidence, &Path) -> Result<bool, Fault> + Send + 'static,
) -> Result<Option<(TempDir, File)>, Fault> {
    let scratch = desk.scratch_dir.clone();
    blocking(desk, move |evidence| {
        // Made with mode 0700, and removed with everything in it when dropped.
        let dir = tempfile::Builder::new().prefix("download-").tempdir_in(scratch);
        let dir = dir.map_err(|error| download_fault(&error))?;
        let file = dir.path().join("file");
        if !write(evidence, &file)? {
            return Ok(None);
        }
        let copy = File::open(&file).map_err(|error| download_fault(&error))?;
        Ok(Some((dir, copy)))
    })
    .await
}

/// Sends a file in pieces and removes it then.
fn sent(dir: TempDir, copy: File, name: &'static str) -> Reply {
    let (pieces, received) = mpsc::channel(SNAPSHOT_PIECES_QUEUED);
    tokio::task::spawn_blocking(move || {
        send_pieces(copy, &pieces);
        drop(dir);
    });
    reply::file(name, received)
}

/// Sends a file until its end, an error, or the caller's leaving.
fn send_pieces(mut file: File, pieces: &mpsc::Sender<std::io::Result<Bytes>>) {
    let mut buffer = vec![0; SNAPSHOT_PIECE_BYTES];
    loop {
        let piece = match file.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => Ok(Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default())),
            Err(error) => Err(error),
        };
        let last = piece.is_err();
        if pieces.blocking_send(piece).is_err() || last {
            return;
        }
    }
}

/// Runs what may block on a thread of its own.
async fn blocking<T: Send + 'static>(
    desk: &Desk,
    act: impl FnOnce(&dyn Evidence) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let evidence = Arc::clone(&desk.evidence);
    let task = tokio::task::spawn_blocking(move || act(&*evidence));
    task.await.unwrap_or_else(|_| {
        Err(Fault::new(Blame::Bug, "internal", "XX000", "the gateway failed to answer"))
    })
}

fn is_approver(desk: &Desk, person: &Principal) -> bool {
    in_any(person, &desk.settings.approver_groups)
}

fn is_auditor(desk: &Desk, person: &Principal) -> bool {
    in_any(person, &desk.settings.auditor_groups)
}

fn in_any(person: &Principal, groups: &[String]) -> bool {
    person.claims().groups.iter().any(|group| groups.contains(group))
}

fn auditor(desk: &Desk, person: &Principal) -> Result<(), Refusal> {
    if is_auditor(desk, person) { Ok(()) } else { Err(not_permitted("auditor")) }
}

/// The checked id of a session and the record of the look at it.
fn look(person: &Principal, what: &'static str, id: &str) -> Result<(String, Look), Refusal> {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !plain || id.len() > 64 {
        return Err(no_session());
    }
    Ok((id.to_owned(), Look { person: named(person), what, of: id.to_owned() }))
}

/// One parameter of a query; none of ours needs percent-encoding.
fn parameter<'a>(query: &'a str, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut found = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((key, value)) if key == name && found.is_none() => found = Some(value),
            _ => {
                let message = format!("the query takes `{name}` once and nothing else");
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "query_invalid", message));
            }
        }
    }
    Ok(found)
}

fn no_such(code: &'static str, message: &'static str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, code, message)
}

fn no_session() -> Refusal {
    no_such("session_unknown", "the log has no such session")
}

fn no_work() -> Refusal {
    no_such("work_unknown", "the log has no session for that")
}

fn not_permitted(whom: &str) -> Refusal {
    let message = format!("you are in no {whom} group");
    Refusal::new(StatusCode::FORBIDDEN, "not_permitted", message)
        .hint(format!("the operator names them in [admin] {whom}_groups"))
}

fn download_fault(error: &std::io::Error) -> Fault {
    let message = format!("what was asked for can't be written: {error}");
    Fault::new(Blame::Operator, "download_failed", "58030", message)
        .hint("the data folder needs room for a second copy of the log")
}

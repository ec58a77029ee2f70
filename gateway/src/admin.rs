//! The admin endpoint: HTTP/1.1 on a loopback address, for people with a token of their own.
//!
//! | request | who |
//! |---|---|
//! | `GET /healthz`, `/readyz`, `/v1/status` | anybody on this machine |
//! | `GET /v1/approvals`, `/v1/approvals/{id}` | approvers and auditors |
//! | `POST /v1/approvals/{id}/approve`, `.../deny`, body `{"note": "..."}` | approvers |
//! | `GET /v1/sessions`, `/v1/sessions/{id}` | auditors |
//! | `GET /v1/sessions/{id}/report?format=text`, `html` or `json` | auditors |
//! | `GET /v1/sessions/{id}/bundle` | auditors |
//! | `GET /v1/tasks/{id}/report?format=...`, `/v1/tasks/{id}/bundle` | auditors |
//! | `GET /v1/tickets/{id}/report?format=...`, `/v1/tickets/{id}/bundle` | auditors |
//! | `POST /v1/search`, body `{"query": "...", "limit": 50}` | auditors |
//! | `POST /v1/search/reindex` | auditors |
//! | `GET /v1/log/checkpoint`, `/v1/log/snapshot` | auditors |
//!
//! A refusal is JSON: `{"code", "message", "hint"}`. Requests of browsers from other pages and
//! requests for another host name are refused, so that no web page can reach it.

mod door;
mod reply;
mod route;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::audit::reader::WorkKind;
use crate::config::AdminSettings;
use crate::fault::{Blame, Fault};
use crate::identity::{Principal, Token};
use crate::limits::{
    ACCEPT_RETRY_MILLIS, ADMIN_CONNECTION_SECS_MAX, ADMIN_CONNECTIONS_MAX, ADMIN_DRAIN_SECS_MAX,
    ADMIN_HEAD_BYTES_MAX, ADMIN_HEAD_SECS_MAX, ADMIN_HEADERS_MAX,
};
use crate::policy::approval::{LateAnswer, Registry};

/// A verification under way.
pub type Verifying<'a> = Pin<Box<dyn Future<Output = Result<Principal, Fault>> + Send + 'a>>;

/// Tells who presents a token; the identity stage does.
pub trait People: Send + Sync + 'static {
    /// Verifies a token.
    ///
    /// # Errors
    /// Why it isn't accepted.
    fn verify<'a>(&'a self, token: &'a Token, now: SystemTime) -> Verifying<'a>;
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReportFormat {
    /// One HTML page.
    Html,
    /// One JSON object.
    Json,
    /// Text for people.
    Text,
}

/// A look into the log that is itself recorded.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Look {
    /// Who: `issuer subject`.
    pub person: String,
    /// `session`, `report`, `bundle`, `task report`, `task bundle`, `ticket report`, `ticket
    /// bundle`, `search`, `reindex` or `snapshot`.
    pub what: &'static str,
    /// The id of the session, task or ticket, the query, or empty.
    pub of: String,
}

/// What the gateway can show of itself and its log. Calls may block; the endpoint keeps them off
/// the threads that carry traffic.
pub trait Evidence: Send + Sync + 'static {
    /// Whether sessions can be opened now.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), Fault>;
    /// State for operators, a JSON object; nothing in it is secret or of a person.
    fn status(&self) -> serde_json::Value;
    /// The latest sessions, newest first, at most `most`: a JSON array.
    ///
    /// # Errors
    /// When the log can't be read.
    fn sessions(&self, most: usize) -> Result<serde_json::Value, Fault>;
    /// One session, `None` when there is none of that id.
    ///
    /// # Errors
    /// When the log can't be read.
    fn session(&self, id: &str) -> Result<Option<serde_json::Value>, Fault>;
    /// The report of one session.
    ///
    /// # Errors
    /// When the log can't be read.
    fn report(&self, id: &str, format: ReportFormat) -> Result<Option<String>, Fault>;
    /// Writes the report bundle of one session to `file`, which doesn't exist yet; false when
    /// there is no session of that id.
    ///
    /// # Errors
    /// When it can't be made or written.
    fn bundle_to(&self, id: &str, file: &Path) -> Result<bool, Fault>;
    /// The report of every session of a task or ticket, `None` when it has none.
    ///
    /// # Errors
    /// When the log can't be read, or it has more sessions than one report holds.
    fn work_report(
        &self,
        kind: WorkKind,
        id: &str,
        format: ReportFormat,
    ) -> Result<Option<String>, Fault>;
    /// Writes the bundle of every session of a task or ticket to `file`, which doesn't exist yet;
    /// false when it has none.
    ///
    /// # Errors
    /// When it can't be made or written.
    fn work_bundle_to(&self, kind: WorkKind, id: &str, file: &Path) -> Result<bool, Fault>;
    /// The latest signed checkpoint, in C2SP tlog-checkpoint form.
    ///
    /// # Errors
    /// When the log can't be read.
    fn checkpoint(&self) -> Result<String, Fault>;
    /// Writes a consistent copy of the store to `file`, which doesn't exist yet.
    ///
    /// # Errors
    /// When it can't be written.
    fn snapshot_to(&self, file: &Path) -> Result<(), Fault>;
    /// The entries that a query asks for, the newest first, at most `most`.
    ///
    /// # Errors
    /// The query is none (blame: client), or the log can't be read.
    fn search(&self, query: &str, most: usize) -> Result<serde_json::Value, Fault>;
    /// Has the search index made anew.
    ///
    /// # Errors
    /// When it can't be.
    fn reindex(&self) -> Result<(), Fault>;
    /// Records an answer that nobody waits for, durably, before it has any effect.
    ///
    /// # Errors
    /// When the log can't record it.
    fn late(&self, answer: &LateAnswer) -> Result<(), Fault>;
    /// Records a look durably, before anything is shown.
    ///
    /// # Errors
    /// When it can't be recorded; nothing is shown then.
    fn record(&self, look: &Look) -> Result<(), Fault>;
}

/// What the endpoint needs of the rest of the gateway.
#[derive(Clone)]
pub struct Desk {
    /// Who may do what.
    pub settings: AdminSettings,
    /// Verifies tokens.
    pub people: Arc<dyn People>,
    /// The open questions.
    pub approvals: Registry,
    /// The log and the state of the gateway.
    pub evidence: Arc<dyn Evidence>,
    /// A private folder where snapshots are written before they are sent.
    pub scratch_dir: PathBuf,
}

/// The bound endpoint.
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    desk: Arc<Desk>,
}

impl Admin {
    /// Binds the configured address.
    ///
    /// # Errors
    /// `admin_address` when it isn't loopback or can't be bound.
    pub async fn bind(desk: Desk) -> Result<Self, Fault> {
        let listen = desk.settings.listen;
        // The configuration reader checks it too; here nothing can come between.
        if !listen.ip().is_loopback() {
            return Err(address_fault(listen, "it is not a loopback address"));
        }
        let bound = TcpListener::bind(listen).await;
        let listener = bound.map_err(|error| address_fault(listen, error))?;
        let address = listener.local_addr().map_err(|error| address_fault(listen, error))?;
        Ok(Self { listener, address, desk: Arc::new(desk) })
    }

    /// The address it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready, then lets what is under way end, for a while.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) {
        let permits = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
        let mut open = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let accepted = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                (permit, self.listener.accept().await)
            };
            tokio::select! {
                () = &mut stop => break,
                Some(_) = open.join_next() => {}
                (permit, accepted) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let desk = Arc::clone(&self.desk);
                        open.spawn(async move {
                            converse(stream, desk).await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the admin endpoint can't accept a connection");
                        tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MILLIS)).await;
                    }
                },
            }
        }
        let drain = async { while open.join_next().await.is_some() {} };
        // What is left is cut when the set is dropped.
        let _ = tokio::time::timeout(Duration::from_secs(ADMIN_DRAIN_SECS_MAX), drain).await;
    }
}

/// One connection, one request: closing after each keeps a slow client from holding a place.
async fn converse(stream: TcpStream, desk: Arc<Desk>) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, std::convert::Infallible>(route::answer(&desk, request).await) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(ADMIN_HEAD_BYTES_MAX)
        .max_header_size(ADMIN_HEAD_BYTES_MAX)
        .max_headers(ADMIN_HEADERS_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(ADMIN_HEAD_SECS_MAX))
        .serve_connection(TokioIo::new(stream), service);
    let most = Duration::from_secs(ADMIN_CONNECTION_SECS_MAX);
    match tokio::time::timeout(most, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an admin connection failed"),
        Err(_) => tracing::debug!("an admin connection took too long"),
    }
}

fn address_fault(listen: SocketAddr, why: impl std::fmt::Display) -> Fault {
    let message = format!("the admin endpoint can't use {listen}: {why}");
    Fault::new(Blame::Operator, "admin_address", "58000", message)
        .hint("set `listen` in [admin] to a free loopback address such as 127.0.0.1:8470")
}

#[cfg(test)]
pub(crate) mod tests;

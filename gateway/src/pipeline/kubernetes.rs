//! Clients of an API server: a session is one token on one connection, a request is judged and
//! recorded by itself, and its answer is masked and recorded before it leaves.

mod hold;
mod reply;
mod visit;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, Response};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::visit::Visit;
use super::refused;
use super::runtime::Gateway;
use crate::downstream::http::{AnswerBody, say};
use crate::fault::{Blame, Fault};
use crate::identity::{Claims, Token};
use crate::limits::{KUBERNETES_RETRY_SECS, SIGN_IN_MILLIS_MAX, TOKEN_BYTES_MAX};
use crate::listener::kubernetes::{Call, greet, serve};
use crate::listener::tls::Acceptor;
use crate::protocol::kubernetes::Asked;
use crate::protocol::kubernetes::path::Place;

/// One connection and the sessions on it.
struct Connection {
    gateway: Arc<Gateway>,
    listener: String,
    peer: SocketAddr,
    visits: Mutex<HashMap<Key, Arc<Visit>>>,
}

/// What makes a session: the exact token, the target and the role.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    token_sha256: String,
    target: String,
    role: String,
}

/// Serves one connection from its first byte to its last.
pub(super) async fn connection(
    gateway: Arc<Gateway>,
    listener: &str,
    acceptor: &Acceptor,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let limit = Duration::from_millis(SIGN_IN_MILLIS_MAX);
    let _ = stream.set_nodelay(true);
    let accepted = match timeout(limit, greet(stream, peer, acceptor)).await {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(fault)) => return refused(&gateway, listener, peer, "start", fault, None).await,
        Err(_) => return,
    };
    let (listener, visits) = (listener.to_owned(), Mutex::default());
    let connection = Arc::new(Connection { gateway, listener, peer, visits });
    let serving = Arc::clone(&connection);
    serve(accepted, move |call| {
        let connection = Arc::clone(&serving);
        // A task of its own: a client that leaves does not stop what was begun half-way.
        let answer = tokio::spawn(async move { connection.answer(call).await });
        async move { answer.await.unwrap_or_else(|_| say(&lost(), None, false)) }
    })
    .await;
    for (_, visit) in connection.visits.lock().await.drain() {
        visit.leave();
    }
}

impl Connection {
    async fn answer(&self, call: Call) -> Response<AnswerBody> {
        let groups = call.path.ends_with("/api") || call.path.ends_with("/apis");
        match self.handle(call).await {
            Ok(response) => response,
            Err(fault) => {
                let again = fault.code == "approval_pending";
                say(&fault, again.then_some(KUBERNETES_RETRY_SECS), groups)
            }
        }
    }

    async fn handle(&self, call: Call) -> Result<Response<AnswerBody>, Fault> {
        let entered = match read(call) {
            Ok((token, target, role, asked)) => {
                let agent = asked.user_agent.clone().unwrap_or_default();
                self.visit(&token, &target, &role, &agent).await.map(|visit| (visit, asked))
            }
            Err(fault) => Err((fault, None)),
        };
        match entered {
            Ok((visit, asked)) => visit.answer(asked).await,
            Err((fault, claims)) => {
                let (gateway, listener) = (&self.gateway, &self.listener);
                refused(gateway, listener, self.peer, "sign-in", fault.clone(), claims).await;
                Err(fault)
            }
        }
    }

    /// The session of a token, opened if it is not open yet.
    async fn visit(
        &self,
        token: &Token,
        target: &str,
        role: &str,
        client: &str,
    ) -> Result<Arc<Visit>, (Fault, Option<Claims>)> {
        let verifier = self.gateway.verifier();
        let principal =
            verifier.verify(token, SystemTime::now()).await.map_err(|fault| (fault, None))?;
        let claims = principal.claims().clone();
        let token_sha256 = claims.token_sha256.clone();
        let key = Key { token_sha256, target: target.to_owned(), role: role.to_owned() };
        let mut visits = self.visits.lock().await;
        if let Some(visit) = visits.get(&key) {
            if !visit.is_over() {
                return Ok(Arc::clone(visit));
            }
            visits.remove(&key);
        }
        let opened = visit::open(&self.gateway, principal, (target, role), client, self.peer).await;
        let visit = opened.map_err(|fault| (fault, Some(claims)))?;
        visits.insert(key, Arc::clone(&visit));
        Ok(visit)
    }
}

/// What a call says: who asks, for which target and role, and what.
fn read(call: Call) -> Result<(Token, String, String, Asked), Fault> {
    let headers = &call.headers;
    let token = bearer(headers)?;
    if let Some(name) = headers.keys().find(|name| name.as_str().starts_with("impersonate-")) {
        let message = format!("the header {name} is refused: nobody acts as somebody else here");
        return Err(Fault::new(Blame::Policy, "impersonation_refused", "42501", message)
            .hint("Leave --as, --as-group and --as-uid away."));
    }
    if headers.contains_key("upgrade") {
        let message = "exec, attach and port-forward do not pass this gateway";
        return Err(Fault::new(Blame::Policy, "upgrade_refused", "0A000", message));
    }
    let place = Place::parse(&call.path, call.query.as_deref())?;
    let (named, place) = place.split_first().ok_or_else(|| unknown(""))?;
    let (target, role) = named.split_once(':').unwrap_or((&named, ""));
    let text = |name: HeaderName| {
        let value = headers.get(name).map(|value| value.to_str().map(str::to_owned));
        value.transpose().map_err(|_| {
            let message = "a header holds other letters than ASCII has";
            Fault::new(Blame::Client, "request_malformed", "08P01", message)
        })
    };
    let asked = Asked {
        method: call.method,
        place,
        content_type: text(CONTENT_TYPE)?,
        accept: text(ACCEPT)?,
        user_agent: text(USER_AGENT)?,
        body: call.body?,
    };
    Ok((token, target.to_owned(), role.to_owned(), asked))
}

/// The bearer token (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Result<Token, Fault> {
    let missing = || {
        let message = "this needs a bearer token";
        Fault::new(Blame::Client, "token_missing", "28000", message)
            .hint("Set `tokenFile` or an `exec` plugin in your kubeconfig, or use --token.")
    };
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(missing()) };
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(missing());
    }
    if token.len() > TOKEN_BYTES_MAX {
        let message = format!("the token is longer than {TOKEN_BYTES_MAX} bytes");
        return Err(Fault::new(Blame::Client, "token_too_long", "28000", message));
    }
    Ok(Token::new(token.trim().to_owned()))
}

fn unknown(name: &str) -> Fault {
    let shown = name.escape_debug();
    let message = format!("there is no Kubernetes target \"{shown}\" here");
    Fault::new(Blame::Client, "target_unknown", "3D000", message).hint(
        "Set `server: https://GATEWAY/TARGET` in your kubeconfig, or https://GATEWAY/TARGET:ROLE; \
         the operator names them.",
    )
}

fn lost() -> Fault {
    let message = "the gateway lost the answer to a request";
    Fault::new(Blame::Bug, "answer_lost", "XX000", message)
}

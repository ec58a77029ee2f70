//! A signed-in connection to a PostgreSQL target.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tls::Tls;
use super::{Account, TargetSettings};
use crate::audit::Permit;
use crate::fault::{Blame, Fault};
use crate::limits::{
    READ_BYTES, SCRAM_ITERATIONS_MAX, SERVER_AUTH_MESSAGE_BYTES_MAX, UPSTREAM_CONNECT_MILLIS_MAX,
};
use crate::protocol::postgres::backend;
use crate::protocol::postgres::frame::{self, Fields, Frame};
use crate::protocol::postgres::frontend::Control;
use crate::protocol::postgres::replication::Mode;
use crate::protocol::postgres::startup;

/// A byte stream, plain or TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// What one needs to reach a target again, to cancel what runs there.
#[derive(Clone, Debug)]
pub struct CancelKey {
    pid: i32,
    key: Bytes,
}

impl CancelKey {
    /// The real backend's process id, which the client is told too.
    pub fn pid(&self) -> i32 {
        self.pid
    }
}

/// A connection after ReadyForQuery.
pub struct Connection {
    pub(super) stream: Box<dyn Stream>,
    pub(super) buffer: BytesMut,
    cancel: CancelKey,
    parameters: Vec<(String, String)>,
}

impl Connection {
    /// The two directions.
    pub fn split(self) -> (Sender, Receiver) {
        let (read, write) = tokio::io::split(self.stream);
        let sender = Sender { half: write, out: BytesMut::new() };
        (sender, Receiver { half: read, buffer: self.buffer })
    }

    /// For cancelling what runs here.
    pub fn cancel_key(&self) -> &CancelKey {
        &self.cancel
    }

    /// The server's parameters, in the order it reported them.
    pub fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }
}

/// The write half: a permit's bytes, or words that can't run anything.
pub struct Sender {
    half: WriteHalf<Box<dyn Stream>>,
    out: BytesMut,
}

/// The read half, with what was read ahead.
pub struct Receiver {
    half: ReadHalf<Box<dyn Stream>>,
    /// Bytes read and not yet taken.
    pub buffer: BytesMut,
}

impl Sender {
    /// Queues what was judged and recorded.
    pub fn send(&mut self, permit: Permit) {
        self.out.extend_from_slice(&permit.into_wire());
    }

    /// Queues words that need no judgement.
    pub fn say(&mut self, control: &Control) {
        control.encode(&mut self.out);
    }

    /// Writes what is queued.
    pub async fn flush(&mut self) -> std::io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.half.write_all(&self.out).await?;
        self.out.clear();
        self.half.flush().await
    }
}

impl Receiver {
    /// Reads on until there are `bytes`, or nothing more has come yet: rows that come quickly
    /// share an entry of the log. Does not wait; what ends the stream is met by the next read.
    pub async fn gather(&mut self, bytes: usize) {
        while self.buffer.len() < bytes {
            self.buffer.reserve(READ_BYTES);
            let mut read = pin!(self.half.read_buf(&mut self.buffer));
            let now = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await;
            if !matches!(now, Poll::Ready(Ok(1..))) {
                return;
            }
        }
    }

    /// Reads more; 0 at the end of the stream.
    pub async fn read(&mut self) -> std::io::Result<usize> {
        self.buffer.reserve(READ_BYTES);
        self.half.read_buf(&mut self.buffer).await
    }
}

/// What a session starts with.
#[derive(Debug, Default)]
pub struct Start {
    /// Settings of the gateway's own, and those that change nothing of what is judged.
    pub settings: Vec<(String, String)>,
    /// Settings that were judged.
    pub granted: Vec<Permit>,
}

impl Start {
    /// The same for a replication session, if it is one.
    #[must_use]
    pub fn replicating(mut self, mode: Option<Mode>) -> Self {
        let own = mode.map(|mode| ("replication".to_owned(), mode.word().to_owned()));
        self.settings.extend(own);
        self
    }
}

/// Connects, protects the connection as the target asks for, and signs in as `account`.
pub async fn connect(
    target: &TargetSettings,
    tls: Option<&Tls>,
    account: &Account,
    database: &str,
    start: Start,
) -> Result<Connection, Fault> {
    let limit = Duration::from_millis(UPSTREAM_CONNECT_MILLIS_MAX);
    match timeout(limit, sign_in(target, tls, account, database, start)).await {
        Ok(result) => result,
        Err(_) => Err(unreachable(target, "it did not answer in time")),
    }
}

fn unreachable(target: &TargetSettings, why: impl std::fmt::Display) -> Fault {
    let message = format!("target \"{}\" can't be reached: {why}", target.name);
    Fault::new(Blame::Upstream, "target_unreachable", "08001", message)
        .hint("This is not about your token or statement; try again later or tell the operator.")
}

async fn open(target: &TargetSettings, tls: Option<&Tls>) -> Result<Box<dyn Stream>, Fault> {
    let mut stream =
        TcpStream::connect(&target.address).await.map_err(|error| unreachable(target, error))?;
    stream.set_nodelay(true).map_err(|error| unreachable(target, error))?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let io = |error: std::io::Error| unreachable(target, error);
    stream.write_all(&startup::encode_ssl_request()).await.map_err(io)?;
    // Exactly one byte is read before TLS starts, so nothing sent in plain text can be taken for
    // something that was protected (CVE-2021-23222).
    match stream.read_u8().await.map_err(io)? {
        b'S' => {}
        _ => return Err(unreachable(target, "it does not offer TLS")),
    }
    let stream = tls.connect(stream).await.map_err(io)?;
    Ok(Box::new(stream))
}

async fn sign_in(
    target: &TargetSettings,
    tls: Option<&Tls>,
    account: &Account,
    database: &str,
    start: Start,
) -> Result<Connection, Fault> {
    let stream = open(target, tls).await?;
    let mut wire = Wire { target, stream, buffer: BytesMut::with_capacity(READ_BYTES) };
    let mut parameters = vec![("user", account.role.as_str()), ("database", database)];
    parameters.extend(start.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let granted: Vec<Bytes> = start.granted.into_iter().map(Permit::into_wire).collect();
    wire.send(&startup::encode(&parameters, &granted)).await?;
    authenticate(&mut wire, account, tls.is_some()).await?;
    let mut cancel = None;
    let mut parameters = Vec::new();
    loop {
        let frame = wire.read().await?;
        match frame.tag {
            b'S' => {
                parameters.push(backend::parameter_status(frame.body).map_err(|_| wire.broken())?)
            }
            b'K' => {
                let mut fields = Fields::new(frame.body);
                let pid = fields.i32().map_err(|_| wire.broken())?;
                cancel = Some(CancelKey { pid, key: fields.rest() });
            }
            b'N' => {}
            b'Z' => break,
            _ => return Err(wire.broken()),
        }
    }
    let cancel = cancel.ok_or_else(|| wire.broken())?;
    Ok(Connection { stream: wire.stream, buffer: wire.buffer, cancel, parameters })
}

struct Wire<'a> {
    target: &'a TargetSettings,
    stream: Box<dyn Stream>,
    buffer: BytesMut,
}

impl Wire<'_> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let target = self.target;
        self.stream.write_all(bytes).await.map_err(|error| unreachable(target, error))?;
        self.stream.flush().await.map_err(|error| unreachable(target, error))
    }

    /// The next frame; an ErrorResponse is an error.
    async fn read(&mut self) -> Result<Frame, Fault> {
        let frame = loop {
            let next = frame::next(&mut self.buffer, SERVER_AUTH_MESSAGE_BYTES_MAX);
            if let Some(frame) = next.map_err(|_| self.broken())? {
                break frame;
            }
            let read = self.stream.read_buf(&mut self.buffer).await;
            if read.map_err(|error| unreachable(self.target, error))? == 0 {
                return Err(unreachable(self.target, "it closed the connection"));
            }
        };
        if frame.tag != b'E' {
            return Ok(frame);
        }
        let field = |code| backend::report_field(&frame.body, code).unwrap_or_default();
        if matches!(field(b'C').as_str(), "22023" | "42501" | "42704" | "55P02") {
            let message = format!("the target refused to start the session: {}", field(b'M'));
            return Err(Fault::new(Blame::Client, "start_refused", "22023", message)
                .hint("Connect without that setting, or with another value."));
        }
        let why = format!("it said: {} ({})", field(b'M'), field(b'C'));
        Err(unreachable(self.target, why))
    }

    fn broken(&self) -> Fault {
        unreachable(self.target, "it does not speak the PostgreSQL protocol as expected")
    }
}

async fn authenticate(wire: &mut Wire<'_>, account: &Account, tls: bool) -> Result<(), Fault> {
    let frame = wire.read().await?;
    let mut fields = Fields::new(frame.body);
    let kind = if frame.tag == b'R' { fields.i32().map_err(|_| wire.broken())? } else { -1 };
    match kind {
        0 => Ok(()),
        3 if tls => {
            wire.send(&password(account.password.expose().as_bytes())).await?;
            expect_authentication(wire, 0).await.map(|_| ())
        }
        10 => scram(wire, &fields.rest(), account).await,
        3 => Err(unreachable(wire.target, "it asks for a plain password without TLS")),
        _ => Err(unreachable(
            wire.target,
            "it asks for a sign-in other than SCRAM-SHA-256 (password_encryption, pg_hba.conf)",
        )),
    }
}

async fn scram(wire: &mut Wire<'_>, offers: &[u8], account: &Account) -> Result<(), Fault> {
    if !offers.split(|&byte| byte == 0).any(|offer| offer == SCRAM_SHA_256.as_bytes()) {
        return Err(unreachable(wire.target, "it does not offer SCRAM-SHA-256"));
    }
    let password = account.password.expose().as_bytes();
    let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
    let mut out = BytesMut::new();
    frame::put(&mut out, b'p', |out| {
        frame::put_string(out, SCRAM_SHA_256.as_bytes());
        out.put_i32(i32::try_from(scram.message().len()).unwrap_or(0));
        out.put_slice(scram.message());
    });
    wire.send(&out).await?;
    let challenge = expect_authentication(wire, 11).await?;
    if iterations(&challenge).is_none_or(|count| count > SCRAM_ITERATIONS_MAX) {
        return Err(unreachable(wire.target, "its SCRAM challenge is out of bounds"));
    }
    let refused = |target, _| unreachable(target, "SCRAM failed: it does not know the password");
    scram.update(&challenge).map_err(|error| refused(wire.target, error))?;
    let mut out = BytesMut::new();
    frame::put(&mut out, b'p', |out| out.put_slice(scram.message()));
    wire.send(&out).await?;
    let last = expect_authentication(wire, 12).await?;
    scram.finish(&last).map_err(|error| refused(wire.target, error))?;
    expect_authentication(wire, 0).await.map(|_| ())
}

fn iterations(challenge: &[u8]) -> Option<u32> {
    std::str::from_utf8(challenge)
        .ok()?
        .split(',')
        .find_map(|part| part.strip_prefix("i="))?
        .parse()
        .ok()
}

async fn expect_authentication(wire: &mut Wire<'_>, kind: i32) -> Result<Bytes, Fault> {
    let frame = wire.read().await?;
    let mut fields = Fields::new(frame.body);
    if frame.tag == b'R' && fields.i32() == Ok(kind) {
        Ok(fields.rest())
    } else {
        Err(wire.broken())
    }
}

fn password(secret: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    frame::put(&mut out, b'p', |out| frame::put_string(out, secret));
    out
}

/// Cancels what runs on the connection that `key` belongs to. The target gives no answer.
pub async fn cancel(
    target: &TargetSettings,
    tls: Option<&Tls>,
    key: &CancelKey,
) -> Result<(), Fault> {
    let limit = Duration::from_millis(UPSTREAM_CONNECT_MILLIS_MAX);
    let send = async {
        let mut stream = open(target, tls).await?;
        let message = startup::encode_cancel(key.pid, &key.key);
        stream.write_all(&message).await.map_err(|error| unreachable(target, error))?;
        stream.flush().await.map_err(|error| unreachable(target, error))?;
        // The server closes once it has read the request; waiting for that keeps a late cancel
        // from reaching the statement after the one it was meant for.
        let _ = stream.read_u8().await;
        Ok(())
    };
    match timeout(limit, send).await {
        Ok(result) => result,
        Err(_) => Err(unreachable(target, "it did not take the cancel request in time")),
    }
}

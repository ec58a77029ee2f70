//! The caller's side: sends nothing but a release's bytes and words the gateway says itself.

pub mod http;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt, WriteHalf};

use crate::audit::Release;
use crate::fault::Fault;
use crate::protocol::postgres::backend::{self, Severity};

/// The write half of a client's connection.
#[derive(Debug)]
pub struct Sender<S> {
    half: WriteHalf<S>,
    out: BytesMut,
    writing: bool,
    inside: bool,
}

/// What the gateway itself may say to a PostgreSQL client. None of it carries a target's data.
#[derive(Debug)]
pub enum Word<'a> {
    /// AuthenticationOk.
    AuthenticationOk,
    /// AuthenticationCleartextPassword.
    AskPassword,
    /// BackendKeyData with the target's pid and the gateway's own key.
    KeyData(i32, &'a [u8]),
    /// NegotiateProtocolVersion, made by the codec.
    Negotiation(Bytes),
    /// ParameterStatus.
    Parameter(&'a str, &'a str),
    /// ReadyForQuery with its status.
    Ready(u8),
    /// ErrorResponse or NoticeResponse.
    Report(Severity, &'a Fault),
}

impl<S: AsyncWrite> Sender<S> {
    /// Takes over the write half.
    pub fn new(half: WriteHalf<S>) -> Self {
        Self { half, out: BytesMut::new(), writing: false, inside: false }
    }

    /// Queues a released reply.
    pub fn send(&mut self, release: Release) {
        for frames in release.into_frames() {
            self.out.extend_from_slice(&frames);
        }
    }

    /// Queues the gateway's own words.
    pub fn say(&mut self, word: &Word<'_>) {
        let out = &mut self.out;
        match word {
            Word::AuthenticationOk => backend::authentication_ok(out),
            Word::AskPassword => backend::ask_password(out),
            Word::KeyData(pid, key) => backend::key_data(out, *pid, key),
            Word::Negotiation(frame) => out.extend_from_slice(frame),
            Word::Parameter(name, value) => backend::put_parameter_status(out, name, value),
            Word::Ready(status) => backend::ready(out, *status),
            Word::Report(severity, fault) => backend::report(out, *severity, fault),
        }
    }

    /// Writes what is queued.
    pub async fn flush(&mut self) -> std::io::Result<()> {
        self.writing = true;
        self.half.write_all(&self.out).await?;
        self.out.clear();
        self.half.flush().await?;
        self.writing = false;
        Ok(())
    }

    /// Says whether what was queued last ends inside a message, of which more pieces follow.
    pub fn set_inside(&mut self, inside: bool) {
        self.inside = inside;
    }

    /// True when a write or a message was cut off, so that what comes next would land inside a
    /// message.
    pub fn interrupted(&self) -> bool {
        self.writing || self.inside
    }

    /// Gives the half back, for an orderly close.
    pub fn into_half(self) -> WriteHalf<S> {
        self.half
    }
}

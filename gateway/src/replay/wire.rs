//! A client for the throw-away server: over its own socket, with no password and no TLS.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::frames::{Answer, split};
use crate::audit::entry::Parameter;

/// Bytes of an answer that are taken at most.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A connection.
pub(super) struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
}

fn frame(out: &mut Vec<u8>, tag: u8, body: &[u8]) {
    out.push(tag);
    out.extend_from_slice(&u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(body);
}

fn broken(error: &dyn std::fmt::Display) -> String {
    format!("the connection to the throw-away server broke: {error}")
}

impl Client {
    pub(super) async fn connect(socket: &Path, role: &str, database: &str) -> Result<Self, String> {
        let stream = UnixStream::connect(socket).await.map_err(|error| broken(&error))?;
        let mut client = Self { stream, buffer: Vec::new() };
        // Protocol 3.0 (PostgreSQL chapter 55.7).
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", role, "database", database, "client_encoding", "UTF8", ""] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        let mut start = u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        start.extend(body);
        let answer = client.exchange(&start).await?;
        match answer.errors.first() {
            None => Ok(client),
            Some(state) => {
                Err(format!("role {role} can't sign in to the throw-away server: {state}"))
            }
        }
    }

    /// A simple query.
    pub(super) async fn query(&mut self, text: &str) -> Result<Answer, String> {
        let mut out = Vec::new();
        frame(&mut out, b'Q', &[text.as_bytes(), b"\0"].concat());
        self.exchange(&out).await
    }

    /// A statement with values, by the extended protocol; the columns of its result in these
    /// formats.
    pub(super) async fn execute(
        &mut self,
        text: &str,
        parameters: &[Parameter],
        binary: &[bool],
    ) -> Result<Answer, String> {
        let count = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes();
        let mut parse = [b"\0", text.as_bytes(), b"\0"].concat();
        parse.extend(count(parameters.len()));
        parse.extend(parameters.iter().flat_map(|it| it.type_oid.to_be_bytes()));
        let mut bind = b"\0\0".to_vec();
        bind.extend(count(parameters.len()));
        bind.extend(parameters.iter().flat_map(|it| u16::from(it.binary).to_be_bytes()));
        bind.extend(count(parameters.len()));
        for parameter in parameters {
            let value = parameter.value.as_ref().map(|value| STANDARD.decode(value));
            match value {
                None => bind.extend_from_slice(&(-1_i32).to_be_bytes()),
                Some(Ok(value)) => {
                    bind.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
                    bind.extend(value);
                }
                Some(Err(_)) => return Err("a recorded value is not base64".to_owned()),
            }
        }
        bind.extend(count(binary.len()));
        bind.extend(binary.iter().flat_map(|it| u16::from(*it).to_be_bytes()));
        let mut out = Vec::new();
        frame(&mut out, b'P', &parse);
        frame(&mut out, b'B', &bind);
        frame(&mut out, b'D', b"P\0");
        frame(&mut out, b'E', b"\0\0\0\0\0");
        frame(&mut out, b'S', b"");
        self.exchange(&out).await
    }

    /// Sends, and reads up to the next ReadyForQuery.
    async fn exchange(&mut self, out: &[u8]) -> Result<Answer, String> {
        self.stream.write_all(out).await.map_err(|error| broken(&error))?;
        let mut answer = Answer::default();
        let mut taken = 0;
        loop {
            let mut start = 0;
            let (mut done, mut copies) = (false, false);
            while let Some((tag, body, rest)) = split(self.buffer.get(start..).unwrap_or(&[])) {
                answer.frame(tag, body);
                done |= tag == b'Z';
                copies |= tag == b'G';
                start = self.buffer.len() - rest.len();
            }
            self.buffer.drain(..start);
            if done {
                return Ok(answer);
            }
            if copies {
                // Its rows are not replayed: the server has to be told that none come.
                let mut fail = Vec::new();
                frame(&mut fail, b'f', b"not replayed\0");
                self.stream.write_all(&fail).await.map_err(|error| broken(&error))?;
            }
            let read = self.stream.read_buf(&mut self.buffer).await;
            match read.map_err(|error| broken(&error))? {
                0 if !answer.errors.is_empty() => return Ok(answer),
                0 => return Err(broken(&"it was closed")),
                read => taken += read,
            }
            if taken > ANSWER_BYTES_MAX {
                return Err(format!("an answer has more than {ANSWER_BYTES_MAX} bytes"));
            }
        }
    }
}

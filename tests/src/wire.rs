//! A PostgreSQL client that sends whatever bytes it is told to, for tests from the attacker's
//! side. Every read has a deadline, so a silent peer is a failed test and not a hanging one.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Longest wait for the peer's next byte.
pub const READ_SECS_MAX: Duration = Duration::from_secs(20);
/// Longest message accepted; the largest that PostgreSQL can send is 1 GiB.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// SSLRequest (PostgreSQL 55.7): length 8, then the code 80877103.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// Protocol version 3.0.
pub const VERSION_3_0: u32 = 196_608;

/// One message from the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Its type byte, such as `b'Z'`.
    pub tag: u8,
    /// What follows the length.
    pub body: Vec<u8>,
}

impl Message {
    /// A field of an ErrorResponse or NoticeResponse (PostgreSQL 55.8), such as `b'C'`.
    pub fn field(&self, code: u8) -> Option<String> {
        let mut fields = self.body.split(|byte| *byte == 0);
        let found = fields.find(|field| field.first() == Some(&code))?;
        Some(String::from_utf8_lossy(found.get(1..)?).into_owned())
    }

    /// The values of a DataRow; `None` for NULL.
    pub fn values(&self) -> Vec<Option<Vec<u8>>> {
        assert_eq!(self.tag, b'D', "only a DataRow has values");
        let mut rest = self.body.get(2..).expect("a DataRow starts with a count");
        let mut values = Vec::new();
        while let Some((head, tail)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(i32::from_be_bytes(*head)).ok();
            let (value, tail) = tail.split_at(length.unwrap_or(0));
            values.push(length.map(|_| value.to_vec()));
            rest = tail;
        }
        values
    }
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection that knows the frames of the protocol and none of its manners.
pub struct Wire {
    transport: Transport,
}

impl Wire {
    /// Connects without a word.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, READ_SECS_MAX)?;
        stream.set_read_timeout(Some(READ_SECS_MAX))?;
        stream.set_write_timeout(Some(READ_SECS_MAX))?;
        stream.set_nodelay(true)?;
        Ok(Self { transport: Transport::Plain(stream) })
    }

    /// Connects, asks for TLS and shakes hands, trusting only the authority `ca_pem`.
    pub fn connect_tls(address: SocketAddr, ca_pem: &str) -> io::Result<Self> {
        let mut wire = Self::connect(address)?;
        wire.send(&SSL_REQUEST)?;
        let mut answer = [0; 1];
        wire.read_exact(&mut answer)?;
        if answer != [b'S'] {
            return Err(io::Error::other(format!("TLS was answered with {answer:?}")));
        }
        wire.shake_hands(ca_pem)
    }

    /// Starts TLS on the connection as it is now, whatever was said on it before.
    pub fn shake_hands(self, ca_pem: &str) -> io::Result<Self> {
        let Transport::Plain(stream) = self.transport else {
            return Err(io::Error::other("the connection speaks TLS already"));
        };
        let mut stream = tls(stream, ca_pem)?;
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { transport: Transport::Tls(Box::new(stream)) })
    }

    /// Sends raw bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)?;
        self.flush()
    }

    /// Sends a start-up message (version 3.0) with these parameters.
    pub fn start_up(&mut self, parameters: &[(&str, &str)]) -> io::Result<()> {
        self.send(&start_up(VERSION_3_0, parameters))
    }

    /// Signs in: start-up, a clear-text password (which may be a token) when asked, and every
    /// message up to ReadyForQuery or an ErrorResponse, which comes last.
    pub fn sign_in(&mut self, user: &str, database: &str, password: &str) -> io::Result<Message> {
        self.start_up(&[("user", user), ("database", database)])?;
        loop {
            let message = self.message()?;
            match (message.tag, message.body.as_slice()) {
                (b'R', [0, 0, 0, 3]) => self.send(&frame(b'p', &c_string(password)))?,
                (b'E' | b'Z', _) => return Ok(message),
                _ => {}
            }
        }
    }

    /// Sends a simple query and reads up to ReadyForQuery, which comes last.
    pub fn query(&mut self, sql: &str) -> io::Result<Vec<Message>> {
        self.send(&frame(b'Q', &c_string(sql)))?;
        self.messages_until(b'Z')
    }

    /// The next message.
    pub fn message(&mut self) -> io::Result<Message> {
        let mut head = [0; 5];
        self.read_exact(&mut head)?;
        let [tag, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        let bytes = length.checked_sub(4).filter(|bytes| *bytes <= MESSAGE_BYTES_MAX);
        let bytes = bytes.ok_or_else(|| io::Error::other(format!("length {length}")))?;
        let mut body = vec![0; bytes];
        self.read_exact(&mut body)?;
        Ok(Message { tag, body })
    }

    /// Every message up to the first with this tag, which comes last.
    pub fn messages_until(&mut self, tag: u8) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        loop {
            let message = self.message()?;
            let last = message.tag == tag;
            messages.push(message);
            if last {
                return Ok(messages);
            }
        }
    }

    /// True when the peer closed the connection; bytes that come first are read away. False
    /// when it is silent for `deadline` with the connection open.
    pub fn closed_within(&mut self, deadline: Duration) -> io::Result<bool> {
        self.socket().set_read_timeout(Some(deadline))?;
        let mut sink = [0; 4096];
        let closed = loop {
            match self.read(&mut sink) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => break false,
                    io::ErrorKind::Interrupted => {}
                    _ => break true,
                },
            }
        };
        self.socket().set_read_timeout(Some(READ_SECS_MAX))?;
        Ok(closed)
    }

    /// The socket below, for half-closing and for other deadlines.
    pub fn socket(&self) -> &TcpStream {
        match &self.transport {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.transport {
            Transport::Plain(stream) => stream.read(buffer),
            Transport::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.transport {
            Transport::Plain(stream) => stream.write(bytes),
            Transport::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.transport {
            Transport::Plain(stream) => stream.flush(),
            Transport::Tls(stream) => stream.flush(),
        }
    }
}

/// A TLS client over `stream` for the name `localhost`, trusting only the authority `ca_pem`.
pub fn tls(
    stream: TcpStream,
    ca_pem: &str,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection =
        ClientConnection::new(Arc::new(tls_settings(ca_pem)?), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// Settings of a TLS client that trusts only the authority `ca_pem`.
pub fn tls_settings(ca_pem: &str) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(io::Error::other)?;
    roots.add(authority).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A message of the client: tag, length, body.
pub fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&length(body.len() + 4));
    bytes.extend_from_slice(body);
    bytes
}

/// A start-up message of `version` with these parameters.
pub fn start_up(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend(c_string(name));
        body.extend(c_string(value));
    }
    body.push(0);
    let mut bytes = length(body.len() + 4).to_vec();
    bytes.extend(body);
    bytes
}

/// A string as the protocol writes it: its bytes and a NUL.
pub fn c_string(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a test's message fits the protocol").to_be_bytes()
}

/// Parse of `sql` under `name`, types left to the server.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    frame(b'P', &[c_string(name), c_string(sql), vec![0, 0]].concat())
}

/// Bind of text values; `binary` asks for binary results.
pub fn bind(portal: &str, statement: &str, values: &[&str], binary: bool) -> Vec<u8> {
    let mut body = [c_string(portal), c_string(statement), vec![0, 0]].concat();
    body.extend(count(values.len()));
    for value in values {
        body.extend(length(value.len()));
        body.extend_from_slice(value.as_bytes());
    }
    body.extend(if binary { vec![0, 1, 0, 1] } else { vec![0, 0] });
    frame(b'B', &body)
}

/// Describe: `kind` is `b'S'` or `b'P'`.
pub fn describe(kind: u8, name: &str) -> Vec<u8> {
    frame(b'D', &[vec![kind], c_string(name)].concat())
}

/// Close: `kind` is `b'S'` or `b'P'`.
pub fn close(kind: u8, name: &str) -> Vec<u8> {
    frame(b'C', &[vec![kind], c_string(name)].concat())
}

/// Execute; 0 rows means all.
pub fn execute(portal: &str, rows_max: u32) -> Vec<u8> {
    frame(b'E', &[c_string(portal), rows_max.to_be_bytes().to_vec()].concat())
}

/// Sync.
pub fn sync() -> Vec<u8> {
    frame(b'S', b"")
}

/// Flush.
pub fn flush() -> Vec<u8> {
    frame(b'H', b"")
}

/// Query.
pub fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', &c_string(sql))
}

/// The tags of messages, in order, such as `1 2 D C Z`.
pub fn tags(messages: &[Message]) -> String {
    let tags: Vec<String> = messages.iter().map(|it| char::from(it.tag).to_string()).collect();
    tags.join(" ")
}

/// Every value of every row, as text.
pub fn texts(messages: &[Message]) -> Vec<Option<String>> {
    let rows = messages.iter().filter(|message| message.tag == b'D');
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    rows.flat_map(|row| row.values().into_iter().map(|value| value.map(text))).collect()
}

fn count(items: usize) -> [u8; 2] {
    u16::try_from(items).expect("a test's list fits the protocol").to_be_bytes()
}

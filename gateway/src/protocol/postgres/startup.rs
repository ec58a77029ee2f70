//! What a client may send before it is signed in
//! (PostgreSQL 18, sections 54.2.1 "Start-up" and 54.7).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::frame::{self, BadBody, Fields};
use super::replication::Mode;

const PROTOCOL_MAJOR: u32 = 3;
const MINOR_NEWEST: u32 = 2;
const CODE_CANCEL: u32 = 80_877_102;
const CODE_SSL: u32 = 80_877_103;
const CODE_GSSENC: u32 = 80_877_104;

/// First byte of a TLS handshake record, for direct TLS.
pub const TLS_HANDSHAKE: u8 = 0x16;

/// The ALPN name of the protocol (PostgreSQL 17 and later).
pub const ALPN: &[u8] = b"postgresql";

/// A packet of the start-up phase.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Packet {
    /// Cancel what the session with this pid and key runs.
    Cancel {
        /// Process id as the gateway told it to the client.
        pid: i32,
        /// Key as the gateway told it to the client; 4 to 256 bytes.
        key: Bytes,
    },
    /// Asks for GSSAPI encryption, which is always declined.
    GssEnc,
    /// Asks for TLS.
    Ssl,
    /// Opens a session.
    Startup(Startup),
}

/// A StartupMessage.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Startup {
    /// Requested minor version of protocol 3.
    pub minor: u32,
    /// Parameters in the order sent; names are unique.
    pub parameters: Vec<(String, String)>,
}

/// Why a start-up packet is refused; the texts go to the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The bytes are no start-up packet.
    Malformed(&'static str),
    /// Another major version.
    Version(u32, u32),
}

impl From<BadBody> for Refused {
    fn from(_: BadBody) -> Self {
        Self::Malformed("the start-up packet is cut short or has bytes left over")
    }
}

/// Reads a start-up packet's body: all after its length.
pub fn parse(mut body: Bytes) -> Result<Packet, Refused> {
    if body.len() < 4 {
        return Err(BadBody.into());
    }
    let code = body.get_u32();
    match code {
        CODE_SSL if body.is_empty() => Ok(Packet::Ssl),
        CODE_GSSENC if body.is_empty() => Ok(Packet::GssEnc),
        CODE_SSL | CODE_GSSENC => Err(BadBody.into()),
        CODE_CANCEL => {
            let mut fields = Fields::new(body);
            let pid = fields.i32()?;
            let key = fields.rest();
            if key.len() < 4 || key.len() > 256 {
                return Err(Refused::Malformed("a cancel key has 4 to 256 bytes"));
            }
            Ok(Packet::Cancel { pid, key })
        }
        _ if code >> 16 == PROTOCOL_MAJOR => startup(code & 0xffff, body),
        _ => Err(Refused::Version(code >> 16, code & 0xffff)),
    }
}

fn startup(minor: u32, body: Bytes) -> Result<Packet, Refused> {
    let mut fields = Fields::new(body);
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        let name = text(fields.string()?)?;
        if name.is_empty() {
            break;
        }
        let value = text(fields.string()?)?;
        if parameters.iter().any(|(known, _)| *known == name) {
            return Err(Refused::Malformed("a start-up parameter is given twice"));
        }
        parameters.push((name, value));
    }
    fields.end()?;
    Ok(Packet::Startup(Startup { minor, parameters }))
}

fn text(bytes: Bytes) -> Result<String, Refused> {
    String::from_utf8(bytes.into())
        .map_err(|_| Refused::Malformed("a start-up parameter is not UTF-8"))
}

impl Startup {
    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Minor version that the session speaks. 3.1 was never released.
    pub fn minor_spoken(&self) -> u32 {
        if self.minor >= MINOR_NEWEST { MINOR_NEWEST } else { 0 }
    }

    /// NegotiateProtocolVersion, when the client asked for more than we speak. It is sent once,
    /// before authentication.
    pub fn negotiation(&self) -> Option<Bytes> {
        let unknown: Vec<&str> = self
            .parameters
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.starts_with("_pq_."))
            .collect();
        if self.minor <= MINOR_NEWEST && unknown.is_empty() {
            return None;
        }
        let mut out = BytesMut::new();
        frame::put(&mut out, b'v', |out| {
            out.put_u32(self.minor_spoken());
            out.put_u32(u32::try_from(unknown.len()).unwrap_or(u32::MAX));
            for name in &unknown {
                frame::put_string(out, name.as_bytes());
            }
        });
        Some(out.freeze())
    }
}

/// The kind of replication session that a client asks for by `replication`, read as the server
/// reads it: `database` as it is, or any spelling of a boolean.
///
/// # Errors
/// The value is neither.
pub fn replication(startup: &Startup) -> Result<Option<Mode>, Refused> {
    match startup.parameter("replication") {
        None => Ok(None),
        Some("database") => Ok(Some(Mode::Logical)),
        Some(value) => match boolean(value) {
            Some(on) => Ok(on.then_some(Mode::Physical)),
            None => Err(Refused::Malformed(
                "`replication` is neither a boolean (true, false, on, off, 1, 0) nor `database`",
            )),
        },
    }
}

/// A boolean as PostgreSQL reads it (`parse_bool`): any beginning of a word that fits no other.
fn boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match text.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// The settings that a client asks for at start-up: plain parameters and those in `options`
/// (`-c name=value`, `-cname=value`, `--name=value`, with backslash escapes as libpq sends them).
///
/// Everything that is not `user`, `database`, `replication`, `options` or a `_pq_.` name.
pub fn settings(startup: &Startup) -> Result<Vec<(String, String)>, Refused> {
    let mut settings = Vec::new();
    // The server takes `options` first, wherever they stand.
    options(startup.parameter("options").unwrap_or_default(), &mut settings)?;
    for (name, value) in &startup.parameters {
        match name.as_str() {
            "user" | "database" | "replication" | "options" => {}
            name if name.starts_with("_pq_.") => {}
            _ => settings.push((name.clone(), value.clone())),
        }
    }
    Ok(settings)
}

fn options(value: &str, settings: &mut Vec<(String, String)>) -> Result<(), Refused> {
    const UNREADABLE: Refused =
        Refused::Malformed("`options` may hold only `-c name=value` and `--name=value`");
    const OWN: Refused =
        Refused::Malformed("`options` may not name user, database, replication or options");
    let mut words = words(value).into_iter();
    while let Some(word) = words.next() {
        let assignment = if word == "-c" {
            words.next().ok_or(UNREADABLE)?
        } else if let Some(rest) = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            rest.to_owned()
        } else {
            return Err(UNREADABLE);
        };
        let (name, value) = assignment.split_once('=').ok_or(UNREADABLE)?;
        // The server reads a dash in an option's name as an underscore.
        let name = name.replace('-', "_");
        if is_own(&name) {
            return Err(OWN);
        }
        settings.push((name, value.to_owned()));
    }
    Ok(())
}

/// Names of the start-up packet itself. As options they would be settings that the server does not
/// have, but sent on as parameters they would name another user, database or kind of session.
fn is_own(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let own = ["user", "database", "replication", "options"].contains(&name.as_str());
    own || name.starts_with("_pq_.")
}

fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut started = false;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                started = true;
                word.extend(characters.next());
            }
            c if c.is_ascii_whitespace() || c == '\x0b' => {
                if started {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            c => {
                started = true;
                word.push(c);
            }
        }
    }
    if started {
        words.push(word);
    }
    words
}

/// Encodes a StartupMessage for protocol 3.0, as the gateway sends it to a target.
///
/// `granted` are parameters as they stand in the message.
pub fn encode(parameters: &[(&str, &str)], granted: &[Bytes]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_u32(PROTOCOL_MAJOR << 16);
    for (name, value) in parameters {
        frame::put_string(&mut out, name.as_bytes());
        frame::put_string(&mut out, value.as_bytes());
    }
    granted.iter().for_each(|pair| out.put_slice(pair));
    out.put_u8(0);
    patch_length(&mut out);
    out.freeze()
}

/// Encodes an SSLRequest.
pub fn encode_ssl_request() -> Bytes {
    let mut out = BytesMut::new();
    out.put_i32(8);
    out.put_u32(CODE_SSL);
    out.freeze()
}

/// Encodes a CancelRequest.
pub fn encode_cancel(pid: i32, key: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_u32(CODE_CANCEL);
    out.put_i32(pid);
    out.put_slice(key);
    patch_length(&mut out);
    out.freeze()
}

fn patch_length(out: &mut BytesMut) {
    let length = i32::try_from(out.len()).unwrap_or(0);
    if let Some(place) = out.get_mut(..4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;

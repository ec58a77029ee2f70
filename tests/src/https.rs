//! Just enough of an HTTP/1.1 client to ask one question: one request, one answer, no reuse.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::wire;

/// Longest wait for the peer's next byte.
const READ_SECS_MAX: Duration = Duration::from_secs(30);
/// Longest answer accepted.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// The body, without any transfer coding.
    pub body: String,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// Such as `/token`.
    pub path: &'a str,
    /// Beyond `Host`, `Connection` and `Content-Length`.
    pub headers: &'a [(&'a str, &'a str)],
    /// Empty for none.
    pub body: &'a str,
}

/// Asks over plain HTTP.
pub fn ask(address: SocketAddr, question: Question<'_>) -> io::Result<Answer> {
    let mut stream = connect(address)?;
    exchange(&mut stream, &address.to_string(), question)
}

/// Asks over https, trusting only the authority `ca_pem`.
pub fn ask_tls(address: SocketAddr, ca_pem: &str, question: Question<'_>) -> io::Result<Answer> {
    let mut stream = wire::tls(connect(address)?, ca_pem)?;
    // The name that the harness's certificates are for.
    exchange(&mut stream, &format!("localhost:{}", address.port()), question)
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, READ_SECS_MAX)?;
    stream.set_read_timeout(Some(READ_SECS_MAX))?;
    Ok(stream)
}

fn exchange(
    stream: &mut (impl Read + Write),
    host: &str,
    question: Question<'_>,
) -> io::Result<Answer> {
    let mut request = format!("{} {} HTTP/1.1\r\n", question.method, question.path);
    request.push_str(&format!("Host: {host}\r\nConnection: close\r\n"));
    request.push_str(&format!("Content-Length: {}\r\n", question.body.len()));
    for (name, value) in question.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(question.body);
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut bytes = Vec::new();
    match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes) {
        // A peer that closes TCP without closing TLS first; the lengths below still hold.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        other => drop(other?),
    }
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> io::Result<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is cut short");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(short)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(short)?;
    let header = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_ascii_lowercase())
        })
    };
    let body = if header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        unchunk(body).ok_or_else(short)?
    } else {
        let length = header("content-length").and_then(|length| length.parse().ok());
        body.get(..length.unwrap_or(body.len())).ok_or_else(short)?.to_owned()
    };
    Ok(Answer { status, body })
}

/// Undoes the chunked transfer coding (RFC 9112 section 7.1).
fn unchunk(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, tail) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(tail.get(..size)?);
        rest = tail.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests;

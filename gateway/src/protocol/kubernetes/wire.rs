//! The bytes of a request that are judged, recorded and sent: an HTTP/1.1 head (RFC 9112 section 3)
//! with nothing in it but what was read, and the body.

use bytes::{Bytes, BytesMut};

/// A request taken out of its bytes again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names, lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Puts a request together. Values with a line end, which no header can have, are left out.
pub fn encode(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.extend_from_slice(format!("{method} {target} HTTP/1.1\r\n").as_bytes());
    for (name, value) in headers.iter().filter(|(_, value)| !value.contains(['\r', '\n'])) {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out.freeze()
}

/// Takes apart what [`encode`] put together; nothing for any other bytes.
pub fn decode(wire: &Bytes) -> Option<Sent> {
    let end = wire.windows(4).position(|at| at == b"\r\n\r\n")?;
    let head = std::str::from_utf8(wire.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target, version) = (first.next()?, first.next()?, first.next()?);
    if version != "HTTP/1.1" || first.next().is_some() {
        return None;
    }
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.into(), value.into()));
    let headers = lines.map(pair).collect::<Option<Vec<_>>>()?;
    let body = wire.slice(end + 4..);
    Some(Sent { method: method.to_owned(), target: target.to_owned(), headers, body })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Sent, decode, encode};

    #[test]
    fn what_is_put_together_comes_apart() {
        let headers = [("accept", "application/json"), ("user-agent", "a\r\nx-evil: b")];
        let wire = encode("POST", "/api/v1/pods?a=b", &headers, b"{}\r\n\r\n{}");
        let sent = Sent {
            method: "POST".into(),
            target: "/api/v1/pods?a=b".into(),
            headers: vec![("accept".into(), "application/json".into())],
            body: Bytes::from_static(b"{}\r\n\r\n{}"),
        };
        assert_eq!(decode(&wire), Some(sent));
        for other in ["", "GET / HTTP/1.1", "GET /a b HTTP/1.1\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
            assert_eq!(decode(&Bytes::from_static(other.as_bytes())), None, "{other}");
        }
    }
}

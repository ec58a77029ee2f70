//! What the path of a request names, read as the API server reads it
//! (`k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`, Kubernetes 1.20 to 1.36).

use super::malformed;
use crate::fault::Fault;
use crate::limits::{KUBERNETES_QUERY_PAIRS_MAX, KUBERNETES_SEGMENTS_MAX};

/// What a request is about, in the API server's own terms. Empty parts are not there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RequestInfo {
    /// `get`, `list`, `watch`, `create`, ... for a resource, else the method in lower case.
    pub verb: String,
    /// Whether the path names a resource; all below are empty if not.
    pub is_resource: bool,
    /// The API group; empty for the core group.
    pub group: String,
    /// The version of the group.
    pub version: String,
    /// The resource's plural name.
    pub resource: String,
    /// The part of an object that is meant.
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// What comes behind the subresource, for `proxy`.
    pub rest: String,
}

/// A path and a query, taken apart so that they can be put together again in one way only.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// The decoded parts of the path.
    segments: Vec<String>,
    /// The path ends with a slash.
    trailing: bool,
    /// The decoded query, in its order.
    pairs: Vec<(String, String)>,
}

/// Names that may stand in a query more than once: lists. Of any other the API server would take
/// the first and another reader the last.
const LISTS: [&str; 2] = ["command", "dryRun"];

impl Place {
    /// Takes a request target apart.
    ///
    /// # Errors
    /// It can be read in more than one way: a segment that is empty, `.` or `..`, that holds a
    /// slash, a backslash or a control character, that is not UTF-8, or a name twice in the query.
    pub fn parse(path: &str, query: Option<&str>) -> Result<Self, Fault> {
        let rest = path.strip_prefix('/').ok_or_else(|| malformed("the path is not absolute"))?;
        let trailing = rest.ends_with('/');
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if trailing && rest.is_empty() {
            return Err(malformed("a part of the path is empty"));
        }
        let mut segments = Vec::new();
        for raw in rest.split('/').filter(|_| !rest.is_empty()) {
            if segments.len() >= KUBERNETES_SEGMENTS_MAX {
                return Err(malformed("the path has too many parts"));
            }
            segments.push(segment(raw)?);
        }
        let pairs = pairs(query.unwrap_or_default())?;
        Ok(Self { segments, trailing, pairs })
    }

    /// The same without the first segment, and that segment.
    pub fn split_first(mut self) -> Option<(String, Self)> {
        if self.segments.is_empty() {
            return None;
        }
        let first = self.segments.remove(0);
        Some((first, self))
    }

    /// Path and query as they are sent: every byte that could mean something else is encoded.
    pub fn target(&self) -> String {
        let mut target = String::new();
        for segment in &self.segments {
            target.push('/');
            encode(segment, is_plain_in_path, &mut target);
        }
        if self.trailing || self.segments.is_empty() {
            target.push('/');
        }
        for (at, (name, value)) in self.pairs.iter().enumerate() {
            target.push(if at == 0 { '?' } else { '&' });
            encode(name, is_plain_in_query, &mut target);
            target.push('=');
            encode(value, is_plain_in_query, &mut target);
        }
        target
    }

    /// The first value of a name in the query.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a name in the query.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What the API server takes the request for.
    ///
    /// # Errors
    /// The method or the query has no single meaning.
    pub fn info(&self, method: &str) -> Result<RequestInfo, Fault> {
        let info = self.resource(method)?;
        if info.is_resource && info.subresource != "proxy" {
            self.check_query()?;
        }
        Ok(info)
    }

    fn resource(&self, method: &str) -> Result<RequestInfo, Fault> {
        let mut info = RequestInfo { verb: method.to_ascii_lowercase(), ..RequestInfo::default() };
        let mut parts = self.segments.as_slice();
        if parts.len() < 3 {
            return Ok(info);
        }
        match parts.split_first() {
            Some((prefix, rest)) if prefix == "api" => parts = rest,
            Some((prefix, rest)) if prefix == "apis" && rest.len() >= 3 => {
                if let Some((group, rest)) = rest.split_first() {
                    info.group.clone_from(group);
                    parts = rest;
                }
            }
            _ => return Ok(info),
        }
        info.is_resource = true;
        let Some((version, mut parts)) = parts.split_first() else { return Ok(info) };
        info.version.clone_from(version);
        info.verb = verb(method)?.to_owned();
        // Two old forms name the verb in the path.
        if let Some((special, rest)) = parts.split_first()
            && (special == "watch" || special == "proxy")
        {
            if rest.is_empty() {
                return Err(malformed("the path names a verb and no resource"));
            }
            info.verb.clone_from(special);
            parts = rest;
        }
        if let [first, namespace, rest @ ..] = parts
            && first == "namespaces"
        {
            info.namespace.clone_from(namespace);
            let own = rest.first().is_none_or(|sub| sub == "status" || sub == "finalize");
            if !own {
                parts = rest;
            }
        }
        let mut parts = parts.iter();
        info.resource = parts.next().cloned().unwrap_or_default();
        info.name = parts.next().cloned().unwrap_or_default();
        if info.verb != "proxy" {
            info.subresource = parts.next().cloned().unwrap_or_default();
        }
        info.rest = parts.map(String::as_str).collect::<Vec<_>>().join("/");
        self.several(&mut info)?;
        Ok(info)
    }

    /// What has no name in its path is for many objects, unless a selector names the one.
    fn several(&self, info: &mut RequestInfo) -> Result<(), Fault> {
        if info.name.is_empty() && info.verb == "get" {
            info.verb = if self.watches()? { "watch" } else { "list" }.to_owned();
        }
        if info.name.is_empty() && info.verb == "delete" {
            info.verb = "deletecollection".to_owned();
        }
        if info.name.is_empty() && matches!(info.verb.as_str(), "list" | "watch") {
            let named = self.value("fieldSelector").and_then(named_by);
            info.name = named.unwrap_or_default().to_owned();
        }
        Ok(())
    }

    fn watches(&self) -> Result<bool, Fault> {
        match self.value("watch") {
            None | Some("false") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(malformed("`watch` is neither true nor false")),
        }
    }

    fn check_query(&self) -> Result<(), Fault> {
        for (at, (name, _)) in self.pairs.iter().enumerate() {
            let before = self.pairs.get(..at).unwrap_or_default();
            if !LISTS.contains(&name.as_str()) && before.iter().any(|(known, _)| known == name) {
                let what = format!("`{}` stands in the query more than once", name.escape_debug());
                return Err(malformed(&what));
            }
        }
        Ok(())
    }
}

fn verb(method: &str) -> Result<&'static str, Fault> {
    match method {
        "POST" => Ok("create"),
        "GET" | "HEAD" => Ok("get"),
        "PUT" => Ok("update"),
        "PATCH" => Ok("patch"),
        "DELETE" => Ok("delete"),
        _ => Err(malformed("the API server has no such method")),
    }
}

/// The name that a field selector asks for, if that is all it asks for.
fn named_by(selector: &str) -> Option<&str> {
    let value = selector.strip_prefix("metadata.name=")?;
    let value = value.strip_prefix('=').unwrap_or(value);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    (!value.is_empty() && value.bytes().all(plain)).then_some(value)
}

fn segment(raw: &str) -> Result<String, Fault> {
    let segment = decode(raw, false)?;
    let strange = |letter: char| letter == '/' || letter == '\\' || letter.is_control();
    if segment.is_empty() || segment == "." || segment == ".." || segment.contains(strange) {
        return Err(malformed("a part of the path is empty, points elsewhere or hides a slash"));
    }
    Ok(segment)
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut pairs = Vec::new();
    for raw in query.split('&').filter(|raw| !raw.is_empty()) {
        // Go refuses such a pair and goes on without it; others split there.
        if raw.contains(';') {
            return Err(malformed("the query holds a semicolon; encode it as %3B"));
        }
        if pairs.len() >= KUBERNETES_QUERY_PAIRS_MAX {
            return Err(malformed("the query is too long"));
        }
        let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
        pairs.push((decode(name, true)?, decode(value, true)?));
    }
    Ok(pairs)
}

/// Percent-decoding (RFC 3986 section 2.1); in a query `+` is a space.
fn decode(raw: &str, query: bool) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let value =
                    high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                value.ok_or_else(|| malformed("a percent sign without two hexadecimal digits"))?
            }
            b'+' if query => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| malformed("the path or query is not UTF-8"))
}

fn is_plain_in_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:@$!*(),=".contains(&byte)
}

fn is_plain_in_query(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~/:,".contains(&byte)
}

fn encode(text: &str, plain: impl Fn(u8) -> bool, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(DIGITS.get(usize::from(nibble)).map_or('0', |&digit| char::from(digit)));
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! `application/x-www-form-urlencoded` (WHATWG URL section 5.1), as OAuth endpoints take it.

use std::collections::HashMap;

/// Reads a form. `None` when a name is repeated (RFC 6749 section 3.2) or an escape is broken.
pub(super) fn parse(body: &str) -> Option<HashMap<String, String>> {
    let mut fields = HashMap::new();
    for pair in body.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if fields.insert(decode(name)?, decode(value)?).is_some() {
            return None;
        }
    }
    Some(fields)
}

/// Undoes `+` and percent encoding.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(high)? * 16 + digit(low)?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

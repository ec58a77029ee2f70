//! E-mail addresses, passwords in URLs and network addresses.

use crate::digits::byte_before;

/// The address around the `@` at `at`.
pub(crate) fn email(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let local = |byte: &u8| {
        byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(byte) || *byte > 127
    };
    let domain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte) || *byte > 127;
    let (before, after) = (text.get(..at)?, text.get(at + 1..)?);
    let head = before.iter().rev().take_while(|byte| local(byte)).count();
    let name = before.get(at - head..)?;
    // Quotes, assignments and the like in front are not meant.
    let skipped = name.iter().rposition(|byte| b"'=/`{|}?&*".contains(byte)).map_or(0, |at| at + 1);
    let name = name.get(skipped..)?;
    let dots = name.iter().take_while(|byte| **byte == b'.').count();
    let tail = after.iter().take_while(|byte| domain(byte)).count();
    let host = after.get(..tail)?;
    let trailing = host.iter().rev().take_while(|byte| b".-".contains(byte)).count();
    let host = host.get(..tail - trailing)?;
    let top = host.iter().rposition(|byte| *byte == b'.').and_then(|dot| host.get(dot + 1..))?;
    let named = top.len() > 1 && top.iter().all(|byte| byte.is_ascii_alphabetic() || *byte > 127)
        || top.starts_with(b"xn--");
    let right = name.len() > dots && named && !host.starts_with(b".");
    right.then_some((at - name.len() + dots, at + 1 + host.len()))
}

/// The password before the `@` at `at`: `scheme://user:password@host`.
pub(crate) fn url_password(text: &[u8], at: usize) -> Option<(usize, usize)> {
    const PASSWORD_BYTES_MAX: usize = 256;
    let before = text.get(at.saturating_sub(PASSWORD_BYTES_MAX)..at)?;
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"/@\"'<>".contains(byte);
    let length = before.iter().rev().take_while(|byte| plain(byte)).count();
    let user = text.get(at - length..at)?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    let scheme = text.get(..at - length)?.strip_suffix(b"://")?;
    let right = byte_before(scheme, scheme.len()).is_ascii_alphanumeric() && colon + 1 < length;
    right.then_some((at - length + colon + 1, at))
}

/// Four numbers up to 255 with dots, beginning at the digit at `at`.
pub(crate) fn ipv4(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut place = at;
    for part in 0..4 {
        let rest = text.get(place..)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = std::str::from_utf8(rest.get(..length)?).ok()?;
        digits.parse::<u8>().ok()?;
        place += length;
        if part < 3 {
            if text.get(place) != Some(&b'.') {
                return None;
            }
            place += 1;
        }
    }
    let before = byte_before(text, at);
    let more = match text.get(place..) {
        Some([b'.', next, ..]) => next.is_ascii_digit(),
        Some([next, ..]) => next.is_ascii_alphanumeric(),
        _ => false,
    };
    (!more && !before.is_ascii_alphanumeric() && !b".-_".contains(&before)).then_some((at, place))
}

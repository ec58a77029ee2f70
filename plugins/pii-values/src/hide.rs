//! Writing a text with what was found in it hidden.

use crate::scan::Found;
use crate::settings::How;

/// The text with every find replaced as `how` says; nothing when the whole value goes.
pub(crate) fn hide<'a>(
    text: &str,
    found: &[Found],
    how: impl Fn(&Found) -> &'a How,
) -> Option<String> {
    let (mut out, mut shown) = (String::with_capacity(text.len() + 16), 0);
    for find in found {
        let (Some(before), Some(value)) =
            (text.get(shown..find.from), text.get(find.from..find.to))
        else {
            // A find that cuts a character in two: show nothing of the value.
            return None;
        };
        out.push_str(before);
        let bare = is_bare_json(text, find);
        let quote = if bare { "\"" } else { "" };
        out.push_str(quote);
        match how(find) {
            How::Null => return None,
            How::Label => out.extend(["[", find.kind.name(), "]"]),
            How::Fixed(text) => out.push_str(text),
            How::Stars => starred(value, 0, &mut out),
            How::KeepLast(kept) => starred(value, usize::from(*kept), &mut out),
        }
        out.push_str(quote);
        shown = find.to;
    }
    out.push_str(text.get(shown..)?);
    Some(out)
}

/// Stars for letters and digits but the last `kept`; what separates them stays, so that one sees
/// the form. A value with no more than twice as many is hidden whole.
fn starred(value: &str, kept: usize, out: &mut String) {
    let count = value.chars().filter(|letter| letter.is_alphanumeric()).count();
    let shown_from = if count <= kept * 2 { count } else { count - kept };
    let mut seen = 0;
    for letter in value.chars() {
        if !letter.is_alphanumeric() {
            out.push(letter);
            continue;
        }
        out.push(if seen >= shown_from { letter } else { '*' });
        seen += 1;
    }
}

/// A number of a JSON text, outside its strings: what replaces it has to be a string.
fn is_bare_json(text: &str, find: &Found) -> bool {
    let plain = |byte: &&u8| !byte.is_ascii_whitespace();
    let bytes = text.as_bytes();
    let first = bytes.iter().find(plain);
    let before = bytes.get(..find.from).and_then(|head| head.iter().rev().find(plain));
    let after = bytes.get(find.to..).and_then(|tail| tail.iter().find(plain));
    matches!(first, Some(b'{' | b'['))
        && matches!(before, Some(b':' | b',' | b'['))
        && matches!(after, Some(b',' | b'}' | b']'))
        && bytes.get(find.from..find.to).is_some_and(|all| all.iter().all(u8::is_ascii_digit))
}

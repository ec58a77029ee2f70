//! Phone numbers: international, North American, national ones, and any that a word announces.

use crate::digits::{Gap, Window, byte_before};

const WORDS: [&str; 17] = [
    "phone",
    "tel",
    "telephone",
    "mobile",
    "cell",
    "fax",
    "call",
    "sms",
    "text",
    "whatsapp",
    "contact",
    "dial",
    "messages",
    "answering",
    "reach",
    "desk",
    "handy",
];

/// Whether the window is a phone number.
pub(crate) fn is_phone(window: &Window<'_>) -> bool {
    let count = window.digits.len();
    if !window.is_bounded() || !(7..=16).contains(&count) || window.groups.len() > 7 {
        return false;
    }
    let international = before_bracket(window) == b'+' && window.digits.first() != Some(&0);
    if international {
        return (8..=15).contains(&count);
    }
    // Dots between all groups: 415.555.2671; but 1.2.3 is a version and 192.0.2.1 an address.
    let dotted = window.gap() == Some(Gap::Dot);
    if dotted && window.groups.iter().any(|group| group.len() < 2) {
        return false;
    }
    let exit = window.digits.starts_with(&[0, 0]) && window.digits.get(2) > Some(&0);
    if exit && count >= 11 && window.groups.len() > 1 {
        return window.is_alone();
    }
    window.is_alone() && (is_american(window) || is_national(window) || is_announced(window))
}

/// Where it begins, with the plus sign or the bracket before it.
pub(crate) fn begins(window: &Window<'_>) -> usize {
    let mut from = window.from;
    if byte_before(window.text, from) == b'(' {
        from -= 1;
    }
    if byte_before(window.text, from) == b'+' {
        from -= 1;
    }
    from
}

/// Where it ends, with an extension: `x123`, `ext. 123`.
pub(crate) fn ends(text: &[u8], to: usize) -> usize {
    let rest = text.get(to..).unwrap_or_default();
    let rest = rest.get(..rest.len().min(12)).unwrap_or_default().to_ascii_lowercase();
    let blank = usize::from(rest.first() == Some(&b' '));
    let after = rest.get(blank..).unwrap_or_default();
    for mark in ["extension ", "ext. ", "ext.", "ext ", "ext", "x"] {
        let Some(number) = after.strip_prefix(mark.as_bytes()) else { continue };
        let digits = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if (1..=6).contains(&digits) {
            return to + blank + mark.len() + digits;
        }
    }
    to
}

fn before_bracket(window: &Window<'_>) -> u8 {
    match window.before() {
        b'(' => byte_before(window.text, window.from - 1),
        byte => byte,
    }
}

/// (415) 555-2671, 415-555-2671, 1 415 555 2671: area and exchange begin with 2 to 9.
fn is_american(window: &Window<'_>) -> bool {
    let shaped = match window.digits.len() {
        10 => window.is_shaped(&[3, 3, 4]) || window.is_shaped(&[3, 7]),
        11 => window.digits.first() == Some(&1) && window.is_shaped(&[1, 3, 3, 4]),
        _ => return false,
    };
    let local = window.digits.get(window.digits.len() - 10..).unwrap_or_default();
    shaped && local.first() > Some(&1) && local.get(3) > Some(&1)
}

/// A national number with its trunk prefix, 020 7946 0958, or with its area in brackets.
fn is_national(window: &Window<'_>) -> bool {
    let count = window.digits.len();
    let bracket = window.before() == b'(' && window.gaps().next() == Some(Gap::Bracket);
    let trunk = window.digits.first() == Some(&0) && window.digits.get(1) > Some(&0);
    let first = window.groups.first().map_or(0, |group| group.len());
    let split = window.groups.len() >= 2
        && (2..=6).contains(&first)
        && window.groups.iter().skip(1).all(|group| group.len() >= 2);
    split && ((bracket && (8..=12).contains(&count)) || (trunk && (10..=12).contains(&count)))
}

/// Any digits after a word that says what they are.
fn is_announced(window: &Window<'_>) -> bool {
    window.groups.iter().skip(1).all(|group| group.len() >= 2)
        && (window.is_about(&WORDS) || is_followed(window))
}

/// A word right behind it says what it is: `70 12 34 56 mobile`, `555-2671-Office`.
fn is_followed(window: &Window<'_>) -> bool {
    let rest = window.text.get(window.to..).unwrap_or_default();
    let rest = rest.get(..rest.len().min(8)).unwrap_or_default().to_ascii_lowercase();
    let word = rest.strip_prefix(b" ").or(rest.strip_prefix(b"-")).unwrap_or_default();
    ["office", "mobile", "fax", "cell", "home"].iter().any(|it| word.starts_with(it.as_bytes()))
}

//! Finding card numbers and e-mail addresses inside longer text.

use serde::Deserialize;

const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// What is looked for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Find {
    /// A payment card number: 13 to 19 digits, alone or in groups, with a right check digit
    /// (ISO/IEC 7812-1, Luhn).
    Card,
    /// An e-mail address.
    Email,
}

/// The text with everything found replaced by stars; nothing when there is nothing to hide.
pub(crate) fn hide(text: &str, find: &[Find]) -> Option<String> {
    let mut hidden = vec![false; text.len()];
    if find.contains(&Find::Card) {
        cards(text.as_bytes(), &mut hidden);
    }
    if find.contains(&Find::Email) {
        emails(text.as_bytes(), &mut hidden);
    }
    if !hidden.contains(&true) {
        return None;
    }
    let star = |(at, letter)| if hidden.get(at) == Some(&true) { '*' } else { letter };
    Some(text.char_indices().map(star).collect())
}

/// Every run of digits, with single blanks or hyphens between groups, that holds a card number.
fn cards(text: &[u8], hidden: &mut [bool]) {
    let mut digits: Vec<(usize, u8)> = Vec::new();
    let mut gap = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                digits.push((at, byte - b'0'));
                gap = false;
            }
            b' ' | b'-' if !digits.is_empty() && !gap => gap = true,
            _ => {
                run(&digits, hidden);
                digits.clear();
                gap = false;
            }
        }
    }
    run(&digits, hidden);
}

/// Hides the longest card number at each place of a run.
fn run(digits: &[(usize, u8)], hidden: &mut [bool]) {
    let mut from = 0;
    while from + CARD_DIGITS.start() <= digits.len() {
        let longest =
            CARD_DIGITS.rev().find(|length| digits.get(from..from + length).is_some_and(is_card));
        let found = longest.and_then(|length| digits.get(from..from + length));
        for (at, _) in found.unwrap_or_default() {
            if let Some(slot) = hidden.get_mut(*at) {
                *slot = true;
            }
        }
        from += longest.unwrap_or(1);
    }
}

fn is_card(digits: &[(usize, u8)]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, (_, digit))| match (at % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    // A run of zeros has a right check digit and is no card.
    sum.is_multiple_of(10) && sum > 0
}

fn emails(text: &[u8], hidden: &mut [bool]) {
    let local = |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-'".contains(byte) || *byte > 127;
    let domain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte) || *byte > 127;
    for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'@') {
        let (before, after) = text.split_at(at);
        let head = before.iter().rev().take_while(|byte| local(byte)).count();
        let after = after.get(1..).unwrap_or_default();
        let tail = after.iter().take_while(|byte| domain(byte)).count();
        let dotted = after.get(..tail).is_some_and(|name| name.contains(&b'.'));
        if head > 0 && dotted {
            let range = at - head..at + 1 + tail;
            hidden.get_mut(range).unwrap_or_default().fill(true);
        }
    }
}

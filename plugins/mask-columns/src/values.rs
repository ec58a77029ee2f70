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

impl Find {
    /// What is found in every text in which [`hide`] finds something of this kind.
    pub(crate) fn pattern(self) -> &'static str {
        match self {
            Self::Card => "[0-9](?:[ -]?[0-9]){12}",
            Self::Email => r"(?:[0-9A-Za-z._%+'-]|[^\x00-\x7F])@(?:[0-9A-Za-z.-]|[^\x00-\x7F])*\.",
        }
    }
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

/// Hides the longest card number at every place of a run. One inside a longer number counts too,
/// and one that overlaps another: hiding too much of an order number beats showing a card behind
/// a leading digit.
fn run(digits: &[(usize, u8)], hidden: &mut [bool]) {
    if digits.len() < *CARD_DIGITS.start() {
        return;
    }
    let sums = Sums::new(digits);
    for from in 0..=digits.len() - CARD_DIGITS.start() {
        let longest = CARD_DIGITS.rev().find(|length| sums.is_card(from, from + length));
        let found = longest.and_then(|length| digits.get(from..from + length));
        for (at, _) in found.unwrap_or_default() {
            if let Some(slot) = hidden.get_mut(*at) {
                *slot = true;
            }
        }
    }
}

/// Luhn sums of every start of a run, once with the even places doubled and once with the odd:
/// so each window costs a subtraction, and a cell of nothing but digits stays cheap.
struct Sums([Vec<u32>; 2]);

impl Sums {
    fn new(digits: &[(usize, u8)]) -> Self {
        let sums = |doubled: usize| {
            let mut sum = 0;
            let mut sums = vec![0];
            for (at, (_, digit)) in digits.iter().enumerate() {
                let digit = u32::from(*digit);
                sum += match (at % 2 == doubled, digit > 4) {
                    (false, _) => digit,
                    (true, false) => digit * 2,
                    (true, true) => digit * 2 - 9,
                };
                sums.push(sum);
            }
            sums
        };
        Self([sums(0), sums(1)])
    }

    fn is_card(&self, from: usize, to: usize) -> bool {
        // The last digit is not doubled, the one before it is.
        let sums = &self.0[to % 2];
        match (sums.get(from), sums.get(to)) {
            // A run of zeros has a right check digit and is no card.
            (Some(from), Some(to)) => to > from && (to - from).is_multiple_of(10),
            _ => false,
        }
    }
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

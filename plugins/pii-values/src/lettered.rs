//! What has letters and digits: IBANs and the national ids with letters. All are met at their
//! first digit, which begins a cluster of digits.

use crate::check::mod_97;
use crate::digits::{byte_before, is_word_before, number};
use crate::kind::{Kind, Kinds};

/// The kinds that are looked for here.
pub(crate) const LETTERED: [Kind; 6] =
    [Kind::Iban, Kind::EsDni, Kind::UkNino, Kind::InPan, Kind::ItCodiceFiscale, Kind::SgNric];

/// Lengths of IBANs by country, from the SWIFT registry.
// tidy: table
const COUNTRIES: [(&[u8; 2], usize); 88] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

/// Finds the place of a value by a digit of it.
type Rule = fn(&[u8], usize) -> Option<(usize, usize)>;

/// What stands around the digit at `at`, which has none before it: its kind and its place.
pub(crate) fn find(text: &[u8], at: usize, wanted: Kinds) -> Option<(Kind, usize, usize)> {
    let is = |kind: Kind, rule: Rule| {
        if !wanted.has(kind) {
            return None;
        }
        rule(text, at).map(|(from, to)| (kind, from, to))
    };
    let before = byte_before(text, at);
    if !before.is_ascii_alphabetic() || !is_word_before(text, at) {
        let nino = if before == b' ' { is(Kind::UkNino, uk_nino) } else { None };
        return nino.or_else(|| is(Kind::EsDni, es_dni));
    }
    is(Kind::Iban, iban)
        .or_else(|| is(Kind::ItCodiceFiscale, it_codice_fiscale))
        .or_else(|| is(Kind::UkNino, uk_nino))
        .or_else(|| is(Kind::InPan, in_pan))
        .or_else(|| is(Kind::EsDni, es_nie))
        .or_else(|| is(Kind::SgNric, sg_nric))
}

/// `from..to` is no part of a longer word.
fn bounded(text: &[u8], from: usize, to: usize) -> bool {
    let after = text.get(to).is_some_and(u8::is_ascii_alphanumeric);
    !is_word_before(text, from) && !after
}

/// Country, check digits, and so many more letters and digits, alone or in groups.
fn iban(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let from = at.checked_sub(2)?;
    let country: [u8; 2] = text.get(from..at)?.to_ascii_uppercase().try_into().ok()?;
    let length = COUNTRIES.iter().find(|(name, _)| **name == country)?.1;
    let mut all = Vec::with_capacity(length);
    let mut place = from;
    while all.len() < length {
        let byte = *text.get(place)?;
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => all.push(byte.to_ascii_uppercase()),
            // One between two groups, and none behind the first letter.
            b' ' | b'-' if all.len() > 3 && byte_before(text, place).is_ascii_alphanumeric() => {}
            // The unbreakable blank.
            0xc2 | 0xa0 if all.len() > 3 => {}
            _ => return None,
        }
        place += 1;
    }
    (bounded(text, from, place) && mod_97(&all)).then_some((from, place))
}

/// Eight digits and a letter, which is the number by 23.
fn es_dni(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let digits = text.get(at..at + 8)?;
    spanish(text, at, at + 8, digits.iter().try_fold(0, |sum, byte| decimal(sum, *byte))?)
}

/// X, Y or Z, which stand for 0 to 2, seven digits and a letter.
fn es_nie(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = u64::from(byte_before(text, at).to_ascii_uppercase().checked_sub(b'X')?);
    let digits = text.get(at..at + 7)?;
    if first > 2 {
        return None;
    }
    let sum = digits.iter().try_fold(first, |sum, byte| decimal(sum, *byte))?;
    spanish(text, at - 1, at + 7, sum)
}

fn spanish(text: &[u8], from: usize, to: usize, sum: u64) -> Option<(usize, usize)> {
    let to = if text.get(to) == Some(&b'-') { to + 1 } else { to };
    let letter = text.get(to)?;
    let right = b"TRWAGMYFPDXBNJZSQVHLCKE".get(usize::try_from(sum % 23).ok()?)?;
    (right.eq_ignore_ascii_case(letter) && bounded(text, from, to + 1)).then_some((from, to + 1))
}

fn decimal(sum: u64, byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0'))
}

/// Two letters, six digits alone or in pairs, and a letter from A to D.
fn uk_nino(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let blank = usize::from(byte_before(text, at) == b' ');
    let from = at.checked_sub(2 + blank)?;
    let [first, second] = *text.get(from..from + 2)? else { return None };
    let letters = first.is_ascii_uppercase()
        && second.is_ascii_uppercase()
        && !b"DFIQUV".contains(&first)
        && !b"DFIQUVO".contains(&second)
        && ![b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].contains(&&[first, second]);
    let (mut digits, mut place) = (0, at);
    while letters && digits < 6 {
        match text.get(place)? {
            b'0'..=b'9' => digits += 1,
            b' ' if digits > 0 && digits % 2 == 0 && byte_before(text, place) != b' ' => {}
            _ => return None,
        }
        place += 1;
    }
    let place = if text.get(place) == Some(&b' ') { place + 1 } else { place };
    let right = letters && matches!(text.get(place), Some(b'A'..=b'D'));
    (right && bounded(text, from, place + 1)).then_some((from, place + 1))
}

/// Five letters, of which the fourth says who holds it, four digits and a letter.
fn in_pan(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let from = at.checked_sub(5)?;
    let all = text.get(from..at + 5)?;
    let (letters, rest) = all.split_at(5);
    let (digits, last) = rest.split_at(4);
    let right = letters.iter().chain(last).all(u8::is_ascii_uppercase)
        && digits.iter().all(u8::is_ascii_digit)
        && letters.get(3).is_some_and(|holder| b"ABCFGHJLPT".contains(holder));
    (right && bounded(text, from, at + 5)).then_some((from, at + 5))
}

/// Six letters, a year, a letter for the month, a day, a place, and a check letter. Where a
/// number would be taken twice, digits are replaced by letters.
fn it_codice_fiscale(text: &[u8], at: usize) -> Option<(usize, usize)> {
    const ODD: [u8; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let from = at.checked_sub(6)?;
    let all: [u8; 16] = text.get(from..from + 16)?.to_ascii_uppercase().try_into().ok()?;
    let digit = |byte: u8| byte.is_ascii_digit() || b"LMNPQRSTUV".contains(&byte);
    let shape = all.iter().enumerate().all(|(place, byte)| match place {
        6 | 7 | 9 | 10 | 12 | 13 | 14 => digit(*byte),
        8 => b"ABCDEHLMPRST".contains(byte),
        _ => byte.is_ascii_uppercase(),
    });
    let value =
        |byte: u8| if byte.is_ascii_digit() { byte - b'0' } else { byte.saturating_sub(b'A') };
    let sum: u32 = all
        .iter()
        .take(15)
        .enumerate()
        .map(|(place, byte)| match place % 2 {
            0 => ODD.get(usize::from(value(*byte))).copied().unwrap_or(0),
            _ => value(*byte),
        })
        .map(u32::from)
        .sum();
    let right = all.last().is_some_and(|last| u32::from(value(*last)) == sum % 26);
    (shape && right && bounded(text, from, from + 16)).then_some((from, from + 16))
}

/// A letter, seven digits and a check letter that depends on the first.
fn sg_nric(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let from = at.checked_sub(1)?;
    let first = text.get(from)?;
    let digits = text.get(at..at + 7)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let values: Vec<u8> = digits.iter().map(|byte| byte - b'0').collect();
    let sum = crate::check::weighted(&values, &[2, 7, 6, 5, 4, 3, 2]);
    let (plus, letters): (u32, &[u8; 11]) = match first {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        _ => return None,
    };
    let right = letters.get(usize::try_from((sum + plus) % 11).ok()?)?;
    let given = number(&values) > 0;
    (given && text.get(at + 7) == Some(right) && bounded(text, from, at + 8))
        .then_some((from, at + 8))
}

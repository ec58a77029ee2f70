//! What is known by its digits alone: payment cards, national ids and phone numbers.

use crate::check::{is_date, luhn, mod_11_10, number_97, verhoeff, weighted};
use crate::digits::{Gap, Group, Window, byte_before, number};
use crate::kind::{Kind, Kinds};

/// The kinds that are looked for here, but for phone numbers.
pub(crate) const NUMBERED: [Kind; 14] = [
    Kind::Card,
    Kind::UsSsn,
    Kind::CaSin,
    Kind::NlBsn,
    Kind::UkNhs,
    Kind::PlPesel,
    Kind::InAadhaar,
    Kind::SePersonnummer,
    Kind::KrRrn,
    Kind::BeNational,
    Kind::DeSteuerId,
    Kind::BrCpf,
    Kind::FrNir,
    Kind::CnResidentId,
];

/// Card numbers: beginnings from and to, and lengths. The published ranges of the issuers.
// tidy: table
const ISSUERS: [(&str, &str, &[usize]); 21] = [
    ("4", "4", &[13, 16, 19]),               // Visa
    ("51", "55", &[16]),                     // Mastercard
    ("2221", "2720", &[16]),                 // Mastercard
    ("34", "34", &[15]),                     // American Express
    ("37", "37", &[15]),                     // American Express
    ("6011", "6011", &[16, 17, 18, 19]),     // Discover
    ("644", "659", &[16, 17, 18, 19]),       // Discover, RuPay
    ("300", "305", &[14, 16]),               // Diners Club
    ("3095", "3095", &[14, 16]),             // Diners Club
    ("36", "36", &[14, 15, 16, 17, 18, 19]), // Diners Club
    ("38", "39", &[14, 16]),                 // Diners Club
    ("35", "35", &[16, 17, 18, 19]),         // JCB
    ("1800", "1800", &[15]),                 // JCB
    ("2131", "2131", &[15]),                 // JCB
    ("62", "62", &[16, 17, 18, 19]),         // UnionPay
    ("81", "82", &[16, 17, 18, 19]),         // UnionPay, RuPay
    ("50", "50", &[16, 18, 19]),             // Maestro, RuPay, Verve
    ("56", "58", &[16, 18, 19]),             // Maestro
    ("60", "63", &[16, 18, 19]),             // Maestro, Hipercard
    ("67", "67", &[16, 18, 19]),             // Maestro
    ("2200", "2205", &[16, 17, 18, 19]),     // Mir
];

/// The strongest of the wanted kinds that the window is one of.
pub(crate) fn kind(window: &Window<'_>, wanted: Kinds) -> Option<Kind> {
    let is = |kind: Kind, rule: fn(&Window<'_>) -> bool| {
        (wanted.has(kind) && rule(window)).then_some(kind)
    };
    match window.digits.len() {
        9 => is(Kind::UsSsn, us_ssn).or(is(Kind::CaSin, ca_sin)).or(is(Kind::NlBsn, nl_bsn)),
        10 => is(Kind::SePersonnummer, se_personnummer).or(is(Kind::UkNhs, uk_nhs)),
        11 => is(Kind::BrCpf, br_cpf)
            .or(is(Kind::DeSteuerId, de_steuer_id))
            .or(is(Kind::PlPesel, pl_pesel))
            .or(is(Kind::BeNational, be_national)),
        12 => is(Kind::InAadhaar, in_aadhaar)
            .or(is(Kind::Card, card))
            .or(is(Kind::SePersonnummer, se_personnummer)),
        13 => is(Kind::Card, card).or(is(Kind::KrRrn, kr_rrn)),
        15 => is(Kind::FrNir, fr_nir).or(is(Kind::Card, card)),
        17 => is(Kind::CnResidentId, cn_resident_id).or(is(Kind::Card, card)),
        18 => is(Kind::CnResidentId, cn_resident_id).or(is(Kind::Card, card)),
        14 | 16 | 19 => is(Kind::Card, card),
        _ => None,
    }
}

/// Luhn, an issuer's range and length, and no groups or those that cards are printed in. After a
/// word that says so, any length that cards have.
fn card(window: &Window<'_>) -> bool {
    let digits = window.digits;
    let begins = |from: &str, to: &str| {
        let head = digits.get(..from.len()).map(number);
        let bound = |text: &str| text.parse().unwrap_or(0);
        head.is_some_and(|head| (bound(from)..=bound(to)).contains(&head))
    };
    let said = || window.is_about(&["card", "maestro"]);
    let first = window.groups.first().map_or(0, Group::len);
    (window.groups.len() == 1 || first == 4)
        && window.groups.iter().all(|group| group.len() >= 3 || window.groups.len() > 4)
        && window.is_bounded()
        && window.gaps().all(|gap| matches!(gap, Gap::Space | Gap::Dash | Gap::Dot))
        // The digits of a fraction.
        && byte_before(window.text, window.from) != b'.'
        && luhn(digits)
        && ISSUERS.iter().any(|(from, to, lengths)| {
            begins(from, to) && (lengths.contains(&digits.len()) || said())
        })
}

/// 3-2-4, or nine digits after a word that says so; without the numbers never given.
fn us_ssn(window: &Window<'_>) -> bool {
    let (area, group, serial) = (
        window.digits.get(..3).map_or(0, number),
        window.digits.get(3..5).map_or(0, number),
        window.digits.get(5..).map_or(0, number),
    );
    let given = area > 0 && area != 666 && area < 900 && group > 0 && serial > 0;
    let split = window.is_shaped(&[3, 2, 4])
        && matches!(window.gap(), Some(Gap::Dash | Gap::Space | Gap::Dot));
    let said = || window.groups.len() == 1 && window.is_about(&["ssn", "social security"]);
    given && window.is_alone() && (split || said())
}

fn ca_sin(window: &Window<'_>) -> bool {
    let split = window.is_shaped(&[3, 3, 3]);
    let dashed = split && window.gap() == Some(Gap::Dash);
    let about = || window.is_about(&["sin", "social insurance", "nas"]);
    window.is_alone()
        && luhn(window.digits)
        && !matches!(window.digits.first(), Some(0 | 8))
        && (dashed || ((split || window.groups.len() == 1) && about()))
}

fn nl_bsn(window: &Window<'_>) -> bool {
    let (Some((last, head)), true) = (window.digits.split_last(), window.is_alone()) else {
        return false;
    };
    let sum = weighted(head, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum % 11 == u32::from(*last)
        && sum > 0
        && window.is_about(&["bsn", "burgerservice", "sofinummer"])
}

fn uk_nhs(window: &Window<'_>) -> bool {
    let Some((last, head)) = window.digits.split_last() else { return false };
    let check = 11 - weighted(head, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    check % 11 == u32::from(*last) && window.is_alone() && window.is_about(&["nhs"])
}

/// YYMMDD-NNNC or YYYYMMDD-NNNC; without the dash after a word that says so.
fn se_personnummer(window: &Window<'_>) -> bool {
    let digits = match window.digits {
        [1, 9, rest @ ..] | [2, 0, rest @ ..] if rest.len() == 10 => rest,
        all if all.len() == 10 => all,
        _ => return false,
    };
    let dashed =
        window.gap() == Some(Gap::Dash) && (window.is_shaped(&[6, 4]) || window.is_shaped(&[8, 4]));
    let said = || window.groups.len() == 1 && window.is_about(&["personnummer", "personnr"]);
    luhn(digits) && is_date(digits) && window.is_alone() && (dashed || said())
}

fn pl_pesel(window: &Window<'_>) -> bool {
    let sum = weighted(window.digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    window.groups.len() == 1
        && sum.is_multiple_of(10)
        && window.is_alone()
        && window.is_about(&["pesel"])
}

/// YYMMDDNNNCC, where the last two are 97 less the rest of the others by 97; for those born from
/// 2000 on, a 2 stands before the others.
fn be_national(window: &Window<'_>) -> bool {
    let (Some(head), Some(check)) = (window.digits.get(..9), window.digits.get(9..)) else {
        return false;
    };
    let (head_number, check) = (number(head), number(check));
    let right = |head: u64| 97 - head % 97 == check;
    window.is_alone()
        && (window.groups.len() == 1 || window.is_shaped(&[2, 2, 2, 3, 2]))
        && is_date(head)
        && (right(head_number) || right(head_number + 2_000_000_000))
}

/// Eleven digits: among the first ten one occurs two or three times and the others at most once.
fn de_steuer_id(window: &Window<'_>) -> bool {
    let mut counts = [0_u8; 10];
    for digit in window.digits.iter().take(10) {
        if let Some(count) = counts.get_mut(usize::from(*digit)) {
            *count += 1;
        }
    }
    let repeated = counts.iter().filter(|count| **count > 1).count();
    window.digits.first() != Some(&0)
        && repeated == 1
        && counts.iter().all(|count| *count <= 3)
        && (window.groups.len() == 1 || window.is_shaped(&[2, 3, 3, 3]))
        && mod_11_10(window.digits)
        && window.is_alone()
}

fn br_cpf(window: &Window<'_>) -> bool {
    let digits = window.digits;
    let check = |weights: &[u32], at: usize| {
        let rest = weighted(digits, weights) * 10 % 11 % 10;
        digits.get(at).is_some_and(|digit| u32::from(*digit) == rest)
    };
    (window.groups.len() == 1 || window.is_shaped(&[3, 3, 3, 2]))
        && digits.iter().any(|digit| digits.first() != Some(digit))
        && check(&[10, 9, 8, 7, 6, 5, 4, 3, 2], 9)
        && check(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2], 10)
        && window.is_alone()
}

/// Twelve digits in groups of four; in one group after a word that says so.
fn in_aadhaar(window: &Window<'_>) -> bool {
    let split =
        window.is_shaped(&[4, 4, 4]) && matches!(window.gap(), Some(Gap::Space | Gap::Dash));
    let said = || window.groups.len() == 1 && window.is_about(&["aadhaar", "aadhar", "uidai"]);
    window.digits.first() > Some(&1)
        && window.is_alone()
        && verhoeff(window.digits)
        && (split || said())
}

/// YYMMDD-GNNNNNN. Those given since October 2020 have no check digit.
fn kr_rrn(window: &Window<'_>) -> bool {
    window.is_shaped(&[6, 7])
        && window.gap() == Some(Gap::Dash)
        && is_date(window.digits)
        && matches!(window.digits.get(6), Some(1..=8))
        && window.is_alone()
}

/// Sex, year, month, department, commune, order, and a key of two digits.
fn fr_nir(window: &Window<'_>) -> bool {
    let (Some(head), Some(key)) = (window.digits.get(..13), window.digits.get(13..)) else {
        return false;
    };
    let month = window.digits.get(3..5).map_or(0, number);
    window.is_alone()
        && matches!(window.digits.first(), Some(1..=4 | 7 | 8))
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && number(key) == 97 - number_97(head)
}

/// Seventeen digits and one more or an X, as if it were ten.
fn cn_resident_id(window: &Window<'_>) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let rest = weighted(window.digits, &WEIGHTS) % 11;
    let check = (12 - rest) % 11;
    let right = match window.digits.get(17) {
        Some(last) => u32::from(*last) == check && window.is_bounded(),
        None => {
            let behind = window.text.get(window.to + 1).is_some_and(u8::is_ascii_alphanumeric);
            check == 10
                && matches!(window.after(), b'X' | b'x')
                && !behind
                && !window.before().is_ascii_alphanumeric()
        }
    };
    let century = window.digits.get(6..8).map_or(0, number);
    window.groups.len() == 1
        && right
        && (19..=20).contains(&century)
        && window.digits.get(8..).is_some_and(is_date)
        && matches!(window.digits.first(), Some(1..=8))
}

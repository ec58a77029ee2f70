//! Check digits.

/// ISO/IEC 7812-1 (Luhn), over values from 0 to 9.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| (at % 2, u32::from(*digit)))
        .map(|(odd, digit)| if odd == 1 { doubled(digit) } else { digit })
        .sum();
    sum > 0 && sum.is_multiple_of(10)
}

/// The sum of products with the weights, in order.
pub(crate) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

/// ISO/IEC 7064, MOD 11,10.
pub(crate) fn mod_11_10(digits: &[u8]) -> bool {
    let Some((check, digits)) = digits.split_last() else { return false };
    let product = digits.iter().fold(10, |product, digit| {
        let sum = (u32::from(*digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(*check)
}

/// Verhoeff's scheme, by the dihedral group of order 10.
pub(crate) fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    // The product of two symmetries of a pentagon: 0 to 4 turn it, 5 to 9 mirror it too.
    let product = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a - 5 + 5 - (b - 5)) % 5,
    };
    let permuted = |digit: u8, times: usize| {
        let step = |digit: u8| PERMUTATION.get(usize::from(digit)).copied().unwrap_or(0);
        (0..times % 8).fold(digit, |digit, _| step(digit))
    };
    let sum = digits.iter().rev().enumerate();
    sum.fold(0, |sum, (at, digit)| product(sum, permuted(*digit, at))) == 0
}

/// A year in two digits, a month and a day that can be a date.
pub(crate) fn is_date(digits: &[u8]) -> bool {
    match digits {
        [_, _, m, o, d, a, ..] => {
            (1..=12).contains(&(m * 10 + o)) && (1..=31).contains(&(d * 10 + a))
        }
        _ => false,
    }
}

/// ISO/IEC 7064, MOD 97,10 over letters and digits, of which the first four stand at the end.
pub(crate) fn mod_97(characters: &[u8]) -> bool {
    let (head, tail) = characters.split_at(characters.len().min(4));
    let rest = tail.iter().chain(head).try_fold(0, |rest: u32, byte| match byte {
        b'0'..=b'9' => Some((rest * 10 + u32::from(byte - b'0')) % 97),
        b'A'..=b'Z' => Some((rest * 100 + u32::from(byte - b'A') + 10) % 97),
        _ => None,
    });
    rest == Some(1)
}

/// The rest of a number by 97, however long it is.
pub(crate) fn number_97(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |rest, digit| (rest * 10 + u64::from(*digit)) % 97)
}

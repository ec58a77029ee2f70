//! Keys and tokens: by the beginnings their makers gave them, by shape, and by what announces
//! them.

use crate::digits::is_word_before;
use crate::kind::Kind;

/// A token by its beginning: kind, prefix, the letter of the prefix that is looked for, how many
/// bytes follow at least and at most, and which.
struct Prefix {
    kind: Kind,
    text: &'static str,
    /// Place in `text` of the byte that is met first: a rare one.
    mark: usize,
    min: usize,
    max: usize,
    of: Of,
}

#[derive(Clone, Copy)]
enum Of {
    /// A to Z and digits.
    Upper,
    /// Letters and digits.
    Word,
    /// Letters, digits, `-` and `_`.
    Url,
}

const fn prefix(
    kind: Kind,
    text: &'static str,
    mark: usize,
    (min, max): (usize, usize),
    of: Of,
) -> Prefix {
    Prefix { kind, text, mark, min, max, of }
}

const ANY: usize = 512;

// tidy: table
const PREFIXES: [Prefix; 42] = [
    prefix(Kind::AwsKey, "AKIA", 1, (16, 16), Of::Upper),
    prefix(Kind::AwsKey, "ASIA", 1, (16, 16), Of::Upper),
    prefix(Kind::AwsKey, "ABIA", 1, (16, 16), Of::Upper),
    prefix(Kind::AwsKey, "ACCA", 1, (16, 16), Of::Upper),
    prefix(Kind::GithubToken, "ghp_", 3, (36, 255), Of::Word),
    prefix(Kind::GithubToken, "gho_", 3, (36, 255), Of::Word),
    prefix(Kind::GithubToken, "ghu_", 3, (36, 255), Of::Word),
    prefix(Kind::GithubToken, "ghs_", 3, (36, 255), Of::Url),
    prefix(Kind::GithubToken, "ghr_", 3, (36, 255), Of::Word),
    prefix(Kind::GithubToken, "github_pat_", 6, (22, 255), Of::Url),
    prefix(Kind::StripeKey, "sk_live_", 2, (10, 247), Of::Word),
    prefix(Kind::StripeKey, "sk_test_", 2, (10, 247), Of::Word),
    prefix(Kind::StripeKey, "rk_live_", 2, (10, 247), Of::Word),
    prefix(Kind::StripeKey, "rk_test_", 2, (10, 247), Of::Word),
    prefix(Kind::StripeKey, "whsec_", 5, (24, 128), Of::Word),
    prefix(Kind::SlackToken, "xoxb-", 4, (10, 255), Of::Url),
    prefix(Kind::SlackToken, "xoxp-", 4, (10, 255), Of::Url),
    prefix(Kind::SlackToken, "xoxa-", 4, (10, 255), Of::Url),
    prefix(Kind::SlackToken, "xoxr-", 4, (10, 255), Of::Url),
    prefix(Kind::SlackToken, "xoxs-", 4, (10, 255), Of::Url),
    prefix(Kind::SlackToken, "xoxe-", 4, (10, 255), Of::Url),
    prefix(Kind::SlackToken, "xapp-", 4, (10, 255), Of::Url),
    prefix(Kind::GoogleApiKey, "AIza", 2, (35, 35), Of::Url),
    prefix(Kind::VendorKey, "glpat-", 5, (20, 64), Of::Url),
    prefix(Kind::VendorKey, "npm_", 3, (36, 36), Of::Word),
    prefix(Kind::VendorKey, "pypi-", 4, (50, ANY), Of::Url),
    prefix(Kind::VendorKey, "hf_", 2, (30, 64), Of::Word),
    prefix(Kind::VendorKey, "dop_v1_", 3, (64, 64), Of::Word),
    prefix(Kind::VendorKey, "sk-ant-", 2, (32, 200), Of::Url),
    prefix(Kind::VendorKey, "sk-proj-", 2, (32, 200), Of::Url),
    prefix(Kind::VendorKey, "sk-", 2, (40, 64), Of::Word),
    prefix(Kind::VendorKey, "shpat_", 5, (32, 32), Of::Word),
    prefix(Kind::VendorKey, "shpss_", 5, (32, 32), Of::Word),
    prefix(Kind::VendorKey, "lin_api_", 3, (32, 64), Of::Word),
    prefix(Kind::VendorKey, "dckr_pat_", 4, (20, 64), Of::Url),
    prefix(Kind::VendorKey, "sq0atp-", 6, (22, 64), Of::Url),
    prefix(Kind::VendorKey, "EAAA", 1, (60, 60), Of::Url),
    prefix(Kind::VendorKey, "PMAK-", 4, (50, 70), Of::Url),
    prefix(Kind::VendorKey, "hvs.", 1, (24, 200), Of::Url),
    prefix(Kind::VendorKey, "tskey-", 5, (20, 100), Of::Url),
    prefix(Kind::VendorKey, "glsa_", 4, (32, 64), Of::Url),
    prefix(Kind::VendorKey, "AGE-SECRET-KEY-1", 3, (58, 58), Of::Upper),
];

/// Bytes at which a token, a key or the name of a secret is met.
pub(crate) fn marks(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Jwt => vec![b'J'],
        Kind::PrivateKey => vec![b'-'],
        Kind::Secret => vec![b'=', b':'],
        _ => {
            let of_kind = PREFIXES.iter().filter(|prefix| prefix.kind == kind);
            of_kind.filter_map(|prefix| prefix.text.as_bytes().get(prefix.mark).copied()).collect()
        }
    }
}

/// The token whose mark stands at `at`.
pub(crate) fn token(text: &[u8], at: usize) -> Option<(Kind, usize, usize)> {
    let byte = *text.get(at)?;
    PREFIXES.iter().find_map(|prefix| {
        let from = at.checked_sub(prefix.mark)?;
        let known = prefix.text.as_bytes();
        if known.get(prefix.mark) != Some(&byte) || !text.get(from..)?.starts_with(known) {
            return None;
        }
        if is_word_before(text, from) {
            return None;
        }
        let rest = text.get(from + known.len()..)?;
        let length = rest.iter().take_while(|byte| prefix.of.has(**byte)).count();
        let right = (prefix.min..=prefix.max).contains(&length);
        right.then_some((prefix.kind, from, from + known.len() + length))
    })
}

impl Of {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Word => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_',
        }
    }
}

/// A JSON web token; the `J` of its beginning stands at `at`: `eyJ`, which is `{"` in base64.
pub(crate) fn jwt(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let from = at.checked_sub(2)?;
    if text.get(from..at)? != b"ey" || is_word_before(text, from) {
        return None;
    }
    let part = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| Of::Url.has(**byte)).count()
    };
    let head = part(from);
    let body = part(head + 1);
    let dot = |at: usize| text.get(at) == Some(&b'.');
    let right = dot(head) && dot(body) && head - from >= 10 && body - head > 10;
    right.then(|| (from, part(body + 1)))
}

/// A block of PEM that holds a private key; its first dash stands at `at`. One whose end is
/// missing goes to the end of the text.
pub(crate) fn private_key(text: &[u8], at: usize) -> Option<(usize, usize)> {
    const NAME_BYTES_MAX: usize = 40;
    let rest = text.get(at..)?;
    let name = rest.strip_prefix(b"-----BEGIN ")?;
    let name = name.get(..name.len().min(NAME_BYTES_MAX))?;
    let line = name.windows(5).position(|window| window == b"-----")?;
    if !name.get(..line)?.ends_with(b"PRIVATE KEY") && !name.starts_with(b"PGP PRIVATE KEY BLOCK") {
        return None;
    }
    let end = rest.windows(9).position(|window| window == b"-----END ");
    let to = end.and_then(|end| {
        let tail = rest.get(end + 9..)?;
        Some(end + 9 + tail.windows(5).position(|window| window == b"-----")? + 5)
    });
    Some((at, at + to.unwrap_or(rest.len())))
}

/// Names whose value is a secret whatever it looks like.
const PASSWORDS: [&str; 5] = ["password", "passwd", "pwd", "passphrase", "passwort"];
/// Names whose value is a secret when it looks random.
const SECRETS: [&str; 9] = [
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "private_key",
    "auth_key",
    "credential",
];

/// The value behind the `=` or `:` at `at`, when the name before it is that of a secret:
/// `password=...`, `"api_key": "..."`, `Authorization: Bearer ...`.
pub(crate) fn announced(text: &[u8], at: usize) -> Option<(usize, usize)> {
    const NAME_BYTES_MAX: usize = 40;
    let before = text.get(at.saturating_sub(NAME_BYTES_MAX)..at)?;
    let outer = |byte: &u8| matches!(byte, b' ' | b'"' | b'\'' | b'`');
    let trailing = before.iter().rev().take_while(|byte| outer(byte)).count();
    let before = before.get(..before.len() - trailing)?;
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let length = before.iter().rev().take_while(|byte| word(byte)).count();
    let name = before.get(before.len() - length..)?.to_ascii_lowercase();
    let ends = |words: &[&str]| {
        let number = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let name = name.get(..name.len() - number).unwrap_or_default();
        words.iter().any(|word| name.ends_with(word.as_bytes()))
    };
    let (mut from, mut to) = value(text, at + 1);
    let credentials = ends(&["authorization"]);
    if credentials {
        from = behind_scheme(text, from);
        to = value(text, from).1;
    }
    let value = text.get(from..to)?;
    let right = (ends(&PASSWORDS) && value.len() >= 5 && !is_placeholder(value))
        || ((credentials || ends(&SECRETS)) && value.len() >= 12 && is_random(value));
    right.then_some((from, to))
}

/// Behind the scheme of HTTP credentials at `at`, if one stands there.
fn behind_scheme(text: &[u8], at: usize) -> usize {
    let scheme = |word: &&str| {
        let found = text.get(at..at + word.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    };
    ["bearer ", "basic ", "token "]
        .iter()
        .find(|word| scheme(word))
        .map_or(at, |word| at + word.len())
}

/// What is assigned at `at`, without its quotes.
fn value(text: &[u8], at: usize) -> (usize, usize) {
    let rest = text.get(at..).unwrap_or_default();
    let skipped = rest.iter().take_while(|byte| matches!(byte, b' ' | b'>' | b'=')).count();
    let (mut from, mut quote) = (at + skipped, None);
    if let Some(found @ (b'"' | b'\'' | b'`')) = text.get(from) {
        (from, quote) = (from + 1, Some(*found));
    }
    let inside = |byte: &u8| match quote {
        Some(quote) => *byte != quote && *byte != b'\n',
        None => byte.is_ascii_graphic() && !b"\"',;&<>)}]".contains(byte) || *byte > 127,
    };
    let rest = text.get(from..).unwrap_or_default();
    (from, from + rest.iter().take_while(|byte| inside(byte)).count())
}

/// What stands where a password would: a star, a variable, a word that says there is none.
fn is_placeholder(value: &[u8]) -> bool {
    const WORDS: [&str; 6] = ["required", "changeme", "hidden", "redacted", "false", "string"];
    let first = value.first().copied().unwrap_or(0);
    value.iter().all(|byte| *byte == first)
        || value.starts_with(b"${")
        || value.starts_with(b"{{")
        || value.starts_with(b"[")
        || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

/// Shannon's entropy of at least 3 bits a byte, and digits among letters or capitals among small
/// letters, without blanks.
fn is_random(value: &[u8]) -> bool {
    let mut counts = [0_u16; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let length = value.len() as f64;
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum();
    let has = |test: fn(&u8) -> bool| value.iter().any(test);
    let mixed = has(u8::is_ascii_digit)
        || (has(u8::is_ascii_uppercase)
            && value.iter().skip(1).any(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase));
    entropy >= 3.0 && mixed && !value.contains(&b' ')
}

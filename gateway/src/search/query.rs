//! The query language: words that must all hold, such as
//! `agent:reporter column:customers.email since:2d -verdict:denied "drop table"`.
//!
//! Parsed strictly: what is not understood is a mistake with its place, never a word to look for.

use crate::limits::{SEARCH_CLAUSES_MAX, SEARCH_QUERY_BYTES_MAX, SEARCH_TERM_BYTES_MAX};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// What can be asked for by name.
const FIELDS: [&str; 16] = [
    "agent", "approver", "column", "database", "object", "person", "role", "rule", "session",
    "table", "target", "task", "ticket", "token", "type", "verdict",
];

/// A parsed query: every clause must hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    /// The clauses, in order.
    pub clauses: Vec<Clause>,
}

/// One condition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Clause {
    /// It must not hold.
    pub not: bool,
    /// What.
    pub what: What,
}

/// What one condition asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum What {
    /// One of these terms, `field:value` in lower case.
    Any(Vec<String>),
    /// Not before this time, nanoseconds since the Unix epoch.
    Since(u64),
    /// These words one after the other.
    Text(Vec<String>),
    /// Not after this time.
    Until(u64),
}

/// Why a query is not one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}, at character {at}")]
pub struct Mistake {
    /// Where, in characters from 1.
    pub at: usize,
    /// What, and what was expected.
    pub what: String,
}

/// Parses a query; `now` is what `since:2d` counts back from, nanoseconds since the epoch.
///
/// # Errors
/// The first mistake.
pub fn parse(text: &str, now: u64) -> Result<Query, Mistake> {
    let fail = |at: usize, what: String| Err(Mistake { at, what });
    if text.len() > SEARCH_QUERY_BYTES_MAX {
        return fail(1, format!("the query is longer than {SEARCH_QUERY_BYTES_MAX} bytes"));
    }
    let mut clauses = Vec::new();
    let mut rest = text.chars().zip(1..).peekable();
    loop {
        while rest.next_if(|(ch, _)| ch.is_whitespace()).is_some() {}
        let Some((_, at)) = rest.peek().copied() else { break };
        if clauses.len() >= SEARCH_CLAUSES_MAX {
            return fail(at, format!("the query has more than {SEARCH_CLAUSES_MAX} conditions"));
        }
        let not = rest.next_if(|(ch, _)| *ch == '-').is_some();
        let (mut field, mut value, mut quoted) = (None, String::new(), false);
        while let Some((ch, _)) = rest.next_if(|(ch, _)| !ch.is_whitespace()) {
            match ch {
                '"' if value.is_empty() && !quoted => {
                    quoted = true;
                    value = quote(&mut rest, at)?;
                }
                '"' => return fail(at, "a quote stands inside a word".to_owned()),
                _ if quoted => return fail(at, "something follows a closing quote".to_owned()),
                ':' if field.is_none() => field = Some(std::mem::take(&mut value)),
                ch => value.push(ch),
            }
        }
        let what = what(field.as_deref(), &value, now).map_err(|what| Mistake { at, what })?;
        clauses.push(Clause { not, what });
    }
    if clauses.is_empty() {
        return fail(1, "the query is empty; expected words or field:value".to_owned());
    }
    Ok(Query { clauses })
}

/// Reads up to the closing quote; a quote in a quoted text is written twice.
fn quote(
    rest: &mut std::iter::Peekable<impl Iterator<Item = (char, usize)>>,
    at: usize,
) -> Result<String, Mistake> {
    let mut text = String::new();
    while let Some((ch, _)) = rest.next() {
        if ch != '"' {
            text.push(ch);
        } else if rest.next_if(|(ch, _)| *ch == '"').is_some() {
            text.push('"');
        } else {
            return Ok(text);
        }
    }
    Err(Mistake { at, what: "a quote is not closed".to_owned() })
}

fn what(field: Option<&str>, value: &str, now: u64) -> Result<What, String> {
    let Some(field) = field else {
        let words = words(value);
        return match words.is_empty() {
            true => Err("there is no letter or digit to look for".to_owned()),
            false => Ok(What::Text(words)),
        };
    };
    if value.is_empty() {
        return Err(format!("`{}` has no value", field.escape_debug()));
    }
    match field {
        "since" => time(value, now).map(What::Since),
        "until" => time(value, now).map(What::Until),
        "text" => what(None, value, now),
        "column" => Ok(What::Any(columns(value))),
        "object" | "table" => Ok(What::Any(bare(value).map(|name| term(field, name)).collect())),
        field if FIELDS.contains(&field) => Ok(What::Any(vec![term(field, value)])),
        field => {
            let known = FIELDS.join(", ");
            let field = field.escape_debug();
            Err(format!("there is no field `{field}`; expected {known}, since, text or until"))
        }
    }
}

/// A column by itself, or a table's: then a statement that takes all columns of the table counts.
fn columns(value: &str) -> Vec<String> {
    let Some((table, column)) = value.rsplit_once('.') else {
        return vec![term("column", value)];
    };
    let one = |name| [column, "*"].map(|column| term("column", &format!("{name}.{column}")));
    bare(table).flat_map(one).collect()
}

/// A name as given, and without its schema: a statement need not say that.
fn bare(name: &str) -> impl Iterator<Item = &str> {
    std::iter::once(name).chain(name.rsplit_once('.').map(|(_, bare)| bare))
}

/// A field and a value as the index has them.
pub(super) fn term(field: &str, value: &str) -> String {
    let mut term = String::with_capacity(field.len() + 1 + value.len());
    term.push_str(field);
    term.push(':');
    let most = term.len() + SEARCH_TERM_BYTES_MAX;
    if value.is_ascii() {
        term.extend(value.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
    } else {
        term.push_str(&value.to_lowercase());
    }
    term.truncate(term.floor_char_boundary(most));
    term
}

/// The words of a text: runs of letters and digits, in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|ch: char| !ch.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(SEARCH_TERM_BYTES_MAX / 4).collect::<String>())
        .map(|word| word.to_lowercase())
        .collect()
}

/// `90s`, `15m`, `3h`, `2d` or `4w` ago; a day, which begins in UTC; or an RFC 3339 time.
fn time(text: &str, now: u64) -> Result<u64, String> {
    let wrong = || {
        let shown = text.escape_debug();
        format!("\"{shown}\" is no time; expected such as 15m, 3h, 2d, 2026-11-23 or RFC 3339")
    };
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        Some(b'w') => 7 * 86_400,
        _ => 0,
    };
    if unit > 0 {
        let digits = text.get(..text.len() - 1).unwrap_or_default();
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let count: u64 = digits.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
        let ago = count.checked_mul(unit).and_then(|secs| secs.checked_mul(1_000_000_000));
        return Ok(now.saturating_sub(ago.ok_or_else(wrong)?));
    }
    let day = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let moment = match day {
        Ok(day) => day.midnight().assume_utc(),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?,
    };
    u64::try_from(moment.unix_timestamp_nanos()).map_err(|_| wrong())
}

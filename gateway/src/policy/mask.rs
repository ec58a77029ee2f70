//! Masks on single values. The type decides what a mask may leave behind: bytes that are valid
//! for it, or NULL.

use std::borrow::Cow;

use aws_lc_rs::hmac;

use super::digest;
use super::host::wit;
use crate::protocol::Column;
use crate::protocol::postgres::rows::Cell;

/// What takes the place of values that two plugins would each show another part of.
pub(super) const HIDDEN: &str = "****";
const HASH_DIGITS: usize = 16;

/// How a column's values are read and what may replace them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// Any text is a valid value.
    Text,
    /// JSON text; in binary `jsonb` a version byte comes first.
    Json { version: bool },
    /// A binary integer of so many bytes, shown in digits, replaced by NULL only.
    Integer,
    /// Text of another type, replaced by NULL only.
    Written,
    /// Binary of another type: can't be shown, replaced by NULL only.
    Opaque,
}

impl Shape {
    pub(super) fn of(column: &Column) -> Self {
        match (column.type_name.as_str(), column.binary) {
            ("text" | "varchar" | "bpchar" | "name" | "citext" | "unknown", _) => Self::Text,
            ("json", _) | ("jsonb", false) => Self::Json { version: false },
            ("jsonb", true) => Self::Json { version: true },
            ("int2" | "int4" | "int8", true) => Self::Integer,
            (_, false) => Self::Written,
            (_, true) => Self::Opaque,
        }
    }

    /// The value as a plugin sees it; nothing when it can't be shown.
    pub(super) fn show(self, value: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Text | Self::Written | Self::Json { version: false } => Some(value.into()),
            Self::Json { version: true } => match value.split_first() {
                Some((1, json)) => Some(json.into()),
                _ => None,
            },
            Self::Integer => digits(value).map(|digits| digits.into_bytes().into()),
            Self::Opaque => None,
        }
    }

    /// What a plugin's replacement becomes. Other types than text could be broken by it.
    pub(super) fn replace(self, text: &str) -> Cell {
        match self {
            Self::Text => Cell::Value(text.as_bytes().to_vec()),
            Self::Json { version } if is_json(text) => {
                let mut value = if version { vec![1] } else { Vec::new() };
                value.extend_from_slice(text.as_bytes());
                Cell::Value(value)
            }
            _ => Cell::Null,
        }
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn digits(value: &[u8]) -> Option<String> {
    let number = match value.len() {
        2 => i16::from_be_bytes(value.try_into().ok()?).into(),
        4 => i32::from_be_bytes(value.try_into().ok()?).into(),
        8 => i64::from_be_bytes(value.try_into().ok()?),
        _ => return None,
    };
    Some(number.to_string())
}

/// Masks a value that is not NULL.
pub(super) fn apply(mask: &wit::Mask, shape: Shape, value: &[u8], key: &hmac::Key) -> Cell {
    if shape != Shape::Text {
        return Cell::Null;
    }
    let text = std::str::from_utf8(value).ok();
    match (mask, text) {
        (wit::Mask::NullOut, _) => Cell::Null,
        (wit::Mask::Fixed(fixed), _) => Cell::Value(fixed.as_bytes().to_vec()),
        (wit::Mask::Hash, _) => {
            let tag = hmac::sign(key, value);
            let shown = tag.as_ref().get(..HASH_DIGITS / 2).unwrap_or_default();
            Cell::Value(digest::hex(shown).into_bytes())
        }
        (wit::Mask::KeepFirst(kept), Some(text)) => {
            let letters = text.chars().count();
            Cell::Value(starred(text, letters, |at| at < usize::from(*kept), *kept))
        }
        (wit::Mask::KeepLast(kept), Some(text)) => {
            let letters = text.chars().count();
            let shown = |at| at + usize::from(*kept) >= letters;
            Cell::Value(starred(text, letters, shown, *kept))
        }
        // Not UTF-8, so where a character starts is unknown.
        (wit::Mask::KeepFirst(_) | wit::Mask::KeepLast(_), None) => Cell::Null,
    }
}

/// A value no longer than the part to keep is hidden whole.
fn starred(text: &str, letters: usize, shown: impl Fn(usize) -> bool, kept: u8) -> Vec<u8> {
    let whole = letters <= usize::from(kept);
    if text.is_ascii() {
        let star = |(at, byte)| if !whole && shown(at) { byte } else { b'*' };
        return text.bytes().enumerate().map(star).collect();
    }
    let star = |(at, letter)| if !whole && shown(at) { letter } else { '*' };
    text.chars().enumerate().map(star).collect::<String>().into_bytes()
}

/// The stricter of two masks: null-out > fixed > hash > keep. Two that show different parts of a
/// value become one that shows none.
pub(super) fn strictest(one: wit::Mask, other: wit::Mask) -> wit::Mask {
    use wit::Mask::{Fixed, Hash, KeepFirst, KeepLast, NullOut};
    match (one, other) {
        (NullOut, _) | (_, NullOut) => NullOut,
        (Fixed(text), _) | (_, Fixed(text)) => Fixed(text),
        (Hash, _) | (_, Hash) => Hash,
        (KeepFirst(a), KeepFirst(b)) => KeepFirst(a.min(b)),
        (KeepLast(a), KeepLast(b)) => KeepLast(a.min(b)),
        (KeepFirst(_), KeepLast(_)) | (KeepLast(_), KeepFirst(_)) => Fixed(HIDDEN.to_owned()),
    }
}

/// Whether two masks show the same of a value.
pub(super) fn same(one: &wit::Mask, other: &wit::Mask) -> bool {
    use wit::Mask::{Fixed, Hash, KeepFirst, KeepLast, NullOut};
    match (one, other) {
        (NullOut, NullOut) | (Hash, Hash) => true,
        (Fixed(a), Fixed(b)) => a == b,
        (KeepFirst(a), KeepFirst(b)) | (KeepLast(a), KeepLast(b)) => a == b,
        _ => false,
    }
}

/// The mask for a value computed from a protected one: a part or a hash of it may still show
/// what the mask on the source would hide, so it goes whole.
pub(super) fn derived(mask: wit::Mask) -> wit::Mask {
    match mask {
        whole @ (wit::Mask::NullOut | wit::Mask::Fixed(_)) => whole,
        _ => wit::Mask::Fixed(HIDDEN.to_owned()),
    }
}

#[cfg(test)]
mod tests;

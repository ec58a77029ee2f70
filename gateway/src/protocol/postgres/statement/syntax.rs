//! Asking PostgreSQL's grammar, and saying where it stopped.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pg_query::protobuf::RawStmt;

use super::nodes;
use super::tree::Reading;
use crate::fault::{Blame, Fault};
use crate::limits;

/// How trees of the grammar are read.
pub(super) const READING: Reading =
    Reading { known: nodes::known, variants: false, levels_max: limits::STATEMENT_LEVELS_MAX };

/// Parses a text without NUL bytes.
///
/// The C parser guards its own stack, and the decoder of its tree stops at 100 levels, so no
/// text can overflow a stack here; see `tests/stack.rs` for what was tried.
pub(super) fn parse(text: &str) -> Result<Vec<RawStmt>, Fault> {
    // The crate's summary of a tree indexes without checks. No text is known that makes it
    // panic; if one is found it costs that statement, not the session.
    match catch_unwind(AssertUnwindSafe(|| pg_query::parse(text, 0))) {
        Ok(Ok(result)) => Ok(result.protobuf.stmts),
        Ok(Err(pg_query::Error::Parse(message))) if is_too_deep(&message) => {
            Err(super::too_complex("nested too deeply"))
        }
        Ok(Err(pg_query::Error::Parse(message))) => Err(syntax_error(text, message)),
        // The decoder's limit on levels; a tree that the grammar made has no other defect.
        Ok(Err(pg_query::Error::Decode(_))) => Err(super::too_complex("nested too deeply")),
        Ok(Err(_)) | Err(_) => Err(Fault::new(
            Blame::Bug,
            "parser_failed",
            "XX000",
            "the statement can't be judged: the parser failed",
        )),
    }
}

/// The parser's words for its own bounds: its stack, its table of states, its tree's levels.
fn is_too_deep(message: &str) -> bool {
    ["stack depth limit", "memory exhausted", "parse tree is nested too deeply"]
        .iter()
        .any(|bound| message.starts_with(bound))
}

fn syntax_error(text: &str, mut message: String) -> Fault {
    let position = place(text, &message);
    if message.len() > limits::SYNTAX_ERROR_BYTES_MAX {
        let mut end = limits::SYNTAX_ERROR_BYTES_MAX;
        while !message.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        message.truncate(end);
        message.push_str("...");
    }
    let fault = Fault::new(Blame::Client, "syntax_error", "42601", message);
    match position {
        Some(position) => fault.detail(format!("{POSITION}{position}")),
        None => fault,
    }
}

const POSITION: &str = "position ";

/// Where a syntax error lies, for the `P` field of an ErrorResponse: characters, from 1.
/// `None` for any other fault and where the place is not known.
pub fn error_position(fault: &Fault) -> Option<usize> {
    if fault.code != "syntax_error" {
        return None;
    }
    fault.detail.as_deref()?.strip_prefix(POSITION)?.parse().ok()
}

/// The parser's position does not come through the crate, only its words (`at or near "x"`). The
/// grammar reads left to right, so the place is the first such word whose text up to its end
/// already fails there.
fn place(text: &str, message: &str) -> Option<usize> {
    if message.ends_with("at end of input") {
        return character(text, text.len());
    }
    let near = message.split_once("at or near \"")?.1.strip_suffix('"')?;
    if text.ends_with(near) && message.starts_with("unterminated") {
        return character(text, text.len().saturating_sub(near.len()));
    }
    // Each try is a parse, and the caret is a courtesy.
    if text.len() > limits::STATEMENT_LONG_BYTES {
        return None;
    }
    let mut only = None;
    for (count, (start, found)) in text.match_indices(near).enumerate() {
        if count >= limits::SYNTAX_ERROR_PLACES_MAX {
            return None;
        }
        let end = start.saturating_add(found.len());
        // The word must be whole: `NUL` is not the beginning of `NULL`.
        if in_word(text, start) || in_word(text, end) {
            continue;
        }
        let before = text.get(..end)?;
        let Ok(Err(pg_query::Error::Parse(again))) =
            catch_unwind(AssertUnwindSafe(|| pg_query::parse(before, 0)))
        else {
            continue;
        };
        if again == message {
            only = Some(start);
            break;
        }
    }
    character(text, only?)
}

/// Whether a place lies inside a word: between two letters, digits or underscores.
fn in_word(text: &str, place: usize) -> bool {
    let part = |one: char| one.is_alphanumeric() || one == '_' || one == '$';
    let before = text.get(..place).and_then(|text| text.chars().next_back());
    let after = text.get(place..).and_then(|text| text.chars().next());
    before.is_some_and(part) && after.is_some_and(part)
}

fn character(text: &str, byte: usize) -> Option<usize> {
    Some(text.get(..byte)?.chars().count().saturating_add(1))
}

//! What PostgreSQL's own grammar says of a statement.
//!
//! The authority is PostgreSQL 18's grammar (`pg_query`). A second parser, written by other
//! people, reads the same text; where the two see different statements, [`Parsers::Strict`]
//! refuses, because somebody is being misled and it may be us.

mod cache;
mod copy;
mod functions;
mod kinds;
mod nodes;
mod opinion;
mod syntax;
mod tree;
mod uses;
mod utility;
mod walk;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::fault::{Blame, Fault};
use crate::limits;
use crate::protocol::{Facts, Statement};

pub use cache::FactsCache;
pub use copy::{CopyOut, copies_in, copies_out, copy_out};
pub use functions::{is_built_in, is_harmless_call, is_opaque, names_type};
pub use syntax::error_position;

/// How the second parser is used.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Parsers {
    /// PostgreSQL's grammar alone; facts say `off`.
    Compat,
    /// Both; a text that they read differently is refused.
    #[default]
    Strict,
}

/// Reads a text that may hold any number of statements.
///
/// # Errors
/// A [`Fault`] for the client: `statement_nul` (22021), `statement_too_long` (54000),
/// `statement_too_complex` (54001), `syntax_error` (42601, with its place as
/// [`error_position`] reads it), `statement_not_understood` (0A000) and, in
/// [`Parsers::Strict`], `parsers_disagree` (42601).
pub fn facts(text: &str, parsers: Parsers) -> Result<Facts, Fault> {
    check_text(text)?;
    let _turn = long_turn(text);
    let stmts = syntax::parse(text)?;
    if stmts.len() > limits::STATEMENTS_PER_MESSAGE_MAX {
        return Err(too_complex("more statements than one message may hold"));
    }
    let mut statements = Vec::with_capacity(stmts.len());
    let mut outlines = Vec::with_capacity(stmts.len());
    for (index, raw) in stmts.iter().enumerate() {
        let Some(node) = &raw.stmt else {
            return Err(not_understood(&tree::Refusal::Shape));
        };
        let tree = match tree::read(node, syntax::READING) {
            Ok(tree::Value::Node(tree)) => tree,
            Ok(_) => return Err(not_understood(&tree::Refusal::Shape)),
            Err(refusal @ (tree::Refusal::Deep | tree::Refusal::Large)) => {
                return Err(too_complex(&refusal.to_string()));
            }
            Err(refusal) => return Err(not_understood(&refusal)),
        };
        let (start, end) = range(text, raw, stmts.get(index.saturating_add(1)));
        let (statement, outline) = walk::statement(&tree, start, end);
        statements.push(statement);
        outlines.push(outline);
    }
    let second_opinion = match parsers {
        Parsers::Compat => "off",
        Parsers::Strict => opinion::compare(text, &outlines)?,
    };
    Ok(Facts { statements, second_opinion: second_opinion.to_owned() })
}

/// The text of one statement, as the parser cut it.
pub fn text_of<'a>(text: &'a str, statement: &Statement) -> &'a str {
    text.get(statement.start..statement.end).unwrap_or(text)
}

/// Held while a long text is parsed, so that many at once can't use up the memory.
fn long_turn(text: &str) -> Option<MutexGuard<'static, ()>> {
    static LONG: Mutex<()> = Mutex::new(());
    (text.len() > limits::STATEMENT_LONG_BYTES)
        .then(|| LONG.lock().unwrap_or_else(PoisonError::into_inner))
}

fn check_text(text: &str) -> Result<(), Fault> {
    if text.len() > limits::CLIENT_MESSAGE_BYTES_MAX {
        return Err(Fault::new(
            Blame::Client,
            "statement_too_long",
            "54000",
            format!("the statement is longer than {} bytes", limits::CLIENT_MESSAGE_BYTES_MAX),
        )
        .hint("Split it, or load data with COPY."));
    }
    // PostgreSQL would stop reading at the NUL and we would not, or the other way round.
    if text.contains('\0') {
        return Err(Fault::new(
            Blame::Client,
            "statement_nul",
            "22021",
            "the statement contains a NUL byte",
        ));
    }
    if words(text) > limits::STATEMENT_WORDS_MAX {
        return Err(too_complex("it has too many words"));
    }
    Ok(())
}

/// Words and signs in a text. Words inside quotes and comments count too: to tell them apart
/// would take a second lexer, and a wrong one would be worse than none.
fn words(text: &str) -> usize {
    let mut count = 0_usize;
    let mut in_word = false;
    for byte in text.bytes() {
        let is_word = byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
        let starts = if is_word { !in_word } else { !byte.is_ascii_whitespace() };
        count = count.saturating_add(usize::from(starts));
        in_word = is_word;
    }
    count
}

/// Where a statement lies in the text: from its first byte that is not white space to the `;`,
/// the next statement or the end.
fn range(
    text: &str,
    raw: &pg_query::protobuf::RawStmt,
    next: Option<&pg_query::protobuf::RawStmt>,
) -> (usize, usize) {
    let start = usize::try_from(raw.stmt_location).unwrap_or(0).min(text.len());
    let end = match usize::try_from(raw.stmt_len) {
        Ok(length) if length > 0 => start.saturating_add(length),
        _ => next.map_or(text.len(), |next| usize::try_from(next.stmt_location).unwrap_or(0)),
    };
    let end = end.clamp(start, text.len());
    let Some(cut) = text.get(start..end) else { return (0, text.len()) };
    let trimmed = cut.trim_start();
    let start = end.saturating_sub(trimmed.len());
    (start, start.saturating_add(trimmed.trim_end().len()))
}

fn too_complex(why: &str) -> Fault {
    Fault::new(
        Blame::Client,
        "statement_too_complex",
        "54001",
        format!("the statement can't be judged: {why}"),
    )
    .hint("Split it, or write long chains of one operator with fewer levels.")
}

fn not_understood(refusal: &tree::Refusal) -> Fault {
    Fault::new(
        Blame::Client,
        "statement_not_understood",
        "0A000",
        format!("the statement can't be judged: it holds {refusal}"),
    )
    .hint("Write it with other words, or ask the gateway's operator to run it.")
}

#[cfg(test)]
mod tests;

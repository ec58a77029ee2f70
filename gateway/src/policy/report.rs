//! Errors and notices. They can quote values that the masks of a target hide.
//!
//! PostgreSQL 18, sections 54.7 (ErrorResponse, NoticeResponse) and 54.8 (their fields).

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::Masked;
use crate::protocol::Outcome;

const ERROR: u8 = b'E';
const NOTICE: u8 = b'N';
/// What RAISE and `plpy.error` report as: their author chooses the SQLSTATE, five characters
/// that could carry a value out.
const RAISED_BY: [&[u8]; 2] = [b"exec_stmt_raise", b"PLy_output"];
const RAISED: &[u8] = b"P0001";

/// SQLSTATEs whose message names no value of a row, by prefix (PostgreSQL 18, Appendix A).
const PLAIN: [&str; 13] = [
    "25",    // invalid transaction state
    "26000", // prepared statement does not exist
    "28",    // authorization
    "40",    // serialization, deadlock
    "42501", // insufficient privilege
    "53",    // out of resources
    "54",    // program limit
    "55P03", // lock not available
    "57014", // query canceled
    "57P",   // shutdown
    "58000", // system error; the others of its class name files, which an argument may choose
    "08P01", // protocol violation; the others quote what a module was told to connect to
    "YA",    // this gateway's own
];

/// Who reports a missing cursor by the name that the statement itself gave.
const CURSORS: [&[u8]; 3] = [b"PerformPortalClose", b"PerformPortalFetch", b"exec_execute_message"];

/// SQLSTATEs plain only when the parser of the statement itself speaks, which then gives a
/// position. Without one the same code comes at run time and quotes a row: `ssn::regclass` fails
/// with 42P01, relation "123-45-6789" does not exist.
const PLAIN_WITH_POSITION: [&str; 2] = ["42", "0A000"];

/// Words of the protocol that carry no data of the target's tables.
pub fn words(frames: Bytes) -> Masked {
    plain(frames, None)
}

/// The word that ends a request, with its outcome for the log.
pub fn completion(frame: Bytes, outcome: Outcome) -> Masked {
    plain(frame, Some(outcome))
}

/// An ErrorResponse or NoticeResponse. For a `protected` target, one with masks, every field that
/// can quote a value is replaced, unless the SQLSTATE and the fields show that it can't.
///
/// An error's outcome holds the SQLSTATE and the message as the client sees it.
pub fn report(frame: Bytes, error: bool, protected: bool) -> Masked {
    let tag = if error { ERROR } else { NOTICE };
    let fields = read(&frame, tag);
    let (frame, shown) = match fields {
        Some(fields) if !protected || is_plain(&fields) => (frame, fields),
        Some(fields) => {
            let fields = scrub(&fields);
            (write(tag, &fields), fields)
        }
        // Not a report: what it would show is unknown.
        None => {
            let fields = unreadable(error);
            (write(tag, &fields), fields)
        }
    };
    let outcome = error.then(|| Outcome {
        tag: None,
        sqlstate: find(&shown, b'C').map(lossy),
        message: find(&shown, b'M').map(lossy),
    });
    plain(frame, outcome)
}

/// A part with no rows.
fn plain(frames: Bytes, outcome: Option<Outcome>) -> Masked {
    Masked {
        frames,
        rows: 0,
        masked_cells: 0,
        hidden: Arc::default(),
        outcome,
        marks: Arc::default(),
    }
}

type Field = (u8, Vec<u8>);

/// The fields of a frame whose every length is right.
fn read(frame: &[u8], tag: u8) -> Option<Vec<Field>> {
    let (&first, rest) = frame.split_first()?;
    let (length, mut rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if first != tag || length.checked_sub(4)? != rest.len() {
        return None;
    }
    let mut fields = Vec::new();
    loop {
        let (&kind, after) = rest.split_first()?;
        if kind == 0 {
            return after.is_empty().then_some(fields);
        }
        let end = after.iter().position(|byte| *byte == 0)?;
        let (value, after) = after.split_at_checked(end)?;
        fields.push((kind, value.to_vec()));
        (_, rest) = after.split_first()?;
    }
}

fn write(tag: u8, fields: &[Field]) -> Bytes {
    let body: usize = fields.iter().map(|(_, value)| value.len() + 2).sum::<usize>() + 5;
    let mut frame = BytesMut::with_capacity(body + 1);
    frame.put_u8(tag);
    // Shorter than the frame it was made from, whose length was an Int32.
    frame.put_u32(u32::try_from(body).unwrap_or(u32::MAX));
    for (kind, value) in fields {
        frame.put_u8(*kind);
        frame.extend_from_slice(value);
        frame.put_u8(0);
    }
    frame.put_u8(0);
    frame.freeze()
}

fn find(fields: &[Field], kind: u8) -> Option<&[u8]> {
    fields.iter().find(|(found, _)| *found == kind).map(|(_, value)| value.as_slice())
}

fn lossy(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// Whether a report can quote no row. Code that runs inside a function can give any SQLSTATE and
/// any text, and can run a statement built from data; such a report always has a context (`W`),
/// an inner query (`q`) or a position in one (`p`).
fn is_plain(fields: &[Field]) -> bool {
    let has = |kind| find(fields, kind).is_some();
    let Some(Ok(code)) = find(fields, b'C').map(std::str::from_utf8) else { return false };
    if has(b'W') || has(b'q') || has(b'p') || raised(fields) {
        return false;
    }
    PLAIN.iter().any(|prefix| code.starts_with(prefix))
        // A cursor that does not exist; `cursor_to_xml(ssn)` would quote a value as its name.
        || (code == "34000" && find(fields, b'R').is_some_and(|it| CURSORS.contains(&it)))
        || (has(b'P') && PLAIN_WITH_POSITION.iter().any(|prefix| code.starts_with(prefix)))
}

fn raised(fields: &[Field]) -> bool {
    find(fields, b'R').is_some_and(|routine| RAISED_BY.contains(&routine))
}

fn scrub(fields: &[Field]) -> Vec<Field> {
    let kept = |kind: u8| find(fields, kind).map(|value| (kind, value.to_vec()));
    let code = match find(fields, b'C') {
        Some(_) if raised(fields) => RAISED,
        Some(code) => code,
        None => b"XX000",
    };
    let message = format!(
        "message withheld by the gateway: it may quote masked values (SQLSTATE {})",
        lossy(code)
    );
    let mut shown: Vec<Field> = [b'S', b'V'].into_iter().filter_map(kept).collect();
    shown.push((b'C', code.to_vec()));
    shown.push((b'M', message.into_bytes()));
    let position = kept(b'P').filter(|(_, at)| at.iter().all(u8::is_ascii_digit));
    shown.extend(position);
    shown.extend(kept(b'R'));
    shown
}

fn unreadable(error: bool) -> Vec<Field> {
    let severity: &[u8] = if error { b"ERROR" } else { b"WARNING" };
    let code: &[u8] = if error { b"08P01" } else { b"01000" };
    vec![
        (b'S', severity.to_vec()),
        (b'V', severity.to_vec()),
        (b'C', code.to_vec()),
        (b'M', b"the target sent a report that can't be read, so it is withheld".to_vec()),
    ]
}

#[cfg(test)]
mod tests;

//! DataRow messages: every length checked, read and rewritten cell by cell.
//!
//! PostgreSQL 18, section 54.7, DataRow: `'D'`, Int32 length with itself, Int16 column count, and
//! for each column Int32 length (-1 = NULL) and that many bytes.

use bytes::Bytes;

use crate::fault::{Blame, Fault};
use crate::protocol::Rows;

const TAG: u8 = b'D';

impl Rows {
    /// The DataRow messages, one after the other.
    pub fn frames(&self) -> &Bytes {
        &self.frames
    }
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }
    /// Test double for the stages to the right.
    #[cfg(test)]
    pub(crate) fn for_test(frames: Bytes, count: u64) -> Self {
        Self { frames, count }
    }
}

/// What becomes of a cell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cell {
    /// Stays.
    Keep,
    /// Becomes NULL.
    Null,
    /// Becomes these bytes.
    Value(Vec<u8>),
}

/// Shows every cell as `(row, column, value)`, in order; returns how many rows there are.
///
/// # Errors
/// A frame that is no DataRow of `columns` columns, a length that does not fit, bytes left over,
/// or the first error of `see`.
pub fn each<'a>(
    frames: &'a [u8],
    columns: usize,
    mut see: impl FnMut(usize, usize, Option<&'a [u8]>) -> Result<(), Fault>,
) -> Result<usize, Fault> {
    let (mut rest, mut row) = (frames, 0);
    while let Some(mut cells) = take_row(&mut rest, columns)? {
        for column in 0..columns {
            see(row, column, take_cell(&mut cells)?)?;
        }
        end(cells)?;
        row += 1;
    }
    Ok(row)
}

/// Writes the rows anew, with `decide(row, column, value)` saying what becomes of each cell.
///
/// # Errors
/// As [`each`]; nothing is returned then, so no half of a row can leave.
pub fn rewrite(
    frames: &Bytes,
    columns: usize,
    mut decide: impl FnMut(usize, usize, Option<&[u8]>) -> Cell,
) -> Result<Bytes, Fault> {
    let mut out = Vec::with_capacity(frames.len());
    let count = i16::try_from(columns).map_err(|_| malformed("too many columns"))?;
    let (mut rest, mut row) = (&frames[..], 0);
    while let Some(mut cells) = take_row(&mut rest, columns)? {
        out.push(TAG);
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&count.to_be_bytes());
        // Cells that stay go together, with their lengths, once one that does not ends the run.
        let mut stay = cells;
        for column in 0..columns {
            let here = cells;
            let value = take_cell(&mut cells)?;
            let cell = decide(row, column, value);
            if cell == Cell::Keep {
                continue;
            }
            let run = stay.len().saturating_sub(here.len());
            out.extend_from_slice(stay.get(..run).unwrap_or_default());
            match cell {
                Cell::Value(value) => {
                    out.extend_from_slice(&length(value.len())?.to_be_bytes());
                    out.extend_from_slice(&value);
                }
                Cell::Keep | Cell::Null => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            }
            stay = cells;
        }
        end(cells)?;
        out.extend_from_slice(stay);
        let bytes = length(out.len() - start)?.to_be_bytes();
        if let Some(place) = out.get_mut(start..start + bytes.len()) {
            place.copy_from_slice(&bytes);
        }
        row += 1;
    }
    Ok(out.into())
}

/// Where in one DataRow message the length of each cell stands.
///
/// # Errors
/// As [`each`], and when there is not exactly one row.
pub fn places(frame: &[u8], columns: usize) -> Result<Vec<usize>, Fault> {
    let mut rest = frame;
    let cells = take_row(&mut rest, columns)?;
    let mut cells = cells.ok_or_else(|| malformed("no row where one was expected"))?;
    end(rest)?;
    let mut places = Vec::with_capacity(columns);
    for _ in 0..columns {
        places.push(frame.len() - cells.len());
        take_cell(&mut cells)?;
    }
    end(cells)?;
    Ok(places)
}

/// The cells of the next row, or nothing at the end of the frames.
fn take_row<'a>(rest: &mut &'a [u8], columns: usize) -> Result<Option<&'a [u8]>, Fault> {
    if rest.is_empty() {
        return Ok(None);
    }
    let (&tag, after) = rest.split_first().ok_or_else(|| malformed("an empty frame"))?;
    if tag != TAG {
        return Err(malformed("a frame that is no DataRow"));
    }
    let (bytes, after) = take_i32(after)?;
    let body = usize::try_from(bytes).ok().and_then(|bytes| bytes.checked_sub(4));
    let body = body.ok_or_else(|| malformed("a frame length below its minimum"))?;
    let cut = after.split_at_checked(body);
    let (body, after) = cut.ok_or_else(|| malformed("a frame longer than its bytes"))?;
    let counted = body.split_first_chunk::<2>();
    let (count, cells) = counted.ok_or_else(|| malformed("a row without a column count"))?;
    if usize::try_from(i16::from_be_bytes(*count)) != Ok(columns) {
        return Err(malformed("a row with another number of columns than described"));
    }
    *rest = after;
    Ok(Some(cells))
}

fn take_cell<'a>(cells: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Fault> {
    let (bytes, after) = take_i32(cells)?;
    if bytes == -1 {
        *cells = after;
        return Ok(None);
    }
    let bytes = usize::try_from(bytes).map_err(|_| malformed("a negative cell length"))?;
    let cut = after.split_at_checked(bytes);
    let (value, after) = cut.ok_or_else(|| malformed("a cell longer than its row"))?;
    *cells = after;
    Ok(Some(value))
}

fn take_i32(bytes: &[u8]) -> Result<(i32, &[u8]), Fault> {
    let cut = bytes.split_first_chunk::<4>();
    let (number, after) = cut.ok_or_else(|| malformed("a length cut short"))?;
    Ok((i32::from_be_bytes(*number), after))
}

fn end(cells: &[u8]) -> Result<(), Fault> {
    if cells.is_empty() { Ok(()) } else { Err(malformed("bytes after the last column")) }
}

fn length(bytes: usize) -> Result<i32, Fault> {
    i32::try_from(bytes).map_err(|_| malformed("a row above 2 GiB"))
}

fn malformed(what: &str) -> Fault {
    Fault::new(
        Blame::Upstream,
        "reply_malformed",
        "08P01",
        format!("the target sent {what}, so the result is withheld"),
    )
}

#[cfg(test)]
mod tests;

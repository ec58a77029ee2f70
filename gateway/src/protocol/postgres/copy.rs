//! The rows of COPY ... TO STDOUT: out of CopyData, and back into it once they are masked
//! (PostgreSQL 18, section 54.2.6 "COPY Operations" and the formats of the COPY command).
//!
//! A row may end anywhere in a CopyData message, so rows are cut out of the stream of their
//! bytes. Between the two directions they are DataRow frames, so that a COPY is masked by the
//! same code as a SELECT. A cell that masking left alone goes back with the bytes it came with.

mod fields;

use std::ops::Range;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use self::fields::Splitter;
use super::frame;
use super::rows;
use crate::fault::{Blame, Fault};
use crate::limits::SERVER_MESSAGE_BYTES_MAX;
use crate::protocol::Rows;

const DATA: u8 = b'd';
/// What a binary COPY starts with, before its flags and the length of its extension.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// Tuples with lengths.
    Binary,
    /// Quoted fields.
    Csv,
    /// Fields with backslashes.
    #[default]
    Text,
}

/// The options that decide how rows are written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// The format.
    pub format: Format,
    /// Between two fields.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: Vec<u8>,
    /// Around a CSV field.
    pub quote: u8,
    /// Before a quote inside a CSV field.
    pub escape: u8,
    /// The first line holds the names of the columns.
    pub header: bool,
}

impl Options {
    /// The server's own choice for a format.
    pub fn of(format: Format) -> Self {
        let (delimiter, null) = match format {
            Format::Csv => (b',', &b""[..]),
            Format::Binary | Format::Text => (b'\t', &b"\\N"[..]),
        };
        Self { format, delimiter, null: null.to_vec(), quote: b'"', escape: b'"', header: false }
    }
}

/// The rows of one COPY, as they come.
#[derive(Debug)]
pub struct CopyRows {
    options: Options,
    columns: usize,
    /// Bytes of the row that is not whole yet.
    buffer: BytesMut,
    splitter: Splitter,
    /// The header line, or the binary head, is still to come.
    head: bool,
    /// The binary head, which leaves with the first tuple as the server sends it.
    held: Bytes,
    /// The binary trailer came.
    ended: bool,
}

/// Whole rows, ready to be masked.
#[derive(Debug)]
pub struct Batch {
    options: Options,
    columns: usize,
    /// CopyData to send before the rows.
    before: BytesMut,
    /// Stands in front of the first row, in its message.
    first: Bytes,
    /// CopyData to send after the rows.
    after: BytesMut,
    /// The rows as DataRow frames.
    frames: BytesMut,
    count: u64,
    /// Bytes of the rows as they came, and where each cell stands in them.
    raw: BytesMut,
    cells: Vec<Range<usize>>,
}

impl CopyRows {
    /// Nothing has come yet; a row has so many columns.
    pub fn new(options: Options, columns: usize) -> Self {
        let head = options.header || options.format == Format::Binary;
        let splitter = Splitter::default();
        let buffer = BytesMut::new();
        Self { options, columns, buffer, splitter, head, held: Bytes::new(), ended: false }
    }

    /// Takes CopyData messages, and gives the rows that are whole now.
    ///
    /// # Errors
    /// The bytes are not rows of so many columns: nothing of them may leave.
    pub fn take(&mut self, mut frames: &[u8]) -> Result<Batch, Fault> {
        while !frames.is_empty() {
            let (head, rest) =
                frames.split_first_chunk::<5>().ok_or_else(|| malformed("a cut message"))?;
            let [tag, a, b, c, d] = *head;
            let length = usize::try_from(i32::from_be_bytes([a, b, c, d])).ok();
            let length = length.and_then(|length| length.checked_sub(4));
            let cut = length.and_then(|length| rest.split_at_checked(length));
            let (body, rest) = cut.ok_or_else(|| malformed("a cut message"))?;
            if tag != DATA {
                return Err(malformed("a message that is no CopyData"));
            }
            self.buffer.extend_from_slice(body);
            frames = rest;
        }
        let mut batch = Batch::new(self.options.clone(), self.columns);
        match self.options.format {
            Format::Binary => self.tuples(&mut batch)?,
            Format::Csv | Format::Text => self.lines(&mut batch)?,
        }
        if self.buffer.len() > SERVER_MESSAGE_BYTES_MAX {
            return Err(malformed("a row that is too long to be masked"));
        }
        Ok(batch)
    }

    /// The server says that no more comes.
    ///
    /// # Errors
    /// A row is not whole.
    pub fn finish(&self) -> Result<(), Fault> {
        let whole = self.buffer.is_empty() && self.held.is_empty();
        let binary = self.options.format == Format::Binary;
        if whole && self.ended == binary { Ok(()) } else { Err(malformed("a row cut short")) }
    }

    fn lines(&mut self, batch: &mut Batch) -> Result<(), Fault> {
        while let Some(line_bytes) = self.splitter.line(&self.options, &self.buffer) {
            let line = self.buffer.split_to(line_bytes);
            if self.head {
                self.head = false;
                frame::put(&mut batch.before, DATA, |out| out.put_slice(&line));
                continue;
            }
            let start = batch.raw.len();
            let fields = line.strip_suffix(b"\n").unwrap_or(&line);
            let mut body = BytesMut::with_capacity(line.len() + 4 * self.columns);
            let mut count = 0;
            // A table without columns has empty lines.
            if self.columns > 0 || !fields.is_empty() {
                for field in fields::split(&self.options, fields) {
                    let value = field.and_then(|range| {
                        let value = fields::value(&self.options, fields.get(range.clone())?)?;
                        Some((range, value))
                    });
                    let (range, value) =
                        value.ok_or_else(|| malformed("a field that can't be read"))?;
                    batch.cells.push(start + range.start..start + range.end);
                    put_cell(&mut body, value.as_deref())?;
                    count += 1;
                }
            }
            batch.raw.extend_from_slice(fields);
            batch.add(count, &body)?;
        }
        Ok(())
    }

    fn tuples(&mut self, batch: &mut Batch) -> Result<(), Fault> {
        if self.head {
            let Some(bytes) = binary_head(&self.buffer)? else { return Ok(()) };
            self.held = self.buffer.split_to(bytes).freeze();
            self.head = false;
        }
        while let Some(tuple) = binary_tuple(&self.buffer)? {
            if self.ended {
                return Err(malformed("bytes after the end of the rows"));
            }
            let held = std::mem::take(&mut self.held);
            let Some(cells) = tuple else {
                self.buffer.advance(2);
                self.ended = true;
                frame::put(&mut batch.after, DATA, |out| {
                    out.put_slice(&held);
                    out.put_i16(-1);
                });
                continue;
            };
            if batch.count == 0 {
                batch.first = held;
            }
            let end = cells.last().map_or(2, |cell| cell.end);
            let start = batch.raw.len();
            let bytes = self.buffer.split_to(end);
            batch.raw.extend_from_slice(&bytes);
            let count = cells.len();
            batch.cells.extend(cells.into_iter().map(|it| start + it.start..start + it.end));
            batch.add(count, bytes.get(2..).unwrap_or_default())?;
        }
        if self.ended && !self.buffer.is_empty() {
            return Err(malformed("bytes after the end of the rows"));
        }
        Ok(())
    }
}

impl Batch {
    fn new(options: Options, columns: usize) -> Self {
        Self {
            options,
            columns,
            before: BytesMut::new(),
            first: Bytes::new(),
            after: BytesMut::new(),
            frames: BytesMut::new(),
            count: 0,
            raw: BytesMut::new(),
            cells: Vec::new(),
        }
    }

    /// The rows, as DataRow frames.
    pub fn rows(&mut self) -> (Rows, Written) {
        let frames = std::mem::take(&mut self.frames).freeze();
        (Rows::new(frames.clone(), self.count), Written(frames))
    }

    fn add(&mut self, cells: usize, body: &[u8]) -> Result<(), Fault> {
        let count = i16::try_from(self.columns).map_err(|_| malformed("too many columns"))?;
        if cells != self.columns {
            return Err(malformed("a row with another number of columns than described"));
        }
        frame::put(&mut self.frames, b'D', |out| {
            out.put_i16(count);
            out.put_slice(body);
        });
        self.count += 1;
        Ok(())
    }

    /// CopyData messages for rows that were masked, one a row; `written` are the same rows before.
    ///
    /// # Errors
    /// The masked rows are not those of this batch.
    pub fn write(self, written: &Written, masked: &[u8]) -> Result<Bytes, Fault> {
        let mut originals = Vec::with_capacity(self.cells.len());
        rows::each(&written.0, self.columns, |_, _, value| {
            originals.push(value);
            Ok(())
        })?;
        let mut out = self.before;
        let binary = self.options.format == Format::Binary;
        let mut line = BytesMut::new();
        line.put_slice(&self.first);
        let count = i16::try_from(self.columns).map_err(|_| malformed("too many columns"))?;
        let counted = rows::each(masked, self.columns, |row, column, value| {
            match (binary, column) {
                (true, 0) => line.put_i16(count),
                (true, _) | (false, 0) => {}
                (false, _) => line.put_u8(self.options.delimiter),
            }
            let at = row * self.columns + column;
            let known = originals.get(at).zip(self.cells.get(at));
            let (original, raw) = known.ok_or_else(|| malformed("a row that masking made up"))?;
            let raw = self.raw.get(raw.clone()).unwrap_or_default();
            match (binary, value) {
                // Left alone, so it goes as it came.
                _ if *original == value => line.put_slice(raw),
                (true, value) => put_cell(&mut line, value)?,
                (false, None) => line.put_slice(&self.options.null),
                (false, Some(value)) => fields::put(&self.options, value, raw, &mut line),
            }
            if column + 1 == self.columns {
                if !binary {
                    line.put_u8(b'\n');
                }
                frame::put(&mut out, DATA, |out| out.put_slice(&line));
                line.clear();
            }
            Ok(())
        })?;
        if counted as u64 != self.count || self.columns == 0 && self.count > 0 {
            return Err(malformed("rows that masking lost"));
        }
        out.put_slice(&self.after);
        Ok(out.freeze())
    }
}

/// The rows of a batch as they were before masking.
#[derive(Debug)]
pub struct Written(Bytes);

/// How long the head of a binary COPY is, once it is whole.
fn binary_head(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes.get(..known) != SIGNATURE.get(..known) {
        return Err(malformed("a binary COPY without its signature"));
    }
    let fixed = SIGNATURE.len() + 8;
    let Some(length) = bytes.get(SIGNATURE.len() + 4..fixed).and_then(<[u8]>::first_chunk) else {
        return Ok(None);
    };
    let extension = usize::try_from(i32::from_be_bytes(*length))
        .map_err(|_| malformed("a negative length in the head of a COPY"))?;
    Ok((bytes.len() >= fixed + extension).then_some(fixed + extension))
}

/// Where the cells of the next tuple stand, lengths included; nothing inside for the trailer.
fn binary_tuple(bytes: &[u8]) -> Result<Option<Option<Vec<Range<usize>>>>, Fault> {
    let Some((count, _)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
    let count = i16::from_be_bytes(*count);
    if count == -1 {
        return Ok(Some(None));
    }
    let count = usize::try_from(count).map_err(|_| malformed("a negative count of columns"))?;
    let mut cells = Vec::with_capacity(count.min(RESERVED_CELLS_MAX));
    let mut at = 2;
    for _ in 0..count {
        let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) else {
            return Ok(None);
        };
        let length = match i32::from_be_bytes(*length) {
            -1 => 0,
            length => usize::try_from(length).map_err(|_| malformed("a negative cell length"))?,
        };
        let end = at + 4 + length;
        if end > bytes.len() {
            return Ok(None);
        }
        cells.push(at..end);
        at = end;
    }
    Ok(Some(Some(cells)))
}

/// Room made for cells before any of them was seen.
const RESERVED_CELLS_MAX: usize = 64;

fn put_cell(out: &mut BytesMut, value: Option<&[u8]>) -> Result<(), Fault> {
    match value {
        None => out.put_i32(-1),
        Some(value) => {
            let length = i32::try_from(value.len());
            out.put_i32(length.map_err(|_| malformed("a cell above 2 GiB"))?);
            out.put_slice(value);
        }
    }
    Ok(())
}

fn malformed(what: &str) -> Fault {
    Fault::new(
        Blame::Upstream,
        "copy_malformed",
        "08P01",
        format!("the target sent {what}, so the rest of this COPY is withheld"),
    )
}

#[cfg(test)]
mod tests;

//! PostgreSQL result frames as tables (PostgreSQL chapter 55.7: RowDescription, DataRow,
//! CommandComplete, ErrorResponse, NoticeResponse). What can't be read is said, never guessed.

use serde::Serialize;

use crate::audit::checkpoint::hex;
use crate::audit::entry::FramePiece;
use crate::limits::{
    REPORT_CELL_CHARS_MAX, REPORT_COLUMNS_MAX, REPORT_LINE_CHARS_MAX, REPORT_ROWS_MAX,
};

/// Bytes after a column's name in a RowDescription.
const COLUMN_TAIL_BYTES: usize = 18;
/// Bytes of a binary cell that are shown.
const BINARY_BYTES_SHOWN: usize = REPORT_CELL_CHARS_MAX / 2;

/// One result, as the client got it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Table {
    /// Names of the columns; empty when this part did not say them.
    pub columns: Vec<String>,
    /// The first rows; a cell is none for NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Number of rows.
    pub rows_total: u64,
    /// Columns left out.
    pub columns_more: u64,
    /// Cells shown cut.
    pub cells_cut: u64,
    /// The command tag, an error or notices, in order.
    pub words: Vec<String>,
    #[serde(skip)]
    binary: Vec<bool>,
}

impl Table {
    fn empty(&self) -> bool {
        self.columns.is_empty() && self.rows_total == 0 && self.words.is_empty()
    }
}

/// A piece of a frame, which is named and not shown: it has no beginning or no end.
pub(super) fn piece(piece: FramePiece, bytes: usize) -> Table {
    let FramePiece { offset, of } = piece;
    let words = format!("a large row of {of} bytes: {bytes} bytes from offset {offset}");
    Table { words: vec![words], ..Table::default() }
}

/// The first lines of a result that has no frames: a document, or text.
pub(super) fn lines(bytes: &[u8]) -> Vec<Table> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let cut = |line: &str| match line.char_indices().nth(REPORT_LINE_CHARS_MAX) {
        Some((at, _)) => format!("{}...", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    };
    let mut words: Vec<String> = lines.by_ref().take(REPORT_ROWS_MAX).map(cut).collect();
    let more = lines.count();
    if more > 0 {
        words.push(format!("{more} more lines"));
    }
    vec![Table { words, ..Table::default() }]
}

/// Reads frames into results.
pub fn read(frames: &[u8]) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut table = Table::default();
    let mut rest = frames;
    while !rest.is_empty() {
        let Some((tag, body, next)) = split(rest) else {
            table.words.push(format!("{} bytes that are no whole frame", rest.len()));
            break;
        };
        rest = next;
        match tag {
            b'T' => {
                if !table.empty() {
                    tables.push(std::mem::take(&mut table));
                }
                if describe(&mut table, body).is_none() {
                    table.words.push("a row description that can't be read".to_owned());
                }
            }
            b'D' => {
                table.rows_total += 1;
                if table.rows.len() < REPORT_ROWS_MAX && add_row(&mut table, body).is_none() {
                    table.words.push("a row that can't be read".to_owned());
                }
            }
            // A row of a COPY, in the format that the client asked for.
            b'd' => {
                table.rows_total += 1;
                if table.rows.len() < REPORT_ROWS_MAX {
                    table.rows.push(vec![Some(shown(body, false, &mut table.cells_cut))]);
                }
            }
            b'C' | b'E' | b'N' | b'I' | b's' => {
                table.words.push(words(tag, body));
                if matches!(tag, b'C' | b'E' | b'I' | b's') {
                    tables.push(std::mem::take(&mut table));
                }
            }
            _ => {}
        }
    }
    if !table.empty() {
        tables.push(table);
    }
    tables
}

/// The first frame: tag, body, and what follows.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, _) = bytes.split_first_chunk::<5>()?;
    let [tag, a, b, c, d] = *head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    let body = bytes.get(5..length.checked_add(1)?)?;
    let next = bytes.get(length.checked_add(1)?..)?;
    Some((tag, body, next))
}

fn describe(table: &mut Table, body: &[u8]) -> Option<()> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    for _ in 0..u16::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8_lossy(rest.get(..end)?).into_owned();
        let tail = rest.get(end + 1..end + 1 + COLUMN_TAIL_BYTES)?;
        rest = rest.get(end + 1 + COLUMN_TAIL_BYTES..)?;
        if table.columns.len() < REPORT_COLUMNS_MAX {
            table.columns.push(cut(&name, &mut table.cells_cut));
            table.binary.push(tail.ends_with(&[0, 1]));
        } else {
            table.columns_more += 1;
        }
    }
    Some(())
}

fn add_row(table: &mut Table, body: &[u8]) -> Option<()> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut row = Vec::new();
    for at in 0..usize::from(u16::from_be_bytes(*count)) {
        let (length, next) = rest.split_first_chunk::<4>()?;
        rest = next;
        let length = i32::from_be_bytes(*length);
        let cell = if length < 0 {
            None
        } else {
            let (cell, next) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            rest = next;
            let binary = table.binary.get(at).copied().unwrap_or(false);
            Some(shown(cell, binary, &mut table.cells_cut))
        };
        if row.len() < REPORT_COLUMNS_MAX {
            row.push(cell);
        }
    }
    table.rows.push(row);
    Some(())
}

fn shown(cell: &[u8], binary: bool, cells_cut: &mut u64) -> String {
    match std::str::from_utf8(cell) {
        Ok(text) if !binary => cut(text, cells_cut),
        Ok(_) | Err(_) => {
            let start = cell.get(..BINARY_BYTES_SHOWN).unwrap_or(cell);
            let more = cell.len() - start.len();
            *cells_cut += u64::from(more > 0);
            let mark = if more > 0 { format!("[{more} more bytes]") } else { String::new() };
            format!("\\x{}{mark}", hex(start))
        }
    }
}

fn cut(text: &str, cells_cut: &mut u64) -> String {
    let count = text.chars().count();
    if count <= REPORT_CELL_CHARS_MAX {
        return text.to_owned();
    }
    *cells_cut += 1;
    let start: String = text.chars().take(REPORT_CELL_CHARS_MAX).collect();
    format!("{start}[{} more]", count - REPORT_CELL_CHARS_MAX)
}

fn words(tag: u8, body: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match tag {
        b'C' => text(body.strip_suffix(&[0]).unwrap_or(body)),
        b'I' => "empty query".to_owned(),
        b's' => "suspended: more rows were left at the target".to_owned(),
        _ => {
            let mut said = Vec::new();
            for field in body.split(|byte| *byte == 0) {
                let Some((code, value)) = field.split_first() else { continue };
                if matches!(code, b'V' | b'C' | b'M' | b'D' | b'H') {
                    said.push(text(value));
                }
            }
            said.join(": ")
        }
    }
}

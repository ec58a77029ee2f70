//! Showing cells to a plugin: flat batches out, checked edits back.

use std::borrow::Cow;
use std::collections::HashMap;

use super::host::{Failure, wit};
use super::mask::Shape;
use super::plugin::Live;
use crate::fault::{Blame, Fault};
use crate::limits::{
    SCAN_BATCH_BYTES_MAX, SCAN_BATCH_ROWS_MAX, SCAN_CELL_BYTES_MAX, SCAN_EDIT_BYTES_FREE,
    SCAN_GROWTH_MAX,
};
use crate::protocol::postgres::rows::{self, Cell};

/// Bit 31 of an end says NULL.
const NULL: u32 = 1 << 31;

/// A row and a column.
type Place = (usize, usize);

/// Replacements by row and column.
pub(super) type Edits = HashMap<Place, Cell>;

/// One batch on its way to a plugin.
#[derive(Default)]
struct Batch {
    ends: Vec<u32>,
    data: Vec<u8>,
    /// Where each cell comes from, and what may replace it.
    places: Vec<(usize, usize, Shape)>,
    first_row: usize,
}

/// Shows a plugin the cells of the columns that `shape` names, and adds its edits. A cell that an
/// earlier plugin edited is shown as edited.
pub(super) fn rows(
    live: &mut Live,
    frames: &[u8],
    columns: usize,
    shape: impl Fn(usize) -> Option<Shape>,
    edits: &mut Edits,
) -> Result<(), Halt> {
    let mut halt = None;
    let walked = walk(live, frames, columns, shape, edits, &mut halt);
    match (walked, halt) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(halt)) => Err(halt),
        (Err(fault), None) => Err(Halt::Refused(fault)),
    }
}

/// Why a plugin's look at rows ended early.
#[derive(Debug)]
pub(super) enum Halt {
    /// The plugin failed.
    Failed(Failure),
    /// The plugin withheld the rest, or the rows are malformed.
    Refused(Fault),
}

fn walk(
    live: &mut Live,
    frames: &[u8],
    columns: usize,
    shape: impl Fn(usize) -> Option<Shape>,
    edits: &mut Edits,
    halt: &mut Option<Halt>,
) -> Result<(), Fault> {
    let mut batch = Batch::default();
    let filter = live.filter();
    rows::each(frames, columns, |row, column, value| {
        let Some(shape) = shape(column) else { return Ok(()) };
        let shown = match (value, edits.get(&(row, column))) {
            (None, _) | (_, Some(Cell::Null)) => None,
            (Some(_), Some(Cell::Value(edited))) => {
                Some(shape.show(edited).map(|shown| Cow::Owned(shown.into_owned())))
            }
            (Some(value), _) => Some(shape.show(value)),
        };
        let cell = match shown {
            None => None,
            Some(Some(cell)) if cell.len() <= SCAN_CELL_BYTES_MAX => Some(cell),
            // It should be looked at and can't be.
            Some(_) => {
                edits.insert((row, column), Cell::Null);
                None
            }
        };
        if let Some(filter) = &filter
            && !cell.as_deref().is_some_and(|cell| filter.shows(cell))
        {
            return Ok(());
        }
        if batch.is_full(row, cell.as_ref().map_or(0, |cell| cell.len())) {
            std::mem::take(&mut batch).show(live, edits, halt)?;
        }
        batch.push(row, column, shape, cell.as_deref());
        Ok(())
    })?;
    batch.show(live, edits, halt)
}

impl Batch {
    fn is_full(&self, row: usize, more: usize) -> bool {
        !self.places.is_empty()
            && (self.data.len() + more > SCAN_BATCH_BYTES_MAX
                || row - self.first_row >= SCAN_BATCH_ROWS_MAX)
    }

    fn push(&mut self, row: usize, column: usize, shape: Shape, cell: Option<&[u8]>) {
        if self.places.is_empty() {
            self.first_row = row;
        }
        self.data.extend_from_slice(cell.unwrap_or_default());
        // A batch holds at most 64 KiB or one cell of 1 MiB, so an end fits in 31 bits.
        let end = u32::try_from(self.data.len()).unwrap_or(NULL - 1);
        self.ends.push(if cell.is_none() { end | NULL } else { end });
        self.places.push((row, column, shape));
    }

    fn show(
        self,
        live: &mut Live,
        edits: &mut Edits,
        halt: &mut Option<Halt>,
    ) -> Result<(), Fault> {
        if self.places.is_empty() {
            return Ok(());
        }
        let mut withheld = |failure: Failure| {
            let fault = failure.fault("the result is withheld");
            *halt = Some(Halt::Failed(failure));
            fault
        };
        match live.scan(&self.ends, &self.data).map_err(&mut withheld)? {
            wit::Scanned::Clean => Ok(()),
            wit::Scanned::Edit(answer) => {
                let checked = self.check(&answer);
                let checked = checked.map_err(|what| withheld(live.nonsense(what)))?;
                edits.extend(checked);
                Ok(())
            }
            wit::Scanned::Stop(refusal) => Err(stopped(live.name(), &refusal)),
        }
    }

    /// Takes nothing on trust: order, range, lengths, size and encoding.
    fn check(&self, answer: &wit::Edits) -> Result<Vec<(Place, Cell)>, String> {
        let most = self.data.len() * SCAN_GROWTH_MAX + self.places.len() * SCAN_EDIT_BYTES_FREE;
        if answer.data.len() > most {
            return Err(format!("scan: {} bytes of edits, {most} allowed", answer.data.len()));
        }
        if answer.ends.len() != answer.cells.len() {
            return Err("scan: as many ends as edited cells expected".to_owned());
        }
        if answer.cells.windows(2).any(|pair| matches!(pair, [a, b] if a >= b)) {
            return Err("scan: edited cells out of order".to_owned());
        }
        let (mut start, mut checked) = (0, Vec::with_capacity(answer.cells.len()));
        for (cell, end) in answer.cells.iter().zip(&answer.ends) {
            let place = usize::try_from(*cell).ok().and_then(|cell| self.places.get(cell));
            let (row, column, shape) = *place.ok_or("scan: an edit of a cell that is not there")?;
            let stop = (end & !NULL) as usize;
            let bytes = answer.data.get(start..stop).ok_or("scan: ends that do not fit")?;
            start = stop;
            let replacement = match (end & NULL != 0, bytes) {
                (true, []) => Cell::Null,
                (true, _) => return Err("scan: a NULL edit with bytes".to_owned()),
                (false, bytes) => shape.replace(plain(bytes)?),
            };
            checked.push(((row, column), replacement));
        }
        if start != answer.data.len() {
            return Err("scan: bytes after the last edit".to_owned());
        }
        Ok(checked)
    }
}

fn plain(bytes: &[u8]) -> Result<&str, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) => Err("scan: an edit with a NUL".to_owned()),
        Err(_) => Err("scan: an edit that is not UTF-8".to_owned()),
    }
}

fn stopped(plugin: &str, refusal: &wit::Refusal) -> Fault {
    Fault::new(
        Blame::Policy,
        "policy_denied",
        "42501",
        format!(
            "policy plugin \"{plugin}\" withheld the rest of this result: {} (rule {})",
            refusal.reason, refusal.rule
        ),
    )
    .hint(
        "The connection stays usable. The same query gets the same answer, so do not retry it \
         unchanged: select fewer columns, or ask the operator of this gateway.",
    )
}

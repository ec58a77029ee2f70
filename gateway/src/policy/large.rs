//! A row that is too large to be taken whole.
//!
//! Where nothing of a result is hidden, its bytes go on in pieces as they come. Where something
//! is, the length of the masked row is known only at its end, and it stands at its beginning: so
//! the large cells that stay as they are wait in a spool outside of memory, and what is left of
//! the row, a small one, is masked like any other.

mod spool;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use self::spool::Spool;
use super::Masked;
use super::plan::{Large, ResultPlan, Seen};
use crate::fault::{Blame, Fault};
use crate::limits::{LARGE_CELL_BYTES_MIN, LARGE_PIECE_BYTES_MAX, LARGE_ROW_HELD_BYTES_MAX};
use crate::protocol::Rows;
use crate::protocol::postgres::rows;

const TAG: u8 = b'D';
const HEADER_BYTES: usize = 5;
const LENGTH_BYTES: usize = 4;

/// One large row on its way.
pub struct LargeRow {
    /// Bytes of the message, header included, that are still to come.
    left: usize,
    /// Bytes of the masked message that were given out, and all of them; 0 while not known.
    given: u64,
    total: u64,
    way: Way,
}

enum Way {
    Passing,
    Reading(Box<Reading>),
    Writing(Box<Writing>),
}

/// A piece of the masked row, for the client, and where in its message it stands.
#[derive(Debug)]
pub struct Piece {
    /// The bytes and what was masked; the row is counted by its last piece.
    pub masked: Masked,
    /// Offset of the piece in its message, bytes.
    pub offset: u64,
    /// Length of the message with its header, bytes.
    pub message_bytes: u64,
}

/// The row is being read.
struct Reading {
    spool: Spool,
    header: bool,
    columns: usize,
    column: usize,
    cell: Cell,
    /// The row without its large cells.
    held: BytesMut,
    /// Columns and lengths of the cells in the spool.
    spooled: Vec<(usize, usize)>,
    /// Large cells that must not be shown whole.
    dropped: u64,
}

enum Cell {
    Length,
    Held { left: usize },
    Spooled { left: usize },
    Dropped { left: usize },
}

/// The row is masked and is being given out.
struct Writing {
    spool: Spool,
    /// What is left of the row without its large cells.
    held: BytesMut,
    /// Where in what was first `held` a spooled cell follows, and its length; in order.
    gaps: std::collections::VecDeque<(usize, usize)>,
    /// How much of `held` was given out.
    at: usize,
    /// Bytes of the spooled cell under way.
    cell: usize,
    seen: Seen,
}

impl LargeRow {
    /// A DataRow message of `body_bytes`, of which nothing, not even its header, was taken.
    ///
    /// # Errors
    /// No place to keep it.
    pub fn new(plan: &ResultPlan, body_bytes: usize) -> Result<Self, Fault> {
        let left = HEADER_BYTES + body_bytes;
        if plan.is_pass() {
            return Ok(Self { left, given: 0, total: left as u64, way: Way::Passing });
        }
        let reading = Reading {
            spool: Spool::new()?,
            header: false,
            columns: 0,
            column: 0,
            cell: Cell::Length,
            held: BytesMut::new(),
            spooled: Vec::new(),
            dropped: 0,
        };
        Ok(Self { left, given: 0, total: 0, way: Way::Reading(Box::new(reading)) })
    }

    /// True once the whole row was given out.
    pub fn is_done(&self) -> bool {
        self.left == 0 && self.total != 0 && self.given == self.total
    }

    /// Bytes of the row that are still to come from the target.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Takes what is there of the row out of `buffer` and gives its next piece; nothing when more
    /// bytes are needed, or when it is done.
    ///
    /// # Errors
    /// As [`ResultPlan::mask`]; nothing of the row has left then unless nothing is hidden.
    pub fn take(
        &mut self,
        plan: &mut ResultPlan,
        buffer: &mut BytesMut,
    ) -> Result<Option<Piece>, Fault> {
        if let Way::Passing = self.way {
            let bytes = buffer.len().min(self.left).min(LARGE_PIECE_BYTES_MAX);
            let whole = self.left.min(LARGE_PIECE_BYTES_MAX);
            if bytes < whole || bytes == 0 {
                buffer.reserve(whole - bytes);
                return Ok(None);
            }
            self.left -= bytes;
            let piece = buffer.split_to(bytes).freeze();
            return Ok(Some(self.piece(piece, Seen::of(0, plan))));
        }
        if let Way::Reading(reading) = &mut self.way {
            let before = buffer.len();
            let taken = reading.take(plan, buffer, self.left);
            self.left -= before - buffer.len();
            taken?;
            if self.left > 0 {
                return Ok(None);
            }
            let Way::Reading(reading) = std::mem::replace(&mut self.way, Way::Passing) else {
                return Ok(None);
            };
            let (writing, total) = reading.finish(plan)?;
            self.total = total;
            self.way = Way::Writing(Box::new(writing));
        }
        let Way::Writing(writing) = &mut self.way else { return Ok(None) };
        let (piece, seen) = (writing.next()?, writing.seen.clone());
        Ok(if piece.is_empty() { None } else { Some(self.piece(piece, seen)) })
    }

    fn piece(&mut self, bytes: Bytes, seen: Seen) -> Piece {
        let offset = self.given;
        self.given += bytes.len() as u64;
        let last = self.given == self.total;
        let masked = seen.masked(bytes, last);
        Piece { masked, offset, message_bytes: self.total }
    }
}

impl Reading {
    /// Takes bytes out of `buffer`, at most `left`.
    fn take(&mut self, plan: &ResultPlan, buffer: &mut BytesMut, left: usize) -> Result<(), Fault> {
        let mut taken = 0;
        if !self.header {
            if buffer.len() < HEADER_BYTES + 2 {
                return Ok(());
            }
            buffer.advance(HEADER_BYTES);
            self.columns = usize::from(buffer.get_u16());
            self.held.put_u16(u16::try_from(self.columns).unwrap_or(0));
            self.header = true;
            taken = HEADER_BYTES + 2;
        }
        while taken < left {
            let before = buffer.len();
            let room = left - taken;
            match &mut self.cell {
                Cell::Length => {
                    if room < LENGTH_BYTES || self.column == self.columns {
                        return Err(malformed());
                    }
                    if buffer.len() < LENGTH_BYTES {
                        break;
                    }
                    let length = buffer.get_i32();
                    self.begin(plan, length, room - LENGTH_BYTES)?;
                }
                Cell::Held { left } => {
                    let bytes = buffer.split_to(buffer.len().min(*left));
                    *left -= bytes.len();
                    self.held.extend_from_slice(&bytes);
                }
                Cell::Spooled { left } => {
                    let bytes = buffer.split_to(buffer.len().min(*left));
                    *left -= bytes.len();
                    self.spool.write(&bytes)?;
                }
                Cell::Dropped { left } => {
                    let bytes = buffer.len().min(*left);
                    buffer.advance(bytes);
                    *left -= bytes;
                }
            }
            taken += before - buffer.len();
            if let Cell::Held { left: 0 } | Cell::Spooled { left: 0 } | Cell::Dropped { left: 0 } =
                self.cell
            {
                self.column += 1;
                self.cell = Cell::Length;
            } else if buffer.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn begin(&mut self, plan: &ResultPlan, length: i32, room: usize) -> Result<(), Fault> {
        if length == -1 {
            self.held.put_i32(-1);
            self.cell = Cell::Held { left: 0 };
            return Ok(());
        }
        let left = usize::try_from(length).map_err(|_| malformed())?;
        if left > room {
            return Err(malformed());
        }
        let small = left < LARGE_CELL_BYTES_MIN
            && self.held.len() + LENGTH_BYTES + left <= LARGE_ROW_HELD_BYTES_MAX;
        self.cell = if small {
            self.held.put_i32(length);
            Cell::Held { left }
        } else {
            match plan.large(self.column) {
                Large::Shown => {
                    self.held.put_i32(-1);
                    self.spooled.push((self.column, left));
                    Cell::Spooled { left }
                }
                // The mask does not look at the value, so any will do.
                Large::Replaced => {
                    self.held.put_i32(1);
                    self.held.put_u8(b'x');
                    Cell::Dropped { left }
                }
                // It should be masked by its value or looked at, and is too large for that.
                Large::Null => {
                    self.held.put_i32(-1);
                    self.dropped += 1;
                    Cell::Dropped { left }
                }
            }
        };
        Ok(())
    }

    /// Masks the row; the second is the length of its message.
    fn finish(self, plan: &mut ResultPlan) -> Result<(Writing, u64), Fault> {
        if self.column != self.columns || !matches!(self.cell, Cell::Length) {
            return Err(malformed());
        }
        let mut frame = BytesMut::with_capacity(HEADER_BYTES + self.held.len());
        frame.put_u8(TAG);
        let length = self.held.len() + LENGTH_BYTES;
        frame.put_i32(i32::try_from(length).map_err(|_| malformed())?);
        frame.extend_from_slice(&self.held);
        let masked = plan.mask(&Rows::new(frame.freeze(), 1))?;
        let seen = Seen::of(masked.masked_cells() + self.dropped, plan);
        let mut held = BytesMut::from(&masked.frames()[..]);
        let mut gaps = std::collections::VecDeque::new();
        let mut total = held.len() as u64;
        let mut spooled = self.spooled.iter().peekable();
        for (column, place) in rows::places(&held, self.columns)?.into_iter().enumerate() {
            if let Some((_, length)) = spooled.next_if(|(at, _)| *at == column) {
                let bytes = i32::try_from(*length).map_err(|_| malformed())?;
                let slot = held.get_mut(place..place + LENGTH_BYTES).ok_or_else(malformed)?;
                slot.copy_from_slice(&bytes.to_be_bytes());
                gaps.push_back((place + LENGTH_BYTES, *length));
                total += *length as u64;
            }
        }
        let length = i32::try_from(total - 1).map_err(|_| malformed())?;
        held.get_mut(1..HEADER_BYTES).ok_or_else(malformed)?.copy_from_slice(&length.to_be_bytes());
        Ok((Writing { spool: self.spool, held, gaps, at: 0, cell: 0, seen }, total))
    }
}

impl Writing {
    /// The next piece; empty at the end.
    fn next(&mut self) -> Result<Bytes, Fault> {
        if self.cell > 0 {
            let bytes = self.spool.read(self.cell.min(LARGE_PIECE_BYTES_MAX))?;
            self.cell -= bytes.len();
            return Ok(bytes);
        }
        let end = self.gaps.front().map_or(self.at + self.held.len(), |(end, _)| *end);
        let bytes = (end - self.at).min(LARGE_PIECE_BYTES_MAX);
        let piece = self.held.split_to(bytes).freeze();
        self.at += bytes;
        if self.at == end
            && let Some((_, length)) = self.gaps.pop_front()
        {
            self.cell = length;
        }
        Ok(piece)
    }
}

fn malformed() -> Fault {
    let message = "the target sent a row whose lengths do not fit, so the result is withheld";
    Fault::new(Blame::Upstream, "reply_malformed", "08P01", message)
}

#[cfg(test)]
mod tests;

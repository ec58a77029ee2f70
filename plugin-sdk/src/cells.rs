//! The cells of a batch, and edits to them.

use crate::{Edits, Scanned};

/// Bit 31 of an end says NULL.
const NULL: u32 = 1 << 31;

/// The cells of the `inspect` columns of some rows, row by row.
pub struct Cells<'a> {
    ends: &'a [u32],
    data: &'a [u8],
}

impl<'a> Cells<'a> {
    /// As the host packs them: cell `i` is `data[end(i-1)..end(i)]`.
    pub fn new(ends: &'a [u32], data: &'a [u8]) -> Self {
        Self { ends, data }
    }

    /// Every cell with its number; `None` = NULL.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Option<&'a [u8]>)> {
        let (ends, data) = (self.ends, self.data);
        let mut start = 0;
        (0..).zip(ends).map(move |(number, end)| {
            let stop = (end & !NULL) as usize;
            let cell = data.get(start..stop).filter(|_| end & NULL == 0);
            start = stop;
            (number, cell)
        })
    }
}

/// Replacements, in the order of the cells.
#[derive(Default)]
pub struct Edit {
    cells: Vec<u32>,
    ends: Vec<u32>,
    data: Vec<u8>,
}

impl Edit {
    /// Replaces a cell. Cells must be edited in ascending order. On a column that is not text
    /// the host writes NULL.
    pub fn replace(&mut self, cell: u32, text: &str) {
        self.data.extend_from_slice(text.as_bytes());
        self.end(cell, 0);
    }

    /// Replaces a cell by NULL.
    pub fn null(&mut self, cell: u32) {
        self.end(cell, NULL);
    }

    fn end(&mut self, cell: u32, flag: u32) {
        self.cells.push(cell);
        self.ends.push(self.data.len() as u32 | flag);
    }
}

impl From<Edit> for Scanned {
    fn from(edit: Edit) -> Self {
        if edit.cells.is_empty() {
            return Self::Clean;
        }
        Self::Edit(Edits { cells: edit.cells, ends: edit.ends, data: edit.data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_cut_where_the_ends_say() {
        let ends = [2, 2 | NULL, 2, 5];
        let cells: Vec<_> = Cells::new(&ends, b"abcde").iter().collect();
        let expected = [(0, Some(&b"ab"[..])), (1, None), (2, Some(&b""[..])), (3, Some(b"cde"))];
        assert_eq!(cells, expected);
    }

    #[test]
    fn no_edit_is_clean() {
        assert_eq!(Scanned::from(Edit::default()), Scanned::Clean);
    }

    #[test]
    fn edits_are_packed_like_cells() {
        let mut edit = Edit::default();
        edit.replace(1, "xy");
        edit.null(4);
        let packed = Edits { cells: vec![1, 4], ends: vec![2, 2 | NULL], data: b"xy".to_vec() };
        assert_eq!(Scanned::from(edit), Scanned::Edit(packed));
    }
}

//! What no entry says: that the tables have the rows they should have, and no others.

use redb::{ReadableTable, TableError};

use super::pack::{PART_HEAD_BYTES, Things, part_head, part_index, part_number};
use super::{BLOB, EDGE, META, OPEN, Result, SESS, View, failed};

impl View {
    /// Index of the first and last entry of a session, as the list of sessions has them.
    pub(in crate::audit) fn session_ends(&self, id: &str) -> Result<Option<(u64, u64)>> {
        let row = table!(self, SESS, None).get(id).map_err(failed)?;
        Ok(row.map(|ends| ends.value()))
    }

    /// Index of the first entry of a session that the list of open ones has.
    pub(in crate::audit) fn open_since(&self, id: &str) -> Result<Option<u64>> {
        let row = table!(self, OPEN, None).get(id).map_err(failed)?;
        Ok(row.map(|first| first.value()))
    }

    /// The first row that is not in its place, in words: payload parts in order and each value
    /// under the name of its first, one edge, and no texts but the known ones.
    pub(in crate::audit) fn misplaced(&self) -> Result<Option<String>> {
        for row in table!(self, EDGE, None).iter().map_err(failed)? {
            let key = row.map_err(failed)?.0.value();
            if key != 0 {
                return Ok(Some(format!("the table `edge` has a row {key}")));
            }
        }
        for row in table!(self, META, None).iter().map_err(failed)? {
            let (name, _) = row.map_err(failed)?;
            if !["format", "origin", "vkey"].contains(&name.value()) {
                let what = format!("the table `meta` has a row {:?}", name.value());
                return Ok(Some(what));
            }
        }
        self.misplaced_part()
    }

    fn misplaced_part(&self) -> Result<Option<String>> {
        let mut before: Option<[u8; PART_HEAD_BYTES]> = None;
        for row in table!(self, BLOB, None).iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            let (index, part) = key.value();
            let mut first = Some(part_head(index, part));
            let mut any = false;
            for (head, _) in Things::<PART_HEAD_BYTES>::of(value.value()) {
                let named = first.take().is_none_or(|name| head == Some(name));
                if !named || !head.is_some_and(|head| follows(before, head)) {
                    return Ok(Some(out_of_place(index, part)));
                }
                (before, any) = (head, true);
            }
            if !any {
                return Ok(Some(out_of_place(index, part)));
            }
        }
        Ok(None)
    }
}

fn out_of_place(index: u64, part: u32) -> String {
    format!("payload part {part} of entry {index} is out of place")
}

/// Whether a part comes after another: the next of the same entry, or the first of a later one.
fn follows(before: Option<[u8; PART_HEAD_BYTES]>, head: [u8; PART_HEAD_BYTES]) -> bool {
    let index = part_index(head);
    match before {
        Some(last) if part_index(last) == index => {
            part_number(last).checked_add(1) == Some(part_number(head))
        }
        Some(last) => part_index(last) < index && part_number(head) == 0,
        None => part_number(head) == 0,
    }
}

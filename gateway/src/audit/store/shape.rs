//! What no entry says: that the tables have the rows they should have, and no others.

use redb::{ReadableTable, TableError};

use super::pack::{PART_HEAD_BYTES, Things, part_head};
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
        let mut before = None;
        for row in table!(self, BLOB, None).iter().map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            let (index, part) = key.value();
            let mut heads = Things::<PART_HEAD_BYTES>::of(value.value()).map(|(head, _)| head);
            let first = heads.next().flatten();
            let mut good = first == Some(part_head(index, part)) && before < first;
            before = first;
            for head in heads {
                good &= before < head;
                before = head;
            }
            if !good {
                return Ok(Some(format!("payload part {part} of entry {index} is out of place")));
            }
        }
        Ok(None)
    }
}

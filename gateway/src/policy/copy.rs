//! COPY: rows for the client are masked as those of a SELECT; rows from the client belong to the
//! statement that was judged.

use std::sync::Arc;

use bytes::Bytes;

use super::{Decided, Masked, ResultPlan, Ruling, Verdict};
use crate::fault::{Blame, Fault};
use crate::protocol::postgres::copy::Batch;
use crate::protocol::{Kind, Request};

impl ResultPlan {
    /// Masks rows of a COPY.
    ///
    /// # Errors
    /// As [`ResultPlan::mask`].
    pub fn mask_copy(&mut self, mut batch: Batch) -> Result<Masked, Fault> {
        let (rows, written) = batch.rows();
        let masked = self.mask(&rows)?;
        let frames = batch.write(&written, masked.frames())?;
        Ok(Masked { frames, ..masked })
    }

    /// CopyData messages of a COPY of which nothing is hidden.
    ///
    /// # Errors
    /// Something is.
    pub fn relay_copy(&self, frames: Bytes, messages: u64) -> Result<Masked, Fault> {
        if !self.is_pass() {
            let message = "rows of a COPY were about to leave unmasked";
            return Err(Fault::new(Blame::Bug, "copy_unmasked", "XX000", message));
        }
        let (hidden, marks) = (Arc::from([]), self.marks());
        Ok(Masked { frames, rows: messages, masked_cells: 0, hidden, outcome: None, marks })
    }
}

/// Lets the rows of a COPY FROM STDIN follow the statement, which was let through by `ruling`.
///
/// # Errors
/// The request is something else, or the statement was refused; the session must end, for the
/// gateway has a defect.
pub fn data(request: Request, ruling: &Ruling) -> Result<Decided, Fault> {
    if request.kind() != Kind::SqlCopyData || ruling.verdict == Verdict::Deny {
        let message = "rows of a COPY were about to follow a statement that was not allowed";
        return Err(Fault::new(Blame::Bug, "copy_unjudged", "XX000", message));
    }
    // What was found is told once, with the statement.
    let ruling = Ruling { findings: Vec::new(), ..ruling.clone() };
    Ok(Decided { request, ruling, approval: None })
}

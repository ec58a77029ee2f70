//! Rows that are too large to be taken whole: they go on in pieces, each recorded before it leaves.

use std::sync::{Arc, PoisonError};

use bytes::Buf;

use super::Back;
use super::metering::Asked;
use crate::fault::{Blame, Fault};
use crate::pipeline::client_gone;
use crate::pipeline::ledger::SharedPlan;
use crate::policy::{LargeRow, Piece};
use crate::protocol::postgres::frame::HEADER_BYTES;

/// A large row, its request, and how it is masked.
pub(super) struct Large {
    asked: Asked,
    plan: SharedPlan,
    row: LargeRow,
}

impl Back<'_> {
    /// Starts on a row that is too large to be taken whole.
    pub(super) async fn begin_large(&mut self, body_bytes: usize) -> Result<(), Fault> {
        if self.withhold {
            self.skip_bytes = HEADER_BYTES + body_bytes;
            return Ok(());
        }
        let (asked, plan) = self.plan_in_force()?;
        self.begin_large_of(asked, plan, body_bytes).await
    }

    /// Starts on a large row of COPY. Where something is hidden, its cells can't be told apart
    /// without taking it whole.
    pub(super) async fn begin_large_copy(
        &mut self,
        pass: Option<(Asked, SharedPlan)>,
        body_bytes: usize,
    ) -> Result<(), Fault> {
        match pass {
            Some((asked, plan)) if !self.withhold => {
                self.begin_large_of(asked, plan, body_bytes).await
            }
            _ => {
                self.skip_bytes = HEADER_BYTES + body_bytes;
                if self.withhold { Ok(()) } else { self.withhold(too_large(body_bytes)).await }
            }
        }
    }

    async fn begin_large_of(
        &mut self,
        asked: Asked,
        plan: SharedPlan,
        body_bytes: usize,
    ) -> Result<(), Fault> {
        self.release().await?;
        let row = {
            let plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
            LargeRow::new(&plan, body_bytes)
        };
        match row {
            Ok(row) => self.large = Some(Large { asked, plan, row }),
            Err(fault) => {
                self.skip_bytes = HEADER_BYTES + body_bytes;
                self.withhold(fault).await?;
            }
        }
        Ok(())
    }

    /// Takes more of a large row; false when more bytes are needed.
    pub(super) async fn large_row(&mut self) -> Result<bool, Fault> {
        let Some(large) = self.large.as_mut() else {
            let skipped = self.skip_bytes.min(self.upstream.buffer.len());
            self.upstream.buffer.advance(skipped);
            self.skip_bytes -= skipped;
            return Ok(self.skip_bytes == 0);
        };
        let taken = {
            let mut plan = large.plan.lock().unwrap_or_else(PoisonError::into_inner);
            large.row.take(&mut plan, &mut self.upstream.buffer)
        };
        let (asked, plan) = (large.asked, Arc::clone(&large.plan));
        let (left, done) = (large.row.left(), large.row.is_done());
        let taken = match taken {
            Ok(None) => return Ok(false),
            Ok(Some(Piece { masked, offset, message_bytes })) => {
                let masked = match offset {
                    0 => self.metered_as(&asked, &plan, (1, message_bytes), masked).await?,
                    _ => Ok(masked),
                };
                masked.map(|masked| Piece { masked, offset, message_bytes })
            }
            Err(fault) => Err(fault),
        };
        match taken {
            Ok(piece) => {
                if done {
                    self.large = None;
                }
                let release = self.live.recorder.release_piece(asked.number, piece).await?.await?;
                self.client.send(release);
                self.client.set_inside(!done);
                self.client.flush().await.map_err(|_| client_gone())?;
                Ok(true)
            }
            Err(fault) if self.client.interrupted() => Err(fault),
            Err(fault) => {
                self.skip_bytes = left;
                self.large = None;
                self.withhold(fault).await?;
                Ok(true)
            }
        }
    }
}

fn too_large(bytes: usize) -> Fault {
    let message = format!("a row of {bytes} bytes is too large for a COPY with masked columns");
    Fault::new(Blame::Policy, "copy_row_too_large", "54000", message)
        .hint("SELECT it instead: rows of a SELECT are masked whatever their size.")
}

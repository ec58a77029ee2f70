//! The question what a session is right now: SHOW of a few settings, over the session itself.
//!
//! SHOW takes no snapshot and changes nothing, so it fits anywhere in a transaction (PostgreSQL:
//! `PlannedStmtRequiresSnapshot`). The names of ours can't be taken by a client.

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{self, BadBody, Fields, HEADER_BYTES};

/// The settings that are asked for, in order.
pub const ASKED: [&str; 3] = ["session_authorization", "role", "search_path"];

/// CloseComplete messages in the answer: a portal and a statement for each setting.
pub const CLOSES: usize = 2 * ASKED.len();

/// The statement and the portal, as the target's own views show them for the moment.
pub const NAME: &[u8] = b"asked by portcullis";

/// Appends the messages; the caller sends Flush or Sync behind them.
pub fn encode(out: &mut BytesMut) {
    for setting in ASKED {
        frame::put(out, b'P', |out| {
            frame::put_string(out, NAME);
            frame::put_string(out, format!("SHOW {setting}").as_bytes());
            out.put_u16(0);
        });
        frame::put(out, b'B', |out| {
            frame::put_string(out, NAME);
            frame::put_string(out, NAME);
            out.put_slice(&[0; 6]);
        });
        frame::put(out, b'E', |out| {
            frame::put_string(out, NAME);
            out.put_i32(0);
        });
        for kind in [b'P', b'S'] {
            frame::put(out, b'C', |out| {
                out.put_u8(kind);
                frame::put_string(out, NAME);
            });
        }
    }
}

/// The value in a row of the answer.
///
/// # Errors
/// It is not one row of one text.
pub fn value(row: Bytes) -> Result<String, BadBody> {
    let mut fields = Fields::new(row.slice(HEADER_BYTES.min(row.len())..));
    let count = fields.count()?;
    let value = fields.value()?.filter(|_| count == 1).ok_or(BadBody)?;
    fields.end()?;
    String::from_utf8(value.into()).map_err(|_| BadBody)
}

/// The effective role, from what `session_authorization` and `role` show.
pub fn effective_role(authorization: &str, role: &str) -> String {
    if role == "none" { authorization.to_owned() } else { role.to_owned() }
}

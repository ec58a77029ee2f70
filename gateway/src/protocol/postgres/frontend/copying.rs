//! What a client sends while a COPY ... FROM STDIN takes its rows.

use std::sync::Arc;

use bytes::{BufMut, Bytes};

use super::{Violation, request, text, violation, wire};
use crate::protocol::postgres::frame::{self, BadBody, Fields, Frame};
use crate::protocol::{Kind, Parameter, Request, State};

/// A run of rows for a COPY, whatever messages they came in.
pub fn copy_data(data: Bytes, state: &Arc<State>) -> Request {
    let wire = wire(b'd', |out| out.put_slice(&data));
    let mut request = request(Kind::SqlCopyData, Arc::from(""), Arc::default(), state, wire);
    request.parameters = Arc::from([Parameter { binary: true, value: Some(data), type_oid: 0 }]);
    request
}

/// The client's CopyFail: the server repeats its words in the error that ends the COPY.
pub fn copy_fail(frame: Frame, state: &Arc<State>) -> Result<Request, Violation> {
    let bad = |BadBody| violation("message 'f' is malformed");
    let mut fields = Fields::new(frame.body);
    let raw = fields.string().map_err(bad)?;
    fields.end().map_err(bad)?;
    let why = text(&raw)?;
    let wire = wire(b'f', |out| frame::put_string(out, &raw));
    Ok(request(Kind::SqlCopyData, why, Arc::default(), state, wire))
}

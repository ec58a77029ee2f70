//! The result of a function that was called by its object id.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Masked, MaskedColumn};
use crate::protocol::postgres::frame;

/// A FunctionCallResponse. Nothing says where a function takes its result from, so `hide` hides
/// all of it: it becomes NULL.
pub fn function_result(value: Option<Bytes>, hide: bool) -> Masked {
    let shown = value.filter(|_| !hide);
    let mut frames = BytesMut::new();
    frame::put(&mut frames, b'V', |out| match &shown {
        None => out.put_i32(-1),
        Some(value) => {
            // It came with a length of this kind.
            out.put_i32(i32::try_from(value.len()).unwrap_or(0));
            out.put_slice(value);
        }
    });
    let column = MaskedColumn {
        position: 0,
        name: "result".to_owned(),
        plugin: "core".to_owned(),
        rule: "core.function_result".to_owned(),
    };
    let hidden: Arc<[MaskedColumn]> = if hide { [column].into() } else { Arc::default() };
    let masked_cells = u64::from(hide);
    Masked {
        frames: frames.freeze(),
        rows: 1,
        masked_cells,
        hidden,
        outcome: None,
        marks: Arc::default(),
    }
}

//! Masking documents of an API server: each kind of value in one is a column, its values are the
//! rows, and the maskers plan and look at them as at the result of a query.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

use super::generation::Generation;
use super::instances::Instances;
use super::masking::MaskingMode;
use super::plan::MaskedColumn;
use super::{Masked, report};
use crate::fault::{Blame, Fault};
use crate::limits::RESULT_COLUMNS_MAX;
use crate::protocol::kubernetes::Asked;
use crate::protocol::kubernetes::body::Form;
use crate::protocol::kubernetes::leaves::{self, Leaves, Shown};
use crate::protocol::kubernetes::path::RequestInfo;
use crate::protocol::postgres::frame;
use crate::protocol::postgres::rows;
use crate::protocol::{Outcome, Rows};

impl Generation {
    /// Masks one document that answers a request; the bytes stay what they were where nothing in
    /// them is hidden. Of several parts the last one holds the document, and the others what was
    /// hidden in it and how the plugins fared.
    ///
    /// # Errors
    /// It is no JSON, or a plugin failed or refused it: the document must be withheld.
    pub fn mask_document(
        &self,
        instances: &mut Instances,
        info: &RequestInfo,
        bytes: Bytes,
    ) -> Result<Vec<Masked>, Fault> {
        if !self.masks() {
            return Ok(vec![stream(bytes)]);
        }
        let mut document: Value = serde_json::from_slice(&bytes).map_err(|error| {
            let what = format!("the target's answer is no JSON, so it is withheld: {error}");
            Fault::new(Blame::Upstream, "reply_malformed", "08P01", what)
        })?;
        let leaves = Leaves::of(info, &mut document);
        let columns = leaves.columns();
        let mut shown: Vec<Vec<Shown>> = Vec::with_capacity(columns.len());
        let mut parts = Vec::new();
        for (at, part) in columns.chunks(RESULT_COLUMNS_MAX).enumerate() {
            let first = at * RESULT_COLUMNS_MAX;
            let mut plan = self.plan(instances, part)?;
            let rows = as_rows(&leaves, first, part.len());
            let masked = plan.mask(&rows)?;
            shown.extend(compare(&leaves, first, part.len(), rows.frames(), &masked.frames)?);
            let hidden = masked
                .hidden
                .iter()
                .map(|column| MaskedColumn { position: column.position + first, ..column.clone() });
            let hidden = hidden.collect();
            parts.push(Masked { frames: Bytes::new(), rows: 0, hidden, ..masked });
        }
        let frames = if parts.iter().all(|part| part.masked_cells == 0) {
            bytes
        } else {
            leaves.put(&mut document, |column, place| {
                // A value that nobody planned for does not leave.
                let values = shown.get_mut(column).and_then(|values| values.get_mut(place));
                values.map_or(Shown::Null, |value| std::mem::replace(value, Shown::Null))
            });
            document.to_string().into()
        };
        parts.push(stream(frames));
        Ok(parts)
    }

    /// Masks events of a watch: whole lines, one document each.
    ///
    /// # Errors
    /// As [`Generation::mask_document`]; nothing of the lines may leave then.
    pub fn mask_events(
        &self,
        instances: &mut Instances,
        info: &RequestInfo,
        lines: &Bytes,
    ) -> Result<Vec<Masked>, Fault> {
        let mut parts = Vec::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            parts.extend(self.mask_document(instances, info, lines.slice_ref(line))?);
            parts.push(report::words(Bytes::from_static(b"\n")));
        }
        Ok(parts)
    }

    /// Masks whole lines of a log: values of the column `log`.
    ///
    /// # Errors
    /// As [`Generation::mask_document`].
    pub fn mask_lines(
        &self,
        instances: &mut Instances,
        info: &RequestInfo,
        lines: &Bytes,
    ) -> Result<Vec<Masked>, Fault> {
        let ends = lines.ends_with(b"\n");
        let text = String::from_utf8_lossy(lines);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let list: Vec<&str> = text.split('\n').collect();
        let document = serde_json::json!({ "log": list }).to_string();
        let mut parts = self.mask_document(instances, info, document.into())?;
        let changed = parts.iter().any(|part| part.masked_cells > 0);
        let Some(whole) = parts.last_mut() else { return Ok(parts) };
        whole.rows = list.len() as u64;
        if !changed {
            whole.frames = lines.clone();
            return Ok(parts);
        }
        let shown: Value = serde_json::from_slice(&whole.frames).unwrap_or_default();
        let shown = shown.get("log").and_then(Value::as_array).map(Vec::as_slice);
        let words = shown.unwrap_or_default().iter().map(|line| line.as_str().unwrap_or_default());
        let mut written = words.collect::<Vec<_>>().join("\n");
        if ends {
            written.push('\n');
        }
        whole.frames = written.into();
        Ok(parts)
    }

    /// The first hidden field that a JSON patch tests, copies or moves: each would tell its value,
    /// or put it where it is not hidden.
    ///
    /// # Errors
    /// A plugin failed.
    pub fn patched_from_hidden(
        &self,
        instances: &mut Instances,
        info: &RequestInfo,
        asked: &Asked,
    ) -> Result<Option<String>, Fault> {
        if self.settings().masking.mode == MaskingMode::Values {
            return Ok(None);
        }
        let paths = read_by_patch(asked);
        let columns: Vec<_> = paths.iter().map(|path| leaves::column(info, path)).collect();
        if columns.is_empty() {
            return Ok(None);
        }
        let learned = self.hidden(instances, &columns)?;
        let at = learned.columns.iter().position(Option::is_some);
        Ok(at.and_then(|at| paths.into_iter().nth(at)))
    }
}

/// The paths whose values a JSON patch reads.
fn read_by_patch(asked: &Asked) -> Vec<String> {
    let reads = |act: &Value| {
        let field = |name: &str| act.get(name).and_then(Value::as_str).map(str::to_owned);
        match act.get("op").and_then(Value::as_str) {
            Some("test") => field("path"),
            Some("copy" | "move") => field("from"),
            _ => None,
        }
    };
    let is_patch = asked.content_type.as_deref().and_then(|kind| Form::of(kind).ok());
    if is_patch != Some(Form::JsonPatch) {
        return Vec::new();
    }
    let acts: Vec<Value> = serde_json::from_slice(&asked.body).unwrap_or_default();
    acts.iter().filter_map(reads).collect()
}

/// A request that got no answer, or one that must not be shown.
pub fn failed(fault: &Fault) -> Masked {
    let outcome = Outcome {
        tag: None,
        sqlstate: Some(fault.sqlstate.to_owned()),
        message: Some(fault.message.to_string()),
    };
    report::completion(Bytes::new(), outcome)
}

/// How a request to an API server ended: its HTTP status.
pub fn answered(status: u16) -> Masked {
    let tag = Some(status.to_string());
    report::completion(Bytes::new(), Outcome { tag, sqlstate: None, message: None })
}

/// Bytes of a stream that no masker looks at.
pub fn stream(bytes: Bytes) -> Masked {
    Masked { rows: 1, ..report::words(bytes) }
}

/// The values of some columns as DataRow messages: the first row holds the first value of each.
fn as_rows(leaves: &Leaves<'_>, first: usize, width: usize) -> Rows {
    let columns: Vec<&[Vec<u8>]> = (first..first + width).map(|at| leaves.values(at)).collect();
    let height = columns.iter().map(|values| values.len()).max().unwrap_or(0);
    let mut frames = BytesMut::new();
    for row in 0..height {
        frame::put(&mut frames, b'D', |out| {
            out.put_i16(i16::try_from(width).unwrap_or(i16::MAX));
            for values in &columns {
                match values.get(row) {
                    Some(value) => {
                        out.put_i32(i32::try_from(value.len()).unwrap_or(i32::MAX));
                        out.put_slice(value);
                    }
                    None => out.put_i32(-1),
                }
            }
        });
    }
    Rows::new(frames.freeze(), height as u64)
}

/// What became of each value, by column.
fn compare(
    leaves: &Leaves<'_>,
    first: usize,
    width: usize,
    before: &Bytes,
    after: &Bytes,
) -> Result<Vec<Vec<Shown>>, Fault> {
    if before == after {
        let same = |at| vec![Shown::Same; leaves.values(at).len()];
        return Ok((first..first + width).map(same).collect());
    }
    let mut shown: Vec<Vec<Shown>> = vec![Vec::new(); width];
    rows::each(after, width, |row, column, value| {
        let Some(original) = leaves.values(first + column).get(row) else { return Ok(()) };
        let what = match value {
            Some(value) if value == original.as_slice() => Shown::Same,
            Some(value) => {
                std::str::from_utf8(value).map_or(Shown::Null, |text| Shown::Text(text.to_owned()))
            }
            None => Shown::Null,
        };
        if let Some(list) = shown.get_mut(column) {
            list.push(what);
        }
        Ok(())
    })?;
    Ok(shown)
}

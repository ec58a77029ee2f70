//! What a server sends: the fields the gateway reads, and the messages it makes itself
//! (PostgreSQL 18, sections 54.7 and 54.8 "Error and Notice Message Fields").

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{self, BadBody, Fields};
use super::lineage::FieldDescription;
use super::statement::error_position;
use crate::fault::Fault;

/// Reads a RowDescription ('T').
pub fn row_description(body: Bytes) -> Result<Vec<FieldDescription>, BadBody> {
    let mut fields = Fields::new(body);
    let count = fields.count()?;
    let mut columns = Vec::with_capacity(count.min(1600));
    for _ in 0..count {
        let name = fields.string()?;
        let name = String::from_utf8(name.into()).map_err(|_| BadBody)?;
        let table_oid = fields.u32()?;
        let attnum = fields.i16()?;
        let type_oid = fields.u32()?;
        fields.i16()?;
        fields.i32()?;
        let format = fields.i16()?;
        columns.push(FieldDescription { name, table_oid, attnum, type_oid, format });
    }
    fields.end()?;
    Ok(columns)
}

/// Reads a DataRow ('D') in the text format, as the gateway's own catalogue queries get it.
pub fn text_row(body: Bytes) -> Result<Vec<Option<String>>, BadBody> {
    let mut fields = Fields::new(body);
    let count = fields.count()?;
    let row = (0..count)
        .map(|_| {
            let Some(value) = fields.value()? else { return Ok(None) };
            String::from_utf8(value.into()).map(Some).map_err(|_| BadBody)
        })
        .collect::<Result<_, _>>()?;
    fields.end()?;
    Ok(row)
}

/// Reads the tag of a CommandComplete ('C').
pub fn command_tag(body: Bytes) -> Result<String, BadBody> {
    let mut fields = Fields::new(body);
    let tag = fields.string()?;
    fields.end()?;
    String::from_utf8(tag.into()).map_err(|_| BadBody)
}

/// Whether a CommandComplete's tag can be that of a statement with this verb.
///
/// Tags begin with the words of the command, as verbs do. The first word tells a read from a
/// write from a change of the schema, and only it is compared.
pub fn tag_fits(verb: &str, tag: &str) -> bool {
    let word = tag.split(' ').next().unwrap_or_default();
    match verb {
        // The tag of what was prepared.
        "execute" => true,
        "begin" => matches!(word, "BEGIN" | "START"),
        // A transaction that failed ends with ROLLBACK whatever was asked.
        "commit" | "prepare_transaction" => matches!(word, "COMMIT" | "PREPARE" | "ROLLBACK"),
        "select_into" | "create_table_as" | "create_materialized_view" => {
            matches!(word, "SELECT" | "CREATE")
        }
        // `CREATE TABLE ... AS EXECUTE` and rules keep the kind of what was written.
        _ => verb.split('_').next().unwrap_or_default().eq_ignore_ascii_case(word),
    }
}

/// Reads name and value of a ParameterStatus ('S').
pub fn parameter_status(body: Bytes) -> Result<(String, String), BadBody> {
    let mut fields = Fields::new(body);
    let name = fields.string()?;
    let value = fields.string()?;
    fields.end()?;
    let text = |bytes: Bytes| String::from_utf8(bytes.into()).map_err(|_| BadBody);
    Ok((text(name)?, text(value)?))
}

/// Reads the types' OIDs of a ParameterDescription ('t').
pub fn parameter_description(body: Bytes) -> Result<Vec<u32>, BadBody> {
    let mut fields = Fields::new(body);
    let count = fields.count()?;
    let types = (0..count).map(|_| fields.u32()).collect::<Result<Vec<_>, _>>()?;
    fields.end()?;
    Ok(types)
}

/// One field of an ErrorResponse or NoticeResponse; `None` when it is absent, as any may be.
pub fn report_field(body: &Bytes, wanted: u8) -> Option<String> {
    let mut fields = Fields::new(body.clone());
    loop {
        match fields.u8().ok()? {
            0 => return None,
            code => {
                let value = fields.string().ok()?;
                if code == wanted {
                    return Some(String::from_utf8_lossy(&value).into_owned());
                }
            }
        }
    }
}

/// Reads a CopyInResponse or CopyOutResponse: whether it is binary, and how many columns.
pub fn copy_response(body: Bytes) -> Result<(bool, usize), BadBody> {
    let mut fields = Fields::new(body);
    let binary = match fields.u8()? {
        0 => false,
        1 => true,
        _ => return Err(BadBody),
    };
    let count = fields.count()?;
    for _ in 0..count {
        fields.i16()?;
    }
    fields.end()?;
    Ok((binary, count))
}

/// The same ErrorResponse or NoticeResponse with another position in the statement, if it has
/// one: `place` is given the position that it has.
pub fn moved_report(body: &Bytes, place: impl FnOnce(usize) -> usize) -> Bytes {
    let Some(position) = report_field(body, b'P').and_then(|text| text.parse().ok()) else {
        return body.clone();
    };
    let mut place = Some(place);
    let mut out = BytesMut::with_capacity(body.len() + 8);
    let mut fields = Fields::new(body.clone());
    while let (Ok(code @ 1..), Ok(value)) = (fields.u8(), fields.string()) {
        out.put_u8(code);
        match place.take_if(|_| code == b'P') {
            Some(place) => frame::put_string(&mut out, place(position).to_string().as_bytes()),
            None => frame::put_string(&mut out, &value),
        }
    }
    out.put_u8(0);
    out.freeze()
}

/// How an error ends things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Severity {
    /// The statement fails; the session goes on.
    Error,
    /// The session ends.
    Fatal,
    /// Nothing fails.
    Notice,
}

/// Who speaks: without it a caller takes the gateway's words for the target's.
const SPEAKER: &str = "portcullis";

/// Encodes a fault as ErrorResponse or NoticeResponse. A syntax error carries its position in
/// the statement, so that clients can point at it. Its words are those of the target's own
/// grammar, so there the speaker stands only in the field for the routine.
pub fn report(out: &mut BytesMut, severity: Severity, fault: &Fault) {
    let (tag, word) = match severity {
        Severity::Error => (b'E', "ERROR"),
        Severity::Fatal => (b'E', "FATAL"),
        Severity::Notice => (b'N', "NOTICE"),
    };
    frame::put(out, tag, |out| {
        let mut put = |code: u8, text: &str| {
            out.put_u8(code);
            // A NUL would end the field early and let the rest be read as other fields.
            out.put_slice(text.replace('\0', "\u{fffd}").as_bytes());
            out.put_u8(0);
        };
        put(b'S', word);
        put(b'V', word);
        put(b'C', fault.sqlstate);
        match fault.code {
            "syntax_error" => put(b'M', &fault.message),
            _ => put(b'M', &format!("{SPEAKER}: {}", fault.message)),
        }
        match (error_position(fault), &fault.detail) {
            (Some(position), _) => put(b'P', &position.to_string()),
            (None, Some(detail)) => put(b'D', detail),
            (None, None) => {}
        }
        if let Some(hint) = &fault.hint {
            put(b'H', hint);
        }
        put(b'R', SPEAKER);
        out.put_u8(0);
    });
}

/// Encodes AuthenticationCleartextPassword.
pub fn ask_password(out: &mut BytesMut) {
    frame::put(out, b'R', |out| out.put_i32(3));
}

/// Encodes AuthenticationOk.
pub fn authentication_ok(out: &mut BytesMut) {
    frame::put(out, b'R', |out| out.put_i32(0));
}

/// Encodes BackendKeyData.
pub fn key_data(out: &mut BytesMut, pid: i32, key: &[u8]) {
    frame::put(out, b'K', |out| {
        out.put_i32(pid);
        out.put_slice(key);
    });
}

/// Encodes ParameterStatus.
pub fn put_parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    frame::put(out, b'S', |out| {
        frame::put_string(out, name.as_bytes());
        frame::put_string(out, value.as_bytes());
    });
}

/// Encodes ReadyForQuery with a status byte.
pub fn ready(out: &mut BytesMut, status: u8) {
    frame::put(out, b'Z', |out| out.put_u8(status));
}

/// Encodes a frame as it came.
pub fn put_frame(out: &mut BytesMut, frame: &frame::Frame) {
    frame::put(out, frame.tag, |out| out.put_slice(&frame.body));
}

#[cfg(test)]
mod tests;

//! The JSON of tokens and key sets: objects that mean one thing only.
//!
//! RFC 7515 section 4 lets a verifier refuse repeated member names; this one does.

use serde_json::{Map, Value};

use crate::protocol::json::strict;

/// Reads one JSON object that fills `bytes`.
///
/// # Errors
/// What is wrong, without any value of the text: not UTF-8, not JSON, trailing bytes, a number
/// out of range, nested deeper than 127, a repeated member, or not an object.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match strict(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("it is not a JSON object".into()),
        Err(error) => Err(error.to_string()),
    }
}

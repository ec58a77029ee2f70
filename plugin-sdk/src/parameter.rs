//! Reading bound values.

use std::borrow::Cow;

use crate::{Parameter, ParameterValue};

impl Parameter {
    /// The value as PostgreSQL writes it in text. `None` for NULL, for a value that is withheld,
    /// and for the binary form of a type that is not read here (`bool`, `int2`, `int4`, `int8`,
    /// `oid`, `float4`, `float8`, `uuid`, and the types whose binary form is their text). A plugin
    /// that decides by the value and gets `None` while [`Parameter::is_null`] is false should
    /// take the stricter way.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match &self.value {
            ParameterValue::Text(text) => Some(Cow::Borrowed(text)),
            ParameterValue::Binary(bytes) => binary(&self.type_name, bytes),
            ParameterValue::Null | ParameterValue::Withheld(_) => None,
        }
    }

    /// The value as a number; `None` when it is none or can't be read, as in
    /// [`Parameter::text`]. Large integers are rounded.
    pub fn number(&self) -> Option<f64> {
        self.text()?.trim().parse().ok().filter(|number: &f64| !number.is_nan())
    }

    /// Whether NULL is bound.
    pub fn is_null(&self) -> bool {
        self.value == ParameterValue::Null
    }
}

fn binary<'a>(type_name: &str, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    Some(Cow::Owned(match type_name {
        "text" | "varchar" | "bpchar" | "name" | "json" | "xml" | "unknown" => {
            return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        "bool" => if <[u8; 1]>::try_from(bytes).ok()? == [0] { "f" } else { "t" }.to_owned(),
        "int2" => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "int4" => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "int8" => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "oid" => u32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "float4" => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "float8" => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "uuid" => {
            let hex = format!("{:032x}", u128::from_be_bytes(bytes.try_into().ok()?));
            let part = |from, to| hex.get(from..to).unwrap_or_default();
            let (a, b, c) = (part(0, 8), part(8, 12), part(12, 16));
            format!("{a}-{b}-{c}-{}-{}", part(16, 20), part(20, 32))
        }
        _ => return None,
    }))
}

#[cfg(test)]
mod tests;

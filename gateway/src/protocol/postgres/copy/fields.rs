//! Fields of the text and CSV formats, as the server writes them (`copyto.c`:
//! `CopyAttributeOutText` and `CopyAttributeOutCSV`).

use std::ops::Range;

use bytes::{BufMut, BytesMut};

use super::{Format, Options};

/// What the text format writes for NULL unless it is told otherwise; no value is written so.
const NULL: &[u8] = b"\\N";

/// Finds the ends of lines, and remembers how far it looked.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    looked_bytes: usize,
    quoted: bool,
    escaped: bool,
}

impl Splitter {
    /// Bytes of the first line in `buffer`, its newline included, once it is whole.
    pub(super) fn line(&mut self, options: &Options, buffer: &[u8]) -> Option<usize> {
        let rest = buffer.get(self.looked_bytes..)?;
        let end = match options.format {
            // The server writes a newline inside a value as `\n`.
            Format::Text | Format::Binary => rest.iter().position(|&byte| byte == b'\n'),
            Format::Csv => rest.iter().position(|&byte| self.ends(options, byte)),
        };
        match end {
            Some(end) => {
                let line = self.looked_bytes + end + 1;
                *self = Self::default();
                Some(line)
            }
            None => {
                self.looked_bytes = buffer.len();
                None
            }
        }
    }

    /// Whether a newline of CSV ends the line: outside of quotes.
    fn ends(&mut self, options: &Options, byte: u8) -> bool {
        if self.escaped {
            self.escaped = false;
        } else if self.quoted && byte == options.escape && options.escape != options.quote {
            self.escaped = true;
        } else if byte == options.quote {
            // Two quotes in a row, which stand for one, end and begin a quoted part.
            self.quoted = !self.quoted;
        } else {
            return byte == b'\n' && !self.quoted;
        }
        false
    }
}

/// Where the fields of a line stand; nothing in place of one that can't be read.
pub(super) fn split(options: &Options, line: &[u8]) -> Vec<Option<Range<usize>>> {
    let mut fields = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, &byte) in line.iter().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match options.format {
            Format::Text | Format::Binary if byte == b'\\' => escaped = true,
            Format::Csv if quoted && byte == options.escape && options.escape != options.quote => {
                escaped = true;
            }
            Format::Csv if byte == options.quote => quoted = !quoted,
            _ if byte == options.delimiter && !quoted => {
                fields.push(Some(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    let whole = !quoted && !escaped;
    fields.push(whole.then_some(start..line.len()));
    fields
}

/// The value of a field; nothing for one that can't be read, and `None` inside for NULL.
///
/// In the text format only `\N` is sure to be NULL: another word may be a value that reads the
/// same, so it is taken for a value, and masked as one.
pub(super) fn value(options: &Options, field: &[u8]) -> Option<Option<Vec<u8>>> {
    match options.format {
        Format::Csv => csv(options, field),
        Format::Text | Format::Binary if options.null == NULL && field == NULL => Some(None),
        Format::Text | Format::Binary => Some(Some(text(field))),
    }
}

fn text(field: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(&byte) = bytes.next() {
        let byte = match byte {
            b'\\' => match bytes.next() {
                Some(b'b') => 0x08,
                Some(b'f') => 0x0c,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 0x0b,
                Some(&other) => other,
                None => b'\\',
            },
            byte => byte,
        };
        value.push(byte);
    }
    value
}

fn csv(options: &Options, field: &[u8]) -> Option<Option<Vec<u8>>> {
    let Some(inner) = field.strip_prefix(&[options.quote]) else {
        // The server quotes every value that holds a quote, or reads like NULL.
        let plain = !field.contains(&options.quote);
        let null = field == options.null;
        return plain.then(|| (!null).then(|| field.to_vec()));
    };
    let inner = inner.strip_suffix(&[options.quote])?;
    let mut value = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        if byte == options.escape {
            let next = *bytes.next()?;
            if next != options.quote && next != options.escape {
                return None;
            }
            value.push(next);
        } else if byte == options.quote {
            return None;
        } else {
            value.push(byte);
        }
    }
    Some(Some(value))
}

/// Writes a value in place of the field that came as `raw`.
pub(super) fn put(options: &Options, value: &[u8], raw: &[u8], out: &mut BytesMut) {
    if options.format != Format::Csv {
        return put_text(options, value, out);
    }
    let special =
        |byte: &u8| [options.delimiter, options.quote, options.escape, b'\n', b'\r'].contains(byte);
    let quoted = raw.first() == Some(&options.quote)
        || value == options.null
        || value == b"\\."
        || value.is_empty()
        || value.iter().any(special);
    if !quoted {
        return out.put_slice(value);
    }
    out.put_u8(options.quote);
    for &byte in value {
        if byte == options.quote || byte == options.escape {
            out.put_u8(options.escape);
        }
        out.put_u8(byte);
    }
    out.put_u8(options.quote);
}

fn put_text(options: &Options, value: &[u8], out: &mut BytesMut) {
    for &byte in value {
        let letter = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' => b'\\',
            byte if byte == options.delimiter => byte,
            byte => {
                out.put_u8(byte);
                continue;
            }
        };
        out.put_slice(&[b'\\', letter]);
    }
}

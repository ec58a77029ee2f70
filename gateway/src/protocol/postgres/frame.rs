//! Frames: one tag byte, a four-byte length that counts itself, a body
//! (PostgreSQL 18, section 54.7 "Message Formats").

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A complete message of either side.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// The message type.
    pub tag: u8,
    /// The body, without tag and length.
    pub body: Bytes,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// The length is below four.
    Length(i32),
    /// The length is above the bound; the frame was not buffered.
    Oversize {
        /// The message type.
        tag: u8,
        /// Bytes of the body that are still to come or buffered.
        body_bytes: usize,
    },
}

/// Bytes of tag and length.
pub const HEADER_BYTES: usize = 5;

/// Takes the next complete frame out of `buffer`, or `None` until more bytes came.
///
/// The length is checked before anything is reserved for it.
pub fn next(buffer: &mut BytesMut, body_bytes_max: usize) -> Result<Option<Frame>, Malformed> {
    let Some((tag, body_bytes)) = header(buffer)? else { return Ok(None) };
    if body_bytes > body_bytes_max {
        return Err(Malformed::Oversize { tag, body_bytes });
    }
    if buffer.len() < HEADER_BYTES + body_bytes {
        buffer.reserve(HEADER_BYTES + body_bytes - buffer.len());
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    Ok(Some(Frame { tag, body: buffer.split_to(body_bytes).freeze() }))
}

/// Takes the run of complete frames with this tag from the front of `buffer`, headers included,
/// and says how many they are. A run ends before an oversize frame; the next one is the error.
pub fn run(
    buffer: &mut BytesMut,
    tag: u8,
    body_bytes_max: usize,
) -> Result<(Bytes, u64), Malformed> {
    let mut end = 0;
    let mut count = 0;
    while let Some(rest) = buffer.get(end..)
        && rest.first() == Some(&tag)
        && let Some((_, body_bytes)) = header(rest)?
    {
        if body_bytes > body_bytes_max && count == 0 {
            return Err(Malformed::Oversize { tag, body_bytes });
        }
        if body_bytes > body_bytes_max || rest.len() < HEADER_BYTES + body_bytes {
            break;
        }
        end += HEADER_BYTES + body_bytes;
        count += 1;
    }
    Ok((buffer.split_to(end).freeze(), count))
}

fn header(buffer: &[u8]) -> Result<Option<(u8, usize)>, Malformed> {
    let Some((tag, rest)) = buffer.split_first() else { return Ok(None) };
    let Some(length) = rest.first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    let body = length.checked_sub(4).and_then(|body| usize::try_from(body).ok());
    body.map(|body| Some((*tag, body))).ok_or(Malformed::Length(length))
}

/// Appends a frame whose body `write` makes. A body too long for the length field is cut to an
/// empty frame, which the peer refuses: lengths never wrap (CVE-2024-27304).
pub fn put(out: &mut BytesMut, tag: u8, write: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    let start = out.len();
    out.put_i32(4);
    write(out);
    match i32::try_from(out.len() - start) {
        Ok(length) => {
            if let Some(place) = out.get_mut(start..start + 4) {
                place.copy_from_slice(&length.to_be_bytes());
            }
        }
        Err(_) => out.truncate(start + 4),
    }
}

/// Appends a string and its terminating NUL. The caller made sure that it holds none.
pub fn put_string(out: &mut BytesMut, text: &[u8]) {
    out.put_slice(text);
    out.put_u8(0);
}

/// Longest field that is copied out of its message.
const PIECE_COPIED_BYTES_MAX: usize = 1024;

/// A checked reader over a message body: every field, and nothing left at the end.
#[derive(Debug)]
pub struct Fields(Bytes);

/// A body ends early, has bytes left, or a field is out of range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadBody;

impl Fields {
    /// Reads `body` from its start.
    pub fn new(body: Bytes) -> Self {
        Self(body)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, BadBody> {
        self.0.try_get_u8().map_err(|_| BadBody)
    }

    /// The next 16-bit integer.
    pub fn i16(&mut self) -> Result<i16, BadBody> {
        self.0.try_get_i16().map_err(|_| BadBody)
    }

    /// The next 16-bit count, not negative.
    pub fn count(&mut self) -> Result<usize, BadBody> {
        usize::try_from(self.i16()?).map_err(|_| BadBody)
    }

    /// The next 32-bit integer.
    pub fn i32(&mut self) -> Result<i32, BadBody> {
        self.0.try_get_i32().map_err(|_| BadBody)
    }

    /// The next 32-bit unsigned integer, such as an OID.
    pub fn u32(&mut self) -> Result<u32, BadBody> {
        self.0.try_get_u32().map_err(|_| BadBody)
    }

    /// The bytes up to the next NUL, which is consumed.
    pub fn string(&mut self) -> Result<Bytes, BadBody> {
        let end = self.0.iter().position(|&byte| byte == 0).ok_or(BadBody)?;
        let text = self.take(end);
        self.0.advance(1);
        Ok(text)
    }

    /// A value: a length, -1 for NULL, and that many bytes.
    pub fn value(&mut self) -> Result<Option<Bytes>, BadBody> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| BadBody)?;
                if length > self.0.len() {
                    return Err(BadBody);
                }
                Ok(Some(self.take(length)))
            }
        }
    }

    /// The next bytes. A short piece is copied: names and values are kept for as long as their
    /// statement or portal, and each would keep the whole read buffer with it.
    fn take(&mut self, bytes: usize) -> Bytes {
        let piece = self.0.split_to(bytes);
        if bytes <= PIECE_COPIED_BYTES_MAX { Bytes::copy_from_slice(&piece) } else { piece }
    }

    /// All that is left.
    pub fn rest(&mut self) -> Bytes {
        self.0.split_off(0)
    }

    /// Refuses left-over bytes.
    pub fn end(self) -> Result<(), BadBody> {
        if self.0.is_empty() { Ok(()) } else { Err(BadBody) }
    }
}

#[cfg(test)]
mod tests;

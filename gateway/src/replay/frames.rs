//! What the frames of an answer say, as far as two answers can be compared: rows, tags, errors.
//! For recorded frames and live ones alike.

/// An answer to one request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Answer {
    /// DataRow and CopyData bodies, in order.
    pub(super) rows: Vec<Vec<u8>>,
    /// Command tags, in order.
    pub(super) tags: Vec<String>,
    /// SQLSTATEs of errors, in order.
    pub(super) errors: Vec<String>,
    /// Formats of the last description's columns: true = binary.
    pub(super) binary: Vec<bool>,
    /// Bytes that were no frame.
    pub(super) broken: bool,
}

impl Answer {
    /// Adds whole frames.
    pub(super) fn add(&mut self, mut frames: &[u8]) {
        while !frames.is_empty() {
            let Some((tag, body, rest)) = split(frames) else {
                self.broken = true;
                return;
            };
            frames = rest;
            self.frame(tag, body);
        }
    }

    /// Adds what came after it.
    pub(super) fn join(&mut self, more: Self) {
        self.rows.extend(more.rows);
        self.tags.extend(more.tags);
        self.errors.extend(more.errors);
        self.broken |= more.broken;
        if !more.binary.is_empty() {
            self.binary = more.binary;
        }
    }

    /// Adds one frame.
    pub(super) fn frame(&mut self, tag: u8, body: &[u8]) {
        match tag {
            b'T' => self.binary = formats(body),
            b'D' | b'd' => self.rows.push(body.to_vec()),
            b'C' => {
                let tag = body.strip_suffix(&[0]).unwrap_or(body);
                self.tags.push(String::from_utf8_lossy(tag).into_owned());
            }
            b'E' => {
                let state = body.split(|byte| *byte == 0).find_map(|it| it.strip_prefix(b"C"));
                let state = String::from_utf8_lossy(state.unwrap_or_default());
                self.errors.push(state.into_owned());
            }
            _ => {}
        }
    }
}

/// The first frame: tag, body, and what follows.
pub(super) fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, _) = bytes.split_first_chunk::<5>()?;
    let [tag, a, b, c, d] = *head;
    let end = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?.checked_add(1)?;
    Some((tag, bytes.get(5..end)?, bytes.get(end..)?))
}

/// Formats of a RowDescription's columns.
fn formats(body: &[u8]) -> Vec<bool> {
    const TAIL: usize = 18;
    let mut rest = body.get(2..).unwrap_or_default();
    let mut formats = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        let Some(tail) = rest.get(end + 1..end + 1 + TAIL) else { break };
        formats.push(tail.ends_with(&[0, 1]));
        rest = rest.get(end + 1 + TAIL..).unwrap_or_default();
    }
    formats
}

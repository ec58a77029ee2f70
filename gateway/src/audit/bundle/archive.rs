//! Archives: POSIX ustar (IEEE 1003.1 pax, ustar interchange format) in one form only, so that
//! every byte of one is accounted for. Any `tar` opens them.

use std::io::{self, Write};

const BLOCK: usize = 512;
/// An archive's length is a multiple of this, as `tar` writes it.
const RECORD: usize = 20 * BLOCK;
const NAME_BYTES: usize = 100;
const SUM_AT: usize = 148;

/// Where the word `ustar` and the version stand in a header.
pub(in crate::audit) const MAGIC: (usize, &[u8]) = (257, b"ustar\x0000");

/// The header of a plain file of mode 0644 without owner or time; `None` when the name or the
/// size does not fit.
fn header(name: &str, size: u64) -> Option<[u8; BLOCK]> {
    if name.is_empty() || name.len() > NAME_BYTES || name.contains('\0') || size >= 1 << 33 {
        return None;
    }
    let mut block = [0; BLOCK];
    let size = format!("{size:011o}\0");
    let fields: [(usize, &[u8]); 9] = [
        (0, name.as_bytes()),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, size.as_bytes()),
        (136, b"00000000000\0"),
        (SUM_AT, b"        "),
        (156, b"0"),
        MAGIC,
    ];
    for (at, bytes) in fields {
        block.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    }
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    block.iter_mut().skip(SUM_AT).zip(sum.bytes()).for_each(|(to, from)| *to = from);
    Some(block)
}

/// Writes an archive, file after file.
pub(in crate::audit) struct Writer<W> {
    out: W,
    written: usize,
}

impl<W: Write> Writer<W> {
    pub(in crate::audit) fn new(out: W) -> Self {
        Self { out, written: 0 }
    }

    pub(in crate::audit) fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let header = header(name, bytes.len() as u64)
            .ok_or_else(|| io::Error::other(format!("{name} does not fit into an archive")))?;
        self.put(&header)?;
        self.put(bytes)?;
        self.fill(BLOCK)
    }

    /// Ends the archive.
    pub(in crate::audit) fn end(mut self) -> io::Result<W> {
        self.put(&[0; 2 * BLOCK])?;
        self.fill(RECORD)?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len();
        self.out.write_all(bytes)
    }

    fn fill(&mut self, unit: usize) -> io::Result<()> {
        let rest = self.written.next_multiple_of(unit) - self.written;
        self.put(&vec![0; rest])
    }
}

/// The files of an archive in order; `None` unless it is byte for byte what [`Writer`] makes.
pub(in crate::audit) fn read(bytes: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let mut files = Vec::new();
    let mut rest = bytes;
    loop {
        let (block, after) = rest.split_first_chunk::<BLOCK>()?;
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        let name = block.get(..NAME_BYTES)?.split(|byte| *byte == 0).next()?;
        let name = std::str::from_utf8(name).ok()?;
        let digits = std::str::from_utf8(block.get(124..135)?).ok()?;
        let size = u64::from_str_radix(digits, 8).ok()?;
        if header(name, size)? != *block {
            return None;
        }
        let size = usize::try_from(size).ok()?;
        let (padded, after) = after.split_at_checked(size.next_multiple_of(BLOCK))?;
        let (file, padding) = padded.split_at_checked(size)?;
        if padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        files.push((name, file));
        rest = after;
    }
    let used = bytes.len() - rest.len() + 2 * BLOCK;
    let whole = bytes.len() == used.next_multiple_of(RECORD) && rest.iter().all(|byte| *byte == 0);
    whole.then_some(files)
}

#[cfg(test)]
mod tests;

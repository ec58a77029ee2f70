//! Where the large cells of one row wait until the row's length is known: a file without a name,
//! encrypted with a key that only this spool has, so that nothing of it can be read from the disk.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::{Bytes, BytesMut};
use zeroize::Zeroizing;

use crate::fault::{Blame, Fault};
use crate::limits::LARGE_PIECE_BYTES_MAX;

const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// Bytes in, then the same bytes out, in pieces.
pub(super) struct Spool {
    file: File,
    key: LessSafeKey,
    /// What waits to be written, less than one piece.
    pending: BytesMut,
    /// Plain lengths of the pieces written and not read yet.
    pieces: VecDeque<usize>,
    written: u64,
    read: u64,
    reading: bool,
    /// Plain bytes of the piece that is being read.
    opened: Bytes,
}

impl Spool {
    /// An empty spool.
    pub(super) fn new() -> Result<Self, Fault> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| broken("no random bytes"))?;
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map(LessSafeKey::new);
        Ok(Self {
            file: tempfile::tempfile().map_err(|error| broken(&error.to_string()))?,
            key: key.map_err(|_| broken("no cipher"))?,
            pending: BytesMut::new(),
            pieces: VecDeque::new(),
            written: 0,
            read: 0,
            reading: false,
            opened: Bytes::new(),
        })
    }

    /// Adds bytes at the end.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let room = LARGE_PIECE_BYTES_MAX - self.pending.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == LARGE_PIECE_BYTES_MAX {
                self.seal()?;
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Fault> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.pieces.push_back(self.pending.len());
        let nonce = nonce(self.written);
        self.written += 1;
        let mut sealed = Vec::with_capacity(self.pending.len() + TAG_BYTES);
        sealed.extend_from_slice(&self.pending);
        self.pending.clear();
        let done = self.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed);
        done.map_err(|_| broken("the cipher refused"))?;
        self.file.write_all(&sealed).map_err(|error| broken(&error.to_string()))
    }

    /// Takes bytes from the front, at most so many; nothing is written any more after the first
    /// call.
    pub(super) fn read(&mut self, most: usize) -> Result<Bytes, Fault> {
        if !self.reading {
            self.seal()?;
            self.pending = BytesMut::new();
            let start = self.file.seek(SeekFrom::Start(0));
            start.map_err(|error| broken(&error.to_string()))?;
            self.reading = true;
        }
        if self.opened.is_empty() {
            let plain = self.pieces.pop_front().ok_or_else(|| broken("it ended early"))?;
            let mut sealed = vec![0; plain + TAG_BYTES];
            self.file.read_exact(&mut sealed).map_err(|error| broken(&error.to_string()))?;
            let nonce = nonce(self.read);
            self.read += 1;
            let opened = self.key.open_in_place(nonce, Aad::empty(), &mut sealed);
            let length = opened.map_err(|_| broken("its bytes changed"))?.len();
            sealed.truncate(length);
            self.opened = sealed.into();
        }
        Ok(self.opened.split_to(most.min(self.opened.len())))
    }
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    for (to, from) in bytes.iter_mut().zip(number.to_be_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

fn broken(what: &str) -> Fault {
    let message = format!("a large row can't be kept while it is masked: {what}");
    Fault::new(Blame::Operator, "spool_failed", "58030", message)
        .hint("The gateway needs room in its folder for temporary files (TMPDIR).")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn all(spool: &mut Spool, most: usize, bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < bytes {
            let piece = spool.read(most).unwrap();
            assert!(!piece.is_empty() && piece.len() <= most);
            out.extend_from_slice(&piece);
        }
        out
    }

    #[test]
    fn what_went_in_comes_out_in_order() {
        let bytes: Vec<u8> = (0..LARGE_PIECE_BYTES_MAX * 2 + 77).map(|n| (n % 251) as u8).collect();
        let mut spool = Spool::new().unwrap();
        for part in bytes.chunks(70_001) {
            spool.write(part).unwrap();
        }
        assert_eq!(all(&mut spool, 100_003, bytes.len()), bytes);
        assert_eq!(spool.read(1).unwrap_err().code, "spool_failed");
    }

    #[test]
    fn the_file_holds_nothing_readable_and_a_changed_byte_is_found() {
        let bytes = vec![b'a'; LARGE_PIECE_BYTES_MAX + 1];
        let mut spool = Spool::new().unwrap();
        spool.write(&bytes).unwrap();
        let mut kept = vec![0; LARGE_PIECE_BYTES_MAX];
        spool.file.seek(SeekFrom::Start(0)).unwrap();
        spool.file.read_exact(&mut kept).unwrap();
        assert!(!kept.windows(16).any(|part| part == [b'a'; 16]));
        spool.file.seek(SeekFrom::Start(9)).unwrap();
        spool.file.write_all(&[kept[9] ^ 1]).unwrap();
        spool.file.seek(SeekFrom::End(0)).unwrap();
        assert_eq!(spool.read(1).unwrap_err().code, "spool_failed");
    }
}

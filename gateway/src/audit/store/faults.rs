//! A disk of the tests, in memory: it fails, tears, forgets and fills up when it is told to.
//!
//! It keeps what was synced apart from what was only written, so that a power cut can be played:
//! of what was not synced, any part may have reached the disk, and a write may be torn.

#![allow(clippy::unwrap_used)]

use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::{RedbStore, builder, failed};

/// Sectors are written whole or not at all.
const SECTOR: usize = 512;

/// One disk; clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::audit) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    synced: Vec<u8>,
    written: Vec<u8>,
    pending: Vec<Write>,
    calls: u64,
    /// Every call from this one on fails.
    dead_from: Option<u64>,
    full: bool,
}

#[derive(Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

impl Write {
    fn onto(&self, image: &mut Vec<u8>, sectors: usize) {
        match self {
            Self::Length(length) => image.resize(*length, 0),
            Self::Bytes(at, bytes) => {
                let bytes = bytes.get(..sectors.saturating_mul(SECTOR)).unwrap_or(bytes);
                let end = at + bytes.len();
                image.resize(image.len().max(end), 0);
                image.get_mut(*at..end).unwrap().copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    /// A store on it.
    pub(in crate::audit) fn store(&self) -> super::Result<RedbStore> {
        let disk = self.clone();
        RedbStore::with_opener(Box::new(move || {
            builder().create_with_backend(disk.clone()).map_err(failed)
        }))
    }

    /// From the call of this number on, everything fails.
    pub(in crate::audit) fn dies_at(&self, call: u64) {
        self.lock().dead_from = Some(call);
    }

    /// Whether it has room.
    pub(in crate::audit) fn fill(&self, full: bool) {
        self.lock().full = full;
    }

    /// Calls so far.
    pub(in crate::audit) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// What a power cut leaves: what was synced, and of the writes after it those that `chance`
    /// picks, some torn.
    pub(in crate::audit) fn after_a_power_cut(&self, chance: &mut impl FnMut() -> u64) -> Vec<u8> {
        let state = self.lock();
        let mut image = state.synced.clone();
        for write in &state.pending {
            match chance() % 4 {
                0 => {}
                1 => write.onto(&mut image, usize::try_from(chance() % 9).unwrap()),
                _ => write.onto(&mut image, usize::MAX),
            }
        }
        image
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn call(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.calls += 1;
        if state.dead_from.is_some_and(|from| state.calls >= from) {
            return Err(Error::other("the disk of the test is dead"));
        }
        Ok(state)
    }

    fn write(&self, write: Write) -> Result<()> {
        let mut state = self.call()?;
        if state.full {
            return Err(ErrorKind::StorageFull.into());
        }
        write.onto(&mut state.written, usize::MAX);
        state.pending.push(write);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.call()?.written.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let state = self.call()?;
        let at = usize::try_from(offset).unwrap();
        let bytes = state.written.get(at..at + out.len());
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<()> {
        Self::write(self, Write::Length(usize::try_from(length).unwrap()))
    }

    fn sync_data(&self) -> Result<()> {
        let mut state = self.call()?;
        state.synced = state.written.clone();
        state.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        Self::write(self, Write::Bytes(usize::try_from(offset).unwrap(), data.to_vec()))
    }
}

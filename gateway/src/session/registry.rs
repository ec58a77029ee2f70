//! The sessions that are open now: who can be cancelled by key, and who can be ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use subtle::ConstantTimeEq;
use tokio::sync::{Notify, mpsc};

use super::SessionId;
use crate::fault::Fault;

/// Bytes of a cancel key for clients of protocol 3.2.
const KEY_BYTES: usize = 32;
/// Bytes of a cancel key for older clients, who accept no other length.
const KEY_BYTES_SHORT: usize = 4;

/// One open session, seen from outside.
#[derive(Debug)]
struct Handle {
    pid: i32,
    key: Vec<u8>,
    cancel: Arc<Notify>,
    end: mpsc::Sender<Fault>,
}

/// The open sessions of this gateway. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    handles: Arc<Mutex<HashMap<SessionId, Handle>>>,
}

/// A place in the registry; leaving is dropping it.
#[derive(Debug)]
pub struct Registered {
    registry: Registry,
    id: SessionId,
    key: Vec<u8>,
    cancel: Arc<Notify>,
    end: mpsc::Receiver<Fault>,
}

/// The system gives no random bytes, so no cancel key can be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRandom;

impl Registry {
    /// Enters a session. `pid` is the target's real process id, which its client is told too;
    /// the key is our own. `long_key` for clients of protocol 3.2.
    pub fn enter(&self, id: SessionId, pid: i32, long_key: bool) -> Result<Registered, NoRandom> {
        let mut key = vec![0; if long_key { KEY_BYTES } else { KEY_BYTES_SHORT }];
        rand::fill(&mut key).map_err(|_| NoRandom)?;
        let cancel = Arc::new(Notify::new());
        let (end, ended) = mpsc::channel(1);
        let handle = Handle { pid, key: key.clone(), cancel: Arc::clone(&cancel), end };
        self.lock().insert(id, handle);
        Ok(Registered { registry: self.clone(), id, key, cancel, end: ended })
    }

    /// Passes a cancel request on to the session with this pid and key, if there is one. Every
    /// key of that pid is compared in constant time.
    pub fn cancel(&self, pid: i32, key: &[u8]) -> bool {
        let handles = self.lock();
        let mut found = false;
        for handle in handles.values().filter(|handle| handle.pid == pid) {
            if bool::from(handle.key.ct_eq(key)) {
                handle.cancel.notify_one();
                found = true;
            }
        }
        found
    }

    /// Ends one session with this fault; false if it is not open.
    pub fn end(&self, id: SessionId, fault: Fault) -> bool {
        self.lock().get(&id).is_some_and(|handle| handle.end.try_send(fault).is_ok())
    }

    /// Ends every session with this fault.
    pub fn end_all(&self, fault: &Fault) {
        for handle in self.lock().values() {
            let _ = handle.end.try_send(fault.clone());
        }
    }

    /// How many sessions are open.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Handle>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    /// The key to tell the client.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Wakes for each cancel request.
    pub fn cancel(&self) -> Arc<Notify> {
        Arc::clone(&self.cancel)
    }

    /// The fault to end with, once somebody ends the session.
    pub async fn ended(&mut self) -> Option<Fault> {
        self.end.recv().await
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_the_right_key_cancels_and_only_while_registered() {
        let registry = Registry::default();
        let place = registry.enter(SessionId::mint(), 7, false).unwrap();
        let key = place.key().to_vec();
        assert_eq!(key.len(), 4);
        assert!(registry.cancel(7, &key));
        assert!(!registry.cancel(8, &key), "another pid");
        assert!(!registry.cancel(7, b"0000"), "a guessed key");
        assert!(!registry.cancel(7, &key[..3]), "a prefix of the key");
        drop(place);
        assert!(!registry.cancel(7, &key), "a session that has ended");
        assert_eq!(registry.count(), 0);
    }
}

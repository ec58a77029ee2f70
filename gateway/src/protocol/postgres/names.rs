//! Which text stands behind a prepared statement's or portal's name.
//!
//! A client may prepare a name anew while an earlier message of the same pipeline is still under
//! way, and the server may refuse that. What is judged must be what the server runs, so a name
//! whose two possible texts differ is [`Lookup::Busy`] until the server answered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::limits::{PORTALS_MAX, PREPARED_STATEMENTS_MAX};
use crate::protocol::{Facts, Parameter};

/// A prepared statement: the text that was judged at Parse, and what the grammar says of it.
#[derive(Debug, Eq, PartialEq)]
pub struct Prepared {
    /// The exact text.
    pub text: Arc<str>,
    /// Its facts.
    pub facts: Arc<Facts>,
}

/// A bound portal.
#[derive(Debug)]
pub struct Portal {
    /// Unique in the session.
    pub id: u64,
    /// What it runs.
    pub prepared: Arc<Prepared>,
    /// With which values.
    pub parameters: Arc<[Parameter]>,
    described: AtomicBool,
}

impl Portal {
    /// True the first time it is called: a Describe has to go upstream before the first Execute.
    pub fn describe_once(&self) -> bool {
        !self.described.swap(true, Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
struct Slot {
    settled: Option<Arc<Prepared>>,
    /// The value if the message with this id succeeds; `None` = closed.
    pending: Option<(u64, Option<Arc<Prepared>>)>,
}

/// What a name stands for.
#[derive(Debug)]
pub enum Lookup {
    /// Two texts are possible until the server answered what is under way.
    Busy,
    /// This one.
    Found(Arc<Prepared>),
    /// None that the gateway judged.
    Missing,
}

/// No more names may be taken in this session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

/// The names of one session.
#[derive(Debug, Default)]
pub struct Names {
    serial: u64,
    statements: HashMap<Bytes, Slot>,
    portals: HashMap<Bytes, Arc<Portal>>,
}

impl Names {
    /// A new id for a message that may fail.
    pub fn mint(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// True while an earlier Parse or Close of this name is unanswered.
    pub fn unsettled(&self, name: &[u8]) -> bool {
        self.statements.get(name).is_some_and(|slot| slot.pending.is_some())
    }

    /// Notes a Parse under way. The caller made sure that the name is not unsettled.
    pub fn prepare(&mut self, name: Bytes, id: u64, prepared: Arc<Prepared>) -> Result<(), Full> {
        if self.statements.len() >= PREPARED_STATEMENTS_MAX && !self.statements.contains_key(&name)
        {
            return Err(Full);
        }
        let unnamed = name.is_empty();
        let slot = self.statements.entry(name).or_default();
        if unnamed {
            // The server drops the unnamed statement before it reads the new one, so whatever
            // becomes of this Parse, the old text is gone.
            slot.settled = Some(prepared);
        } else {
            slot.pending = Some((id, Some(prepared)));
        }
        Ok(())
    }

    /// Notes a Close of a statement under way.
    pub fn close(&mut self, name: &[u8], id: u64) {
        if name.is_empty() {
            self.statements.remove(name);
        } else if let Some(slot) = self.statements.get_mut(name) {
            slot.pending = Some((id, None));
        }
    }

    /// The server answered the Parse or Close with this id.
    pub fn settle(&mut self, name: &[u8], id: u64, succeeded: bool) {
        let Some(slot) = self.statements.get_mut(name) else { return };
        match slot.pending.take() {
            Some((pending, value)) if pending == id => {
                if succeeded {
                    slot.settled = value;
                }
            }
            other => slot.pending = other,
        }
        if slot.settled.is_none() && slot.pending.is_none() {
            self.statements.remove(name);
        }
    }

    /// What a Bind or Describe of this name reaches.
    pub fn lookup(&self, name: &[u8]) -> Lookup {
        match self.statements.get(name) {
            None => Lookup::Missing,
            Some(slot) => match (&slot.settled, &slot.pending) {
                (Some(prepared), None) | (None, Some((_, Some(prepared)))) => {
                    Lookup::Found(Arc::clone(prepared))
                }
                (Some(_), Some((_, Some(_)))) => Lookup::Busy,
                (_, Some((_, None))) | (None, None) => Lookup::Missing,
            },
        }
    }

    /// Notes a Bind under way.
    pub fn bind(
        &mut self,
        name: Bytes,
        id: u64,
        prepared: Arc<Prepared>,
        parameters: Arc<[Parameter]>,
    ) -> Result<(), Full> {
        if self.portals.len() >= PORTALS_MAX && !self.portals.contains_key(&name) {
            return Err(Full);
        }
        let described = AtomicBool::new(false);
        self.portals.insert(name, Arc::new(Portal { id, prepared, parameters, described }));
        Ok(())
    }

    /// The server refused or skipped the Bind with this id.
    pub fn bind_failed(&mut self, name: &[u8], id: u64) {
        if self.portals.get(name).is_some_and(|portal| portal.id == id) {
            self.portals.remove(name);
        }
    }

    /// A bound portal.
    pub fn portal(&self, name: &[u8]) -> Option<Arc<Portal>> {
        self.portals.get(name).map(Arc::clone)
    }

    /// Forgets a portal that the client closes.
    pub fn close_portal(&mut self, name: &[u8]) {
        self.portals.remove(name);
    }

    /// Portals end with their transaction.
    pub fn end_transaction(&mut self) {
        self.portals.clear();
    }

    /// A simple Query destroys the unnamed statement and the unnamed portal.
    pub fn simple_query(&mut self) {
        self.statements.remove(&b""[..]);
        self.portals.remove(&b""[..]);
    }
}

#[cfg(test)]
mod tests;

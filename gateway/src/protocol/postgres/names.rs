//! Which text stands behind a prepared statement's or portal's name.
//!
//! A client may prepare a name anew while an earlier message of the same pipeline is still under
//! way, and the server may refuse or skip that. What is judged must be what the server runs. Up to
//! the next Sync that is sure: whatever follows a failed message is skipped with it. Beyond it, a
//! name whose two possible texts differ is [`Lookup::Busy`] until the server answered.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::limits::{
    NAMED_BYTES_LARGE, PORTALS_BYTES_MAX, PORTALS_MAX, PREPARED_BYTES_MAX, PREPARED_STATEMENTS_MAX,
};
use crate::protocol::{Class, Facts, Parameter};

/// A prepared statement: the text that was judged at Parse, and what the grammar says of it.
#[derive(Debug, Eq, PartialEq)]
pub struct Prepared {
    /// The exact text.
    pub text: Arc<str>,
    /// Its facts.
    pub facts: Arc<Facts>,
    /// OIDs of the parameters' types, as far as the client stated them; 0 = not stated.
    pub stated_types: Arc<[u32]>,
    /// The same as the server told them, once it was asked.
    pub told_types: OnceLock<Arc<[u32]>>,
}

impl Prepared {
    /// A statement whose types the server has not told yet.
    pub fn new(text: Arc<str>, facts: Arc<Facts>, stated_types: Arc<[u32]>) -> Self {
        Self { text, facts, stated_types, told_types: OnceLock::new() }
    }

    /// The OID of a parameter's type; 0 when it is not known.
    pub fn type_of(&self, index: usize) -> u32 {
        let known = self.told_types.get().unwrap_or(&self.stated_types);
        known.get(index).copied().unwrap_or(0)
    }
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
    /// The server said BindComplete.
    bound: AtomicBool,
    cycle: u64,
}

impl Portal {
    /// True the first time it is called: a Describe has to go upstream before the first Execute.
    pub fn describe_once(&self) -> bool {
        !self.described.swap(true, Ordering::Relaxed)
    }
}

/// What became of a Parse, Bind or Close.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The server did it.
    Done,
    /// The server answered with an error.
    Failed,
    /// The server never looked at it, because an earlier message of its pipeline failed.
    Skipped,
}

/// A Parse or Close under way.
#[derive(Debug)]
struct Change {
    id: u64,
    cycle: u64,
    /// The value if it succeeds; `None` = closed.
    value: Option<Arc<Prepared>>,
}

#[derive(Debug, Default)]
struct Slot {
    settled: Option<Arc<Prepared>>,
    /// In the order sent. More than one only for the unnamed statement, which every Parse
    /// replaces.
    pending: VecDeque<Change>,
}

impl Slot {
    fn texts(&self) -> impl Iterator<Item = &Arc<Prepared>> {
        self.settled.iter().chain(self.pending.iter().filter_map(|change| change.value.as_ref()))
    }
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
    /// Counts Syncs, as the client sends them.
    cycle: u64,
    statements: HashMap<Bytes, Slot>,
    portals: HashMap<Bytes, Arc<Portal>>,
}

impl Names {
    /// A new id for a message that may fail.
    pub fn mint(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// The client's Sync: what follows runs whatever became of what came before.
    pub fn next_cycle(&mut self) {
        self.cycle += 1;
    }

    /// True when a Parse or Close of this name has to wait for the answer to an earlier one.
    pub fn unsettled(&self, name: &[u8]) -> bool {
        !name.is_empty() && self.statements.get(name).is_some_and(|slot| !slot.pending.is_empty())
    }

    /// Notes a Parse under way. The caller made sure that the name is not unsettled.
    pub fn prepare(&mut self, name: Bytes, id: u64, prepared: Arc<Prepared>) -> Result<(), Full> {
        if self.statements.len() >= PREPARED_STATEMENTS_MAX && !self.statements.contains_key(&name)
        {
            return Err(Full);
        }
        let bytes = prepared.text.len();
        if bytes > NAMED_BYTES_LARGE && bytes + self.statement_bytes() > PREPARED_BYTES_MAX {
            return Err(Full);
        }
        let change = Change { id, cycle: self.cycle, value: Some(prepared) };
        self.statements.entry(name).or_default().pending.push_back(change);
        Ok(())
    }

    /// Bytes of all texts. Only asked for large ones: small ones are bounded by their number.
    fn statement_bytes(&self) -> usize {
        self.statements.values().flat_map(Slot::texts).map(|prepared| prepared.text.len()).sum()
    }

    /// Notes a Close of a statement under way.
    pub fn close(&mut self, name: &[u8], id: u64) {
        if name.is_empty() {
            self.statements.remove(name);
        } else if let Some(slot) = self.statements.get_mut(name) {
            slot.pending.push_back(Change { id, cycle: self.cycle, value: None });
        }
    }

    /// The server answered the Parse or Close with this id.
    pub fn settle(&mut self, name: &[u8], id: u64, answer: Answer) {
        let Some(slot) = self.statements.get_mut(name) else { return };
        let Some(at) = slot.pending.iter().position(|change| change.id == id) else { return };
        let value = slot.pending.remove(at).and_then(|change| change.value);
        match answer {
            Answer::Done => slot.settled = value,
            // The server drops the unnamed statement before it reads the new one.
            Answer::Failed if name.is_empty() => slot.settled = None,
            Answer::Failed | Answer::Skipped => {}
        }
        if slot.settled.is_none() && slot.pending.is_empty() {
            self.statements.remove(name);
        }
    }

    /// What a Bind or Describe of this name reaches.
    pub fn lookup(&self, name: &[u8]) -> Lookup {
        let Some(slot) = self.statements.get(name) else { return Lookup::Missing };
        let found = |value: &Option<Arc<Prepared>>| match value {
            Some(prepared) => Lookup::Found(Arc::clone(prepared)),
            None => Lookup::Missing,
        };
        match slot.pending.back() {
            None => found(&slot.settled),
            // If the Parse or Close fails or is skipped, what asks now is skipped with it.
            Some(last) if last.cycle == self.cycle => found(&last.value),
            // If it fails, the server may know another text: one prepared in SQL, or an unnamed one
            // that a skipped Query did not destroy.
            Some(_) => Lookup::Busy,
        }
    }

    /// True when a protocol Parse stands, or may stand, behind this name.
    pub fn is_prepared(&self, name: &[u8]) -> bool {
        self.statements.contains_key(name)
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
        let bytes = value_bytes(&parameters);
        if bytes > NAMED_BYTES_LARGE && bytes + self.portal_bytes() > PORTALS_BYTES_MAX {
            return Err(Full);
        }
        let (described, bound) = (AtomicBool::new(false), AtomicBool::new(false));
        let portal = Portal { id, prepared, parameters, described, bound, cycle: self.cycle };
        self.portals.insert(name, Arc::new(portal));
        Ok(())
    }

    fn portal_bytes(&self) -> usize {
        self.portals.values().map(|portal| value_bytes(&portal.parameters)).sum()
    }

    /// The server answered the Bind with this id.
    pub fn bound(&mut self, name: &[u8], id: u64, answer: Answer) {
        match self.portals.get(name).filter(|portal| portal.id == id) {
            Some(portal) if answer == Answer::Done => portal.bound.store(true, Ordering::Relaxed),
            Some(_) => drop(self.portals.remove(name)),
            None => {}
        }
    }

    /// A bound portal.
    pub fn portal(&self, name: &[u8]) -> Option<Arc<Portal>> {
        self.portals.get(name).map(Arc::clone)
    }

    /// False while the name may still stand for another portal of the server, such as a cursor
    /// that was there before: a Bind of an earlier cycle is unanswered.
    pub fn is_sure(&self, portal: &Portal) -> bool {
        portal.cycle == self.cycle || portal.bound.load(Ordering::Relaxed)
    }

    /// Statements in SQL share these names: PREPARE and DEALLOCATE with Parse, DECLARE and CLOSE
    /// with Bind. What such a statement may have replaced is forgotten, and so refused.
    pub fn sql_sent(&mut self, facts: &Facts) {
        for statement in &facts.statements {
            match statement.verb.as_str() {
                "deallocate" | "prepare" => {
                    let named = statement.objects.iter().filter(|it| it.kind == STATEMENT_KIND);
                    let names: Vec<&str> = named.map(|object| object.name.as_str()).collect();
                    if names.is_empty() {
                        self.statements.clear();
                    }
                    names.iter().for_each(|name| drop(self.statements.remove(name.as_bytes())));
                }
                "discard" => {
                    self.statements.clear();
                    self.portals.clear();
                }
                "close" | "declare_cursor" => self.portals.retain(|name, _| name.is_empty()),
                "do" | "call" if statement.class >= Class::Code => {
                    self.portals.retain(|name, _| name.is_empty());
                }
                _ => {}
            }
        }
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

/// How the facts name a prepared statement among the objects.
pub(super) const STATEMENT_KIND: &str = "prepared_statement";

fn value_bytes(parameters: &[Parameter]) -> usize {
    parameters.iter().filter_map(|parameter| parameter.value.as_ref()).map(Bytes::len).sum()
}

#[cfg(test)]
mod tests;

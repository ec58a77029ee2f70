//! What a signed-in client sends: decoding, and the step each message asks for
//! (PostgreSQL 18, sections 54.2.2 to 54.2.4 and 54.7).

mod call;
mod control;
mod copying;
mod setting;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{self, BadBody, Fields, Frame};
use super::names::{Full, Lookup, Names, Portal, Prepared, STATEMENT_KIND};
use super::replication;
use crate::fault::{Blame, Fault};
use crate::limits::NAME_BYTES_MAX;
use crate::protocol::{Facts, Kind, Parameter, Request, State};

pub use call::Call;
use control::is_reserved;
pub use control::{Control, DESCRIBED_STATEMENT, Named, REFUSED_STATEMENT};
pub use copying::{copy_data, copy_fail};
pub use setting::start_setting;

/// How a refusal is told: what the client expects after the error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cycle {
    /// The rest of the pipeline up to Sync is skipped.
    Extended,
    /// ReadyForQuery follows.
    Simple,
}

/// What a message asks for. An `id` names the message until the server has answered it.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are those of the messages")]
pub enum Step {
    /// Judge the Bind; the portal exists once it is sent.
    Bind { request: Request, name: Bytes, id: u64 },
    /// Judge the call, once its function has a name.
    Call(Call),
    /// Close.
    Close { named: Named, id: u64 },
    /// Describe; `portal` when a portal is described, `prepared` when it is sure which statement.
    Describe { named: Named, portal: Option<Arc<Portal>>, prepared: Option<Arc<Prepared>> },
    /// Judge the Execute.
    Execute { request: Request, name: Bytes, portal: Arc<Portal> },
    /// Forward.
    Flush,
    /// Nothing: outside COPY the server ignores these too.
    Ignore,
    /// Judge the Parse.
    Parse { request: Request, name: Bytes, id: u64, types: Arc<[u32]> },
    /// Judge the Query.
    Query { request: Request },
    /// Refuse; `request` when there is something to record as asked.
    Refuse { cycle: Cycle, fault: Fault, request: Option<Request> },
    /// Forward.
    Sync,
    /// The client leaves.
    Terminate,
    /// Ask again once the answers under way came: the name is unsettled.
    Wait(Frame),
}

/// The client broke the protocol: the session ends with this.
pub type Violation = Fault;

fn violation(message: impl Into<std::borrow::Cow<'static, str>>) -> Violation {
    Fault::new(Blame::Client, "protocol_violation", "08P01", message)
}

/// Reads statements: text to facts, usually through a cache.
pub trait Grammar {
    /// What the grammar says of this text.
    fn facts(&self, text: &Arc<str>) -> Result<Arc<Facts>, Fault>;
}

/// The step that a client's message asks for.
pub fn step(
    frame: Frame,
    names: &mut Names,
    grammar: &dyn Grammar,
    state: &Arc<State>,
) -> Result<Step, Violation> {
    let tag = frame.tag;
    let copy = frame.clone();
    let mut fields = Fields::new(frame.body);
    let step = match tag {
        b'Q' => query(&mut fields, names, grammar, state),
        b'P' => parse(&mut fields, copy, names, grammar, state),
        b'B' => bind(&mut fields, copy, names, state),
        b'E' => execute(&mut fields, copy, names, state),
        b'D' => named(&mut fields).map(|named| describe(named, copy, names)),
        b'C' => named(&mut fields).map(|named| close(named, copy, names)),
        b'S' => {
            names.next_cycle();
            Ok(Step::Sync)
        }
        b'H' => Ok(Step::Flush),
        b'X' => Ok(Step::Terminate),
        b'd' | b'c' | b'f' => {
            fields.rest();
            Ok(Step::Ignore)
        }
        b'F' => call::read(&mut fields).map(Step::Call),
        _ => return Err(violation(format!("message type {tag:#04x} is unknown"))),
    };
    let step = step.and_then(|step| fields.end().map(|()| step));
    step.map_err(|BadBody| violation(format!("message '{}' is malformed", tag as char)))
}

fn query(
    fields: &mut Fields,
    names: &mut Names,
    grammar: &dyn Grammar,
    state: &Arc<State>,
) -> Result<Step, BadBody> {
    let raw = fields.string()?;
    names.simple_query();
    let text = match text(&raw) {
        Ok(text) => text,
        Err(fault) => return Ok(Step::Refuse { cycle: Cycle::Simple, fault, request: None }),
    };
    let wire = wire(b'Q', |out| frame::put_string(out, &raw));
    let facts = grammar.facts(&text).and_then(|facts| separate(&facts, names).map(|()| facts));
    Ok(match facts {
        Ok(facts) => {
            let command = facts.statements.first().is_some_and(replication::is_command);
            let kind = if command { Kind::SqlReplication } else { Kind::SqlQuery };
            Step::Query { request: request(kind, text, facts, state, wire) }
        }
        Err(fault) => {
            let request = Some(request(Kind::SqlQuery, text, Arc::default(), state, Bytes::new()));
            Step::Refuse { cycle: Cycle::Simple, fault, request }
        }
    })
}

fn parse(
    fields: &mut Fields,
    frame: Frame,
    names: &mut Names,
    grammar: &dyn Grammar,
    state: &Arc<State>,
) -> Result<Step, BadBody> {
    let name = fields.string()?;
    let raw = fields.string()?;
    let types = fields.count()?;
    let oids = (0..types).map(|_| fields.u32()).collect::<Result<Vec<_>, _>>()?;
    if names.unsettled(&name) {
        return Ok(Step::Wait(frame));
    }
    let text = match text(&raw).and_then(|text| self::name(&name).map(|()| text)) {
        Ok(text) => text,
        Err(fault) => return Ok(refuse(fault)),
    };
    let facts = grammar.facts(&text).and_then(|facts| separate(&facts, names).map(|()| facts));
    let facts = match facts {
        Ok(facts) => facts,
        Err(fault) => {
            let request = request(Kind::SqlParse, text, Arc::default(), state, Bytes::new());
            return Ok(Step::Refuse { cycle: Cycle::Extended, fault, request: Some(request) });
        }
    };
    let wire = wire(b'P', |out| {
        frame::put_string(out, &name);
        frame::put_string(out, &raw);
        out.put_u16(u16::try_from(oids.len()).unwrap_or(0));
        oids.iter().for_each(|&oid| out.put_u32(oid));
    });
    let id = names.mint();
    let request = request(Kind::SqlParse, text, facts, state, wire);
    Ok(Step::Parse { request, name, id, types: oids.into() })
}

/// Notes a Parse that was permitted; the caller sends it now.
pub fn parse_sent(
    names: &mut Names,
    name: &Bytes,
    id: u64,
    prepared: Prepared,
) -> Result<(), Fault> {
    let prepared = Arc::new(prepared);
    names.prepare(name.clone(), id, prepared).map_err(full)
}

fn bind(
    fields: &mut Fields,
    frame: Frame,
    names: &mut Names,
    state: &Arc<State>,
) -> Result<Step, BadBody> {
    let portal = fields.string()?;
    let statement = fields.string()?;
    let formats = formats(fields)?;
    let count = fields.count()?;
    let mut parameters = Vec::with_capacity(count.min(64));
    for index in 0..count {
        let binary = match formats.as_slice() {
            [] => false,
            [one] => *one == 1,
            many => *many.get(index).ok_or(BadBody)? == 1,
        };
        parameters.push(Parameter { binary, type_oid: 0, value: fields.value()? });
    }
    if formats.len() > 1 && formats.len() != count {
        return Err(BadBody);
    }
    let results = self::formats(fields)?;
    let prepared = match names.lookup(&statement) {
        Lookup::Busy => return Ok(Step::Wait(frame)),
        Lookup::Found(prepared) => prepared,
        Lookup::Missing => return Ok(refuse(missing("prepared statement", &statement, "26000"))),
    };
    if let Err(fault) = name(&portal).and_then(|()| separate(&prepared.facts, names)) {
        return Ok(refuse(fault));
    }
    let id = names.mint();
    for (index, parameter) in parameters.iter_mut().enumerate() {
        parameter.type_oid = prepared.type_of(index);
    }
    let parameters: Arc<[Parameter]> = parameters.into();
    let wire =
        wire(b'B', |out| put_bind(out, &portal, &statement, &formats, &parameters, &results));
    if let Err(error) = names.bind(portal.clone(), id, Arc::clone(&prepared), parameters.clone()) {
        return Ok(refuse(full(error)));
    }
    let Prepared { text, facts, .. } = &*prepared;
    let mut request = request(Kind::SqlBind, Arc::clone(text), Arc::clone(facts), state, wire);
    request.parameters = parameters;
    Ok(Step::Bind { request, name: portal, id })
}

fn put_bind(
    out: &mut BytesMut,
    portal: &[u8],
    statement: &[u8],
    formats: &[i16],
    parameters: &[Parameter],
    results: &[i16],
) {
    let put_formats = |out: &mut BytesMut, formats: &[i16]| {
        out.put_u16(u16::try_from(formats.len()).unwrap_or(0));
        formats.iter().for_each(|&format| out.put_i16(format));
    };
    frame::put_string(out, portal);
    frame::put_string(out, statement);
    put_formats(out, formats);
    out.put_u16(u16::try_from(parameters.len()).unwrap_or(0));
    for parameter in parameters {
        match &parameter.value {
            None => out.put_i32(-1),
            Some(value) => {
                out.put_i32(i32::try_from(value.len()).unwrap_or(0));
                out.put_slice(value);
            }
        }
    }
    put_formats(out, results);
}

fn formats(fields: &mut Fields) -> Result<Vec<i16>, BadBody> {
    let count = fields.count()?;
    let formats = (0..count).map(|_| fields.i16()).collect::<Result<Vec<_>, _>>()?;
    if formats.iter().all(|format| matches!(format, 0 | 1)) { Ok(formats) } else { Err(BadBody) }
}

fn execute(
    fields: &mut Fields,
    frame: Frame,
    names: &mut Names,
    state: &Arc<State>,
) -> Result<Step, BadBody> {
    let name = fields.string()?;
    let rows_max = fields.i32()?;
    let Some(portal) = names.portal(&name) else {
        return Ok(refuse(missing("portal", &name, "34000")));
    };
    if !names.is_sure(&portal) {
        return Ok(Step::Wait(frame));
    }
    if let Err(fault) = separate(&portal.prepared.facts, names) {
        return Ok(refuse(fault));
    }
    let wire = wire(b'E', |out| {
        frame::put_string(out, &name);
        out.put_i32(rows_max);
    });
    let Prepared { text, facts, .. } = &*portal.prepared;
    let mut request = request(Kind::SqlExecute, Arc::clone(text), Arc::clone(facts), state, wire);
    request.parameters = Arc::clone(&portal.parameters);
    Ok(Step::Execute { request, name, portal })
}

fn named(fields: &mut Fields) -> Result<Named, BadBody> {
    match fields.u8()? {
        b'P' => Ok(Named::Portal(fields.string()?)),
        b'S' => Ok(Named::Statement(fields.string()?)),
        _ => Err(BadBody),
    }
}

/// A name that is not known here may stand for a cursor or a statement made in SQL, and to
/// describe it runs nothing; if there is none, the server says so.
fn describe(named: Named, frame: Frame, names: &Names) -> Step {
    let (Named::Portal(described) | Named::Statement(described)) = &named;
    if let Err(fault) = name(described) {
        return refuse(fault);
    }
    match &named {
        Named::Portal(name) => match names.portal(name) {
            Some(portal) if !names.is_sure(&portal) => Step::Wait(frame),
            portal => Step::Describe { named, portal, prepared: None },
        },
        Named::Statement(name) => {
            let prepared = match names.lookup(name) {
                Lookup::Found(prepared) => Some(prepared),
                Lookup::Busy | Lookup::Missing => None,
            };
            Step::Describe { named, portal: None, prepared }
        }
    }
}

fn close(named: Named, frame: Frame, names: &mut Names) -> Step {
    let (Named::Portal(closed) | Named::Statement(closed)) = &named;
    if let Err(fault) = name(closed) {
        return refuse(fault);
    }
    let id = names.mint();
    match &named {
        Named::Portal(name) => names.close_portal(name),
        Named::Statement(name) if names.unsettled(name) => return Step::Wait(frame),
        Named::Statement(name) => names.close(name, id),
    }
    Step::Close { named, id }
}

fn request(
    kind: Kind,
    text: Arc<str>,
    facts: Arc<Facts>,
    state: &Arc<State>,
    wire: Bytes,
) -> Request {
    Request { kind, text, facts, parameters: Arc::from([]), state: Arc::clone(state), wire }
}

fn wire(tag: u8, write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    frame::put(&mut out, tag, write);
    out.freeze()
}

fn text(raw: &Bytes) -> Result<Arc<str>, Fault> {
    std::str::from_utf8(raw).map(Arc::from).map_err(|error| {
        let at = error.valid_up_to();
        Fault::new(
            Blame::Client,
            "statement_not_utf8",
            "22021",
            format!("the statement is not UTF-8 (byte {at})"),
        )
        .hint("Set client_encoding to UTF8 and send UTF-8; the session goes on.")
    })
}

fn name(name: &[u8]) -> Result<(), Fault> {
    let why = if name.len() > NAME_BYTES_MAX {
        format!("it has more than {NAME_BYTES_MAX} bytes, and the target would cut it")
    } else if std::str::from_utf8(name).is_err() {
        "it is not UTF-8".to_owned()
    } else if is_reserved(name) {
        "it is reserved".to_owned()
    } else {
        return Ok(());
    };
    Err(Fault::new(
        Blame::Client,
        "name_refused",
        "42602",
        format!("this name of a statement or portal can't be used: {why}"),
    )
    .hint("Choose another name."))
}

/// Refuses SQL that reaches into the names of the protocol: EXECUTE would run a statement whose
/// judgement was put off until a portal of it runs.
fn separate(facts: &Facts, names: &Names) -> Result<(), Fault> {
    for statement in &facts.statements {
        let named = statement.objects.iter().filter(|object| object.kind == STATEMENT_KIND);
        for object in named {
            let own = match statement.verb.as_str() {
                "deallocate" => false,
                "prepare" => is_reserved(object.name.as_bytes()),
                _ => names.is_prepared(object.name.as_bytes()),
            };
            if own {
                let message = format!(
                    "\"{}\" was prepared by the protocol, so SQL can't prepare or execute it",
                    object.name
                );
                return Err(Fault::new(Blame::Policy, "name_shared", "42501", message)
                    .hint("Run it with the protocol's Bind and Execute, or use PREPARE."));
            }
        }
    }
    Ok(())
}

fn missing(what: &str, name: &Bytes, sqlstate: &'static str) -> Fault {
    let name = String::from_utf8_lossy(name);
    let message = format!("{what} \"{name}\" does not exist");
    Fault::new(Blame::Client, "name_unknown", sqlstate, message)
}

fn full(_: Full) -> Fault {
    Fault::new(
        Blame::Client,
        "names_full",
        "54000",
        "too many prepared statements or portals in this session",
    )
    .hint("Close or DEALLOCATE those no longer used.")
}

fn refuse(fault: Fault) -> Step {
    Step::Refuse { cycle: Cycle::Extended, fault, request: None }
}

#[cfg(test)]
mod tests;

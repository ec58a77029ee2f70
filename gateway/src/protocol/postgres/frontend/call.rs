//! FunctionCall: a function by its object id (PostgreSQL 18, section 54.2.5).

use std::sync::Arc;

use bytes::{BufMut, Bytes};

use super::{formats, request, wire};
use crate::protocol::postgres::frame::{BadBody, Fields};
use crate::protocol::{Access, Class, Facts, Kind, Object, Parameter, Request, State, Statement};

/// A call that a client asks for.
#[derive(Debug)]
pub struct Call {
    oid: u32,
    parameters: Arc<[Parameter]>,
    wire: Bytes,
}

/// Reads a FunctionCall.
pub(super) fn read(fields: &mut Fields) -> Result<Call, BadBody> {
    let oid = fields.u32()?;
    let formats = formats(fields)?;
    let count = fields.count()?;
    if formats.len() > 1 && formats.len() != count {
        return Err(BadBody);
    }
    let mut parameters = Vec::with_capacity(count.min(64));
    for index in 0..count {
        let format = formats.get(index).or(formats.first().filter(|_| formats.len() == 1));
        parameters.push(Parameter {
            binary: format == Some(&1),
            value: fields.value()?,
            type_oid: 0,
        });
    }
    let result = fields.i16()?;
    if !matches!(result, 0 | 1) {
        return Err(BadBody);
    }
    let wire = wire(b'F', |out| {
        out.put_u32(oid);
        out.put_u16(u16::try_from(formats.len()).unwrap_or(0));
        formats.iter().for_each(|&format| out.put_i16(format));
        out.put_u16(u16::try_from(parameters.len()).unwrap_or(0));
        for parameter in &parameters {
            match &parameter.value {
                None => out.put_i32(-1),
                Some(value) => {
                    out.put_i32(i32::try_from(value.len()).unwrap_or(0));
                    out.put_slice(value);
                }
            }
        }
        out.put_i16(result);
    });
    Ok(Call { oid, parameters: parameters.into(), wire })
}

impl Call {
    /// The function's object id.
    pub fn oid(&self) -> u32 {
        self.oid
    }

    /// The request, once the function is known as `schema.name`.
    pub fn request(self, name: &str, state: &Arc<State>) -> Request {
        let verb = "function_call".to_owned();
        let kind = "function".to_owned();
        let statement = Statement {
            acts: vec![verb.clone()],
            end: name.len(),
            objects: vec![Object { kind, name: name.to_owned(), access: Access::Read }],
            attributes: vec![("function_oid".to_owned(), self.oid.to_string())],
            ..Statement::bare(&verb, Class::Code)
        };
        let facts = Facts { statements: vec![statement], second_opinion: "off".to_owned() };
        let (kind, facts) = (Kind::SqlFunctionCall, Arc::new(facts));
        let mut request = request(kind, Arc::from(name), facts, state, self.wire);
        request.parameters = self.parameters;
        request
    }
}

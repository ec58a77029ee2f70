//! Adds to a request's facts the code that the target's catalogue says it makes run.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::change::brings_code;
use super::forward::Forward;
use crate::fault::Fault;
use crate::policy::Generation;
use crate::protocol::postgres::replication;
use crate::protocol::{By, Call, Class, Facts, Request, Statement};

impl Forward<'_> {
    /// The request with what its statements make run besides. Only a policy with plugins has
    /// anything to decide by it. `types`: OIDs of its parameters' types.
    ///
    /// # Errors
    /// The request, and why nobody can tell.
    pub(super) async fn knowing(
        &mut self,
        generation: &Generation,
        request: Request,
        types: &[u32],
    ) -> Result<Request, Box<(Request, Fault)>> {
        let statements = &request.facts().statements;
        if !generation.has_plugins() || !statements.iter().any(may_call) {
            return Ok(request);
        }
        let live = self.live;
        let tls = live.target.tls.as_ref();
        let target = &live.target.settings;
        let asked = live.target.catalogues.code(target, tls, &live.session, types).await;
        let (reading, mut changing) = match asked {
            Ok(read) => read,
            Err(fault) => return Err(Box::new((request, fault))),
        };
        let code = reading.code();
        let unknown = types.iter().any(|oid| code.lacks_type(*oid));
        let alone = statements.iter().filter(|one| may_call(one)).count() == 1;
        if code.is_none() && !changing && !unknown && alone {
            return Ok(request);
        }
        let listed = &generation.settings().masking.functions;
        let mut calling = Vec::with_capacity(statements.len());
        for statement in statements {
            let mut calls = BTreeSet::new();
            if may_call(statement) {
                calls = code.calls(statement, types);
                calls.retain(|call| !listed.contains(&call.function));
                if changing || unknown {
                    calls.insert(Call { function: "*".to_owned(), by: By::Unknown });
                }
            }
            let statement = statement.calling(calls.into_iter().collect());
            changing |= brings_code(&statement);
            calling.push(statement);
        }
        if calling.iter().all(|statement| statement.calls.is_empty()) {
            return Ok(request);
        }
        let second_opinion = request.facts().second_opinion.clone();
        let facts = Facts { statements: calling, second_opinion };
        Ok(request.knowing(Arc::new(facts)))
    }
}

/// False for statements that compute with nothing: transactions, settings, constants, commands of
/// a WAL sender.
fn may_call(statement: &Statement) -> bool {
    if replication::is_command(statement) {
        return false;
    }
    statement.class >= Class::Write
        || !statement.columns.is_empty()
        || !statement.operators.is_empty()
        || !statement.types.is_empty()
        || statement.objects.iter().any(|object| object.kind != "setting")
}

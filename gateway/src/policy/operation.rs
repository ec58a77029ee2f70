//! What plugins are told of a statement: the facts, in the shape of `wit/`.

use super::host::wit;
use crate::limits::{PARAMETER_SHOWN_BYTES_MAX, PARAMETERS_SHOWN_BYTES_MAX};
use crate::protocol::postgres::types;
use crate::protocol::{
    Access, Block, Class, Kind, Object, Parameter, Request, Setting, SettingScope, SettingValue,
    Statement,
};

/// Where a statement stands among the transactions of its request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    /// The block that is open before it.
    pub(super) block: Block,
    /// Transactions of the request that ended before it.
    pub(super) number: u32,
}

/// Follows the transactions of a request, statement by statement, as the target will: all
/// statements of one message share a transaction until one of them ends it (PostgreSQL 18,
/// section 54.2.2.1).
pub(super) struct Transactions(Place);

impl Transactions {
    pub(super) fn new(request: &Request) -> Self {
        Self(Place { block: request.state().block, number: 0 })
    }

    /// The place of the next statement.
    pub(super) fn next(&mut self, statement: &Statement) -> Place {
        let place = self.0;
        let attribute = |key: &str| {
            let mut found = statement.attributes.iter().filter(|(name, _)| name == key);
            found.next().map(|(_, value)| value.as_str())
        };
        let chains = attribute("transaction_chain").is_some();
        match attribute("transaction") {
            Some("begin") => self.0.block = Block::Open,
            Some("commit" | "rollback" | "prepare_transaction") => {
                self.0.number = self.0.number.saturating_add(1);
                if !(chains && place.block != Block::None) {
                    self.0.block = Block::None;
                }
            }
            Some("rollback_to") if place.block == Block::Failed => self.0.block = Block::Open,
            _ => {}
        }
        place
    }
}

/// One statement of a request; `None` when it is not where its facts say.
pub(super) fn operation(
    seq: usize,
    statement: &Statement,
    request: &Request,
    place: Place,
) -> Option<wit::Operation> {
    Some(wit::Operation {
        seq: u32::try_from(seq).ok()?,
        kind: kind(request.kind()).to_owned(),
        verb: statement.verb.clone(),
        acts: statement.acts.clone(),
        class: class(statement.class).to_owned(),
        text: request.text().get(statement.start..statement.end)?.to_owned(),
        resources: statement.resources().iter().map(object).collect(),
        parameters: parameters(request.parameters()),
        settings: statement.settings.iter().map(setting).collect(),
        transaction: match place.block {
            Block::None => wit::TransactionState::None,
            Block::Open => wit::TransactionState::Open,
            Block::Failed => wit::TransactionState::Failed,
            Block::Unknown => wit::TransactionState::Unknown,
        },
        transaction_number: place.number,
        attributes: attributes(statement, request),
    })
}

fn object(object: &Object) -> wit::Object {
    wit::Object {
        kind: object.kind.clone(),
        name: object.name.clone(),
        access: match object.access {
            Access::Read => wit::Access::Read,
            Access::Write => wit::Access::Write,
        },
    }
}

/// The values, as far as they are short enough to be shown.
fn parameters(parameters: &[Parameter]) -> Vec<wit::Parameter> {
    let mut room = PARAMETERS_SHOWN_BYTES_MAX;
    let mut shown = |parameter: &Parameter| {
        let Some(value) = &parameter.value else { return wit::ParameterValue::Null };
        let withheld = wit::ParameterValue::Withheld(u64::try_from(value.len()).unwrap_or(0));
        if value.len() > PARAMETER_SHOWN_BYTES_MAX.min(room) {
            return withheld;
        }
        room -= value.len();
        if parameter.binary {
            return wit::ParameterValue::Binary(value.to_vec());
        }
        String::from_utf8(value.to_vec()).map_or(withheld, wit::ParameterValue::Text)
    };
    let one = |parameter: &Parameter| wit::Parameter {
        value: shown(parameter),
        type_oid: parameter.type_oid,
        type_name: types::name(parameter.type_oid).unwrap_or_default(),
    };
    parameters.iter().map(one).collect()
}

fn setting(setting: &Setting) -> wit::Setting {
    wit::Setting {
        name: setting.name.clone(),
        value: match &setting.value {
            SettingValue::Computed => wit::SettingValue::Computed,
            SettingValue::Current => wit::SettingValue::FromCurrent,
            SettingValue::Default => wit::SettingValue::Reset,
            SettingValue::To(value) => wit::SettingValue::To(value.clone()),
        },
        scope: match setting.scope {
            SettingScope::Session => wit::SettingScope::Session,
            SettingScope::Stored => wit::SettingScope::Stored,
            SettingScope::Transaction => wit::SettingScope::Transaction,
        },
    }
}

fn attributes(statement: &Statement, request: &Request) -> Vec<(String, String)> {
    let kind = match request.kind() {
        Kind::KubernetesRequest => "kubernetes_api",
        Kind::SqlBind => "sql_bind",
        Kind::SqlCopyData => "sql_copy_data",
        Kind::SqlExecute => "sql_execute",
        Kind::SqlFunctionCall => "sql_function_call",
        Kind::SqlParse => "sql_parse",
        Kind::SqlQuery => "sql_query",
        Kind::SqlReplication => "sql_replication",
        Kind::SqlSetting => "sql_setting",
    };
    let mut list = vec![("request".to_owned(), kind.to_owned())];
    let flags =
        [("unbounded_write", statement.unbounded_write), ("whole_row", statement.whole_row)];
    for (name, _) in flags.iter().filter(|(_, set)| *set) {
        list.push(((*name).to_owned(), "true".to_owned()));
    }
    list.extend(statement.columns.iter().map(|name| ("column".to_owned(), name.clone())));
    list.extend(statement.attributes.iter().cloned());
    list
}

/// The kind of operation that a kind of request holds.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::KubernetesRequest => "kubernetes_request",
        Kind::SqlBind
        | Kind::SqlCopyData
        | Kind::SqlExecute
        | Kind::SqlFunctionCall
        | Kind::SqlParse
        | Kind::SqlQuery
        | Kind::SqlReplication
        | Kind::SqlSetting => "sql",
    }
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Transaction => "transaction",
        Class::Read => "read",
        Class::Session => "session",
        Class::Write => "write",
        Class::Code => "code",
        Class::Schema => "schema",
        Class::Privilege => "privilege",
        Class::Admin => "admin",
    }
}

#[cfg(test)]
mod tests;

//! `[[targets]]`: what is guarded, and who may open a session.

use super::page::{Item, Section};
use super::policy::Policies;
use super::secret;
use super::text::{host_port, is_loopback, name, owned, postgres_name};
use crate::audit::Durability;
use crate::identity::IssuerSettings;
use crate::limits::{FOREIGN_TABLES_MAX, FUNCTION_CALLS_COUNT_MAX};
use crate::protocol::Protocol;
use crate::protocol::postgres::replication::Scope;
use crate::session::AccessRule;
use crate::upstream::{Account, FunctionCall, Impersonation, TargetSettings, TlsMode};

/// What a listener and a target may speak; the first is the default.
pub(super) const PROTOCOLS: [(&str, Protocol); 2] =
    [("postgres", Protocol::Postgres), ("kubernetes", Protocol::Kubernetes)];

/// Reads every target.
pub(super) fn targets(
    top: &mut Section<'_>,
    issuers: &[IssuerSettings],
    policies: &mut Policies,
) -> Vec<TargetSettings> {
    let sections = top.sections("targets", "targets");
    if sections.is_empty() && top.has("targets").is_none() {
        top.missing("targets", "at least one [[targets]] section: what is guarded");
    }
    let mut targets = Vec::new();
    let mut taken = Vec::new();
    for section in sections {
        targets.extend(target(section, issuers, policies, &mut taken));
    }
    targets
}

/// One target; `None` when its policy has mistakes, which stand in the policy's file.
fn target(
    mut section: Section<'_>,
    issuers: &[IssuerSettings],
    policies: &mut Policies,
    taken: &mut Vec<String>,
) -> Option<TargetSettings> {
    let name = name(&mut section, "name", taken);
    taken.push(name.clone());
    let protocol = section.word("protocol", &PROTOCOLS).unwrap_or_default();
    let address = section.string_needed("address", ADDRESS);
    if let Some(item) = &address
        && host_port(item.value).is_none()
    {
        let shown = item.value.escape_debug();
        section.mistake(item.at, format!("`address` is \"{shown}\"; expected {ADDRESS}"));
    }
    let tls = tls(&mut section, address.as_ref().and_then(|item| host_port(item.value)));
    let durable = [("durable", Durability::Durable), ("buffered", Durability::Buffered)];
    let durability = section.word("log", &durable);
    let sql = match protocol {
        Protocol::Kubernetes => Some(Sql::none()),
        Protocol::Postgres => sql(&mut section),
    };
    let policy = section
        .string_needed("policy", "the path of a policy file")
        .and_then(|item| policies.read(&section, &item));
    let (accounts, roles) = accounts(&mut section, protocol);
    let databases = sql.as_ref().map(|sql| sql.databases.clone()).unwrap_or_default();
    let access = access(&mut section, issuers, &roles, &databases);
    section.end();
    let sql = sql?;
    Some(TargetSettings {
        name,
        protocol,
        address: address?.value.to_owned(),
        databases,
        tls,
        accounts,
        access,
        durability: durability?,
        foreign_tables: sql.foreign_tables,
        function_calls: sql.function_calls,
        policy: policy?,
        replication: sql.replication,
        strict_parsers: sql.strict_parsers,
    })
}

/// What only a PostgreSQL target has.
struct Sql {
    databases: Vec<String>,
    strict_parsers: bool,
    replication: Scope,
    function_calls: Vec<FunctionCall>,
    foreign_tables: Vec<String>,
}

impl Sql {
    fn none() -> Self {
        Self {
            databases: Vec::new(),
            strict_parsers: true,
            replication: Scope::None,
            function_calls: Vec::new(),
            foreign_tables: Vec::new(),
        }
    }
}

fn sql(section: &mut Section<'_>) -> Option<Sql> {
    let databases = section.strings_needed("databases", "names of databases, the default first");
    for item in &databases {
        postgres_name(section, "databases", item);
    }
    let databases = owned(databases);
    let strict_parsers = section.word("parsers", &[("strict", true), ("compat", false)]);
    let scopes = [("none", Scope::None), ("logical", Scope::Logical), ("all", Scope::All)];
    let replication = section.word("replication", &scopes);
    let function_calls = function_calls(section);
    let foreign_tables = foreign_tables(section);
    Some(Sql {
        databases,
        strict_parsers: strict_parsers?,
        replication: replication?,
        function_calls,
        foreign_tables,
    })
}

/// Functions that clients may call by object id; a name without a schema is PostgreSQL's own.
fn function_calls(section: &mut Section<'_>) -> Vec<FunctionCall> {
    let mut calls: Vec<FunctionCall> = Vec::new();
    for (key, harmless) in [("function_calls_harmless", true), ("function_calls", false)] {
        for item in section.strings(key, "names of functions such as \"lo_open\"") {
            let name = match item.value.contains('.') {
                true => item.value.to_owned(),
                false => format!("pg_catalog.{}", item.value),
            };
            if calls.len() >= FUNCTION_CALLS_COUNT_MAX {
                let what = format!("`{key}` holds too many; expected {FUNCTION_CALLS_COUNT_MAX}");
                section.mistake(item.at, what);
                break;
            }
            if !calls.iter().any(|known| known.name == name) {
                calls.push(FunctionCall { name, harmless });
            }
        }
    }
    calls
}

fn foreign_tables(section: &mut Section<'_>) -> Vec<String> {
    let tables = section.strings("foreign_tables", "foreign tables such as \"public.rates\"");
    if let Some(item) = tables.get(FOREIGN_TABLES_MAX) {
        let what = format!("too many `foreign_tables`; expected at most {FOREIGN_TABLES_MAX}");
        section.mistake(item.at, what);
    }
    for item in tables.iter().filter(|item| !item.value.contains('.')) {
        let shown = item.value.escape_debug();
        let what = format!("`foreign_tables` holds \"{shown}\"; expected schema.table");
        section.mistake(item.at, what);
    }
    owned(tables)
}

const ADDRESS: &str = "host:port such as \"db.example.com:5432\" or \"[::1]:5432\"";

fn tls(section: &mut Section<'_>, address: Option<(&str, u16)>) -> TlsMode {
    let at = section.has("tls").unwrap_or(section.at());
    let verify = section.word("tls", &[("verify-full", true), ("disable", false)]);
    let ca_file = secret::authority(section, "tls_ca_file");
    let server_name = section.string("tls_server_name", "the name in the target's certificate");
    let host = address.map_or("", |(host, _)| host);
    if verify != Some(false) {
        let server_name = server_name.map_or(host, |item| item.value).to_owned();
        return TlsMode::VerifyFull { ca_file, server_name };
    }
    if address.is_some() && !is_loopback(host) {
        let what = "`tls` is \"disable\" for an address that isn't loopback; expected \
                    \"verify-full\", or an address such as 127.0.0.1";
        section.mistake(at, what);
    }
    for key in ["tls_ca_file", "tls_server_name"] {
        if let Some(at) = section.has(key) {
            section.mistake(at, format!("`{key}` has no use when `tls` is \"disable\""));
        }
    }
    TlsMode::Disable
}

/// The accounts, and the names of all their roles, those with mistakes too.
fn accounts(target: &mut Section<'_>, protocol: Protocol) -> (Vec<Account>, Vec<String>) {
    let mut roles = Vec::new();
    let mut accounts = Vec::new();
    let sections = target.sections("accounts", "targets.accounts");
    if sections.is_empty() && target.has("accounts").is_none() {
        target.missing("accounts", "at least one [[targets.accounts]] section");
    }
    for mut section in sections {
        let role = section.string_needed("role", "a role of the target");
        if let Some(item) = &role {
            if protocol == Protocol::Postgres {
                postgres_name(&section, "role", item);
            }
            if roles.iter().any(|other| other == item.value) {
                let shown = item.value.escape_debug();
                section.mistake(item.at, format!("`role` \"{shown}\" is taken; expected it once"));
            }
            if !roles.iter().any(|other| other == item.value) {
                roles.push(item.value.to_owned());
            }
        }
        let (password, impersonate) = match protocol {
            Protocol::Kubernetes => {
                (secret::token(&mut section, true), impersonation(&mut section))
            }
            Protocol::Postgres => (secret::password(&mut section), None),
        };
        section.end();
        if let (Some(role), Some(password)) = (role, password) {
            accounts.push(Account { role: role.value.to_owned(), password, impersonate });
        }
    }
    (accounts, roles)
}

/// As whom requests act on an API server: as the caller, with groups of the operator's choice, or
/// as the account itself.
fn impersonation(section: &mut Section<'_>) -> Option<Impersonation> {
    let wanted = section.word("identity", &[("impersonate", true), ("account", false)]);
    let groups = section.strings("groups", "groups of the API server");
    for item in &groups {
        if item.value.starts_with("system:") {
            let shown = item.value.escape_debug();
            let what = format!(
                "`groups` has \"{shown}\"; groups of the system itself are never given to a caller"
            );
            section.mistake(item.at, what);
        }
    }
    match wanted {
        Some(false) => {
            if let Some(at) = section.has("groups") {
                let what = "`groups` has no use when `identity` is \"account\"";
                section.mistake(at, what.to_owned());
            }
            None
        }
        _ => Some(Impersonation { groups: owned(groups) }),
    }
}

fn access(
    target: &mut Section<'_>,
    issuers: &[IssuerSettings],
    roles: &[String],
    databases: &[String],
) -> Vec<AccessRule> {
    let sections = target.sections("access", "targets.access");
    if sections.is_empty() && target.has("access").is_none() {
        target.missing("access", "at least one [[targets.access]] section: who may connect");
    }
    let mut rules = Vec::new();
    for mut section in sections {
        let issuer = section.string_needed("issuer", "the name of an [[issuers]] section");
        let names: Vec<String> = issuers.iter().map(|issuer| issuer.name.clone()).collect();
        if let Some(item) = &issuer {
            known(&section, "issuer", item, &names);
        }
        let groups_any = owned(section.strings("groups_any", "names of groups"));
        let scopes_all = owned(section.strings("scopes_all", "names of scopes"));
        let clients_any = owned(section.strings("clients_any", "ids of OAuth clients"));
        let subjects_any = owned(section.strings("subjects_any", "subjects"));
        let conditions = [&groups_any, &scopes_all, &clients_any, &subjects_any];
        if conditions.iter().all(|condition| condition.is_empty()) {
            let what = "[[targets.access]] has no condition, so any token of the issuer would do; \
                        expected `groups_any`, `scopes_all`, `clients_any` or `subjects_any`";
            section.mistake(section.at(), what);
        }
        let allowed = section.strings_needed("roles", "roles of the target's accounts");
        for item in &allowed {
            known(&section, "roles", item, roles);
        }
        let opened = section.strings("databases", "databases of the target");
        for item in &opened {
            known(&section, "databases", item, databases);
        }
        section.end();
        rules.push(AccessRule {
            issuer: issuer.map_or_else(String::new, |item| item.value.to_owned()),
            groups_any,
            scopes_all,
            clients_any,
            subjects_any,
            roles: owned(allowed),
            databases: owned(opened),
        });
    }
    rules
}

/// Reports a name that isn't among those defined.
pub(super) fn known(section: &Section<'_>, key: &str, item: &Item<&str>, names: &[String]) {
    if names.iter().any(|name| name == item.value) {
        return;
    }
    let shown = item.value.escape_debug();
    let expected = if names.is_empty() {
        "one that is defined".to_owned()
    } else {
        names.iter().map(|name| name.escape_debug().to_string()).collect::<Vec<_>>().join(", ")
    };
    section.mistake(
        item.at,
        format!("`{key}` has \"{shown}\", which is not defined; expected {expected}"),
    );
}

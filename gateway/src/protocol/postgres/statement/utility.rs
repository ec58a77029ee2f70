//! Facts of statements other than queries and changes of rows.

use pg_query::protobuf::{DiscardMode, GrantTargetType, ObjectType, VariableSetKind};

use super::kinds;
use super::tree::{Tree, Value};
use super::walk::{Walk, join};
use crate::protocol::{Access, Class, SettingValue};

/// Lists what a statement names in its own fields, then walks the rest.
pub(super) fn statement<'a>(walk: &mut Walk<'a>, tree: &'a Tree, class: Class) {
    // Naming a relation in a statement that changes schema, rights or the server changes it.
    let access = if class >= Class::Write { Access::Write } else { Access::Read };
    match tree.kind {
        "AlterTableStmt" => {
            for command in tree.nodes("cmds") {
                walk.column(command.text("name"));
            }
        }
        "CopyStmt" => return copy(walk, tree),
        "CreateEventTrigStmt" | "CreateTrigStmt" => {
            walk.object("function", join(&tree.strings("funcname")), Access::Read);
        }
        "DropStmt" => {
            let kind = kinds::object(tree, "remove_type");
            tree.list("objects").iter().for_each(|value| named(walk, kind, value));
        }
        "CommentStmt" | "SecLabelStmt" => one_object(walk, tree, "objtype"),
        "AlterOwnerStmt" | "AlterObjectSchemaStmt" | "AlterObjectDependsStmt" => {
            one_object(walk, tree, "object_type");
        }
        "GrantStmt" => {
            let all_in_schema =
                tree.number("targtype") == GrantTargetType::AclTargetAllInSchema as i64;
            let kind = match kinds::object(tree, "objtype") {
                _ if all_in_schema => Some(ObjectType::ObjectSchema),
                kind => kind,
            };
            tree.list("objects").iter().for_each(|value| named(walk, kind, value));
        }
        "GrantRoleStmt" => {
            for role in tree.nodes("granted_roles") {
                walk.object("role", role.text("priv_name"), Access::Write);
            }
        }
        "RenameStmt" => {
            one_object(walk, tree, "rename_type");
            walk.column(tree.text("subname"));
            if kinds::object(tree, "rename_type") == Some(ObjectType::ObjectRole) {
                walk.object("role", tree.text("subname"), Access::Write);
            }
        }
        "AlterDatabaseSetStmt"
        | "AlterFunctionStmt"
        | "AlterRoleSetStmt"
        | "AlterSystemStmt"
        | "CreateFunctionStmt" => {
            if tree.kind == "CreateFunctionStmt" {
                walk.object("function", join(&tree.strings("funcname")), Access::Write);
            }
            walk.stores_settings = true;
            named_in_text(walk, tree.kind, tree);
            walk.fields(tree, access);
            walk.stores_settings = false;
            return;
        }
        "DiscardStmt" if tree.number("target") == DiscardMode::DiscardAll as i64 => {
            walk.setting("*", Some(SettingValue::Default), false);
        }
        "LockStmt" => walk.attribute("lock", "table"),
        "TransactionStmt" => transaction(walk, tree),
        "VariableSetStmt" => setting(walk, tree),
        "VariableShowStmt" => walk.object("setting", star_if_all(tree), Access::Read),
        kind => named_in_text(walk, kind, tree),
    }
    walk.fields(tree, access);
}

/// Statements that name one object in a text field: which field and what it is.
fn named_in_text(walk: &mut Walk<'_>, kind: &str, tree: &Tree) {
    let (what, field) = match kind {
        "AlterDatabaseRefreshCollStmt"
        | "AlterDatabaseSetStmt"
        | "AlterDatabaseStmt"
        | "CreatedbStmt"
        | "DropdbStmt" => ("database", "dbname"),
        "AlterExtensionContentsStmt" | "AlterExtensionStmt" | "CreateExtensionStmt" => {
            ("extension", "extname")
        }
        "AlterForeignServerStmt"
        | "AlterUserMappingStmt"
        | "CreateForeignServerStmt"
        | "CreateForeignTableStmt"
        | "CreateUserMappingStmt"
        | "DropUserMappingStmt" => ("server", "servername"),
        "ImportForeignSchemaStmt" => ("server", "server_name"),
        "AlterSubscriptionStmt" | "CreateSubscriptionStmt" | "DropSubscriptionStmt" => {
            ("subscription", "subname")
        }
        "AlterPublicationStmt" | "CreatePublicationStmt" => ("publication", "pubname"),
        "ClosePortalStmt" | "DeclareCursorStmt" | "FetchStmt" => ("cursor", "portalname"),
        "CreatePLangStmt" => ("language", "plname"),
        "CreateRoleStmt" => ("role", "role"),
        "CreateSchemaStmt" => ("schema", "schemaname"),
        "CreateTableSpaceStmt" | "DropTableSpaceStmt" | "AlterTableSpaceOptionsStmt" => {
            ("tablespace", "tablespacename")
        }
        "DeallocateStmt" | "ExecuteStmt" | "PrepareStmt" => ("prepared_statement", "name"),
        "ListenStmt" | "NotifyStmt" | "UnlistenStmt" => ("channel", "conditionname"),
        "LoadStmt" => ("file", "filename"),
        "ReindexStmt" => ("schema", "name"),
        _ => return,
    };
    let creates =
        kind.starts_with("Create") || kind.starts_with("Drop") || kind.starts_with("Alter");
    let access = if creates || kind == "NotifyStmt" { Access::Write } else { Access::Read };
    walk.object(what, tree.text(field), access);
}

/// Nodes that are no statements but name something.
pub(super) fn node<'a>(walk: &mut Walk<'a>, tree: &'a Tree) {
    match tree.kind {
        "CurrentOfExpr" => walk.object("cursor", tree.text("cursor_name"), Access::Read),
        "IndexElem" | "PartitionElem" => {
            walk.object("operator_class", join(&tree.strings("opclass")), Access::Read);
        }
        "RoleSpec" => walk.object("role", tree.text("rolename"), Access::Write),
        "RangeTableSample" => {
            // TABLESAMPLE calls a function; the two built-in methods only choose rows.
            let method = tree.strings("method");
            if !matches!(method.as_slice(), ["bernoulli" | "system"]) {
                walk.called(&join(&method));
            }
        }
        _ => {}
    }
}

fn copy<'a>(walk: &mut Walk<'a>, tree: &'a Tree) {
    let from = tree.flag("is_from");
    let file = tree.text("filename");
    let end = match (tree.flag("is_program"), file.is_empty(), from) {
        (true, _, _) => "program",
        (false, false, _) => "file",
        (false, true, true) => "stdin",
        (false, true, false) => "stdout",
    };
    walk.attribute("copy", end);
    if end == "file" {
        walk.object("file", file, if from { Access::Read } else { Access::Write });
    }
    if tree.child("relation").is_some() && tree.list("attlist").is_empty() {
        walk.all_columns();
    }
    walk.fields(tree, if from { Access::Write } else { Access::Read });
}

/// Statements with a `relation` (walked with the other fields) or an `object`.
fn one_object<'a>(walk: &mut Walk<'a>, tree: &'a Tree, field: &str) {
    let kind = match kinds::object(tree, field) {
        // The object is the domain; the constraint's name is in a field of its own.
        Some(ObjectType::ObjectDomconstraint) if tree.kind == "RenameStmt" => {
            Some(ObjectType::ObjectDomain)
        }
        kind => kind,
    };
    if let Some((_, value)) = tree.fields().iter().find(|(name, _)| *name == "object") {
        named(walk, kind, value);
    }
}

/// An object named as DROP, COMMENT and the like name it: a list of strings, one string, a type
/// or a function with arguments.
fn named<'a>(walk: &mut Walk<'a>, kind: Option<ObjectType>, value: &'a Value) {
    let Some(node) = value.node() else { return };
    let parts = match node.kind {
        "List" => node.strings("items"),
        "ObjectWithArgs" => node.strings("objname"),
        "String" => vec![node.text("sval")],
        "TypeName" => node.strings("names"),
        // Relations and roles are walked with the other fields.
        _ => return,
    };
    let word = kind.map_or_else(|| "object".to_owned(), kinds::object_word);
    match kind {
        Some(
            ObjectType::ObjectForeignTable
            | ObjectType::ObjectIndex
            | ObjectType::ObjectMatview
            | ObjectType::ObjectSequence
            | ObjectType::ObjectTable
            | ObjectType::ObjectView,
        ) => walk.object("relation", qualified(&parts), Access::Write),
        Some(ObjectType::ObjectColumn) => {
            if let Some((column, relation)) = parts.split_last() {
                walk.column(column);
                walk.object("relation", qualified(relation), Access::Write);
            }
        }
        Some(
            ObjectType::ObjectPolicy
            | ObjectType::ObjectRule
            | ObjectType::ObjectTabconstraint
            | ObjectType::ObjectTrigger,
        ) => {
            if let Some((own, relation)) = parts.split_last() {
                walk.object(&word, *own, Access::Write);
                walk.object("relation", qualified(relation), Access::Write);
            }
        }
        Some(
            ObjectType::ObjectAggregate
            | ObjectType::ObjectFunction
            | ObjectType::ObjectProcedure
            | ObjectType::ObjectRoutine,
        ) => walk.object("function", qualified(&parts), Access::Write),
        _ => walk.object(&word, qualified(&parts), Access::Write),
    }
}

/// `schema.name`, without the database that may stand before it.
fn qualified(parts: &[&str]) -> String {
    join(parts.get(parts.len().saturating_sub(2)..).unwrap_or(parts))
}

fn transaction<'a>(walk: &mut Walk<'a>, tree: &'a Tree) {
    walk.attribute("transaction", kinds::transaction(tree));
    if tree.flag("chain") {
        walk.attribute("transaction_chain", "true");
    }
    for option in tree.nodes("options") {
        transaction_option(walk, option, "");
    }
}

/// `transaction_isolation`, `transaction_read_only`, `transaction_deferrable`: settings in all
/// but the word SET.
fn transaction_option(walk: &mut Walk<'_>, option: &Tree, prefix: &str) {
    let name = format!("{prefix}{}", option.text("defname"));
    let value = constant(option.child("arg"));
    let value = match (name.ends_with("_isolation"), value) {
        (false, Some(flag)) => Some(if flag == "0" { "off" } else { "on" }.to_owned()),
        (_, value) => value,
    };
    walk.setting(&name, value.map(SettingValue::To), prefix.is_empty());
}

fn setting<'a>(walk: &mut Walk<'a>, tree: &'a Tree) {
    let name = tree.text("name");
    let local = tree.flag("is_local");
    match (name, kinds::set_kind(tree)) {
        ("SESSION CHARACTERISTICS" | "TRANSACTION", Some(VariableSetKind::VarSetMulti)) => {
            let prefix = if name == "TRANSACTION" { "" } else { "default_" };
            for option in tree.nodes("args").filter(|node| node.kind == "DefElem") {
                transaction_option(walk, option, prefix);
            }
            if prefix.is_empty() {
                walk.attribute("transaction", "set");
            }
        }
        ("TRANSACTION SNAPSHOT", Some(VariableSetKind::VarSetMulti)) => {
            let value = constant(tree.nodes("args").next()).map(SettingValue::To);
            walk.setting("transaction_snapshot", value, true);
            walk.attribute("transaction", "set");
        }
        (_, Some(VariableSetKind::VarSetValue)) => {
            let listed = name.eq_ignore_ascii_case("search_path");
            let parts = tree.nodes("args").map(|arg| {
                let value = constant(Some(arg))?;
                Some(if listed { quoted(&value) } else { value })
            });
            let parts: Option<Vec<String>> = parts.collect();
            walk.setting(name, parts.map(|it| SettingValue::To(it.join(", "))), local);
        }
        (_, Some(VariableSetKind::VarSetCurrent)) => {
            walk.setting(name, Some(SettingValue::Current), local);
        }
        (
            _,
            Some(
                VariableSetKind::VarSetDefault
                | VariableSetKind::VarReset
                | VariableSetKind::VarResetAll,
            ),
        ) => walk.setting(name, Some(SettingValue::Default), local),
        _ => walk.setting(name, None, local),
    }
}

/// An element of a list of names as PostgreSQL keeps it (`quote_identifier`, but for keywords).
fn quoted(name: &str) -> String {
    let plain = |(at, byte): (usize, u8)| {
        byte.is_ascii_lowercase() || byte == b'_' || (at > 0 && byte.is_ascii_digit())
    };
    if !name.is_empty() && name.bytes().enumerate().all(plain) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The setting's name; `*` for SHOW ALL.
fn star_if_all(tree: &Tree) -> String {
    match tree.text("name") {
        "" | "all" => "*".to_owned(),
        name => name.to_ascii_lowercase(),
    }
}

/// `set_config(name, value, local)` and `current_setting(name)`. A name that is not a plain
/// literal could be any.
pub(super) fn setting_call<'a>(walk: &mut Walk<'a>, function: &str, tree: &'a Tree) {
    if !matches!(function, "set_config" | "current_setting") {
        return;
    }
    // Named arguments may come in any order.
    let named = tree.nodes("args").any(|arg| arg.kind == "NamedArgExpr");
    let mut args = tree.nodes("args").map(|arg| match arg.kind {
        "AConst" if !named => constant(Some(arg)),
        _ => None,
    });
    let name = args.next().flatten().unwrap_or_default().to_ascii_lowercase();
    if function == "current_setting" {
        walk.object("setting", if name.is_empty() { "*" } else { &name }, Access::Read);
        return;
    }
    if name.is_empty() || kinds::is_identity_setting(&name) {
        walk.at_least(Class::Privilege);
    }
    let value = args.next().flatten().map(SettingValue::To);
    let local = matches!(args.next().flatten().as_deref(), Some("true" | "t" | "on" | "1"));
    walk.setting(&name, value, local);
}

/// A constant as text; `None` for anything else, NULL among it.
fn constant(node: Option<&Tree>) -> Option<String> {
    let node = node?;
    match node.kind {
        "AConst" if node.flag("isnull") => None,
        // PostgreSQL's grammar leaves out a zero, a false and an empty text.
        "AConst" => constant(node.child("val")),
        "TypeCast" => constant(node.child("arg")),
        "String" => Some(node.text("sval").to_owned()),
        "Float" => Some(node.text("fval").to_owned()),
        "Integer" => Some(node.number("ival").to_string()),
        "Boolean" => Some(node.flag("boolval").to_string()),
        _ => None,
    }
}

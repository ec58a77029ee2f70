//! Facts of statements other than queries and changes of rows.

use pg_query::protobuf::{GrantTargetType, ObjectType};

use super::kinds;
use super::tree::{Tree, Value};
use super::walk::{Walk, join};
use crate::protocol::{Access, Class};

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
        "CreateFunctionStmt" => {
            walk.object("function", join(&tree.strings("funcname")), Access::Write);
        }
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
    let kind = kinds::object(tree, field);
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
    for option in tree.nodes("options") {
        transaction_option(walk, option, "");
    }
}

/// `transaction_isolation`, `transaction_read_only`, `transaction_deferrable`: settings in all
/// but the word SET.
fn transaction_option(walk: &mut Walk<'_>, option: &Tree, prefix: &str) {
    let name = format!("{prefix}{}", option.text("defname"));
    walk.attribute(format!("setting.{name}"), &literal(option.child("arg")));
    walk.object("setting", name, Access::Write);
}

fn setting<'a>(walk: &mut Walk<'a>, tree: &'a Tree) {
    let name = tree.text("name");
    match name {
        "SESSION CHARACTERISTICS" | "TRANSACTION" => {
            let prefix = if name == "TRANSACTION" { "" } else { "default_" };
            for option in tree.nodes("args").filter(|node| node.kind == "DefElem") {
                transaction_option(walk, option, prefix);
            }
            if prefix.is_empty() {
                walk.attribute("transaction", "set");
            }
        }
        "TRANSACTION SNAPSHOT" => {
            walk.object("setting", "transaction_snapshot", Access::Write);
            walk.attribute("transaction", "set");
        }
        _ => {
            let values: Vec<String> = tree.nodes("args").map(|arg| literal(Some(arg))).collect();
            let name = star_if_all(tree);
            walk.attribute(format!("setting.{name}"), &values.join(", "));
            walk.object("setting", name, Access::Write);
        }
    }
}

/// The setting's name; `*` for RESET ALL and SHOW ALL.
fn star_if_all(tree: &Tree) -> String {
    match tree.text("name") {
        "" | "all" => "*".to_owned(),
        name => name.to_ascii_lowercase(),
    }
}

/// `set_config(name, value, local)` and `current_setting(name)`. A name that is not a plain
/// literal could be any.
pub(super) fn setting_call<'a>(walk: &mut Walk<'a>, function: &str, tree: &'a Tree) {
    let access = match function {
        "set_config" => Access::Write,
        "current_setting" => Access::Read,
        _ => return,
    };
    let mut args = tree.nodes("args");
    // Named arguments may come in any order.
    let named = tree.nodes("args").any(|arg| arg.kind == "NamedArgExpr");
    let name = match args.next().filter(|arg| arg.kind == "AConst" && !named) {
        Some(arg) => literal(Some(arg)).to_ascii_lowercase(),
        None => String::new(),
    };
    let name = if name.is_empty() { "*".to_owned() } else { name };
    if access == Access::Write {
        if name == "*" || kinds::is_identity_setting(&name) {
            walk.at_least(Class::Privilege);
        }
        let value = args.next().map(|arg| literal(Some(arg))).unwrap_or_default();
        walk.attribute(format!("setting.{name}"), &value);
    }
    walk.object("setting", name, access);
}

/// A constant as text; empty for anything else.
fn literal(node: Option<&Tree>) -> String {
    let Some(node) = node else { return String::new() };
    match node.kind {
        "AConst" => literal(node.child("val")),
        "TypeCast" => literal(node.child("arg")),
        "String" => node.text("sval").to_owned(),
        "Float" => node.text("fval").to_owned(),
        "Integer" => node.number("ival").to_string(),
        "Boolean" => node.flag("boolval").to_string(),
        _ => String::new(),
    }
}

//! What each kind of statement is called and does.

use std::borrow::Cow;

use pg_query::protobuf::{
    AlterTableType, CmdType, ObjectType, OnConflictAction, TransactionStmtKind, VariableSetKind,
};

use super::tree::Tree;
use crate::protocol::Class;

/// What a statement is called and the least its class can be; `None` for other nodes.
pub(super) fn act(tree: &Tree) -> Option<(Cow<'static, str>, Class)> {
    if !tree.kind.ends_with("Stmt") {
        return None;
    }
    let (verb, class) = by_fields(tree).or_else(|| by_kind(tree.kind)).unwrap_or_else(|| {
        // Every known kind has its row; this is for one that is added to KNOWN alone.
        (Cow::Owned(snake(tree.kind.trim_end_matches("Stmt"))), Class::Admin)
    });
    Some((verb, class))
}

/// Statements whose verb or class hangs on their fields.
fn by_fields(tree: &Tree) -> Option<(Cow<'static, str>, Class)> {
    let fixed = |verb: &'static str, class| Some((Cow::Borrowed(verb), class));
    match tree.kind {
        "AlterOwnerStmt" => Some((object_verb("alter", tree, "object_type"), Class::Privilege)),
        "AlterObjectSchemaStmt" => Some((object_verb("alter", tree, "object_type"), Class::Schema)),
        "AlterObjectDependsStmt" => {
            Some((object_verb("alter", tree, "object_type"), Class::Schema))
        }
        "AlterTableStmt" => {
            let class = if tree.nodes("cmds").any(changes_rights) {
                Class::Privilege
            } else {
                Class::Schema
            };
            Some((object_verb("alter", tree, "objtype"), class))
        }
        "CopyStmt" => Some(copy(tree)),
        "CreateFunctionStmt" if tree.flag("is_procedure") => {
            fixed("create_procedure", Class::Schema)
        }
        "CreateTableAsStmt" if object(tree, "objtype") == Some(ObjectType::ObjectMatview) => {
            fixed("create_materialized_view", Class::Schema)
        }
        "DefineStmt" => Some((object_verb("create", tree, "kind"), Class::Schema)),
        "DropStmt" => Some((object_verb("drop", tree, "remove_type"), drop_class(tree))),
        "ExplainStmt" if explains_by_running(tree) => fixed("explain_analyze", Class::Read),
        "FetchStmt" if tree.flag("ismove") => fixed("move", Class::Read),
        "GrantStmt" | "GrantRoleStmt" if tree.flag("is_grant") => fixed("grant", Class::Privilege),
        "GrantStmt" | "GrantRoleStmt" => fixed("revoke", Class::Privilege),
        "RenameStmt" => {
            let class = match object(tree, "rename_type") {
                Some(ObjectType::ObjectRole | ObjectType::ObjectPolicy) => Class::Privilege,
                Some(ObjectType::ObjectDatabase | ObjectType::ObjectTablespace) => Class::Admin,
                _ => Class::Schema,
            };
            let verb = match object(tree, "rename_type") {
                Some(ObjectType::ObjectColumn) => object_verb("alter", tree, "relation_type"),
                Some(ObjectType::ObjectDomconstraint) => Cow::Borrowed("alter_domain"),
                Some(ObjectType::ObjectTabconstraint) => Cow::Borrowed("alter_table"),
                Some(ObjectType::ObjectAttribute) => Cow::Borrowed("alter_type"),
                _ => object_verb("alter", tree, "rename_type"),
            };
            Some((verb, class))
        }
        "SelectStmt" if tree.child("into_clause").is_some() => fixed("select_into", Class::Schema),
        "TransactionStmt" => fixed(transaction(tree), Class::Transaction),
        "VacuumStmt" if !tree.flag("is_vacuumcmd") => fixed("analyze", Class::Admin),
        "VariableSetStmt" => Some(set(tree)),
        _ => None,
    }
}

/// What a clause of MERGE or ON CONFLICT does to rows.
pub(super) fn clause_act(tree: &Tree) -> Option<&'static str> {
    let number = |field| i32::try_from(tree.number(field)).ok();
    if tree.kind == "OnConflictClause" {
        let action = number("action").and_then(|it| OnConflictAction::try_from(it).ok())?;
        return (action == OnConflictAction::OnconflictUpdate).then_some("update");
    }
    match number("command_type").and_then(|it| CmdType::try_from(it).ok())? {
        CmdType::CmdDelete => Some("delete"),
        CmdType::CmdInsert => Some("insert"),
        CmdType::CmdUpdate => Some("update"),
        _ => None,
    }
}

/// The rest: one row each.
// tidy: table
pub(super) fn by_kind(kind: &str) -> Option<(Cow<'static, str>, Class)> {
    let (verb, class) = match kind {
        "AlterCollationStmt" => ("alter_collation", Class::Schema),
        "AlterDatabaseRefreshCollStmt" | "AlterDatabaseSetStmt" | "AlterDatabaseStmt" => {
            ("alter_database", Class::Admin)
        }
        "AlterDefaultPrivilegesStmt" => ("alter_default_privileges", Class::Privilege),
        "AlterDomainStmt" => ("alter_domain", Class::Schema),
        "AlterEnumStmt" | "AlterTypeStmt" => ("alter_type", Class::Schema),
        "AlterEventTrigStmt" => ("alter_event_trigger", Class::Admin),
        "AlterExtensionContentsStmt" | "AlterExtensionStmt" => ("alter_extension", Class::Admin),
        "AlterFdwStmt" => ("alter_foreign_data_wrapper", Class::Admin),
        "AlterForeignServerStmt" => ("alter_server", Class::Admin),
        "AlterFunctionStmt" => ("alter_function", Class::Schema),
        "AlterOpFamilyStmt" => ("alter_operator_family", Class::Schema),
        "AlterOperatorStmt" => ("alter_operator", Class::Schema),
        "AlterPolicyStmt" => ("alter_policy", Class::Privilege),
        "AlterPublicationStmt" => ("alter_publication", Class::Admin),
        "AlterRoleSetStmt" | "AlterRoleStmt" => ("alter_role", Class::Privilege),
        "AlterSeqStmt" => ("alter_sequence", Class::Schema),
        "AlterStatsStmt" => ("alter_statistics", Class::Schema),
        "AlterSubscriptionStmt" => ("alter_subscription", Class::Admin),
        "AlterSystemStmt" => ("alter_system", Class::Admin),
        "AlterTableMoveAllStmt" => ("alter_table", Class::Admin),
        "AlterTableSpaceOptionsStmt" => ("alter_tablespace", Class::Admin),
        "AlterTsConfigurationStmt" => ("alter_text_search_configuration", Class::Schema),
        "AlterTsDictionaryStmt" => ("alter_text_search_dictionary", Class::Schema),
        "AlterUserMappingStmt" => ("alter_user_mapping", Class::Admin),
        "CallStmt" => ("call", Class::Code),
        "CheckPointStmt" => ("checkpoint", Class::Admin),
        "ClosePortalStmt" => ("close", Class::Session),
        "ClusterStmt" => ("cluster", Class::Admin),
        "CommentStmt" => ("comment", Class::Schema),
        "CompositeTypeStmt" | "CreateEnumStmt" | "CreateRangeStmt" => {
            ("create_type", Class::Schema)
        }
        "ConstraintsSetStmt" => ("set_constraints", Class::Transaction),
        "CreateAmStmt" => ("create_access_method", Class::Admin),
        "CreateCastStmt" => ("create_cast", Class::Schema),
        "CreateConversionStmt" => ("create_conversion", Class::Schema),
        "CreateDomainStmt" => ("create_domain", Class::Schema),
        "CreateEventTrigStmt" => ("create_event_trigger", Class::Admin),
        "CreateExtensionStmt" => ("create_extension", Class::Admin),
        "CreateFdwStmt" => ("create_foreign_data_wrapper", Class::Admin),
        "CreateForeignServerStmt" => ("create_server", Class::Admin),
        "CreateForeignTableStmt" => ("create_foreign_table", Class::Schema),
        "CreateFunctionStmt" => ("create_function", Class::Schema),
        "CreateOpClassStmt" => ("create_operator_class", Class::Schema),
        "CreateOpFamilyStmt" => ("create_operator_family", Class::Schema),
        "CreatePLangStmt" => ("create_language", Class::Admin),
        "CreatePolicyStmt" => ("create_policy", Class::Privilege),
        "CreatePublicationStmt" => ("create_publication", Class::Admin),
        "CreateRoleStmt" => ("create_role", Class::Privilege),
        "CreateSchemaStmt" => ("create_schema", Class::Schema),
        "CreateSeqStmt" => ("create_sequence", Class::Schema),
        "CreateStatsStmt" => ("create_statistics", Class::Schema),
        "CreateStmt" => ("create_table", Class::Schema),
        "CreateSubscriptionStmt" => ("create_subscription", Class::Admin),
        "CreateTableAsStmt" => ("create_table_as", Class::Schema),
        "CreateTableSpaceStmt" => ("create_tablespace", Class::Admin),
        "CreateTransformStmt" => ("create_transform", Class::Schema),
        "CreateTrigStmt" => ("create_trigger", Class::Schema),
        "CreateUserMappingStmt" => ("create_user_mapping", Class::Admin),
        "CreatedbStmt" => ("create_database", Class::Admin),
        "DeallocateStmt" => ("deallocate", Class::Session),
        "DeclareCursorStmt" => ("declare_cursor", Class::Session),
        "DeleteStmt" => ("delete", Class::Write),
        "DiscardStmt" => ("discard", Class::Session),
        "DoStmt" => ("do", Class::Code),
        "DropOwnedStmt" => ("drop_owned", Class::Privilege),
        "DropRoleStmt" => ("drop_role", Class::Privilege),
        "DropSubscriptionStmt" => ("drop_subscription", Class::Admin),
        "DropTableSpaceStmt" => ("drop_tablespace", Class::Admin),
        "DropUserMappingStmt" => ("drop_user_mapping", Class::Admin),
        "DropdbStmt" => ("drop_database", Class::Admin),
        "ExecuteStmt" => ("execute", Class::Code),
        "ExplainStmt" => ("explain", Class::Read),
        "FetchStmt" => ("fetch", Class::Read),
        "ImportForeignSchemaStmt" => ("import_foreign_schema", Class::Admin),
        "IndexStmt" => ("create_index", Class::Schema),
        "InsertStmt" => ("insert", Class::Write),
        "ListenStmt" => ("listen", Class::Session),
        "LoadStmt" => ("load", Class::Admin),
        "LockStmt" => ("lock", Class::Session),
        "MergeStmt" => ("merge", Class::Write),
        "NotifyStmt" => ("notify", Class::Session),
        "PrepareStmt" => ("prepare", Class::Session),
        "ReassignOwnedStmt" => ("reassign_owned", Class::Privilege),
        "RefreshMatViewStmt" => ("refresh_materialized_view", Class::Write),
        "ReindexStmt" => ("reindex", Class::Admin),
        "ReplicaIdentityStmt" => ("replica_identity", Class::Schema),
        "ReturnStmt" => ("return", Class::Read),
        "RuleStmt" => ("create_rule", Class::Schema),
        "SecLabelStmt" => ("security_label", Class::Privilege),
        "SelectStmt" => ("select", Class::Read),
        "TruncateStmt" => ("truncate", Class::Write),
        "UnlistenStmt" => ("unlisten", Class::Session),
        "UpdateStmt" => ("update", Class::Write),
        "VacuumStmt" => ("vacuum", Class::Admin),
        "VariableShowStmt" => ("show", Class::Read),
        "ViewStmt" => ("create_view", Class::Schema),
        _ => return None,
    };
    Some((Cow::Borrowed(verb), class))
}

fn copy(tree: &Tree) -> (Cow<'static, str>, Class) {
    let (verb, class) = match (tree.flag("is_program"), tree.flag("is_from")) {
        (true, _) => ("copy_program", Class::Admin),
        (false, true) => ("copy_from", Class::Write),
        (false, false) => ("copy_to", Class::Read),
    };
    // A file name means a file of the server, not of the client.
    let class = if tree.text("filename").is_empty() { class } else { Class::Admin };
    (Cow::Borrowed(verb), class)
}

/// True unless every `analyze` option says no: PostgreSQL takes the last of several, so one yes
/// is a yes.
pub(super) fn explains_by_running(tree: &Tree) -> bool {
    tree.nodes("options").filter(|option| option.text("defname") == "analyze").any(|option| {
        let Some(value) = option.child("arg") else { return true };
        match value.kind {
            "Integer" => value.number("ival") != 0,
            "Boolean" => value.flag("boolval"),
            _ => !["false", "off"].iter().any(|no| value.text("sval").eq_ignore_ascii_case(no)),
        }
    })
}

/// The settings that change who is asking or which rows may be seen.
pub(super) fn is_identity_setting(name: &str) -> bool {
    matches!(name, "role" | "row_security" | "session_authorization" | "session_replication_role")
}

/// Which form of SET or RESET it is.
pub(super) fn set_kind(tree: &Tree) -> Option<VariableSetKind> {
    i32::try_from(tree.number("kind")).ok().and_then(|n| VariableSetKind::try_from(n).ok())
}

fn set(tree: &Tree) -> (Cow<'static, str>, Class) {
    let name = tree.text("name");
    let verb = match set_kind(tree) {
        Some(VariableSetKind::VarReset | VariableSetKind::VarResetAll) => "reset",
        _ => "set",
    };
    // RESET ALL resets none of the identity settings (PostgreSQL: GUC_NO_RESET_ALL), except
    // row_security, which it can only put back.
    let class = if is_identity_setting(name) { Class::Privilege } else { Class::Session };
    (Cow::Borrowed(verb), class)
}

/// `begin`, `commit`, ...: the kind of a transaction statement.
pub(super) fn transaction(tree: &Tree) -> &'static str {
    let kind = i32::try_from(tree.number("kind")).ok();
    match kind.and_then(|number| TransactionStmtKind::try_from(number).ok()) {
        Some(TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart) => "begin",
        Some(TransactionStmtKind::TransStmtCommit) => "commit",
        Some(TransactionStmtKind::TransStmtCommitPrepared) => "commit_prepared",
        Some(TransactionStmtKind::TransStmtPrepare) => "prepare_transaction",
        Some(TransactionStmtKind::TransStmtRelease) => "release",
        Some(TransactionStmtKind::TransStmtRollback) => "rollback",
        Some(TransactionStmtKind::TransStmtRollbackPrepared) => "rollback_prepared",
        Some(TransactionStmtKind::TransStmtRollbackTo) => "rollback_to",
        Some(TransactionStmtKind::TransStmtSavepoint) => "savepoint",
        Some(TransactionStmtKind::Undefined) | None => "transaction",
    }
}

/// ALTER TABLE's sub-commands on ownership and row security.
fn changes_rights(command: &Tree) -> bool {
    let subtype = i32::try_from(command.number("subtype")).ok();
    matches!(
        subtype.and_then(|number| AlterTableType::try_from(number).ok()),
        Some(
            AlterTableType::AtChangeOwner
                | AlterTableType::AtDisableRowSecurity
                | AlterTableType::AtEnableRowSecurity
                | AlterTableType::AtForceRowSecurity
                | AlterTableType::AtNoForceRowSecurity
        )
    )
}

fn drop_class(tree: &Tree) -> Class {
    match object(tree, "remove_type") {
        Some(ObjectType::ObjectPolicy) => Class::Privilege,
        Some(
            ObjectType::ObjectAccessMethod
            | ObjectType::ObjectEventTrigger
            | ObjectType::ObjectExtension
            | ObjectType::ObjectFdw
            | ObjectType::ObjectForeignServer
            | ObjectType::ObjectLanguage
            | ObjectType::ObjectPublication,
        ) => Class::Admin,
        _ => Class::Schema,
    }
}

/// The kind of object that a statement's field names.
pub(super) fn object(tree: &Tree, field: &str) -> Option<ObjectType> {
    let number = i32::try_from(tree.number(field)).ok()?;
    ObjectType::try_from(number).ok().filter(|kind| *kind != ObjectType::Undefined)
}

/// The object kind in words: `table`, `materialized_view`, `foreign_data_wrapper`, ...
pub(super) fn object_word(kind: ObjectType) -> String {
    match kind {
        ObjectType::ObjectFdw => "foreign_data_wrapper".to_owned(),
        ObjectType::ObjectForeignServer => "server".to_owned(),
        ObjectType::ObjectMatview => "materialized_view".to_owned(),
        ObjectType::ObjectOpclass => "operator_class".to_owned(),
        ObjectType::ObjectOpfamily => "operator_family".to_owned(),
        ObjectType::ObjectStatisticExt => "statistics".to_owned(),
        ObjectType::ObjectDomconstraint | ObjectType::ObjectTabconstraint => {
            "constraint".to_owned()
        }
        ObjectType::ObjectTsconfiguration => "text_search_configuration".to_owned(),
        ObjectType::ObjectTsdictionary => "text_search_dictionary".to_owned(),
        ObjectType::ObjectTsparser => "text_search_parser".to_owned(),
        ObjectType::ObjectTstemplate => "text_search_template".to_owned(),
        kind => kind.as_str_name().trim_start_matches("OBJECT_").to_ascii_lowercase(),
    }
}

fn object_verb(verb: &str, tree: &Tree, field: &str) -> Cow<'static, str> {
    let word = object(tree, field).map_or_else(|| "object".to_owned(), object_word);
    Cow::Owned(format!("{verb}_{word}"))
}

fn snake(camel: &str) -> String {
    let mut words = String::with_capacity(camel.len().saturating_add(4));
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

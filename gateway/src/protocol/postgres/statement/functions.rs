//! What is known of PostgreSQL's own functions and operators.

use super::tree::Tree;
use crate::protocol::{Access, Class};

/// Functions of `pg_catalog` (PostgreSQL 15 to 18) that change nothing and reach nothing but
/// their arguments and the catalogue, one a line, sorted: all immutable and stable ones, less
/// those that run a query given as text, plus the volatile ones that only measure or wait.
const HARMLESS: &str = include_str!("functions.txt");

/// What calling a function may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// It changes nothing.
    None,
    /// It makes the statement at least this severe.
    AtLeast(Class),
}

/// The name without `pg_catalog`, which every search path holds.
pub(super) fn plain(name: &str) -> &str {
    name.strip_prefix("pg_catalog.").unwrap_or(name)
}

/// What calling a function may do. A function that is not known runs code we can't see.
pub(super) fn effect(name: &str) -> Effect {
    // Helpers of the information schema's own views; drivers call them.
    if name.starts_with("information_schema._pg_") {
        return Effect::None;
    }
    let name = plain(name);
    if is_harmless(name) {
        return Effect::None;
    }
    Effect::AtLeast(severity(name).unwrap_or(Class::Code))
}

/// True for a function that PostgreSQL 15 to 18 has in `pg_catalog`. A function of that name
/// elsewhere may still be the one that runs; only the catalogue can tell.
pub fn is_built_in(name: &str) -> bool {
    let name = plain(name);
    is_harmless(name) || severity(name).is_some()
}

/// True for a function that returns data which its arguments only name: tables by text, queries by
/// text, files, large objects, the change stream, what other sessions run. Those of PostgreSQL
/// itself and those of the modules that come with it, in whatever schema they are.
// tidy: table
pub fn is_opaque(name: &str) -> bool {
    let name = name.rsplit_once('.').map_or(name, |(_, last)| last);
    const FAMILIES: [&str; 17] = [
        "brin_page",
        "brin_revmap",
        "connectby",
        "crosstab",
        "dblink",
        "get_raw_page",
        "gin_leafpage",
        "gist_page",
        "heap_page",
        "lo_",
        "pg_file_",
        "pg_get_wal_",
        "pg_logical_",
        "pg_ls_",
        "pg_read_",
        "pg_stat_statements",
        "xpath_table",
    ];
    name.ends_with("_to_xml")
        || name.ends_with("_to_xml_and_xmlschema")
        || FAMILIES.iter().any(|family| name.starts_with(family))
        || matches!(
            name,
            "bt_page_items"
                | "hash_page_items"
                | "loread"
                | "lowrite"
                | "pg_mcv_list_items"
                | "pg_stat_get_activity"
                | "pg_stat_get_backend_activity"
                | "pg_stat_file"
                | "query_to_xmlschema"
                | "ts_rewrite"
                | "ts_stat"
                | "tuple_data_split"
                | "xslt_process"
        )
}

fn is_harmless(name: &str) -> bool {
    // A table of line starts would be faster than a scan; a set is simpler than both.
    static SET: std::sync::LazyLock<std::collections::HashSet<&'static str>> =
        std::sync::LazyLock::new(|| HARMLESS.lines().collect());
    SET.contains(name)
}

/// Functions of `pg_catalog` that do something. Names matched by prefix are families that grow
/// with each release of PostgreSQL.
// tidy: table
fn severity(name: &str) -> Option<Class> {
    let class = match name {
        "set_config" | "pg_notify" | "setseed" | "pg_export_snapshot" => Class::Session,
        "nextval"
        | "setval"
        | "lowrite"
        | "tsvector_update_trigger"
        | "tsvector_update_trigger_column"
        | "suppress_redundant_updates_trigger" => Class::Write,
        "loread" => Class::Read,
        "cursor_to_xml"
        | "cursor_to_xmlschema"
        | "query_to_xml"
        | "query_to_xml_and_xmlschema"
        | "query_to_xmlschema"
        | "ts_rewrite"
        | "ts_stat" => Class::Code,
        "table_to_xml"
        | "table_to_xml_and_xmlschema"
        | "table_to_xmlschema"
        | "schema_to_xml"
        | "schema_to_xml_and_xmlschema"
        | "schema_to_xmlschema"
        | "database_to_xml"
        | "database_to_xml_and_xmlschema"
        | "database_to_xmlschema" => Class::Read,
        "lo_import" | "lo_export" => Class::Admin,
        "lo_get" | "lo_lseek" | "lo_lseek64" | "lo_tell" | "lo_tell64" | "lo_open" | "lo_close" => {
            Class::Read
        }
        _ if name.starts_with("lo_") => Class::Write,
        _ if name.contains("advisory") => Class::Session,
        "pg_cancel_backend"
        | "pg_terminate_backend"
        | "pg_reload_conf"
        | "pg_promote"
        | "pg_rotate_logfile"
        | "pg_rotate_logfile_old"
        | "pg_switch_wal"
        | "pg_create_restore_point"
        | "pg_log_backend_memory_contexts"
        | "pg_nextoid"
        | "pg_import_system_collations"
        | "pg_log_standby_snapshot"
        | "pg_sync_replication_slots"
        | "pg_hba_file_rules"
        | "pg_ident_file_mappings"
        | "pg_show_all_file_settings"
        | "pg_current_logfile"
        | "pg_stat_file"
        | "pg_extension_config_dump"
        | "pg_get_backend_memory_contexts"
        | "pg_get_shmem_allocations"
        | "pg_stop_making_pinned_objects"
        | "pg_clear_relation_stats"
        | "pg_clear_attribute_stats"
        | "pg_restore_relation_stats"
        | "pg_restore_attribute_stats"
        | "gin_clean_pending_list" => Class::Admin,
        _ if [
            "pg_wal_replay_",
            "pg_backup_",
            "pg_start_backup",
            "pg_stop_backup",
            "pg_logical_",
            "pg_replication_",
            "pg_copy_",
            "pg_drop_replication_",
            "pg_create_",
            "pg_ls_",
            "pg_read_",
            "pg_stat_reset",
            "pg_control_",
            "binary_upgrade_",
            "brin_",
            "pg_file_",
        ]
        .iter()
        .any(|family| name.starts_with(family)) =>
        {
            Class::Admin
        }
        _ => return None,
    };
    Some(class)
}

/// Functions that open files of the server.
pub(super) fn file_access(name: &str) -> Option<Access> {
    let name = plain(name);
    if name == "lo_export" || name.starts_with("pg_file_") {
        return Some(Access::Write);
    }
    let reads = name == "lo_import"
        || name == "pg_stat_file"
        || name.starts_with("pg_read_")
        || name.starts_with("pg_ls_");
    reads.then_some(Access::Read)
}

/// Functions of `pg_catalog` that take a whole row as their only argument, so that `t.name` may
/// mean `name(t)` (PostgreSQL: `ParseFuncOrColumn`).
pub(super) fn takes_rows(name: &str) -> bool {
    matches!(
        name,
        "any_value"
            | "array_agg"
            | "concat"
            | "first_value"
            | "hash_record"
            | "json_agg"
            | "json_agg_strict"
            | "json_build_array"
            | "json_build_object"
            | "jsonb_agg"
            | "jsonb_agg_strict"
            | "jsonb_build_array"
            | "jsonb_build_object"
            | "lag"
            | "last_value"
            | "lead"
            | "max"
            | "min"
            | "mode"
            | "quote_literal"
            | "quote_nullable"
            | "record_out"
            | "record_send"
            | "row_to_json"
            | "to_json"
            | "to_jsonb"
    )
}

/// True for an operator of `pg_catalog`, and for the words the grammar puts in an operator's
/// place (`BETWEEN` and the like carry the operator's sign or none).
pub(super) fn is_built_in_operator(name: &str) -> bool {
    const SIGNS: &str = " !! !~ !~* !~~ !~~* # ## #- #> #>> % %> && &< &<| &> * *< *<= *<> *= *> \
        *>= + - -> ->> -|- / < <-> << <<= <<| <= <> <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ \
        @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~ ~~* ";
    const WORDS: [&str; 4] =
        ["BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN", "NOT BETWEEN SYMMETRIC"];
    WORDS.contains(&name) || SIGNS.split(' ').any(|sign| sign == name)
}

/// The signs by which PostgreSQL looks for operators at a node: those that are written, and those
/// that its grammar puts in. What `pg_catalog` qualifies is PostgreSQL's own.
pub(super) fn signs(tree: &Tree) -> Vec<&str> {
    const BETWEEN: [&str; 4] = ["<", "<=", ">", ">="];
    let field = match tree.kind {
        "AExpr" => "name",
        "CaseExpr" if tree.child("arg").is_some() => return vec!["="],
        "CteCycleClause" => return vec!["<>", "="],
        "JoinExpr" if tree.flag("is_natural") || !tree.list("using_clause").is_empty() => {
            return vec!["="];
        }
        "SortBy" => "use_op",
        "SubLink" => "oper_name",
        _ => return Vec::new(),
    };
    let names = tree.strings(field);
    match names.last() {
        Some(_) if names.len() > 1 && names.first() == Some(&"pg_catalog") => Vec::new(),
        Some(name) if name.contains("BETWEEN") => BETWEEN.to_vec(),
        Some(name) => vec![name],
        None if tree.kind == "SubLink" && tree.child("testexpr").is_some() => vec!["="],
        None => Vec::new(),
    }
}

/// What calling a function may do, for what is not written in a statement.
pub fn is_harmless_call(name: &str) -> bool {
    effect(name) == Effect::None
}

/// Functions of `pg_catalog` that make a value of a type which their arguments only name.
pub fn names_type(name: &str) -> bool {
    const IN: [&str; 10] = [
        "array_in",
        "array_recv",
        "domain_in",
        "domain_recv",
        "multirange_in",
        "multirange_recv",
        "range_in",
        "range_recv",
        "record_in",
        "record_recv",
    ];
    let name = plain(name);
    IN.contains(&name) || matches!(name, "pg_input_is_valid" | "pg_input_error_info")
}

/// Functions of `pg_catalog` that return one value for any argument: they never fail because of
/// what they are given, never wait, and give NULL only for NULL. So nothing but their result says
/// anything of their arguments.
pub(super) fn is_total(name: &str) -> bool {
    matches!(
        plain(name),
        "any_value"
            | "array_agg"
            | "ascii"
            | "avg"
            | "bit_length"
            | "bool_and"
            | "bool_or"
            | "btrim"
            | "char_length"
            | "character_length"
            | "concat"
            | "concat_ws"
            | "count"
            | "dense_rank"
            | "every"
            | "first_value"
            | "format_type"
            | "initcap"
            | "json_agg"
            | "jsonb_agg"
            | "lag"
            | "last_value"
            | "lead"
            | "left"
            | "length"
            | "lower"
            | "ltrim"
            | "max"
            | "md5"
            | "min"
            | "octet_length"
            | "quote_ident"
            | "quote_literal"
            | "quote_nullable"
            | "rank"
            | "reverse"
            | "right"
            | "row_number"
            | "row_to_json"
            | "rtrim"
            | "starts_with"
            | "string_agg"
            | "strpos"
            | "sum"
            | "to_json"
            | "to_jsonb"
            | "trim"
            | "upper"
    )
}

/// Operators of which the same holds, for the types that PostgreSQL has them for.
pub(super) fn is_total_operator(sign: &str) -> bool {
    matches!(sign, "<" | "<=" | "<>" | "=" | ">" | ">=" | "||")
}

/// Types that every value can be written in.
pub(super) fn is_text_type(name: &str) -> bool {
    matches!(name, "bpchar" | "char" | "name" | "text" | "varchar")
}

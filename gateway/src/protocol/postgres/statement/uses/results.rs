//! The shape of a query's result: its arms, and what its columns are called.

use pg_query::protobuf::{SetOperation, SubLinkType};

use super::super::tree::Tree;

/// Names that PostgreSQL gives to result columns of no name (`FigureColnameInternal`), other than
/// those of functions, types and columns.
pub(super) const GIVEN: [&str; 31] = [
    "?column?",
    "array",
    "case",
    "coalesce",
    "exists",
    "greatest",
    "grouping",
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_value",
    "least",
    "merge_action",
    "not",
    "nullif",
    "row",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmlagg",
];

/// True for UNION and the like.
pub(super) fn is_set_operation(tree: &Tree) -> bool {
    tree.kind == "SelectStmt"
        && tree.child("larg").is_some()
        && tree.number("op") > SetOperation::SetopNone as i64
}

/// The plain queries of a UNION and the like, in order.
pub(super) fn leaves_of<'a>(tree: &'a Tree, leaves: &mut Vec<&'a Tree>) {
    if !is_set_operation(tree) {
        leaves.push(tree);
        return;
    }
    for side in ["larg", "rarg"].into_iter().filter_map(|side| tree.child(side)) {
        leaves_of(side, leaves);
    }
}

/// True for `*` and `t.*`.
pub(super) fn is_star(value: Option<&Tree>) -> bool {
    value.is_some_and(|value| {
        value.kind == "ColumnRef" && value.nodes("fields").any(|field| field.kind == "AStar")
    })
}

/// The names that PostgreSQL may give to a result column of no name; more than it would choose.
pub(super) fn result_names<'a>(value: &'a Tree, names: &mut Vec<&'a str>) {
    match value.kind {
        "ColumnRef" => names.extend(value.strings("fields").last()),
        "FuncCall" => names.extend(value.strings("funcname").last()),
        "AIndirection" => {
            names.extend(value.strings("indirection").last());
            value.child("arg").into_iter().for_each(|arg| result_names(arg, names));
        }
        "TypeCast" => {
            let of_type = value.child("type_name").map(|t| t.strings("names")).unwrap_or_default();
            names.extend(of_type.last());
            value.child("arg").into_iter().for_each(|arg| result_names(arg, names));
        }
        "CollateClause" => {
            value.child("arg").into_iter().for_each(|arg| result_names(arg, names));
        }
        "CaseExpr" => {
            names.push("case");
            value.child("defresult").into_iter().for_each(|it| result_names(it, names));
        }
        "SubLink" => {
            names.push("exists");
            names.push("array");
            names.push("?column?");
            let scalar = value.number("sub_link_type") == SubLinkType::ExprSublink as i64;
            let target = value.child("subselect").and_then(|query| {
                let mut leaves = Vec::new();
                leaves_of(query, &mut leaves);
                leaves.first().and_then(|leaf| leaf.nodes("target_list").next())
            });
            if let Some(target) = target.filter(|_| scalar) {
                match target.text("name") {
                    "" => target.child("val").into_iter().for_each(|it| result_names(it, names)),
                    given => names.push(given),
                }
            }
        }
        _ => names.push("?column?"),
    }
}

//! What the tree builder refuses, so that nothing is half understood.

use pg_query::protobuf::{AStar, IntList, Node, SelectStmt, node};

use super::super::tree::{Reading, Refusal, Value, read};
use super::super::{kinds, nodes, syntax};
use crate::limits;

fn wrap(inner: node::Node) -> Node {
    Node { node: Some(inner) }
}

#[test]
fn a_node_that_the_grammar_can_not_make_is_refused() {
    let strange = wrap(node::Node::IntList(IntList { items: vec![] }));
    assert_eq!(read(&strange, syntax::READING).unwrap_err(), Refusal::Kind("IntList"));
    let select = SelectStmt { target_list: vec![strange], ..SelectStmt::default() };
    assert_eq!(read(&select, syntax::READING).unwrap_err(), Refusal::Kind("IntList"));
}

#[test]
fn levels_and_nodes_are_bounded() {
    let star = wrap(node::Node::AStar(AStar {}));
    let shallow = Reading { levels_max: 1, ..syntax::READING };
    assert_eq!(read(&star, shallow).unwrap_err(), Refusal::Deep);
    let many = vec![star; limits::STATEMENT_NODES_MAX / 2];
    let select = SelectStmt { target_list: many, ..SelectStmt::default() };
    assert_eq!(read(&select, syntax::READING).unwrap_err(), Refusal::Large);
}

#[test]
fn every_field_that_says_something_is_kept() {
    let select = SelectStmt { all: true, op: 1, ..SelectStmt::default() };
    let Ok(Value::Node(tree)) = read(&select, syntax::READING) else { panic!() };
    let fields: Vec<&str> = tree.fields().iter().map(|(name, _)| *name).collect();
    assert_eq!((tree.kind, fields), ("SelectStmt", vec!["op", "all"]));
}

#[test]
fn every_statement_of_the_grammar_has_a_verb_and_a_class() {
    assert!(nodes::KNOWN.is_sorted());
    let by_fields = [
        "AlterObjectDependsStmt",
        "AlterObjectSchemaStmt",
        "AlterOwnerStmt",
        "AlterTableStmt",
        "CopyStmt",
        "DefineStmt",
        "DropStmt",
        "GrantRoleStmt",
        "GrantStmt",
        "RenameStmt",
        "TransactionStmt",
        "VariableSetStmt",
    ];
    for kind in nodes::KNOWN.iter().filter(|kind| kind.ends_with("Stmt")) {
        assert!(kinds::by_kind(kind).is_some() || by_fields.contains(kind), "{kind}");
    }
}

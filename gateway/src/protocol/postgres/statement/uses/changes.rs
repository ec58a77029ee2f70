//! What statements other than queries do with columns.

use pg_query::protobuf::{AlterTableType, ConstrType, ObjectType};

use super::super::kinds;
use super::super::tree::Tree;
use super::{Fate, Uses};
use crate::protocol::How;

impl<'a> Uses<'a> {
    pub(super) fn change(&mut self, tree: &'a Tree) {
        match tree.kind {
            "InsertStmt" => self.insert(tree),
            "UpdateStmt" => {
                self.with(tree);
                self.assigned(tree, tree.child("relation"));
                self.rest(tree);
            }
            "DeleteStmt" => {
                self.with(tree);
                tree.nodes("using_clause").for_each(|item| self.from(item));
                self.rest(tree);
            }
            "MergeStmt" => self.merge(tree),
            "CopyStmt" => self.copy(tree),
            "CreateStmt" => tree.nodes("table_elts").for_each(|one| self.created(one)),
            "IndexStmt" => self.index(tree),
            "AlterTableStmt" => self.alter_table(tree),
            "AlterObjectSchemaStmt" | "RenameStmt" => self.rename(tree),
            _ => self.fields(tree, &Fate::Compared),
        }
    }

    /// FROM, WHERE and RETURNING of a change.
    fn rest(&mut self, tree: &'a Tree) {
        tree.nodes("from_clause").for_each(|item| self.from(item));
        tree.child("where_clause").into_iter().for_each(|one| self.condition(one));
        let returned = tree.child("returning_clause");
        for target in returned.into_iter().flat_map(|clause| clause.nodes("exprs")) {
            self.target(tree, target, &Fate::Shown);
        }
    }

    fn insert(&mut self, tree: &'a Tree) {
        self.with(tree);
        let relation = tree.child("relation").map(|range| self.flow.relation(range));
        let fates: Vec<Fate> = tree.nodes("cols").map(|column| into(relation, column)).collect();
        let fates = if fates.is_empty() { vec![Fate::Copied(None)] } else { fates };
        tree.child("select_stmt").into_iter().for_each(|query| self.select(query, &fates));
        if let Some(conflict) = tree.child("on_conflict_clause") {
            if let Some(infer) = conflict.child("infer") {
                for element in infer.nodes("index_elems") {
                    match element.text("name") {
                        "" => self.fields(element, &Fate::Compared),
                        name => self.add(How::Matched, relation, name),
                    }
                }
                infer
                    .child("where_clause")
                    .into_iter()
                    .for_each(|one| self.value(one, &Fate::Compared));
            }
            self.assigned(conflict, tree.child("relation"));
            conflict.child("where_clause").into_iter().for_each(|one| self.condition(one));
        }
        self.rest(tree);
    }

    /// The SET of a change.
    fn assigned(&mut self, tree: &'a Tree, target: Option<&'a Tree>) {
        let relation = target.map(|range| self.flow.relation(range));
        for target in tree.nodes("target_list") {
            let Some(value) = target.child("val") else { continue };
            let fate = into(relation, target);
            match value.kind {
                "MultiAssignRef" => {
                    let source = value.child("source");
                    source.into_iter().for_each(|one| self.value(one, &Fate::Copied(None)));
                }
                _ => self.value(value, &fate),
            }
        }
    }

    fn merge(&mut self, tree: &'a Tree) {
        self.with(tree);
        let target = tree.child("relation");
        tree.child("source_relation").into_iter().for_each(|item| self.from(item));
        tree.child("join_condition").into_iter().for_each(|one| self.condition(one));
        for clause in tree.nodes("merge_when_clauses") {
            clause.child("condition").into_iter().for_each(|one| self.condition(one));
            self.assigned(clause, target);
            let relation = target.map(|range| self.flow.relation(range));
            let columns: Vec<Fate> =
                clause.nodes("target_list").map(|column| into(relation, column)).collect();
            for (place, value) in clause.nodes("values").enumerate() {
                self.value(value, columns.get(place).unwrap_or(&Fate::Copied(None)));
            }
        }
        self.rest(tree);
    }

    fn copy(&mut self, tree: &'a Tree) {
        tree.child("query").into_iter().for_each(|query| self.statement(query));
        tree.child("where_clause").into_iter().for_each(|one| self.value(one, &Fate::Compared));
        let Some(range) = tree.child("relation") else { return };
        let relation = self.flow.relation(range);
        let names = tree.strings("attlist");
        if names.is_empty() {
            self.add(How::Shown, Some(relation), "*");
        }
        names.iter().for_each(|name| self.add(How::Shown, Some(relation), name));
    }

    fn index(&mut self, tree: &'a Tree) {
        let relation = tree.child("relation").map(|range| self.flow.relation(range));
        for element in tree.nodes("index_params").chain(tree.nodes("index_including_params")) {
            match element.text("name") {
                "" => self.fields(element, &Fate::Compared),
                // That it can be made says that no two rows are alike.
                name if tree.flag("unique") => self.add(How::Compared, relation, name),
                name => self.add(How::Matched, relation, name),
            }
        }
        tree.child("where_clause").into_iter().for_each(|one| self.value(one, &Fate::Compared));
    }

    fn alter_table(&mut self, tree: &'a Tree) {
        let relation = tree.child("relation").map(|range| self.flow.relation(range));
        for command in tree.nodes("cmds") {
            if relinks(command) {
                self.add(How::Moved, relation, "*");
            }
            command.child("def").into_iter().for_each(|def| self.definition(def));
        }
    }

    /// A part of a new table: it has no rows of its own yet, so only what it refers to counts.
    fn created(&mut self, tree: &'a Tree) {
        if let Some(target) = tree.child("pktable") {
            let relation = self.flow.relation(target);
            for name in tree.strings("pk_attrs") {
                self.add(How::Compared, Some(relation), name);
            }
        }
        tree.nodes("constraints").for_each(|one| self.created(one));
    }

    /// What a column's or constraint's definition does with other columns.
    fn definition(&mut self, tree: &'a Tree) {
        match tree.kind {
            "ColumnDef" => {
                let using = tree.child("raw_default");
                using.into_iter().for_each(|one| self.value(one, &Fate::Copied(None)));
                tree.nodes("constraints").for_each(|one| self.definition(one));
            }
            "Constraint" if tree.number("contype") == ConstrType::ConstrGenerated as i64 => {
                self.fields(tree, &Fate::Copied(None));
            }
            "Constraint" => self.fields(tree, &Fate::Compared),
            "RangeVar" | "PartitionCmd" | "RoleSpec" => {}
            _ => self.value(tree, &Fate::Copied(None)),
        }
    }

    /// A name that a policy may hide by gets lost.
    fn rename(&mut self, tree: &'a Tree) {
        let Some(range) = tree.child("relation") else { return };
        let relation = Some(self.flow.relation(range));
        let column = match kinds::object(tree, "rename_type") {
            Some(ObjectType::ObjectColumn) => tree.text("subname"),
            Some(
                ObjectType::ObjectPolicy
                | ObjectType::ObjectRule
                | ObjectType::ObjectTabconstraint
                | ObjectType::ObjectTrigger,
            ) => return,
            _ => "*",
        };
        self.add(How::Moved, relation, column);
    }
}

/// Where a ResTarget of a change stores its value.
fn into(relation: Option<usize>, target: &Tree) -> Fate {
    let whole = target.list("indirection").is_empty();
    let name = target.text("name");
    Fate::Copied(relation.filter(|_| whole && !name.is_empty()).map(|it| (it, name.to_owned())))
}

/// Sub-commands that give a table other kin, and so its columns other rules.
fn relinks(command: &Tree) -> bool {
    let subtype = i32::try_from(command.number("subtype")).ok();
    matches!(
        subtype.and_then(|number| AlterTableType::try_from(number).ok()),
        Some(
            AlterTableType::AtAddInherit
                | AlterTableType::AtAddOf
                | AlterTableType::AtAttachPartition
                | AlterTableType::AtDetachPartition
                | AlterTableType::AtDetachPartitionFinalize
                | AlterTableType::AtDropInherit
                | AlterTableType::AtDropOf
        )
    )
}

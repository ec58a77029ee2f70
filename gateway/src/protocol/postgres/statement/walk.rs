//! The walk over a statement's tree that gathers its facts.
//!
//! A node that has no rule of its own is walked field by field, so nothing is skipped.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::functions::{self, Effect};
use super::kinds;
use super::opinion::Outline;
use super::tree::{Tree, Value};
use super::uses;
use super::utility;
use crate::limits;
use crate::protocol::{
    Access, Class, Object, Setting, SettingScope, SettingValue, Statement, dotted, undotted,
};

/// Facts of one statement as they are gathered.
pub(super) struct Walk<'a> {
    class: Class,
    /// The verb of every act found anywhere.
    acts: BTreeSet<Cow<'static, str>>,
    objects: BTreeSet<Object>,
    columns: BTreeSet<&'a str>,
    whole_row: bool,
    unbounded_write: bool,
    settings: Vec<Setting>,
    /// Inside a statement that keeps settings for others than this session.
    pub(super) stores_settings: bool,
    attributes: Vec<(String, String)>,
    operators: BTreeSet<&'a str>,
    types: BTreeSet<&'a str>,
    /// Names of common table expressions that can be seen from here, innermost last.
    scope: Vec<&'a str>,
    /// Every such name of the statement.
    with_names: BTreeSet<&'a str>,
    /// Names by which the row of a relation can be called.
    row_names: BTreeSet<&'a str>,
    /// Column references of one field: a column, or the row of a relation.
    lone: BTreeSet<&'a str>,
}

/// The facts of one statement, and its outline for the second parser.
pub(super) fn statement(tree: &Tree, start: usize, end: usize) -> (Statement, Outline) {
    let mut walk = Walk {
        class: Class::Transaction,
        acts: BTreeSet::new(),
        objects: BTreeSet::new(),
        columns: BTreeSet::new(),
        whole_row: false,
        unbounded_write: false,
        settings: Vec::new(),
        stores_settings: false,
        attributes: Vec::new(),
        operators: BTreeSet::new(),
        types: BTreeSet::new(),
        scope: Vec::new(),
        with_names: BTreeSet::new(),
        // PostgreSQL's own names for the rows of ON CONFLICT, RETURNING and rules.
        row_names: BTreeSet::from(["excluded", "new", "old"]),
        lone: BTreeSet::new(),
    };
    let verb = kinds::act(tree).map_or_else(|| "unknown".to_owned(), |(verb, _)| verb.into_owned());
    walk.visit(tree, Access::Read);
    let whole_row = walk.whole_row || !walk.lone.is_disjoint(&walk.row_names);
    let outline = Outline {
        kind: tree.kind,
        relations: walk.relations().filter_map(|name| undotted(name).pop()).collect(),
        with_names: walk.with_names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let statement = Statement {
        verb,
        acts: walk.acts.into_iter().map(Cow::into_owned).collect(),
        class: walk.class,
        start,
        end,
        objects: walk.objects.into_iter().collect(),
        columns: walk.columns.into_iter().map(str::to_owned).collect(),
        whole_row,
        unbounded_write: walk.unbounded_write,
        settings: walk.settings,
        attributes: walk.attributes,
        uses: uses::uses(tree),
        operators: walk.operators.into_iter().map(str::to_owned).collect(),
        types: walk.types.into_iter().map(str::to_owned).collect(),
        calls: Vec::new(),
    };
    (statement, outline)
}

impl<'a> Walk<'a> {
    fn relations(&self) -> impl Iterator<Item = &str> {
        self.objects.iter().filter(|o| o.kind == "relation").map(|o| o.name.as_str())
    }

    /// Raises the class.
    pub(super) fn at_least(&mut self, class: Class) {
        self.class = self.class.max(class);
    }

    /// Lists an object.
    pub(super) fn object(&mut self, kind: &str, name: impl Into<String>, access: Access) {
        let name = name.into();
        if !name.is_empty() {
            self.objects.insert(Object { kind: kind.to_owned(), name, access });
        }
    }

    /// Lists a name that may be a column's.
    pub(super) fn column(&mut self, name: &'a str) {
        if !name.is_empty() {
            self.columns.insert(name);
        }
    }

    /// Notes that columns are reached without being named.
    pub(super) fn all_columns(&mut self) {
        self.whole_row = true;
    }

    /// Lists a change of a setting, and the setting among the objects.
    pub(super) fn setting(&mut self, name: &str, value: Option<SettingValue>, local: bool) {
        let name = if name.is_empty() { "*".to_owned() } else { name.to_ascii_lowercase() };
        let value = value.unwrap_or(SettingValue::Computed);
        if let SettingValue::To(text) = &value {
            self.attribute(format!("setting.{name}"), text);
        }
        let value = match value {
            SettingValue::To(text) if text.len() > limits::ATTRIBUTE_BYTES_MAX => {
                SettingValue::Computed
            }
            value => value,
        };
        let scope = match (self.stores_settings, local) {
            (true, _) => SettingScope::Stored,
            (false, true) => SettingScope::Transaction,
            (false, false) => SettingScope::Session,
        };
        self.object("setting", name.as_str(), Access::Write);
        self.settings.push(Setting { name, value, scope });
    }

    /// Adds an attribute, its value cut to [`limits::ATTRIBUTE_BYTES_MAX`].
    pub(super) fn attribute(&mut self, key: impl Into<String>, value: &str) {
        let mut end = value.len().min(limits::ATTRIBUTE_BYTES_MAX);
        while !value.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let pair = (key.into(), value.get(..end).unwrap_or_default().to_owned());
        if !self.attributes.contains(&pair) {
            self.attributes.push(pair);
        }
    }

    /// Walks a node and everything below it. `access` is what naming a relation here means.
    pub(super) fn visit(&mut self, tree: &'a Tree, access: Access) {
        if let Some((verb, class)) = kinds::act(tree) {
            self.acts.insert(verb);
            self.statement(tree, class);
            return;
        }
        self.operators.extend(functions::signs(tree));
        match tree.kind {
            "AIndirection" => self.indirection(tree, access),
            "AStar" => self.whole_row = true,
            "ColumnDef" | "IndexElem" | "PartitionElem" => {
                self.column(tree.text(if tree.kind == "ColumnDef" { "colname" } else { "name" }));
                utility::node(self, tree);
                self.fields(tree, access);
            }
            "AExpr" => self.operator(tree, access),
            "ColumnRef" => self.column_ref(tree),
            "FuncCall" => self.call(tree, access),
            "JoinExpr" => self.join(tree, access),
            "LockingClause" => self.attribute("locking", "rows"),
            "MergeWhenClause" | "OnConflictClause" => {
                self.acts.extend(kinds::clause_act(tree).map(Cow::Borrowed));
                for (name, value) in tree.fields() {
                    match *name {
                        "target_list" => self.assigned(value),
                        _ => self.value(value, Access::Read),
                    }
                }
            }
            "RangeVar" => self.relation(tree, access),
            "ReturningOption" => {
                self.row_names.insert(tree.text("value"));
            }
            "TypeName" => {
                self.types.extend(tree.strings("names").last());
                self.fields(tree, access);
            }
            "TableLikeClause" => self.fields(tree, Access::Read),
            "WithClause" => self.with(tree),
            _ => {
                utility::node(self, tree);
                self.fields(tree, access);
            }
        }
    }

    /// Walks every field of a node.
    pub(super) fn fields(&mut self, tree: &'a Tree, access: Access) {
        for (name, value) in tree.fields() {
            let access = match *name {
                "inh_relations" | "pktable" => Access::Read,
                _ => access,
            };
            if names_columns(name) {
                self.names(value);
            }
            self.value(value, access);
        }
    }

    fn value(&mut self, value: &'a Value, access: Access) {
        match value {
            Value::List(values) => values.iter().for_each(|value| self.value(value, access)),
            Value::Node(tree) => self.visit(tree, access),
            Value::Nothing | Value::Number(_) | Value::Text(_) => {}
        }
    }

    /// Lists the names in a field that holds nothing but column names.
    fn names(&mut self, value: &'a Value) {
        if let Value::List(values) = value {
            for node in values.iter().filter_map(Value::node).filter(|n| n.kind == "String") {
                self.column(node.text("sval"));
            }
        }
    }

    fn statement(&mut self, tree: &'a Tree, class: Class) {
        let visible = self.scope.len();
        if tree.nodes("options").any(|one| one.text("defname") == "verbose")
            && tree.kind == "ExplainStmt"
        {
            self.attribute("explain", "verbose");
        }
        // A plain EXPLAIN plans its statement and does not run it.
        if tree.kind == "ExplainStmt" && !kinds::explains_by_running(tree) {
            let before = self.class.max(class);
            let (unbounded, acts) = (self.unbounded_write, self.acts.clone());
            self.fields(tree, Access::Read);
            self.class = before;
            self.acts = acts;
            self.unbounded_write = unbounded;
            return;
        }
        self.at_least(class);
        // Names of a WITH hold for all of its statement, wherever the field lies.
        if let Some(with) = tree.child("with_clause") {
            self.with(with);
        }
        match tree.kind {
            "DeleteStmt" | "InsertStmt" | "MergeStmt" | "UpdateStmt" => self.change(tree),
            "SelectStmt" => {
                for (name, value) in tree.fields().iter().filter(|(n, _)| *n != "with_clause") {
                    let into = *name == "into_clause";
                    self.value(value, if into { Access::Write } else { Access::Read });
                }
            }
            _ => utility::statement(self, tree, class),
        }
        self.scope.truncate(visible);
    }

    /// INSERT, UPDATE, DELETE and MERGE.
    fn change(&mut self, tree: &'a Tree) {
        if let Some(target) = tree.child("relation") {
            self.named_relation(target, Access::Write);
            let reads = ["where_clause", "returning_clause", "on_conflict_clause"];
            if tree.kind == "MergeStmt" || reads.iter().any(|field| tree.child(field).is_some()) {
                self.named_relation(target, Access::Read);
            }
        }
        let bounded = tree.child("where_clause").is_some_and(|condition| {
            condition.any(&|node| matches!(node.kind, "ColumnRef" | "CurrentOfExpr"))
        });
        if matches!(tree.kind, "DeleteStmt" | "UpdateStmt") && !bounded {
            self.unbounded_write = true;
        }
        for (name, value) in tree.fields() {
            match *name {
                "relation" | "with_clause" => {}
                "cols" | "target_list" => self.assigned(value),
                _ => self.value(value, Access::Read),
            }
        }
    }

    /// ResTargets whose names are columns that are written, not names of result columns.
    pub(super) fn assigned(&mut self, value: &'a Value) {
        if let Value::List(values) = value {
            for target in values.iter().filter_map(Value::node) {
                if target.kind == "ResTarget" {
                    self.column(target.text("name"));
                }
                self.fields(target, Access::Read);
            }
        }
    }

    fn with(&mut self, tree: &'a Tree) {
        let recursive = tree.flag("recursive");
        if recursive {
            self.scope.extend(tree.nodes("ctes").map(|cte| cte.text("ctename")));
        }
        for cte in tree.nodes("ctes") {
            self.fields(cte, Access::Read);
            self.with_names.insert(cte.text("ctename"));
            if !recursive {
                self.scope.push(cte.text("ctename"));
            }
        }
    }

    /// A relation where a common table expression may be meant instead.
    fn relation(&mut self, tree: &'a Tree, access: Access) {
        let bare = tree.text("schemaname").is_empty() && tree.text("catalogname").is_empty();
        let is_with_name = bare && self.scope.contains(&tree.text("relname"));
        if !is_with_name || access == Access::Write {
            self.named_relation(tree, access);
        }
    }

    /// A relation by its name.
    pub(super) fn named_relation(&mut self, tree: &'a Tree, access: Access) {
        let name = join(&[tree.text("schemaname"), tree.text("relname")]);
        self.object("relation", name, access);
        self.row_names.insert(tree.text("relname"));
        if let Some(alias) = tree.child("alias") {
            self.row_names.insert(alias.text("aliasname"));
            // `t AS a(x, y)` renames columns, so their names say nothing any more.
            self.whole_row |= !alias.list("colnames").is_empty();
        }
    }

    fn join(&mut self, tree: &'a Tree, access: Access) {
        let renames = tree.child("alias").is_some_and(|alias| !alias.list("colnames").is_empty());
        self.whole_row |= tree.flag("is_natural") || renames;
        for alias in ["alias", "join_using_alias"].iter().filter_map(|field| tree.child(field)) {
            self.row_names.insert(alias.text("aliasname"));
        }
        self.fields(tree, access);
    }

    fn column_ref(&mut self, tree: &'a Tree) {
        let fields = tree.list("fields");
        if fields.iter().filter_map(Value::node).any(|field| field.kind == "AStar") {
            self.whole_row = true;
            return;
        }
        let names = tree.strings("fields");
        if let Some(name) = names.last() {
            self.column(name);
            match names.len() {
                1 => {
                    self.lone.insert(name);
                }
                // `t.f` is also how PostgreSQL lets one write `f(t)`.
                _ if functions::takes_rows(name) => {
                    self.whole_row = true;
                    self.called(name);
                }
                _ => {}
            }
        }
    }

    /// `(expression).name`: a field of a row, or a function called on any value.
    fn indirection(&mut self, tree: &'a Tree, access: Access) {
        for name in tree.strings("indirection") {
            self.column(name);
            if functions::is_built_in(name) {
                self.called(name);
            } else {
                self.object("field", name, Access::Read);
            }
        }
        self.fields(tree, access);
    }

    fn operator(&mut self, tree: &'a Tree, access: Access) {
        let names = tree.strings("name");
        if let Some(name) = names.last()
            && (names.first().is_some_and(|schema| names.len() > 1 && *schema != "pg_catalog")
                || !functions::is_built_in_operator(name))
        {
            self.object("operator", join(&names), Access::Read);
            // Behind a user's operator is a user's function.
            self.at_least(Class::Code);
        }
        self.fields(tree, access);
    }

    fn call(&mut self, tree: &'a Tree, access: Access) {
        let mut names = tree.strings("funcname");
        if names.len() > 2 {
            names.remove(0);
        }
        let name = join(&names);
        self.called(&name);
        utility::setting_call(self, functions::plain(&name), tree);
        self.fields(tree, access);
    }

    /// A function that is called.
    pub(super) fn called(&mut self, name: &str) {
        self.object("function", name, Access::Read);
        match functions::effect(name) {
            Effect::None => {}
            Effect::AtLeast(class) => self.at_least(class),
        }
        if let Some(access) = functions::file_access(name) {
            self.object("file", "*", access);
        }
    }
}

/// The fields that hold column names as bare strings.
pub(super) fn names_columns(field: &str) -> bool {
    matches!(
        field,
        "attlist"
            | "cols"
            | "columns"
            | "fk_attrs"
            | "fk_del_set_cols"
            | "including"
            | "keys"
            | "pk_attrs"
            | "using_clause"
            | "va_cols"
    )
}

/// Parts of a name, joined by dots, empty parts left out.
pub(super) fn join(parts: &[&str]) -> String {
    dotted(parts.iter().filter(|part| !part.is_empty()).copied())
}

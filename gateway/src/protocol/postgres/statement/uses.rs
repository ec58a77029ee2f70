//! How a statement uses columns: shows them, compares them, copies them, computes with them.
//!
//! A node that has no rule here counts as comparing what it names. So a construct that nobody
//! thought of is found to use too much, not too little.

mod changes;
mod conditions;
mod flow;
mod results;

use std::collections::BTreeSet;

use self::flow::{Flow, Name, Ref};
use self::results::is_star;
use super::functions;
use super::tree::{Tree, Value};
use super::walk::join;
use crate::limits;
use crate::protocol::{How, Use};

/// The uses of one statement, sorted.
pub(super) fn uses(tree: &Tree) -> Vec<Use> {
    let mut walk = Uses { flow: Flow::of(tree), found: BTreeSet::new() };
    walk.statement(tree);
    if walk.found.len() > limits::STATEMENT_USES_MAX {
        let all = |how| Use { how, relation: String::new(), column: "*".to_owned() };
        let worst = [How::Compared, How::Copied { into: None }];
        return worst.into_iter().map(all).collect();
    }
    walk.found.into_iter().collect()
}

/// What becomes of the value of an expression.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Fate {
    /// It is compared, or decides what else happens.
    Compared,
    /// It goes into something that can fail, wait or return rows depending on it.
    Computed(String),
    /// It is stored, in this relation and column when it is one, unchanged.
    Copied(Option<(usize, String)>),
    /// It decides the order of rows, or which rows are the same.
    Ordered,
    /// It is in the result.
    Shown,
}

impl Fate {
    /// The fate of what goes into a step that always works and returns one value.
    fn changed(&self) -> Self {
        match self {
            Self::Copied(_) => Self::Copied(None),
            other => other.clone(),
        }
    }

    /// The fate of what goes into any other step.
    fn computed(&self, by: &str) -> Self {
        match self {
            Self::Shown => Self::Computed(by.to_owned()),
            other => other.changed(),
        }
    }
}

struct Uses<'a> {
    flow: Flow<'a>,
    found: BTreeSet<Use>,
}

impl<'a> Uses<'a> {
    fn add(&mut self, how: How, relation: Option<usize>, column: &str) {
        if self.found.len() > limits::STATEMENT_USES_MAX {
            return;
        }
        let relation = relation.and_then(|index| self.flow.relations.get(index).cloned());
        let relation = relation.unwrap_or_default();
        self.found.insert(Use { how, relation, column: column.to_owned() });
    }

    /// Notes what becomes of a column.
    fn note(&mut self, one: Ref<'a>, fate: &Fate) {
        let (atoms, simple) = self.flow.atoms(one);
        for (relation, column) in atoms {
            let how = match fate {
                Fate::Compared => How::Compared,
                Fate::Computed(by) => How::Computed { by: by.clone() },
                Fate::Copied(into) => {
                    let into = into.as_ref().filter(|_| simple);
                    let into = into.and_then(|(index, column)| {
                        Some((self.flow.relations.get(*index)?.clone(), column.clone()))
                    });
                    How::Copied { into }
                }
                Fate::Ordered => How::Ordered,
                Fate::Shown => How::Shown,
            };
            self.add(how, relation, column);
        }
    }

    fn note_all(&mut self, refs: Vec<Ref<'a>>, fate: &Fate) {
        refs.into_iter().for_each(|one| self.note(one, fate));
    }

    fn statement(&mut self, tree: &'a Tree) {
        match tree.kind {
            "SelectStmt" => {
                let stored = tree.child("into_clause").is_some();
                self.select(tree, &[if stored { Fate::Copied(None) } else { Fate::Shown }]);
            }
            "CreateTableAsStmt" | "ViewStmt" => match tree.child("query") {
                Some(query) if query.kind == "SelectStmt" => {
                    self.select(query, &[Fate::Copied(None)]);
                }
                Some(query) => self.statement(query),
                None => {}
            },
            "DeclareCursorStmt" | "ExplainStmt" | "PrepareStmt" => {
                tree.child("query").into_iter().for_each(|query| self.statement(query));
            }
            _ => self.change(tree),
        }
    }

    /// A query; `fates` says what becomes of its columns, the last one of all that follow.
    fn select(&mut self, tree: &'a Tree, fates: &[Fate]) {
        self.with(tree);
        let of = |place: usize| fates.get(place).or(fates.last()).cloned().unwrap_or(Fate::Shown);
        for side in ["larg", "rarg"].into_iter().filter_map(|side| tree.child(side)) {
            self.select(side, fates);
            // Which rows remain hangs on all of their values.
            if !tree.flag("all") || tree.number("op") != UNION {
                self.select_targets(side, &Fate::Ordered);
            }
        }
        for row in tree.nodes("values_lists") {
            row.nodes("items").enumerate().for_each(|(place, one)| self.value(one, &of(place)));
        }
        for (place, target) in tree.nodes("target_list").enumerate() {
            let starred = tree.nodes("target_list").take(place).any(|t| is_star(t.child("val")));
            let fate = if starred { of(usize::MAX).changed() } else { of(place) };
            self.target(tree, target, &fate);
        }
        tree.nodes("from_clause").for_each(|item| self.from(item));
        tree.child("where_clause").into_iter().for_each(|one| self.condition(one));
        tree.child("having_clause").into_iter().for_each(|one| self.condition(one));
        for limit in ["limit_count", "limit_offset"].into_iter().filter_map(|f| tree.child(f)) {
            self.value(limit, &Fate::Compared);
        }
        self.order(tree);
    }

    fn target(&mut self, query: &'a Tree, target: &'a Tree, fate: &Fate) {
        let Some(value) = target.child("val") else { return };
        if is_star(Some(value)) && value.strings("fields").is_empty() {
            let refs = self.flow.star(query);
            self.note_all(refs, &fate.changed());
        } else {
            self.value(value, fate);
        }
    }

    /// The result columns of a query, when all of them have one fate.
    fn select_targets(&mut self, tree: &'a Tree, fate: &Fate) {
        let refs = self.flow.results(tree);
        self.note_all(refs, fate);
    }

    fn order(&mut self, tree: &'a Tree) {
        let distinct = tree.list("distinct_clause");
        if !distinct.is_empty() && distinct.iter().all(|value| value.node().is_none()) {
            self.select_targets(tree, &Fate::Ordered);
        }
        let lists = tree.nodes("distinct_clause").chain(tree.nodes("group_clause"));
        for expression in lists.chain(tree.nodes("sort_clause")) {
            self.ordered(expression, tree);
        }
        tree.nodes("window_clause").for_each(|window| self.window(window));
    }

    /// An expression of ORDER BY and the like; a number there names a result column.
    fn ordered(&mut self, expression: &'a Tree, query: &'a Tree) {
        match expression.kind {
            "SortBy" => {
                expression.child("node").into_iter().for_each(|node| self.ordered(node, query));
            }
            "GroupingSet" => {
                expression.nodes("content").for_each(|node| self.ordered(node, query));
            }
            "AConst" if expression.child("val").is_some_and(|val| val.kind == "Integer") => {
                let number = expression.child("val").map_or(0, |val| val.number("ival"));
                let place = usize::try_from(number).ok().and_then(|one| one.checked_sub(1));
                let mut targets = query.nodes("target_list");
                let plain = query.child("larg").is_none()
                    && !query.nodes("target_list").any(|target| is_star(target.child("val")));
                match place.and_then(|place| targets.nth(place)).filter(|_| plain) {
                    Some(target) => self.target(query, target, &Fate::Ordered),
                    None => self.select_targets(query, &Fate::Ordered),
                }
            }
            _ => self.value(expression, &Fate::Ordered),
        }
    }

    fn window(&mut self, tree: &'a Tree) {
        for expression in tree.nodes("partition_clause").chain(tree.nodes("order_clause")) {
            self.value(expression, &Fate::Ordered);
        }
        for offset in ["start_offset", "end_offset"].into_iter().filter_map(|f| tree.child(f)) {
            self.value(offset, &Fate::Compared);
        }
    }

    fn with(&mut self, tree: &'a Tree) {
        let Some(with) = tree.child("with_clause") else { return };
        for cte in with.nodes("ctes") {
            cte.child("ctequery").into_iter().for_each(|query| self.statement(query));
            for (clause, list) in
                [("search_clause", "search_col_list"), ("cycle_clause", "cycle_col_list")]
            {
                let columns = cte.child(clause).map(|it| it.strings(list)).unwrap_or_default();
                for name in columns {
                    let one = Ref { relation: None, name: Name::Column(name) };
                    self.note(one, &Fate::Ordered);
                }
            }
        }
    }

    fn from(&mut self, item: &'a Tree) {
        match item.kind {
            "RangeVar" => {}
            "RangeSubselect" => {
                item.child("subquery").into_iter().for_each(|query| self.statement(query));
            }
            "JoinExpr" => self.join(item),
            "RangeTableSample" => {
                item.nodes("args").for_each(|one| self.value(one, &Fate::Compared));
                let rest = ["relation", "repeatable"].into_iter().filter_map(|f| item.child(f));
                rest.for_each(|one| self.from(one));
            }
            // How many rows a function gives may tell what it was given.
            "RangeFunction" => {
                for call in item.nodes("functions").flat_map(calls) {
                    let by = Fate::Computed(join(&call.strings("funcname")));
                    self.value(call, &by);
                }
            }
            "JsonTable" => self.fields(item, &Fate::Computed("JSON_TABLE".to_owned())),
            "RangeTableFunc" => self.fields(item, &Fate::Computed("XMLTABLE".to_owned())),
            _ => self.value(item, &Fate::Compared),
        }
    }

    /// Walks an expression whose value has this fate.
    fn value(&mut self, tree: &'a Tree, fate: &Fate) {
        match tree.kind {
            "ColumnRef" => {
                let refs = self.flow.column(tree);
                let fate = if refs.len() > 1 { fate.changed() } else { fate.clone() };
                self.note_all(refs, &fate);
            }
            "AExpr" => self.operator(tree, fate),
            "BoolExpr" | "BooleanTest" => self.fields(tree, &Fate::Compared),
            "CaseExpr" => {
                let condition = tree.nodes("args").filter_map(|when| when.child("expr"));
                for one in condition.chain(tree.child("arg")) {
                    self.value(one, &Fate::Compared);
                }
                let result = tree.nodes("args").filter_map(|when| when.child("result"));
                for one in result.chain(tree.child("defresult")) {
                    self.value(one, &fate.changed());
                }
            }
            "FuncCall" => self.call(tree, fate),
            "SubLink" => self.sublink(tree, fate),
            "TypeCast" => {
                let shown = tree.child("type_name").map(|t| t.strings("names")).unwrap_or_default();
                let safe = shown.last().is_some_and(|name| functions::is_text_type(name));
                let fate = if safe { fate.changed() } else { fate.computed("a cast") };
                tree.child("arg").into_iter().for_each(|arg| self.value(arg, &fate));
            }
            "MinMaxExpr" | "NullTest" | "AArrayExpr" | "AIndices" | "AIndirection"
            | "CoalesceExpr" | "CollateClause" | "List" | "NamedArgExpr" | "RowExpr" => {
                self.fields(tree, &fate.changed());
            }
            "IndexElem" | "StatsElem" => {
                let one = Ref { relation: None, name: Name::Column(tree.text("name")) };
                self.note(one, &Fate::Compared);
                self.fields(tree, &Fate::Compared);
            }
            "ResTarget" | "SortBy" => self.fields(tree, fate),
            "SelectStmt" => self.select(tree, &[fate.changed()]),
            kind if kind.ends_with("Stmt") => self.statement(tree),
            _ => self.fields(tree, &fate.computed("an expression")),
        }
    }

    fn fields(&mut self, tree: &'a Tree, fate: &Fate) {
        for (name, value) in tree.fields() {
            if super::walk::names_columns(name) {
                for column in tree.strings(name) {
                    let one = Ref { relation: None, name: Name::Column(column) };
                    self.note(one, &Fate::Compared);
                }
            }
            match value {
                Value::List(values) => {
                    values.iter().filter_map(Value::node).for_each(|one| self.value(one, fate));
                }
                Value::Node(one) => self.value(one, fate),
                Value::Nothing | Value::Number(_) | Value::Text(_) => {}
            }
        }
    }

    fn call(&mut self, tree: &'a Tree, fate: &Fate) {
        let mut names = tree.strings("funcname");
        if names.len() > 2 {
            names.remove(0);
        }
        let name = join(&names);
        let inner = match functions::is_total(&name) {
            true => fate.changed(),
            false => fate.computed(&name),
        };
        tree.nodes("args").for_each(|arg| self.value(arg, &inner));
        if tree.flag("agg_distinct") {
            tree.nodes("args").for_each(|arg| self.value(arg, &Fate::Ordered));
        }
        tree.nodes("agg_order").for_each(|one| self.value(one, &Fate::Ordered));
        tree.child("agg_filter").into_iter().for_each(|one| self.condition(one));
        tree.child("over").into_iter().for_each(|window| self.window(window));
    }
}

const UNION: i64 = pg_query::protobuf::SetOperation::SetopUnion as i64;

/// The function calls of one item of a RangeFunction: each is a list of a call and its columns.
fn calls(item: &Tree) -> Vec<&Tree> {
    match item.kind {
        "List" => item.nodes("items").flat_map(calls).collect(),
        "FuncCall" => vec![item],
        // Words such as CURRENT_DATE, and column definitions.
        _ => Vec::new(),
    }
}

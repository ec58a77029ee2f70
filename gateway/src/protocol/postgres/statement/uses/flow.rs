//! From a name in a statement to the columns whose values it may stand for.
//!
//! A subquery gives its columns new names, and a comparison of the new name is one of the old
//! column. Which of two queries a name belongs to is not worked out: a name stands for everything
//! that any query of the statement calls so. That can only find too much.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::functions;
use super::super::tree::{Tree, Value};
use super::super::walk::join;
use super::results::{GIVEN, is_set_operation, is_star, leaves_of, result_names};
use crate::limits;

/// A column as a statement refers to it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Ref<'a> {
    /// Index of the relation it is a column of; none when that can't be told.
    pub(super) relation: Option<usize>,
    pub(super) name: Name<'a>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Name<'a> {
    /// Every column.
    All,
    /// Every column of a subquery, join or function, by its alias.
    AllOf(&'a str),
    Column(&'a str),
}

/// Columns of base relations: relation index and name, `*` for all.
pub(super) type Atoms<'a> = BTreeSet<(Option<usize>, &'a str)>;

/// What an alias may mean.
#[derive(Debug, Default)]
struct Meaning {
    relations: BTreeSet<usize>,
    derived: bool,
}

/// The names of a statement.
#[derive(Debug, Default)]
pub(super) struct Flow<'a> {
    pub(super) relations: Vec<String>,
    aliases: HashMap<&'a str, Meaning>,
    with_names: HashSet<&'a str>,
    edges: HashMap<Name<'a>, HashSet<Ref<'a>>>,
    /// What stands behind result columns of no name.
    unnamed: HashSet<Ref<'a>>,
    /// What may stand behind any name.
    wild: HashSet<Ref<'a>>,
    edge_count: usize,
}

/// The names and the sources of one result column.
struct Output<'a> {
    names: Vec<&'a str>,
    refs: Vec<Ref<'a>>,
    renames: bool,
}

impl<'a> Flow<'a> {
    pub(super) fn of(tree: &'a Tree) -> Self {
        let mut flow = Self::default();
        flow.collect_with_names(tree);
        flow.collect_aliases(tree);
        flow.collect_edges(tree);
        flow
    }

    /// The index of a relation by its name.
    pub(super) fn relation(&mut self, range: &'a Tree) -> usize {
        let name = join(&[range.text("schemaname"), range.text("relname")]);
        self.relations.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.relations.push(name);
            self.relations.len().saturating_sub(1)
        })
    }

    fn collect_with_names(&mut self, tree: &'a Tree) {
        if tree.kind == "CommonTableExpr" {
            self.with_names.insert(tree.text("ctename"));
        }
        tree.children().for_each(|child| self.collect_with_names(child));
    }

    fn is_with_name(&self, range: &Tree) -> bool {
        range.text("schemaname").is_empty() && self.with_names.contains(range.text("relname"))
    }

    fn derived(&mut self, alias: &'a str) {
        if !alias.is_empty() {
            self.aliases.entry(alias).or_default().derived = true;
        }
    }

    fn collect_aliases(&mut self, tree: &'a Tree) {
        match tree.kind {
            "RangeVar" => {
                let index = self.relation(tree);
                let alias = tree.child("alias");
                let renamed = alias.is_some_and(|alias| !alias.list("colnames").is_empty());
                let name = alias.map_or(tree.text("relname"), |alias| alias.text("aliasname"));
                let derived = renamed || self.is_with_name(tree);
                let meaning = self.aliases.entry(name).or_default();
                meaning.relations.insert(index);
                meaning.derived |= derived;
            }
            "CommonTableExpr" => self.derived(tree.text("ctename")),
            _ => {
                for alias in ["alias", "join_using_alias"].into_iter().filter_map(|f| tree.child(f))
                {
                    self.derived(alias.text("aliasname"));
                }
            }
        }
        tree.children().for_each(|child| self.collect_aliases(child));
    }

    fn collect_edges(&mut self, tree: &'a Tree) {
        match tree.kind {
            "SelectStmt" => {
                if is_set_operation(tree) {
                    self.arms(tree);
                } else if let Some(outputs) = self.outputs(tree) {
                    self.named(&outputs);
                }
            }
            "ReturningClause" => {
                let outputs: Vec<_> = tree.nodes("exprs").map(|t| self.output(t)).collect();
                self.named(&outputs);
            }
            "CommonTableExpr" => {
                let name = tree.text("ctename");
                let refs = tree.child("ctequery").map(|q| self.results(q)).unwrap_or_default();
                self.rename(name, refs, tree.strings("aliascolnames"));
            }
            "JoinExpr" | "JsonTable" | "RangeFunction" | "RangeSubselect" | "RangeTableFunc"
            | "RangeVar" => self.renamed_item(tree),
            _ => {}
        }
        tree.children().for_each(|child| self.collect_edges(child));
    }

    /// An item of a FROM that may rename its columns.
    fn renamed_item(&mut self, tree: &'a Tree) {
        let Some(alias) = tree.child("alias") else { return };
        let refs = match tree.kind {
            "RangeSubselect" => {
                tree.child("subquery").map(|query| self.results(query)).unwrap_or_default()
            }
            "RangeVar" if self.is_with_name(tree) => vec![
                Ref { relation: None, name: Name::AllOf(tree.text("relname")) },
                Ref { relation: Some(self.relation(tree)), name: Name::All },
            ],
            "RangeVar" => vec![Ref { relation: Some(self.relation(tree)), name: Name::All }],
            "JoinExpr" => {
                let sides = ["larg", "rarg"].into_iter().filter_map(|side| tree.child(side));
                sides.flat_map(|side| self.star_of(side)).collect()
            }
            _ => self.refs(tree),
        };
        let mut columns = alias.strings("colnames");
        columns.extend(tree.nodes("coldeflist").map(|column| column.text("colname")));
        columns.extend(tree.nodes("columns").map(|column| column.text("colname")));
        columns.extend(tree.nodes("columns").map(|column| column.text("name")));
        // A function's only column is called as the function is.
        if tree.kind == "RangeFunction" {
            columns.push(alias.text("aliasname"));
        }
        self.rename(alias.text("aliasname"), refs, columns);
    }

    fn rename(&mut self, alias: &'a str, refs: Vec<Ref<'a>>, columns: Vec<&'a str>) {
        for column in columns.into_iter().filter(|column| !column.is_empty()) {
            let all = Ref { relation: None, name: Name::AllOf(alias) };
            self.edge(Name::Column(column), all);
        }
        refs.into_iter().for_each(|one| self.edge(Name::AllOf(alias), one));
    }

    fn edge(&mut self, from: Name<'a>, to: Ref<'a>) {
        self.edge_count = self.edge_count.saturating_add(1);
        if self.edge_count <= limits::STATEMENT_RENAMES_MAX {
            self.edges.entry(from).or_default().insert(to);
        }
    }

    fn named(&mut self, outputs: &[Output<'a>]) {
        for output in outputs.iter().filter(|output| output.renames) {
            for to in &output.refs {
                self.unnamed.extend(output.names.is_empty().then_some(*to));
                for name in &output.names {
                    if GIVEN.contains(name) {
                        self.unnamed.insert(*to);
                    }
                    self.edge(Name::Column(name), *to);
                }
            }
        }
    }

    /// The arms of a UNION and the like: the first gives the names, each gives the values.
    fn arms(&mut self, tree: &'a Tree) {
        let mut leaves = Vec::new();
        leaves_of(tree, &mut leaves);
        let columns: Vec<_> = leaves.iter().map(|leaf| self.outputs(leaf)).collect();
        let same = |one: &Option<Vec<Output<'a>>>| {
            matches!((one, columns.first()), (Some(one), Some(Some(first)))
                     if one.len() == first.len())
        };
        if !columns.iter().all(same) {
            let refs: Vec<_> = leaves.iter().flat_map(|leaf| self.results(leaf)).collect();
            self.edge_count = self.edge_count.saturating_add(refs.len());
            self.wild.extend(refs);
            return;
        }
        let mut columns = columns.into_iter().flatten();
        let Some(mut first) = columns.next() else { return };
        for other in columns {
            for (output, more) in first.iter_mut().zip(other) {
                output.renames |= !more.refs.is_empty();
                output.refs.extend(more.refs);
            }
        }
        self.named(&first);
    }

    /// The result columns of a plain query, unless a `*` hides how many there are.
    fn outputs(&mut self, select: &'a Tree) -> Option<Vec<Output<'a>>> {
        let rows = select.list("values_lists");
        if rows.is_empty() {
            let starless = select.nodes("target_list").all(|target| !is_star(target.child("val")));
            return starless
                .then(|| select.nodes("target_list").map(|one| self.output(one)).collect());
        }
        let mut outputs: Vec<Output<'a>> = Vec::new();
        for row in rows.iter().filter_map(Value::node) {
            for (place, value) in row.nodes("items").enumerate() {
                let refs = self.refs(value);
                match outputs.get_mut(place) {
                    Some(output) => output.refs.extend(refs),
                    None => outputs.push(Output { names: Vec::new(), refs, renames: true }),
                }
            }
        }
        Some(outputs)
    }

    fn output(&mut self, target: &'a Tree) -> Output<'a> {
        let Some(value) = target.child("val") else {
            return Output { names: Vec::new(), refs: Vec::new(), renames: false };
        };
        let refs = self.refs(value);
        let given = target.text("name");
        if !given.is_empty() {
            let same = value.kind == "ColumnRef" && value.strings("fields").last() == Some(&given);
            return Output { names: vec![given], refs, renames: !same };
        }
        let mut names = Vec::new();
        result_names(value, &mut names);
        Output { names, refs, renames: value.kind != "ColumnRef" }
    }

    /// Everything that a query, or a change with RETURNING, gives back.
    pub(super) fn results(&mut self, query: &'a Tree) -> Vec<Ref<'a>> {
        if is_set_operation(query) {
            let mut leaves = Vec::new();
            leaves_of(query, &mut leaves);
            return leaves.into_iter().flat_map(|leaf| self.results(leaf)).collect();
        }
        let mut refs = Vec::new();
        for row in query.nodes("values_lists") {
            refs.extend(self.refs(row));
        }
        let returned = query.child("returning_clause");
        let targets = query.nodes("target_list").filter(|_| query.kind == "SelectStmt");
        let targets = targets.chain(returned.into_iter().flat_map(|clause| clause.nodes("exprs")));
        for target in targets {
            match target.child("val") {
                Some(value) if is_star(Some(value)) && value.strings("fields").is_empty() => {
                    refs.extend(self.star(query));
                }
                Some(value) => refs.extend(self.refs(value)),
                None => {}
            }
        }
        refs
    }

    /// What an unqualified `*` of a query or change stands for.
    pub(super) fn star(&mut self, query: &'a Tree) -> Vec<Ref<'a>> {
        let fields = ["relation", "source_relation"].into_iter().filter_map(|f| query.child(f));
        let lists = query.nodes("from_clause").chain(query.nodes("using_clause"));
        fields.chain(lists).flat_map(|item| self.star_of(item)).collect()
    }

    /// What the columns of a FROM item stand for.
    pub(super) fn star_of(&mut self, item: &'a Tree) -> Vec<Ref<'a>> {
        match item.kind {
            "RangeVar" => {
                let base = Ref { relation: Some(self.relation(item)), name: Name::All };
                if !self.is_with_name(item) {
                    return vec![base];
                }
                vec![base, Ref { relation: None, name: Name::AllOf(item.text("relname")) }]
            }
            "JoinExpr" => {
                let sides = ["larg", "rarg"].into_iter().filter_map(|side| item.child(side));
                sides.flat_map(|side| self.star_of(side)).collect()
            }
            "RangeSubselect" => {
                item.child("subquery").map(|query| self.results(query)).unwrap_or_default()
            }
            "RangeTableSample" => {
                item.child("relation").map(|range| self.star_of(range)).unwrap_or_default()
            }
            _ => self.refs(item),
        }
    }

    /// Every column referred to in an expression, subqueries in it included.
    pub(super) fn refs(&mut self, tree: &'a Tree) -> Vec<Ref<'a>> {
        let mut refs = Vec::new();
        self.gather(tree, &mut refs);
        refs
    }

    fn gather(&mut self, tree: &'a Tree, refs: &mut Vec<Ref<'a>>) {
        match tree.kind {
            // A bare `*` is seen to below, where its query is known.
            "ColumnRef" if tree.strings("fields").is_empty() => {}
            "ColumnRef" => refs.extend(self.column(tree)),
            "SelectStmt" if tree.nodes("target_list").any(|one| is_star(one.child("val"))) => {
                refs.extend(self.star(tree));
            }
            _ => {}
        }
        tree.children().for_each(|child| self.gather(child, refs));
    }

    /// What one column reference may mean.
    pub(super) fn column(&self, tree: &'a Tree) -> Vec<Ref<'a>> {
        let names = tree.strings("fields");
        let star = is_star(Some(tree));
        let of = |relation: Option<usize>, name| Ref { relation, name };
        let (qualifier, name) = match (names.as_slice(), star) {
            ([], _) => return vec![of(None, Name::All)],
            ([.., qualifier], true) => (Some(*qualifier), None),
            ([name], false) => (None, Some(*name)),
            ([.., qualifier, name], false) => (Some(*qualifier), Some(*name)),
        };
        let mut refs = Vec::new();
        let meaning = self.aliases.get(qualifier.or(name).unwrap_or_default());
        let bases = meaning.into_iter().flat_map(|meaning| &meaning.relations).copied();
        let derived = meaning.is_none_or(|meaning| meaning.derived);
        match (qualifier, name) {
            (None, Some(name)) => {
                refs.push(of(None, Name::Column(name)));
                // The name of a relation alone is its whole row.
                refs.extend(bases.map(|base| of(Some(base), Name::All)));
                if meaning.is_some_and(|meaning| meaning.derived) {
                    refs.push(of(None, Name::AllOf(name)));
                }
            }
            (Some(qualifier), None) => {
                refs.extend(bases.map(|base| of(Some(base), Name::All)));
                if derived {
                    let known = meaning.is_some();
                    refs.push(of(None, if known { Name::AllOf(qualifier) } else { Name::All }));
                }
            }
            (Some(qualifier), Some(name)) => {
                // `t.f` is also how PostgreSQL lets one write `f(t)`.
                let row = functions::takes_rows(name);
                for base in bases {
                    refs.push(of(Some(base), Name::Column(name)));
                    refs.extend(row.then(|| of(Some(base), Name::All)));
                }
                if derived {
                    refs.push(of(None, Name::Column(name)));
                    refs.extend(row.then(|| of(None, Name::AllOf(qualifier))));
                }
            }
            (None, None) => {}
        }
        refs
    }

    /// The base columns behind a reference, and whether it is simply one of them.
    pub(super) fn atoms(&self, one: Ref<'a>) -> (Atoms<'a>, bool) {
        let mut atoms = Atoms::new();
        if self.edge_count > limits::STATEMENT_RENAMES_MAX {
            atoms.insert((None, "*"));
            return (atoms, false);
        }
        let mut seen = HashSet::from([one]);
        let mut waiting = vec![one];
        let mut simple = true;
        while let Some(next) = waiting.pop() {
            match next.name {
                Name::All => {
                    atoms.insert((next.relation, "*"));
                    simple = false;
                }
                Name::Column(name) => {
                    atoms.insert((next.relation, name));
                }
                Name::AllOf(_) => simple = false,
            }
            if next.relation.is_some() {
                continue;
            }
            let given = matches!(next.name, Name::Column(name) if GIVEN.contains(&name)
                                 || name.starts_with("column"));
            let unnamed = self.unnamed.iter().filter(|_| given);
            let more = self.edges.get(&next.name).into_iter().flatten();
            for to in more.chain(unnamed).chain(&self.wild) {
                simple = false;
                if seen.insert(*to) {
                    waiting.push(*to);
                }
            }
        }
        (atoms, simple)
    }
}

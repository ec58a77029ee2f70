//! From a column, view or statement to the base columns behind it.

use std::collections::{BTreeSet, HashSet};

use super::catalogue::{Catalogue, Kind, Relation};
use super::{ANY_ORIGIN, Unknown};
use crate::limits;
use crate::protocol::postgres::statement::{is_built_in, is_opaque};
use crate::protocol::{Access, Statement, dotted};

/// Base columns as they are gathered.
#[derive(Debug, Default)]
struct Gathered {
    columns: BTreeSet<(u32, i16)>,
    /// Something was in play that could hold any column.
    any: bool,
}

/// What was asked already, so that views in a circle end.
type Visited = HashSet<(u32, i16)>;

impl Catalogue {
    /// The origins of a relation's column; attribute number 0 means its whole row.
    pub(super) fn origins(&self, oid: u32, attnum: i16) -> Result<(Vec<String>, bool), Unknown> {
        let relation = self.relations.get(&oid).ok_or(Unknown::Oid(oid))?;
        if attnum < 0 {
            return Ok((vec![system_column(relation, attnum)], true));
        }
        let mut gathered = Gathered::default();
        if attnum == 0 {
            for attnum in relation.columns.keys() {
                self.gather(oid, *attnum, &mut gathered, &mut Visited::new(), 0)?;
            }
            return Ok((self.names(gathered), false));
        }
        if !relation.columns.contains_key(&attnum) {
            return Err(Unknown::Column(oid, attnum));
        }
        let exact = self.gather(oid, attnum, &mut gathered, &mut Visited::new(), 0)?;
        Ok((self.names(gathered), exact))
    }

    /// Every base column that statements may have touched.
    pub(super) fn touched(&self, statements: &[Statement]) -> Result<Vec<String>, Unknown> {
        let mut gathered = Gathered::default();
        for statement in statements {
            self.touch(statement, &mut gathered, &mut Visited::new(), 0)?;
        }
        Ok(self.names(gathered))
    }

    fn touch(
        &self,
        statement: &Statement,
        gathered: &mut Gathered,
        visited: &mut Visited,
        level: usize,
    ) -> Result<(), Unknown> {
        gathered.any |= level > limits::VIEW_LEVELS_MAX || self.runs_unseen_code(statement);
        if gathered.any {
            return Ok(());
        }
        for object in &statement.objects {
            if object.kind != "relation" || object.access != Access::Read {
                continue;
            }
            let oids = self.resolve(&object.name);
            if oids.is_empty() {
                return Err(Unknown::Relation(object.name.clone()));
            }
            for oid in oids {
                let Some(relation) = self.relations.get(&oid) else { continue };
                for (attnum, name) in &relation.columns {
                    if statement.whole_row || statement.columns.binary_search(name).is_ok() {
                        self.gather(oid, *attnum, gathered, visited, level)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// True when a statement runs something whose reads the grammar can't show: code, a cursor or
    /// prepared statement made elsewhere, a function or operator that is not PostgreSQL's own.
    fn runs_unseen_code(&self, statement: &Statement) -> bool {
        if matches!(statement.verb.as_str(), "call" | "do" | "execute" | "fetch" | "move") {
            return true;
        }
        let unseen_object = statement.objects.iter().any(|object| match object.kind.as_str() {
            "function" => self.is_unseen(&object.name),
            "operator" | "prepared_statement" => true,
            _ => false,
        });
        // `t.f` may mean `f(t)`, whatever else `f` names.
        unseen_object
            || statement.columns.iter().any(|name| self.foreign_functions.contains_key(name))
    }

    /// True for a function that may read what its arguments don't name.
    pub fn is_unseen(&self, function: &str) -> bool {
        if is_opaque(function) {
            return true;
        }
        if function.starts_with("pg_catalog.") || function.starts_with("information_schema._pg_") {
            return !function.starts_with("information_schema.") && !is_built_in(function);
        }
        // A function of the same name elsewhere may fit the arguments better (CVE-2018-1058).
        !is_built_in(function) || self.scripted_functions.contains(function)
    }

    /// Gathers the base columns of one column; true if its values are theirs, unchanged.
    fn gather(
        &self,
        oid: u32,
        attnum: i16,
        gathered: &mut Gathered,
        visited: &mut Visited,
        level: usize,
    ) -> Result<bool, Unknown> {
        let relation = self.relations.get(&oid).ok_or(Unknown::Oid(oid))?;
        if level > limits::VIEW_LEVELS_MAX || holds_any_values(relation, attnum) {
            gathered.any = true;
            return Ok(false);
        }
        if !visited.insert((oid, attnum)) {
            return Ok(false);
        }
        let Some(view) = self.views.get(&oid).filter(|_| relation.kind == Kind::View) else {
            gathered.columns.insert((oid, attnum));
            self.gather_kin(oid, attnum, relation, gathered);
            return Ok(true);
        };
        let level = level.saturating_add(1);
        match view_column(relation, &view.described, attnum) {
            Some((base, number)) if base != 0 && number > 0 => {
                self.gather(base, number, gathered, visited, level)
            }
            Some((base, 0)) if base != 0 => {
                let whole = self.relations.get(&base).ok_or(Unknown::Oid(base))?;
                for number in whole.columns.keys() {
                    self.gather(base, *number, gathered, visited, level)?;
                }
                Ok(false)
            }
            // Derived in the view: whatever its definition touches.
            _ => {
                gathered.any |= view.statements.is_empty();
                for statement in &view.statements {
                    self.touch(statement, gathered, visited, level)?;
                }
                Ok(false)
            }
        }
    }

    /// The same column of every ancestor and descendant: reading a parent reads its children, and
    /// what is protected in a parent is protected in its partitions.
    fn gather_kin(&self, oid: u32, attnum: i16, relation: &Relation, gathered: &mut Gathered) {
        let Some(name) = relation.columns.get(&attnum) else { return };
        let mut seen = HashSet::from([oid]);
        let mut waiting = vec![oid];
        while let Some(next) = waiting.pop() {
            for kin in self.kin.get(&next).into_iter().flatten() {
                if !seen.insert(*kin) {
                    continue;
                }
                waiting.push(*kin);
                let kin_relation = self.relations.get(kin);
                // A partition on another server.
                gathered.any |= kin_relation.is_some_and(|kin| kin.kind == Kind::Foreign);
                let columns = kin_relation.map(|relation| &relation.columns);
                for (number, _) in columns.into_iter().flatten().filter(|(_, n)| *n == name) {
                    gathered.columns.insert((*kin, *number));
                }
            }
        }
    }

    fn names(&self, gathered: Gathered) -> Vec<String> {
        if gathered.any || gathered.columns.len() > limits::COLUMN_ORIGINS_MAX {
            return vec![ANY_ORIGIN.to_owned()];
        }
        let name = |(oid, attnum): &(u32, i16)| {
            let relation = self.relations.get(oid)?;
            let column = relation.columns.get(attnum)?;
            Some(dotted([relation.schema.as_str(), &relation.name, column]))
        };
        gathered.columns.iter().filter_map(name).collect()
    }
}

/// The described origin of a view's column. Columns of a view are never dropped, so its n-th
/// column is the n-th of its definition; if the counts differ the description is of an older
/// definition and says nothing.
fn view_column(relation: &Relation, described: &[(u32, i16)], attnum: i16) -> Option<(u32, i16)> {
    if described.len() != relation.columns.len() {
        return None;
    }
    let index = relation.columns.keys().position(|number| *number == attnum)?;
    described.get(index).copied()
}

/// Columns whose values come from the columns of other relations: the planner's statistics quote
/// them, TOAST tables hold them in parts, statements of other sessions name them, foreign tables
/// read them from elsewhere.
fn holds_any_values(relation: &Relation, attnum: i16) -> bool {
    const STATISTICS: [&str; 5] =
        ["pg_statistic", "pg_statistic_ext_data", "pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"];
    if matches!(relation.kind, Kind::Foreign | Kind::Toast) {
        return true;
    }
    let column = relation.columns.get(&attnum).map(String::as_str).unwrap_or_default();
    match relation.name.as_str() {
        // A module's view, in whatever schema it was made.
        "pg_stat_statements" => column == "query",
        _ if relation.schema != "pg_catalog" => false,
        "pg_stat_activity" => column == "query",
        "pg_largeobject" => column == "data",
        name => STATISTICS.contains(&name),
    }
}

fn system_column(relation: &Relation, attnum: i16) -> String {
    let column = match attnum {
        -1 => "ctid",
        -2 => "xmin",
        -3 => "cmin",
        -4 => "xmax",
        -5 => "cmax",
        -6 => "tableoid",
        _ => "?",
    };
    dotted([relation.schema.as_str(), &relation.name, column])
}

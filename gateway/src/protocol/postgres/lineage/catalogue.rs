//! What is known of a database: relations, types, functions, views, inheritance.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::protocol::postgres::statement::{Parsers, facts};
use crate::protocol::{Statement, dotted, undotted};

/// Relations and their columns: oid, schema, name, kind, attnum, column, type oid, whether the
/// column is generated (not empty). A relation without columns has one row with the last four NULL.
pub const RELATIONS_SQL: &str = "\
SELECT c.oid, n.nspname, c.relname, c.relkind, a.attnum, a.attname, a.atttypid, \
a.attgenerated \
FROM pg_catalog.pg_class c \
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid \
AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped \
WHERE c.relkind::pg_catalog.text OPERATOR(pg_catalog.=) \
ANY ('{r,v,m,f,p,S,t}'::pg_catalog.text[])";

/// Types: oid, name.
pub const TYPES_SQL: &str = "SELECT oid, typname FROM pg_catalog.pg_type";

/// Functions by name: schema, name, OID of their language.
pub const FUNCTIONS_SQL: &str = "\
SELECT DISTINCT n.nspname, p.proname, p.prolang FROM pg_catalog.pg_proc p \
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace";

/// Views and materialized views outside the system's schemas: oid, definition. Each definition
/// is also what to Parse and Describe for [`CatalogueRows::view_descriptions`].
pub const VIEWS_SQL: &str = "\
SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid) FROM pg_catalog.pg_class c \
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
WHERE c.relkind::pg_catalog.text OPERATOR(pg_catalog.=) ANY ('{v,m}'::pg_catalog.text[]) \
AND n.nspname OPERATOR(pg_catalog.<>) 'pg_catalog' \
AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'";

/// Inheritance and partitions: child oid, parent oid.
pub const INHERITANCE_SQL: &str = "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits";

/// OIDs of the languages whose functions are machine code (PostgreSQL: `pg_language.dat`).
const INTERNAL_LANGUAGE: &str = "12";
const C_LANGUAGE: &str = "13";

type Rows = Vec<Vec<Option<String>>>;

/// The answers to the statements above, in text format, as they came.
#[derive(Clone, Debug, Default)]
pub struct CatalogueRows {
    /// Answer to [`RELATIONS_SQL`].
    pub relations: Rows,
    /// Answer to [`TYPES_SQL`].
    pub types: Rows,
    /// Answer to [`FUNCTIONS_SQL`].
    pub functions: Rows,
    /// Answer to [`VIEWS_SQL`].
    pub views: Rows,
    /// Answer to [`INHERITANCE_SQL`].
    pub inheritance: Rows,
    /// Per view OID, table OID and attribute number of each output column as Describe of its
    /// definition says them. A view that is missing here has no exact columns.
    pub view_descriptions: HashMap<u32, Vec<(u32, i16)>>,
    /// Foreign tables (`schema.table`) whose columns hold only what their own names say.
    pub foreign_tables: Vec<String>,
}

/// A database as the gateway last read it.
#[derive(Debug, Default)]
pub struct Catalogue {
    pub(super) relations: HashMap<u32, Relation>,
    /// OIDs by bare name, in every schema.
    pub(super) named: HashMap<String, Vec<u32>>,
    pub(super) views: HashMap<u32, View>,
    /// Parents and children of a relation, one step each.
    pub(super) kin: HashMap<u32, Vec<u32>>,
    /// Functions outside `pg_catalog`: the schemas of each name.
    pub(super) foreign_functions: HashMap<String, HashSet<String>>,
    /// Those of them whose code is in the database, and so may read anything.
    pub(super) scripted_functions: HashSet<String>,
    types: HashMap<u32, String>,
    epoch: u64,
}

#[derive(Debug)]
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) columns: BTreeMap<i16, String>,
    pub(super) types: BTreeMap<i16, u32>,
    generated: BTreeSet<i16>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Reads another server, a file or this very database: its values may be anything.
    Foreign,
    /// Holds rows of its own.
    Table,
    /// Parts of values of some other table.
    Toast,
    /// View or materialized view.
    View,
}

#[derive(Debug)]
pub(super) struct View {
    /// Origins of its columns in order, (0, 0) where derived; empty if not described.
    pub(super) described: Vec<(u32, i16)>,
    /// What the grammar says of its definition; empty if it could not be read.
    pub(super) statements: Vec<Statement>,
}

impl Catalogue {
    /// The catalogue that rows describe. Rows that make no sense are left out: what they would
    /// have said is then unknown, and unknown is refused.
    pub fn new(rows: &CatalogueRows, epoch: u64) -> Self {
        let mut catalogue = Self { epoch, ..Self::default() };
        for row in &rows.relations {
            catalogue.add_relation(row);
        }
        for relation in catalogue.relations.values_mut() {
            let name = dotted([relation.schema.as_str(), &relation.name]);
            if relation.kind == Kind::Foreign && rows.foreign_tables.contains(&name) {
                relation.kind = Kind::Table;
            }
        }
        for (oid, relation) in &catalogue.relations {
            catalogue.named.entry(relation.name.clone()).or_default().push(*oid);
        }
        for row in &rows.types {
            if let (Some(oid), Some(name)) = (number(row, 0), text(row, 1)) {
                catalogue.types.insert(oid, name.to_owned());
            }
        }
        for row in &rows.functions {
            if let (Some(schema), Some(name)) = (text(row, 0), text(row, 1))
                && schema != "pg_catalog"
            {
                let schemas = catalogue.foreign_functions.entry(name.to_owned()).or_default();
                schemas.insert(schema.to_owned());
                if !matches!(text(row, 2), Some(INTERNAL_LANGUAGE | C_LANGUAGE)) {
                    catalogue.scripted_functions.insert(name.to_owned());
                }
            }
        }
        for row in &rows.views {
            if let (Some(oid), Some(definition)) = (number(row, 0), text(row, 1)) {
                let described = rows.view_descriptions.get(&oid).cloned().unwrap_or_default();
                let statements = facts(definition, Parsers::Compat)
                    .map(|facts| facts.statements)
                    .unwrap_or_default();
                catalogue.views.insert(oid, View { described, statements });
            }
        }
        for row in &rows.inheritance {
            if let (Some(child), Some(parent)) = (number(row, 0), number(row, 1)) {
                catalogue.kin.entry(child).or_default().push(parent);
                catalogue.kin.entry(parent).or_default().push(child);
            }
        }
        catalogue
    }

    /// Which reading of the database this is; larger is later.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many relations it holds.
    pub fn relations(&self) -> usize {
        self.relations.len()
    }

    /// True for a table: its columns are themselves, whatever becomes of the views on it.
    pub fn holds_rows(&self, oid: u32) -> bool {
        self.relations.get(&oid).is_some_and(|relation| relation.kind == Kind::Table)
    }

    /// A relation's `schema.name`.
    pub fn relation_name(&self, oid: u32) -> Option<String> {
        let relation = self.relations.get(&oid)?;
        Some(dotted([relation.schema.as_str(), &relation.name]))
    }

    /// True for a generated column, which COPY leaves out unless it is named.
    pub fn is_generated(&self, oid: u32, attnum: i16) -> bool {
        self.relations.get(&oid).is_some_and(|relation| relation.generated.contains(&attnum))
    }

    /// Whether a relation has a column of this name.
    pub fn has_column(&self, oid: u32, name: &str) -> bool {
        let relation = self.relations.get(&oid);
        relation.is_some_and(|relation| relation.columns.values().any(|column| column == name))
    }

    /// The schemas outside `pg_catalog` that have a function of this name.
    pub fn function_schemas(&self, name: &str) -> impl Iterator<Item = &str> {
        self.foreign_functions.get(name).into_iter().flatten().map(String::as_str)
    }

    /// A type's name, or its OID in digits.
    pub(super) fn type_name(&self, oid: u32) -> String {
        self.types.get(&oid).cloned().unwrap_or_else(|| oid.to_string())
    }

    /// Every relation that a name may mean: without a schema that is one in any schema, because
    /// the search path and temporary tables decide and neither is known for sure.
    pub fn resolve(&self, name: &str) -> Vec<u32> {
        let parts = undotted(name);
        let (last, schema) = match parts.as_slice() {
            [.., schema, last] => (last, Some(schema)),
            [last] => (last, None),
            [] => return Vec::new(),
        };
        let in_schema = |oid: &&u32| {
            self.relations.get(oid).zip(schema).is_none_or(|(relation, schema)| {
                // `pg_temp` names the session's own schema, `pg_temp_3` or the like.
                relation.schema == *schema
                    || (schema == "pg_temp" && relation.schema.starts_with("pg_temp_"))
            })
        };
        let named = self.named.get(last).into_iter().flatten();
        let mut found: Vec<u32> = named.filter(in_schema).copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn add_relation(&mut self, row: &[Option<String>]) {
        let (Some(oid), Some(schema), Some(name), Some(kind)) =
            (number(row, 0), text(row, 1), text(row, 2), text(row, 3))
        else {
            return;
        };
        let relation = self.relations.entry(oid).or_insert_with(|| Relation {
            schema: schema.to_owned(),
            name: name.to_owned(),
            kind: match kind {
                "f" => Kind::Foreign,
                "m" | "v" => Kind::View,
                "t" => Kind::Toast,
                _ => Kind::Table,
            },
            columns: BTreeMap::new(),
            types: BTreeMap::new(),
            generated: BTreeSet::new(),
        });
        let attnum = text(row, 4).and_then(|number| number.parse().ok());
        if let (Some(attnum), Some(column)) = (attnum, text(row, 5)) {
            relation.columns.insert(attnum, column.to_owned());
            relation.types.extend(number(row, 6).map(|oid| (attnum, oid)));
            if text(row, 7).is_some_and(|how| !how.is_empty()) {
                relation.generated.insert(attnum);
            }
        }
    }
}

fn text(row: &[Option<String>], field: usize) -> Option<&str> {
    row.get(field)?.as_deref()
}

fn number(row: &[Option<String>], field: usize) -> Option<u32> {
    text(row, field)?.parse().ok()
}

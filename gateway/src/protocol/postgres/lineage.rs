//! Where a result column comes from.
//!
//! PostgreSQL says of each result column which table column it is (RowDescription: table OID and
//! attribute number), but only for plain columns; for a view it names the view, and for every
//! expression, UNION or function it says nothing. So there are three layers: the origin itself,
//! views followed to their base columns, and for the rest every column that the statement may
//! have touched. No origin never means "safe".

mod catalogue;
mod derive;

pub use catalogue::{
    Catalogue, CatalogueRows, FUNCTIONS_SQL, INHERITANCE_SQL, RELATIONS_SQL, TYPES_SQL, VIEWS_SQL,
};

use crate::protocol::{Column, Statement};

/// The origin that stands for any column of any relation. A masker treats a column with this
/// origin as holding everything it protects.
pub const ANY_ORIGIN: &str = "*";

/// One field of a RowDescription message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FieldDescription {
    /// The name the client sees.
    pub name: String,
    /// The relation it comes from, or 0.
    pub table_oid: u32,
    /// The column's number in that relation, or 0; negative for system columns.
    pub attnum: i16,
    /// The type's OID.
    pub type_oid: u32,
    /// 0 text, 1 binary. Describe of a statement always says 0; then Bind decides.
    pub format: i16,
}

/// Something that the catalogue does not hold: it is older than the statement, or the relation
/// was made in a transaction that is still open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unknown {
    /// A column by relation OID and attribute number.
    Column(u32, i16),
    /// A relation's OID.
    Oid(u32),
    /// A relation's name as the statement gives it.
    Relation(String),
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Column(oid, attnum) => {
                write!(f, "column {attnum} of the relation with OID {oid} is not in the catalogue")
            }
            Self::Oid(oid) => write!(f, "the relation with OID {oid} is not in the catalogue"),
            Self::Relation(name) => write!(f, "the relation \"{name}\" is not in the catalogue"),
        }
    }
}

impl std::error::Error for Unknown {}

impl Catalogue {
    /// The origins of a result's columns. `statements` are all statements that may have made it:
    /// those of the request's text, or of the prepared statement behind a portal.
    ///
    /// # Errors
    /// [`Unknown`] when the catalogue must be read again first. If that does not help (the
    /// relation was made in this very transaction), [`Catalogue::columns_guarded`] answers.
    pub fn columns(
        &self,
        description: &[FieldDescription],
        statements: &[Statement],
    ) -> Result<Vec<Column>, Unknown> {
        let mut derived = None;
        description
            .iter()
            .map(|field| {
                let (origins, exact) = if field.table_oid == 0 {
                    if derived.is_none() {
                        derived = Some(self.touched(statements)?);
                    }
                    (derived.clone().unwrap_or_else(any), false)
                } else {
                    self.origins(field.table_oid, field.attnum)?
                };
                Ok(self.column(field, origins, exact))
            })
            .collect()
    }

    /// Like [`Catalogue::columns`], but what is unknown may come from anywhere.
    pub fn columns_guarded(
        &self,
        description: &[FieldDescription],
        statements: &[Statement],
    ) -> Vec<Column> {
        let derived = self.touched(statements).unwrap_or_else(|_| any());
        description
            .iter()
            .map(|field| {
                let (origins, exact) = match field.table_oid {
                    0 => (derived.clone(), false),
                    oid => self.origins(oid, field.attnum).unwrap_or_else(|_| (any(), false)),
                };
                self.column(field, origins, exact)
            })
            .collect()
    }

    /// The columns of a relation with their origins, as a result would show them. What is unknown
    /// may come from anywhere.
    pub fn relation_columns(&self, oid: u32) -> Vec<Column> {
        let Some(relation) = self.relations.get(&oid) else { return Vec::new() };
        let column = |(attnum, name): (&i16, &String)| {
            let (origins, exact) = self.origins(oid, *attnum).unwrap_or_else(|_| (any(), false));
            let type_oid = relation.types.get(attnum).copied().unwrap_or(0);
            let (name, attnum) = (name.clone(), *attnum);
            let field = FieldDescription { name, table_oid: oid, attnum, type_oid, format: 0 };
            self.column(&field, origins, exact)
        };
        relation.columns.iter().map(column).collect()
    }

    fn column(&self, field: &FieldDescription, origins: Vec<String>, exact: bool) -> Column {
        Column {
            name: field.name.clone(),
            type_name: self.type_name(field.type_oid),
            type_oid: field.type_oid,
            binary: field.format != 0,
            origins,
            exact,
        }
    }
}

fn any() -> Vec<String> {
    vec![ANY_ORIGIN.to_owned()]
}

#[cfg(test)]
mod tests;

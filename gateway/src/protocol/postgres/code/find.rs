//! From a statement to the code that it may make run.

use std::collections::{BTreeSet, HashSet};

use super::{Act, Cast, Code, Context, FIRST_USER_OID, Overload, WRITES};
use crate::protocol::postgres::statement::names_type;
use crate::protocol::{Access, By, Call, Class, Object, Statement, undotted};

impl Code {
    /// The code that a statement may make run although its text does not call it. `parameters`:
    /// the OIDs of the parameters' types, as far as they are known.
    pub fn calls(&self, statement: &Statement, parameters: &[u32]) -> BTreeSet<Call> {
        let mut found = BTreeSet::new();
        if self.none {
            return found;
        }
        let relations = self.relations(statement);
        let reached = self.reached(statement, &relations, parameters, &mut found);
        let rows = self.rows(&relations);
        for (oid, access) in &relations {
            let Some(calls) = self.relations.get(oid) else { continue };
            let acts = acts(statement, *access);
            found.extend(
                calls.iter().filter(|(act, _)| acts.contains(act)).map(|(_, call)| call.clone()),
            );
        }
        self.everywhere(statement, &mut found);
        self.named_classes(statement, &mut found);
        self.overloads(statement, &reached, &rows, &mut found);
        let fitting = self.casts.iter().filter(|cast| may_cast(cast, statement, &reached));
        found.extend(fitting.map(|cast| call(&cast.function, By::Cast)));
        if statement.class >= Class::Schema {
            found.extend(self.events.iter().map(|function| call(function, By::EventTrigger)));
        }
        found
    }

    /// The relations that matter among those that a statement names.
    fn relations(&self, statement: &Statement) -> Vec<(u32, Access)> {
        let relations = statement.objects.iter().filter(|object| object.kind == "relation");
        relations
            .flat_map(|object| self.resolve(&object.name).map(|oid| (oid, object.access)))
            .collect()
    }

    /// Every relation that a name may mean: without a schema, one in any.
    fn resolve(&self, name: &str) -> impl Iterator<Item = u32> {
        let mut parts = undotted(name);
        let last = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        let named = self.named.get(&last).into_iter().flatten();
        named.filter_map(move |(of, oid)| {
            let fits = schema.as_ref().is_none_or(|schema| {
                schema == of || (schema == "pg_temp" && of.starts_with("pg_temp_"))
            });
            fits.then_some(*oid)
        })
    }

    /// The row types of relations.
    fn rows(&self, relations: &[(u32, Access)]) -> HashSet<u32> {
        let rows = relations.iter().filter_map(|(oid, _)| self.relation_rows.get(oid));
        rows.flatten().copied().collect()
    }

    /// The types that matter and that values at hand may have. A row is at hand where the
    /// statement reaches columns without naming them.
    fn reached(
        &self,
        statement: &Statement,
        relations: &[(u32, Access)],
        parameters: &[u32],
        found: &mut BTreeSet<Call>,
    ) -> HashSet<u32> {
        let mut reached = HashSet::new();
        for types in relations.iter().filter_map(|(oid, _)| self.relation_types.get(oid)) {
            reached.extend(types);
        }
        if statement.whole_row {
            reached.extend(self.rows(relations));
        }
        let mut check = |types: &HashSet<u32>, by| {
            let functions = types.iter().filter_map(|oid| self.types.get(oid)).flatten();
            found.extend(functions.map(|function| call(function, by)));
        };
        check(&reached, By::Check);
        let named = statement.types.iter().filter_map(|name| self.type_names.get(name)).flatten();
        let mut given: HashSet<u32> = HashSet::new();
        for oid in named.chain(parameters) {
            given.extend(self.type_parts.get(oid).into_iter().flatten());
        }
        let functions = statement.objects.iter().filter(|object| object.kind == "function");
        if functions.into_iter().any(|object| names_type(&object.name)) {
            given.extend(self.types.keys());
        }
        check(&given, By::Type);
        reached.extend(given);
        reached
    }

    /// ANALYZE, CLUSTER, REINDEX and VACUUM of a whole database or schema name no relation.
    fn everywhere(&self, statement: &Statement, found: &mut BTreeSet<Call>) {
        const VERBS: [&str; 4] = ["analyze", "cluster", "reindex", "vacuum"];
        let names = |object: &Object| object.kind == "relation";
        if VERBS.contains(&statement.verb.as_str()) && !statement.objects.iter().any(names) {
            found.extend(self.relations.values().flatten().map(|(_, call)| call.clone()));
        }
    }

    /// Operator classes that an index, a partition's key or a range is made with.
    fn named_classes(&self, statement: &Statement, found: &mut BTreeSet<Call>) {
        if statement.class < Class::Schema {
            return;
        }
        let classes = statement.objects.iter().filter(|object| object.kind == "operator_class");
        let names = classes.filter_map(|object| undotted(&object.name).pop());
        // A range names its class where a type could stand.
        for name in names.chain(statement.types.iter().cloned()) {
            let functions = self.classes.get(&name).into_iter().flatten();
            found.extend(functions.map(|function| call(function, By::Index)));
        }
    }

    fn overloads(
        &self,
        statement: &Statement,
        reached: &HashSet<u32>,
        rows: &HashSet<u32>,
        found: &mut BTreeSet<Call>,
    ) {
        let fits = |one: &&Overload| one.types.iter().all(|oid| reached.contains(oid));
        for object in statement.objects.iter().filter(|object| object.kind == "function") {
            let mut parts = undotted(&object.name);
            let last = parts.pop().unwrap_or_default();
            let schema = parts.pop();
            let overloads = self.functions.get(&last).into_iter().flatten().filter(fits);
            let there = overloads.filter(|one| schema.as_ref().is_none_or(|it| *it == one.schema));
            found.extend(there.map(|one| call(&one.function, By::Function)));
        }
        for sign in &statement.operators {
            let overloads = self.operators.get(sign).into_iter().flatten().filter(fits);
            found.extend(overloads.map(|one| call(&one.function, By::Operator)));
        }
        let fields = statement.objects.iter().filter(|object| object.kind == "field");
        let fields = fields.map(|object| (object.name.as_str(), false));
        let columns = statement.columns.iter().map(|name| (name.as_str(), true));
        let at_hand = |row: u32| reached.contains(&row) || rows.contains(&row);
        for (name, of_rows) in columns.chain(fields) {
            let functions = self.row_functions.get(name).into_iter().flatten();
            let fitting = functions
                .filter(|one| one.rows || !of_rows)
                .filter(|one| one.row.is_none_or(at_hand));
            found.extend(fitting.map(|one| call(&one.function, By::Column)));
        }
    }
}

/// Whether a cast may be looked for. A user's type has to be reached; between PostgreSQL's own
/// types a cast is as near as its context.
fn may_cast(cast: &Cast, statement: &Statement, reached: &HashSet<u32>) -> bool {
    let near = |oid: u32| oid < FIRST_USER_OID || reached.contains(&oid);
    if !near(cast.source) || !near(cast.target) {
        return false;
    }
    let is_named = || {
        let calls = |one: &Object| {
            one.kind == "function" && undotted(&one.name).last() == Some(&cast.target_name)
        };
        statement.types.contains(&cast.target_name)
            || statement.columns.contains(&cast.target_name)
            || statement.objects.iter().any(calls)
    };
    let writes = || {
        let stores = ["copy_from", "insert", "merge", "update"];
        statement.acts.iter().any(|act| stores.contains(&act.as_str()))
    };
    match cast.context {
        Context::Implicit => statement.class > Class::Transaction,
        Context::Assignment => writes() || is_named(),
        Context::Explicit => is_named(),
    }
}

/// What a statement may do to a relation that it names.
fn acts(statement: &Statement, access: Access) -> Vec<Act> {
    // A new table may have all that the tables have that it is made like, inherits or is a part of.
    let takes_over = statement.acts.iter().any(|act| act == "create_table");
    if access == Access::Read && !takes_over {
        return vec![Act::Read];
    }
    let mut acts = Vec::new();
    for act in &statement.acts {
        match act.as_str() {
            "copy_from" | "insert" => acts.push(Act::Insert),
            "delete" => acts.push(Act::Delete),
            "refresh_materialized_view" => acts.push(Act::Read),
            "truncate" => acts.push(Act::Truncate),
            "update" => acts.push(Act::Update),
            _ => {}
        }
    }
    // ALTER TABLE, CREATE INDEX, REINDEX and the like rewrite rows or build indexes.
    if acts.is_empty() {
        acts.extend(WRITES);
        acts.extend([Act::Alter, Act::Read]);
    }
    acts
}

pub(super) fn call(function: &str, by: By) -> Call {
    Call { function: function.to_owned(), by }
}

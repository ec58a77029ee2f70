//! From the catalogue's rows to what a look-up needs.

use std::collections::{HashMap, HashSet};

use super::find::call;
use super::rows::{CodeRows, Rows};
use super::{Act, Cast, Code, Context, FIRST_USER_OID, Overload, RowFunction, WRITES};
use crate::protocol::postgres::statement::{is_built_in, is_harmless_call};
use crate::protocol::{By, Call, dotted};

/// Catalogues by their OIDs (PostgreSQL: `pg_*_d.h`).
const TYPE: u32 = 1247;
const FUNCTION: u32 = 1255;
const RELATION: u32 = 1259;
const DEFAULT: u32 = 2604;
const CONSTRAINT: u32 = 2606;
const CLASS: u32 = 2616;
const OPERATOR: u32 = 2617;
const RULE: u32 = 2618;
const TRIGGER: u32 = 2620;
const POLICY: u32 = 3256;
const STATISTICS: u32 = 3381;

/// Pseudo-types that take rows: record, "any", anyelement, anynonarray and the compatible ones.
const TAKES_ROWS: [u32; 6] = [2249, 2276, 2283, 2776, 5077, 5079];

/// Gathers while the rows are read.
#[derive(Default)]
struct Build<'a> {
    code: Code,
    /// Functions whose code counts, by OID.
    hot: HashMap<u32, String>,
    /// Functions behind operators and operator classes, by catalogue and OID.
    behind: HashMap<(u32, u32), HashSet<String>>,
    /// What an object hangs on.
    depends: HashMap<(u32, u32), Vec<(u32, u32)>>,
    types: HashMap<u32, Type>,
    /// Columns' types by relation.
    columns: HashMap<u32, Vec<u32>>,
    names: HashMap<u32, (&'a str, &'a str)>,
    /// From a relation to those whose acts carry over to the other.
    carries: HashMap<u32, Vec<(u32, Carry)>>,
}

struct Type {
    relation: u32,
    /// Element, base, subtype, range.
    parts: Vec<u32>,
}

#[derive(Clone, Copy)]
enum Carry {
    /// From a child to its parent.
    Kin,
    /// From a table that refers to the one referred to.
    Key { delete: bool, update: bool },
    /// From a relation to one whose policy reads it: what is done there reads here.
    Policy(&'static [Act]),
    /// From a relation to a view of it.
    View,
}

impl Code {
    /// What these rows say. Rows that make no sense are left out.
    pub fn new(rows: &CodeRows) -> Self {
        let mut build = Build::default();
        build.functions(rows);
        build.behind(rows);
        build.shapes(rows);
        build.casts(&rows.casts);
        build.checks(&rows.holders);
        build.classes(&rows.classes);
        build.of_types(&rows.types);
        build.triggers(&rows.triggers);
        build.rules(&rows.rules);
        build.holders(&rows.holders);
        build.carry();
        build.parts();
        build.reach(rows);
        for row in &rows.events {
            build.code.events.extend(build.hot.get(&number(row, 0)).cloned());
        }
        let Build { mut code, names, .. } = build;
        for (oid, (schema, name)) in names {
            if code.relations.contains_key(&oid)
                || code.relation_types.contains_key(&oid)
                || code.relation_rows.contains_key(&oid)
            {
                code.named.entry(name.to_owned()).or_default().push((schema.to_owned(), oid));
            }
        }
        code.none = code.functions.is_empty()
            && code.row_functions.is_empty()
            && code.operators.is_empty()
            && code.casts.is_empty()
            && code.types.is_empty()
            && code.classes.is_empty()
            && code.relations.is_empty()
            && code.events.is_empty();
        code
    }
}

impl<'a> Build<'a> {
    fn functions(&mut self, rows: &CodeRows) {
        for row in rows.functions.iter().filter(|row| flag(row, 3) && !flag(row, 4)) {
            self.hot.insert(number(row, 0), dotted([text(row, 1), text(row, 2)]));
        }
        let full: HashMap<u32, String> = rows
            .functions
            .iter()
            .map(|row| (number(row, 0), dotted([text(row, 1), text(row, 2)])))
            .collect();
        for row in &rows.aggregates {
            let oid = number(row, 0);
            let made_of = (1..=8).any(|field| self.hot.contains_key(&number(row, field)));
            if let (true, Some(name)) = (made_of, full.get(&oid)) {
                self.hot.insert(oid, name.clone());
            }
        }
        for row in rows.functions.iter().filter(|row| !flag(row, 4)) {
            let (oid, name) = (number(row, 0), text(row, 2));
            let arguments: Vec<u32> =
                text(row, 5).split(' ').filter_map(|oid| oid.parse().ok()).collect();
            let function = dotted([text(row, 1), name]);
            if self.hot.contains_key(&oid) && is_built_in(name) {
                let (schema, function) = (text(row, 1).to_owned(), function.clone());
                let overload = Overload { schema, function, types: users(&arguments) };
                self.code.functions.entry(name.to_owned()).or_default().push(overload);
            }
            let spare = usize::try_from(number(row, 6)).unwrap_or(0);
            let needed = arguments.len().saturating_sub(spare);
            let first = match number(row, 7) {
                element if element != 0 && arguments.len() == 1 => Some(element),
                _ => arguments.first().copied(),
            };
            let Some(first) = first.filter(|_| needed <= 1 && !flag(row, 8)) else { continue };
            let row = (first >= FIRST_USER_OID).then_some(first);
            let rows = row.is_some() || TAKES_ROWS.contains(&first);
            let one = RowFunction { function, row, rows };
            self.code.row_functions.entry(name.to_owned()).or_default().push(one);
        }
    }

    /// The function of an operator or cast when its code counts: a user's, or one of PostgreSQL's
    /// own that does something.
    fn counts(&self, row: &[Option<String>], field: usize) -> Option<String> {
        let oid = number(row, field);
        if oid >= FIRST_USER_OID {
            return self.hot.get(&oid).cloned();
        }
        let name = dotted([text(row, field + 1), text(row, field + 2)]);
        (!is_harmless_call(&name)).then_some(name)
    }

    fn behind(&mut self, rows: &CodeRows) {
        for row in &rows.operators {
            let Some(function) = self.counts(row, 4) else { continue };
            let behind = self.behind.entry((OPERATOR, number(row, 0))).or_default();
            behind.insert(function.clone());
            let types = users(&[number(row, 2), number(row, 3)]);
            let overload = Overload { schema: String::new(), function, types };
            self.code.operators.entry(text(row, 1).to_owned()).or_default().push(overload);
        }
        for row in &rows.classes {
            if let Some(function) = self.hot.get(&number(row, 2)) {
                let behind = self.behind.entry((CLASS, number(row, 0))).or_default();
                behind.insert(function.clone());
                let named = self.code.classes.entry(text(row, 3).to_owned()).or_default();
                named.insert(function.clone());
            }
        }
        for row in &rows.depends {
            let (from, to) = ((number(row, 0), number(row, 1)), (number(row, 2), number(row, 3)));
            self.depends.entry(from).or_default().push(to);
        }
    }

    fn shapes(&mut self, rows: &'a CodeRows) {
        for row in &rows.types {
            let (oid, name) = (number(row, 0), text(row, 1));
            let parts = (3..=6).map(|field| number(row, field)).collect();
            self.types.insert(oid, Type { relation: number(row, 2), parts });
            self.code.type_names.entry(name.to_owned()).or_default().push(oid);
        }
        for row in &rows.columns {
            self.columns.entry(number(row, 0)).or_default().push(number(row, 1));
        }
        for row in &rows.relations {
            self.names.insert(number(row, 0), (text(row, 1), text(row, 2)));
        }
        for row in &rows.inheritance {
            let (child, parent) = (number(row, 0), number(row, 1));
            self.carries.entry(child).or_default().push((parent, Carry::Kin));
        }
        for row in &rows.keys {
            let (delete, update) = (text(row, 2) == "t", text(row, 3) == "t");
            let carry = Carry::Key { delete, update };
            self.carries.entry(number(row, 0)).or_default().push((number(row, 1), carry));
        }
    }

    fn casts(&mut self, rows: &Rows) {
        for row in rows {
            let Some(function) = self.counts(row, 5) else { continue };
            let (source, target) = (number(row, 1), number(row, 2));
            let context = match text(row, 4) {
                "a" => Context::Assignment,
                "e" => Context::Explicit,
                _ => Context::Implicit,
            };
            let target_name = text(row, 3).to_owned();
            self.code.casts.push(Cast { function, source, target, target_name, context });
        }
    }

    /// The functions that an object's expressions call. A type stands for its checks.
    fn called(&self, object: (u32, u32)) -> HashSet<String> {
        let mut found = HashSet::new();
        for on in self.depends.get(&object).into_iter().flatten() {
            match on.0 {
                FUNCTION => found.extend(self.hot.get(&on.1).cloned()),
                TYPE => found.extend(self.code.types.get(&on.1).into_iter().flatten().cloned()),
                _ => found.extend(self.behind.get(on).into_iter().flatten().cloned()),
            }
        }
        found
    }

    fn checks(&mut self, holders: &Rows) {
        for row in holders.iter().filter(|row| text(row, 3) == "d") {
            let called = self.called((CONSTRAINT, number(row, 1)));
            if !called.is_empty() {
                self.code.types.entry(number(row, 2)).or_default().extend(called);
            }
        }
    }

    /// Sorting and comparing values of a type calls the functions of its operator classes. A class
    /// for one of PostgreSQL's types has to be named unless it is the type's default.
    fn classes(&mut self, rows: &Rows) {
        let unnamed = |row: &&Vec<_>| number(row, 1) >= FIRST_USER_OID || flag(row, 4);
        for row in rows.iter().filter(unnamed) {
            if let Some(function) = self.hot.get(&number(row, 2)) {
                self.code.types.entry(number(row, 1)).or_default().insert(function.clone());
            }
        }
    }

    /// What domains put into columns that are not given, and what ranges compare their bounds by.
    fn of_types(&mut self, rows: &Rows) {
        for row in rows {
            let oid = number(row, 0);
            let called = self.called((TYPE, oid));
            match text(row, 7) {
                _ if called.is_empty() => {}
                "d" => {
                    let holds = |(_, types): &(&u32, &Vec<u32>)| types.contains(&oid);
                    let with: Vec<u32> =
                        self.columns.iter().filter(holds).map(|(relation, _)| *relation).collect();
                    for relation in with {
                        for function in &called {
                            self.add(relation, &[Act::Insert], call(function, By::Default));
                        }
                    }
                }
                _ => self.code.types.entry(oid).or_default().extend(called),
            }
        }
    }

    fn triggers(&mut self, rows: &Rows) {
        for row in rows {
            let mut called = self.called((TRIGGER, number(row, 3)));
            called.extend(self.hot.get(&number(row, 2)).cloned());
            let bits = number(row, 1);
            let mut acts = vec![Act::Alter];
            if !flag(row, 4) {
                let fires =
                    [(4, Act::Insert), (8, Act::Delete), (16, Act::Update), (32, Act::Truncate)];
                acts.extend(fires.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, act)| act));
            }
            for function in called {
                self.add(number(row, 0), &acts, call(&function, By::Trigger));
            }
        }
    }

    fn rules(&mut self, rows: &Rows) {
        for row in rows {
            let (oid, relation) = (number(row, 0), number(row, 1));
            let act = match text(row, 2) {
                "1" => {
                    self.view(oid, relation);
                    continue;
                }
                _ if flag(row, 4) => Act::Alter,
                "2" => Act::Update,
                "3" => Act::Insert,
                _ => Act::Delete,
            };
            let (schema, name) = self.names.get(&relation).copied().unwrap_or_default();
            let rule = dotted([schema, name, text(row, 3)]);
            self.add(relation, &[act], Call { function: rule, by: By::Rule });
            for function in self.called((RULE, oid)) {
                self.add(relation, &[act], call(&function, By::Rule));
            }
        }
    }

    fn holders(&mut self, rows: &Rows) {
        for row in rows.iter().filter(|row| text(row, 3) != "d") {
            let (catalogue, oid, relation) = (number(row, 0), number(row, 1), number(row, 2));
            let (acts, by): (&'static [Act], By) = match (catalogue, text(row, 3)) {
                (DEFAULT, _) => (&[Act::Insert, Act::Update], By::Default),
                (CONSTRAINT, "k") => (&[Act::Delete, Act::Update], By::Check),
                (CONSTRAINT, _) => (&[Act::Insert, Act::Update], By::Check),
                (POLICY, _) if flag(row, 4) => (&[Act::Alter], By::Policy),
                (POLICY, "a") => (&[Act::Insert], By::Policy),
                (POLICY, "w") => (&[Act::Update], By::Policy),
                (POLICY, "d") => (&[Act::Delete], By::Policy),
                (POLICY, "r") => (&[Act::Read, Act::Update, Act::Delete], By::Policy),
                (POLICY, _) => (&[Act::Read, Act::Insert, Act::Update, Act::Delete], By::Policy),
                (STATISTICS, _) => (&[Act::Alter], By::Index),
                // A column of the index may decide what is read as well.
                _ => (&[Act::Insert, Act::Update, Act::Delete, Act::Read], By::Index),
            };
            for function in self.called((catalogue, oid)) {
                self.add(relation, acts, call(&function, by));
            }
            if catalogue == POLICY {
                self.carries_from((POLICY, oid), relation, Carry::Policy(acts));
            }
        }
        // Keys of partitions and generated columns hang on their table itself.
        let tables: Vec<u32> = self.names.keys().copied().collect();
        for table in tables {
            for function in self.called((RELATION, table)) {
                self.add(table, &[Act::Insert, Act::Update], call(&function, By::Default));
            }
        }
    }

    fn view(&mut self, rule: u32, view: u32) {
        for function in self.called((RULE, rule)) {
            self.add(view, &[Act::Read], call(&function, By::View));
        }
        self.carries_from((RULE, rule), view, Carry::View);
    }

    /// From every other relation that an object hangs on.
    fn carries_from(&mut self, object: (u32, u32), to: u32, carry: Carry) {
        let on = self.depends.get(&object).into_iter().flatten();
        for (_, relation) in on.filter(|on| on.0 == RELATION && on.1 != to) {
            self.carries.entry(*relation).or_default().push((to, carry));
        }
    }

    fn add(&mut self, relation: u32, acts: &[Act], call: Call) {
        let calls = self.code.relations.entry(relation).or_default();
        calls.extend(acts.iter().map(|act| (*act, call.clone())));
    }

    /// What happens to a relation happens to those that stand for it: parents, views of it, and
    /// tables whose foreign keys act on it.
    fn carry(&mut self) {
        let mut waiting: Vec<(u32, Act, Call)> = Vec::new();
        for (relation, calls) in &self.code.relations {
            waiting.extend(calls.iter().map(|(act, call)| (*relation, *act, call.clone())));
        }
        while let Some((relation, act, call)) = waiting.pop() {
            for (to, carry) in self.carries.get(&relation).into_iter().flatten() {
                for act in carried(*carry, act, call.by) {
                    let calls = self.code.relations.entry(*to).or_default();
                    if calls.insert((act, call.clone())) {
                        waiting.push((*to, act, call.clone()));
                    }
                }
            }
        }
    }

    /// The types that matter among the parts of each type.
    fn parts(&mut self) {
        let code = &self.code;
        let mut matter: HashSet<u32> = code.types.keys().copied().collect();
        let overloads = code.functions.values().chain(code.operators.values()).flatten();
        matter.extend(overloads.flat_map(|one| &one.types));
        matter.extend(code.casts.iter().flat_map(|cast| users(&[cast.source, cast.target])));
        matter.extend(code.row_functions.values().flatten().filter_map(|one| one.row));
        let mut parts = HashMap::new();
        for oid in self.types.keys() {
            let (mut seen, mut waiting) = (HashSet::from([*oid]), vec![*oid]);
            while let Some(next) = waiting.pop() {
                let Some(of) = self.types.get(&next) else { continue };
                let columns = self.columns.get(&of.relation).into_iter().flatten();
                waiting.extend(of.parts.iter().chain(columns).filter(|part| seen.insert(**part)));
            }
            parts.insert(*oid, seen.intersection(&matter).copied().collect());
        }
        self.code.type_parts = parts;
        let parts = &self.code.type_parts;
        let matters =
            |oids: &Vec<u32>| oids.iter().any(|oid| parts.get(oid).is_some_and(|p| !p.is_empty()));
        self.code.type_names.retain(|_, oids| matters(oids));
    }

    /// The types that matter and that each relation has at hand: its columns', its rows', and
    /// those of what a view is made of.
    fn reach(&mut self, rows: &CodeRows) {
        let (mut columns, mut own) = (Vec::new(), Vec::new());
        for row in &rows.relations {
            let (oid, row_type) = (number(row, 0), number(row, 3));
            let types = self.columns.get(&oid).into_iter().flatten();
            let parts = types.filter_map(|oid| self.code.type_parts.get(oid)).flatten();
            columns.extend(parts.map(|part| (oid, *part)));
            let parts = self.code.type_parts.get(&row_type);
            own.extend(parts.filter(|it| it.contains(&row_type)).map(|_| (oid, row_type)));
        }
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for row in &rows.inheritance {
            children.entry(number(row, 1)).or_default().push(number(row, 0));
        }
        let mut views: HashMap<u32, Vec<u32>> = HashMap::new();
        for (from, carries) in &self.carries {
            let to = carries.iter().filter(|(_, carry)| matches!(carry, Carry::View));
            views.entry(*from).or_default().extend(to.map(|(view, _)| *view));
        }
        self.code.relation_types = spread(columns, &views);
        self.code.relation_rows = spread(own, &children);
    }
}

/// What each relation has, and what it hands on to others.
fn spread(mut waiting: Vec<(u32, u32)>, to: &HashMap<u32, Vec<u32>>) -> HashMap<u32, HashSet<u32>> {
    let mut all: HashMap<u32, HashSet<u32>> = HashMap::new();
    while let Some((relation, part)) = waiting.pop() {
        if all.entry(relation).or_default().insert(part) {
            let others = to.get(&relation).into_iter().flatten();
            waiting.extend(others.map(|other| (*other, part)));
        }
    }
    all
}

/// What an act on one relation is an act on the other by.
fn carried(carry: Carry, act: Act, by: By) -> Vec<Act> {
    match carry {
        // Policies and rules are those of the relation that is named.
        Carry::Kin if WRITES.contains(&act) && !matches!(by, By::Policy | By::Rule) => vec![act],
        Carry::Kin => Vec::new(),
        Carry::Key { delete, update } => match act {
            Act::Delete | Act::Update if delete && update => vec![Act::Delete, Act::Update],
            Act::Delete if delete => vec![Act::Delete],
            Act::Update if delete => vec![Act::Delete],
            Act::Update if update => vec![Act::Update],
            Act::Truncate => vec![Act::Truncate],
            _ => Vec::new(),
        },
        Carry::Policy(acts) if act == Act::Read => acts.to_vec(),
        Carry::Policy(_) => Vec::new(),
        Carry::View => vec![act],
    }
}

/// The users' types among these.
fn users(types: &[u32]) -> Vec<u32> {
    types.iter().copied().filter(|oid| *oid >= FIRST_USER_OID).collect()
}

fn text(row: &[Option<String>], field: usize) -> &str {
    row.get(field).and_then(Option::as_deref).unwrap_or_default()
}

fn flag(row: &[Option<String>], field: usize) -> bool {
    text(row, field) == "t"
}

fn number(row: &[Option<String>], field: usize) -> u32 {
    text(row, field).parse().unwrap_or(0)
}

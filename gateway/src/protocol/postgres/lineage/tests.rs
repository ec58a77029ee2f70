#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;

use super::*;
use crate::protocol::postgres::statement::{Parsers, facts};

const CUSTOMERS: u32 = 100;
const ORDERS: u32 = 101;
const NAMES: u32 = 102;
const STATS: u32 = 103;
const LOOP_A: u32 = 104;
const LOOP_B: u32 = 105;
const PART: u32 = 106;
const SSNS: u32 = 107;
const PG_STATS: u32 = 108;
const TOAST: u32 = 109;
const CALLS: u32 = 110;

fn rows(table: &[&[&str]]) -> Vec<Vec<Option<String>>> {
    let cell = |text: &&str| (!text.is_empty()).then(|| (*text).to_owned());
    table.iter().map(|row| row.iter().map(cell).collect()).collect()
}

fn catalogue() -> Catalogue {
    let columns: &[(u32, &str, &str, &str, &[&str])] = &[
        (CUSTOMERS, "public", "customers", "r", &["id", "name", "ssn"]),
        (ORDERS, "shop", "orders", "r", &["id", "customer_id", "total"]),
        // Named, by description: (name exact), (upper(ssn) derived).
        (NAMES, "public", "names", "v", &["n", "u"]),
        (STATS, "public", "leak", "v", &["vals"]),
        (LOOP_A, "public", "loop_a", "v", &["x"]),
        (LOOP_B, "public", "loop_b", "v", &["x"]),
        (PART, "public", "customers_2024", "r", &["id", "name", "ssn"]),
        // A view on a view, not described.
        (SSNS, "public", "ssns", "v", &["s"]),
        (PG_STATS, "pg_catalog", "pg_stats", "v", &["most_common_vals"]),
        (TOAST, "pg_toast", "pg_toast_100", "t", &["chunk_data"]),
        (CALLS, "public", "calls", "v", &["y"]),
    ];
    let mut relations = Vec::new();
    for (oid, schema, name, kind, columns) in columns {
        for (number, column) in columns.iter().enumerate() {
            let (oid, attnum) = (oid.to_string(), (number + 1).to_string());
            relations.push(rows(&[&[&oid, schema, name, kind, &attnum, column, "25"]]).remove(0));
        }
    }
    let view = |oid: u32, text: &str| vec![Some(oid.to_string()), Some(text.to_owned())];
    Catalogue::new(
        &CatalogueRows {
            relations,
            types: rows(&[&["25", "text"], &["23", "int4"]]),
            functions: rows(&[&["pg_catalog", "upper"], &["public", "peek"], &["public", "lower"]]),
            views: vec![
                view(NAMES, "SELECT name AS n, upper(ssn) AS u FROM customers;"),
                view(STATS, "SELECT most_common_vals::text AS vals FROM pg_stats;"),
                view(LOOP_A, "SELECT x || 'a' AS x FROM loop_b;"),
                view(LOOP_B, "SELECT x || 'b' AS x FROM loop_a;"),
                view(SSNS, "SELECT u AS s FROM names;"),
                view(CALLS, "SELECT peek() AS y;"),
            ],
            inheritance: rows(&[&["106", "100"]]),
            view_descriptions: HashMap::from([
                (NAMES, vec![(CUSTOMERS, 2), (0, 0)]),
                (SSNS, vec![(NAMES, 2)]),
            ]),
            foreign_tables: Vec::new(),
        },
        7,
    )
}

fn field(table_oid: u32, attnum: i16) -> FieldDescription {
    FieldDescription { name: "c".to_owned(), table_oid, attnum, type_oid: 25, format: 0 }
}

fn one(text: &str, table_oid: u32, attnum: i16) -> Result<(Vec<String>, bool), Unknown> {
    let statements = facts(text, Parsers::Compat).unwrap().statements;
    let mut columns = catalogue().columns(&[field(table_oid, attnum)], &statements)?;
    let column = columns.remove(0);
    Ok((column.origins, column.exact))
}

/// The origins of a derived column, joined.
fn derived(text: &str) -> String {
    let (origins, exact) = one(text, 0, 0).unwrap();
    assert!(!exact);
    origins.join(" ").replace("public.customers_2024.", "p.").replace("public.customers.", "c.")
}

#[test]
fn a_plain_column_is_exact() {
    let found = one("SELECT total AS harmless FROM shop.orders", ORDERS, 3).unwrap();
    assert_eq!(found, (vec!["shop.orders.total".to_owned()], true));
    let column = &catalogue().columns(&[field(ORDERS, 3)], &[]).unwrap()[0];
    assert_eq!((column.type_name.as_str(), column.binary), ("text", false));
}

#[test]
fn a_partition_and_its_parent_share_their_columns() {
    let both = ["public.customers.ssn".to_owned(), "public.customers_2024.ssn".to_owned()];
    assert_eq!(one("SELECT 1", CUSTOMERS, 3).unwrap(), (both.to_vec(), true));
    assert_eq!(one("SELECT 1", PART, 3).unwrap(), (both.to_vec(), true));
}

#[test]
fn views_lead_to_their_base_columns() {
    assert_eq!(one("SELECT n FROM names", NAMES, 1).unwrap().0[0], "public.customers.name");
    assert!(one("SELECT n FROM names", NAMES, 1).unwrap().1);
    let (origins, exact) = one("SELECT u FROM names", NAMES, 2).unwrap();
    assert!(!exact && origins.contains(&"public.customers.ssn".to_owned()));
    let (origins, exact) = one("SELECT s FROM ssns", SSNS, 1).unwrap();
    assert!(!exact && origins.contains(&"public.customers.ssn".to_owned()), "{origins:?}");
    // The definition of the inner view names both columns, so neither is ruled out.
    assert_eq!(derived("SELECT s || '' FROM ssns"), "c.name c.ssn p.name p.ssn");
    assert_eq!(derived("SELECT n || '' FROM names"), "c.name p.name");
}

#[test]
fn views_in_a_circle_end() {
    assert_eq!(one("SELECT x FROM loop_a", LOOP_A, 1).unwrap(), (vec![], false));
}

#[test]
fn statistics_toast_and_unseen_code_may_hold_anything() {
    for (text, oid) in
        [("SELECT vals FROM leak", STATS), ("SELECT 1", PG_STATS), ("SELECT 1", TOAST)]
    {
        assert_eq!(one(text, oid, 1).unwrap(), (vec!["*".to_owned()], false));
    }
    assert_eq!(one("SELECT y FROM calls", CALLS, 1).unwrap().0, ["*"]);
    for text in [
        "EXECUTE p",
        "FETCH c",
        "CALL peek()",
        "SELECT peek()",
        "SELECT public.peek(id) FROM customers",
        "SELECT c.peek FROM customers c",
        "SELECT (c).peek FROM customers c",
        "SELECT lower(name) FROM customers",
        "SELECT query_to_xml('SELECT ssn FROM customers', true, true, '')",
        "SELECT table_to_xml('customers', true, true, '')",
        "SELECT pg_read_file('base/1/100')",
        "SELECT lo_get(1)",
        "SELECT 1 === 2",
        "EXPLAIN ANALYZE EXECUTE p",
        "SELECT dblink('x', 'y')",
    ] {
        assert_eq!(derived(text), "*", "{text}");
    }
    assert_eq!(derived("SELECT pg_catalog.lower(name) FROM customers"), "c.name p.name");
}

#[test]
fn derived_columns_name_what_the_statement_mentions() {
    for (text, expect) in [
        ("SELECT upper(ssn) FROM customers", "c.ssn p.ssn"),
        ("SELECT ssn FROM customers UNION SELECT name FROM customers", "c.name c.ssn p.name p.ssn"),
        ("SELECT count(*) FROM customers", ""),
        ("SELECT 1 + 1", ""),
        ("SHOW search_path", ""),
        ("SELECT max(total) FROM shop.orders, customers", "shop.orders.total"),
        ("SELECT c::text FROM customers c", "c.id c.name c.ssn p.id p.name p.ssn"),
        ("SELECT row_to_json(c) FROM customers c", "c.id c.name c.ssn p.id p.name p.ssn"),
        ("SELECT c.row_to_json FROM customers c", "c.id c.name c.ssn p.id p.name p.ssn"),
        ("SELECT c.to_jsonb->>'x' FROM customers c", "c.id c.name c.ssn p.id p.name p.ssn"),
        ("SELECT s || '' FROM customers AS c(i, n, s)", "c.id c.name c.ssn p.id p.name p.ssn"),
        ("SELECT x || '' FROM (SELECT ssn AS x FROM customers) q", "c.ssn p.ssn"),
        ("WITH q AS (SELECT ssn AS x FROM customers) SELECT x || '' FROM q", "c.ssn p.ssn"),
        (
            "WITH q(x) AS (TABLE customers) SELECT x || 1 FROM q",
            "c.id c.name c.ssn p.id p.name p.ssn",
        ),
        (
            "SELECT upper(q.ssn) FROM (SELECT * FROM customers) q",
            "c.id c.name c.ssn p.id p.name p.ssn",
        ),
        ("DELETE FROM customers RETURNING upper(ssn)", "c.ssn p.ssn"),
        ("EXPLAIN SELECT ssn FROM customers", "c.ssn p.ssn"),
        ("SELECT 1; SELECT upper(name) FROM customers", "c.name p.name"),
        ("SELECT ssn FROM customers a FULL JOIN names b USING (ssn)", "c.ssn p.ssn"),
        ("SELECT U&\"\\0073sn\" || '' FROM customers", "c.ssn p.ssn"),
    ] {
        assert_eq!(
            derived(text).replace("c.id c.name c.ssn p.id p.name p.ssn", "ALL"),
            expect.replace("c.id c.name c.ssn p.id p.name p.ssn", "ALL"),
            "{text}"
        );
    }
}

#[test]
fn a_whole_row_is_all_its_columns() {
    let (origins, exact) = one("SELECT o FROM shop.orders o", ORDERS, 0).unwrap();
    assert!(!exact);
    assert_eq!(origins, ["shop.orders.id", "shop.orders.customer_id", "shop.orders.total"]);
}

#[test]
fn what_is_unknown_is_said_and_guarded() {
    assert_eq!(one("SELECT 1", 999, 1), Err(Unknown::Oid(999)));
    assert_eq!(one("SELECT 1", CUSTOMERS, 9), Err(Unknown::Column(CUSTOMERS, 9)));
    let name = Unknown::Relation("fresh".to_owned());
    assert_eq!(one("SELECT count(a) FROM fresh", 0, 0), Err(name));
    let statements = facts("SELECT count(a) FROM fresh", Parsers::Compat).unwrap().statements;
    let guarded =
        catalogue().columns_guarded(&[field(0, 0), field(999, 1), field(ORDERS, 1)], &statements);
    assert_eq!(guarded[0].origins, ["*"]);
    assert_eq!(guarded[1].origins, ["*"]);
    assert_eq!(guarded[2].origins, ["shop.orders.id"]);
    assert!(!guarded[0].exact && !guarded[1].exact && guarded[2].exact);
}

#[test]
fn names_resolve_in_every_schema_they_may_mean() {
    let catalogue = catalogue();
    assert_eq!(catalogue.resolve("shop.orders"), [ORDERS]);
    assert_eq!(catalogue.resolve("orders"), [ORDERS]);
    assert!(catalogue.resolve("public.orders").is_empty());
    assert_eq!(catalogue.relation_name(ORDERS).as_deref(), Some("shop.orders"));
    assert_eq!((catalogue.epoch(), catalogue.relations()), (7, 11));
}

#[test]
fn rows_without_sense_are_left_out() {
    let broken = CatalogueRows {
        relations: rows(&[&["x", "a", "b"], &[], &["1", "s", "t", "r", "9999999", "c"]]),
        types: rows(&[&[]]),
        functions: rows(&[&[""]]),
        views: rows(&[&["1"], &["1", "not sql"]]),
        inheritance: rows(&[&["1"], &["", ""]]),
        view_descriptions: HashMap::from([(1, vec![(1, 1)])]),
        foreign_tables: Vec::new(),
    };
    let catalogue = Catalogue::new(&broken, 0);
    assert_eq!(catalogue.relations(), 1);
    assert!(catalogue.columns(&[field(1, 1)], &[]).is_err());
}

#[test]
fn the_catalogue_is_read_with_qualified_names_only() {
    for sql in [RELATIONS_SQL, TYPES_SQL, FUNCTIONS_SQL, VIEWS_SQL, INHERITANCE_SQL] {
        let found = facts(sql, Parsers::Strict).unwrap();
        let objects = &found.statements[0].objects;
        assert!(
            objects
                .iter()
                .filter(|o| o.kind != "operator")
                .all(|object| { object.name.starts_with("pg_catalog.") }),
            "{objects:?}"
        );
    }
}

/// A relation: OID, schema, name, kind, columns.
type Named<'a> = (u32, &'a str, &'a str, &'a str, &'a [&'a str]);
/// A view: OID, definition, what Describe says of it.
type Shown<'a> = (u32, &'a str, &'a [(u32, i16)]);

/// A database of these, with children and their parents.
fn database(named: &[Named<'_>], views: &[Shown<'_>], kin: &[(u32, u32)]) -> CatalogueRows {
    let mut built = CatalogueRows::default();
    for (oid, schema, name, kind, columns) in named {
        for (number, column) in columns.iter().enumerate() {
            let (oid, attnum) = (oid.to_string(), (number + 1).to_string());
            built.relations.extend(rows(&[&[&oid, schema, name, kind, &attnum, column, "25"]]));
        }
    }
    for (oid, definition, described) in views {
        built.views.push(vec![Some(oid.to_string()), Some((*definition).to_owned())]);
        if !described.is_empty() {
            built.view_descriptions.insert(*oid, described.to_vec());
        }
    }
    for (child, parent) in kin {
        built.inheritance.push(vec![Some(child.to_string()), Some(parent.to_string())]);
    }
    built
}

/// The origins of one column, joined, and whether they are exact.
fn origins(database: &CatalogueRows, oid: u32, attnum: i16) -> (String, bool) {
    let (origins, exact) = Catalogue::new(database, 0).origins(oid, attnum).unwrap();
    (origins.join(" "), exact)
}

const BASE: u32 = 1;
const BASE_COLUMNS: &[&str] = &["id", "secret"];
const TABLE: Named<'static> = (BASE, "public", "t", "r", BASE_COLUMNS);

#[test]
fn views_on_views_are_followed_only_so_far() {
    let deep = |levels: u32| {
        let names: Vec<String> = (0..=levels).map(|level| format!("v{level}")).collect();
        let mut named = vec![TABLE];
        let (mut texts, mut described) = (Vec::new(), Vec::new());
        for (level, name) in (1..=levels).zip(names.iter().skip(1)) {
            let (oid, on) = (BASE + level, if level == 1 { 2 } else { 1 });
            named.push((oid, "public", name, "v", &["a"]));
            texts.push(format!("SELECT a FROM v{}", level - 1));
            described.push([(oid - 1, on)]);
        }
        let both = texts.iter().zip(&described).zip(BASE + 1..);
        let shown: Vec<Shown<'_>> =
            both.map(|((text, on), oid)| (oid, text.as_str(), &on[..])).collect();
        origins(&database(&named, &shown, &[]), BASE + levels, 1)
    };
    let most = u32::try_from(crate::limits::VIEW_LEVELS_MAX).unwrap();
    assert_eq!(deep(most), ("public.t.secret".to_owned(), true));
    assert_eq!(deep(most + 1), ("*".to_owned(), false));
}

#[test]
fn a_view_that_nobody_can_read_may_hold_anything() {
    let view: Named<'_> = (2, "public", "v", "v", &["a", "b"]);
    let unread = database(&[TABLE, view], &[(2, "this is not SQL", &[])], &[]);
    assert_eq!(origins(&unread, 2, 1), ("*".to_owned(), false));
    // A description of an older definition, with fewer columns, says nothing.
    let text = "SELECT secret AS a, 1 AS b FROM t";
    let older = database(&[TABLE, view], &[(2, text, &[(BASE, 1)])], &[]);
    assert_eq!(origins(&older, 2, 1), ("public.t.secret".to_owned(), false));
    let whole =
        database(&[TABLE, view], &[(2, "SELECT t AS a, 1 AS b", &[(BASE, 0), (0, 0)])], &[]);
    assert_eq!(origins(&whole, 2, 1), ("public.t.id public.t.secret".to_owned(), false));
}

#[test]
fn a_foreign_table_holds_anything_unless_the_operator_answers_for_it() {
    let part: Named<'_> = (2, "public", "far", "f", BASE_COLUMNS);
    let mut with = database(&[TABLE, part], &[], &[(2, BASE)]);
    assert_eq!(origins(&with, 2, 2), ("*".to_owned(), false));
    assert_eq!(origins(&with, BASE, 2).0, "*", "a partition on another server");
    with.foreign_tables = vec!["public.far".to_owned()];
    let both = "public.t.secret public.far.secret";
    assert_eq!(origins(&with, BASE, 2), (both.to_owned(), true));
}

#[test]
fn what_shows_others_statements_and_parts_of_values_may_hold_anything() {
    for (schema, name, column, any) in [
        ("pg_catalog", "pg_stat_activity", "query", true),
        ("pg_catalog", "pg_stat_activity", "pid", false),
        ("pg_catalog", "pg_largeobject", "data", true),
        ("pg_catalog", "pg_largeobject", "loid", false),
        ("extensions", "pg_stat_statements", "query", true),
        ("extensions", "pg_stat_statements", "calls", false),
        ("pg_catalog", "pg_statistic", "stavalues1", true),
        ("public", "pg_stat_activity", "query", false),
    ] {
        let found = origins(&database(&[(2, schema, name, "v", &[column])], &[], &[]), 2, 1).0;
        assert_eq!(found == "*", any, "{schema}.{name}.{column}: {found}");
    }
}

#[test]
fn more_origins_than_can_be_listed_are_any() {
    let most = u32::try_from(crate::limits::COLUMN_ORIGINS_MAX).unwrap();
    let family = |children: u32| {
        let mut named = vec![TABLE];
        let names: Vec<String> = (0..children).map(|child| format!("t{child}")).collect();
        for (name, oid) in names.iter().zip(BASE + 1..) {
            named.push((oid, "public", name, "r", BASE_COLUMNS));
        }
        let kin: Vec<(u32, u32)> = (0..children).map(|child| (BASE + 1 + child, BASE)).collect();
        origins(&database(&named, &[], &kin), BASE, 2).0
    };
    assert_eq!(family(most - 1).split(' ').count(), crate::limits::COLUMN_ORIGINS_MAX);
    assert_eq!(family(most), "*");
}

#[test]
fn a_session_s_own_temporary_schema_is_any_of_them() {
    let named: [Named<'_>; 2] = [TABLE, (2, "pg_temp_3", "t", "r", &["secret"])];
    let catalogue = Catalogue::new(&database(&named, &[], &[]), 0);
    assert_eq!(catalogue.resolve("pg_temp.t"), [2]);
    assert_eq!(catalogue.resolve("t"), [1, 2]);
}

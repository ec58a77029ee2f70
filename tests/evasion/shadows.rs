//! Names that mean something else than they seem to: search paths, temporary objects, and
//! functions, operators, casts and types of users beside those of PostgreSQL.

use crate::case::{Case, effect, leak};

const ORDERS: &str = "SELECT count(*), sum(quantity) FROM orders";

// tidy: table
pub(crate) const CASES: &[Case] = &[
    effect("a path", "SET search_path = evil, pg_catalog; SELECT lower('x')", ORDERS),
    effect(
        "a path for one transaction",
        "BEGIN; SET LOCAL search_path = evil, pg_catalog; \
           SELECT lower('x'); COMMIT",
        ORDERS,
    ),
    effect(
        "a path by a function",
        "SELECT set_config('search_path', 'evil, pg_catalog', false);\n\
           SELECT lower('x');\n",
        ORDERS,
    )
    .script(),
    effect(
        "a path by a computed name",
        "SELECT set_config('search' || '_path', 'evil, pg_catalog', \
           false);\nSELECT lower('x');\n",
        ORDERS,
    )
    .script()
    .direct(),
    effect("a path from the start", "SELECT lower('x')", ORDERS)
        .options("-c search_path=evil,pg_catalog")
        .direct(),
    effect("a function that fits better", "SELECT lower(1)", ORDERS),
    effect("a function with its schema", "SELECT evil.lower('x')", ORDERS),
    effect("a function in quotes", "SELECT \"lower\"(1)", ORDERS),
    effect(
        "a temporary function",
        "CREATE FUNCTION pg_temp.f() RETURNS bigint LANGUAGE sql AS \
           'WITH d AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM d';\n\
           SELECT pg_temp.f();\n",
        ORDERS,
    )
    .script(),
    effect("a function called as a column", "SELECT n.told FROM notes n", ORDERS),
    effect("a function called as a field", "SELECT (n).told FROM notes n", ORDERS),
    effect("an operator that fits better", "SELECT 'a'::text + 'b'::text", ORDERS),
    effect("an operator with its schema", "SELECT 'a'::text OPERATOR(public.+) 'b'::text", ORDERS),
    effect("an operator before a value", "SELECT @#@ 1", ORDERS),
    effect("an equality of rows", "SELECT n IN (SELECT n FROM notes n) FROM notes n", ORDERS),
    effect("an equality of rows in a join", "SELECT 1 FROM notes a JOIN notes b ON a = b", ORDERS),
    effect("an aggregate", "SELECT gather(id) FROM notes", ORDERS),
    effect("a cast", "SELECT ROW(1)::kind::text", ORDERS),
    effect("a cast by its name", "SELECT CAST(k AS text) FROM kinds", ORDERS),
    effect("a cast that nobody wrote", "SELECT upper(ROW(1)::kind)", ORDERS),
    effect("a cast of a column that nobody wrote", "SELECT btrim(k) FROM kinds", ORDERS),
    effect("a domain's check", "SELECT 1::fine", ORDERS),
    effect(
        "a domain's check on a parameter's type",
        "PREPARE p (fine) AS SELECT $1;\n\
           EXECUTE p (1);\n",
        ORDERS,
    )
    .script(),
    effect("a view with a function in it", "SELECT * FROM calls", ORDERS),
    effect("a view of such a view", "TABLE outer_calls", ORDERS),
    effect("a view with a function that fits better", "SELECT l FROM lowered", ORDERS),
    leak("reading by a path", "SET search_path = evil, pg_catalog; SELECT lower('x')").writes(),
    leak("reading by a function that fits better", "SELECT lower(1)").writes(),
    leak("reading by one on a column", "SELECT lower(id) FROM notes").writes(),
    leak("reading by one in a view", "SELECT l FROM lowered").writes(),
    leak("reading by a view of a function", "SELECT d FROM calls").writes(),
    leak("reading by a view of such a view", "SELECT e FROM outer_calls").writes(),
    leak("reading by a cast", "SELECT ROW(1)::kind::text").writes(),
    leak("reading by a cast that nobody wrote", "SELECT btrim(ROW(1)::kind)").writes(),
    leak("reading by a cast of a column", "SELECT k::text FROM kinds").writes(),
    leak("reading by an operator", "SELECT 'a'::text + 'b'::text").writes(),
    leak("reading by an operator with its schema", "SELECT 'a' OPERATOR(public.+) 'b'::text")
        .writes(),
    leak("reading by an operator before a value", "SELECT @#@ 1").writes(),
    leak("reading by an aggregate", "SELECT gather(id) FROM notes").writes(),
    leak("reading by a column that is a function", "SELECT n.told FROM notes n").writes(),
    leak("reading by a field that is a function", "SELECT (n).told FROM notes n").writes(),
    leak("reading by a domain's check", "SELECT 1::fine").writes(),
    leak(
        "a table of the same name elsewhere",
        "SET search_path = mine, public; \
          SELECT body FROM notes",
    )
    .after(
        "CREATE SCHEMA mine; CREATE VIEW mine.notes AS \
          SELECT secret AS body FROM people",
    ),
    leak(
        "a temporary view in the way",
        "CREATE TEMP VIEW orders AS SELECT secret AS item \
          FROM people;\nSELECT item FROM orders;\n",
    )
    .script()
    .writes(),
    leak(
        "a common table expression in the way",
        "WITH orders AS (SELECT secret AS item \
          FROM people) SELECT item FROM orders",
    ),
];

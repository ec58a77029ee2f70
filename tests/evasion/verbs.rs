//! Changes hidden in statements that do not look like changes, or behind what they call.

use crate::case::{Case, effect};

/// The rows that must stay.
const ORDERS: &str = "SELECT count(*), sum(quantity) FROM orders";
/// What there is.
const RELATIONS: &str = "SELECT count(*) FROM pg_class";
const LARGE_OBJECTS: &str = "SELECT count(*) FROM pg_largeobject_metadata";
const TICKETS: &str = "SELECT last_value, is_called FROM tickets";

/// A function that deletes when it is called.
const GONE: &str = "CREATE FUNCTION gone() RETURNS integer LANGUAGE sql AS \
                    'DELETE FROM orders WHERE id = 1 RETURNING id'";

// tidy: table
pub(crate) const CASES: &[Case] = &[
    effect("plain delete", "DELETE FROM orders WHERE id = 1", ORDERS),
    effect("plain update", "UPDATE orders SET quantity = 9 WHERE id = 1", ORDERS),
    effect("plain insert", "INSERT INTO orders VALUES (9, 'mug', 9)", ORDERS),
    effect("plain truncate", "TRUNCATE ONLY orders", ORDERS),
    effect(
        "delete in a common table expression",
        "WITH gone AS (DELETE FROM orders WHERE id = 1 RETURNING id) SELECT id FROM gone",
        ORDERS,
    ),
    effect(
        "delete in a common table expression that nothing reads",
        "WITH a AS (SELECT 1), b AS (DELETE FROM orders WHERE id = 1) TABLE a",
        ORDERS,
    ),
    effect(
        "update in a materialised common table expression",
        "WITH b AS MATERIALIZED (UPDATE orders SET quantity = 9 RETURNING id) VALUES (1)",
        ORDERS,
    ),
    effect(
        "insert in a common table expression of a union",
        "WITH b AS (INSERT INTO orders VALUES (9, 'x', 9) RETURNING id) \
         SELECT 1 UNION SELECT id FROM b",
        ORDERS,
    ),
    effect(
        "insert that updates by conflict",
        "INSERT INTO orders VALUES (1, 'x', 1) ON CONFLICT (id) DO UPDATE SET quantity = 9",
        ORDERS,
    ),
    effect("explain analyze", "EXPLAIN ANALYZE DELETE FROM orders WHERE id = 1", ORDERS),
    effect("explain analyze in a list", "EXPLAIN (COSTS OFF, ANALYZE) DELETE FROM orders", ORDERS),
    effect("explain analyze as a word", "EXPLAIN (ANALYZE 'on') DELETE FROM orders", ORDERS),
    effect("explain analyze as a number", "EXPLAIN (ANALYZE 1) DELETE FROM orders", ORDERS),
    effect(
        "explain analyze said twice",
        "EXPLAIN (ANALYZE off, ANALYZE true) DELETE FROM orders",
        ORDERS,
    ),
    effect("explain analyse", "EXPLAIN ANALYSE VERBOSE DELETE FROM orders", ORDERS),
    effect(
        "explain analyze of a common table expression",
        "EXPLAIN ANALYZE WITH b AS (DELETE FROM orders) SELECT 1",
        ORDERS,
    ),
    effect(
        "explain analyze of an execution",
        "PREPARE p AS DELETE FROM orders; EXPLAIN ANALYZE EXECUTE p",
        ORDERS,
    ),
    effect(
        "explain analyze of a new table",
        "EXPLAIN ANALYZE CREATE TABLE fresh AS SELECT 1 AS one",
        RELATIONS,
    ),
    effect("prepared and executed", "PREPARE p AS DELETE FROM orders; EXECUTE p", ORDERS),
    effect(
        "prepared with a parameter",
        "PREPARE p (integer) AS DELETE FROM orders WHERE id = $1; EXECUTE p (1)",
        ORDERS,
    ),
    effect(
        "prepared, and executed in a message of its own",
        "PREPARE p AS UPDATE orders SET quantity = 9;\nSELECT 1;\nEXECUTE p;\n",
        ORDERS,
    )
    .script(),
    effect(
        "merged away",
        "MERGE INTO orders o USING (SELECT 1 AS id) s ON o.id = s.id WHEN MATCHED THEN DELETE",
        ORDERS,
    ),
    effect(
        "merged in",
        "MERGE INTO orders o USING (SELECT 9 AS id) s ON o.id = s.id \
         WHEN NOT MATCHED THEN INSERT VALUES (9, 'x', 9)",
        ORDERS,
    ),
    effect("in a block of code", "DO $$ BEGIN DELETE FROM orders WHERE id = 1; END $$", ORDERS),
    effect(
        "in a block of code, put together at run time",
        "DO $$ BEGIN EXECUTE 'DEL' || 'ETE FROM orders WHERE id = 1'; END $$",
        ORDERS,
    ),
    effect(
        "in a block of code as a plain string",
        "DO 'BEGIN EXECUTE chr(68) || ''ELETE FROM orders''; END' LANGUAGE plpgsql",
        ORDERS,
    ),
    effect("in a function", "SELECT gone()", ORDERS).after(GONE),
    effect("in a function in FROM", "SELECT * FROM gone()", ORDERS).after(GONE),
    effect("in a function in ROWS FROM", "SELECT * FROM ROWS FROM (gone(), now())", ORDERS)
        .after(GONE),
    effect("in a lateral function", "SELECT * FROM notes n, LATERAL gone()", ORDERS).after(GONE),
    effect("in a function in WHERE", "SELECT id FROM notes WHERE gone() = 1", ORDERS).after(GONE),
    effect("in a function in HAVING", "SELECT count(*) FROM notes HAVING gone() = 1", ORDERS)
        .after(GONE),
    effect("in a function in ORDER BY", "SELECT id FROM notes ORDER BY gone()", ORDERS).after(GONE),
    effect("in a function in LIMIT", "SELECT id FROM notes LIMIT gone()", ORDERS).after(GONE),
    effect("in a function in a join", "SELECT * FROM notes a JOIN notes b ON gone() = 1", ORDERS)
        .after(GONE),
    effect("in a function in VALUES", "VALUES (1), (gone())", ORDERS).after(GONE),
    effect("in a function in CASE", "SELECT CASE WHEN gone() = 1 THEN 'x' END", ORDERS).after(GONE),
    effect(
        "in a function in a filter",
        "SELECT count(*) FILTER (WHERE gone() = 1) FROM notes",
        ORDERS,
    )
    .after(GONE),
    effect(
        "in a function in a window",
        "SELECT sum(amount) OVER (ORDER BY gone()) FROM notes",
        ORDERS,
    )
    .after(GONE),
    effect("in a function in an array", "SELECT ARRAY[gone(), ARRAY_LENGTH(ARRAY[1], 1)]", ORDERS)
        .after(GONE),
    effect("in a function with a schema", "SELECT \"public\" . gone ( )", ORDERS).after(GONE),
    effect("in a function of a row, called as a column", "SELECT n.gone_with FROM notes n", ORDERS),
    effect("in a function of a row", "SELECT gone_with(n) FROM notes n", ORDERS),
    effect("in an aggregate", "SELECT gone_all(amount) FROM notes", ORDERS).after(
        "CREATE FUNCTION step(integer, integer) RETURNS integer LANGUAGE sql AS \
         'DELETE FROM orders WHERE id = 1; SELECT 1'; \
         CREATE AGGREGATE gone_all (integer) (SFUNC = step, STYPE = integer, INITCOND = '0')",
    ),
    effect("in an operator", "SELECT 1 <<<>>> 2", ORDERS).after(
        "CREATE FUNCTION op(integer, integer) RETURNS integer LANGUAGE sql AS \
         'DELETE FROM orders WHERE id = 1; SELECT 1'; \
         CREATE OPERATOR <<<>>> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = op)",
    ),
    effect("in a procedure", "CALL go()", ORDERS)
        .after("CREATE PROCEDURE go() LANGUAGE sql AS 'DELETE FROM orders WHERE id = 1'"),
    effect("in a cursor", "BEGIN; DECLARE c CURSOR FOR SELECT gone(); FETCH c; COMMIT", ORDERS)
        .after(GONE),
    effect("through a view", "DELETE FROM order_doors WHERE id = 1", ORDERS),
    effect("through a rule", "INSERT INTO box VALUES (1)", ORDERS)
        .after("CREATE RULE r AS ON INSERT TO box DO INSTEAD DELETE FROM orders"),
    effect("through a trigger", "INSERT INTO box VALUES (1)", ORDERS).after(
        "CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN DELETE FROM orders; RETURN NEW; END'; \
         CREATE TRIGGER t BEFORE INSERT ON box FOR EACH ROW EXECUTE FUNCTION fire()",
    ),
    effect("copied to", "COPY (DELETE FROM orders RETURNING *) TO STDOUT", ORDERS).direct(),
    effect("copied from a program", "COPY orders FROM PROGRAM 'echo 9,mug,9' CSV", ORDERS).direct(),
    effect("copied from a file", "COPY box (body) FROM '/etc/passwd'", "SELECT count(*) FROM box")
        .direct(),
    effect("dropped", "DROP TABLE orders CASCADE", RELATIONS),
    effect("dropped by ownership", "DROP OWNED BY shop_app CASCADE", RELATIONS)
        .after("ALTER TABLE orders OWNER TO shop_app"),
    effect("selected into", "SELECT 1 AS one INTO fresh", RELATIONS),
    effect("created as", "CREATE TABLE fresh AS SELECT 1 AS one", RELATIONS),
    effect(
        "created as an execution",
        "PREPARE p AS SELECT 1 AS one; CREATE TABLE fresh AS EXECUTE p",
        RELATIONS,
    ),
    effect("created in a schema", "CREATE SCHEMA s CREATE TABLE t (a integer)", RELATIONS),
    effect(
        "rewritten by a change of type",
        "ALTER TABLE orders ALTER quantity TYPE integer USING 0",
        ORDERS,
    )
    .after("DROP VIEW order_doors"),
    effect("refreshed", "REFRESH MATERIALIZED VIEW kept", "SELECT count(*) FROM kept").after(
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM orders WITH NO DATA; \
                REFRESH MATERIALIZED VIEW kept; DELETE FROM orders WHERE id = 1",
    ),
    effect("counted up", "SELECT nextval('tickets')", TICKETS),
    effect("set to a number", "SELECT setval('tickets', 4711)", TICKETS),
    effect("a large object made", "SELECT lo_from_bytea(0, 'x')", LARGE_OBJECTS),
    effect("a large object read in", "SELECT lo_import('/etc/hostname')", LARGE_OBJECTS),
    effect(
        "a large object removed",
        "SELECT lo_unlink(loid) FROM (SELECT oid AS loid FROM pg_largeobject_metadata) AS o",
        LARGE_OBJECTS,
    )
    .after("SELECT lo_create(0)"),
    effect("an extension", "CREATE EXTENSION hstore", "SELECT count(*) FROM pg_extension"),
    effect(
        "a right",
        "GRANT ALL ON orders TO PUBLIC",
        "SELECT relacl::text FROM pg_class \
           WHERE relname = 'orders'",
    ),
    effect(
        "a remark",
        "COMMENT ON TABLE orders IS 'mine'",
        "SELECT count(*) FROM pg_description WHERE description = 'mine'",
    ),
    effect(
        "over another connection",
        "SELECT dblink_exec('host=127.0.0.1 port={port} dbname=' || \
           current_database() || ' user=shop_app password={password}', 'DELETE FROM orders')",
        ORDERS,
    )
    .after("CREATE EXTENSION dblink"),
];

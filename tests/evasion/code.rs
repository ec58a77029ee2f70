//! Code that a database holds and that no text calls: what a write sets off, what a read is
//! filtered or sorted by, and code that comes to be while others are judged.

use crate::case::{Case, Guard, effect, honest};

const ORDERS: &str = "SELECT count(*), sum(quantity) FROM orders";

/// A message by which code that it does not call deletes an order.
const fn sets_off(name: &'static str, sql: &'static str) -> Case {
    Case { guard: Guard::Calls, ..effect(name, sql, ORDERS) }
}

/// What a policy that refuses all code would get wrong.
const fn plain(name: &'static str, sql: &'static str, shown: &'static str) -> Case {
    Case { guard: Guard::Calls, writes: true, ..honest(name, sql, shown) }
}

const AS_PLAIN: &str = "-c role=plain";

// tidy: table
pub(crate) const CASES: &[Case] = &[
    // Triggers.
    sets_off("a trigger before an insert", "INSERT INTO before_insert VALUES (1)"),
    sets_off("a trigger of a statement", "INSERT INTO after_insert SELECT 1 WHERE false"),
    sets_off("a trigger of a column", "UPDATE on_update SET b = 2 WHERE id = 1"),
    sets_off(
        "a trigger of an update in an insert",
        "INSERT INTO on_update VALUES (1, 1, 1) ON CONFLICT (id) DO UPDATE SET b = 2",
    ),
    sets_off(
        "a trigger of a merge",
        "MERGE INTO on_delete d USING (SELECT 1 AS i) s ON d.id = s.i WHEN MATCHED THEN DELETE",
    ),
    sets_off("a trigger of a delete", "DELETE FROM on_delete WHERE id = 1"),
    sets_off(
        "a trigger of a delete in a query",
        "WITH d AS (DELETE FROM on_delete WHERE id = 1 RETURNING id) SELECT id FROM d",
    ),
    sets_off("a trigger of a truncate", "TRUNCATE on_truncate"),
    sets_off(
        "a trigger that waits for the commit",
        "BEGIN;\nINSERT INTO deferred VALUES (1);\n\
        COMMIT;\n",
    )
    .script(),
    sets_off("a trigger's condition", "UPDATE trigger_when SET id = 2 WHERE id = 1"),
    sets_off("a trigger in place of an insert", "INSERT INTO instead VALUES (1)"),
    sets_off("a trigger below a view", "INSERT INTO over_trigger VALUES (1)"),
    sets_off("a trigger of a partition", "INSERT INTO halves VALUES (1)"),
    sets_off("a trigger of a child", "UPDATE whole SET id = 2 WHERE id = 1"),
    sets_off("a trigger by a foreign key", "DELETE FROM referred WHERE id = 1"),
    sets_off("a trigger by a changed key", "UPDATE referred SET id = 3 WHERE id = 1"),
    sets_off("a trigger of a copy", "COPY before_insert FROM STDIN;\n1\n\\.\n").script(),
    sets_off("a trigger of a copy into a partition", "COPY halves FROM STDIN;\n1\n\\.\n").script(),
    sets_off(
        "a trigger of a prepared insert",
        "PREPARE p AS INSERT INTO before_insert VALUES (1);\n\
        EXECUTE p;\n",
    )
    .script(),
    sets_off("a trigger under its whole name", "INSERT INTO public.before_insert VALUES (1)"),
    sets_off(
        "a trigger of an event",
        "CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS \
            'BEGIN DELETE FROM public.orders WHERE id = 1; END';\n\
         CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION noted();\n\
         CREATE TABLE made (id integer);\n",
    )
    .script(),
    // Rules.
    sets_off("a rule of an insert", "INSERT INTO ruled VALUES (1)"),
    sets_off("a rule of an update", "UPDATE ruled SET id = 2 WHERE id = 1"),
    sets_off("a rule of a delete", "DELETE FROM ruled WHERE id = 1"),
    sets_off("a rule of a view", "UPDATE ruled_view SET id = 2 WHERE id = 1"),
    // Defaults and checks.
    sets_off("a default", "INSERT INTO defaulted (id) VALUES (1)"),
    sets_off(
        "a default by its word",
        "UPDATE defaulted SET body = DEFAULT; \
        INSERT INTO defaulted VALUES (1, DEFAULT)",
    ),
    sets_off("a default of a copy", "COPY defaulted (id) FROM STDIN;\n1\n\\.\n").script(),
    sets_off("a default of a domain", "INSERT INTO domain_default (id) VALUES (1)"),
    sets_off("a generated column", "INSERT INTO generated (id) VALUES (1)"),
    sets_off("a table's check", "INSERT INTO checked VALUES (1)"),
    sets_off("a table's check of a copy", "COPY checked FROM STDIN;\n1\n\\.\n").script(),
    sets_off("a domain's check", "INSERT INTO fine_rows VALUES (1)"),
    sets_off("a domain's check of a copy", "COPY fine_rows FROM STDIN;\n1\n\\.\n").script(),
    sets_off(
        "a domain's check of a copy in csv",
        "COPY fine_rows FROM STDIN (FORMAT csv);\n1\n\\.\n",
    )
    .script(),
    sets_off("a domain's check in an array", "INSERT INTO fine_lists VALUES ('{1,2}')"),
    sets_off("a domain's check in an array of a copy", "COPY fine_lists FROM STDIN;\n{1}\n\\.\n")
        .script(),
    sets_off("a domain's check in a row", "INSERT INTO fine_pairs VALUES ('(1,2)')"),
    sets_off("a domain's check in a row of a copy", "COPY fine_pairs FROM STDIN;\n(1,2)\n\\.\n")
        .script(),
    sets_off(
        "a domain's check in a record",
        "SELECT * FROM json_populate_record(null::fine_pair, \
        '{\"a\": 1}')",
    ),
    // Indexes and keys.
    sets_off("an index of an expression", "INSERT INTO indexed VALUES (1)"),
    sets_off("an index of a part", "INSERT INTO part_indexed VALUES (1)"),
    sets_off("an operator class", "INSERT INTO class_indexed VALUES (1), (2)"),
    sets_off("an operator class of a copy", "COPY class_indexed FROM STDIN;\n1\n2\n\\.\n").script(),
    sets_off("a partition's key", "INSERT INTO counted_parts VALUES (1)"),
    sets_off("a partition's operator class", "INSERT INTO class_parts VALUES (1)"),
    sets_off("an operator class for a new index", "CREATE INDEX ON plain_rows (id sly_ops)"),
    sets_off(
        "an index that is built anew",
        "INSERT INTO indexed VALUES (1); REINDEX TABLE indexed",
    ),
    sets_off("a range's order", "SELECT '[1,2)'::sly_range"),
    sets_off("a range's order in a column", "INSERT INTO ranges VALUES ('[1,2)')"),
    sets_off("a range's order in a copy", "COPY ranges FROM STDIN;\n[1,2)\n\\.\n").script(),
    sets_off("statistics of an expression", "ANALYZE surveyed"),
    sets_off("statistics of everything", "ANALYZE"),
    sets_off("indexes of a schema", "REINDEX SCHEMA public"),
    sets_off("an order that somebody gave a type", "SELECT id FROM points ORDER BY p"),
    sets_off("distinct values by such an order", "SELECT DISTINCT p FROM points"),
    sets_off("groups by such an order", "SELECT count(*) FROM points GROUP BY p"),
    sets_off("a union by such an order", "SELECT p FROM points UNION SELECT p FROM points"),
    sets_off("an index by such an order", "CREATE INDEX ON points (p)"),
    sets_off("a window by such an order", "SELECT rank() OVER (ORDER BY p) FROM points"),
    sets_off("an order by an operator", "SELECT id FROM points ORDER BY p USING <@#"),
    sets_off("a foreign key's equality", "INSERT INTO visits VALUES ('(1,1)')"),
    // Policies, aggregates, casts.
    sets_off("a policy on a read", "SELECT id FROM guarded").options(AS_PLAIN),
    sets_off("a policy on an insert", "INSERT INTO guarded VALUES (2)").options(AS_PLAIN),
    sets_off("a policy on an update", "UPDATE guarded SET id = 2").options(AS_PLAIN),
    sets_off("a policy on a delete", "DELETE FROM guarded").options(AS_PLAIN),
    sets_off("a policy on a copy", "COPY guarded TO STDOUT").options(AS_PLAIN),
    sets_off("a policy's view", "SELECT id FROM guarded_far").options(AS_PLAIN),
    sets_off("a policy's view on a delete", "DELETE FROM guarded_far").options(AS_PLAIN),
    sets_off(
        "an aggregate of a known name",
        "SELECT max(k) FROM (TABLE kinds UNION ALL TABLE kinds) x",
    ),
    sets_off(
        "an aggregate in a window",
        "SELECT max(k) OVER () FROM \
        (TABLE kinds UNION ALL TABLE kinds) x",
    ),
    sets_off("a cast by an assignment", "INSERT INTO plain_rows (id) SELECT k FROM kinds"),
    sets_off("a cast by an update", "UPDATE plain_rows SET id = k FROM kinds"),
    // Made and used: nobody outside the transaction can look it up.
    sets_off(
        "a trigger made before it",
        "CREATE TRIGGER t BEFORE INSERT ON plain_rows FOR EACH ROW \
        EXECUTE FUNCTION sprung();\nINSERT INTO plain_rows VALUES (3);\n",
    )
    .script(),
    sets_off(
        "a trigger made in the message",
        "CREATE TRIGGER t BEFORE INSERT ON plain_rows \
        FOR EACH ROW EXECUTE FUNCTION sprung(); INSERT INTO plain_rows VALUES (3)",
    ),
    sets_off(
        "a trigger made in the transaction",
        "BEGIN;\nCREATE TRIGGER t BEFORE INSERT ON \
        plain_rows FOR EACH ROW EXECUTE FUNCTION sprung();\nINSERT INTO plain_rows VALUES (3);\n\
        COMMIT;\n",
    )
    .script(),
    sets_off(
        "a trigger behind a savepoint",
        "BEGIN;\nCREATE TRIGGER t BEFORE INSERT ON \
        plain_rows FOR EACH ROW EXECUTE FUNCTION sprung();\nSAVEPOINT s;\nSELECT 1/0;\n\
        ROLLBACK TO s;\nINSERT INTO plain_rows VALUES (3);\nCOMMIT;\n",
    )
    .script(),
    sets_off(
        "a rule made in the message",
        "CREATE RULE r AS ON INSERT TO plain_rows DO ALSO \
        SELECT deed(); INSERT INTO plain_rows VALUES (3)",
    ),
    sets_off(
        "a default set in the message",
        "ALTER TABLE plain_rows ALTER body SET DEFAULT deed(); \
        INSERT INTO plain_rows (id) VALUES (3)",
    ),
    sets_off(
        "a trigger that is woken",
        "ALTER TABLE quiet ENABLE TRIGGER t;\n\
        INSERT INTO quiet VALUES (1);\n",
    )
    .script(),
    sets_off(
        "a trigger that is woken in the message",
        "ALTER TABLE quiet ENABLE TRIGGER t; \
        INSERT INTO quiet VALUES (1)",
    ),
    sets_off(
        "a rule that is woken in the message",
        "ALTER TABLE quiet ENABLE RULE r; \
        DELETE FROM quiet WHERE id = 1",
    ),
    sets_off(
        "a policy that is woken in the message",
        "ALTER TABLE quiet ENABLE ROW LEVEL SECURITY; \
        SET LOCAL role = plain; SELECT id FROM quiet",
    ),
    sets_off(
        "a trigger of a new partition",
        "CREATE TABLE other_half PARTITION OF halves FOR VALUES \
        FROM (10) TO (20); ALTER TABLE halves DETACH PARTITION half; ALTER TABLE halves ATTACH \
        PARTITION half FOR VALUES FROM (0) TO (10); INSERT INTO halves VALUES (1)",
    ),
    sets_off(
        "a default that is copied with its table",
        "CREATE TABLE like_it (LIKE defaulted \
        INCLUDING ALL); INSERT INTO like_it (id) VALUES (1)",
    ),
    sets_off(
        "a check that a child has from its parent",
        "BEGIN;\nCREATE TABLE heir () INHERITS \
        (checked);\nINSERT INTO heir VALUES (1);\nCOMMIT;\n",
    )
    .script(),
    sets_off(
        "a trigger that a partition has from its table",
        "CREATE TRIGGER u BEFORE INSERT ON \
        halves FOR EACH ROW EXECUTE FUNCTION sprung();\nBEGIN;\nCREATE TABLE more PARTITION OF \
        halves FOR VALUES FROM (20) TO (30);\nINSERT INTO more VALUES (21);\nCOMMIT;\n",
    )
    .script(),
    sets_off(
        "an operator class that is new",
        "CREATE TABLE fresh (id integer); \
        CREATE INDEX ON fresh (id sly_ops); INSERT INTO fresh VALUES (1), (2)",
    ),
    sets_off(
        "an execution behind a new trigger",
        "PREPARE p AS INSERT INTO plain_rows VALUES (3);\n\
        CREATE TRIGGER t BEFORE INSERT ON plain_rows FOR EACH ROW EXECUTE FUNCTION sprung();\n\
        EXECUTE p;\n",
    )
    .script(),
    sets_off(
        "a domain's check that is new",
        "CREATE DOMAIN odd_one AS integer;\n\
        CREATE TABLE odd_ones (id odd_one);\nBEGIN;\n\
        ALTER DOMAIN odd_one ADD CHECK (is_sly(VALUE));\n\
        INSERT INTO odd_ones VALUES (1);\nCOMMIT;\n",
    )
    .script(),
    sets_off(
        "a function under a known name that is new",
        "BEGIN;\nCREATE FUNCTION abs(kind) RETURNS \
        integer LANGUAGE sql AS 'SELECT length(public.deed())';\nSELECT abs(k) FROM kinds;\n\
        COMMIT;\n",
    )
    .script(),
    sets_off(
        "a range's order that is new",
        "CREATE TYPE new_range AS RANGE (subtype = integer, \
        subtype_opclass = sly_ops); SELECT '[1,2)'::new_range",
    ),
    sets_off(
        "a function of PostgreSQL's that is replaced",
        "CREATE OR REPLACE FUNCTION \
        pg_catalog.lpad(text, integer) RETURNS text LANGUAGE plpgsql AS \
            'BEGIN DELETE FROM public.orders WHERE id = 1; RETURN $1; END';\n\
        SELECT lpad('x', 3);\n",
    )
    .script()
    .undo(
        "CREATE OR REPLACE FUNCTION pg_catalog.lpad(text, integer) RETURNS text LANGUAGE sql \
        IMMUTABLE STRICT PARALLEL SAFE RETURN pg_catalog.lpad($1, $2, ' ')",
    ),
    // Another session's change, which comes to hold while this statement waits for its lock.
    sets_off("a trigger of another session", "INSERT INTO plain_rows VALUES (3)").beside(&[
        "BEGIN",
        "CREATE TRIGGER t BEFORE INSERT ON plain_rows FOR EACH ROW EXECUTE FUNCTION sprung()",
    ]),
    sets_off("a rule of another session", "DELETE FROM plain_rows WHERE id = 1")
        .beside(&["BEGIN", "CREATE RULE r AS ON DELETE TO plain_rows DO ALSO SELECT deed()"]),
    sets_off("a trigger that another session wakes", "INSERT INTO quiet VALUES (3)")
        .beside(&["BEGIN", "ALTER TABLE quiet ENABLE TRIGGER t"]),
    sets_off("an index of another session", "INSERT INTO box (id) VALUES (1)")
        .beside(&["BEGIN", "CREATE INDEX ON box (counted(id))"]),
    // What sets nothing off.
    plain("a plain insert", "INSERT INTO calm_rows VALUES (3, 'x') RETURNING body || '!'", "x!"),
    plain("a plain update", "UPDATE calm_rows SET body = 'y' WHERE id = 1 RETURNING body", "y"),
    plain("a plain read", "SELECT upper(body) FROM calm_rows ORDER BY id", "TWO"),
    plain(
        "a plain copy",
        "COPY calm_rows (id) FROM STDIN;\n7\n\\.\nSELECT max(id) FROM calm_rows;\n",
        "7",
    )
    .script(),
    plain(
        "another act on a table with a trigger",
        "WITH d AS (DELETE FROM before_insert RETURNING id) SELECT count(*) - 47 FROM d",
        "-47",
    ),
    plain("a sleeping trigger", "INSERT INTO quiet VALUES (157) RETURNING id", "157"),
    plain(
        "after a change that was undone",
        "BEGIN;\nCREATE TRIGGER t BEFORE INSERT ON calm_rows \
        FOR EACH ROW EXECUTE FUNCTION sprung();\nROLLBACK;\n\
        INSERT INTO calm_rows VALUES (3, 'z') RETURNING body || '!';\n",
        "z!",
    )
    .script(),
];

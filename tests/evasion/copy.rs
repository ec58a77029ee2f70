//! COPY in all its forms.

use crate::case::{Case, effect, honest, leak, tell};

const ORDERS: &str = "SELECT count(*), sum(quantity) FROM orders";

/// A message that copies a hidden value out as it is stored.
const fn out(name: &'static str, sql: &'static str) -> Case {
    Case { extended: false, ..leak(name, sql) }
}

/// A change made by copying.
const fn change(name: &'static str, sql: &'static str, probe: &'static str) -> Case {
    effect(name, sql, probe)
}

/// What a file of the server says of itself.
const FILE: &str = "SELECT pg_stat_file('/tmp/portcullis-evasion-made-{database}', true) IS NULL";

/// Removes the other one.
const FORGET: &str =
    "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -f /tmp/portcullis-evasion-{database}'";

/// Removes it again.
const REMOVE: &str =
    "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -f /tmp/portcullis-evasion-made-{database}'";

// tidy: table
pub(crate) const CASES: &[Case] = &[
    out("a table", "COPY people TO STDOUT"),
    out("a column", "COPY people (secret) TO STDOUT"),
    out("columns in another order", "COPY people (pin, secret, name) TO STDOUT"),
    out("a column in quotes and cases", "COPY \"public\".PEOPLE (\"secret\") TO STDOUT"),
    out("a column in escapes", "COPY people (U&\"\\0073ecret\") TO STDOUT"),
    out("as CSV", "COPY people TO STDOUT (FORMAT csv)"),
    out("as CSV by the old words", "COPY people TO STDOUT WITH CSV HEADER"),
    out("as CSV with a heading", "COPY people (name, secret) TO STDOUT (FORMAT csv, HEADER)"),
    out("as CSV with quotes", "COPY people TO STDOUT (FORMAT csv, FORCE_QUOTE *)"),
    out(
        "as CSV with other marks",
        "COPY people (secret, name) TO STDOUT (FORMAT csv, \
         DELIMITER ';', QUOTE '|', ESCAPE '~', NULL 'none')",
    ),
    out("as text with another mark", "COPY people (name, secret) TO STDOUT (DELIMITER '-')")
        .shows("Kx7Qv\\-Zbr91hWm4Ty"),
    out("as text with a mark of the value", "COPY people (name, secret) TO STDOUT (NULL 'MASKED')"),
    out("in binary", "COPY people TO STDOUT (FORMAT binary)"),
    out("in binary by the old words", "COPY BINARY people TO STDOUT"),
    out("in another encoding", "COPY people TO STDOUT (ENCODING 'LATIN1')"),
    out("a query", "COPY (SELECT secret FROM people) TO STDOUT"),
    out("a query with an alias", "COPY (SELECT secret AS name FROM people) TO STDOUT"),
    out("a query of rows", "COPY (SELECT p FROM people p) TO STDOUT"),
    out("a query of something made of it", "COPY (SELECT name || secret FROM people) TO STDOUT"),
    out("a query as CSV", "COPY (SELECT id, secret FROM people) TO STDOUT (FORMAT csv)"),
    out("a query in binary", "COPY (SELECT secret, pin FROM people) TO STDOUT (FORMAT binary)"),
    out("a query of a view", "COPY (SELECT alias FROM contacts) TO STDOUT"),
    out("a query of a view of a view", "COPY (TABLE contacts_twice) TO STDOUT"),
    out(
        "a query with a common table expression",
        "COPY (WITH w AS (TABLE people) SELECT secret \
         FROM w) TO STDOUT",
    ),
    out("values", "COPY (VALUES ((SELECT secret FROM people WHERE id = 1))) TO STDOUT"),
    out("a union", "COPY (SELECT body FROM notes UNION SELECT secret FROM people) TO STDOUT"),
    out("rows as JSON", "COPY (SELECT row_to_json(p) FROM people p) TO STDOUT"),
    out(
        "what an update returns",
        "COPY (UPDATE people SET city = city RETURNING secret) TO STDOUT",
    )
    .writes(),
    out("what a delete returns", "COPY (DELETE FROM people RETURNING *) TO STDOUT").writes(),
    out("a partition", "COPY events_old TO STDOUT"),
    out("a child", "COPY files_kept (content) TO STDOUT"),
    out("behind another statement", "SELECT 1; COPY people (secret) TO STDOUT"),
    out("before another statement", "COPY people (secret) TO STDOUT; SELECT 1"),
    out("in a transaction", "BEGIN; COPY people (secret) TO STDOUT; COMMIT"),
    out("by psql", "\\copy people (secret) to stdout\n").script(),
    out("by psql, a query", "\\copy (select name, secret from people) to stdout csv\n").script(),
    out("by psql, to a program", "\\copy people to program 'cat >&2'\n").script(),
    out(
        "to a file that is read",
        "COPY people TO '/tmp/portcullis-evasion-{database}';\nSELECT \
         pg_read_file('/tmp/portcullis-evasion-{database}');\n",
    )
    .script()
    .undo(FORGET),
    out(
        "to a program",
        "COPY people TO PROGRAM 'cat > /tmp/portcullis-evasion-{database}';\n\
         SELECT pg_read_file('/tmp/portcullis-evasion-{database}');\n",
    )
    .script()
    .undo(FORGET),
    out("an error of a row", "COPY (SELECT secret::integer FROM people) TO STDOUT"),
    out(
        "into a table in the open",
        "\\copy people (secret) to /tmp/portcullis-evasion-c-{database}\n\
         \\copy box (body) from /tmp/portcullis-evasion-c-{database}\n\
         \\! rm -f /tmp/portcullis-evasion-c-{database}\nSELECT body FROM box;\n",
    )
    .script()
    .writes(),
    Case {
        extended: false,
        ..tell("a predicate", "COPY (SELECT id FROM people WHERE secret LIKE 'K%') TO STDOUT")
    }
    .direct(),
    Case {
        extended: false,
        ..tell("an order", "COPY (SELECT name FROM people ORDER BY secret) TO STDOUT")
    }
    .direct(),
    Case {
        extended: false,
        ..tell("a length", "COPY (SELECT length(secret) FROM people) TO STDOUT")
    }
    .direct(),
    change("rows in", "COPY orders FROM STDIN;\n9\tmug\t9\n\\.\n", ORDERS).script(),
    change("rows in as CSV", "COPY orders FROM STDIN (FORMAT csv);\n9,mug,9\n\\.\n", ORDERS)
        .script(),
    change("rows in by psql", "\\copy orders from stdin csv\n9,mug,9\n\\.\n", ORDERS).script(),
    change(
        "rows in by psql from a program",
        "\\copy orders from program 'echo 9,mug,9' csv\n",
        ORDERS,
    )
    .script(),
    change("rows in to some columns", "COPY orders (id) FROM STDIN;\n9\n\\.\n", ORDERS).script(),
    change(
        "rows in that are chosen",
        "COPY orders FROM STDIN WHERE id > 8;\n9\tmug\t9\n\\.\n",
        ORDERS,
    )
    .script(),
    change(
        "rows in behind another statement",
        "SELECT 1\\; COPY orders FROM STDIN;\n9\tmug\t9\n\\.\n",
        ORDERS,
    )
    .script(),
    change("rows in through a view", "COPY through FROM STDIN;\n9\n\\.\n", ORDERS).script().after(
        "CREATE VIEW through AS SELECT id FROM orders; CREATE FUNCTION put() RETURNS trigger \
                LANGUAGE plpgsql AS 'BEGIN INSERT INTO orders VALUES (NEW.id); RETURN NEW; END'; \
                CREATE TRIGGER t INSTEAD OF INSERT ON through FOR EACH ROW EXECUTE FUNCTION put()",
    ),
    change(
        "a program run by rows out",
        "COPY orders TO PROGRAM \
            'touch /tmp/portcullis-evasion-made-{database}'",
        FILE,
    )
    .undo(REMOVE),
    change(
        "a program run by rows in",
        "COPY box FROM PROGRAM \
            'touch /tmp/portcullis-evasion-made-{database}'",
        FILE,
    )
    .undo(REMOVE),
    change(
        "a file of the server written",
        "COPY (SELECT 1) TO \
            '/tmp/portcullis-evasion-made-{database}'",
        FILE,
    )
    .undo(REMOVE),
    change("a delete that is copied", "COPY (DELETE FROM orders RETURNING id) TO STDOUT", ORDERS),
    change(
        "an insert that is copied",
        "COPY (INSERT INTO orders VALUES (9) RETURNING id) TO STDOUT",
        ORDERS,
    ),
    change("a function that is copied", "COPY (SELECT gone()) TO STDOUT", ORDERS).after(
        "CREATE FUNCTION gone() RETURNS integer LANGUAGE sql AS \
         'DELETE FROM orders WHERE id = 1 RETURNING id'",
    ),
    honest("open columns", "COPY people (name, city) TO STDOUT", "Ada\tLisbon\n"),
    honest("a query of open columns", "COPY (SELECT upper(name) FROM people) TO STDOUT", "BELA\n"),
    honest("open columns as CSV", "COPY notes (id, body) TO STDOUT (FORMAT csv)", "2,likes rain\n"),
];

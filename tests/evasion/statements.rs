//! More statements than one would think: in one message, or by psql's own means.

use crate::case::{Case, effect, leak};

const ORDERS: &str = "SELECT count(*), sum(quantity) FROM orders";

// tidy: table
pub(crate) const CASES: &[Case] = &[
    effect("second of two", "SELECT 1; DELETE FROM orders WHERE id = 1", ORDERS),
    effect("first of two", "DELETE FROM orders WHERE id = 1; SELECT 1", ORDERS),
    effect("behind empty statements", ";;; ;DELETE FROM orders WHERE id = 1;;", ORDERS),
    effect("behind COMMIT", "COMMIT; DELETE FROM orders WHERE id = 1", ORDERS),
    effect("behind ROLLBACK", "ROLLBACK; DELETE FROM orders WHERE id = 1", ORDERS),
    effect("behind END", "END; TRUNCATE orders", ORDERS),
    effect("behind ABORT", "ABORT; UPDATE orders SET quantity = 9", ORDERS),
    effect(
        "out of a read-only transaction",
        "BEGIN READ ONLY; SELECT 1; COMMIT; DROP TABLE orders CASCADE",
        "SELECT count(*) FROM pg_class WHERE relname = 'orders'",
    ),
    effect(
        "into a transaction that may write",
        "BEGIN READ ONLY; SET TRANSACTION READ WRITE; DELETE FROM orders; COMMIT",
        ORDERS,
    ),
    effect(
        "in a session that may write again",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; DELETE FROM orders",
        ORDERS,
    ),
    effect("in a transaction", "BEGIN; DELETE FROM orders; COMMIT", ORDERS),
    effect("in one that starts", "START TRANSACTION; DELETE FROM orders; END WORK", ORDERS),
    effect(
        "behind a savepoint",
        "BEGIN; SAVEPOINT a; SELECT 1; ROLLBACK TO a; DELETE FROM orders; RELEASE a; COMMIT",
        ORDERS,
    ),
    effect(
        "in a chained transaction",
        "BEGIN; COMMIT AND CHAIN; DELETE FROM orders; COMMIT",
        ORDERS,
    ),
    effect(
        "committed before the message fails",
        "BEGIN; DELETE FROM orders; COMMIT; SELECT 1 / 0",
        ORDERS,
    ),
    effect("behind a semicolon in a string", "SELECT ';'; DELETE FROM orders", ORDERS),
    effect("behind a semicolon in dollars", "SELECT $$;$$; DELETE FROM orders", ORDERS),
    effect("behind a semicolon in a name", "SELECT 1 AS \"a;b\"; DELETE FROM orders", ORDERS),
    effect("behind a semicolon in a comment", "SELECT 1 /* ; */; DELETE FROM orders", ORDERS),
    effect("behind EXPLAIN", "EXPLAIN SELECT 1; DELETE FROM orders", ORDERS),
    effect("behind LISTEN", "LISTEN a; UNLISTEN *; DELETE FROM orders", ORDERS),
    effect("behind SHOW", "SHOW server_version; DELETE FROM orders", ORDERS),
    effect("behind VALUES", "VALUES (1), (2); DELETE FROM orders", ORDERS),
    effect("behind DISCARD", "CLOSE ALL; DEALLOCATE ALL; DELETE FROM orders", ORDERS),
    effect("joined by psql", "SELECT 1\\; SELECT 2\\; DELETE FROM orders WHERE id = 1;\n", ORDERS)
        .script(),
    effect("made by a query and run by psql", "SELECT 'DELETE FROM orders'\\gexec\n", ORDERS)
        .script(),
    effect(
        "put together from variables",
        "\\set verb DELETE\nSELECT 'orders' AS t \\gset\n:verb FROM :\"t\" WHERE id = 1;\n",
        ORDERS,
    )
    .script(),
    effect(
        "in the branch that is taken",
        "SELECT true AS yes \\gset\n\\if :yes\nDELETE FROM orders;\n\\endif\n",
        ORDERS,
    )
    .script(),
    effect("past an error", "SELECT 1 / 0;\nSELECT nothing;\nDELETE FROM orders;\n", ORDERS)
        .script(),
    effect(
        "after a refusal in the same transaction",
        "BEGIN;\nSELECT 1;\nSAVEPOINT a;\nDELETE FROM orders;\nRELEASE a;\nCOMMIT;\n",
        ORDERS,
    )
    .script(),
    effect(
        "described and then run",
        "DELETE FROM orders WHERE id = 1 RETURNING id \\gdesc\n\
         DELETE FROM orders WHERE id = 1 RETURNING id \\g\n",
        ORDERS,
    )
    .script(),
    effect(
        "cut into a crosstab",
        "WITH d AS (DELETE FROM orders RETURNING id) SELECT id, 'a', 1 FROM d \\crosstabview\n",
        ORDERS,
    )
    .script(),
    leak("a hidden value in the second", "SELECT 1; SELECT secret FROM people"),
    leak("a hidden value in the first", "SELECT secret FROM people; SELECT 1"),
    leak("a hidden value between", "BEGIN; SELECT secret FROM people; COMMIT"),
    leak(
        "a hidden value kept by psql",
        "SELECT secret AS kept FROM people WHERE id = 1 \\gset\n\\echo :kept\n",
    )
    .script(),
    leak(
        "a hidden value run by psql",
        "SELECT format('SELECT %L', secret) FROM people WHERE id = 1 \\gexec\n",
    )
    .script(),
    leak(
        "a hidden value as a heading of a crosstab",
        "\\t off\nSELECT name, secret, 1 FROM people \\crosstabview\n",
    )
    .script(),
    leak("a hidden value in a command of psql", "SELECT name, secret FROM people \\g | cat\n")
        .script(),
    leak("a hidden value upside down", "\\x on\nTABLE people;\n").script(),
    leak("a hidden value in HTML", "\\pset format html\nTABLE people;\n").script(),
];

//! What got past others: a relay that reads the protocol by hand (`h1` to `h9`), and guards made
//! of patterns over the text.

use portcullis_tests::wire::{bind, describe, execute, parse, query, sync};

use crate::case::{Case, effect, leak, tell};

const ORDERS: &str = "SELECT count(*), sum(quantity) FROM orders";
const RELATIONS: &str = "SELECT count(*) FROM pg_class";

/// A DELETE with this many bytes of comment in it.
fn padded(bytes: usize) -> String {
    format!("DELETE FROM orders /*{}*/", "x".repeat(bytes))
}

fn long_query() -> Vec<Vec<u8>> {
    vec![query(&padded(600_000))]
}

fn long_parse() -> Vec<Vec<u8>> {
    let parts = [parse("", &padded(600_000)), bind("", "", &[], false), execute("", 0), sync()];
    vec![parts.concat()]
}

/// A hundred executions of a statement that was parsed once.
fn many_executions() -> Vec<Vec<u8>> {
    let mut run = parse("s", "DELETE FROM orders WHERE id::text = $1");
    for id in 0..100 {
        run.extend(bind("", "s", &[&id.to_string()], false));
        run.extend(execute("", 0));
    }
    run.extend(sync());
    vec![run]
}

/// Described once, executed again with nothing described: what drivers with a cache do.
fn again_without_describe() -> Vec<Vec<u8>> {
    let run = || [bind("", "s", &[], false), execute("", 0), sync()].concat();
    vec![
        [parse("s", "SELECT secret FROM people"), describe(b'S', "s"), sync()].concat(),
        run(),
        query("SELECT 1"),
        run(),
    ]
}

fn binary_number() -> Vec<Vec<u8>> {
    let sql = "SELECT pin, born, name FROM people ORDER BY id";
    vec![[parse("", sql), bind("", "", &[], true), execute("", 0), sync()].concat()]
}

// tidy: table
pub(crate) const CASES: &[Case] = &[
    effect("h1: a long query", "", ORDERS).wire(long_query),
    effect("h1: a long query, parsed", "", ORDERS).wire(long_parse),
    effect("h4: a hundred executions of one statement", "", ORDERS).wire(many_executions),
    leak("h6: executed again with no description", "").wire(again_without_describe),
    leak("h7: an alias", "SELECT secret AS x, pin AS y FROM people"),
    leak("h8: an error", "SELECT secret::integer FROM people"),
    leak(
        "h8: a notice",
        "DO $$ BEGIN RAISE NOTICE '%', (SELECT secret FROM people WHERE id = 1); \
          END $$",
    ),
    leak("h8: a notification", "LISTEN a; SELECT pg_notify('a', secret) FROM people WHERE id = 1"),
    tell("h9: binary numbers", "").wire(binary_number),
    effect("a statement behind another", "SELECT 1; DELETE FROM orders", ORDERS),
    effect("a comment before the verb", "/**/DELETE FROM orders", ORDERS),
    effect("a statement before another", "DELETE FROM orders; SELECT 1", ORDERS),
    effect("the word where in a comment", "DELETE FROM orders -- where", ORDERS),
    effect("the word where in a string", "DELETE FROM orders RETURNING 'where'", ORDERS),
    effect(
        "a delete in a common table expression",
        "WITH x AS (DELETE FROM orders RETURNING *) SELECT 1",
        ORDERS,
    ),
    effect("a comment in the verb", "DROP/**/TABLE orders CASCADE", RELATIONS),
    effect("truncate without TABLE", "TRUNCATE orders", ORDERS),
    effect("whatever the role owns", "DROP OWNED BY shop_app CASCADE", RELATIONS)
        .after("ALTER TABLE orders OWNER TO shop_app"),
    effect("a materialised view", "DROP MATERIALIZED VIEW contacts_kept", RELATIONS),
    effect(
        "words put together",
        "DO $$ BEGIN EXECUTE 'dr' || 'op table orders cascade'; END $$",
        RELATIONS,
    ),
    effect("a line end in the verb", "DROP\nTABLE\norders\nCASCADE", RELATIONS),
    effect(
        "no word INTO",
        "MERGE INTO orders o USING notes n ON n.id = o.id WHEN MATCHED THEN \
           UPDATE SET quantity = 9",
        ORDERS,
    ),
    leak("a star behind a name", "SELECT c.* FROM people c"),
    leak("no SELECT at all", "TABLE people"),
];

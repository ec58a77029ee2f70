//! Statements: any text is read or refused, and what is read lies inside the text.

use portcullis::protocol::postgres::statement::{Parsers, facts};

use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "statement",
    seeds: &[
        b"SELECT name, email FROM customers WHERE id = $1",
        b"WITH d AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM d",
        b"BEGIN; UPDATE products SET stock = stock - 1 WHERE id = 3; COMMIT",
        b"/* a /* nested */ */ SELECT U&\"d\\0061ta\", $tag$ it's; $tag$ -- end",
        b"DO $$ BEGIN EXECUTE 'DROP TABLE t'; END $$",
        b"COPY (SELECT * FROM t) TO PROGRAM 'cat'",
        b"MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE",
        b"SELECT set_config('role', 'x', false), E'\\'', 1+1, ARRAY[1,2], (t).*, t FROM t",
    ],
    words: &[
        b"SELECT ",
        b"DELETE FROM ",
        b"; ",
        b"/*",
        b"*/",
        b"--",
        b"\n",
        b"$$",
        b"'",
        b"\"",
        b"E'",
        b"U&\"",
        b"(",
        b")",
        b" UNION ",
        b"WITH x AS (",
        b"$1",
        b"\0",
        b"EXPLAIN ANALYZE ",
    ],
    run,
};

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let compat = facts(text, Parsers::Compat);
    if let Ok(facts) = &compat {
        for statement in &facts.statements {
            let range = text.get(statement.start..statement.end);
            assert!(range.is_some(), "a statement lies outside the text or splits a character");
            let mut objects = statement.objects.windows(2);
            assert!(objects.all(|pair| pair[0] < pair[1]), "objects are not sorted and unique");
        }
    }
    if facts(text, Parsers::Strict).is_ok() {
        assert!(compat.is_ok(), "the strict reading accepts what the looser one refuses");
    }
}

#[test]
fn the_seeds_are_statements() {
    for seed in TARGET.seeds {
        let text = std::str::from_utf8(seed).expect("the seeds are text");
        assert!(facts(text, Parsers::Compat).is_ok(), "{text}");
    }
}

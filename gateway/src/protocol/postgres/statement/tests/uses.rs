//! What becomes of columns, statement by statement.

use super::super::{Parsers, facts};
use crate::protocol::{How, Use};

fn one(found: &Use) -> String {
    let column = match found.relation.as_str() {
        "" => found.column.clone(),
        relation => format!("{relation}.{}", found.column),
    };
    match &found.how {
        How::Compared => format!("compared {column}"),
        How::Computed { by } => format!("{by}({column})"),
        How::Copied { into: None } => format!("copied {column}"),
        How::Copied { into: Some((to, name)) } => format!("copied {column} into {to}.{name}"),
        How::Joined { with } => format!("joined {column} with {}.{}", with.0, with.1),
        How::Matched => format!("matched {column}"),
        How::Moved => format!("moved {column}"),
        How::Ordered => format!("ordered {column}"),
        How::Shown => String::new(),
    }
}

/// The uses of a text other than showing.
fn uses(text: &str) -> String {
    let found = facts(text, Parsers::Compat).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let shown = found.statements.iter().flat_map(|statement| &statement.uses).map(one);
    shown.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Compares the uses of each text with what is expected, in any order.
fn check(cases: &[(&str, &str)]) {
    let sorted = |list: &str| {
        let mut words: Vec<String> = list.split(", ").map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    let wrong = cases.iter().filter(|(text, expect)| sorted(&uses(text)) != sorted(expect));
    let wrong: Vec<_> = wrong.map(|(text, expect)| (text, uses(text), expect)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

// tidy: table
#[test]
fn each_place_of_a_statement_has_its_use() {
    check(&[
        ("SELECT a, upper(a), a || b, count(a), row_to_json(t) FROM t", ""),
        (
            "SELECT * FROM t WHERE a = 1 AND b IN ('x', $1) OR c IS NULL",
            "matched a, matched b, matched c",
        ),
        (
            "SELECT 1 FROM t WHERE t.a <> ALL ($1) AND s.t.b = ANY (ARRAY[1, 2])",
            "matched t.a, matched t.b",
        ),
        ("SELECT 1 FROM t WHERE a > 1", "compared a"),
        ("SELECT 1 FROM t WHERE a LIKE 'x%'", "compared a"),
        ("SELECT 1 FROM t WHERE lower(a) = 'x'", "compared a"),
        ("SELECT 1 FROM t WHERE a = (SELECT b FROM u)", "compared a, compared b"),
        (
            "SELECT 1 FROM t WHERE EXISTS (SELECT * FROM u WHERE u.x = t.y)",
            "joined t.y with u.x, joined u.x with t.y",
        ),
        ("SELECT 1 FROM t WHERE 'x' IN (SELECT a FROM u)", "compared a"),
        ("SELECT 1 FROM t JOIN u ON t.a = u.b", "joined t.a with u.b, joined u.b with t.a"),
        ("SELECT 1 FROM t JOIN u USING (a)", "joined a with .a"),
        ("SELECT 1 FROM t NATURAL JOIN u", "compared t.*, compared u.*"),
        ("SELECT a FROM t ORDER BY b, 1", "ordered a, ordered b"),
        ("SELECT * FROM t ORDER BY 1", "ordered t.*"),
        ("SELECT DISTINCT a FROM t", "ordered a"),
        ("SELECT DISTINCT ON (b) a FROM t", "ordered b"),
        (
            "SELECT count(*) FROM t GROUP BY ROLLUP (a, 1), b HAVING max(c) > 1",
            "compared c, ordered a, ordered b",
        ),
        ("SELECT rank() OVER (PARTITION BY a ORDER BY b) FROM t", "ordered a, ordered b"),
        ("SELECT rank() OVER w FROM t WINDOW w AS (ORDER BY b)", "ordered b"),
        (
            "SELECT count(DISTINCT a), sum(b) FILTER (WHERE c > 1), \
             string_agg(d, ',' ORDER BY e) FROM t",
            "compared c, ordered a, ordered e",
        ),
        ("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY a) FROM t", "ordered a"),
        ("SELECT 1 FROM t LIMIT (SELECT length(a) FROM t)", "compared a"),
        ("SELECT CASE WHEN a > 1 THEN b ELSE c END FROM t", "compared a"),
        ("SELECT CASE a WHEN 'x' THEN b END FROM t", "compared a"),
        ("SELECT NULLIF(a, 'x') FROM t", "compared a"),
        ("SELECT a > 1 AND b FROM t", "compared a, compared b"),
        ("SELECT 1 / a, a::int, b::text, f(c) FROM t", "/(a), a cast(a), f(c)"),
        ("SELECT generate_series(1, ascii(a)) FROM t", "generate_series(a)"),
        ("SELECT 1 FROM t, unnest(string_to_array(a, '')) AS x", "unnest(a)"),
        ("SELECT 1 FROM t, upper(a) AS u WHERE u LIKE 'A%'", "upper(a), compared a, compared u"),
        ("SELECT a FROM t UNION SELECT b FROM u", "ordered a, ordered b"),
        ("SELECT a FROM t UNION ALL SELECT b FROM u", ""),
        ("SELECT a FROM t EXCEPT ALL SELECT 'x'", "ordered a"),
    ]);
}

// tidy: table
#[test]
fn a_new_name_is_followed_to_the_old() {
    check(&[
        ("SELECT 1 FROM (SELECT a AS x FROM t) q WHERE q.x > 1", "compared a, compared x"),
        ("SELECT 1 FROM (SELECT a AS x FROM t) q WHERE x = 1", "compared a, compared x"),
        (
            "SELECT 1 FROM (SELECT left(a, 1) FROM t) q WHERE \"left\" = 'x'",
            "compared a, compared left",
        ),
        (
            "SELECT 1 FROM (SELECT coalesce(a, '') FROM t) q WHERE coalesce > ''",
            "compared a, compared coalesce",
        ),
        (
            "SELECT 1 FROM (SELECT a || '' FROM t) q WHERE \"?column?\" > ''",
            "compared ?column?, compared a",
        ),
        ("SELECT 1 FROM (SELECT a FROM t) q WHERE a = 1", "matched a"),
        ("SELECT 1 FROM (TABLE t) AS q(x) WHERE x > 1", "compared t.*, compared x"),
        ("SELECT 1 FROM t AS q(x) WHERE q.x > 1", "compared t.*, compared t.x, compared x"),
        (
            "WITH q(x) AS (SELECT a FROM t) SELECT 1 FROM q r WHERE r.x > 1",
            "compared a, compared q.x, compared x",
        ),
        ("WITH q AS (SELECT a AS x FROM t) SELECT 1 FROM q ORDER BY x", "ordered a, ordered x"),
        ("WITH q AS (SELECT * FROM t) SELECT 1 FROM q ORDER BY a", "ordered a"),
        (
            "WITH q AS (DELETE FROM t RETURNING a AS x) SELECT 1 FROM q ORDER BY x",
            "ordered a, ordered x",
        ),
        (
            "SELECT 1 FROM (SELECT b AS x FROM t UNION ALL SELECT a FROM u) q WHERE x > 1",
            "compared a, compared b, compared x",
        ),
        (
            "SELECT 1 FROM (SELECT b FROM t UNION ALL SELECT a FROM u) q WHERE b > 1",
            "compared a, compared b",
        ),
        (
            "SELECT 1 FROM (TABLE t UNION ALL TABLE u) q WHERE b > 1",
            "compared t.*, compared u.*, compared b",
        ),
        ("SELECT 1 FROM t, LATERAL (VALUES (t.a)) AS v(x) WHERE x > 1", "compared x, compared t.a"),
        (
            "SELECT 1 FROM t, LATERAL (VALUES (t.a)) AS v WHERE column1 > 1",
            "compared column1, compared t.a",
        ),
        ("SELECT 1 FROM t WHERE t::text LIKE '%x%'", "compared t, compared t.*"),
        ("SELECT 1 FROM t ORDER BY t", "ordered t, ordered t.*"),
        (
            "SELECT 1 FROM t c WHERE c.row_to_json::text > ''",
            "compared t.*, compared t.row_to_json",
        ),
        ("SELECT a AS x FROM t ORDER BY x", "ordered a, ordered x"),
        (
            "SELECT 1 FROM (t JOIN u ON true) AS j(x) WHERE x > 1",
            "compared t.*, compared u.*, compared x",
        ),
        ("SELECT 1 FROM t p JOIN u c ON p.a = 'x' AND c.a > 1", "compared u.a, matched t.a"),
    ]);
}

// tidy: table
#[test]
fn copies_are_seen_wherever_they_go() {
    check(&[
        ("INSERT INTO u (x, y) SELECT a, upper(b) FROM t", "copied a into u.x, copied b"),
        ("INSERT INTO u SELECT a FROM t", "copied a"),
        ("INSERT INTO u SELECT * FROM t", "copied t.*"),
        ("INSERT INTO u (x) VALUES ((SELECT a FROM t))", "copied a"),
        (
            "INSERT INTO u (x) SELECT a FROM t UNION ALL SELECT b FROM t",
            "copied a, copied b, copied b into u.x",
        ),
        (
            "INSERT INTO u (x) VALUES (1) ON CONFLICT (x) DO UPDATE SET y = excluded.a",
            "copied a into u.y, matched u.x",
        ),
        ("UPDATE t SET x = a", "copied a into t.x"),
        ("UPDATE t SET (x, y) = (SELECT a, b FROM u)", "copied a, copied b"),
        ("UPDATE t SET x = CASE WHEN a > 1 THEN 'y' END", "compared a"),
        ("UPDATE t SET x = (a = 'y')", "copied a"),
        (
            "WITH q AS (SELECT a AS x FROM t) INSERT INTO u (x) SELECT x FROM q",
            "copied a, copied x",
        ),
        (
            "MERGE INTO t USING u ON t.i = u.i WHEN MATCHED AND u.b > 1 THEN UPDATE SET x = u.a \
          WHEN NOT MATCHED THEN INSERT (x) VALUES (u.c)",
            "copied u.a into t.x, copied u.c into t.x, compared u.b, joined t.i with u.i, \
             joined u.i with t.i",
        ),
        ("CREATE TABLE u AS SELECT a FROM t", "copied a"),
        ("SELECT a INTO u FROM t", "copied a"),
        ("CREATE VIEW v AS SELECT a FROM t", "copied a"),
        ("CREATE MATERIALIZED VIEW v AS SELECT a FROM t", "copied a"),
        ("EXPLAIN CREATE TABLE u AS SELECT a FROM t", "copied a"),
        ("PREPARE p AS UPDATE t SET x = a", "copied a into t.x"),
        ("DECLARE c CURSOR FOR SELECT a FROM t WHERE b > 1", "compared b"),
        ("ALTER TABLE t ADD COLUMN g text GENERATED ALWAYS AS (a) STORED", "copied a"),
        ("ALTER TABLE t ALTER COLUMN x TYPE text USING a", "copied a"),
        ("ALTER TABLE t ALTER COLUMN x SET EXPRESSION AS (a)", "copied a"),
        ("ALTER TABLE t ADD CHECK (a <> 'x')", "compared a"),
        ("ALTER TABLE t RENAME COLUMN a TO b", "moved t.a"),
        ("ALTER TABLE t RENAME TO u", "moved t.*"),
        ("ALTER TABLE t SET SCHEMA s", "moved t.*"),
        ("ALTER TABLE t DETACH PARTITION u", "moved t.*"),
        ("ALTER TABLE u NO INHERIT t", "moved u.*"),
        ("CREATE INDEX ON t (a)", "matched t.a"),
        ("CREATE UNIQUE INDEX ON t (a)", "compared t.a"),
        ("CREATE INDEX ON t (upper(b)) WHERE a > 1", "compared a, compared b"),
        ("CREATE TABLE u (x text REFERENCES t (a), y int CHECK (y > 1))", "compared t.a"),
        ("CREATE POLICY p ON t USING (a > 1)", "compared a"),
        ("CREATE STATISTICS s ON a, b FROM t", "compared a, compared b"),
        ("DELETE FROM t USING u WHERE t.a > u.b", "compared t.a, compared u.b"),
    ]);
}

#[test]
fn a_statement_with_too_many_names_uses_everything() {
    let names: Vec<String> = (0..5_000).map(|n| format!("c{n} > 1")).collect();
    let text = format!("SELECT 1 FROM t WHERE {}", names.join(" OR "));
    check(&[(&text, "copied *, compared *")]);
    let names: Vec<String> = (0..3_000).map(|n| format!("a AS x{n}")).collect();
    let text = format!("SELECT 1 FROM (SELECT {} FROM t) q WHERE x1 > 1", names.join(", "));
    assert_eq!(uses(&text), "compared *");
}

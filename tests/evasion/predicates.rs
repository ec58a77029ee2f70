//! Answers that show no hidden value and hang on one: which rows, how many, in which order.

use crate::case::{Case, honest, tell};

// tidy: table
pub(crate) const CASES: &[Case] = &[
    tell("a pattern", "SELECT id FROM people WHERE secret LIKE 'K%'"),
    tell("a pattern in any case", "SELECT id FROM people WHERE secret ILIKE 'k%'"),
    tell("a pattern that fits not", "SELECT id FROM people WHERE secret NOT LIKE 'K%'"),
    tell("a regular expression", "SELECT id FROM people WHERE secret ~ '^K'"),
    tell("a similar text", "SELECT id FROM people WHERE secret SIMILAR TO 'K%'"),
    tell("an order of texts", "SELECT id FROM people WHERE secret < 'M'"),
    tell("an interval", "SELECT id FROM people WHERE pin BETWEEN 900000000 AND 999999999"),
    tell("an equal number", "SELECT id FROM people WHERE pin = 17"),
    tell("one of many numbers", "SELECT id FROM people WHERE pin IN (17, 18, 88881)"),
    tell("any of an array", "SELECT id FROM people WHERE pin = ANY ('{17,88881}')"),
    tell("an equal row", "SELECT id FROM people WHERE (id, pin) = (2, 17)"),
    tell("a row in order", "SELECT id FROM people WHERE (pin, id) > (1000, 0)"),
    tell("a year", "SELECT id FROM people WHERE extract(year FROM born) = 1937"),
    tell("a day", "SELECT id FROM people WHERE born < date '1950-01-01'"),
    tell("a length", "SELECT id FROM people WHERE length(secret) = 17"),
    tell("a letter", "SELECT id FROM people WHERE substr(secret, 2, 1) = 'x'"),
    tell(
        "a member of a document",
        "SELECT id FROM people WHERE profile @> '{}' AND \
          profile ->> 'clue' LIKE 'J%'",
    ),
    tell(
        "a path of a document",
        "SELECT id FROM people WHERE profile @@ \
          '$.clue starts with \"J\"'",
    ),
    tell("a member of an array", "SELECT id FROM people WHERE tags && '{red}' AND tags[2] < 'E'"),
    tell("a field of a composite", "SELECT id FROM people WHERE (home).street LIKE 'M%'"),
    tell("bytes", "SELECT id FROM people WHERE key > 'V'"),
    tell("a count", "SELECT count(*) FROM people WHERE secret < 'D'"),
    tell(
        "whether there are any",
        "SELECT 'yes' WHERE EXISTS (SELECT 1 FROM people \
          WHERE secret LIKE 'Kx7%')",
    ),
    tell(
        "a sub-query's answer",
        "SELECT name FROM people WHERE id IN (SELECT id FROM people \
          WHERE pin < 100)",
    ),
    tell(
        "a correlated answer",
        "SELECT body FROM notes n WHERE (SELECT p.pin FROM people p \
          WHERE p.id = n.person_id) < 100",
    ),
    tell("the first by order", "SELECT name FROM people ORDER BY secret LIMIT 1"),
    tell("all by order", "SELECT name FROM people ORDER BY secret DESC"),
    tell("an order by place", "SELECT name, secret FROM people ORDER BY 2"),
    tell("an order by an alias", "SELECT name, secret AS s FROM people ORDER BY s"),
    tell("an order by something made of it", "SELECT name FROM people ORDER BY length(secret), id"),
    tell("an order of rows", "SELECT name FROM people p ORDER BY (secret, id)"),
    tell("an order of a window", "SELECT name, row_number() OVER (ORDER BY secret) FROM people"),
    tell(
        "an order of a named window",
        "SELECT name, row_number() OVER w FROM people \
          WINDOW w AS (ORDER BY pin)",
    ),
    tell("the first of each", "SELECT DISTINCT ON (city) name FROM people ORDER BY city, secret")
        .after("UPDATE people SET city = 'Lisbon'"),
    tell("groups", "SELECT count(*) FROM people GROUP BY secret < 'D'"),
    tell("groups by place", "SELECT left(secret, 1), count(*) FROM people GROUP BY 1 ORDER BY 2"),
    tell(
        "groups in sets",
        "SELECT count(*) FROM people GROUP BY GROUPING SETS ((left(secret, 1)), \
          (pin > 100))",
    ),
    tell("groups that have", "SELECT count(*) FROM people HAVING min(secret) < 'B'"),
    tell("how many distinct", "SELECT count(DISTINCT secret < 'B') FROM people"),
    tell("distinct rows", "SELECT DISTINCT pin < 0 FROM people"),
    tell(
        "a join to guesses",
        "SELECT v.g FROM people p JOIN (VALUES ('Ar3Gd'), ('Bt9Jm')) AS v (g) \
          ON p.secret = v.g",
    ),
    tell(
        "a join of another kind",
        "SELECT p.id FROM people p LEFT JOIN (VALUES (17)) AS v (pin) \
          ON v.pin = p.pin WHERE v.pin IS NULL",
    ),
    tell(
        "a join by USING",
        "SELECT id FROM people JOIN (VALUES ('Ar3Gd')) AS v (secret) \
          USING (secret)",
    ),
    tell("a join by its names", "SELECT id FROM people NATURAL JOIN (VALUES (17)) AS v (pin)"),
    tell(
        "a join to itself",
        "SELECT a.name, b.name FROM people a JOIN people b \
          ON a.secret < b.secret ORDER BY a.id, b.id",
    ),
    tell(
        "a limit",
        "SELECT id FROM notes LIMIT (SELECT length(secret) - 14 FROM people \
          WHERE id = 1)",
    ),
    tell(
        "an offset",
        "SELECT id FROM notes OFFSET (SELECT length(secret) - 14 FROM people \
          WHERE id = 1)",
    ),
    tell("what two sets share", "SELECT left(secret, 1) FROM people INTERSECT VALUES ('K')"),
    tell("a view's hidden column", "SELECT id FROM contacts WHERE alias LIKE 'K%'"),
    tell("a view of a view", "SELECT id FROM contacts_twice WHERE again LIKE 'K%'"),
    tell("a view's derived column", "SELECT id FROM contacts_loud WHERE loud LIKE 'K%'"),
    tell("a materialised view's", "SELECT id FROM contacts_kept WHERE kept LIKE 'K%'"),
    tell("a partition's", "SELECT id FROM events_old WHERE payload LIKE 'K%'"),
    tell("a child's", "SELECT label FROM files_kept WHERE content LIKE 'K%'"),
    tell(
        "a sub-query's alias",
        "SELECT id FROM (SELECT id, secret AS s FROM people) AS x \
          WHERE s LIKE 'K%'",
    ),
    tell(
        "a common table expression's alias",
        "WITH w (i, s) AS (SELECT id, secret FROM people) \
          SELECT i FROM w WHERE s LIKE 'K%'",
    ),
    tell("a renamed column", "SELECT i FROM people AS p (i, n, c, s) WHERE s LIKE 'K%'"),
    tell("a whole row", "SELECT id FROM people p WHERE p::text LIKE '%,K%'"),
    tell(
        "a whole row's order",
        "SELECT a.id FROM people a, people b WHERE b.id = 2 \
          AND ROW(a.secret) < ROW(b.secret) ORDER BY 1",
    ),
    tell("a row as a document", "SELECT id FROM people p WHERE to_jsonb(p) ->> 'secret' LIKE 'K%'"),
    tell(
        "a row compared with another",
        "SELECT a.id FROM people a JOIN people b ON b.id = 1 \
          WHERE (a.*) IS DISTINCT FROM (b.*) AND a.secret > b.secret ORDER BY 1",
    ),
    tell(
        "what an update hits",
        "UPDATE notes SET body = 'hit' WHERE id IN (SELECT id FROM people \
          WHERE secret < 'D') RETURNING id",
    )
    .writes(),
    tell("how many a delete hits", "DELETE FROM people WHERE secret LIKE 'K%' RETURNING id")
        .writes(),
    tell(
        "what an insert takes",
        "INSERT INTO box (id) SELECT id FROM people WHERE pin < 100 \
          RETURNING id",
    )
    .writes(),
    tell(
        "what a merge matches",
        "MERGE INTO notes n USING people p ON p.pin = 17 AND n.id = 1 \
          WHEN MATCHED THEN DELETE;\nSELECT count(*) FROM notes;\n",
    )
    .script()
    .writes(),
    tell(
        "a guess that is inserted if it fits",
        "INSERT INTO box (id) SELECT 1 WHERE EXISTS \
          (SELECT FROM people WHERE secret = 'Ar3Gd') RETURNING id",
    )
    .writes(),
    tell(
        "a condition of a window's frame",
        "SELECT name, sum(id) OVER (ORDER BY pin RANGE \
          BETWEEN 100000 PRECEDING AND CURRENT ROW) FROM people ORDER BY id",
    ),
    tell(
        "a conditional's branch",
        "SELECT CASE WHEN secret < 'D' THEN 'low' ELSE 'high' END \
          FROM people",
    ),
    tell(
        "a conditional's subject",
        "SELECT CASE pin WHEN 17 THEN 'that' ELSE 'other' END \
          FROM people",
    ),
    tell("a truth value", "SELECT (secret < 'D') IS TRUE FROM people"),
    tell("the planner's order of rows", "SELECT id FROM people ORDER BY pin > 1000, id"),
    honest("a predicate on what is open", "SELECT name FROM people WHERE city = 'Lisbon'", "Ada"),
    honest("an order of what is open", "SELECT name FROM people ORDER BY city LIMIT 1", "Ada"),
    honest(
        "a join on what is open",
        "SELECT body FROM notes n JOIN people p ON p.id = n.person_id \
           WHERE p.name = 'Bela'",
        "likes rain",
    ),
    honest("an open column of the same name", "SELECT id FROM notes WHERE secret = 'wide'", "3"),
    honest(
        "groups of what is open",
        "SELECT city, count(*) FROM people GROUP BY city ORDER BY 1",
        "Lisbon|1",
    ),
];

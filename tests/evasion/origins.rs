//! Hidden values as they are stored, by every way that a column can come into a result.

use crate::case::{Case, honest, leak};

// tidy: table
pub(crate) const CASES: &[Case] = &[
    leak("plain", "SELECT secret FROM people"),
    leak("every column", "SELECT * FROM people"),
    leak("every column of a table", "SELECT p.* FROM people AS p"),
    leak("a table", "TABLE people"),
    leak("a table in brackets", "(TABLE people) LIMIT 1"),
    leak("only this table", "SELECT secret FROM ONLY people"),
    leak("this table and its children", "SELECT secret FROM people *"),
    leak("a number", "SELECT pin FROM people"),
    leak("a date", "SELECT born FROM people"),
    leak("a document", "SELECT profile FROM people"),
    leak("bytes", "SELECT encode(key, 'escape'), key FROM people"),
    leak("an array", "SELECT tags FROM people"),
    leak("a composite", "SELECT home FROM people"),
    leak("a long text", "SELECT essay FROM people"),
    leak("a field of a composite", "SELECT (home).street FROM people"),
    leak("every field of a composite", "SELECT (home).* FROM people"),
    leak("an element of an array", "SELECT tags[2] FROM people"),
    leak("a slice of an array", "SELECT tags[1:2] FROM people"),
    leak("a field of a document", "SELECT profile ->> 'clue', profile['clue'] FROM people"),
    leak("an alias", "SELECT secret AS a FROM people"),
    leak("a join", "SELECT p.secret FROM notes AS n JOIN people AS p ON p.id = n.person_id"),
    leak("an outer join", "SELECT p.secret FROM notes n RIGHT JOIN people p ON p.id = n.person_id"),
    leak("a full join", "SELECT p.secret FROM notes n FULL JOIN people p ON p.id = n.person_id"),
    leak("a cross join", "SELECT secret FROM people CROSS JOIN (VALUES (1)) AS v"),
    leak(
        "a lateral join",
        "SELECT x.s FROM notes n, LATERAL (SELECT p.secret AS s FROM people p \
          WHERE p.id = n.person_id) AS x",
    ),
    leak("an alias of a join", "SELECT j.* FROM (people p JOIN notes n USING (id)) AS j"),
    leak("a joined alias", "SELECT j.id, pin FROM people JOIN notes USING (id) AS j"),
    leak("a sub-query", "SELECT x FROM (SELECT secret AS x FROM people) AS s"),
    leak(
        "sub-queries in sub-queries",
        "SELECT z FROM (SELECT y AS z FROM (SELECT x AS y FROM \
          (SELECT secret AS x FROM people) a) b) c",
    ),
    leak("a common table expression", "WITH w AS (SELECT secret AS x FROM people) SELECT x FROM w"),
    leak("a materialised one", "WITH w AS MATERIALIZED (TABLE people) SELECT secret FROM w"),
    leak(
        "one that is not",
        "WITH w (a, b, c, d) AS NOT MATERIALIZED (TABLE people) \
          SELECT d FROM w",
    ),
    leak("one that shadows a table", "WITH notes AS (TABLE people) SELECT secret FROM notes"),
    leak(
        "one that shadows its own source",
        "WITH people AS (SELECT secret AS body FROM people) \
          SELECT body FROM people",
    ),
    leak(
        "a recursive one",
        "WITH RECURSIVE w (n, s) AS (SELECT 1, secret FROM people WHERE id = 1 \
          UNION ALL SELECT n + 1, s FROM w WHERE n < 3) SELECT s FROM w",
    ),
    leak("a view", "SELECT alias FROM contacts"),
    leak("a view of a view", "SELECT again FROM contacts_twice"),
    leak("a view that derives", "SELECT loud FROM contacts_loud").shows("KX7QV-ZBR91HWM4TY"),
    leak("a view of rows", "SELECT whole FROM contacts_rows"),
    leak("a field of a view of rows", "SELECT (whole).secret FROM contacts_rows"),
    leak("a view that unites", "SELECT one FROM contacts_both"),
    leak("a materialised view", "SELECT kept FROM contacts_kept"),
    leak("every column of one", "TABLE contacts_kept"),
    leak("a partitioned table", "SELECT payload FROM events"),
    leak("a partition by its own name", "SELECT payload FROM events_old"),
    leak("a parent table", "SELECT content FROM files"),
    leak("a child by its own name", "SELECT content FROM files_kept"),
    leak("a row changed", "UPDATE people SET city = city WHERE id = 1 RETURNING secret").writes(),
    leak("a row deleted", "DELETE FROM people WHERE id = 1 RETURNING *").writes(),
    leak(
        "a row that was in the way",
        "INSERT INTO people (id, name, city, secret, pin, born, \
          profile, key, tags, home, essay) VALUES (1, '', '', '', 0, now(), '{}', '', '{}', \
          ROW('', 0), '') ON CONFLICT (id) DO UPDATE SET city = 'x' RETURNING secret",
    )
    .script(),
    leak(
        "a changed row in a common table expression",
        "WITH u AS (UPDATE people SET city = city \
          RETURNING secret AS a) SELECT a FROM u",
    )
    .writes(),
    leak(
        "a row joined to a changed one",
        "UPDATE notes n SET body = 'x' FROM people p \
          WHERE p.id = n.person_id RETURNING p.secret",
    )
    .writes(),
    leak(
        "a row used to delete another",
        "DELETE FROM notes n USING people p \
          WHERE p.id = n.person_id RETURNING p.*",
    )
    .writes(),
    leak("a row", "SELECT p FROM people AS p"),
    leak("a row of a sub-query", "SELECT s FROM (SELECT id, secret FROM people) AS s"),
    leak("a row put together", "SELECT ROW(id, secret) FROM people"),
    leak("a row put together without a word", "SELECT (id, secret) FROM people"),
    leak("a row of a row", "SELECT ROW(p.*) FROM people AS p"),
    leak("a field of a row", "SELECT (p).secret FROM people AS p"),
    leak("a field of a row put together", "SELECT (r).secret FROM (SELECT p AS r FROM people p) x"),
    leak("every field of a row", "SELECT ((p)).* FROM people AS p"),
    leak("a distinct value", "SELECT DISTINCT ON (id) secret FROM people"),
    leak("a locked row", "SELECT secret FROM people FOR UPDATE"),
    leak("a sampled row", "SELECT secret FROM people TABLESAMPLE BERNOULLI (100)"),
    leak("a cast that does nothing", "SELECT secret::text, CAST(secret AS text) FROM people"),
    leak("in an array", "SELECT ARRAY[secret] FROM people"),
    leak("in an array of a sub-query", "SELECT ARRAY(SELECT secret FROM people)"),
    leak("as a value", "SELECT (SELECT secret FROM people WHERE id = 1)"),
    leak("as a value in VALUES", "VALUES (1, (SELECT secret FROM people WHERE id = 1))"),
    leak("next to something in the open", "SELECT name, secret, city FROM people"),
    leak("in a column that is named twice", "SELECT name AS a, secret AS a FROM people"),
    leak("a join without words", "SELECT * FROM people NATURAL JOIN (SELECT 1 AS id) AS one"),
    leak("a join by USING", "SELECT * FROM people JOIN (SELECT 1 AS id) AS one USING (id)"),
    honest("the open columns are shown", "SELECT id, name, city FROM people", "1|Ada|Lisbon\n"),
    honest("an open column of the same name is", "SELECT secret FROM notes WHERE id = 1", "open"),
    honest("an open column of a view is", "SELECT name FROM contacts WHERE id = 1", "Ada"),
    honest("a partition's open column is", "SELECT day FROM events_old", "2024-05-05"),
    honest("a child's open column is", "SELECT label, shelf FROM files_kept", "one|7"),
    honest("a materialised view's open column is", "SELECT name FROM contacts_kept", "Chidi"),
    honest("what is computed of open columns is", "SELECT upper(name) FROM people", "BELA"),
];

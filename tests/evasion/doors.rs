//! Ways out that are no result of a query: errors, notices, plans, statistics, files, other
//! connections.

use crate::case::{Case, leak, tell};

/// Removes a file of the server.
const FORGET: &str =
    "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -f /tmp/portcullis-evasion-d-{database}'";

// tidy: table
pub(crate) const CASES: &[Case] = &[
    leak("an error of a cast to a number", "SELECT secret::integer FROM people"),
    leak("an error of a cast to a date", "SELECT secret::date FROM people"),
    leak("an error of a cast to JSON", "SELECT secret::json FROM people").shows("Kx7Qv"),
    leak("an error of a cast to XML", "SELECT ('<a>' || secret)::xml FROM people"),
    leak("an error of a cast to a name", "SELECT secret::regclass FROM people")
        .shows("kx7qv-zbr91hwm4ty"),
    leak("an error of a cast to a type", "SELECT secret::regtype FROM people"),
    leak("an error of a cast to an enumeration", "SELECT secret::mood FROM people")
        .after("CREATE TYPE mood AS ENUM ('ok')"),
    leak("an error of a cast to an address", "SELECT secret::inet FROM people"),
    leak("an error of a cast to a domain", "SELECT secret::uuid FROM people"),
    leak("an error of a number's form", "SELECT secret::numeric FROM people"),
    leak("an error of an interval", "SELECT secret::interval FROM people"),
    leak("an error of a range", "SELECT (pin::text || '9999')::integer FROM people"),
    leak("an error of a small number", "SELECT pin::text::smallint FROM people"),
    leak("an error of a time zone", "SELECT now() AT TIME ZONE secret FROM people"),
    leak("an error of a setting", "SELECT current_setting(secret) FROM people"),
    leak(
        "an error of a role",
        "SELECT has_table_privilege(secret, 'people', 'SELECT') FROM people",
    ),
    leak("an error of a column", "SELECT col_description(secret::regclass, 1) FROM people")
        .shows("kx7qv-zbr91hwm4ty"),
    leak("an error of an encoding", "SELECT convert_to('x', secret) FROM people"),
    leak("an error of decoding", "SELECT decode('zz', secret) FROM people"),
    leak("an error of a unit", "SELECT date_trunc(secret, now()) FROM people")
        .shows("kx7qv-zbr91hwm4ty"),
    leak("an error of a sequence", "SELECT nextval(secret) FROM people").shows("kx7qv-zbr91hwm4ty"),
    leak(
        "an error of two equal keys",
        "INSERT INTO people SELECT 9, name, city, secret, pin, born, \
          profile, key, tags, home, essay FROM people WHERE id = 1",
    )
    .writes(),
    leak(
        "an error of two equal keys in an update",
        "UPDATE people SET secret = (SELECT secret \
          FROM people WHERE id = 1)",
    )
    .writes(),
    leak("an error of a new index", "CREATE UNIQUE INDEX ON twins (a)")
        .after(
            "CREATE TABLE twins AS SELECT secret AS a FROM people UNION ALL \
                SELECT secret FROM people",
        )
        .writes(),
    leak("an error of a check", "INSERT INTO checked SELECT 1, secret FROM people")
        .after("CREATE TABLE checked (a integer CHECK (a > 1), b text)"),
    leak(
        "an error of a check on its own table",
        "ALTER TABLE people ADD CHECK (city = 'x') \
          NOT VALID; UPDATE people SET name = name",
    )
    .writes(),
    leak("an error of what is not null", "UPDATE people SET name = NULL WHERE id = 1").writes(),
    leak("an error of a key elsewhere", "INSERT INTO child SELECT secret FROM people").after(
        "CREATE TABLE parent (a text PRIMARY KEY); \
                CREATE TABLE child (a text REFERENCES parent (a))",
    ),
    leak("an error of a key that is used", "DELETE FROM people WHERE id = 1").after(
        "CREATE TABLE child (a text REFERENCES people (secret)); \
         INSERT INTO child SELECT secret FROM people",
    ),
    leak("an error of an exclusion", "INSERT INTO apart SELECT secret FROM people").after(
        "CREATE TABLE apart (a text, EXCLUDE USING btree (a WITH =)); \
                INSERT INTO apart SELECT secret FROM people",
    ),
    leak("an error of a partition", "INSERT INTO cut SELECT secret FROM people")
        .after("CREATE TABLE cut (a text) PARTITION BY LIST (a)"),
    leak("an error of a domain", "SELECT secret::short FROM people")
        .after("CREATE DOMAIN short AS text CHECK (VALUE::integer > 0)"),
    leak("an error of a view's check", "INSERT INTO v SELECT 1, secret FROM people")
        .after("CREATE VIEW v AS SELECT id, body FROM box WHERE id > 5 WITH CHECK OPTION"),
    leak(
        "an error that is raised",
        "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT secret FROM people \
          WHERE id = 1); END $$",
    ),
    leak(
        "an error's detail",
        "DO $$ BEGIN RAISE EXCEPTION 'x' USING DETAIL = (SELECT secret \
          FROM people WHERE id = 1); END $$",
    ),
    leak(
        "an error's hint",
        "DO $$ BEGIN RAISE EXCEPTION 'x' USING HINT = (SELECT secret \
          FROM people WHERE id = 1); END $$",
    ),
    leak(
        "an error's table and column",
        "\\set VERBOSITY verbose\nDO $$ BEGIN RAISE EXCEPTION 'x' \
          USING TABLE = (SELECT secret FROM people WHERE id = 1), COLUMN = 'a'; END $$;\n",
    )
    .script(),
    tell(
        "an error's code",
        "\\set VERBOSITY verbose\nDO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE \
          = (SELECT upper(left(replace(secret, '-', ''), 5)) FROM people WHERE id = 1); END $$;\n",
    )
    .script(),
    leak(
        "a notice",
        "DO $$ BEGIN RAISE NOTICE '%', (SELECT secret FROM people WHERE id = 1); \
          END $$",
    ),
    leak(
        "a warning",
        "DO $$ BEGIN RAISE WARNING '%', (SELECT array_agg(p)::text FROM people p); \
          END $$",
    ),
    leak(
        "an assertion",
        "DO $$ BEGIN ASSERT false, (SELECT secret FROM people WHERE id = 1); \
          END $$",
    ),
    leak(
        "a statement put together",
        "DO $$ BEGIN EXECUTE 'SELECT ' || (SELECT quote_ident(secret) \
          FROM people WHERE id = 1); END $$",
    ),
    leak(
        "the context of an error",
        "DO $$ BEGIN EXECUTE (SELECT '/*' || secret || '*/ SELECT 1/0' \
          FROM people WHERE id = 1); END $$",
    ),
    leak("a function's error", "SELECT show(secret) FROM people").after(
        "CREATE FUNCTION show(text) RETURNS integer LANGUAGE plpgsql AS \
         'BEGIN RAISE EXCEPTION ''%'', $1; END'",
    ),
    leak("a function's notice", "SELECT show(secret) FROM people").after(
        "CREATE FUNCTION show(text) RETURNS integer LANGUAGE plpgsql AS \
         'BEGIN RAISE NOTICE ''%'', $1; RETURN 1; END'",
    ),
    leak("a function's answer", "SELECT show()").after(
        "CREATE FUNCTION show() RETURNS text LANGUAGE sql AS \
         'SELECT secret FROM people WHERE id = 1'",
    ),
    leak("a function's answer of a row", "SELECT p.shown FROM people p"),
    leak("a function's table", "SELECT * FROM show()").after(
        "CREATE FUNCTION show() RETURNS TABLE (a text) LANGUAGE sql AS \
         'SELECT secret FROM people'",
    ),
    leak("a function with rights of its own", "SELECT show()").after(
        "CREATE FUNCTION show() RETURNS SETOF people LANGUAGE sql SECURITY DEFINER AS \
         'SELECT * FROM people'",
    ),
    leak(
        "a function that keeps it for later",
        "SELECT keep(secret) FROM people WHERE id = 1;\n\
          SELECT current_setting('my.own');\n",
    )
    .script()
    .after(
        "CREATE FUNCTION keep(text) RETURNS integer LANGUAGE plpgsql AS \
         'BEGIN PERFORM set_config(''my.own'', $1, false); RETURN 1; END'",
    ),
    leak("a procedure's answer", "CALL show(NULL)").after(
        "CREATE PROCEDURE show(INOUT a text) LANGUAGE sql AS \
         'SELECT secret FROM people WHERE id = 1'",
    ),
    tell(
        "a division by nothing",
        "SELECT 1 / (CASE WHEN secret LIKE 'K%' THEN 0 ELSE 1 END) \
          FROM people WHERE id = 1",
    ),
    tell("a division by a number", "SELECT 1 / (pin - 17) FROM people WHERE id = 2"),
    tell("an overflow", "SELECT 2147483000 + length(secret) * 40 FROM people WHERE id = 1"),
    tell("too many rows", "SELECT (SELECT 1 FROM people WHERE secret < 'B')"),
    tell(
        "an error or none by a predicate",
        "SELECT 1 FROM people WHERE secret LIKE 'K%' \
          AND 1 / (id - 1) = 0",
    ),
    tell("a plan's filter", "EXPLAIN SELECT id FROM people WHERE secret < 'D'").script().after(
        "INSERT INTO people SELECT n, '', '', md5(n::text), 0, now(), '{}', '', '{}', \
               ROW('', 0)::address, '' FROM generate_series(10, 400) n WHERE EXISTS (SELECT FROM \
          people \
               WHERE secret LIKE 'K%'); ANALYZE people",
    ),
    tell(
        "a plan that is run",
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) \
          SELECT id FROM people WHERE secret < 'D'",
    )
    .script(),
    tell(
        "a plan as JSON",
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF, \
          FORMAT JSON) SELECT id FROM people WHERE pin > 1000",
    )
    .script(),
    tell(
        "a plan as XML",
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT XML) \
          SELECT id FROM people WHERE pin > 1000",
    )
    .script(),
    tell(
        "a plan as YAML",
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT YAML) \
          SELECT id FROM people WHERE secret LIKE 'K%'",
    )
    .script(),
    tell(
        "a plan of an execution",
        "PREPARE p AS SELECT id FROM people WHERE pin > 1000;\n\
          EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE p;\n",
    )
    .script(),
    leak(
        "statistics",
        "SELECT histogram_bounds FROM pg_stats WHERE tablename = 'people' \
          AND attname = 'secret'",
    ),
    leak(
        "statistics without the view",
        "SELECT stavalues1::text FROM pg_statistic \
          WHERE starelid = 'people'::regclass",
    ),
    leak(
        "the most common values",
        "SELECT most_common_vals::text FROM pg_stats \
          WHERE tablename = 'people' AND attname = 'born'",
    )
    .after("UPDATE people SET born = (SELECT born FROM people WHERE id = 1); ANALYZE people"),
    leak(
        "statistics of two columns",
        "SELECT m.values FROM pg_statistic_ext_data d, \
          pg_mcv_list_items(d.stxdmcv) AS m",
    )
    .after(
        "CREATE STATISTICS s (mcv) ON name, secret \
          FROM people; ANALYZE people",
    ),
    leak(
        "statistics of an expression",
        "SELECT most_common_vals::text, histogram_bounds::text \
          FROM pg_stats_ext_exprs",
    )
    .after(
        "CREATE STATISTICS s ON (secret || '') FROM people; \
          ANALYZE people",
    ),
    leak("statistics of an index", "SELECT histogram_bounds FROM pg_stats WHERE tablename = 'i'")
        .after("CREATE INDEX i ON people ((secret || '')); ANALYZE people"),
    tell(
        "how wide it is",
        "SELECT attname, avg_width, n_distinct FROM pg_stats \
          WHERE tablename = 'people' ORDER BY 1",
    ),
    leak("a table as XML", "SELECT table_to_xml('people', true, true, '')"),
    leak("a query as XML", "SELECT query_to_xml('SELECT secret FROM people', true, true, '')"),
    leak(
        "a query as XML, put together",
        "SELECT query_to_xml('SELECT sec' || 'ret FROM peo' || \
          'ple', true, true, '')",
    ),
    leak(
        "a query as XML and its schema",
        "SELECT query_to_xml_and_xmlschema('TABLE people', true, \
          true, '')",
    ),
    leak("a schema as XML", "SELECT schema_to_xml('public', true, true, '')"),
    leak("a database as XML", "SELECT database_to_xml(true, true, '')"),
    leak(
        "a cursor as XML",
        "BEGIN; DECLARE c CURSOR FOR TABLE people; SELECT cursor_to_xml('c', 9, \
          true, true, '')",
    ),
    leak(
        "statistics of words",
        "SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', \
          replace(secret, ''-'', ''_'')) FROM people')",
    )
    .shows("kx7qv")
    .script(),
    leak(
        "a query rewritten by rows",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, \
          quote_literal(secret)::tsquery FROM people WHERE id = 1')",
    ),
    leak(
        "another connection",
        "SELECT * FROM dblink('host=127.0.0.1 port={port} dbname={database} \
          user=shop_app password={password}', 'SELECT secret FROM people') AS t (a text)",
    )
    .after("CREATE EXTENSION dblink"),
    leak(
        "a connection by name",
        "SELECT dblink_connect('c', 'host=127.0.0.1 port={port} \
          dbname={database} user=shop_app password={password}');\nSELECT * FROM dblink('c', \
          'TABLE contacts') AS t (a int, b text, c text);\n",
    )
    .script()
    .after("CREATE EXTENSION dblink"),
    leak(
        "a crosstab of another query",
        "SELECT * FROM crosstab('SELECT 1, id, secret FROM people \
          ORDER BY 2') AS c (r int, a text, b text)",
    )
    .after("CREATE EXTENSION tablefunc"),
    leak(
        "a table's file",
        "SELECT encode(pg_read_binary_file(pg_relation_filepath('people')), \
          'escape')",
    )
    .after("CHECKPOINT"),
    leak("a table's page", "SELECT encode(get_raw_page('people', 0), 'escape')")
        .after("CREATE EXTENSION pageinspect"),
    leak(
        "rows of a table's page",
        "SELECT encode(t_data, 'escape') FROM \
          heap_page_items(get_raw_page('people', 0))",
    )
    .after("CREATE EXTENSION pageinspect"),
    leak("keys of an index's page", "SELECT data FROM bt_page_items('people_secret_key', 1)")
        .shows("4b 78 37 51")
        .after("CREATE EXTENSION pageinspect"),
    leak(
        "a table's long values",
        "SELECT reltoastrelid::regclass AS t FROM pg_class WHERE relname \
          = 'people' \\gset\nSELECT encode(chunk_data, 'escape') FROM :t;\n",
    )
    .script()
    .after(
        "ALTER TABLE people ALTER essay SET STORAGE EXTERNAL; UPDATE people SET essay = essay \
                || repeat(' ', 3000) WHERE id = 1",
    ),
    leak("a file of the server", "SELECT pg_read_file('/tmp/portcullis-evasion-d-{database}')")
        .after("COPY people TO '/tmp/portcullis-evasion-d-{database}'")
        .undo(FORGET),
    leak("a file as a table", "SELECT line FROM lines")
        .after(
            "COPY people TO '/tmp/portcullis-evasion-d-{database}'; CREATE EXTENSION file_fdw; \
         CREATE SERVER f FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE lines (line text) \
         SERVER f OPTIONS (filename '/tmp/portcullis-evasion-d-{database}', delimiter E'\\x01')",
        )
        .undo(FORGET),
    leak(
        "prepared statements",
        "DO $$ BEGIN EXECUTE (SELECT format('PREPARE p AS SELECT %L', \
          secret) FROM people WHERE id = 1); END $$;\nSELECT statement FROM \
          pg_prepared_statements;\n",
    )
    .script(),
    leak(
        "cursors",
        "BEGIN;\nDO $$ BEGIN EXECUTE (SELECT format('DECLARE c CURSOR WITH HOLD FOR \
          SELECT %L', secret) FROM people WHERE id = 1); END $$;\nSELECT statement FROM \
          pg_cursors;\n",
    )
    .script(),
    leak(
        "a view's text with it",
        "DO $$ BEGIN EXECUTE (SELECT format('CREATE VIEW v AS SELECT \
          %L::text AS a', secret) FROM people WHERE id = 1); END $$;\nSELECT \
          pg_get_viewdef('v'::regclass);\n",
    )
    .script()
    .writes(),
    leak(
        "a partition's bounds",
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class \
          WHERE relname = 'cut_1'",
    )
    .after(
        "CREATE TABLE cut (a text) PARTITION BY LIST (a); DO $$ \
          BEGIN EXECUTE (SELECT format('CREATE TABLE cut_1 PARTITION OF cut FOR VALUES IN (%L)', \
          secret) FROM people WHERE id = 1); END $$",
    ),
];

//! Hidden values copied to where nothing hides them, and read from there.

use crate::case::{Case, honest, leak, tell};

// tidy: table
pub(crate) const CASES: &[Case] = &[
    leak(
        "inserted into another table",
        "INSERT INTO box (body) SELECT secret FROM people; \
          SELECT body FROM box",
    )
    .writes(),
    leak(
        "inserted and returned",
        "INSERT INTO box (body) SELECT secret FROM people \
          RETURNING body",
    )
    .writes(),
    leak(
        "inserted by a value",
        "INSERT INTO box (body) VALUES ((SELECT secret FROM people \
          WHERE id = 1)) RETURNING *",
    )
    .writes(),
    leak(
        "inserted by a common table expression",
        "WITH s AS (SELECT secret AS x FROM people) \
          INSERT INTO box (body) SELECT x FROM s RETURNING body",
    )
    .writes(),
    leak(
        "inserted from what was returned",
        "WITH d AS (DELETE FROM people RETURNING secret AS x), \
          i AS (INSERT INTO box (body) SELECT x FROM d RETURNING body) SELECT body FROM i",
    )
    .writes(),
    leak(
        "inserted by conflict",
        "INSERT INTO notes (id) VALUES (1) ON CONFLICT (id) DO UPDATE \
          SET body = (SELECT secret FROM people WHERE id = 1) RETURNING body",
    )
    .writes(),
    leak(
        "inserted through a view",
        "INSERT INTO v SELECT secret FROM people; SELECT body FROM box",
    )
    .after("CREATE VIEW v AS SELECT body FROM box"),
    leak(
        "inserted from a table as it is",
        "INSERT INTO twin TABLE people; SELECT secret FROM twin",
    )
    .after("CREATE TABLE twin (LIKE people)"),
    leak(
        "a number into a number",
        "INSERT INTO box (amount) SELECT pin FROM people; \
          SELECT amount FROM box",
    )
    .writes(),
    leak(
        "a document into a document",
        "INSERT INTO box (doc) SELECT profile FROM people; \
          SELECT doc FROM box",
    )
    .writes(),
    leak("updated into an open column", "UPDATE people SET name = secret; SELECT name FROM people")
        .writes(),
    leak(
        "updated into two",
        "UPDATE people SET (name, city) = (secret, secret); \
          SELECT city FROM people",
    )
    .writes(),
    leak(
        "updated from a sub-query",
        "UPDATE people p SET (name, city) = (SELECT q.secret, '' \
          FROM people q WHERE q.id = p.id) RETURNING name",
    )
    .writes(),
    leak(
        "updated from a join",
        "UPDATE notes n SET body = p.secret FROM people p \
          WHERE p.id = n.person_id; SELECT body FROM notes",
    )
    .writes(),
    leak(
        "updated with something made of it",
        "UPDATE people SET city = upper(secret); \
          SELECT city FROM people",
    )
    .writes()
    .shows("KX7QV"),
    leak(
        "merged in",
        "MERGE INTO box b USING people p ON false WHEN NOT MATCHED THEN \
          INSERT (id, body) VALUES (p.id, p.secret); SELECT body FROM box",
    )
    .writes(),
    leak(
        "merged over",
        "MERGE INTO notes n USING people p ON n.person_id = p.id \
          WHEN MATCHED AND n.id <> 3 THEN UPDATE SET body = p.secret; SELECT body FROM notes",
    )
    .writes(),
    leak("a table made of it", "CREATE TABLE t AS SELECT secret AS a FROM people; SELECT a FROM t")
        .writes(),
    leak("a table made of a table", "CREATE TABLE t AS TABLE people; SELECT secret FROM t")
        .writes(),
    leak(
        "a table made in another message",
        "CREATE TABLE t AS SELECT secret AS a FROM people;\nSELECT a FROM \
          t;\n",
    )
    .script()
    .writes(),
    leak(
        "a table made by an execution",
        "PREPARE p AS SELECT secret AS a FROM people;\n\
          CREATE TABLE t AS EXECUTE p;\nSELECT a FROM t;\n",
    )
    .script()
    .writes(),
    leak("selected into a table", "SELECT secret AS a INTO t FROM people;\nSELECT a FROM t;\n")
        .script()
        .writes(),
    leak(
        "a temporary table",
        "CREATE TEMP TABLE t AS SELECT secret AS a FROM people;\n\
          SELECT a FROM t;\n",
    )
    .script()
    .writes(),
    leak(
        "a temporary table in the place of another",
        "CREATE TEMP TABLE notes AS SELECT secret \
          AS body FROM people;\nSELECT body FROM notes;\n",
    )
    .script()
    .writes(),
    leak(
        "an unlogged table",
        "CREATE UNLOGGED TABLE t (a) AS SELECT secret FROM people;\n\
          TABLE t;\n",
    )
    .script()
    .writes(),
    leak("a view", "CREATE VIEW v AS SELECT secret AS a FROM people;\nSELECT a FROM v;\n")
        .script()
        .writes(),
    leak("a temporary view", "CREATE TEMP VIEW v AS SELECT secret AS a FROM people;\nTABLE v;\n")
        .script()
        .writes(),
    leak(
        "a recursive view",
        "CREATE RECURSIVE VIEW v (a) AS SELECT secret FROM people;\nTABLE \
          v;\n",
    )
    .script()
    .writes(),
    leak(
        "a view with another definition",
        "CREATE OR REPLACE VIEW v AS SELECT secret AS a \
          FROM people;\nSELECT a FROM v;\n",
    )
    .script()
    .after("CREATE VIEW v AS SELECT name AS a FROM people"),
    leak(
        "a view in a transaction",
        "BEGIN; CREATE VIEW v AS SELECT secret AS a FROM people; \
          SELECT a FROM v; ROLLBACK",
    ),
    leak(
        "a materialised view",
        "CREATE MATERIALIZED VIEW v AS SELECT secret AS a FROM people;\n\
          SELECT a FROM v;\n",
    )
    .script()
    .writes(),
    leak(
        "a column with another name",
        "ALTER TABLE people RENAME secret TO open;\n\
          SELECT open FROM people;\n",
    )
    .script()
    .writes(),
    leak(
        "a table with another name",
        "ALTER TABLE people RENAME TO persons;\n\
          SELECT secret FROM persons;\n",
    )
    .script()
    .writes(),
    leak(
        "a table in another schema",
        "CREATE SCHEMA s;\nALTER TABLE people SET SCHEMA s;\n\
          SELECT secret FROM s.people;\n",
    )
    .script()
    .writes(),
    leak(
        "a schema with another name",
        "ALTER SCHEMA public RENAME TO open;\n\
          SELECT secret FROM open.people;\n",
    )
    .script()
    .writes(),
    leak(
        "names that change places",
        "ALTER TABLE people RENAME secret TO s;\n\
          ALTER TABLE people RENAME name TO secret;\nALTER TABLE people RENAME s TO name;\n\
          SELECT name FROM people;\n",
    )
    .script()
    .writes(),
    leak(
        "a column changed by another",
        "ALTER TABLE people ALTER city TYPE text USING secret;\n\
          SELECT city FROM people;\n",
    )
    .script()
    .writes(),
    leak(
        "a column made of another",
        "ALTER TABLE people ADD twin text GENERATED ALWAYS AS \
          (secret) STORED;\nSELECT twin FROM people;\n",
    )
    .script()
    .writes(),
    leak(
        "a table with a generated column",
        "CREATE TABLE t (a text, b text GENERATED ALWAYS AS \
          (a) STORED);\nINSERT INTO t SELECT secret FROM people;\nSELECT b FROM t;\n",
    )
    .script()
    .writes(),
    leak(
        "a rule that copies",
        "CREATE RULE r AS ON UPDATE TO people DO ALSO INSERT INTO box \
          (body) \
          VALUES (OLD.secret);\nUPDATE people SET city = 'x';\nSELECT body FROM box;\n",
    )
    .script()
    .writes(),
    leak(
        "a trigger that copies",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN \
          INSERT INTO box (body) VALUES (NEW.secret); RETURN NEW; END';\nCREATE TRIGGER t AFTER \
          UPDATE ON people FOR EACH ROW EXECUTE FUNCTION f();\nUPDATE people SET city = 'x';\n\
          SELECT body FROM box;\n",
    )
    .script()
    .writes(),
    leak(
        "a trigger that is there already",
        "UPDATE people SET city = 'x';\nSELECT body FROM \
          box;\n",
    )
    .script()
    .after(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN \
          NEW.name := NEW.secret; RETURN NEW; END'; CREATE TRIGGER t BEFORE \
          UPDATE ON people FOR EACH ROW EXECUTE FUNCTION f(); \
          CREATE RULE r AS ON UPDATE TO people DO ALSO INSERT INTO box (body) \
          VALUES (OLD.secret)",
    ),
    leak(
        "a partition taken off",
        "ALTER TABLE events DETACH PARTITION events_old;\n\
          SELECT payload FROM events_old;\n",
    )
    .script()
    .writes(),
    leak(
        "a child that inherits no more",
        "ALTER TABLE files_kept NO INHERIT files;\n\
          SELECT content FROM files_kept;\n",
    )
    .script()
    .writes(),
    leak(
        "a partition put elsewhere",
        "CREATE TABLE open (LIKE events) PARTITION BY RANGE (day);\n\
          ALTER TABLE events DETACH PARTITION events_old;\nALTER TABLE open ATTACH PARTITION \
          events_old FOR VALUES FROM ('2020-01-01') TO ('2025-01-01');\nSELECT payload FROM \
          open;\n",
    )
    .script()
    .writes(),
    leak(
        "a parent of a hidden table",
        "CREATE TABLE above (id integer, secret text);\n\
          ALTER TABLE people INHERIT above;\nSELECT secret FROM above;\n",
    )
    .script()
    .writes(),
    leak("a foreign table of it", "SELECT a FROM far").after(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS \
         (host '127.0.0.1', port '{port}', dbname '{database}'); CREATE USER MAPPING FOR shop_app \
         SERVER s OPTIONS (user 'shop_app', password '{password}'); CREATE FOREIGN TABLE far \
         (a text OPTIONS (column_name 'secret')) SERVER s OPTIONS (table_name 'people')",
    ),
    leak("a view of a foreign table of it", "SELECT upper(b) FROM farther")
        .after(
            "CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw \
             OPTIONS (host '127.0.0.1', port '{port}', dbname '{database}'); CREATE USER MAPPING \
             FOR PUBLIC SERVER s OPTIONS (user 'shop_app', password '{password}'); \
             CREATE FOREIGN TABLE far (a text OPTIONS (column_name 'secret')) SERVER s OPTIONS \
             (table_name 'people'); CREATE VIEW farther AS SELECT a AS b FROM far",
        )
        .shows("KX7QV-ZBR91HWM4TY"),
    leak("a partition that is a foreign table of it", "SELECT a FROM parts").after(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS \
         (host '127.0.0.1', port '{port}', dbname '{database}'); CREATE USER MAPPING FOR PUBLIC \
         SERVER s OPTIONS (user 'shop_app', password '{password}'); CREATE TABLE parts \
         (id integer, a text) PARTITION BY RANGE (id); CREATE FOREIGN TABLE part PARTITION OF \
         parts FOR VALUES FROM (0) TO (9) SERVER s OPTIONS (table_name 'people'); ALTER FOREIGN \
         TABLE part ALTER a OPTIONS (ADD column_name 'secret')",
    ),
    honest("a foreign table that is listed", "SELECT body FROM near", "likes tea").after(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS \
         (host '127.0.0.1', port '{port}', dbname '{database}'); CREATE USER MAPPING FOR PUBLIC \
         SERVER s OPTIONS (user 'shop_app', password '{password}'); CREATE FOREIGN TABLE near \
         (body text) SERVER s OPTIONS (table_name 'notes')",
    ),
    leak(
        "a large object",
        "SELECT lo_from_bytea(4711, secret::bytea) FROM people WHERE id = 1;\n\
          SELECT convert_from(lo_get(4711), 'UTF8');\n",
    )
    .script()
    .writes(),
    leak(
        "a large object's pages",
        "SELECT lo_from_bytea(4711, secret::bytea) FROM people \
          WHERE id = 1;\nSELECT encode(data, 'escape') FROM pg_largeobject;\n",
    )
    .script()
    .writes(),
    leak(
        "a setting",
        "SELECT set_config('my.own', secret, false) IS NULL FROM people WHERE id = \
          1;\n\
          SHOW my.own;\n",
    )
    .script(),
    leak(
        "a setting read by a function",
        "SELECT set_config('my.own', secret, true), \
          current_setting('my.own') FROM people WHERE id = 1",
    )
    .script(),
    leak(
        "a remark",
        "DO $$ BEGIN EXECUTE (SELECT format('COMMENT ON TABLE notes IS %L', secret) \
          FROM people WHERE id = 1); END $$;\nSELECT obj_description('notes'::regclass);\n",
    )
    .script()
    .writes(),
    leak(
        "a role's or table's name",
        "DO $$ BEGIN EXECUTE (SELECT format('CREATE TABLE %I ()', \
          secret) FROM people WHERE id = 1); END $$;\nSELECT relname FROM pg_class \
          WHERE relkind = 'r' ORDER BY oid DESC LIMIT 3;\n",
    )
    .script()
    .writes(),
    leak(
        "a column's default",
        "DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE box ALTER body SET \
          DEFAULT %L', secret) FROM people WHERE id = 1); END $$;\nINSERT INTO box DEFAULT VALUES \
          RETURNING body;\n",
    )
    .script()
    .writes(),
    leak(
        "a notice to listeners",
        "LISTEN ch;\nSELECT pg_notify('ch', secret) FROM people \
          WHERE id = 1;\nSELECT 1;\n",
    )
    .script(),
    leak(
        "an application's name",
        "SELECT set_config('application_name', secret, false) IS NULL \
          FROM people WHERE id = 1;\nSHOW application_name;\n",
    )
    .script(),
    tell(
        "a sequence's value",
        "SELECT setval('tickets', length(secret)) IS NULL FROM people \
          WHERE id = 1;\nSELECT last_value FROM tickets;\n",
    )
    .script()
    .writes(),
    tell(
        "a sequence counted by rows",
        "SELECT count(nextval('tickets')) FROM people \
          WHERE secret < 'D';\nSELECT last_value FROM tickets;\n",
    )
    .script()
    .writes(),
    tell(
        "a lock taken by value",
        "SELECT pg_advisory_lock(length(secret)) IS NULL FROM people \
          WHERE id = 1;\nSELECT objid FROM pg_locks WHERE locktype = 'advisory' ORDER BY 1;\n",
    )
    .script(),
    tell(
        "an index over it",
        "CREATE UNIQUE INDEX i ON people ((secret < 'Kz'), (pin > 100));\n\
          SELECT count(*) FROM pg_class WHERE relname = 'i';\n",
    )
    .script()
    .writes(),
    tell(
        "a check over it",
        "ALTER TABLE people ADD CHECK (secret < 'a');\nSELECT count(*) \
          FROM pg_constraint WHERE conrelid = 'people'::regclass AND contype = 'c';\n",
    )
    .script()
    .writes(),
    tell(
        "a key into it",
        "CREATE TABLE guess (g text REFERENCES people (secret));\n\
          INSERT INTO guess VALUES ('Ar3Gd');\nSELECT count(*) FROM guess;\n",
    )
    .script()
    .writes(),
    tell(
        "a copy that is shorter",
        "CREATE TABLE t AS SELECT 1 AS a FROM people \
          WHERE length(secret) > 15;\nSELECT count(*) FROM t;\n",
    )
    .script()
    .writes(),
];

//! What is said first and done later: prepared statements and cursors in SQL, names that come to
//! mean something else in between.

use crate::case::{Case, honest, leak, tell};

// tidy: table
pub(crate) const CASES: &[Case] = &[
    leak("prepared and executed", "PREPARE p AS SELECT secret FROM people; EXECUTE p"),
    leak(
        "executed in another message",
        "PREPARE p AS SELECT secret AS a FROM people;\nEXECUTE \
          p;\n",
    )
    .script(),
    leak(
        "executed as something made of it",
        "PREPARE p AS SELECT secret || '' FROM people;\n\
          SELECT 1;\nEXECUTE p;\n",
    )
    .script(),
    leak(
        "executed with a value",
        "PREPARE p (integer) AS SELECT secret FROM people WHERE id = \
          $1;\n\
          EXECUTE p (1);\n",
    )
    .script(),
    leak(
        "prepared anew under a name",
        "PREPARE p AS SELECT name FROM people;\nDEALLOCATE p;\n\
          PREPARE p AS SELECT secret FROM people;\nEXECUTE p;\n",
    )
    .script(),
    leak(
        "prepared anew after all were dropped",
        "PREPARE p AS SELECT name FROM people;\n\
          EXECUTE p;\nDISCARD ALL;\nPREPARE p AS SELECT secret FROM people;\nEXECUTE \
          p;\n",
    )
    .script(),
    leak(
        "prepared under a long name",
        "PREPARE \
          looooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong_1 AS SELECT name FROM \
          people;\nDEALLOCATE looooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong_2;\n\
          PREPARE looooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong_3 AS \
          SELECT secret FROM people;\nEXECUTE \
          looooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong_4;\n",
    )
    .script(),
    leak(
        "prepared under a quoted name",
        "PREPARE \"P\" AS SELECT secret FROM people;\n\
          PREPARE p AS SELECT name FROM people;\nEXECUTE \"P\";\n",
    )
    .script(),
    leak(
        "prepared in a transaction that fails",
        "PREPARE p AS SELECT name FROM people;\nBEGIN;\n\
          DEALLOCATE p;\nPREPARE p AS SELECT secret FROM people;\nSELECT 1/0;\nROLLBACK;\n\
          EXECUTE p;\n",
    )
    .script(),
    leak(
        "prepared in a block of code",
        "DO $$ BEGIN EXECUTE 'PREPARE p AS SELECT secret FROM \
          people'; END $$;\nEXECUTE p;\n",
    )
    .script(),
    leak(
        "prepared by parts",
        "DO $$ BEGIN EXECUTE 'PREPARE p AS SELECT sec' || 'ret FROM peo' || \
          'ple'; END $$;\nEXECUTE p;\n",
    )
    .script(),
    leak(
        "prepared before a view changes",
        "PREPARE p AS SELECT a FROM v;\nCREATE OR REPLACE VIEW \
          v \
          AS SELECT secret AS a FROM people;\nEXECUTE p;\n",
    )
    .script()
    .after("CREATE VIEW v AS SELECT name AS a FROM people"),
    leak(
        "prepared before names change places",
        "PREPARE p AS SELECT body FROM shown;\n\
          ALTER VIEW shown RENAME TO gone;\nCREATE VIEW shown AS SELECT secret AS body FROM \
          people;\n\
          EXECUTE p;\n",
    )
    .script()
    .after("CREATE VIEW shown AS SELECT body FROM notes"),
    leak(
        "prepared before the path changes",
        "SET search_path = one, public;\nPREPARE p AS SELECT \
          body FROM here;\nEXECUTE p;\nSET search_path = two, public;\nEXECUTE p;\n",
    )
    .script()
    .after(
        "CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE one.here AS SELECT body \
                FROM notes; CREATE VIEW two.here AS SELECT secret AS body FROM people",
    ),
    leak(
        "prepared before a temporary view comes",
        "PREPARE p AS SELECT body FROM notes;\n\
          CREATE TEMP VIEW notes AS SELECT secret AS body FROM people;\nEXECUTE p;\n",
    )
    .script(),
    leak("a cursor", "BEGIN; DECLARE c CURSOR FOR SELECT secret FROM people; FETCH c; COMMIT"),
    leak(
        "a cursor in other messages",
        "BEGIN;\nDECLARE c CURSOR FOR SELECT secret FROM people;\n\
          FETCH ALL FROM c;\nCOMMIT;\n",
    )
    .script(),
    leak(
        "a cursor that holds",
        "DECLARE c CURSOR WITH HOLD FOR SELECT secret AS a FROM people;\n\
          FETCH 1 FROM c;\nCLOSE c;\n",
    )
    .script(),
    leak(
        "a cursor backwards",
        "BEGIN;\nDECLARE c SCROLL CURSOR FOR SELECT secret FROM people;\n\
          MOVE LAST c;\nFETCH BACKWARD ALL IN c;\n",
    )
    .script(),
    leak(
        "a cursor at a place",
        "BEGIN;\nDECLARE c SCROLL CURSOR FOR SELECT secret FROM people;\n\
          FETCH ABSOLUTE 1 c;\n",
    )
    .script(),
    leak(
        "a binary cursor",
        "BEGIN;\nDECLARE c BINARY CURSOR FOR SELECT secret, tags FROM people;\n\
          FETCH c;\n",
    )
    .script(),
    tell(
        "a binary cursor of numbers",
        "BEGIN;\nDECLARE c BINARY CURSOR FOR SELECT pin, born \
          FROM people;\nFETCH ALL c;\n",
    )
    .script(),
    leak(
        "a cursor that is another now",
        "BEGIN;\nDECLARE c CURSOR FOR SELECT name FROM people;\n\
          FETCH c;\nCLOSE c;\nDECLARE c CURSOR FOR SELECT secret FROM people;\nFETCH \
          c;\n",
    )
    .script(),
    leak(
        "a cursor of an execution",
        "PREPARE p AS SELECT secret FROM people;\nBEGIN;\n\
          DECLARE c CURSOR FOR SELECT name FROM people;\nFETCH c;\nEXECUTE p;\n",
    )
    .script(),
    leak("a cursor of a function", "BEGIN;\nSELECT give('c');\nFETCH ALL FROM c;\n")
        .script()
        .after(
            "CREATE FUNCTION give(refcursor) RETURNS refcursor LANGUAGE plpgsql AS \
                'BEGIN OPEN $1 FOR SELECT secret FROM people; RETURN $1; END'",
        ),
    leak(
        "a cursor of a block of code",
        "BEGIN;\nDO $$ DECLARE r refcursor := 'c'; BEGIN OPEN r \
          FOR \
          EXECUTE 'TABLE people'; END $$;\nFETCH ALL FROM c;\n",
    )
    .script(),
    leak(
        "a cursor of something made of it",
        "BEGIN;\nDECLARE c CURSOR FOR SELECT reverse(reverse(\
          secret)) FROM people;\nFETCH c;\n",
    )
    .script(),
    leak(
        "a cursor of a view that changes",
        "BEGIN;\nCREATE VIEW v AS SELECT name AS a FROM \
          people;\n\
          DECLARE c CURSOR FOR SELECT secret FROM people;\nFETCH 2 FROM c;\nROLLBACK;\n",
    )
    .script(),
    leak(
        "a row changed where a cursor stands",
        "BEGIN;\nDECLARE c CURSOR FOR SELECT id FROM \
          people \
          FOR UPDATE;\nFETCH c;\nUPDATE people SET city = 'x' WHERE CURRENT OF c RETURNING \
          secret;\n\
          ROLLBACK;\n",
    )
    .script(),
    leak("a view as another session left it", "SELECT a FROM v").after(
        "CREATE VIEW v AS SELECT name AS a FROM people; \
         CREATE OR REPLACE VIEW v AS SELECT secret AS a FROM people",
    ),
    leak(
        "a savepoint undone",
        "BEGIN;\nSAVEPOINT s;\nPREPARE p AS SELECT name FROM people;\n\
          ROLLBACK TO s;\nDEALLOCATE p;\nPREPARE p AS SELECT secret FROM people;\nEXECUTE p;\n",
    )
    .script(),
    honest(
        "an open column of a cursor",
        "BEGIN;\nDECLARE c CURSOR FOR SELECT name FROM people \
           ORDER BY id;\nFETCH c;\n",
        "Ada",
    )
    .script(),
];

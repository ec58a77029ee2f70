//! What others did and said: the stream of changes, which holds every column of every table, and
//! the texts that other sessions ran.

use portcullis_tests::wire::{bind, describe, execute, parse, sync};

use crate::case::{Case, leak, tell};

/// The slots of one database.
const FORGET: &str = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
     WHERE database = '{database}'";

/// The messages of psql's `\bind`.
fn bound() -> Vec<Vec<u8>> {
    let sql = "SELECT name, secret FROM people WHERE id::text = $1";
    let run = [parse("", sql), bind("", "", &["1"], false), describe(b'P', ""), execute("", 0)];
    vec![[run.concat(), sync()].concat()]
}

// tidy: table
pub(crate) const CASES: &[Case] = &[
    leak(
        "the stream of changes",
        "SELECT pg_create_logical_replication_slot('s_{database}', 'test_decoding');\n\
         UPDATE people SET city = 'Faro' WHERE id = 1;\n\
         SELECT data FROM pg_logical_slot_get_changes('s_{database}', NULL, NULL);\n",
    )
    .script()
    .writes()
    .undo(FORGET),
    leak(
        "a look at the stream of changes",
        "SELECT pg_create_logical_replication_slot('s_{database}', 'test_decoding');\n\
         UPDATE people SET city = 'Faro' WHERE id = 1;\n\
         SELECT * FROM pg_logical_slot_peek_changes('s_{database}', NULL, NULL);\n",
    )
    .script()
    .writes()
    .undo(FORGET),
    leak(
        "the stream of changes as bytes",
        "SELECT pg_create_logical_replication_slot('s_{database}', 'test_decoding');\n\
         UPDATE people SET city = 'Faro' WHERE id = 1;\n\
         SELECT convert_from(data, 'UTF8') FROM \
         pg_logical_slot_get_binary_changes('s_{database}', NULL, NULL, 'include-xids', '0');\n",
    )
    .script()
    .writes()
    .undo(FORGET),
    leak(
        "a copy of a slot and its stream",
        "SELECT pg_create_logical_replication_slot('s_{database}', 'test_decoding');\n\
         UPDATE people SET city = 'Faro' WHERE id = 1;\n\
         SELECT pg_copy_logical_replication_slot('s_{database}', 't_{database}');\n\
         SELECT data FROM pg_logical_slot_peek_changes('t_{database}', NULL, NULL);\n",
    )
    .script()
    .writes()
    .undo(FORGET),
    leak(
        "the stream of changes kept in a table",
        "SELECT pg_create_logical_replication_slot('s_{database}', 'test_decoding');\n\
         UPDATE people SET city = 'Faro' WHERE id = 1;\n\
         CREATE TABLE kept AS SELECT data FROM \
         pg_logical_slot_peek_changes('s_{database}', NULL, NULL);\nTABLE kept;\n",
    )
    .script()
    .writes()
    .undo(FORGET),
    leak(
        "the stream of changes by COPY",
        "SELECT pg_create_logical_replication_slot('s_{database}', 'test_decoding');\n\
         UPDATE people SET city = 'Faro' WHERE id = 1;\n\
         COPY (SELECT pg_logical_slot_peek_changes('s_{database}', NULL, NULL)) TO STDOUT;\n",
    )
    .script()
    .writes()
    .undo(FORGET),
    leak(
        "a view of the stream of changes",
        "UPDATE people SET city = 'Faro' WHERE id = 1;\nSELECT * FROM changes;\n",
    )
    .after(
        "SELECT pg_create_logical_replication_slot('s_{database}', 'test_decoding'); \
         CREATE VIEW changes AS \
         SELECT data FROM pg_logical_slot_peek_changes('s_{database}', NULL, NULL, \
         'skip-empty-xacts', '1')",
    )
    .script()
    .undo(FORGET),
    leak(
        "what another session said",
        "SELECT query FROM pg_stat_activity WHERE application_name = 'other' \
         AND datname = current_database()",
    ),
    leak(
        "a whole row of what others said",
        "SELECT to_jsonb(a) -> 'query' FROM pg_stat_activity AS a WHERE application_name = 'other' \
         AND datname = current_database()",
    ),
    leak(
        "what another session said, by its function",
        "SELECT query FROM pg_stat_get_activity(NULL) AS a WHERE application_name = 'other' AND \
         datid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    ),
    leak(
        "what another session said, by its number",
        "SELECT pg_stat_get_backend_activity(id) FROM pg_stat_get_backend_idset() AS id WHERE \
         pg_stat_get_backend_dbid(id) = \
         (SELECT oid FROM pg_database WHERE datname = current_database())",
    ),
    tell(
        "a condition on what another session said",
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'other' AND \
         datname = current_database() AND query LIKE '%Kx7%'",
    ),
    leak(
        "psql's \\watch",
        "SELECT secret, 1 / (3 - nextval('tickets')) FROM people WHERE id = 1 \\watch 0.01\n",
    )
    .script()
    .writes(),
    leak("psql's \\gexec", "SELECT 'SELECT secret FROM people WHERE id = 1' \\gexec\n").script(),
    leak("psql's \\bind", "").wire(bound),
];

//! Settings that decide how later statements are read, or as whom they run.

use crate::case::{Case, Guard, effect, leak};

const fn setting(name: &'static str, sql: &'static str, shown: &'static str) -> Case {
    let case = leak(name, sql).shows(shown).script().direct();
    Case { guard: Guard::Verbs, ..case }
}

/// Settings that roles and databases have of their own.
const KEPT: &str = "SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = \
     (SELECT oid FROM pg_database WHERE datname = current_database())";

// tidy: table
pub(crate) const CASES: &[Case] = &[
    setting(
        "escapes in strings",
        "SET standard_conforming_strings = off;\n\
             SHOW standard_conforming_strings;\n",
        "off",
    ),
    setting(
        "escapes in strings, in other cases",
        "set Standard_Conforming_Strings to 'Off';\n\
             show standard_conforming_strings;\n",
        "off",
    ),
    setting(
        "escapes in strings, in quotes",
        "SET \"standard_conforming_strings\" TO off;\n\
             SHOW standard_conforming_strings;\n",
        "off",
    ),
    setting(
        "escapes in strings, in escapes",
        "SET U&\"\\0073tandard_conforming_strings\" = off;\n\
             SHOW standard_conforming_strings;\n",
        "off",
    ),
    setting(
        "escapes in strings, for a transaction",
        "BEGIN;\nSET LOCAL standard_conforming_strings \
             = off;\nSHOW standard_conforming_strings;\n",
        "off",
    ),
    setting(
        "escapes in strings, for the session",
        "SET SESSION standard_conforming_strings = 0;\n\
             SHOW standard_conforming_strings;\n",
        "off",
    ),
    setting(
        "escapes in strings, by a function",
        "SELECT set_config('standard_conforming_strings', \
             'off', false);\n",
        "off",
    ),
    setting(
        "escapes in strings, by a function with a schema",
        "SELECT pg_catalog.set_config(\
             'standard_conforming_strings', 'off', false);\n",
        "off",
    ),
    setting(
        "escapes in strings, by a computed name",
        "SELECT set_config('standard_conforming' || \
             '_strings', 'off', false);\n",
        "off",
    ),
    setting(
        "escapes in strings, by a name from a table",
        "SELECT set_config(s, 'off', false) FROM \
             (VALUES ('standard_conforming_strings')) AS v (s);\n",
        "off",
    ),
    setting(
        "escapes in strings, in FROM",
        "SELECT * FROM set_config('standard_conforming_strings', \
             'off', false);\n",
        "off",
    ),
    setting(
        "escapes in strings, in a common table expression",
        "WITH s AS MATERIALIZED (SELECT \
             set_config('standard_conforming_strings', 'off', false) AS v) TABLE s;\n",
        "off",
    ),
    setting(
        "escapes in strings, in a block of code",
        "DO $$ BEGIN SET standard_conforming_strings \
             = off; END $$;\nSHOW standard_conforming_strings;\n",
        "off",
    ),
    setting(
        "escapes in strings, by the table of settings",
        "UPDATE pg_settings SET setting = 'off' \
             WHERE name = 'standard_conforming_strings';\nSHOW standard_conforming_strings;\n",
        "off\noff",
    ),
    setting(
        "escapes in strings, prepared",
        "PREPARE p (text, text) AS SELECT set_config($1, $2, \
             false);\nEXECUTE p ('standard_conforming_strings', 'off');\n",
        "off",
    ),
    setting(
        "escapes in strings, by a cursor",
        "BEGIN;\nDECLARE c CURSOR FOR SELECT set_config(\
             'standard_conforming_strings', 'off', false);\nFETCH c;\n",
        "off",
    ),
    setting("escapes in strings, from the start", "SHOW standard_conforming_strings;\n", "off")
        .options("-c standard_conforming_strings=off"),
    setting(
        "escapes in strings, from the start in another spelling",
        "SHOW standard_conforming_strings;\n",
        "off",
    )
    .options("--standard-conforming-strings=off"),
    setting("another encoding", "SET client_encoding = 'SJIS';\nSHOW client_encoding;\n", "SJIS"),
    setting(
        "another encoding by its own words",
        "SET NAMES 'BIG5';\nSHOW client_encoding;\n",
        "BIG5",
    ),
    setting("another encoding by psql", "\\encoding GBK\n\\encoding\n", "GBK\n"),
    setting(
        "another encoding by a function",
        "SELECT set_config('client_encoding', 'GB18030', \
             true);\n",
        "GB18030",
    ),
    setting("another encoding from the start", "SHOW client_encoding;\n", "EUC_JP\n")
        .options("-c client_encoding=EUC_JP"),
    setting("another role", "SET ROLE pg_monitor;\nSELECT current_user;\n", "pg_monitor"),
    setting(
        "another role for a transaction",
        "BEGIN;\nSET LOCAL ROLE pg_monitor;\n\
             SELECT current_user;\n",
        "pg_monitor",
    ),
    setting(
        "another role as a setting",
        "SET role = 'pg_monitor';\nSELECT current_user;\n",
        "pg_monitor",
    ),
    setting(
        "another role by a function",
        "SELECT set_config('role', 'pg_monitor', false), \
             current_user;\nSELECT current_user;\n",
        "pg_monitor",
    ),
    setting("another role from the start", "SELECT current_user;\n", "pg_monitor")
        .options("-c role=pg_monitor"),
    setting(
        "another session's role",
        "SET SESSION AUTHORIZATION postgres;\nSELECT session_user;\n",
        "postgres",
    ),
    setting(
        "another session's role for a transaction",
        "BEGIN;\nSET LOCAL SESSION AUTHORIZATION \
             'postgres';\nSELECT session_user;\n",
        "postgres",
    ),
    setting("row security off", "SET row_security = off;\nSHOW row_security;\n", "off"),
    setting(
        "triggers off",
        "SET session_replication_role = replica;\n\
             SHOW session_replication_role;\n",
        "replica\n",
    ),
    setting(
        "triggers off by a function",
        "SELECT set_config('session_replication_role', \
             'replica', false);\n",
        "replica\n",
    ),
    setting("triggers off from the start", "SHOW session_replication_role;\n", "replica\n")
        .options("-c session_replication_role=replica"),
    setting(
        "what another setting was",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql SET \
             standard_conforming_strings = off AS 'SELECT current_setting(\
             ''standard_conforming_strings'')';\nSELECT f();\n",
        "off",
    )
    .writes(),
    effect(
        "a role's own setting",
        "ALTER ROLE shop_app IN DATABASE {database} SET standard_conforming_strings = off",
        KEPT,
    )
    .undo("ALTER ROLE shop_app IN DATABASE {database} RESET ALL")
    .direct(),
    effect(
        "a role's own setting here",
        "ALTER ROLE shop_app IN DATABASE {database} SET role = \
            'postgres'",
        KEPT,
    )
    .undo("ALTER ROLE shop_app IN DATABASE {database} RESET ALL"),
    effect(
        "a user's own setting",
        "ALTER USER CURRENT_USER IN DATABASE {database} SET row_security = off",
        KEPT,
    )
    .undo("ALTER ROLE shop_app IN DATABASE {database} RESET ALL"),
    effect("a database's own setting", "ALTER DATABASE {database} SET search_path = 'evil'", KEPT)
        .undo("ALTER DATABASE {database} RESET ALL"),
    effect(
        "a function's own setting",
        "ALTER FUNCTION f() SET search_path = 'evil'",
        "SELECT count(*) FROM pg_proc WHERE proconfig IS NOT NULL",
    )
    .after("CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'"),
    effect(
        "a setting of the server",
        "ALTER SYSTEM SET work_mem = '7MB'",
        "SELECT count(*) FROM pg_file_settings WHERE name = 'work_mem'",
    )
    .undo("ALTER SYSTEM RESET work_mem"),
];

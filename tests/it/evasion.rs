//! Ways of deleting a row that do not begin with DELETE. Each is refused under a policy that
//! refuses deletes, and each really deletes under one that allows everything: a case that does
//! not bite proves nothing.

use portcullis_tests::gateway::{Gateway, Setup, Site};
use portcullis_tests::okta::Okta;
use portcullis_tests::plugins;
use portcullis_tests::postgres::Postgres;

/// Name, what is prepared past the gateway, the statement.
// tidy: table
const WAYS: [(&str, &str, &str); 15] = [
    ("plain", "", "DELETE FROM orders WHERE id = 1"),
    ("in a second statement", "", "SELECT 1; DELETE FROM orders WHERE id = 1"),
    ("behind a comment", "", "/* /* SELECT */ */ DELETE FROM orders WHERE id = 1"),
    (
        "behind an operator that a careless lexer glues to a comment",
        "",
        "SELECT 1 > -- '\n 2; DELETE FROM orders WHERE id = 1 --'",
    ),
    (
        "in a common table expression",
        "",
        "WITH gone AS (DELETE FROM orders WHERE id = 1 RETURNING id) SELECT id FROM gone",
    ),
    ("prepared and executed", "", "PREPARE p AS DELETE FROM orders WHERE id = 1; EXECUTE p"),
    ("explained by running", "", "EXPLAIN ANALYZE DELETE FROM orders WHERE id = 1"),
    (
        "merged",
        "",
        "MERGE INTO orders o USING (SELECT 1 AS id) s ON o.id = s.id WHEN MATCHED THEN DELETE",
    ),
    ("in a block of code", "", "DO $$ BEGIN DELETE FROM orders WHERE id = 1; END $$"),
    (
        "in a block of code, put together at run time",
        "",
        "DO $$ BEGIN EXECUTE 'DEL' || 'ETE FROM orders WHERE id = 1'; END $$",
    ),
    (
        "in a function",
        "CREATE FUNCTION gone() RETURNS void LANGUAGE sql AS 'DELETE FROM orders WHERE id = 1'",
        "SELECT gone()",
    ),
    (
        "in a function of a row",
        "CREATE FUNCTION gone_with(p products) RETURNS int LANGUAGE sql AS \
         'DELETE FROM orders WHERE id = 1; SELECT 1'",
        "SELECT gone_with(p) FROM products p LIMIT 1",
    ),
    (
        "in a user's operator",
        "CREATE FUNCTION shove(a int, b int) RETURNS int LANGUAGE sql AS \
         'DELETE FROM orders WHERE id = a; SELECT b'; \
         CREATE OPERATOR <<<>>> (FUNCTION = shove, LEFTARG = int, RIGHTARG = int)",
        "SELECT 1 <<<>>> 2",
    ),
    (
        "in a procedure",
        "CREATE PROCEDURE go() LANGUAGE sql AS 'DELETE FROM orders WHERE id = 1'",
        "CALL go()",
    ),
    (
        "through a view",
        "CREATE VIEW doors AS SELECT * FROM orders; GRANT ALL ON doors TO shop_app",
        "DELETE FROM doors WHERE id = 1",
    ),
];

fn policy(scores: &str, limit: &str) -> String {
    let plugin = plugins::component("risk-statement");
    format!(
        "default = \"allow\"\n{limit}\n[[plugins]]\nname = \"risk\"\nfile = {:?}\n\
         [plugins.settings]\nscores = {{ {scores} }}\n",
        plugin.display().to_string()
    )
}

fn left(postgres: &Postgres) -> bool {
    let count = "SELECT count(*) FROM orders WHERE id = 1";
    postgres.admin().run(count).success("counting") == "1\n"
}

fn run(gateway: &Gateway<'_>, okta: &Okta, sql: &str) -> String {
    let output = gateway.psql(&okta.agent_token()).message(sql);
    format!("{}{}", output.stdout, output.stderr)
}

#[test]
fn no_way_of_deleting_gets_past_a_policy_that_refuses_deletes() {
    let okta = Okta::start();
    let postgres = Postgres::start();
    for (_, prepared, _) in WAYS.iter().filter(|(_, prepared, _)| !prepared.is_empty()) {
        postgres.admin().run(prepared).success("preparing");
    }
    let keep = "CREATE TABLE kept AS SELECT * FROM orders WHERE id = 1";
    postgres.admin().run(keep).success("keeping the row");
    let guarded = policy("\"sql.delete\" = 90, \"sql.code\" = 90", "[risk]\ndeny_at = 80\n");
    let open = policy("", "");
    let site = Site::new(&Setup::new(&postgres, okta.entry(), &guarded));
    let gateway = site.start();
    let bare = Site::new(&Setup::new(&postgres, okta.entry(), &open));
    let unguarded = bare.start();
    for (name, _, sql) in WAYS {
        let said = run(&gateway, &okta, sql);
        assert!(said.contains("ERROR:  portcullis:"), "{name}: {said}");
        assert!(left(&postgres), "{name}: the row is gone; the gateway said: {said}");

        let said = run(&unguarded, &okta, sql);
        assert!(!left(&postgres), "{name}: does not bite even unguarded: {said}");
        let back = "INSERT INTO orders SELECT * FROM kept";
        postgres.admin().run(back).success("putting the row back");
    }
}

//! Ways to learn a hidden value without being shown it: each is a door that a masking mode keeps
//! closed, and each really tells the value where the mode leaves it open.

use portcullis_tests::operator::entries_of;
use portcullis_tests::wire::{Wire, bind, execute, parse, query, sync, texts};

use crate::stage::{Stage, policy};

const SECRET: &str = "chidi.jansen42@mail.example";

/// What exists past the gateway before the doors are tried.
const PREPARE: &str = "
    CREATE TABLE guesses (guess text, flag boolean, n integer); GRANT ALL ON guesses TO shop_app;
    CREATE TABLE archive (id integer, email text, note text); GRANT ALL ON archive TO shop_app;
    CREATE TABLE parts (id integer, email text) PARTITION BY RANGE (id);
    CREATE TABLE parts_one PARTITION OF parts FOR VALUES FROM (0) TO (9);
    ALTER TABLE parts OWNER TO shop_app; ALTER TABLE parts_one OWNER TO shop_app;
    CREATE SCHEMA tools; GRANT USAGE ON SCHEMA tools TO shop_app;
    CREATE FUNCTION tools.peek(integer) RETURNS text LANGUAGE sql
        AS 'SELECT email FROM customers WHERE id = $1';
    CREATE FUNCTION tools.keep(integer) RETURNS void LANGUAGE sql
        AS 'INSERT INTO guesses SELECT email FROM customers WHERE id = $1';
    CREATE FUNCTION tools.twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * $1';
    CREATE FUNCTION public.mail(customers) RETURNS text LANGUAGE sql AS 'SELECT $1.email';
    CREATE FUNCTION tools.sounds(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2';
    CREATE OPERATOR public.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = tools.sounds);
    CREATE PROCEDURE tools.go() LANGUAGE sql AS 'INSERT INTO guesses SELECT email FROM customers';
    ALTER TABLE customers OWNER TO shop_app;";

fn mode(word: &str) -> String {
    let archive = "columns = [\n    { origin = \"public.archive.email\", mask = \
                   { fixed = \"MASKED\" } },\n    { origin = \"public.parts.email\", mask = \
                   \"null\" },";
    policy(&format!("\n[masking]\nmode = \"{word}\"\nfunctions = [\"tools.twice\"]\n"))
        .replace("columns = [", archive)
        // What another rule refuses proves nothing here.
        .replace("deny_at = 80", "")
}

fn stage(word: &str) -> Stage {
    let stage = Stage::with_policy(&mode(word));
    stage.admin(PREPARE);
    stage
}

/// The rule that refuses a statement, or "" when it runs or fails for another reason.
fn rule(wire: &mut Wire, sql: &str) -> String {
    let messages = wire.query(sql).expect(sql);
    let error = messages.iter().find(|message| message.tag == b'E');
    let said = error.and_then(|error| error.field(b'M')).unwrap_or_default();
    match said.split_once("(rule masking.") {
        Some((_, rest)) => {
            assert_eq!(error.and_then(|it| it.field(b'C')).as_deref(), Some("42501"), "{sql}");
            rest.split(')').next().unwrap_or_default().to_owned()
        }
        None => String::new(),
    }
}

/// A statement, and the rule that closes it in the strict mode and in the standard mode.
// tidy: table
const DOORS: &[(&str, &str, &str)] = &[
    // Shown, masked, and what has nothing to do with hidden columns.
    ("SELECT * FROM customers WHERE id = 42", "", ""),
    ("SELECT upper(email), count(email), row_to_json(c) FROM customers c GROUP BY id", "", ""),
    ("SELECT c.email, o.status FROM customers c JOIN orders o ON o.customer_id = c.id", "", ""),
    ("UPDATE customers SET notes = 'x' WHERE id = 42 RETURNING email", "", ""),
    ("INSERT INTO archive (id, email) VALUES (1, 'new@mail.example')", "", ""),
    ("SELECT name FROM products WHERE name LIKE 'Tea%' ORDER BY price", "", ""),
    ("CREATE TABLE fresh AS SELECT id, city FROM customers", "", ""),
    ("EXPLAIN ANALYZE SELECT name FROM products", "", ""),
    ("SELECT tools.twice(id) FROM customers", "", ""),
    ("SELECT pid, state FROM pg_stat_activity WHERE state = 'active'", "", ""),
    // Predicates.
    ("SELECT id FROM customers WHERE email = 'x'", "predicate", ""),
    ("SELECT id FROM customers WHERE email IN ('x', 'y')", "predicate", ""),
    ("SELECT id FROM customers WHERE phone IS NULL AND email IS NOT NULL", "predicate", ""),
    ("SELECT 1 FROM customers a JOIN archive b ON a.email = b.email", "predicate", ""),
    ("SELECT 1 FROM customers JOIN archive USING (email)", "predicate", ""),
    ("SELECT 1 FROM customers a JOIN guesses b ON a.email = b.guess", "predicate", "predicate"),
    ("SELECT id FROM customers WHERE email LIKE 'c%'", "predicate", "predicate"),
    ("SELECT id FROM customers WHERE email > 'c'", "predicate", "predicate"),
    ("SELECT id FROM customers WHERE left(email, 1) = 'c'", "predicate", "predicate"),
    (
        "SELECT 1 FROM (SELECT left(email, 1) x FROM customers) q WHERE x = 'c'",
        "predicate",
        "predicate",
    ),
    ("SELECT 1 FROM customer_contacts WHERE address LIKE 'c%'", "predicate", "predicate"),
    ("SELECT id FROM customers c WHERE c::text LIKE '%x%'", "predicate", "predicate"),
    ("SELECT 1 FROM customers NATURAL JOIN archive", "predicate", "predicate"),
    ("SELECT CASE WHEN email > 'c' THEN 1 / 0 END FROM customers", "predicate", "predicate"),
    ("SELECT NULLIF(email, 'x') FROM customers", "predicate", "predicate"),
    ("DELETE FROM customers WHERE email LIKE 'c%'", "predicate", "predicate"),
    ("UPDATE customers SET notes = 'hit' WHERE email LIKE 'c%'", "predicate", "predicate"),
    (
        "SELECT 1 LIMIT (SELECT length(email) FROM customers WHERE id = 42)",
        "predicate",
        "predicate",
    ),
    ("SELECT count(*) FILTER (WHERE email LIKE 'c%') FROM customers", "predicate", "predicate"),
    ("SELECT city FROM customers GROUP BY city HAVING max(email) > 'c'", "predicate", "predicate"),
    (
        "MERGE INTO guesses USING customers c ON c.email > 'c' WHEN MATCHED THEN DELETE",
        "predicate",
        "predicate",
    ),
    ("CREATE INDEX ON customers (id) WHERE email > 'c'", "predicate", "predicate"),
    ("CREATE UNIQUE INDEX ON customers (left(email, 9))", "predicate", "predicate"),
    ("CREATE POLICY p ON customers USING (email > 'c')", "predicate", "predicate"),
    ("ALTER TABLE customers ADD CHECK (email > 'c')", "predicate", "predicate"),
    ("CREATE TABLE fresh (email text REFERENCES customers (email))", "predicate", "predicate"),
    (
        "INSERT INTO customers (id, name, email, card_number, national_id, city) VALUES \
         (1, 'n', 'x', 'x', 'x', 'x') ON CONFLICT (email) DO NOTHING",
        "predicate",
        "",
    ),
    (
        "SELECT most_common_vals FROM pg_stats WHERE most_common_vals::text LIKE '%c%'",
        "predicate",
        "predicate",
    ),
    ("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%c%'", "predicate", "predicate"),
    // Order.
    ("SELECT id FROM customers ORDER BY email", "order", "order"),
    ("SELECT id, email FROM customers ORDER BY 2", "order", "order"),
    ("SELECT DISTINCT email FROM customers", "order", "order"),
    ("SELECT count(*) FROM customers GROUP BY email", "order", "order"),
    ("SELECT id, rank() OVER (ORDER BY email) FROM customers", "order", "order"),
    ("SELECT count(DISTINCT email) FROM customers", "order", "order"),
    ("SELECT string_agg(name, ',' ORDER BY email) FROM customers", "order", "order"),
    ("SELECT email FROM customers UNION SELECT 'x'", "order", "order"),
    ("SELECT email FROM customers INTERSECT ALL SELECT 'x'", "order", "order"),
    // Functions whose failure, wait or number of rows tells.
    ("SELECT email::integer FROM customers", "function", "function"),
    ("SELECT 1 / (ascii(email) - 99) FROM customers", "function", "function"),
    ("SELECT pg_sleep(ascii(email)) FROM customers WHERE id = 0", "function", "function"),
    ("SELECT generate_series(1, ascii(email)) FROM customers", "function", "function"),
    ("SELECT 1 FROM customers, string_to_table(email, '.')", "function", "function"),
    ("SELECT pg_notify('c', email) FROM customers", "function", "function"),
    ("SELECT set_config('application_name', email, false) FROM customers", "function", "function"),
    // Copies.
    ("INSERT INTO guesses (guess) SELECT email FROM customers", "copy", "copy"),
    ("INSERT INTO guesses SELECT x FROM (SELECT email AS x FROM customers) q", "copy", "copy"),
    ("WITH q AS (SELECT * FROM customers) INSERT INTO guesses SELECT email FROM q", "copy", "copy"),
    ("INSERT INTO archive (id, email) SELECT id, email FROM customers", "", ""),
    ("INSERT INTO archive (id, email) SELECT id, card_number FROM customers", "copy", "copy"),
    ("INSERT INTO archive (id, note) SELECT id, email FROM customers", "copy", "copy"),
    ("INSERT INTO archive (email) SELECT left(email, 1) FROM customers", "copy", "copy"),
    ("INSERT INTO archive (id, email) VALUES (1, 'x') ON CONFLICT DO NOTHING", "", ""),
    ("UPDATE customers SET notes = email", "copy", "copy"),
    ("UPDATE customers SET (notes, city) = (SELECT email, city)", "copy", "copy"),
    (
        "MERGE INTO guesses g USING customers c ON g.n = c.id WHEN NOT MATCHED THEN INSERT (guess) \
      VALUES (c.email)",
        "copy",
        "copy",
    ),
    ("CREATE TABLE fresh AS SELECT email FROM customers", "copy", "copy"),
    ("SELECT email INTO fresh FROM customers", "copy", "copy"),
    ("CREATE VIEW fresh AS SELECT email FROM customers", "copy", "copy"),
    ("CREATE MATERIALIZED VIEW fresh AS SELECT address FROM customer_contacts", "copy", "copy"),
    ("PREPARE p AS SELECT email FROM customers; CREATE TABLE fresh AS EXECUTE p", "copy", "copy"),
    ("ALTER TABLE customers ADD g text GENERATED ALWAYS AS (email) STORED", "copy", "copy"),
    ("ALTER TABLE customers ALTER notes TYPE text USING email", "copy", "copy"),
    ("ALTER TABLE customers RENAME email TO plain", "rename", "rename"),
    ("ALTER TABLE customers RENAME TO plain", "rename", "rename"),
    ("ALTER TABLE customers SET SCHEMA tools", "rename", "rename"),
    ("ALTER SCHEMA public RENAME TO plain", "rename", "rename"),
    ("ALTER TABLE parts DETACH PARTITION parts_one", "rename", "rename"),
    // EXPLAIN.
    ("EXPLAIN SELECT email FROM customers", "", ""),
    ("EXPLAIN SELECT id FROM customers WHERE email = 'x'", "predicate", ""),
    ("EXPLAIN SELECT id FROM customers WHERE email > 'x'", "predicate", "predicate"),
    ("EXPLAIN ANALYZE SELECT email FROM customers WHERE id = 42", "explain", "explain"),
    ("EXPLAIN (VERBOSE) SELECT email FROM customers", "explain", "explain"),
    ("EXPLAIN ANALYZE EXECUTE p", "explain", "explain"),
    // What reads data that the statement only names.
    ("SELECT query_to_xml('SELECT email FROM customers', true, true, '')", "outside", "outside"),
    ("SELECT table_to_xml('customers', true, true, '')", "outside", "outside"),
    ("SELECT database_to_xml(true, true, '')", "outside", "outside"),
    ("SELECT * FROM ts_stat('SELECT to_tsvector(email) FROM customers')", "outside", "outside"),
    ("SELECT pg_read_file('postgresql.conf')", "outside", "outside"),
    ("SELECT * FROM pg_ls_dir('.')", "outside", "outside"),
    ("SELECT lo_get(1)", "outside", "outside"),
    ("SELECT dblink('dbname=shop', 'SELECT email FROM customers')", "outside", "outside"),
    ("SELECT * FROM pg_stat_get_activity(NULL)", "outside", "outside"),
    ("CREATE FOREIGN TABLE fresh (x text) SERVER s", "outside", "outside"),
    ("CREATE PUBLICATION p FOR TABLE customers", "outside", "outside"),
    ("LISTEN changes", "listen", ""),
    // Code.
    ("DO $$ BEGIN INSERT INTO guesses SELECT email FROM customers; END $$", "code", "code"),
    ("CREATE FUNCTION fresh() RETURNS text LANGUAGE sql AS 'SELECT 1'", "code", "code"),
    ("CREATE RULE r AS ON DELETE TO guesses DO ALSO SELECT 1", "code", "code"),
    (
        "CREATE TRIGGER t BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION \
      suppress_redundant_updates_trigger()",
        "code",
        "code",
    ),
    ("CREATE OPERATOR ==== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)", "code", "code"),
    ("CREATE CAST (text AS point) WITH INOUT", "code", "code"),
    ("SELECT tools.peek(42)", "code", ""),
    ("CALL tools.go()", "code", ""),
    ("SELECT c.mail FROM customers c", "code", ""),
    ("SELECT (c).mail FROM customers c", "code", ""),
    ("SELECT 'a' === 'b'", "code", ""),
];

#[test]
fn each_mode_opens_and_closes_the_doors_it_says() {
    for word in ["strict", "standard", "values"] {
        let stage = stage(word);
        let gateway = stage.site.start();
        let mut wire = stage.wire(&gateway);
        let mut wrong = Vec::new();
        for (sql, strict, standard) in DOORS {
            let expect = match word {
                "strict" => *strict,
                "standard" => *standard,
                _ => "",
            };
            wire.query("BEGIN").expect("beginning");
            let found = rule(&mut wire, sql);
            wire.query("ROLLBACK").expect("undoing");
            if found != expect {
                wrong.push(format!("{word}: \"{found}\", not \"{expect}\": {sql}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// Ways to have the secret of customer 42 in the open: statements, then where it is seen.
// tidy: table
const LAUNDRIES: &[(&str, &[&str], &str)] = &[
    (
        "another table",
        &["INSERT INTO guesses (guess) SELECT email FROM customers"],
        "SELECT guess FROM guesses",
    ),
    (
        "a new table",
        &["CREATE TABLE fresh AS SELECT email AS e FROM customers"],
        "SELECT e FROM fresh",
    ),
    ("another column", &["UPDATE customers SET notes = email"], "SELECT notes FROM customers"),
    (
        "another name",
        &["ALTER TABLE customers RENAME email TO plain"],
        "SELECT plain FROM customers",
    ),
    (
        "another name of the table",
        &["ALTER TABLE customers RENAME TO plain"],
        "SELECT email FROM plain",
    ),
    (
        "a generated column",
        &["ALTER TABLE customers ADD g text GENERATED ALWAYS AS (email) STORED"],
        "SELECT g FROM customers",
    ),
    (
        "a block of code",
        &["DO $$ BEGIN INSERT INTO guesses SELECT email FROM customers; END $$"],
        "SELECT guess FROM guesses",
    ),
    (
        "a new function",
        &[
            "CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql \
             AS 'INSERT INTO guesses SELECT email FROM customers'",
            "SELECT pg_temp.f()",
        ],
        "SELECT guess FROM guesses",
    ),
    (
        "EXECUTE",
        &["PREPARE p AS SELECT email AS e FROM customers", "CREATE TABLE fresh AS EXECUTE p"],
        "SELECT e FROM fresh",
    ),
    (
        "a large object",
        &[
            "SELECT lo_from_bytea(4711, email::bytea) FROM customers WHERE id = 42",
            "INSERT INTO guesses SELECT convert_from(lo_get(4711), 'utf8')",
        ],
        "SELECT guess FROM guesses",
    ),
];

#[test]
fn no_value_is_carried_past_its_mask() {
    for word in ["strict", "standard", "values"] {
        let stage = stage(word);
        let gateway = stage.site.start();
        for (name, steps, look) in LAUNDRIES {
            let mut wire = stage.wire(&gateway);
            wire.query("BEGIN").expect("beginning");
            for step in *steps {
                wire.query(step).expect(step);
            }
            wire.query("COMMIT").expect("committing");
            let seen = format!("{:?}", texts(&wire.query(look).expect(look)));
            let leaks = seen.contains(SECRET);
            assert_eq!(leaks, word == "values", "{word}: {name}: {seen}");
            stage.admin(
                "DROP TABLE IF EXISTS fresh; TRUNCATE guesses;
                 ALTER TABLE IF EXISTS plain RENAME TO customers; UPDATE customers SET notes = NULL;
                 DO $$ BEGIN ALTER TABLE customers RENAME plain TO email;
                 EXCEPTION WHEN undefined_column THEN NULL; END $$;
                 ALTER TABLE customers DROP COLUMN IF EXISTS g;",
            );
        }
    }
}

#[test]
fn a_refusal_says_what_to_do_and_is_recorded() {
    let stage = stage("strict");
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let sql = "SELECT id FROM customers WHERE email LIKE 'c%'";
    let messages = wire.query(sql).expect(sql);
    let error = messages.iter().find(|message| message.tag == b'E').expect("refused");
    let said = error.field(b'M').unwrap_or_default();
    for word in ["public.customers.email", "\"strict\"", "masking.predicate"] {
        assert!(said.contains(word), "{said}");
    }
    let hint = error.field(b'H').unwrap_or_default();
    assert!(hint.contains("columns that are not hidden"), "{hint}");

    // By Parse too, and the session goes on.
    let run = |sql: &str| [parse("", sql), bind("", "", &[], false), execute("", 0), sync()];
    wire.send(&run(sql).concat()).expect("sending");
    let refused = wire.messages_until(b'Z').expect("an answer");
    assert!(refused[0].field(b'M').unwrap_or_default().contains("masking.predicate"));
    wire.send(&run("SELECT 7").concat()).expect("sending");
    assert_eq!(texts(&wire.messages_until(b'Z').expect("an answer")), [Some("7".to_owned())]);
}

#[test]
fn columns_that_are_only_looked_at_close_no_door() {
    let inspect = policy("").replace(
        "columns = [",
        "inspect = [\"public.customers.notes\"]\nfind = [\"card\"]\ncolumns = []\nunused = [",
    );
    let start = inspect.find("unused = [").expect("the list");
    let end = start + inspect[start..].find("\n]").expect("its end") + 2;
    let inspect = format!("{}{}", &inspect[..start], &inspect[end..]);
    let stage = Stage::with_policy(&inspect);
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    for sql in
        ["SELECT id FROM customers WHERE notes LIKE 'c%' ORDER BY notes", "DO $$ BEGIN END $$"]
    {
        assert_eq!(rule(&mut wire, sql), "", "{sql}");
    }
    wire.send(&query("SELECT 1")).expect("sending");
    wire.messages_until(b'Z').expect("the session goes on");
}

#[test]
fn the_log_holds_what_was_refused_and_what_a_looser_mode_let_through() {
    for (word, state) in [("strict", "denied"), ("values", "permitted")] {
        let stage = stage(word);
        let gateway = stage.site.start();
        let sql = "SELECT id FROM customers WHERE email LIKE 'c%'";
        stage.wire(&gateway).query(sql).expect(sql);
        assert!(gateway.stop().success(), "the gateway stops");
        let mut requests = entries_of(&stage.site.log_dir(), "request");
        requests.retain(|entry| entry["body"]["findings"][0]["rule"] == "masking.predicate");
        assert_eq!(requests.len(), 1, "{word}");
        let body = &requests[0]["body"];
        assert_eq!((&body["state"], &body["verdict"]), (&state.into(), &verdict(word).into()));
        assert_eq!(body["findings"][0]["plugin"], "core");
    }
}

fn verdict(word: &str) -> &'static str {
    if word == "strict" { "deny" } else { "allow" }
}

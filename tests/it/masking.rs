//! Protected values must not reach the client, whatever the statement looks like.

use std::time::Duration;

use portcullis_tests::wire::{bind, execute, parse, query, sync, tags, texts};

use crate::stage::{Stage, policy};

/// Customer 42, as `policies/demo/shop.sql` makes it.
const SECRETS: [&str; 4] =
    ["chidi.jansen42@mail.example", "CHIDI.JANSEN42", "378282246310005", "942-60-1554"];

/// Statements whose every protected value is hidden, and what the first column shows.
const MASKED: [(&str, &str); 24] = [
    ("SELECT email FROM customers WHERE id = 42", "MASKED"),
    ("SELECT email AS name FROM customers WHERE id = 42", "MASKED"),
    ("SELECT card_number FROM customers WHERE id = 42", "***********0005"),
    ("SELECT national_id FROM customers WHERE id = 42", ""),
    (
        "SELECT c.email FROM customers c JOIN orders o ON o.customer_id = c.id \
         WHERE c.id = 42 LIMIT 1",
        "MASKED",
    ),
    ("SELECT x FROM (SELECT email AS x FROM customers WHERE id = 42) AS s", "MASKED"),
    (
        "WITH w AS MATERIALIZED (SELECT email AS x FROM customers WHERE id = 42) SELECT x FROM w",
        "MASKED",
    ),
    ("SELECT address FROM customer_contacts WHERE id = 42", "MASKED"),
    ("UPDATE customers SET notes = 'x' WHERE id = 42 RETURNING email", "MASKED"),
    ("SELECT (c).email FROM customers c WHERE id = 42", "MASKED"),
    ("SELECT DISTINCT email FROM customers WHERE id = 42 GROUP BY email", "MASKED"),
    ("SELECT email::text FROM customers WHERE id = 42", "MASKED"),
    ("SELECT upper(email) FROM customers WHERE id = 42", ""),
    ("SELECT email || '' FROM customers WHERE id = 42", ""),
    ("SELECT c FROM customers c WHERE id = 42", ""),
    ("SELECT row_to_json(c) FROM customers c WHERE id = 42", ""),
    ("SELECT (SELECT email FROM customers WHERE id = 42)", ""),
    ("SELECT email FROM customers WHERE id = 42 UNION ALL SELECT ''", ""),
    ("SELECT CASE WHEN true THEN email END FROM customers WHERE id = 42", ""),
    ("SELECT max(card_number) FROM customers WHERE id = 42", ""),
    ("SELECT string_agg(email, ',') FROM customers WHERE id = 42", ""),
    ("SELECT left(address, 100) FROM customer_contacts WHERE id = 42", ""),
    ("SELECT ARRAY[email] FROM customers WHERE id = 42", ""),
    ("EXECUTE hidden", ""),
];

/// The masks and nothing else: each door that `masking_doors` finds closed is open here.
pub(crate) fn open_doors() -> Stage {
    Stage::with_policy(&policy("\n[masking]\nmode = \"values\"\n"))
}

pub(crate) fn leaks(text: &str) -> Option<&'static str> {
    SECRETS.into_iter().find(|secret| text.contains(secret))
}

#[test]
fn no_shape_of_a_statement_shows_a_protected_value() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    wire.query("PREPARE hidden AS SELECT upper(email) FROM customers WHERE id = 42").unwrap();
    for (sql, shown) in MASKED {
        let simple = wire.query(sql).unwrap();
        let mut results = vec![("simple", simple)];
        for (how, binary) in [("extended text", false), ("extended binary", true)] {
            let run = [parse("", sql), bind("", "", &[], binary), execute("", 0), sync()];
            wire.send(&run.concat()).unwrap();
            results.push((how, wire.messages_until(b'Z').unwrap()));
        }
        for (how, messages) in results {
            let values = texts(&messages);
            let all = format!("{values:?}");
            assert_eq!(leaks(&all), None, "{how}: {sql}: {all}");
            // Some values have no binary form at all, and some bytes are no text.
            if how != "extended binary" {
                assert!(!values.is_empty(), "{how}: {sql}: {}", tags(&messages));
            }
            if !shown.is_empty() {
                assert_eq!(values[0].as_deref(), Some(shown), "{how}: {sql}");
            }
        }
    }
}

#[test]
fn what_is_not_protected_is_shown() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.token());
    for (sql, shown) in [
        ("SELECT count(*) FROM customers", "200\n"),
        ("SELECT name, city FROM customers WHERE id = 42", "Chidi Jansen|Lisbon\n"),
        ("SELECT upper(name) FROM customers WHERE id = 42", "CHIDI JANSEN\n"),
        ("SELECT contact FROM customer_contacts WHERE id = 42", "Chidi Jansen\n"),
        ("SELECT 1 + 1", "2\n"),
    ] {
        assert_eq!(psql.run(sql).success(sql), shown, "{sql}");
    }
    let sql = "INSERT INTO customers SELECT 9000, 'N', 'secret@mail.example', NULL, '4111', \
               '1', NULL, 'X', NULL RETURNING id, name, email";
    assert_eq!(psql.run(sql).success("inserting"), "9000|N|MASKED\n");
}

#[test]
fn errors_and_notices_quote_no_protected_value() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    for (sql, sqlstate) in [
        ("SELECT email::int FROM customers WHERE id = 42", "22P02"),
        ("SELECT national_id::regclass FROM customers WHERE id = 42", "42P01"),
        (
            "UPDATE customers SET email = (SELECT email FROM customers WHERE id = 42) \
             WHERE id = 43",
            "23505",
        ),
        ("INSERT INTO orders SELECT 1, 42, 1, 0, email, now() FROM customers", "23514"),
        (
            "DO $$ BEGIN RAISE EXCEPTION '%', (SELECT email FROM customers WHERE id = 42); END $$",
            "P0001",
        ),
    ] {
        let messages = wire.query(sql).unwrap();
        let error = messages.iter().find(|message| message.tag == b'E').expect(sql);
        assert_eq!(error.field(b'C').as_deref(), Some(sqlstate), "{sql}");
        assert_eq!(leaks(&String::from_utf8_lossy(&error.body)), None, "{sql}");
    }
    let notice = wire
        .query("DO $$ BEGIN RAISE NOTICE '%', (SELECT email FROM customers WHERE id = 42); END $$")
        .unwrap();
    assert_eq!(tags(&notice), "N C Z");
    assert_eq!(leaks(&String::from_utf8_lossy(&notice[0].body)), None);
}

#[test]
fn a_view_that_gets_another_definition_never_shows_by_the_old_one() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let define = |column: &str| {
        format!(
            "CREATE OR REPLACE VIEW mine AS SELECT {column}::text AS a FROM customers WHERE id = 42"
        )
    };
    let show = "SELECT a FROM mine";
    let fresh = |wire: &mut portcullis_tests::wire::Wire| {
        let made = wire.query(&define("name")).unwrap();
        assert_eq!(tags(&made), "C Z");
        assert_eq!(texts(&wire.query(show).unwrap()), [Some("Chidi Jansen".to_owned())]);
    };

    fresh(&mut wire);
    let one_message = format!("{}; {show}", define("email"));
    let answers = wire.query(&one_message).unwrap();
    assert_eq!(tags(&answers), "C T D C Z", "{:?}", answers[0].field(b'M'));
    assert_eq!(leaks(&format!("{:?}", texts(&answers))), None);

    fresh(&mut wire);
    wire.query("BEGIN").unwrap();
    let made = wire.query(&define("email")).unwrap();
    assert_eq!(tags(&made), "C Z", "{:?}", made[0].field(b'M'));
    let shown = wire.query(show).unwrap();
    assert_eq!(tags(&shown), "T D C Z", "{:?}", shown[0].field(b'M'));
    assert_eq!(leaks(&format!("{:?}", texts(&shown))), None);
    wire.query("COMMIT").unwrap();
    assert_eq!(texts(&wire.query(show).unwrap()), [Some("MASKED".to_owned())], "by the new one");

    fresh(&mut wire);
    wire.send(&[query(&define("email")), query(show)].concat()).unwrap();
    wire.messages_until(b'Z').unwrap();
    assert_eq!(leaks(&format!("{:?}", texts(&wire.messages_until(b'Z').unwrap()))), None);

    fresh(&mut wire);
    let run = |sql: &str| [parse("", sql), bind("", "", &[], false), execute("", 0)].concat();
    wire.send(&[run(&define("email")), run(show), sync()].concat()).unwrap();
    assert_eq!(leaks(&format!("{:?}", texts(&wire.messages_until(b'Z').unwrap()))), None);

    // Another session, whose change is committed long before its message is done.
    fresh(&mut wire);
    let mut other = stage.wire(&gateway);
    let slow = format!(
        "BEGIN; {}; COMMIT; SELECT count(*) FROM generate_series(1, 1000000000)",
        define("email")
    );
    other.send(&query(&slow)).unwrap();
    let committed = "SELECT count(*) FROM pg_views WHERE viewname = 'mine' AND \
                     definition LIKE '%email%'";
    stage.wait_for(committed, "1\n");
    assert_eq!(leaks(&format!("{:?}", texts(&wire.query(show).unwrap()))), None);
}

/// A dot in a name must not be taken for the one between two names.
#[test]
fn a_column_whose_name_holds_a_dot_is_hidden() {
    let rule = r#"    { origin = 'public."odd.name"."e.mail"', mask = { fixed = "MASKED" } },
]

[[plugins]]
name = "risk"#;
    let policy = crate::stage::policy("").replace("]\n\n[[plugins]]\nname = \"risk", rule);
    let stage = Stage::with_policy(&policy);
    stage.admin(
        "CREATE TABLE \"odd.name\" (id int, \"e.mail\" text);
         INSERT INTO \"odd.name\" VALUES (1, 'someone@mail.example');
         GRANT SELECT ON \"odd.name\" TO shop_app",
    );
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.token());
    for (sql, shown) in [
        ("SELECT id, \"e.mail\" FROM \"odd.name\"", "1|MASKED\n"),
        ("SELECT id, x FROM (SELECT id, \"e.mail\" AS x FROM public.\"odd.name\") s", "1|MASKED\n"),
        ("SELECT upper(\"e.mail\") FROM \"odd.name\"", "MASKED\n"),
    ] {
        assert_eq!(psql.message(sql).success(sql), shown, "{sql}");
    }
}

#[test]
fn a_table_of_the_open_transaction_is_masked_whole_and_not_an_error() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.token());
    let script = "BEGIN; CREATE TEMP TABLE t AS SELECT 7 AS seven; SELECT seven FROM t; COMMIT;";
    let shown = psql.message(script).success("reading it");
    assert_ne!(shown, "", "a row comes");
    let script = "CREATE TEMP TABLE t (seven int);\nINSERT INTO t VALUES (7);\nSELECT * FROM t;\n";
    assert_eq!(psql.run(script).success("after the commit"), "7\n");
}

#[test]
fn a_policy_that_changes_between_bind_and_execute_masks_by_the_new_one() {
    let stage = Stage::with_policy("default = \"allow\"\n");
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let sql = "SELECT email FROM customers WHERE id <= 42 ORDER BY id DESC";
    wire.send(&[query("BEGIN"), parse("", sql), bind("p", "", &[], false), sync()].concat())
        .unwrap();
    for _ in 0..2 {
        wire.messages_until(b'Z').unwrap();
    }
    wire.send(&[execute("p", 1), sync()].concat()).unwrap();
    let open = texts(&wire.messages_until(b'Z').unwrap());
    assert_eq!(open, [Some(SECRETS[0].to_owned())], "nothing is masked yet");

    stage.site.set_policy(&crate::stage::policy(""));
    let mut other = stage.wire(&gateway);
    let end = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let probe = "SELECT email FROM customers WHERE id = 42";
        if texts(&other.query(probe).unwrap()) == [Some("MASKED".to_owned())] {
            break;
        }
        assert!(std::time::Instant::now() < end, "the new policy is not in force");
    }
    wire.send(&[execute("p", 1), sync()].concat()).unwrap();
    let messages = wire.messages_until(b'Z').unwrap();
    assert_eq!(tags(&messages), "D s Z");
    assert_eq!(texts(&messages), [Some("MASKED".to_owned())]);
}

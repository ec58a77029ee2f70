//! The PostgreSQL relay with stock clients: psql and tokio-postgres.

use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::wire::{
    Message, READ_SECS_MAX, VERSION_3_0, Wire, bind, c_string, execute, flush, frame, parse, query,
    start_up, sync, tags, texts,
};

use crate::stage::Stage;

#[test]
fn simple_queries_are_what_they_are_without_a_gateway() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    assert_eq!(tags(&wire.query("").unwrap()), "I Z");
    assert_eq!(tags(&wire.query(" ;; -- nothing\n").unwrap()), "I Z");
    assert_eq!(tags(&wire.query("SELECT 1; SELECT 2;; SELECT 3").unwrap()), "T D C T D C T D C Z");
    assert_eq!(tags(&wire.query("SELECT 1 WHERE false").unwrap()), "T C Z");

    let stock = "SELECT stock FROM products WHERE id = 1";
    let before = texts(&wire.query(stock).unwrap());
    let broken = "UPDATE products SET stock = 5 WHERE id = 1; SELECT 1/0; SELECT 3";
    let answers = wire.query(broken).unwrap();
    assert_eq!(tags(&answers), "C E Z");
    assert_eq!(texts(&wire.query(stock).unwrap()), before, "one message is one transaction");

    for (sql, status) in [
        ("BEGIN", b'T'),
        ("SELECT 1", b'T'),
        ("SELECT no_such_column", b'E'),
        ("SELECT 1", b'E'),
        ("ROLLBACK", b'I'),
        ("BEGIN; SAVEPOINT a", b'T'),
        ("SELECT no_such_column", b'E'),
        ("ROLLBACK TO a", b'T'),
        ("COMMIT", b'I'),
        ("DROP TABLE orders", b'I'),
        ("BEGIN", b'T'),
        ("DROP TABLE orders", b'E'),
        ("SELECT 1", b'E'),
        ("COMMIT", b'I'),
    ] {
        let last = wire.query(sql).unwrap().pop().unwrap();
        assert_eq!(last.body, [status], "after {sql}");
    }

    let dropped = wire.query("SELECT 1; DROP TABLE orders; SELECT 2").unwrap();
    assert_eq!(tags(&dropped), "E Z", "all of a message is judged before any of it runs");
    let notice =
        wire.query("CREATE TABLE IF NOT EXISTS n (a int); CREATE TABLE IF NOT EXISTS n (a int)");
    assert_eq!(tags(&notice.unwrap()), "C N C Z");
}

/// The verbs of all kinds of statement that such a role can run, and what completes them.
// tidy: table
#[test]
fn every_completion_fits_its_statement() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    for sql in [
        "CREATE TABLE t (a int PRIMARY KEY, b text)",
        "CREATE TABLE u AS SELECT 1 AS a",
        "SELECT 2 AS a INTO v",
        "CREATE INDEX ON t (b)",
        "CREATE VIEW w AS SELECT a FROM t",
        "CREATE MATERIALIZED VIEW m AS SELECT a FROM t",
        "REFRESH MATERIALIZED VIEW m",
        "CREATE SEQUENCE q",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE e AS ENUM ('x')",
        "CREATE DOMAIN d AS int",
        "ALTER TABLE t ADD COLUMN c int",
        "ALTER TABLE t RENAME COLUMN c TO c2",
        "ALTER SEQUENCE q RESTART",
        "COMMENT ON TABLE t IS 'x'",
        "INSERT INTO t VALUES (1, 'x')",
        "INSERT INTO t VALUES (1, 'x') ON CONFLICT DO NOTHING",
        "UPDATE t SET b = 'y' WHERE a = 1",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = 'z'",
        "WITH x AS (INSERT INTO t VALUES (2, 'x') RETURNING a) SELECT a FROM x",
        "WITH x AS (SELECT 3 AS a) INSERT INTO t SELECT a FROM x",
        "DELETE FROM t WHERE a = 2",
        "VALUES (1), (2)",
        "TABLE t",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "SHOW search_path",
        "SET search_path = public",
        "RESET search_path",
        "SET TRANSACTION READ WRITE",
        "START TRANSACTION",
        "SAVEPOINT a",
        "RELEASE a",
        "SAVEPOINT a",
        "ROLLBACK TO SAVEPOINT a",
        "LOCK TABLE t",
        "DECLARE c CURSOR FOR SELECT 1",
        "FETCH c",
        "MOVE c",
        "CLOSE c",
        "SET CONSTRAINTS ALL DEFERRED",
        "END",
        "PREPARE s AS SELECT 1",
        "EXECUTE s",
        "CREATE TABLE IF NOT EXISTS u AS EXECUTE s",
        "DEALLOCATE s",
        "LISTEN l",
        "NOTIFY l",
        "UNLISTEN l",
        "DO 'BEGIN END'",
        "CALL p()",
        "ANALYZE t",
        "VACUUM t",
        "REINDEX TABLE t",
        "GRANT SELECT ON t TO PUBLIC",
        "REVOKE SELECT ON t FROM PUBLIC",
        "DISCARD ALL",
    ] {
        let answers = wire.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let error = answers.iter().find(|message| message.tag == b'E');
        let refused = error.and_then(|error| error.field(b'C'));
        // What the policy refuses is not the point here; a session that ended would be.
        assert!(matches!(refused.as_deref(), None | Some("42501")), "{sql}: {refused:?}");
    }
    assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z");
}

#[test]
fn large_results_and_values_come_whole() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.token());
    let sql = "SELECT n, md5(n::text) FROM generate_series(1, 200000) AS n";
    let text = psql.run(sql).success("reading 200,000 rows");
    assert_eq!(text.lines().count(), 200_000);
    assert_eq!(text, stage.admin(sql), "as without the gateway");
    let text = psql.run("SELECT repeat('x', 20000000)").success("reading a row of 20 MB");
    assert_eq!(text.len(), 20_000_001);
}

#[test]
fn oversize_and_unreadable_messages_are_refused_and_the_session_goes_on() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let long = format!("SELECT '{}'", "x".repeat(3 * 1024 * 1024));
    for (message, sqlstate) in [
        (query(&long), "54000"),
        (frame(b'Q', b"SELECT '\xff'\0"), "22021"),
        (query("SELEC 1"), "42601"),
        ([parse("", &long), sync()].concat(), "54000"),
    ] {
        wire.send(&message).unwrap();
        let answers = wire.messages_until(b'Z').unwrap();
        assert_eq!(tags(&answers), "E Z");
        assert_eq!(answers[0].field(b'C').as_deref(), Some(sqlstate));
    }
    assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z");

    for broken in [
        frame(b'Q', b"SELECT 1"),
        frame(b'Q', b"SELECT 1\0\0"),
        frame(b'!', b""),
        frame(b'S', b"x"),
        [b'Q', 0, 0, 0, 3].to_vec(),
        [b'Q', 0xff, 0xff, 0xff, 0xff].to_vec(),
        frame(b'B', &[0, 0, 0, 1, 0, 2, 0, 0, 0, 0]),
    ] {
        let mut wire = stage.wire(&gateway);
        wire.send(&broken).unwrap();
        let error = wire.message().unwrap();
        assert_eq!((error.tag, error.field(b'S').as_deref()), (b'E', Some("FATAL")));
        assert_eq!(error.field(b'C').as_deref(), Some("08P01"));
        assert!(wire.closed_within(READ_SECS_MAX).unwrap());
    }
}

#[test]
fn values_may_be_longer_than_statements_up_to_a_bound() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    for (bytes, answers) in [(5_000_000, "1 2 D C Z"), (20 * 1024 * 1024 + 1, "1 E Z")] {
        let value = "x".repeat(bytes);
        let run = [
            parse("", "SELECT length($1::text)"),
            bind("", "", &[&value], false),
            execute("", 0),
            sync(),
        ];
        wire.send(&run.concat()).unwrap();
        let messages = wire.messages_until(b'Z').unwrap();
        assert_eq!(tags(&messages), answers, "{bytes} bytes");
        match messages.iter().find(|message| message.tag == b'E') {
            Some(error) => assert_eq!(error.field(b'C').as_deref(), Some("54000")),
            None => assert_eq!(texts(&messages), [Some(bytes.to_string())]),
        }
    }
    assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z");
}

#[test]
fn a_driver_prepares_executes_and_pipelines() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut client = stage.driver(&gateway);
    stage.okta.runtime().block_on(async {
        let named = "SELECT id, name, email FROM customers WHERE id = $1";
        let statement = client.prepare(named).await.unwrap();
        for id in [1_i32, 42, 7] {
            let row = client.query_one(&statement, &[&id]).await.unwrap();
            assert_eq!(row.get::<_, i32>(0), id);
            assert_eq!(row.get::<_, &str>(2), "MASKED");
        }
        let ids = [1_i32, 2, 3];
        type Values<'a> = [&'a (dyn tokio_postgres::types::ToSql + Sync); 1];
        let (first, number, third): (Values<'_>, Values<'_>, Values<'_>) =
            ([&ids[0]], [&21_i64], [&ids[2]]);
        let (a, b, c) = tokio::join!(
            client.query_one(&statement, &first),
            client.query_one("SELECT $1::int8 * 2", &number),
            client.query_one(&statement, &third),
        );
        assert_eq!(a.unwrap().get::<_, i32>(0), 1);
        assert_eq!(b.unwrap().get::<_, i64>(0), 42);
        assert_eq!(c.unwrap().get::<_, i32>(0), 3);

        let transaction = client.transaction().await.unwrap();
        let sql = "SELECT id FROM orders ORDER BY id";
        let portal = transaction.bind(sql, &[]).await.unwrap();
        let first = transaction.query_portal(&portal, 10).await.unwrap();
        let rest = transaction.query_portal(&portal, 0).await.unwrap();
        assert_eq!((first.len(), rest.len()), (10, 990));
        let changed = transaction
            .execute("UPDATE products SET stock = $1 WHERE id = $2", &[&1_i32, &1_i32])
            .await
            .unwrap();
        assert_eq!(changed, 1);
        let denied = transaction.execute("DROP TABLE orders", &[]).await.unwrap_err();
        assert_eq!(denied.code().unwrap().code(), "42501");
        transaction.rollback().await.unwrap();
        let error = client.query("SELECT 1/0", &[]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "22012");
        assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    });
}

#[test]
fn notifications_reach_their_listener() {
    let standard = "\n[masking]\nmode = \"standard\"\n";
    let stage = Stage::with_policy(&crate::stage::policy(standard));
    let gateway = stage.site.start();
    let mut listener = stage.wire(&gateway);
    listener.query("LISTEN news").unwrap();
    let mut speaker = stage.wire(&gateway);
    speaker.query("NOTIFY news, 'hello'").unwrap();
    let message = listener.message().unwrap();
    assert_eq!(message.tag, b'A');
    assert!(message.body.ends_with(b"news\0hello\0"));
    assert_eq!(tags(&listener.query("SELECT 1").unwrap()), "T D C Z");
}

/// Start-up with these parameters under TLS: everything up to Z or E.
fn start(
    stage: &Stage,
    wire: &mut Wire,
    version: u32,
    parameters: &[(&str, &str)],
) -> Vec<Message> {
    wire.send(&start_up(version, parameters)).unwrap();
    let mut messages = Vec::new();
    loop {
        let message = wire.message().unwrap();
        let (tag, body) = (message.tag, message.body.clone());
        messages.push(message);
        match (tag, body.as_slice()) {
            (b'R', [0, 0, 0, 3]) => wire.send(&frame(b'p', &c_string(&stage.token()))).unwrap(),
            (b'E' | b'Z', _) => return messages,
            _ => {}
        }
    }
}

#[test]
fn versions_are_negotiated_once() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let base = [("user", APP_ROLE), ("database", DATABASE)];
    let greased = [base[0], base[1], ("_pq_.test_protocol_negotiation", "")];
    for (version, parameters, negotiated) in [
        (VERSION_3_0, &base[..], None),
        (VERSION_3_0 + 2, &base[..], None),
        (VERSION_3_0 + 3, &base[..], Some(&[0, 0, 0, 2, 0, 0, 0, 0][..])),
        (
            VERSION_3_0 + 9_999,
            &greased[..],
            Some(&b"\0\0\0\x02\0\0\0\x01_pq_.test_protocol_negotiation\0"[..]),
        ),
    ] {
        let mut wire = gateway.wire_tls();
        let messages = start(&stage, &mut wire, version, parameters);
        assert_eq!(messages.last().unwrap().tag, b'Z', "{version}");
        let said: Vec<&[u8]> =
            messages.iter().filter(|it| it.tag == b'v').map(|it| it.body.as_slice()).collect();
        assert_eq!(said, negotiated.into_iter().collect::<Vec<_>>(), "{version}");
        assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z");
    }
    let mut wire = gateway.wire_tls();
    wire.send(&start_up(131_072, &base)).unwrap();
    let error = wire.message().unwrap();
    assert!(error.field(b'M').unwrap().contains("protocol 2.0"), "{:?}", error.field(b'M'));
}

#[test]
fn start_up_settings_are_allowed_by_name() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let base = [("user", APP_ROLE), ("database", DATABASE)];
    for (name, value, sqlstate) in [
        ("application_name", "tests", None),
        ("client_encoding", "UTF8", None),
        ("DateStyle", "ISO", None),
        ("TimeZone", "UTC", None),
        ("options", "-c extra_float_digits=2 --IntervalStyle=iso_8601", None),
        ("client_encoding", "LATIN1", Some("22023")),
        ("search_path", "pg_temp", Some("42501")),
        ("options", "-c search_path=x", Some("42501")),
        ("options", "-csession_authorization=postgres", Some("42501")),
        ("options", "-c standard_conforming_strings=off", Some("42501")),
        ("options", "-S 1", Some("08P01")),
        ("role", "postgres", Some("42501")),
        ("replication", "database", Some("0A000")),
        ("replication", "true", Some("0A000")),
        ("replication", "off", None),
    ] {
        let mut wire = gateway.wire_tls();
        let messages = start(&stage, &mut wire, VERSION_3_0, &[base[0], base[1], (name, value)]);
        let last = messages.last().unwrap();
        let state = if last.tag == b'E' { last.field(b'C') } else { None };
        assert_eq!(state.as_deref(), sqlstate, "{name}={value}: {:?}", last.field(b'M'));
    }
    for (user, database, says) in [
        (APP_ROLE, "nowhere", "nowhere"),
        (APP_ROLE, "shop/other", "other"),
        ("postgres", "shop", "postgres"),
    ] {
        let mut wire = gateway.wire_tls();
        let messages =
            start(&stage, &mut wire, VERSION_3_0, &[("user", user), ("database", database)]);
        let error = messages.last().unwrap();
        assert_eq!((error.tag, error.field(b'S').as_deref()), (b'E', Some("FATAL")));
        let message = format!("{} {:?}", error.field(b'M').unwrap(), error.field(b'H'));
        assert!(message.contains(says), "{user} {database}: {message}");
    }
}

#[test]
fn a_target_that_dies_ends_the_session_with_a_readable_error() {
    let mut stage = Stage::new();
    let site = &stage.site;
    let gateway = site.start();
    let mut wire = gateway.wire_tls();
    wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    let kill = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{APP_ROLE}'"
    );
    stage.postgres.admin().run(&kill).success("ending the session's backend");
    let error = wire.message().unwrap();
    assert_eq!((error.tag, error.field(b'C').as_deref()), (b'E', Some("57P01")));
    assert!(wire.closed_within(READ_SECS_MAX).unwrap());

    let mut wire = gateway.wire_tls();
    wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    stage.postgres.kill();
    wire.send(&query("SELECT 1")).unwrap();
    let messages: Vec<Message> = std::iter::from_fn(|| wire.message().ok()).collect();
    let error = messages.last().expect("an error");
    let said = error.field(b'M');
    assert_eq!((error.tag, error.field(b'S').as_deref()), (b'E', Some("FATAL")), "{said:?}");
    assert!(wire.closed_within(READ_SECS_MAX).unwrap());
}

#[test]
fn a_client_that_never_reads_does_not_make_the_gateway_grow() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut deaf = stage.wire(&gateway);
    deaf.send(&query("SELECT repeat('x', 10000) FROM generate_series(1, 100000)")).unwrap();
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'";
    stage.wait_for(waits, "1\n");
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS");
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 700 * 1024, "the result of 1 GB is not buffered: {line}");
    assert_eq!(tags(&stage.wire(&gateway).query("SELECT 1").unwrap()), "T D C Z");
}

#[test]
fn a_statement_executed_again_without_a_description_is_masked() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let sql = "SELECT email FROM customers WHERE id = $1";
    wire.send(&[parse("s", sql), flush()].concat()).unwrap();
    assert_eq!(wire.message().unwrap().tag, b'1');
    for binary in [false, true, false] {
        wire.send(&[bind("", "s", &["42"], binary), execute("", 0), sync()].concat()).unwrap();
        let answers = wire.messages_until(b'Z').unwrap();
        assert_eq!(tags(&answers), "2 D C Z");
        assert_eq!(texts(&answers), [Some("MASKED".to_owned())]);
    }
}

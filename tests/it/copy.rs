//! COPY to and from the client: masked like a SELECT, recorded like any write.

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use portcullis::demo::issuer::MintRequest;
use portcullis_tests::okta::bob;
use portcullis_tests::operator::{CONSOLE_CLIENT, ask, entries_of, wait_for_questions};
use portcullis_tests::wire::{
    Message, READ_SECS_MAX, VERSION_3_0, Wire, bind, c_string, describe, execute, flush, frame,
    parse, query, sync, tags, texts,
};

use crate::cancel::{cancel_request, keyed};
use crate::masking::{leaks, open_doors};
use crate::stage::{Stage, approval, policy};

const FAKE: &str = "CREATE TABLE copied (a int, b text, c int GENERATED ALWAYS AS (a * 2) STORED)";

/// The bytes of all CopyData messages.
fn copied(messages: &[Message]) -> String {
    let data = messages.iter().filter(|message| message.tag == b'd');
    let bytes: Vec<u8> = data.flat_map(|message| message.body.clone()).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn extended(wire: &mut Wire, sql: &str) -> Vec<Message> {
    let run = [parse("", sql), bind("", "", &[], false), execute("", 0), sync()];
    wire.send(&run.concat()).unwrap();
    wire.messages_until(b'Z').unwrap()
}

fn rows(text: &str) -> Vec<u8> {
    frame(b'd', text.as_bytes())
}

const WHERE: &str = "FROM customers WHERE id = 42";

/// What to copy, and what comes.
const MASKED: [(&str, &str); 15] = [
    (
        "COPY (SELECT id, email, card_number, national_id FROM customers WHERE id = 42) TO STDOUT",
        "42\tMASKED\t***********0005\t\\N\n",
    ),
    (
        "COPY (SELECT national_id, email FROM customers WHERE id = 42) TO STDOUT CSV HEADER",
        "national_id,email\n,MASKED\n",
    ),
    ("COPY (SELECT email AS name FROM customers WHERE id = 42) TO STDOUT", "MASKED\n"),
    ("COPY (SELECT (email) /* ) */ FROM customers WHERE id = 42) TO STDOUT", "MASKED\n"),
    (
        "COPY (SELECT email FROM customers WHERE id = 42) TO STDOUT \
         (FORMAT csv, FORCE_QUOTE *, QUOTE '''', DELIMITER ';')",
        "'MASKED'\n",
    ),
    (
        "COPY (SELECT email FROM customers WHERE id = 42) TO STDOUT \
         (NULL 'chidi.jansen42@mail.example')",
        "MASKED\n",
    ),
    ("COPY (SELECT upper(email) FROM customers WHERE id = 42) TO STDOUT", "MASKED\n"),
    (
        "COPY (SELECT address, contact FROM customer_contacts WHERE id = 42) TO STDOUT",
        "MASKED\tChidi Jansen\n",
    ),
    ("COPY (UPDATE customers SET notes = 'x' WHERE id = 42 RETURNING email) TO STDOUT", "MASKED\n"),
    ("COPY (SELECT 1) TO STDOUT; SELECT 2", "1\n"),
    ("SELECT 2; COPY (SELECT email FROM customers WHERE id = 42) TO STDOUT", "\\N\n"),
    ("COPY (SELECT name FROM customers WHERE id = 42) TO STDOUT", "Chidi Jansen\n"),
    ("COPY (SELECT email FROM customers WHERE false) TO STDOUT", ""),
    ("COPY (SELECT a, b FROM pair WHERE a = 'x') TO STDOUT (DELIMITER '|')", "x|MASKED\n"),
    ("COPY pair (b, a) TO STDOUT (DELIMITER '|')", "MASKED|x\n"),
];

#[test]
fn no_copy_shows_a_protected_value() {
    let stage = open_doors();
    stage.admin(
        "CREATE TABLE pair (a text, dropped int, double text GENERATED ALWAYS AS (b || b) STORED, \
         b text); ALTER TABLE pair DROP COLUMN dropped; INSERT INTO pair (a, b) VALUES ('x', 'y'); \
         GRANT SELECT ON pair TO shop_app",
    );
    stage.site.set_policy(&policy("\n[masking]\nmode = \"values\"\n").replace(
        "columns = [",
        "columns = [ { origin = \"public.pair.b\", mask = { fixed = \"MASKED\" }, rule = \"b\" },",
    ));
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    for (sql, shown) in MASKED {
        let mut results = vec![("simple", wire.query(sql).unwrap())];
        if !sql.contains("SELECT 2") {
            results.push(("extended", extended(&mut wire, sql)));
        }
        for (how, messages) in results {
            assert_eq!(copied(&messages), shown, "{how}: {sql}: {}", tags(&messages));
        }
    }
    for sql in ["COPY customers TO STDOUT", "COPY pair TO STDOUT", "COPY pair TO STDOUT CSV"] {
        let direct = stage.admin(sql);
        let messages = wire.query(sql).unwrap();
        let all = copied(&messages);
        assert_eq!(tags(&messages[messages.len() - 3..]), "c C Z", "{sql}");
        assert_eq!(leaks(&all), None, "{sql}");
        assert_eq!(all.lines().count(), direct.lines().count(), "{sql}: every row comes");
        let kept = if sql.starts_with("COPY pair") { "x" } else { "Chidi Jansen" };
        assert!(all.contains(kept) && all.contains("MASKED"), "{sql}: {all}");
    }
    let messages = wire.query("COPY customers TO STDOUT (FORMAT binary)").unwrap();
    let all = copied(&messages);
    assert!(all.starts_with("PGCOPY\n") && all.contains("Chidi Jansen") && all.contains("MASKED"));
    assert_eq!(leaks(&all), None);
    let frames = messages.iter().filter(|message| message.tag == b'd').count();
    assert_eq!(frames, 201, "a message a row and the end, as the server sends them");
}

/// Made in the transaction itself, so the catalogue knows nothing of it, and altered after.
#[test]
fn a_table_that_nobody_else_knows_is_copied_hidden() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    wire.query("BEGIN").unwrap();
    wire.query(FAKE).unwrap();
    wire.query("INSERT INTO copied VALUES (1, 'secret')").unwrap();
    for sql in ["COPY copied TO STDOUT", "COPY (SELECT a, b FROM copied) TO STDOUT"] {
        let messages = wire.query(sql).unwrap();
        assert!(!copied(&messages).contains("secret"), "{sql}: {}", copied(&messages));
        assert_eq!(copied(&messages).matches('\n').count(), 1, "{sql}");
    }
    wire.query("COMMIT").unwrap();
    assert_eq!(copied(&wire.query("COPY copied TO STDOUT").unwrap()), "1\tsecret\n");
}

#[test]
fn a_copy_that_fails_or_is_refused_leaves_the_session_as_the_client_is_told() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    for (sql, sqlstate, position) in [
        ("COPY (SELECT nope FROM customers) TO STDOUT", "42703", Some("14")),
        ("COPY (SELECT 1 FROM nope) TO STDOUT", "42P01", Some("21")),
        ("COPY nope TO STDOUT", "42P01", Some("1")),
        ("COPY customers TO STDOUT (FORMAT xml)", "0A000", None),
        ("COPY customers TO STDOUT (NULL '\\')", "0A000", None),
        ("COPY customers TO STDOUT (ENCODING 'SJIS')", "0A000", None),
        ("COPY customers TO STDOUT (HEADER match)", "0A000", None),
        ("COPY customers TO STDOUT (DELIMITER 'a')", "0A000", None),
        ("COPY (DROP TABLE customers) TO STDOUT", "42601", None),
        ("COPY customers TO PROGRAM 'cat'", "42501", None),
        ("COPY nope FROM STDIN", "42P01", None),
        ("COPY customers FROM STDIN (FORMAT xml)", "22023", None),
    ] {
        for mode in ["alone", "extended", "in a transaction"] {
            if mode == "in a transaction" {
                wire.query("BEGIN").unwrap();
            }
            let messages = match mode {
                "extended" => extended(&mut wire, sql),
                _ => wire.query(sql).unwrap(),
            };
            let error = messages.iter().find(|it| it.tag == b'E').expect(sql);
            let state = error.field(b'C');
            let fits = state.as_deref() == Some(sqlstate) || sqlstate == "0A000";
            assert!(fits, "{mode}: {sql}: {state:?} {:?}", error.field(b'M'));
            if position.is_some() {
                assert_eq!(error.field(b'P').as_deref(), position, "{mode}: {sql}");
            }
            assert!(copied(&messages).is_empty(), "{mode}: {sql}");
            let ready = messages.iter().filter(|it| it.tag == b'Z').count();
            assert_eq!(ready, 1, "{mode}: {sql}");
            if mode == "in a transaction" {
                assert_eq!(messages.last().unwrap().body, b"E", "{sql}");
                wire.query("ROLLBACK").unwrap();
            }
            assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z", "{mode}: {sql}");
        }
    }
}

#[test]
fn rows_from_the_client_arrive_and_are_in_the_log() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    wire.query(FAKE).unwrap();
    let count = || stage.admin("SELECT count(*), max(b) FROM copied");

    // Whatever the bounds of the messages: inside a row, and several rows in one.
    wire.send(&query("COPY copied (a, b) FROM STDIN")).unwrap();
    assert_eq!(tags(&wire.messages_until(b'G').unwrap()), "G");
    wire.send(&[rows("1\tx"), rows(""), flush(), sync(), rows("1\n2\tx2\n3\t")].concat()).unwrap();
    wire.send(&[rows("x3\n"), frame(b'c', b"")].concat()).unwrap();
    assert_eq!(tags(&wire.messages_until(b'Z').unwrap()), "C Z");
    assert_eq!(count(), "3|x3\n");

    // As tokio-postgres does: Sync right behind Execute, before the rows.
    let start = [parse("", "COPY copied (a, b) FROM STDIN CSV"), bind("", "", &[], false)];
    wire.send(&[start.concat(), execute("", 0), sync()].concat()).unwrap();
    assert_eq!(tags(&wire.messages_until(b'G').unwrap()), "1 2 G");
    wire.send(&[rows("4,x4\n"), frame(b'c', b""), sync()].concat()).unwrap();
    assert_eq!(tags(&wire.messages_until(b'Z').unwrap()), "C Z");
    assert_eq!(count(), "4|x4\n");

    // Two in one message, with something behind.
    let two = "COPY copied (a) FROM STDIN; COPY copied (a) FROM STDIN; SELECT 7";
    wire.send(&query(two)).unwrap();
    for (row, last) in [("5\n", b'G'), ("6\n", b'Z')] {
        if last == b'G' {
            wire.messages_until(b'G').unwrap();
        }
        wire.send(&[rows(row), frame(b'c', b"")].concat()).unwrap();
        let answers = wire.messages_until(last).unwrap();
        let expected = if last == b'G' { "C G" } else { "C T D C Z" };
        assert_eq!(tags(&answers), expected);
    }
    assert_eq!(count(), "6|x4\n");

    drop(wire);
    assert!(gateway.stop().success());
    let requests = entries_of(&stage.site.log_dir(), "request");
    let data: Vec<_> = requests.iter().filter(|it| it["body"]["kind"] == "sql_copy_data").collect();
    assert!(data.len() >= 4, "each run of rows is a request of its own: {}", data.len());
    assert!(data.iter().all(|it| it["body"]["state"] == "permitted" && it["pl"]["bytes"] != 0));
}

#[test]
fn a_copy_in_that_breaks_off_leaves_nothing_behind() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    wire.query(FAKE).unwrap();
    let begin = |wire: &mut Wire, simple: bool| {
        let sql = "COPY copied (a, b) FROM STDIN";
        let run = [parse("", sql), bind("", "", &[], false), execute("", 0)].concat();
        wire.send(&if simple { query(sql) } else { run }).unwrap();
        wire.messages_until(b'G').unwrap();
    };
    let fail = frame(b'f', &c_string("the client's own words"));
    let ends: [(&str, Vec<u8>, &str); 4] = [
        ("CopyFail", [rows("1\tx\n"), fail].concat(), "57014"),
        (
            "a bad row",
            [rows("1\tx\nnone\tx\n"), rows("2\tx\n"), frame(b'c', b"")].concat(),
            "22P02",
        ),
        ("a Query", [rows("1\tx\n"), query("DROP TABLE customers")].concat(), "57014"),
        ("a Parse", [rows("1\tx\n"), parse("", "SELECT 1")].concat(), "57014"),
    ];
    for (how, messages, sqlstate) in ends {
        for simple in [true, false] {
            begin(&mut wire, simple);
            wire.send(&messages).unwrap();
            if !simple {
                wire.send(&sync()).unwrap();
            }
            let answers = wire.messages_until(b'Z').unwrap();
            assert_eq!(tags(&answers), "E Z", "{how}");
            assert_eq!(answers[0].field(b'C').as_deref(), Some(sqlstate), "{how}");
            let text = texts(&wire.query("SELECT count(*) FROM copied").unwrap());
            assert_eq!(text, [Some("0".to_owned())], "{how}");
        }
    }
    // A client that leaves in the middle.
    begin(&mut wire, true);
    wire.send(&rows("1\tx\n")).unwrap();
    drop(wire);
    let active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%FROM STDIN'";
    stage.wait_for(active, "0\n");
    assert_eq!(stage.admin("SELECT count(*) FROM copied"), "0\n");
}

#[test]
fn large_copies_pass_in_both_directions() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.token());
    let many = "SELECT n, repeat('x', 100) FROM generate_series(1, 100000) AS n";
    let file = stage.site.dir().join("rows.csv");
    let file = file.to_str().unwrap();
    let script = format!(
        "CREATE TABLE large (a int, b text);\n\\copy ({many}) to '{file}' csv\n\
         \\copy large from '{file}' csv\nSELECT count(*), sum(a) FROM large;\n"
    );
    let output = psql.run(&script).success("copying out and in");
    assert!(output.contains("100000|5000050000"), "{output}");

    // One row, and so one message, larger than any buffer of the gateway.
    let mut wire = stage.wire(&gateway);
    wire.send(&query("COPY large (b) FROM STDIN")).unwrap();
    wire.messages_until(b'G').unwrap();
    wire.send(&rows(&format!("{}\n", "y".repeat(20_000_000)))).unwrap();
    wire.send(&frame(b'c', b"")).unwrap();
    assert_eq!(tags(&wire.messages_until(b'Z').unwrap()), "C Z");
    let length = "SELECT max(length(b)) FROM large";
    assert_eq!(stage.admin(length), "20000000\n");
    let all = copied(&wire.query("COPY (SELECT b FROM large WHERE a IS NULL) TO STDOUT").unwrap());
    assert_eq!(all.len(), 20_000_001);
}

#[test]
fn a_cancelled_copy_ends_and_the_session_goes_on() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let (mut wire, key) = keyed(&stage, &gateway, VERSION_3_0);
    wire.query("CREATE TABLE taken (a int)").unwrap();
    let cancel = || {
        let mut asking = gateway.wire();
        asking.send(&cancel_request(&key)).unwrap();
        assert!(asking.closed_within(READ_SECS_MAX).unwrap());
    };
    wire.send(&query("COPY (SELECT email FROM customers, orders, orders AS o) TO STDOUT")).unwrap();
    wire.messages_until(b'd').unwrap();
    cancel();
    let answers = wire.messages_until(b'Z').unwrap();
    let error = answers.iter().find(|message| message.tag == b'E').expect("an error");
    assert_eq!(error.field(b'C').as_deref(), Some("57014"));
    assert!(copied(&answers).lines().all(|line| line == "MASKED"));

    stage.admin(
        "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql \
         AS 'BEGIN PERFORM pg_sleep(60); RETURN new; END'; \
         CREATE TRIGGER doze BEFORE INSERT ON taken FOR EACH ROW EXECUTE FUNCTION doze()",
    );
    wire.send(&query("COPY taken FROM STDIN")).unwrap();
    wire.messages_until(b'G').unwrap();
    wire.send(&[rows("1\n"), frame(b'c', b"")].concat()).unwrap();
    let dozing = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    stage.wait_for(dozing, "1\n");
    cancel();
    let answers = wire.messages_until(b'Z').unwrap();
    assert_eq!(answers[0].field(b'C').as_deref(), Some("57014"), "{}", tags(&answers));
    assert_eq!(stage.admin("SELECT count(*) FROM taken"), "0\n");
    assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z");
}

#[test]
fn a_driver_copies_out_and_in() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let client = stage.driver(&gateway);
    stage.okta.runtime().block_on(async {
        let sql = "COPY (SELECT id, email FROM customers WHERE id < 3 ORDER BY id) TO STDOUT";
        let rows = client.copy_out(sql).await.unwrap();
        let rows: Vec<Bytes> = rows.map(|row| row.unwrap()).collect().await;
        assert_eq!(rows.concat(), b"1\tMASKED\n2\tMASKED\n");

        client.batch_execute("CREATE TABLE taken (a int)").await.unwrap();
        for _ in 0..2 {
            let sink = client.copy_in("COPY taken FROM STDIN (FORMAT binary)").await.unwrap();
            let mut sink = Box::pin(sink);
            let mut bytes = BytesMut::from(&b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..]);
            bytes.put_slice(&[0, 1, 0, 0, 0, 4, 0, 0, 0, 9, 0xff, 0xff]);
            sink.send(bytes.freeze()).await.unwrap();
            assert_eq!(sink.as_mut().finish().await.unwrap(), 1);
        }
        let row = client.query_one("SELECT sum(a) FROM taken", &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 18);
    });
}

#[test]
fn a_held_copy_runs_once_a_person_approves() {
    let stage = Stage::with_policy(&policy(&approval("\"copy_from\"")));
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    wire.query(FAKE).unwrap();
    wire.send(&query("COPY copied (a) FROM STDIN")).unwrap();
    let approver = stage.okta.mint(&MintRequest::person(&bob(), CONSOLE_CLIENT));
    let ids = wait_for_questions(&gateway, &approver, 1);
    ask(&gateway, &approver, &["approvals", "approve", &ids[0]]).success("approving");
    wire.messages_until(b'G').unwrap();
    wire.send(&[rows("1\n"), frame(b'c', b"")].concat()).unwrap();
    assert_eq!(tags(&wire.messages_until(b'Z').unwrap()), "C Z");
    assert_eq!(stage.admin("SELECT count(*) FROM copied"), "1\n");
}

#[test]
fn the_gateways_own_statement_is_out_of_reach() {
    let stage = open_doors();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let own = "described by portcullis";
    let copy = format!("COPY (SELECT email {WHERE}) TO STDOUT");
    assert_eq!(copied(&extended(&mut wire, &copy)), "MASKED\n");
    for message in [parse(own, "SELECT 1"), bind("", own, &[], false), describe(b'S', own)] {
        wire.send(&[message, sync()].concat()).unwrap();
        assert_eq!(tags(&wire.messages_until(b'Z').unwrap()), "E Z");
    }
    for sql in [format!("PREPARE \"{own}\" AS SELECT 1"), format!("EXECUTE \"{own}\"")] {
        assert_eq!(tags(&wire.query(&sql).unwrap()), "E Z", "{sql}");
    }
    let left = "SELECT count(*) FROM pg_prepared_statements";
    assert_eq!(texts(&wire.query(left).unwrap()), [Some("0".to_owned())]);
    assert_eq!(copied(&extended(&mut wire, &copy)), "MASKED\n", "a second time");
}

#[test]
fn a_row_of_any_size_is_copied_out_and_a_masked_one_too_large_is_refused() {
    let stage = Stage::new();
    let bytes = 40_000_000;
    stage.admin(&format!("UPDATE customers SET notes = repeat('x', {bytes}) WHERE id = 42"));
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let open = "COPY (SELECT id, notes FROM customers WHERE id = 42) TO STDOUT";
    let messages = wire.query(open).unwrap();
    assert_eq!(tags(&messages), "H d c C Z");
    assert_eq!(messages[1].body.len(), "42\t\n".len() + bytes);

    let masked = "COPY (SELECT email, notes FROM customers WHERE id = 42) TO STDOUT";
    let messages = wire.query(masked).unwrap();
    assert_eq!(tags(&messages), "H E Z");
    assert_eq!(messages[1].field(b'C').as_deref(), Some("54000"));
    assert_eq!(texts(&wire.query("SELECT 1").unwrap()), [Some("1".to_owned())]);
}

//! The extended protocol by raw bytes: what an attacker, or a clever driver, would send.

use portcullis_tests::wire::{
    Wire, bind, close, describe, execute, flush, parse, query, sync, tags, texts,
};

use crate::stage::{Stage, approval, policy};

const EMAIL: &str = "SELECT upper(email) FROM customers WHERE id = 42";

fn send(wire: &mut Wire, messages: &[Vec<u8>]) {
    wire.send(&messages.concat()).unwrap();
}

/// Sends, and reads up to the given number of ReadyForQuery.
fn ask(
    wire: &mut Wire,
    messages: &[Vec<u8>],
    readies: usize,
) -> Vec<portcullis_tests::wire::Message> {
    send(wire, messages);
    (0..readies).flat_map(|_| wire.messages_until(b'Z').unwrap()).collect()
}

#[test]
fn pipelines_answer_in_order() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);

    let one = [parse("", "SELECT 1"), bind("", "", &[], false), execute("", 0)].concat();
    let answers = ask(&mut wire, &[one.clone(), one.clone(), one.clone(), sync()], 1);
    assert_eq!(tags(&answers), "1 2 D C 1 2 D C 1 2 D C Z", "without a Describe of the client");

    let three = [[one.clone(), sync()].concat(), [one.clone(), sync()].concat()].concat();
    assert_eq!(tags(&ask(&mut wire, &[three], 2)), "1 2 D C Z 1 2 D C Z");

    let described = [
        parse("s", "SELECT id, name FROM customers WHERE id <= $1 ORDER BY id"),
        describe(b'S', "s"),
        bind("p", "s", &["5"], false),
        describe(b'P', "p"),
        execute("p", 2),
        execute("p", 2),
        execute("p", 0),
        close(b'P', "p"),
        close(b'S', "s"),
        sync(),
    ];
    let answers = ask(&mut wire, &described, 1);
    assert_eq!(tags(&answers), "1 t T 2 T D D s D D s D C 3 3 Z");

    send(&mut wire, &[parse("", "SELECT 1"), describe(b'S', ""), flush()]);
    assert_eq!(tags(&wire.messages_until(b'T').unwrap()), "1 t T", "Flush brings the answers");
    assert_eq!(tags(&ask(&mut wire, &[sync()], 1)), "Z");

    let empty = [parse("", ""), bind("", "", &[], false), execute("", 0), sync()];
    assert_eq!(tags(&ask(&mut wire, &empty, 1)), "1 2 I Z");

    let failing = [
        one.clone(),
        parse("", "SELECT no_such_column"),
        bind("", "", &[], false),
        execute("", 0),
        one,
        query("SELECT 2"),
        sync(),
    ];
    let answers = ask(&mut wire, &failing, 1);
    assert_eq!(tags(&answers), "1 2 D C E Z", "an error skips all to Sync, a Query too");
    assert_eq!(texts(&wire.query("SELECT 3").unwrap()), [Some("3".to_owned())]);
}

#[test]
fn ten_thousand_messages_before_one_sync_come_back() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let one = [bind("", "s", &[], false), execute("", 0)].concat();
    let mut messages = parse("s", "SELECT 1");
    for _ in 0..5_000 {
        messages.extend_from_slice(&one);
    }
    messages.extend(sync());
    let answers = ask(&mut wire, &[messages], 1);
    assert_eq!(answers.iter().filter(|message| message.tag == b'D').count(), 5_000);
}

#[test]
fn a_denial_in_a_pipeline_undoes_what_ran_before_it() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let run = |sql: &str| [parse("", sql), bind("", "", &[], false), execute("", 0)].concat();
    let stock = "SELECT stock FROM products WHERE id = 1";
    let before = texts(&wire.query(stock).unwrap());

    let update = run("UPDATE products SET stock = 777 WHERE id = 1");
    let denied = [update.clone(), run("DROP TABLE orders"), run("SELECT 1"), sync()];
    let answers = ask(&mut wire, &denied, 1);
    assert_eq!(tags(&answers), "1 2 C E Z");
    assert_eq!(answers[3].field(b'C').as_deref(), Some("42501"));
    assert_eq!(answers[4].body, b"I");
    assert_eq!(texts(&wire.query(stock).unwrap()), before, "the update was rolled back");

    // The same with the unnamed portal of a Query in the middle of a pipeline.
    let answers = ask(&mut wire, &[update, query("DROP TABLE orders")], 1);
    assert_eq!(tags(&answers), "1 2 C E Z");
    assert_eq!(texts(&wire.query(stock).unwrap()), before, "so was this one");

    wire.query("BEGIN").unwrap();
    let answers = ask(&mut wire, &[run("DROP TABLE orders"), sync()], 1);
    assert_eq!((tags(&answers).as_str(), answers[1].body.as_slice()), ("E Z", &b"E"[..]));
    let answers = wire.query("SELECT 1").unwrap();
    assert_eq!(answers[0].field(b'C').as_deref(), Some("25P02"), "the transaction is aborted");
    assert_eq!(wire.query("ROLLBACK").unwrap().last().unwrap().body, b"I");
}

#[test]
fn a_denied_query_after_a_failed_message_is_skipped_as_the_server_skips_it() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let answers = ask(
        &mut wire,
        &[
            parse("", "SELECT no_such_column"),
            query("DROP TABLE orders"),
            parse("", "SELECT 5"),
            bind("", "", &[], false),
            execute("", 0),
            sync(),
            query("SELECT 6"),
        ],
        2,
    );
    assert_eq!(tags(&answers), "E Z T D C Z", "one ReadyForQuery for the client's one Sync");
}

#[test]
fn the_unnamed_statement_is_what_the_server_says_it_is() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    // The second Parse is skipped, so the first text still stands behind the empty name.
    let swap = [
        parse("", EMAIL),
        sync(),
        parse("x", "SELECT no_such_column"),
        parse("", "SELECT 1::text"),
        sync(),
        bind("", "", &[], false),
        execute("", 0),
        sync(),
    ];
    let answers = ask(&mut wire, &swap, 3);
    assert_eq!(tags(&answers), "1 Z E Z 2 D C Z");
    assert_ne!(texts(&answers), [Some("CHIDI.JANSEN42@MAIL.EXAMPLE".to_owned())]);
}

#[test]
fn a_skipped_parse_does_not_get_a_held_statement_run_unasked() {
    let stage = Stage::with_policy(&policy(&approval("\"update\"")));
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let update = "UPDATE products SET stock = 777 WHERE id = 1";
    send(
        &mut wire,
        &[
            parse("", update),
            sync(),
            parse("x", "SELECT no_such_column"),
            parse("", "SELECT 1"),
            sync(),
            bind("", "", &[], false),
            execute("", 0),
            sync(),
        ],
    );
    for _ in 0..2 {
        wire.messages_until(b'Z').unwrap();
    }
    let notice = wire.messages_until(b'N').unwrap().pop().unwrap();
    assert!(notice.field(b'M').unwrap().contains("apr_"), "the UPDATE waits for a person");
    let stock = stage.admin("SELECT stock FROM products WHERE id = 1");
    assert_ne!(stock, "777\n");

    let mut wire = stage.wire(&gateway);
    let answers = ask(&mut wire, &[parse("s", update), sync(), query("EXECUTE s")], 2);
    assert_eq!(tags(&answers), "1 Z E Z", "SQL can't run what the protocol prepared");
    let answers = ask(
        &mut wire,
        &[
            parse("early", "EXECUTE late"),
            sync(),
            parse("late", update),
            sync(),
            bind("", "early", &[], false),
            execute("", 0),
            sync(),
        ],
        3,
    );
    assert!(!tags(&answers).contains('C'), "nor prepare to: {}", tags(&answers));
    assert_ne!(stage.admin("SELECT stock FROM products WHERE id = 1"), "777\n");
}

#[test]
fn names_that_the_server_would_cut_are_refused() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let stem = "n".repeat(63);
    let (one, two) = (format!("{stem}1"), format!("{stem}2"));
    let run = |name: &str| [bind("", name, &[], false), execute("", 0), sync()].concat();
    let answers = ask(
        &mut wire,
        &[
            [parse(&one, "SELECT 1::text"), sync()].concat(),
            [close(b'S', &two), sync()].concat(),
            [parse(&two, EMAIL), sync()].concat(),
            run(&one),
        ],
        4,
    );
    assert_eq!(tags(&answers), "E Z E Z E Z E Z");
    assert_eq!(answers[0].field(b'C').as_deref(), Some("42602"));
    let answers = ask(&mut wire, &[parse(&stem, "SELECT 1"), sync(), run(&stem)], 2);
    assert_eq!(tags(&answers), "1 Z 2 D C Z", "63 bytes are fine");
}

#[test]
fn sql_cannot_slip_another_statement_under_a_name() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let run = |name: &str| [bind("", name, &[], false), execute("", 0), sync()].concat();
    let plain = [parse("s", "SELECT 1::text"), sync()].concat();
    for sql in ["DEALLOCATE s", "DEALLOCATE ALL", "DISCARD ALL"] {
        ask(&mut wire, std::slice::from_ref(&plain), 1);
        assert_eq!(tags(&ask(&mut wire, &[run("s")], 1)), "2 D C Z");
        wire.query(sql).unwrap();
        wire.query(&format!("PREPARE s AS {EMAIL}")).unwrap();
        let answers = ask(&mut wire, &[run("s")], 1);
        assert_eq!(tags(&answers), "E Z", "after {sql}");
        assert_eq!(answers[0].field(b'C').as_deref(), Some("26000"));
        let executed = wire.query("EXECUTE s").unwrap();
        assert!(!format!("{:?}", texts(&executed)).contains("CHIDI"), "{:?}", texts(&executed));
        wire.query("DEALLOCATE ALL").unwrap();
        // A fresh Parse of the name works again.
        assert_eq!(tags(&ask(&mut wire, &[plain.clone(), run("s")], 2)), "1 Z 2 D C Z");
        wire.query("DEALLOCATE ALL").unwrap();
    }
    let reserved = wire.query("PREPARE \"refused by portcullis\" AS SELECT 1").unwrap();
    assert_eq!(reserved[0].field(b'C').as_deref(), Some("42501"));
    for message in [parse("refused by portcullis", "SELECT 1"), run("refused by portcullis")] {
        let answers = ask(&mut wire, &[message, sync()], 1);
        assert_eq!(answers[0].tag, b'E');
        if tags(&answers) != "E Z" {
            panic!("{}", tags(&answers));
        }
    }
}

#[test]
fn a_cursor_of_sql_is_no_portal_of_the_protocol() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let declare = format!("DECLARE c CURSOR WITH HOLD FOR {EMAIL}");
    wire.query(&declare).unwrap();
    // The Bind fails because the cursor has the name; the Execute behind the Sync would reach it.
    let answers = ask(
        &mut wire,
        &[
            parse("s", "SELECT 1::text"),
            bind("c", "s", &[], false),
            sync(),
            execute("c", 0),
            sync(),
        ],
        2,
    );
    assert_eq!(tags(&answers), "1 E Z E Z");

    wire.query("CLOSE c; BEGIN").unwrap();
    ask(&mut wire, &[bind("c", "s", &[], false), describe(b'P', "c"), sync()], 1);
    wire.query(&format!("CLOSE c; DECLARE c CURSOR FOR {EMAIL}")).unwrap();
    let answers = ask(&mut wire, &[execute("c", 0), sync()], 1);
    assert_eq!(tags(&answers), "E Z");
    wire.query("ROLLBACK").unwrap();

    let fetched = wire.query(&format!("BEGIN; DECLARE c CURSOR FOR {EMAIL}; FETCH c")).unwrap();
    assert!(!format!("{:?}", texts(&fetched)).contains("CHIDI"), "{:?}", texts(&fetched));
    wire.query("ROLLBACK").unwrap();
}

#[test]
fn a_skipped_close_leaves_the_statement_and_its_masks() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let answers = ask(
        &mut wire,
        &[
            parse("s", EMAIL),
            sync(),
            parse("x", "SELECT no_such_column"),
            close(b'S', "s"),
            parse("s", "SELECT 1::text"),
            sync(),
            bind("", "s", &[], false),
            execute("", 0),
            sync(),
        ],
        3,
    );
    assert_eq!(tags(&answers), "1 Z E Z 2 D C Z");
    assert!(!format!("{:?}", texts(&answers)).contains("CHIDI"));
}

#[test]
fn a_failed_commit_at_sync_is_an_error_and_the_session_goes_on() {
    let stage = Stage::new();
    stage.admin(
        "CREATE TABLE later (id int UNIQUE DEFERRABLE INITIALLY DEFERRED); \
         INSERT INTO later VALUES (1); GRANT ALL ON later TO shop_app",
    );
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let twice = [parse("", "INSERT INTO later VALUES (1)"), bind("", "", &[], false)];
    let answers = ask(&mut wire, &[twice.concat(), execute("", 0), sync()], 1);
    assert_eq!(tags(&answers), "1 2 C E Z");
    assert_eq!(answers[3].field(b'C').as_deref(), Some("23505"));
    assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z");
}

#[test]
fn function_calls_are_refused_and_the_session_goes_on() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let call = portcullis_tests::wire::frame(b'F', &[0, 0, 5, 0xdd, 0, 0, 0, 0, 0, 0]);
    let answers = ask(&mut wire, &[call], 1);
    assert_eq!(
        (tags(&answers).as_str(), answers[0].field(b'C').unwrap().as_str()),
        ("E Z", "0A000")
    );
    assert_eq!(tags(&wire.query("SELECT 1").unwrap()), "T D C Z");
}

#[test]
fn what_sql_made_can_be_described_and_not_run() {
    let stage = Stage::new();
    let gateway = stage.site.start();
    let mut wire = stage.wire(&gateway);
    let made = "BEGIN; DECLARE c CURSOR FOR SELECT email FROM customers; \
                PREPARE s AS SELECT email FROM customers WHERE id = $1";
    wire.query(made).unwrap();

    let described = [describe(b'P', "c"), describe(b'S', "s"), sync()];
    assert_eq!(tags(&ask(&mut wire, &described, 1)), "T t T Z");
    // Nothing is known here of what they run, so nothing could be masked.
    assert_eq!(tags(&ask(&mut wire, &[execute("c", 0), sync()], 1)), "E Z");
    wire.query("ROLLBACK").unwrap();
    assert_eq!(tags(&ask(&mut wire, &[bind("", "s", &["1"], false), sync()], 1)), "E Z");

    let answers = ask(&mut wire, &[describe(b'P', "none"), describe(b'P', "c"), sync()], 1);
    assert_eq!(tags(&answers), "E Z");
    assert_eq!(answers[0].field(b'C').as_deref(), Some("34000"), "the target's own refusal");
}

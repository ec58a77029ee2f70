//! Budgets: what a result gives out is counted before it leaves, and ends where a budget does.

use std::thread::sleep;
use std::time::{Duration, Instant};

use portcullis_tests::operator::{
    Stage, WAIT_SECS_MAX, ask, entries_of, one_plugin, wait_for_questions,
};
use portcullis_tests::plugins::component;
use portcullis_tests::postgres::{APP_ROLE, DATABASE};
use portcullis_tests::wire::{Message, Wire, bind, execute, parse, sync, tags};

use crate::calls::call;

fn stage(settings: &str) -> Stage {
    let rest = format!("grants = [\"kv\"]\n[plugins.settings]\n{settings}\n");
    Stage::new(&one_plugin(&component("budget"), &rest))
}

fn rows(messages: &[Message]) -> usize {
    messages.iter().filter(|message| matches!(message.tag, b'D' | b'd')).count()
}

fn error(messages: &[Message]) -> String {
    let error = messages.iter().find(|message| message.tag == b'E');
    error.map(|it| it.field(b'M').unwrap_or_default()).unwrap_or_default()
}

const MANY: &str = "SELECT n, repeat('x', 100) FROM generate_series(1, 50000) AS n";

#[test]
fn a_dump_is_cut_and_nothing_beyond_the_budget_leaves() {
    let stage = stage("limits = [{ per = \"statement\", rows = 5000 }]");
    let gateway = stage.site.start();
    let token = stage.okta.agent_token();
    let mut wire: Wire = gateway.wire_tls();
    wire.sign_in(APP_ROLE, DATABASE, &token).unwrap();
    for sql in [MANY.to_owned(), format!("COPY ({MANY}) TO STDOUT")] {
        let messages = wire.query(&sql).unwrap();
        let (given, told) = (rows(&messages), error(&messages));
        assert!((1..=5000).contains(&given), "{sql}: {given} rows");
        assert!(told.contains("at most 5000 rows (rule budget.statement)"), "{told}");
        assert!(tags(&messages).ends_with("E Z"), "the error ends the result");
        // The session survives, and what is within the budget comes whole.
        let whole = wire.query("SELECT n FROM generate_series(1, 5000) AS n").unwrap();
        assert_eq!((rows(&whole), error(&whole).as_str()), (5000, ""));
    }
    let dumped = gateway.psql(&token).run(&format!("\\copy ({MANY}) TO STDOUT"));
    assert_ne!(dumped.code, Some(0));
    assert!(dumped.stderr.contains("budget.statement"), "{}", dumped.stderr);
    assert!((1..=5000).contains(&dumped.stdout.lines().count()));
    drop(wire);
    assert!(gateway.stop().success());
    let mut notes = entries_of(&stage.site.log_dir(), "note");
    notes.retain(|note| note["body"]["what"] == "result_stopped");
    assert_eq!(notes.len(), 3, "each end is recorded: {notes:?}");
}

#[test]
fn a_row_larger_than_what_is_left_is_not_shown() {
    let stage = stage("limits = [{ per = \"statement\", bytes = 4000000 }]");
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.okta.agent_token());
    let small = psql.run("SELECT repeat('x', 3000000)").success("within the budget");
    assert_eq!(small.trim_end().len(), 3_000_000);
    let large = psql.run("SELECT repeat('x', 30000000)");
    assert!(large.code != Some(0) && large.stdout.len() <= 4_000_000, "{}", large.stderr);
    assert!(large.stderr.contains("budget.statement"), "{}", large.stderr);
}

#[test]
fn sessions_of_one_agent_share_a_budget_that_comes_back() {
    let stage = stage("limits = [{ per = \"agent\", window_secs = 6, rows = 300 }]");
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.okta.agent_token());
    let dump = "SELECT id FROM customers";
    let first = psql.run(dump).success("200 of 300 rows");
    assert_eq!(first.lines().count(), 200);
    let second = psql.run(dump);
    assert!(second.stdout.is_empty(), "another session, the same agent: {}", second.stdout);
    assert!(second.stderr.contains("budget.agent"), "{}", second.stderr);
    psql.run("SELECT id FROM customers LIMIT 100").success("the rest");
    let third = psql.run("SELECT 1");
    assert!(third.stderr.contains("budget.agent"), "used up, so nothing runs: {}", third.stderr);
    let begun = Instant::now();
    while psql.run(dump).code != Some(0) {
        assert!(begun.elapsed() < WAIT_SECS_MAX, "the window moves on");
        sleep(Duration::from_millis(200));
    }
}

#[test]
fn cursors_and_portals_are_counted_like_any_rows() {
    let stage =
        stage("limits = [{ per = \"statement\", rows = 100 }, { per = \"session\", rows = 300 }]");
    let gateway = stage.site.start();
    let mut wire: Wire = gateway.wire_tls();
    wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    // One portal in pieces is one result.
    let mut pieces = vec![parse("", "SELECT id FROM customers"), bind("", "", &[], false)];
    pieces.extend([execute("", 40), execute("", 40), execute("", 40), sync()]);
    wire.send(&pieces.concat()).unwrap();
    let messages = wire.messages_until(b'Z').unwrap();
    let told = error(&messages);
    assert!(rows(&messages) <= 100 && told.contains("budget.statement"), "{told}");
    // Each FETCH is a result of its own, and all are the session's.
    wire.query("BEGIN; DECLARE c CURSOR FOR SELECT generate_series(1, 1000)").unwrap();
    let mut given = 0;
    let told = loop {
        let messages = wire.query("FETCH 60 FROM c").unwrap();
        given += rows(&messages);
        if !error(&messages).is_empty() {
            break error(&messages);
        }
        assert!((1..=300).contains(&given), "{given} rows");
    };
    assert!(told.contains("budget.session"), "{told}");
    assert_eq!(error(&wire.query("ROLLBACK").unwrap()), "", "a transaction can be ended");
}

#[test]
fn a_person_can_let_more_pass() {
    let stage = stage("limits = [{ per = \"session\", rows = 10, then = \"hold\" }]");
    let gateway = stage.site.start();
    let approver = stage.approver_token();
    let mut wire: Wire = gateway.wire_tls();
    wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    let dump = "SELECT id FROM customers";
    assert!(error(&wire.query(dump).unwrap()).contains("budget.session"));
    let held = std::thread::spawn(move || wire.query(dump).unwrap());
    let id = wait_for_questions(&gateway, &approver, 1).remove(0);
    ask(&gateway, &approver, &["approvals", "approve", &id]).success("approving");
    let messages = held.join().unwrap();
    assert_eq!((rows(&messages), error(&messages).as_str()), (200, ""));
}

#[test]
fn the_breaker_refuses_and_closes() {
    let stage = stage(
        "limits = [{ per = \"statement\", rows = 1 }]\n\
         breaker = { open_secs = 2, refusals = { most = 1, window_secs = 60 } }",
    );
    let gateway = stage.site.start();
    let psql = gateway.psql(&stage.okta.agent_token());
    for _ in 0..2 {
        assert!(psql.run("SELECT id FROM customers").stderr.contains("budget.statement"));
    }
    assert!(psql.run("SELECT 1").stderr.contains("budget.breaker"));
    let begun = Instant::now();
    while psql.run("SELECT 1").code != Some(0) {
        assert!(begun.elapsed() < WAIT_SECS_MAX, "it closes");
        sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_function_called_by_id_gives_out_no_more_than_a_statement() {
    let stage = stage("limits = [{ per = \"statement\", bytes = 1000 }]");
    stage.site.edit_config(|text| {
        let lists = "function_calls = [\"reverse\"]\n\n[[targets.accounts]]";
        text.replace("[[targets.accounts]]", lists)
    });
    let reverse = stage.count("SELECT 'pg_catalog.reverse(text)'::regprocedure::oid");
    let reverse = u32::try_from(reverse).unwrap();
    let gateway = stage.site.start();
    let mut wire: Wire = gateway.wire_tls();
    wire.sign_in(APP_ROLE, DATABASE, &stage.okta.agent_token()).unwrap();
    wire.send(&call(reverse, &[b'x'; 900])).unwrap();
    assert_eq!(tags(&wire.messages_until(b'Z').unwrap()), "V Z");
    wire.send(&call(reverse, &[b'x'; 1100])).unwrap();
    // The function has run, whatever the client is told: the session ends.
    let last = wire.message().unwrap();
    assert_eq!(last.tag, b'E');
    assert!(last.field(b'M').unwrap().contains("budget.statement"));
    assert!(wire.closed_within(WAIT_SECS_MAX).unwrap());
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::Event;
use crate::audit::fixture::{begin, decided, open};
use crate::limits::SEARCH_TERM_BYTES_MAX;
use query::{Clause, What};

const NOW: u64 = 1_800_000_000_000_000_000;

fn mistake(text: &str) -> String {
    parse(text, NOW).unwrap_err().to_string()
}

#[test]
fn a_query_is_read_word_by_word() {
    let query = parse("agent:Reporter -column:a.B since:2d \"Drop  table\" x_y", NOW).unwrap();
    let any = |terms: &[&str]| What::Any(terms.iter().map(|it| (*it).to_owned()).collect());
    let text = |words: &[&str]| What::Text(words.iter().map(|it| (*it).to_owned()).collect());
    let clause = |not, what| Clause { not, what };
    let expected = [
        clause(false, any(&["agent:reporter"])),
        clause(true, any(&["column:a.b", "column:a.*"])),
        clause(false, What::Since(NOW - 2 * 86_400 * 1_000_000_000)),
        clause(false, text(&["drop", "table"])),
        clause(false, text(&["x", "y"])),
    ];
    assert_eq!(query.clauses, expected);
    let quoted = parse("agent:\"a b \"\"c\"\"\" until:2026-11-23", NOW).unwrap();
    assert_eq!(quoted.clauses[0].what, any(&["agent:a b \"c\""]));
    assert_eq!(quoted.clauses[1].what, What::Until(1_795_392_000_000_000_000));
}

#[test]
fn what_is_no_query_is_said_with_its_place() {
    assert!(mistake("  ").contains("the query is empty"));
    assert!(mistake("a agnet:x").contains("no field `agnet`; expected agent, approver"));
    assert!(mistake("a agnet:x").ends_with("at character 3"));
    assert!(mistake("agent:").contains("`agent` has no value"));
    assert!(mistake("\"open").contains("not closed"));
    assert!(mistake("ab\"c\"").contains("inside a word"));
    assert!(mistake("\"a\"b").contains("follows a closing quote"));
    assert!(mistake("since:soon").contains("is no time"));
    assert!(mistake("since:99999999999999999999d").contains("is no time"));
    assert!(mistake("since:+2d").contains("is no time"));
    assert!(mistake("::").contains("no field ``"));
    assert!(mistake("-").contains("no letter or digit"));
    assert!(mistake(&"a ".repeat(100)).contains("more than 64"));
    assert!(mistake(&"a".repeat(5000)).contains("longer than"));
}

/// Asks until the index has everything.
fn indexed(search: &Search, log: &Log) {
    for _ in 0..3_000 {
        if search.status().indexed == log.status().size {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the index does not get there: {:?}", search.status());
}

fn indexes(search: &Search, query: &str) -> Vec<u64> {
    let answer = search.search(query, 100).unwrap();
    let hits = answer["hits"].as_array().unwrap();
    assert_eq!(answer["total"], hits.len() as u64, "{answer}");
    hits.iter().map(|hit| hit["index"].as_u64().unwrap()).collect()
}

#[test]
fn a_term_is_in_lower_case_and_cut_between_characters() {
    assert_eq!(query::term("agent", "Reporter"), "agent:reporter");
    assert_eq!(query::term("agent", "\u{c4}RGER"), "agent:\u{e4}rger");
    let long = query::term("table", &"A".repeat(SEARCH_TERM_BYTES_MAX + 1));
    assert_eq!(long, format!("table:{}", "a".repeat(SEARCH_TERM_BYTES_MAX)));
    let cut = query::term("table", &format!("a{}", "\u{c4}".repeat(SEARCH_TERM_BYTES_MAX)));
    assert_eq!(cut, format!("table:a{}", "\u{e4}".repeat((SEARCH_TERM_BYTES_MAX - 1) / 2)));
}

/// The niceness of this process's threads of that name, of which one at least is there soon: field
/// 19 of `proc_pid_stat(5)`.
fn niceness(thread: &str) -> Vec<i32> {
    for _ in 0..3_000 {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
        let of_thread = stats.filter(|stat| stat.contains(&format!("({thread})")));
        let field = |stat: String| stat.rsplit_once(") ")?.1.split(' ').nth(16)?.parse().ok();
        let found: Vec<i32> = of_thread.filter_map(field).collect();
        if !found.is_empty() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no thread is called {thread}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_go_before_the_indexer_and_its_threads() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let others = niceness("audit-committer");
    let search = Search::start(dir.path(), &log).unwrap();
    log.event(Event::ConfigChange { digest: "d00d".to_owned() }).await.unwrap();
    indexed(&search, &log);
    // The index's own threads are made anew with each commit, and called after the one that makes
    // them until they have a name.
    for thread in ["search-indexer", "thrd-tantivy-in"] {
        let found = niceness(thread);
        assert!(found.iter().all(|it| *it == SEARCH_NICENESS), "{thread}: {found:?}");
    }
    assert!(others.iter().all(|it| *it < SEARCH_NICENESS), "{others:?}");
    assert_eq!(niceness("audit-committer"), others);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_and_the_log_behind_it_give_the_same_answers() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let recorder = begin(&log).await;
    recorder.permit(decided("SELECT email FROM customers")).await.unwrap().await.unwrap();
    recorder.permit(decided("SELECT 'drop the table'")).await.unwrap().await.unwrap();
    log.event(Event::ConfigChange { digest: "d00d".to_owned() }).await.unwrap();
    let queries = [
        ("type:boot", vec![0]),
        ("agent:agent-7 type:request", vec![3, 2]),
        ("person:ada@example.com type:session_start", vec![1]),
        ("token:at.1 email", vec![2]),
        ("column:customers.email", vec![3, 2]),
        ("column:customers.card", vec![]),
        ("\"the table\"", vec![3]),
        ("\"drop table\"", vec![]),
        ("type:config_change d00d", vec![4]),
        ("-type:request", vec![4, 1, 0]),
        ("since:1h until:2100-01-01 rule:sql.read -email", vec![3]),
        ("until:1h", vec![]),
    ];
    let search = Search::start(dir.path(), &log).unwrap();
    for (query, expected) in &queries {
        assert_eq!(&indexes(&search, query), expected, "{query}, from the log");
    }
    indexed(&search, &log);
    for (query, expected) in &queries {
        assert_eq!(&indexes(&search, query), expected, "{query}, from the index");
    }
    search.stop();
    // Begun again where it was, and not with what somebody else's log had.
    let search = Search::start(dir.path(), &log).unwrap();
    indexed(&search, &log);
    assert_eq!(indexes(&search, "type:boot"), [0]);
    search.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_another_log_is_not_used() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (log, strange) = (open(dir.path()), open(other.path()));
    for word in ["strange", "stranger"] {
        strange.event(Event::Shutdown { reason: word.to_owned() }).await.unwrap();
    }
    let search = Search::start(other.path(), &strange).unwrap();
    indexed(&search, &strange);
    search.stop();
    log.event(Event::Shutdown { reason: "own".to_owned() }).await.unwrap();
    log.event(Event::Shutdown { reason: "ours".to_owned() }).await.unwrap();
    std::fs::rename(other.path().join("search"), dir.path().join("search")).unwrap();
    let search = Search::start(dir.path(), &log).unwrap();
    indexed(&search, &log);
    assert_eq!(indexes(&search, "strange"), Vec::<u64>::new());
    assert_eq!(indexes(&search, "own"), [1]);
    search.stop();
}

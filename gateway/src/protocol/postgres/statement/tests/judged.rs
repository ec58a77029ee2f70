//! Two parsers, clients' own queries, errors, ranges and the cache.

use std::sync::Arc;

use crate::protocol::postgres::statement::{
    FactsCache, Parsers, error_position, facts, is_built_in, text_of,
};
use crate::protocol::{Class, Facts};

fn strict(text: &str) -> Facts {
    facts(text, Parsers::Strict).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

#[test]
fn comments_glued_to_operators_hide_nothing() {
    let operators =
        [">", "<", "+", "*", "=", "~", "|", "&", "#", "%", "<>", "||", "!~", "@>", "->"];
    for operator in operators {
        for text in [
            format!("SELECT 1 {operator}-- '\n 2; DELETE FROM victim --'"),
            format!("SELECT 1 {operator}/* '*/ 2; DELETE FROM victim --'"),
        ] {
            let honest = facts(&text, Parsers::Compat).unwrap();
            assert_eq!(honest.statements.len(), 2, "{text}");
            assert_eq!(honest.statements[1].verb, "delete", "{text}");
            if let Ok(facts) = facts(&text, Parsers::Strict) {
                assert_eq!(facts.statements.len(), 2, "{text}");
                assert_eq!(facts.statements[1].class, Class::Write, "{text}");
            }
        }
    }
    for text in
        ["SELECT 1 >-- '\n 2; DELETE FROM victim --'", "SELECT 1 </* '*/ 2; DELETE FROM victim --'"]
    {
        let fault = facts(text, Parsers::Strict).unwrap_err();
        assert_eq!((fault.code, fault.sqlstate), ("parsers_disagree", "42601"));
        assert!(fault.detail.unwrap().contains("2 statements"), "{text}");
        assert!(fault.hint.is_some());
    }
}

#[test]
fn copy_does_not_swallow_the_next_statement() {
    let text = "COPY t FROM STDIN; DELETE FROM c";
    assert_eq!(facts(text, Parsers::Compat).unwrap().statements[1].verb, "delete");
    // The second parser once read the rest as data; either way the DELETE is not lost.
    match facts(text, Parsers::Strict) {
        Ok(facts) => assert_eq!(facts.statements[1].verb, "delete"),
        Err(fault) => assert_eq!(fault.code, "parsers_disagree"),
    }
}

#[test]
fn escaped_identifiers_are_unescaped() {
    let found = facts("SELECT U&\"\\0073sn\" FROM U&\"\\0073ecret\"", Parsers::Compat).unwrap();
    assert_eq!(found.statements[0].columns, ["ssn"]);
    assert_eq!(found.statements[0].objects[0].name, "secret");
    let strict = facts("SELECT 1 FROM U&\"\\0073ecret\"", Parsers::Strict);
    assert!(strict.is_err() || strict.unwrap().second_opinion == "cannot_read");
}

#[test]
fn the_parsers_agree_on_what_clients_send() {
    for text in [
        "SELECT abalance FROM pgbench_accounts WHERE aid = $1;",
        "UPDATE pgbench_accounts SET abalance = abalance + 5 WHERE aid = 1;",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, 4, now());",
        "BEGIN;",
        "END;",
        "WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT * FROM b JOIN t USING (x)",
        "SELECT * FROM \"Customers\" c LEFT JOIN s.orders o ON o.cid = c.id WHERE c.id IN (1, 2)",
        "DELETE FROM a USING b WHERE a.id = b.id RETURNING a.*",
        "SELECT * FROM generate_series(1, 10) g, unnest(ARRAY[1]) u",
        "SELECT * INTO fresh FROM customers",
        "SELECT a FROM t1 UNION ALL (SELECT b FROM t2 ORDER BY 1 LIMIT 5)",
        "INSERT INTO t SELECT * FROM s ON CONFLICT (id) DO NOTHING",
        "EXPLAIN ANALYZE SELECT * FROM t",
        "SELECT * FROM (TABLE t) AS s (a, b)",
        "TABLE Customers",
        "SELECT 1; COPY t FROM STDIN; SELECT 2",
        "CREATE TABLE t (id int PRIMARY KEY)",
        "COPY t TO STDOUT",
        "",
        ";",
        "/* nothing */",
    ] {
        strict(text);
    }
    assert_eq!(strict("SELECT a FROM t WHERE b = 1").second_opinion, "agrees");
    assert_eq!(strict("DO $$ BEGIN END $$").second_opinion, "cannot_read");
    assert_eq!(facts("SELECT 1", Parsers::Compat).unwrap().second_opinion, "off");
}

#[test]
fn psql_reads_only() {
    for text in include_str!("psql_queries.sql").split("\n-- next\n") {
        let facts = strict(text);
        assert_eq!(facts.statements.len(), 1, "{text}");
        let class = facts.statements[0].class;
        assert!(class <= Class::Read, "{class:?} {:?}\n{text}", facts.statements[0].objects);
    }
}

#[test]
fn every_relation_of_the_parsers_own_summary_is_listed() {
    for text in include_str!("statements.txt").lines().filter(|line| line.starts_with("SELECT")) {
        let Ok(summary) = pg_query::summary(text, 0, -1) else { continue };
        let Ok(found) = facts(text, Parsers::Compat) else { continue };
        let listed = |kind: &str, name: &str| {
            let objects = found.statements.iter().flat_map(|statement| &statement.objects);
            let name = name.replace('"', "");
            objects.into_iter().any(|object| object.kind == kind && object.name == name)
        };
        for table in summary.tables.iter().filter(|table| !summary.cte_names.contains(&table.name))
        {
            assert!(listed("relation", &table.name), "{text}: {}", table.name);
        }
        for function in summary.functions() {
            assert!(listed("function", &function), "{text}: {function}");
        }
    }
}

#[test]
fn syntax_errors_say_where() {
    for (text, message, position) in [
        ("SELEC 1", "syntax error at or near \"SELEC\"", 1),
        ("SELECT a FROM FROM", "syntax error at or near \"FROM\"", 15),
        ("SELECT 1 FROM t WHERE", "syntax error at end of input", 22),
        ("SELECT 1 + ", "syntax error at end of input", 12),
        ("CREATE TABLE t (a int NOT NULL, b int NOT NUL)", "syntax error at or near \"NUL\"", 43),
        ("SELECT 'abc", "unterminated quoted string at or near \"'abc\"", 8),
        ("SELECT '\u{e9}\u{e9}' ) 1", "syntax error at or near \")\"", 13),
    ] {
        let fault = facts(text, Parsers::Strict).unwrap_err();
        assert_eq!((fault.sqlstate, &*fault.message), ("42601", message), "{text}");
        assert_eq!(error_position(&fault), Some(position), "{text}");
    }
}

#[test]
fn a_nul_is_refused() {
    let fault = facts("SELECT 1\0; DROP TABLE t", Parsers::Compat).unwrap_err();
    assert_eq!((fault.code, fault.sqlstate), ("statement_nul", "22021"));
}

#[test]
fn ranges_cut_the_text_into_its_statements() {
    let text = " SELECT '\u{e9}' ; /* c */ DELETE FROM t ; VALUES (1)\n";
    let found = facts(text, Parsers::Compat).unwrap();
    let cut: Vec<&str> = found.statements.iter().map(|s| text_of(text, s)).collect();
    assert_eq!(cut, ["SELECT '\u{e9}'", "DELETE FROM t", "VALUES (1)"]);
}

#[test]
fn long_names_are_cut_as_the_server_cuts_them() {
    let name = format!("{}\u{e9}x", "a".repeat(62));
    let found = facts(&format!("SELECT \"{name}\" FROM {name}"), Parsers::Strict).unwrap();
    assert_eq!(found.statements[0].columns, ["a".repeat(62)]);
    assert_eq!(found.statements[0].objects[0].name, "a".repeat(62));
}

#[test]
fn no_text_panics() {
    // Every prefix of the corpus, and every text with one byte changed, from a fixed seed.
    let mut seed = 7_u64;
    for line in include_str!("statements.txt").lines().filter(|line| !line.starts_with("=>")) {
        for end in (0..line.len()).step_by(7).filter(|end| line.is_char_boundary(*end)) {
            let _ = facts(&line[..end], Parsers::Strict);
        }
        let mut bytes = line.as_bytes().to_vec();
        for _ in 0..4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(seed >> 33).unwrap() % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = b" ()'\"-/*;$&,.=E"[usize::try_from(seed >> 20 & 15).unwrap() % 15];
            }
            let _ = facts(&String::from_utf8_lossy(&bytes), Parsers::Strict);
        }
    }
}

#[test]
fn the_functions_known_as_harmless_are_sorted_and_hold_no_dangerous_one() {
    let names: Vec<&str> = include_str!("../functions.txt").lines().collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
    for name in [
        "pg_read_file",
        "set_config",
        "lo_export",
        "query_to_xml",
        "table_to_xml",
        "pg_terminate_backend",
        "nextval",
        "ts_stat",
        "dblink",
        "pg_ls_dir",
        "pg_logical_emit_message",
    ] {
        assert!(!names.contains(&name), "{name}");
    }
    assert!(
        is_built_in("upper") && is_built_in("pg_catalog.pg_read_file") && !is_built_in("dblink")
    );
}

#[test]
fn the_cache_is_bounded_and_gives_the_same_facts() {
    let cache = FactsCache::with_bytes_max(64 * 1024);
    let text: Arc<str> = "SELECT a FROM t".into();
    let first = cache.facts(&text, Parsers::Strict).unwrap();
    assert!(Arc::ptr_eq(&first, &cache.facts(&text, Parsers::Strict).unwrap()));
    assert_eq!(cache.facts(&text, Parsers::Compat).unwrap().second_opinion, "off");
    for number in 0..500 {
        let other: Arc<str> = format!("SELECT a FROM t{number}").into();
        cache.facts(&other, Parsers::Compat).unwrap();
        // Used all the time, so never forgotten.
        assert!(Arc::ptr_eq(&first, &cache.facts(&text, Parsers::Strict).unwrap()));
    }
    assert!(cache.entries() < 250, "{}", cache.entries());
    assert!(cache.facts(&"SELEC".into(), Parsers::Strict).is_err());
}

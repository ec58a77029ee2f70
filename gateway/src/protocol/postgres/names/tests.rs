#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::protocol::{Access, Object, Statement};

fn prepared(text: &str) -> Arc<Prepared> {
    Arc::new(Prepared::new(text.into(), Arc::default(), Arc::from([])))
}

fn found(names: &Names, name: &[u8]) -> String {
    match names.lookup(name) {
        Lookup::Found(prepared) => prepared.text.to_string(),
        other => format!("{other:?}"),
    }
}

fn sql(verb: &str, name: Option<&str>) -> Facts {
    let object = |name: &str| Object {
        kind: STATEMENT_KIND.to_owned(),
        name: name.to_owned(),
        access: Access::Read,
    };
    let statement = Statement {
        objects: name.map(object).into_iter().collect(),
        ..Statement::bare(verb, Class::Code)
    };
    Facts { statements: vec![statement], second_opinion: String::new() }
}

#[test]
fn a_name_prepared_anew_is_busy_beyond_the_cycle_until_the_server_answered() {
    let mut names = Names::default();
    names.prepare("s".into(), 1, prepared("A")).unwrap();
    assert_eq!(found(&names, b"s"), "A");
    names.settle(b"s", 1, Answer::Done);
    names.prepare("s".into(), 2, prepared("B")).unwrap();
    assert!(names.unsettled(b"s"));
    assert_eq!(found(&names, b"s"), "B", "if that fails, so does what asks now");
    names.next_cycle();
    assert_eq!(found(&names, b"s"), "Busy");
    names.settle(b"s", 2, Answer::Failed);
    assert_eq!(found(&names, b"s"), "A", "the server kept A, so A is what Bind reaches");
    names.prepare("s".into(), 3, prepared("C")).unwrap();
    names.settle(b"s", 3, Answer::Done);
    assert_eq!(found(&names, b"s"), "C");
}

#[test]
fn the_unnamed_statement_is_replaced_by_each_parse_the_server_read() {
    let mut names = Names::default();
    for (id, text) in [(1, "A"), (2, "B")] {
        names.prepare("".into(), id, prepared(text)).unwrap();
        assert!(!names.unsettled(b""), "no Parse of it waits");
    }
    assert_eq!(found(&names, b""), "B");
    names.next_cycle();
    assert_eq!(found(&names, b""), "Busy");
    names.settle(b"", 1, Answer::Done);
    names.settle(b"", 2, Answer::Skipped);
    assert_eq!(found(&names, b""), "A", "the server never saw B");
    names.prepare("".into(), 3, prepared("C")).unwrap();
    names.settle(b"", 3, Answer::Failed);
    assert_eq!(found(&names, b""), "Missing", "the server dropped A before it read C");

    names.prepare("".into(), 4, prepared("D")).unwrap();
    names.simple_query();
    names.settle(b"", 4, Answer::Done);
    assert_eq!(found(&names, b""), "Missing", "a Query destroys it");
}

#[test]
fn a_skipped_close_leaves_the_statement() {
    let mut names = Names::default();
    names.prepare("s".into(), 1, prepared("A")).unwrap();
    names.settle(b"s", 1, Answer::Done);
    names.close(b"s", 2);
    assert_eq!(found(&names, b"s"), "Missing");
    names.next_cycle();
    assert_eq!(found(&names, b"s"), "Busy");
    names.settle(b"s", 2, Answer::Skipped);
    assert_eq!(found(&names, b"s"), "A");
    names.close(b"s", 3);
    names.settle(b"s", 3, Answer::Done);
    assert_eq!(found(&names, b"s"), "Missing");
}

#[test]
fn a_failed_bind_leaves_no_portal_under_its_name() {
    let mut names = Names::default();
    names.bind("c".into(), 7, prepared("A"), Arc::from([])).unwrap();
    let portal = names.portal(b"c").unwrap();
    assert!(names.is_sure(&portal), "what asks in the same cycle fails with it");
    names.next_cycle();
    assert!(!names.is_sure(&portal));
    names.bound(b"c", 6, Answer::Failed);
    assert!(names.portal(b"c").is_some(), "another Bind's failure changes nothing");
    names.bound(b"c", 7, Answer::Done);
    assert!(names.is_sure(&portal));
    for answer in [Answer::Failed, Answer::Skipped] {
        names.bind("c".into(), 8, prepared("B"), Arc::from([])).unwrap();
        names.bound(b"c", 8, answer);
        assert!(names.portal(b"c").is_none());
    }
}

#[test]
fn sql_that_shares_the_names_makes_them_forgotten() {
    let filled = || {
        let mut names = Names::default();
        for name in ["a", "b"] {
            names.prepare(name.into(), 1, prepared("A")).unwrap();
            names.settle(name.as_bytes(), 1, Answer::Done);
        }
        for name in ["", "p"] {
            names.bind(name.into(), 2, prepared("A"), Arc::from([])).unwrap();
        }
        names
    };
    let left = |facts: Facts| {
        let mut names = filled();
        names.sql_sent(&facts);
        let statements = ["a", "b"].into_iter().filter(|name| names.is_prepared(name.as_bytes()));
        let portals = ["", "p"].into_iter().filter(|name| names.portal(name.as_bytes()).is_some());
        (statements.collect::<String>(), portals.count())
    };
    assert_eq!(left(sql("select", None)), ("ab".to_owned(), 2));
    assert_eq!(left(sql("deallocate", Some("a"))), ("b".to_owned(), 2));
    assert_eq!(left(sql("prepare", Some("b"))), ("a".to_owned(), 2));
    assert_eq!(left(sql("deallocate", None)), (String::new(), 2));
    assert_eq!(left(sql("discard", None)), (String::new(), 0));
    for verb in ["close", "declare_cursor", "do", "call"] {
        assert_eq!(left(sql(verb, None)), ("ab".to_owned(), 1), "{verb}");
    }
}

#[test]
fn names_are_bounded() {
    let mut names = Names::default();
    for number in 0..PREPARED_STATEMENTS_MAX as u64 {
        names.prepare(number.to_string().into(), number, prepared("A")).unwrap();
    }
    assert_eq!(names.prepare("more".into(), 0, prepared("A")), Err(Full));
    for number in 0..PORTALS_MAX as u64 {
        names.bind(number.to_string().into(), number, prepared("A"), Arc::from([])).unwrap();
    }
    assert_eq!(names.bind("more".into(), 0, prepared("A"), Arc::from([])), Err(Full));
}

#[test]
fn large_texts_and_values_are_bounded_together() {
    let mut names = Names::default();
    let large = prepared(&"x".repeat(PREPARED_BYTES_MAX / 2));
    names.prepare("1".into(), 1, Arc::clone(&large)).unwrap();
    names.prepare("2".into(), 2, Arc::clone(&large)).unwrap();
    assert_eq!(names.prepare("3".into(), 3, large), Err(Full));

    let value = Some(Bytes::from(vec![0; PORTALS_BYTES_MAX / 2]));
    let values: Arc<[Parameter]> = Arc::from([Parameter { binary: false, type_oid: 0, value }]);
    names.bind("1".into(), 1, prepared("A"), Arc::clone(&values)).unwrap();
    names.bind("2".into(), 2, prepared("A"), Arc::clone(&values)).unwrap();
    assert_eq!(names.bind("3".into(), 3, prepared("A"), values), Err(Full));
}

#[test]
fn a_new_name_is_busy_beyond_the_cycle_for_sql_may_have_prepared_it() {
    let mut names = Names::default();
    names.sql_sent(&sql("prepare", Some("s")));
    names.prepare("s".into(), 1, prepared("A")).unwrap();
    names.next_cycle();
    assert_eq!(found(&names, b"s"), "Busy");
    names.settle(b"s", 1, Answer::Failed);
    assert_eq!(found(&names, b"s"), "Missing", "what SQL prepared is not A");
}

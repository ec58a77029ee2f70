#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

fn prepared(text: &str) -> Arc<Prepared> {
    Arc::new(Prepared { text: text.into(), facts: Arc::default() })
}

fn found(names: &Names, name: &[u8]) -> String {
    match names.lookup(name) {
        Lookup::Found(prepared) => prepared.text.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_name_prepared_anew_is_busy_until_the_server_answered() {
    let mut names = Names::default();
    names.prepare("s".into(), 1, prepared("A")).unwrap();
    assert_eq!(found(&names, b"s"), "A");
    names.settle(b"s", 1, true);
    names.prepare("s".into(), 2, prepared("B")).unwrap();
    assert_eq!(found(&names, b"s"), "Busy");
    names.settle(b"s", 2, false);
    assert_eq!(found(&names, b"s"), "A", "the server kept A, so A is what Bind reaches");
    names.prepare("s".into(), 3, prepared("C")).unwrap();
    names.settle(b"s", 3, true);
    assert_eq!(found(&names, b"s"), "C");
}

#[test]
fn a_skipped_close_leaves_the_statement() {
    let mut names = Names::default();
    names.prepare("s".into(), 1, prepared("A")).unwrap();
    names.settle(b"s", 1, true);
    names.close(b"s", 2);
    assert_eq!(found(&names, b"s"), "Missing");
    names.settle(b"s", 2, false);
    assert_eq!(found(&names, b"s"), "A");
    names.close(b"s", 3);
    names.settle(b"s", 3, true);
    assert_eq!(found(&names, b"s"), "Missing");
}

#[test]
fn a_failed_bind_leaves_no_portal_under_its_name() {
    let mut names = Names::default();
    names.bind("c".into(), 7, prepared("A"), Arc::from([])).unwrap();
    names.bind_failed(b"c", 6);
    assert!(names.portal(b"c").is_some(), "another Bind's failure changes nothing");
    names.bind_failed(b"c", 7);
    assert!(names.portal(b"c").is_none());
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

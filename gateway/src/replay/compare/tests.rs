#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn answer(rows: &[&[u8]], tag: &str) -> Answer {
    let mut answer = Answer::default();
    rows.iter().for_each(|row| answer.frame(b'D', row));
    answer.frame(b'C', format!("{tag}\0").as_bytes());
    answer
}

fn case(answer: Answer, whole: bool) -> Case<'static> {
    let kind = Kind::SqlQuery;
    Case { number: 7, kind, text: None, parameters: &[], answer, whole, answered: true }
}

fn whats(then: Answer, whole: bool, now: &Answer) -> Vec<&'static str> {
    differences(&case(then, whole), now).iter().map(|found| found.what).collect()
}

#[test]
fn what_differs_is_named() {
    let then = || answer(&[b"a", b"b"], "SELECT 2");
    assert!(whats(then(), true, &answer(&[b"b", b"a"], "SELECT 2")).is_empty());
    assert_eq!(whats(then(), true, &answer(&[b"b", b"c"], "SELECT 2")), ["rows"]);
    assert_eq!(whats(then(), true, &answer(&[b"b"], "SELECT 1")), ["tags", "count"]);
    // Masked rows can't be compared; their number is in the tag.
    assert!(whats(then(), false, &answer(&[b"x", b"y"], "SELECT 2")).is_empty());
    assert_eq!(whats(then(), false, &answer(&[b"x"], "SELECT 1")), ["tags"]);
    let mut failed = Answer::default();
    failed.frame(b'E', b"SERROR\0C42P01\0Mno such table\0\0");
    let found = differences(&case(then(), true), &failed);
    assert_eq!((found[0].what, found[0].replayed.as_str()), ("errors", "42P01"));
}

#[test]
fn frames_are_read_or_called_broken() {
    let mut read = Answer::default();
    read.add(b"D\0\0\0\x05aC\0\0\0\x0dSELECT 1\0");
    assert_eq!(read, answer(&[b"a"], "SELECT 1"));
    let mut cut = Answer::default();
    cut.add(b"D\0\0\0\x05");
    assert!(cut.broken);
}

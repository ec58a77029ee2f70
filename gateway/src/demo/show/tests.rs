#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Show;

fn written(act: impl FnOnce(&mut Show<'_>)) -> String {
    let mut out = Vec::new();
    let mut show = Show::new(&mut out);
    show.color = false;
    act(&mut show);
    String::from_utf8(out).unwrap()
}

#[test]
fn what_failed_is_remembered_and_marked() {
    let text = written(|show| {
        show.check(true, "the sun rises").unwrap();
        show.check(false, "it sets").unwrap();
        assert_eq!((show.checked(), show.failed()), (2, &["it sets".to_owned()][..]));
    });
    assert_eq!(text, "  \u{2713} the sun rises\n  \u{2717} expected: it sets\n");
}

#[test]
fn output_cannot_steer_the_terminal() {
    let text = written(|show| show.output("a\u{1b}[2Jb\n\u{202e}c\n").unwrap());
    assert_eq!(text, "  | a<U+001B>[2Jb\n  | <U+202E>c\n");
}

#[test]
fn long_output_is_cut_and_says_so() {
    let lines = "x\n".repeat(crate::limits::DEMO_LINES_SHOWN + 1);
    let text = written(|show| assert!(show.output_cut(&lines).unwrap()));
    assert_eq!(text.lines().count(), crate::limits::DEMO_LINES_SHOWN);
    written(|show| assert!(!show.output_cut("one\n").unwrap()));
}

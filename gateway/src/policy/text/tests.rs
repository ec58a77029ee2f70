use super::{rule, sentence};

#[test]
fn text_for_people_can_neither_move_a_cursor_nor_turn_around() {
    assert_eq!(sentence("a\u{1b}[2Jb\r\n\0"), "a\\u{1b}[2Jb\\u{d}\\u{a}\\u{0}");
    assert_eq!(sentence("x\u{202e}y\u{200b}z"), "x\\u{202e}y\\u{200b}z");
    assert_eq!(sentence("gr\u{fc}n"), "gr\u{fc}n");
}

#[test]
fn text_is_cut_at_a_character() {
    let cut = sentence(&"\u{fc}".repeat(1000));
    assert!(cut.len() <= 512 && cut.ends_with("..."), "{}", cut.len());
    assert!(sentence(&"\u{1b}".repeat(10_000)).len() <= 512);
    assert_eq!(sentence(&"a".repeat(512)).len(), 512);
    assert!(rule(&"r".repeat(100)).len() <= 64);
    assert_eq!(rule(""), "unnamed");
}

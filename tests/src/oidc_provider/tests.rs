use super::form_value;

#[test]
fn reserved_characters_are_escaped() {
    assert_eq!(form_value("https://a.test/x y&z"), "https%3A%2F%2Fa.test%2Fx%20y%26z");
}

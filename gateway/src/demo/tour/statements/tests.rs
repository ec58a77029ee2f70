use super::{any_shown, numbers};

#[test]
fn a_protected_value_is_found_in_any_case() {
    let values = [String::new(), "Ada.Kaya@mail.example".to_owned()];
    assert!(any_shown(" ADA.KAYA@MAIL.EXAMPLE \n", &values));
    assert!(!any_shown(" 41a0c1d2 \n", &values));
}

#[test]
fn numbers_are_those_of_the_cells() {
    let text = " connection \n------\n   4711\n(1 row)\n\nERROR:  90 | 4711: refused\n \
                connection | customers \n---+---\n  4711 |   200\n(1 row)\n";
    assert_eq!(numbers(text), [4711, 4711, 200]);
}

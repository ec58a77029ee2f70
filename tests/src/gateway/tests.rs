use super::Bound;

#[test]
fn the_ready_lines_are_understood() {
    let mut bound = Bound::default();
    assert!(!bound.take(r#"{"listening":"postgres","name":"pg","address":"127.0.0.1:7001"}"#));
    assert!(!bound.take(r#"{"listening":"admin","address":"127.0.0.1:7002"}"#));
    assert!(bound.take(r#"{"ready":true}"#));
    assert_eq!(bound.postgres.map(|address| address.port()), Some(7001));
    assert_eq!(bound.admin.map(|address| address.port()), Some(7002));
}

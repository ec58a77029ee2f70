use portcullis_plugin::{Access, Object, Operation, Plugin, RiskScorer, SessionInfo};

use super::RiskStatement;

fn operation(verb: &str, class: &str, flags: &[&str], objects: &[(&str, &str)]) -> Operation {
    Operation {
        verb: verb.into(),
        acts: vec![verb.into()],
        class: class.into(),
        resources: objects
            .iter()
            .map(|(kind, name)| Object {
                kind: (*kind).into(),
                name: (*name).into(),
                access: Access::Read,
            })
            .collect(),
        attributes: flags.iter().map(|flag| ((*flag).into(), "true".into())).collect(),
        ..Operation::default()
    }
}

fn session() -> SessionInfo {
    SessionInfo {
        id: String::new(),
        target: String::new(),
        protocol: String::new(),
        database: String::new(),
        role: String::new(),
        principal: String::new(),
        agent: String::new(),
        groups: Vec::new(),
    }
}

fn plugin(settings: &str) -> RiskStatement {
    match RiskStatement::new(serde_json::from_str(settings).unwrap()) {
        Ok(plugin) => plugin,
        Err(problems) => panic!("{problems:?}"),
    }
}

#[test]
fn statements_are_scored_by_their_severest_rule() {
    let plugin = plugin("{}");
    for (verb, class, flags, objects, score) in [
        ("select", "read", &[][..], &[][..], 0),
        ("select", "read", &["whole_row"], &[("relation", "orders")], 10),
        ("insert", "write", &[], &[], 20),
        ("update", "write", &[], &[], 30),
        ("update", "write", &["unbounded_write"], &[], 80),
        ("delete", "write", &[], &[], 40),
        ("delete", "write", &["unbounded_write"], &[], 85),
        // A data-modifying CTE: the verb says select, the class does not.
        ("select", "write", &[], &[], 30),
        ("select", "write", &["unbounded_write"], &[], 85),
        ("truncate", "write", &[], &[], 90),
        ("drop_table", "schema", &[], &[], 90),
        ("alter_table", "schema", &[], &[], 70),
        ("create_table", "schema", &[], &[], 50),
        ("grant", "privilege", &[], &[], 90),
        ("alter_role", "privilege", &[], &[], 90),
        ("do", "code", &[], &[], 60),
        ("vacuum", "admin", &[], &[], 80),
        ("select", "read", &[], &[("function", "pg_catalog.pg_read_file")], 90),
        ("select", "read", &[], &[("function", "PG_READ_FILE")], 90),
        ("select", "read", &[], &[("relation", "pg_catalog.pg_stats")], 70),
        ("copy", "read", &[], &[("file", "/tmp/x")], 90),
        ("select", "read", &[], &[("relation", "pg_read_file")], 0),
    ] {
        let answer = plugin.score(&session(), &operation(verb, class, flags, objects));
        assert_eq!(answer.score, score, "{verb} {class} {flags:?} {objects:?}");
    }
}

#[test]
fn a_program_of_the_server_is_the_severest() {
    let copy = Operation {
        attributes: vec![("copy".into(), "program".into())],
        ..operation("copy", "admin", &[], &[])
    };
    assert_eq!(plugin("{}").score(&session(), &copy).score, 95);
}

#[test]
fn settings_change_scores() {
    let plugin = plugin(r#"{"scores":{"sql.drop":5,"sql.insert":0},"many_relations":2}"#);
    let score = |verb: &str, class: &str, objects: &[(&str, &str)]| {
        plugin.score(&session(), &operation(verb, class, &[], objects)).score
    };
    assert_eq!(score("drop_table", "schema", &[]), 5);
    assert_eq!(score("insert", "write", &[]), 0);
    assert_eq!(score("select", "read", &[("relation", "a"), ("relation", "b")]), 40);
}

#[test]
fn mistakes_are_refused() {
    for settings in [
        r#"{"scores":{"sql.dorp":5}}"#,
        r#"{"scores":{"sql.drop":101}}"#,
        r#"{"many_relations":0}"#,
    ] {
        assert!(RiskStatement::new(serde_json::from_str(settings).unwrap()).is_err(), "{settings}");
    }
    assert!(serde_json::from_str::<super::Settings>(r#"{"score":{}}"#).is_err());
}

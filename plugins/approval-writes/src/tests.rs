use portcullis_plugin::{
    Access, ApprovalAsk, Approver, Decision, Object, Operation, Parameter, ParameterValue, Plugin,
    SessionInfo,
};

use super::ApprovalWrites;

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

fn ask(settings: &str, verb: &str, class: &str, writes: &[&str], risk: u8) -> Option<ApprovalAsk> {
    let plugin = match ApprovalWrites::new(serde_json::from_str(settings).unwrap()) {
        Ok(plugin) => plugin,
        Err(problems) => panic!("{problems:?}"),
    };
    let operation = Operation {
        verb: verb.into(),
        acts: vec![verb.into()],
        class: class.into(),
        resources: writes
            .iter()
            .map(|name| Object {
                kind: "relation".into(),
                name: (*name).into(),
                access: Access::Write,
            })
            .collect(),
        attributes: vec![("risk".into(), risk.to_string())],
        ..Operation::default()
    };
    match plugin.check(&session(), &operation).decision {
        Decision::Hold(ask) => Some(ask),
        Decision::Abstain => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_settings_everything_that_may_write_is_held() {
    for (class, held) in [
        ("transaction", false),
        ("read", false),
        ("session", false),
        ("write", true),
        ("code", true),
        ("schema", true),
        ("privilege", true),
        ("admin", true),
    ] {
        assert_eq!(ask("{}", "x", class, &[], 0).is_some(), held, "{class}");
    }
}

#[test]
fn conditions_add_up() {
    let settings = r#"{"verbs":["call"],"relations":["public.orders"],"risk_at":50}"#;
    let held = |verb: &str, class: &str, writes: &[&str], risk: u8| {
        ask(settings, verb, class, writes, risk).map(|ask| ask.rule)
    };
    assert_eq!(held("update", "write", &["public.products"], 0), None);
    assert_eq!(held("call", "code", &[], 0).as_deref(), Some("writes.verb"));
    assert_eq!(held("update", "write", &["orders"], 0).as_deref(), Some("writes.relation"));
    assert_eq!(held("select", "read", &[], 50).as_deref(), Some("writes.risk"));
    assert_eq!(held("select", "read", &[], 49), None);
}

#[test]
fn a_free_relation_frees_only_plain_writes_to_it() {
    let settings = r#"{"classes":["write","schema"],"relations_free":["public.scratch_*"]}"#;
    let held = |class: &str, writes: &[&str]| ask(settings, "x", class, writes, 0).is_some();
    assert!(!held("write", &["public.scratch_1"]));
    assert!(held("write", &["public.scratch_1", "public.orders"]));
    assert!(held("write", &[]), "a write to nothing known is held");
    assert!(held("schema", &["public.scratch_1"]));
}

#[test]
fn the_question_carries_the_settings() {
    let settings = r#"{"reason":"production","approvers":["dba"],"decide_within_secs":60}"#;
    let ask = ask(settings, "delete", "write", &[], 0).unwrap();
    assert_eq!(ask.reason, "production (`delete` (class write))");
    assert_eq!(ask.approvers, ["dba"]);
    assert_eq!(ask.decide_within_secs, Some(60));
}

#[test]
fn mistakes_are_refused() {
    for settings in [
        r#"{"classes":["writes"]}"#,
        r#"{"risk_at":101}"#,
        r#"{"decide_within_secs":0}"#,
        r#"{"values":[{"relation":"a.b","parameter":0,"above":1}]}"#,
        r#"{"rules":[{"rule":"x"}]}"#,
        r#"{"rules":[{"rule":"x","groups":["a"]}]}"#,
        r#"{"rules":[{"rule":"","verbs":["a"]}]}"#,
        r#"{"rules":[{"rule":"x","columns":["a.b"]}]}"#,
        r#"{"rules":[{"rule":"x","verbs":["a"],"written":true}]}"#,
        r#"{"rules":[{"rule":"x","classes":["reads"]}]}"#,
        r#"{"values":[{"relation":"a.b","parameter":1}]}"#,
        r#"{"values":[{"relation":"a.b","parameter":1,"above":1,"is":["x"]}]}"#,
    ] {
        let made = ApprovalWrites::new(serde_json::from_str(settings).unwrap());
        assert!(made.is_err(), "{settings}");
    }
    assert!(serde_json::from_str::<super::Settings>(r#"{"class":[]}"#).is_err());
}

#[test]
fn a_verb_is_held_wherever_it_stands_and_where_code_can_hide_it() {
    let settings = r#"{"verbs":["delete"]}"#;
    let plugin = ApprovalWrites::new(serde_json::from_str(settings).unwrap()).unwrap();
    let rule = |verb: &str, acts: &[&str], class: &str| {
        let operation = Operation {
            verb: verb.into(),
            acts: acts.iter().map(|act| (*act).to_owned()).collect(),
            class: class.into(),
            ..Operation::default()
        };
        plugin.holds(&operation).map(|(rule, _)| rule)
    };
    assert_eq!(rule("select", &["delete", "select"], "write"), Some("writes.verb"));
    assert_eq!(rule("prepare", &["delete", "prepare"], "write"), Some("writes.verb"));
    assert_eq!(rule("do", &["do"], "code"), Some("writes.code"));
    assert_eq!(rule("update", &["update"], "write"), None);
}

#[test]
fn a_bound_value_is_held_when_it_is_listed_or_cannot_be_read() {
    let plugin = |rule: &str| {
        let settings = format!("{{\"values\":[{{\"relation\":\"public.orders\",{rule}}}]}}");
        ApprovalWrites::new(serde_json::from_str(&settings).unwrap()).unwrap()
    };
    let above = plugin(r#""parameter":2,"above":1000"#);
    let is = plugin(r#""parameter":2,"is":["paid"]"#);
    let held = |plugin: &ApprovalWrites, request: &str, relation: &str, values: &[Parameter]| {
        let object =
            Object { kind: "relation".into(), name: relation.into(), access: Access::Write };
        let operation = Operation {
            class: "write".into(),
            resources: vec![object],
            parameters: values.to_vec(),
            attributes: vec![("request".into(), request.into())],
            ..Operation::default()
        };
        plugin.holds(&operation).map(|(rule, _)| rule) == Some("writes.value")
    };
    let value =
        |type_name: &str, value| Parameter { value, type_oid: 0, type_name: type_name.into() };
    let text = |it: &str| value("", ParameterValue::Text(it.into()));
    let with = |second: Parameter| [text("1"), second];
    for (second, by_above, by_is) in [
        (text("1000"), false, false),
        (text("1000.01"), true, false),
        (text("paid"), true, true),
        (value("int4", ParameterValue::Binary(vec![0, 0, 0, 9])), false, false),
        (value("int4", ParameterValue::Binary(vec![0, 0, 9, 9])), true, false),
        (value("", ParameterValue::Binary(vec![0, 0, 0, 9])), true, true),
        (value("text", ParameterValue::Binary(b"paid".to_vec())), true, true),
        (value("", ParameterValue::Withheld(70_000)), true, true),
        (value("", ParameterValue::Null), false, false),
    ] {
        let values = with(second);
        assert_eq!(held(&above, "sql_bind", "orders", &values), by_above, "{values:?}");
        assert_eq!(held(&is, "sql_execute", "public.orders", &values), by_is, "{values:?}");
        assert!(!held(&above, "sql_bind", "public.customers", &values));
    }
    assert!(held(&above, "sql_query", "public.orders", &[]), "the value stands in the text");
    assert!(!held(&above, "sql_parse", "public.orders", &[]), "nothing is bound yet");
}

#[test]
fn every_condition_of_a_rule_must_be_met() {
    let settings = r#"{"reason":"all","approvers":["dba"],"rules":[{"rule":"r",
        "verbs":["update"],"objects":["public.people"],"written":true,"columns":["salary"],
        "groups":["sales"],"groups_except":["hr"],"risk_at":10}]}"#;
    let plugin = ApprovalWrites::new(serde_json::from_str(settings).unwrap()).unwrap();
    let held = |change: &dyn Fn(&mut Operation, &mut SessionInfo)| {
        let object =
            Object { kind: "relation".into(), name: "people".into(), access: Access::Write };
        let mut operation = Operation {
            acts: vec!["update".into()],
            class: "write".into(),
            resources: vec![object],
            attributes: vec![("risk".into(), "10".into()), ("column".into(), "Salary".into())],
            ..Operation::default()
        };
        let mut session = SessionInfo { groups: vec!["sales".into()], ..session() };
        change(&mut operation, &mut session);
        match plugin.check(&session, &operation).decision {
            Decision::Hold(ask) => {
                assert_eq!((ask.reason.as_str(), ask.approvers), ("all", vec!["dba".to_owned()]));
                true
            }
            _ => false,
        }
    };
    assert!(held(&|_, _| {}));
    assert!(!held(&|operation, _| operation.acts = vec!["insert".into()]));
    assert!(!held(&|operation, _| operation.resources[0].access = Access::Read));
    assert!(!held(&|operation, _| operation.resources[0].name = "orders".into()));
    assert!(!held(&|operation, _| operation.attributes[1].1 = "city".into()));
    assert!(!held(&|operation, _| operation.attributes[0].1 = "9".into()));
    assert!(!held(&|_, session| session.groups.clear()));
    assert!(!held(&|_, session| session.groups.push("hr".into())));
    // Code may do and name anything; a whole row has every column.
    assert!(held(&|operation, _| {
        operation.acts = vec!["call".into()];
        operation.class = "code".into();
        operation.attributes.pop();
    }));
    assert!(held(&|operation, _| operation.attributes[1] = ("whole_row".into(), "true".into())));
}

use portcullis_plugin::{
    Access, ApprovalAsk, Approver, Decision, Object, Operation, Plugin, SessionInfo,
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
        seq: 0,
        kind: "sql".into(),
        verb: verb.into(),
        acts: vec![verb.into()],
        class: class.into(),
        text: String::new(),
        resources: writes
            .iter()
            .map(|name| Object {
                kind: "relation".into(),
                name: (*name).into(),
                access: Access::Write,
            })
            .collect(),
        attributes: vec![("risk".into(), risk.to_string())],
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
    for settings in
        [r#"{"classes":["writes"]}"#, r#"{"risk_at":101}"#, r#"{"decide_within_secs":0}"#]
    {
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
            seq: 0,
            kind: "sql".into(),
            verb: verb.into(),
            acts: acts.iter().map(|act| (*act).to_owned()).collect(),
            class: class.into(),
            text: String::new(),
            resources: Vec::new(),
            attributes: Vec::new(),
        };
        plugin.holds(&operation).map(|(rule, _)| rule)
    };
    assert_eq!(rule("select", &["delete", "select"], "write"), Some("writes.verb"));
    assert_eq!(rule("prepare", &["delete", "prepare"], "write"), Some("writes.verb"));
    assert_eq!(rule("do", &["do"], "code"), Some("writes.code"));
    assert_eq!(rule("update", &["update"], "write"), None);
}

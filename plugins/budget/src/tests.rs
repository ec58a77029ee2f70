use portcullis_plugin::{
    Approver, Decision, Meter, Metering, Operation, Part, Plugin, SessionInfo, testing,
};

use super::Budget;

fn budget(settings: &str) -> Budget {
    testing::reset();
    testing::set_now_ms(1_000_000);
    match Budget::new(serde_json::from_str(settings).unwrap()) {
        Ok(budget) => budget,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn session(agent: &str, groups: &[&str]) -> SessionInfo {
    SessionInfo {
        id: String::new(),
        target: String::new(),
        protocol: String::new(),
        database: String::new(),
        role: String::new(),
        principal: "ann".into(),
        agent: agent.into(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    }
}

fn statement(request: &str, class: &str, risk: u8) -> Operation {
    let attributes = vec![("request".into(), request.into()), ("risk".into(), risk.to_string())];
    Operation { class: class.into(), attributes, ..Operation::default() }
}

/// The rule of the answer to a statement, and whether it holds.
fn check(budget: &Budget, agent: &str, request: &str) -> String {
    let ruling = budget.check(&session(agent, &[]), &statement(request, "read", 0));
    match ruling.decision {
        Decision::Deny(refusal) => refusal.rule,
        Decision::Hold(ask) => format!("hold {}", ask.rule),
        Decision::Abstain => match ruling.findings.first() {
            Some(finding) => format!("warn {}", finding.rule),
            None => "-".into(),
        },
        other => panic!("{other:?}"),
    }
}

fn part(rows: u64, bytes: u64, before: (u64, u64), approved: bool) -> Part {
    let attributes = approved.then(|| ("approved".into(), "true".into())).into_iter().collect();
    Part { rows, bytes, rows_before: before.0, bytes_before: before.1, attributes }
}

fn give(budget: &Budget, agent: &str, part: &Part) -> String {
    match budget.observe(&session(agent, &[]), part) {
        Metering::Pass => "-".into(),
        Metering::Note(finding) => format!("note {}", finding.rule),
        Metering::Stop(refusal) => refusal.rule,
    }
}

fn rows(rows: u64) -> Part {
    part(rows, rows * 10, (0, 0), false)
}

#[test]
fn a_result_has_its_own_limit() {
    let budget = budget(r#"{"limits":[{"per":"statement","rows":100,"bytes":5000}]}"#);
    assert_eq!(give(&budget, "a", &part(100, 5000, (0, 0), false)), "-");
    assert_eq!(give(&budget, "a", &part(1, 1, (100, 100), false)), "budget.statement");
    assert_eq!(give(&budget, "a", &part(1, 5001, (0, 0), false)), "budget.statement");
    assert_eq!(check(&budget, "a", "sql_query"), "-");
}

#[test]
fn an_agent_has_its_rows_back_once_the_window_has_moved() {
    let budget = budget(r#"{"limits":[{"per":"agent","window_secs":60,"rows":100}]}"#);
    assert_eq!(give(&budget, "a", &rows(99)), "-");
    assert_eq!(check(&budget, "a", "sql_query"), "-");
    for _ in 0..5 {
        assert_eq!(give(&budget, "a", &rows(2)), "budget.agent", "and is not counted");
    }
    assert_eq!(give(&budget, "a", &rows(1)), "-");
    assert_eq!(check(&budget, "a", "sql_query"), "budget.agent");
    assert_eq!(check(&budget, "a", "sql_parse"), "budget.agent");
    assert_eq!(check(&budget, "b", "sql_query"), "-", "another agent has its own");
    testing::set_now_ms(1_000_000 + 62_000);
    assert_eq!(check(&budget, "a", "sql_query"), "-");
    assert_eq!(give(&budget, "a", &rows(100)), "-");
}

#[test]
fn a_transaction_can_be_ended_whatever_is_used_up() {
    let budget = budget(r#"{"limits":[{"per":"session","statements":0}]}"#);
    assert_eq!(check(&budget, "a", "sql_query"), "budget.session");
    let end = budget.check(&session("a", &[]), &statement("sql_query", "transaction", 0));
    assert_eq!(end.decision, Decision::Abstain);
}

#[test]
fn statements_are_counted_once() {
    let budget = budget(r#"{"limits":[{"per":"agent","window_secs":60,"statements":2}]}"#);
    for _ in 0..2 {
        for request in ["sql_parse", "sql_bind", "sql_execute"] {
            let told = check(&budget, "a", request);
            assert!(told == "-" || request == "sql_execute", "{request}: {told}");
        }
    }
    assert_eq!(check(&budget, "a", "sql_bind"), "budget.agent");
}

#[test]
fn over_a_limit_that_holds_a_person_is_asked_and_what_they_allow_passes() {
    let settings = r#"{"limits":[{"per":"session","rows":10,"then":"hold","approvers":["dba"]}]}"#;
    let budget = budget(settings);
    assert_eq!(give(&budget, "a", &rows(11)), "budget.session");
    assert_eq!(check(&budget, "a", "sql_query"), "hold budget.session");
    assert_eq!(give(&budget, "a", &part(50, 1, (0, 0), true)), "-");
    assert_eq!(give(&budget, "a", &rows(1)), "budget.session");
}

#[test]
fn a_warning_is_noted_when_it_is_crossed_and_with_each_statement_after() {
    let settings = r#"{"limits":[
        {"per":"agent","window_secs":60,"rows":10,"then":"warn","rule":"soft"},
        {"per":"agent","window_secs":60,"rows":20}]}"#;
    let budget = budget(settings);
    let told: Vec<String> = (0..5).map(|_| give(&budget, "a", &rows(5))).collect();
    // The two share a counter that is added to once.
    assert_eq!(told, ["-", "-", "note soft", "-", "budget.agent"]);
    assert_eq!(check(&budget, "a", "sql_query"), "budget.agent");
}

#[test]
fn a_limit_is_for_its_groups() {
    let settings = r#"{"limits":[
        {"per":"statement","rows":1,"groups":["interns"],"groups_except":["dba"]}]}"#;
    let budget = budget(settings);
    for (groups, stopped) in [(&["interns"][..], true), (&["interns", "dba"], false), (&[], false)]
    {
        let answer = budget.observe(&session("a", groups), &rows(2));
        assert_eq!(matches!(answer, Metering::Stop(_)), stopped, "{groups:?}");
    }
}

#[test]
fn the_breaker_opens_after_refusals_and_closes_by_itself() {
    let settings = r#"{"limits":[{"per":"statement","rows":1}],
        "breaker":{"open_secs":30,"refusals":{"most":2,"window_secs":60}}}"#;
    let budget = budget(settings);
    for _ in 0..2 {
        assert_eq!(give(&budget, "a", &rows(2)), "budget.statement");
        assert_eq!(check(&budget, "a", "sql_query"), "-");
    }
    assert_eq!(give(&budget, "a", &rows(2)), "budget.statement");
    assert_eq!(check(&budget, "a", "sql_query"), "budget.breaker");
    assert_eq!(check(&budget, "b", "sql_query"), "-");
    testing::set_now_ms(1_000_000 + 31_000);
    assert_eq!(check(&budget, "a", "sql_query"), "-");
}

#[test]
fn a_burst_and_risky_statements_open_the_breaker() {
    let settings = r#"{"breaker":{"open_secs":30,"burst":{"most":3,"window_secs":10},
        "risk":{"at":70,"most":1,"window_secs":60}}}"#;
    let bursting = budget(settings);
    let told: Vec<String> = (0..4).map(|_| check(&bursting, "a", "sql_query")).collect();
    assert_eq!(told, ["-", "-", "-", "budget.breaker"]);
    let risky = budget(settings);
    let denied = |risk| {
        let ruling = risky.check(&session("a", &[]), &statement("sql_query", "read", risk));
        matches!(ruling.decision, Decision::Deny(_))
    };
    assert_eq!([denied(70), denied(69), denied(70)], [false, false, true]);
}

#[test]
fn what_can_not_be_counted_is_refused() {
    let settings = r#"{"limits":[{"per":"agent","window_secs":60,"rows":5,"statements":5}]}"#;
    let budget = budget(settings);
    testing::set_full(true);
    assert_eq!(check(&budget, "a", "sql_query"), "budget.uncounted");
    assert_eq!(give(&budget, "a", &rows(1)), "budget.uncounted");
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (settings, place) in [
        ("{}", ""),
        (r#"{"limits":[{"per":"agent","rows":1}]}"#, "limits[0].window_secs"),
        (r#"{"limits":[{"per":"agent","rows":1,"window_secs":0}]}"#, "limits[0].window_secs"),
        (r#"{"limits":[{"per":"session","rows":1,"window_secs":9}]}"#, "limits[0].window_secs"),
        (r#"{"limits":[{"per":"session"}]}"#, "limits[0]"),
        (r#"{"limits":[{"per":"statement","statements":1}]}"#, "limits[0].statements"),
        (r#"{"limits":[{"per":"statement","rows":1,"then":"hold"}]}"#, "limits[0].then"),
        (r#"{"limits":[{"per":"session","rows":1,"approvers":["x"]}]}"#, "limits[0].approvers"),
        (r#"{"breaker":{"open_secs":5}}"#, "breaker"),
        (r#"{"breaker":{"open_secs":0,"burst":{"most":1,"window_secs":1}}}"#, "breaker.open_secs"),
        (
            r#"{"breaker":{"open_secs":5,"burst":{"most":1,"window_secs":0}}}"#,
            "breaker.burst.window_secs",
        ),
        (
            r#"{"breaker":{"open_secs":5,"risk":{"at":0,"most":1,"window_secs":5}}}"#,
            "breaker.risk.at",
        ),
    ] {
        let problems = Budget::new(serde_json::from_str(settings).unwrap()).unwrap_err();
        let places: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(places, [place], "{settings}");
    }
}

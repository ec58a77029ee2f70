#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;

use super::{Transactions, operation, wit};
use crate::limits::{PARAMETER_SHOWN_BYTES_MAX, PARAMETERS_SHOWN_BYTES_MAX};
use crate::protocol::postgres::statement::{Parsers, facts};
use crate::protocol::{Block, Kind, Parameter, Request, State};

fn request(text: &str, block: Block) -> Request {
    let facts = facts(text, Parsers::Compat).unwrap();
    let state = State { block, ..State::default() };
    Request::for_test(Kind::SqlQuery, text, facts).with_for_test(Vec::new(), state)
}

/// Block and number of each statement, as `none0 open0 ...`.
fn places(text: &str, block: Block) -> String {
    let request = request(text, block);
    let mut transactions = Transactions::new(&request);
    let place = |one| {
        let place = transactions.next(one);
        format!("{:?}{}", place.block, place.number).to_lowercase()
    };
    request.facts().statements.iter().map(place).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_statement_has_its_transaction() {
    for (text, block, expected) in [
        ("SELECT 1; SELECT 2", Block::None, "none0 none0"),
        (
            "SELECT 1; BEGIN; SELECT 2; COMMIT; SELECT 3",
            Block::None,
            "none0 none0 open0 open0 none1",
        ),
        ("SELECT 1; COMMIT; DELETE FROM t", Block::Open, "open0 open0 none1"),
        ("ROLLBACK; DELETE FROM t", Block::Failed, "failed0 none1"),
        ("ROLLBACK TO a; DELETE FROM t", Block::Failed, "failed0 open0"),
        ("COMMIT AND CHAIN; DELETE FROM t", Block::Open, "open0 open1"),
        ("SAVEPOINT a; RELEASE a; SELECT 1", Block::Open, "open0 open0 open0"),
        ("PREPARE TRANSACTION 'x'; SELECT 1", Block::Open, "open0 none1"),
        ("COMMIT PREPARED 'x'; SELECT 1", Block::None, "none0 none0"),
        ("SET TRANSACTION READ ONLY; SELECT 1", Block::Unknown, "unknown0 unknown0"),
    ] {
        assert_eq!(places(text, block), expected, "{text}");
    }
}

fn first(text: &str, parameters: Vec<Parameter>) -> wit::Operation {
    let request = request(text, Block::None).with_for_test(parameters, State::default());
    let statement = &request.facts().statements[0];
    let place = Transactions::new(&request).next(statement);
    operation(0, statement, &request, place).unwrap()
}

#[test]
fn values_are_shown_up_to_a_bound() {
    let value = |type_oid, binary, bytes: &[u8]| {
        let value = Some(Bytes::copy_from_slice(bytes));
        Parameter { binary, type_oid, value }
    };
    let long = vec![b'x'; PARAMETER_SHOWN_BYTES_MAX];
    let mut many = vec![
        Parameter { binary: false, type_oid: 0, value: None },
        value(25, false, b"text"),
        value(23, true, &7_i32.to_be_bytes()),
        value(1009, false, b"{a}"),
        value(99_999, false, b"\xff"),
        value(25, false, &[&long[..], b"y"].concat()),
    ];
    many.extend((0..PARAMETERS_SHOWN_BYTES_MAX / long.len()).map(|_| value(25, false, &long)));
    let shown = first("SELECT 1", many).parameters;
    let found: Vec<String> = shown
        .iter()
        .take(6)
        .map(|one| {
            let value = match &one.value {
                wit::ParameterValue::Null => "null".to_owned(),
                wit::ParameterValue::Text(text) => text.clone(),
                wit::ParameterValue::Binary(bytes) => format!("{bytes:?}"),
                wit::ParameterValue::Withheld(bytes) => format!("withheld {bytes}"),
            };
            format!("{value} {}", one.type_name)
        })
        .collect();
    let withheld = format!("withheld {} text", long.len() + 1);
    let expected =
        ["null ", "text text", "[0, 0, 0, 7] int4", "{a} text[]", "withheld 1 ", &withheld];
    assert_eq!(found, expected);
    let text = |one: &&wit::Parameter| matches!(one.value, wit::ParameterValue::Text(_));
    // What the short ones took is missing for the last of the long ones.
    assert_eq!(shown.iter().skip(6).filter(text).count(), shown.len() - 7);
    assert!(matches!(shown.last().unwrap().value, wit::ParameterValue::Withheld(_)));
}

#[test]
fn settings_come_with_value_and_scope() {
    let found = |text: &str| {
        let one = |it: &wit::Setting| format!("{} {:?} {:?}", it.name, it.value, it.scope);
        first(text, Vec::new()).settings.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    for (text, expected) in [
        (
            "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY",
            "transaction_isolation SettingValue::To(\"serializable\") SettingScope::Transaction, \
          transaction_read_only SettingValue::To(\"on\") SettingScope::Transaction",
        ),
        ("SET LOCAL a.b = 'x'", "a.b SettingValue::To(\"x\") SettingScope::Transaction"),
        ("RESET ALL", "* SettingValue::Reset SettingScope::Session"),
        ("ALTER ROLE a SET b.c FROM CURRENT", "b.c SettingValue::FromCurrent SettingScope::Stored"),
        (
            "SELECT set_config('a.b', $1, true)",
            "a.b SettingValue::Computed SettingScope::Transaction",
        ),
        ("SELECT 1", ""),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

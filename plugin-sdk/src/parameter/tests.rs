use crate::{Operation, Parameter, ParameterValue, Setting, SettingScope, SettingValue};

fn parameter(type_name: &str, value: ParameterValue) -> Parameter {
    Parameter { value, type_oid: 0, type_name: type_name.into() }
}

#[test]
fn values_are_read_in_both_forms() {
    let binary =
        |type_name, bytes: &[u8]| parameter(type_name, ParameterValue::Binary(bytes.into()));
    for (parameter, text, number) in [
        (parameter("", ParameterValue::Text("12.5".into())), Some("12.5"), Some(12.5)),
        (parameter("text", ParameterValue::Text("x".into())), Some("x"), None),
        (parameter("int4", ParameterValue::Text("NaN".into())), Some("NaN"), None),
        (parameter("text", ParameterValue::Null), None, None),
        (parameter("text", ParameterValue::Withheld(70_000)), None, None),
        (binary("text", b"x"), Some("x"), None),
        (binary("text", b"\xff"), None, None),
        (binary("bool", &[1]), Some("t"), None),
        (binary("int2", &[255, 255]), Some("-1"), Some(-1.0)),
        (binary("int4", &[0, 0, 1, 0]), Some("256"), Some(256.0)),
        (binary("int4", &[0, 1, 0]), None, None),
        (binary("int8", &[0, 0, 0, 0, 0, 0, 0, 7]), Some("7"), Some(7.0)),
        (binary("float8", &1.5_f64.to_be_bytes()), Some("1.5"), Some(1.5)),
        (binary("uuid", &[0x11; 16]), Some("11111111-1111-1111-1111-111111111111"), None),
        (binary("numeric", &[0, 0, 0, 0, 0, 0, 0, 0]), None, None),
        (binary("", &[0, 0, 0, 7]), None, None),
    ] {
        assert_eq!(parameter.text().as_deref(), text, "{parameter:?}");
        assert_eq!(parameter.number(), number, "{parameter:?}");
    }
}

#[test]
fn an_operation_is_asked_by_number_and_name() {
    let setting = |name: &str| Setting {
        name: name.into(),
        value: SettingValue::Reset,
        scope: SettingScope::Session,
    };
    let operation = Operation {
        parameters: vec![parameter("text", ParameterValue::Null)],
        settings: vec![setting("role"), setting("*")],
        ..Operation::default()
    };
    assert!(operation.parameter(1).is_some_and(Parameter::is_null));
    assert!(operation.parameter(0).is_none() && operation.parameter(2).is_none());
    assert_eq!(operation.setting("work_mem").map(|it| it.name.as_str()), Some("*"));
    assert!(!operation.in_transaction());
}

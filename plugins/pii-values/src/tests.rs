use portcullis_plugin::{Cells, Column, ColumnPlan, Edit, Masker, Scanned, SessionInfo, configure};

use super::PiiValues;

fn plugin(settings: &str) -> PiiValues {
    match configure(settings) {
        Ok(plugin) => plugin,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn session(principal: &str, groups: &[&str]) -> SessionInfo {
    SessionInfo {
        id: String::new(),
        target: String::new(),
        protocol: String::new(),
        database: String::new(),
        role: String::new(),
        principal: principal.into(),
        agent: String::new(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    }
}

fn inspects(plugin: &PiiValues, session: &SessionInfo, type_name: &str, origins: &[&str]) -> bool {
    let column = Column {
        name: "x".into(),
        type_name: type_name.into(),
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        exact: origins.len() == 1,
    };
    plugin.column(session, &column) == ColumnPlan::Inspect
}

/// The cells after a scan; `None` is NULL.
fn scan(plugin: &PiiValues, cells: &[&str]) -> Vec<Option<String>> {
    let (mut data, mut ends) = (Vec::new(), Vec::new());
    for cell in cells {
        data.extend_from_slice(cell.as_bytes());
        ends.push(data.len() as u32);
    }
    let mut edit = Edit::default();
    plugin.scan(&Cells::new(&ends, &data), &mut edit).unwrap();
    let mut out: Vec<Option<String>> = cells.iter().map(|cell| Some((*cell).to_owned())).collect();
    if let Scanned::Edit(edits) = Scanned::from(edit) {
        let replaced = Cells::new(&edits.ends, &edits.data);
        for (cell, (_, value)) in edits.cells.iter().zip(replaced.iter()) {
            out[*cell as usize] = value.map(|value| String::from_utf8(value.to_vec()).unwrap());
        }
    }
    out
}

#[test]
fn only_the_part_that_was_found_is_hidden() {
    let text = "Ann (ann@shop.example) paid with 4111 1111 1111 1111.";
    for (settings, expected) in [
        ("{}", Some("Ann ([email]) paid with [card].")),
        (r#"{"mask":"stars"}"#, Some("Ann (***@****.*******) paid with **** **** **** ****.")),
        (
            r#"{"masks":{"card":{"keep_last":4},"contact":{"fixed":"-"}}}"#,
            Some("Ann (-) paid with **** **** **** 1111."),
        ),
        (r#"{"masks":{"card":"null"}}"#, None),
        (r#"{"find":["email"]}"#, Some("Ann ([email]) paid with 4111 1111 1111 1111.")),
        (r#"{"ignore":["contact"]}"#, Some("Ann (ann@shop.example) paid with [card].")),
    ] {
        let cells = scan(&plugin(settings), &["nothing", text, ""]);
        assert_eq!(cells[1].as_deref(), expected, "{settings}");
        assert_eq!((cells[0].as_deref(), cells[2].as_deref()), (Some("nothing"), Some("")));
    }
}

#[test]
fn json_stays_json() {
    let plugin = plugin("{}");
    for (json, expected) in [
        (r#"{"card": 4111111111111111, "n": 1}"#, r#"{"card": "[card]", "n": 1}"#),
        (r#"{"card": "4111111111111111"}"#, r#"{"card": "[card]"}"#),
        (r#"[4111111111111111]"#, r#"["[card]"]"#),
        (r#"{"note": "at 4111111111111111, ok"}"#, r#"{"note": "at [card], ok"}"#),
    ] {
        assert_eq!(scan(&plugin, &[json])[0].as_deref(), Some(expected));
    }
}

#[test]
fn a_short_value_keeps_nothing() {
    let plugin = plugin(r#"{"find":["email"],"mask":{"keep_last":8}}"#);
    assert_eq!(scan(&plugin, &["an@sh.example"])[0].as_deref(), Some("**@**.*******"));
}

#[test]
fn columns_are_chosen_by_origin_type_and_session() {
    let anybody = session("ann", &[]);
    let all = plugin("{}");
    assert!(inspects(&all, &anybody, "text", &["public.orders.notes"]));
    assert!(inspects(&all, &anybody, "jsonb", &[]));
    assert!(inspects(&all, &anybody, "text[]", &["*"]));
    assert!(!inspects(&all, &anybody, "int4", &["public.orders.id"]));
    let some =
        plugin(r#"{"inspect":["public.*.notes","*.*.account"],"skip":["public.log.notes"]}"#);
    assert!(inspects(&some, &anybody, "int8", &["public.orders.account"]));
    assert!(inspects(&some, &anybody, "text", &["*"]), "may come from anywhere");
    assert!(inspects(&some, &anybody, "text", &["public.log.notes", "public.orders.notes"]));
    assert!(!inspects(&some, &anybody, "text", &["public.log.notes"]));
    assert!(!inspects(&some, &anybody, "text", &["public.orders.city"]));
}

#[test]
fn exceptions_are_for_those_named_and_no_unknown_column() {
    let plugin = plugin(
        r#"{"except":[{"groups":["fraud"],"columns":["public.orders.*"]},{"principals":["eve"]}]}"#,
    );
    let sees = |who: &SessionInfo, origin| !inspects(&plugin, who, "text", &[origin]);
    let (fraud, eve) = (session("bob", &["fraud"]), session("eve", &[]));
    assert!(sees(&fraud, "public.orders.notes"));
    assert!(!sees(&fraud, "public.customers.notes"));
    assert!(!sees(&fraud, "*"));
    assert!(sees(&eve, "*"));
    assert!(!sees(&session("bob", &[]), "public.orders.notes"));
}

#[test]
fn mistakes_name_their_place() {
    for (settings, place) in [
        (r#"{"find":["card","cards"]}"#, "find[1]"),
        (r#"{"find":["card"],"ignore":["card"]}"#, "find"),
        (r#"{"ignore":["x"]}"#, "ignore[0]"),
        (r#"{"masks":{"kard":"stars"}}"#, "masks.kard"),
        (r#"{"masks":{"card":{"keep_last":0}}}"#, "masks.card"),
        (r#"{"masks":{"card":"star"}}"#, "masks.card"),
        (r#"{"mask":{"keep_last":9}}"#, "mask"),
        (r#"{"inspect":["a.b.c.d"]}"#, "inspect[0]"),
        (r#"{"skip":["a..b"]}"#, "skip[0]"),
        (r#"{"except":[{"columns":["a.b.c"]}]}"#, "except[0]"),
        (r#"{"finds":[]}"#, "finds"),
    ] {
        let problems = configure::<PiiValues>(settings).unwrap_err();
        let place_found: Vec<&str> = problems.iter().map(|it| it.path.as_str()).collect();
        assert!(place_found[0].starts_with(place), "{settings}: {problems:?}");
    }
}

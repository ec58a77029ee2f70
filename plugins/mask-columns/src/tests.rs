use portcullis_plugin::{
    Cells, Column, ColumnPlan, Edit, Mask, MaskBy, Masker, Plugin, Prefiltered, Scanned,
    SessionInfo,
};

use super::MaskColumns;
use crate::values::{Find, hide};

fn plugin(settings: &str) -> MaskColumns {
    match MaskColumns::new(serde_json::from_str(settings).unwrap()) {
        Ok(plugin) => plugin,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn column(name: &str, origins: &[&str]) -> Column {
    Column {
        name: name.into(),
        type_name: "text".into(),
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        exact: origins.len() == 1,
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

fn mask(plan: ColumnPlan) -> Option<Mask> {
    match plan {
        ColumnPlan::Mask(MaskBy { mask, .. }) => Some(mask),
        _ => None,
    }
}

#[test]
fn columns_are_hidden_by_origin_and_not_by_the_name_a_client_chose() {
    let plugin = plugin(r#"{"columns":[{"origin":"public.customers.email","mask":"hash"}]}"#);
    let plan =
        |name: &str, origins: &[&str]| mask(plugin.column(&session(), &column(name, origins)));
    assert_eq!(plan("harmless", &["public.customers.email"]), Some(Mask::Hash));
    assert_eq!(plan("email", &["public.orders.id"]), None);
    assert_eq!(plan("x", &["public.orders.id", "public.customers.email"]), Some(Mask::Hash));
    assert_eq!(plan("x", &["*"]), Some(Mask::Hash), "an unknown origin counts as protected");
    assert_eq!(plan("x", &[]), None);
}

#[test]
fn a_name_pattern_reaches_the_origin_through_an_alias() {
    let plugin = plugin(r#"{"columns":[{"name":"*card*","mask":{"keep_last":4}}]}"#);
    let plan = plugin.column(&session(), &column("c", &["public.customers.card_number"]));
    assert_eq!(mask(plan), Some(Mask::KeepLast(4)));
    let plan = plugin.column(&session(), &column("card", &[]));
    assert_eq!(mask(plan), Some(Mask::KeepLast(4)));
}

#[test]
fn the_strictest_rule_counts() {
    let plugin = plugin(
        r#"{"columns":[
            {"origin":"*.*.card_number","mask":{"keep_last":4}},
            {"origin":"public.customers.*","mask":{"keep_first":1}},
            {"origin":"*.*.national_id","mask":"null"},
            {"origin":"*.*.email","mask":{"fixed":"[hidden]"},"rule":"pii.email"}]}"#,
    );
    let plan = |origins: &[&str]| mask(plugin.column(&session(), &column("x", origins)));
    assert_eq!(plan(&["sales.cards.card_number"]), Some(Mask::KeepLast(4)));
    assert_eq!(plan(&["public.customers.card_number"]), Some(Mask::Fixed("****".into())));
    assert_eq!(plan(&["public.customers.email"]), Some(Mask::Fixed("[hidden]".into())));
    assert_eq!(plan(&["a.b.card_number", "a.b.national_id"]), Some(Mask::NullOut));
}

#[test]
fn mistakes_name_their_place() {
    for (settings, place) in [
        (r#"{"columns":[{"mask":"null"}]}"#, "columns[0]"),
        (r#"{"columns":[{"name":"a","origin":"a.b.c","mask":"null"}]}"#, "columns[0]"),
        (r#"{"columns":[{"origin":"b.c","mask":"null"}]}"#, "columns[0]"),
        (r#"{"columns":[{"name":"b.c","mask":"null"}]}"#, "columns[0]"),
        (r#"{"columns":[{"tag":"pii","mask":"null"}]}"#, "columns[0].tag"),
        (r#"{"columns":[{"tag":"x","name":"y","mask":"null"}],"tags":{"x":[]}}"#, "columns[0]"),
        (r#"{"tags":{"pii":["a.b.c","b.c"]}}"#, "tags.pii[1]"),
        (r#"{"inspect":["*.*.notes"]}"#, "find"),
        (r#"{"find":["card"]}"#, "find"),
    ] {
        let problems = MaskColumns::new(serde_json::from_str(settings).unwrap()).unwrap_err();
        assert_eq!(problems[0].path, place, "{settings}");
    }
    let unknown = serde_json::from_str::<super::Settings>(r#"{"column":[]}"#);
    assert!(unknown.is_err(), "a misspelt setting must not be ignored");
}

#[test]
fn values_are_found_in_text() {
    let find = [Find::Card, Find::Email];
    for (text, expected) in [
        ("no", None),
        ("4111111111111111", Some("****************")),
        ("card 4111 1111 1111 1111 ok", Some("card **** **** **** **** ok")),
        ("4111-1111-1111-1111", Some("****-****-****-****")),
        ("4222222222222", Some("*************")),
        ("4222222222223", None),
        ("0000000000000000", None),
        ("94111111111111111", Some("9****************")),
        ("write ann@shop.example now", Some("write **************** now")),
        ("a@b", None),
        // One star a character, whatever its width.
        ("\u{e9}a@x.org", Some("********")),
    ] {
        let hidden = hide(text, &find);
        assert_eq!(hidden.as_deref(), expected, "{text}");
    }
    assert_eq!(hide("4111111111111111", &[Find::Email]), None);
    // Digits before a card can make another number that overlaps it; the card is hidden whole.
    for before in 0..1000 {
        let hidden = hide(&format!("{before} 4111111111111111"), &find).unwrap();
        assert!(hidden.ends_with(&"*".repeat(16)), "{hidden}");
    }
}

#[test]
fn scanning_edits_only_what_holds_something() {
    let plugin = plugin(r#"{"inspect":["*.*.notes"],"find":["card"]}"#);
    let plan = plugin.column(&session(), &column("x", &["public.customers.notes"]));
    assert_eq!(plan, ColumnPlan::Inspect);
    let data = b"ok4111111111111111\xff";
    let ends = [2, 18, 19];
    let mut edit = Edit::default();
    plugin.scan(&Cells::new(&ends, data), &mut edit).unwrap();
    let Scanned::Edit(edits) = Scanned::from(edit) else { panic!("an edit expected") };
    assert_eq!(edits.cells, [1, 2]);
    assert_eq!(edits.data, b"****************");
}

#[test]
fn a_tag_stands_for_its_columns_and_an_exception_for_whom_it_names() {
    let plugin = plugin(
        r#"{"columns":[
            {"tag":"pii","mask":"hash","except":{"groups":["support"],"principals":["eve"]}},
            {"name":"id","mask":"null"}],
            "tags":{"pii":["*.*.email","hr.people.*"]}}"#,
    );
    let plan = |principal: &str, group: &str, origin: &str| {
        let who =
            SessionInfo { principal: principal.into(), groups: vec![group.into()], ..session() };
        mask(plugin.column(&who, &column("x", &[origin])))
    };
    assert_eq!(plan("ann", "sales", "public.customers.email"), Some(Mask::Hash));
    assert_eq!(plan("ann", "sales", "hr.people.name"), Some(Mask::Hash));
    assert_eq!(plan("ann", "sales", "public.customers.city"), None);
    assert_eq!(plan("ann", "support", "public.customers.email"), None);
    assert_eq!(plan("eve", "sales", "public.customers.email"), None);
    assert_eq!(plan("eve", "support", "a.b.id"), Some(Mask::NullOut), "of that rule alone");
}

#[test]
fn the_host_shows_every_cell_in_which_something_is_found() {
    for (kind, find) in [("card", Find::Card), ("email", Find::Email)] {
        let inspecting = plugin(&format!(r#"{{"inspect":["a.b.c"],"find":["{kind}"]}}"#));
        let patterns = regex::bytes::RegexSet::new(inspecting.patterns()).unwrap();
        assert_eq!(patterns.len(), 1);
        assert!(!patterns.is_match(b"note 123456 says nothing"), "it spares something");
        // Long texts over few letters, so that finds are frequent and their edges are met.
        let letters: Vec<char> = "00112345678944 -@.a\u{e9}'/\n".chars().collect();
        let (mut seed, mut found) = (7_u64, 0);
        for _ in 0..200_000 {
            let mut text = String::new();
            for _ in 0..40 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push(letters[(seed >> 33) as usize % letters.len()]);
            }
            if hide(&text, &[find]).is_some() {
                found += 1;
                assert!(patterns.is_match(text.as_bytes()), "{text:?}");
            }
        }
        assert!(found > 100, "{kind}: {found} finds are too few to say anything");
    }
    assert!(plugin(r#"{"columns":[]}"#).patterns().is_empty());
}

//! Components of other versions of the interface: the frozen first one, and later ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use super::fixtures::*;
use crate::policy::{Judged, PolicySettings, Problem};

/// The interfaces of 0.1.0 as they were, in one text.
fn first_wit() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compat/wit-0.1.0");
    let mut bodies = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        bodies += &text.replace("package portcullis", "//");
    }
    format!("package portcullis:policy@0.1.0;\n{bodies}")
}

/// A core module that names another version.
fn at(version: &str, module: &str) -> String {
    module.replace(&format!("@{VERSION}"), &format!("@{version}"))
}

fn problem(settings: &PolicySettings) -> String {
    engine().load(settings).unwrap_err().first().map(Problem::to_string).unwrap()
}

#[test]
fn a_component_of_the_first_version_works() {
    let log = r#"(import "portcullis:policy/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
    let check = "(call $log (i32.const 1) (i32.const 0) (i32.const 4)) (i32.const 1024)";
    let parts = [
        self::check(check),
        plan("(i32.const 1200)"),
        scan("(i32.const 1300)"),
        score("(i32.const 1400)"),
        // A refusal; one column that is hidden by NULL; a score of 7.
        data(1024, &[DENY, 2048, 4, 2052, 3, 0, 0, 0, 0, 0, 0]),
        bytes_at(2048, b"rulewhy"),
        data(1200, &[1216, 1]),
        data(1216, &[1, 0, 0, 0, 2048, 4]),
        data(1400, &[7, 0, 0]),
    ];
    let module = at("0.1.0", &module(log, &parts.concat()));
    let component = component_of(&[("policy.wit", &first_wit())], "plugin", &module);
    let (_dir, mut settings) = policy(&[component]);
    settings.plugins[0].grants = vec!["log".into()];
    let generation = engine().load(&settings).unwrap();
    let Judged::Denied(denied) = generation.judge(&mut instances(), select()) else {
        panic!("not refused")
    };
    assert_eq!(denied.ruling().risk, 7);
    assert!(denied.fault().message.contains("why"), "{}", denied.fault().message);
    let columns = [column("c", "public.t.c")];
    let mut plan = generation.plan(&mut instances(), &columns).unwrap();
    let masked = plan.mask(&rows(&[&[Some("x")]])).unwrap();
    assert_eq!(cells(masked.frames(), 1), ["NULL"]);
    assert_eq!(plan.masked_columns()[0].rule, "rule");
}

#[test]
fn a_later_component_that_needs_nothing_later_works() {
    let later = wit().replace(&format!("policy@{VERSION};"), "policy@0.1.99;");
    let module = at("0.1.99", &module("", &check(MAKE_ZERO)));
    let (_dir, settings) = policy(&[component_of(&[("p.wit", &later)], "approver", &module)]);
    engine().load(&settings).unwrap();
}

/// The interface of a later version with something in it that is not known here.
fn later_wit(interface: &str) -> String {
    let whole = wit().replace(&format!("policy@{VERSION};"), "policy@0.1.99;");
    let world = "world approver {";
    whole.replace(world, &format!("{interface}\n{world} import net;"))
}

#[test]
fn an_import_that_came_later_is_named_with_its_version() {
    let later = later_wit("interface net { dial: func(); }");
    let import = r#"(import "portcullis:policy/net@0.1.99" "dial" (func $dial))"#;
    let module = at("0.1.99", &module(import, &check("(call $dial) (i32.const 0)")));
    let (_dir, settings) = policy(&[component_of(&[("p.wit", &later)], "approver", &module)]);
    let told = problem(&settings);
    for part in ["imports `portcullis:policy/net@0.1.99`", "built for 0.1.99", "knows 0.1.0 to"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_function_that_came_later_is_named_with_its_version() {
    let later = later_wit("interface net {}").replace("import net;", "");
    let later = later.replace("now-ms: func() -> u64;", "now-ms: func() -> u64; tick: func();");
    let import = r#"(import "portcullis:policy/clock@0.1.99" "tick" (func $tick))"#;
    let module = at("0.1.99", &module(import, &check("(call $tick) (i32.const 0)")));
    let (_dir, mut settings) = policy(&[component_of(&[("p.wit", &later)], "approver", &module)]);
    settings.plugins[0].grants = vec!["clock".into()];
    let told = problem(&settings);
    assert!(told.contains("tick") && told.contains("built for 0.1.99"), "{told}");
}

#[test]
fn the_first_version_is_frozen() {
    // What 0.1.0 was when 0.1.1 came: a change here breaks plugins that people have.
    let texts = first_wit();
    assert!(texts.contains("package portcullis:policy@0.1.0;") && !texts.contains("@since"));
    let now: String = wit().split_whitespace().collect();
    let without_docs = |text: &str| -> Vec<String> {
        let line = |line: &str| line.trim().to_owned();
        text.lines().map(line).filter(|line| !line.is_empty() && !line.starts_with("//")).collect()
    };
    for line in without_docs(&texts).iter().filter(|line| !line.starts_with("package")) {
        let bare: String = line.split_whitespace().collect();
        assert!(now.contains(&bare), "`{line}` of 0.1.0 is gone");
    }
}

#[test]
fn every_item_is_documented() {
    use wit_parser::{Docs, Resolve, TypeDefKind};

    let mut resolve = Resolve::default();
    resolve.push_str("policy.wit", &wit()).unwrap();
    let mut bare = Vec::new();
    let mut look = |place: String, docs: &Docs| {
        if docs.contents.as_deref().unwrap_or_default().trim().is_empty() {
            bare.push(place);
        }
    };
    for (_, interface) in resolve.interfaces.iter() {
        let name = interface.name.clone().unwrap();
        look(name.clone(), &interface.docs);
        for (function, item) in &interface.functions {
            look(format!("{name}.{function}"), &item.docs);
        }
        for (type_name, id) in &interface.types {
            let item = &resolve.types[*id];
            let place = format!("{name}.{type_name}");
            match &item.kind {
                // A `use` of another interface's type.
                TypeDefKind::Type(wit_parser::Type::Id(_)) => continue,
                TypeDefKind::Enum(it) => {
                    it.cases.iter().for_each(|c| look(format!("{place}.{}", c.name), &c.docs));
                }
                TypeDefKind::Record(it) => {
                    it.fields.iter().for_each(|f| look(format!("{place}.{}", f.name), &f.docs));
                }
                TypeDefKind::Variant(it) => {
                    it.cases.iter().for_each(|c| look(format!("{place}.{}", c.name), &c.docs));
                }
                _ => {}
            }
            look(place, &item.docs);
        }
    }
    for (_, world) in resolve.worlds.iter() {
        look(world.name.clone(), &world.docs);
    }
    assert!(resolve.interfaces.len() >= 11 && resolve.worlds.len() >= 7, "the whole package");
    assert!(bare.is_empty(), "without a word: {bare:?}");
}

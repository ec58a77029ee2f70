#![allow(clippy::unwrap_used)]

use super::*;
use crate::protocol::postgres::statement::{Parsers, facts};
use crate::protocol::{By, Class};

fn rows(table: &[&str]) -> Vec<Vec<Option<String>>> {
    let cell = |text: &str| (text != "-").then(|| text.replace('_', " ").replace('!', "_"));
    let row = |line: &&str| line.split(' ').map(cell).collect();
    table.iter().map(row).collect()
}

/// Functions: 20001 `lower(integer)`, 20002 `told(notes)`, 20003 `checked`, 20004 of an extension,
/// 20005 in C, 20006 an aggregate named `max`. Types: 30001 row of `notes`, 30002 domain `fine`,
/// 30003 its array, 30004 row of `fines`. Relations: 40001 `notes`, 40002 `fines`, 40003 a view,
/// 40004 a child of `notes`, 40005 a view of the view, 40006 refers to 40004 and has a trigger.
fn database() -> CodeRows {
    CodeRows {
        functions: rows(&[
            "20001 evil lower t f 23 0 0 f",
            "20002 public told t f 30001 0 0 f",
            "20003 public checked t f 23 0 0 f",
            "20004 public replace t t 25_25_25 0 0 f",
            "20005 public upper f f 25 0 0 f",
            "20006 public max f f 23 0 0 f",
            "20007 public id t f 30001 0 0 t",
        ]),
        aggregates: rows(&["20006 20003 0 0 0 0 0 0 0"]),
        operators: rows(&[
            "21001 + 25 25 20003 public checked",
            "21002 = 30001 30001 20003 public checked",
            "21003 && 25 25 20004 public replace",
            "21004 - 25 25 67 pg!catalog texteq",
        ]),
        casts: rows(&[
            "22001 30001 25 text i 20003 public checked",
            "22002 23 16 bool e 20003 public checked",
            "22003 23 1082 date a 20003 public checked",
        ]),
        types: rows(&[
            "30001 notes 40001 0 0 -",
            "30002 fine 0 0 0 -",
            "30003 fines 0 30002 0 -",
            "30004 other 40002 0 0 -",
        ]),
        columns: rows(&["40002 30003"]),
        relations: rows(&[
            "40001 public notes 30001",
            "40002 public fines 30004",
            "40003 public shown 0",
            "40004 public child 0",
            "40005 public twice 0",
            "40006 public refers 0",
        ]),
        inheritance: rows(&["40004 40001"]),
        triggers: rows(&["40004 7 20003", "40006 8 20003"]),
        rules: rows(&["50001 40003 1 -", "50002 40005 1 -", "50003 40002 3 moved"]),
        holders: rows(&["2606 60001 30002 d", "3256 60002 40002 r"]),
        depends: rows(&[
            "2606 60001 1255 20003",
            "3256 60002 1255 20001",
            "2618 50001 1255 20003",
            "2618 50001 1259 40001",
            "2618 50002 1259 40003",
        ]),
        classes: Vec::new(),
        keys: rows(&["40006 40004 t f"]),
        events: rows(&["20003"]),
    }
}

fn found(text: &str) -> String {
    let code = Code::new(&database());
    let facts = facts(text, Parsers::Compat).unwrap();
    let calls = facts.statements.iter().flat_map(|one| code.calls(one, &[]));
    let calls = calls.map(|call| format!("{:?}:{}", call.by, call.function));
    let mut calls: Vec<String> = calls.collect();
    calls.sort();
    calls.join(" ")
}

#[test]
fn code_is_found_where_the_text_may_mean_it() {
    const CHECKED: &str = "public.checked";
    for (text, expected) in [
        // Functions: by name in any schema, not where the schema says otherwise.
        ("SELECT lower('x')", "Function:evil.lower".to_owned()),
        ("SELECT \"lower\"('x')", "Function:evil.lower".to_owned()),
        ("SELECT pg_catalog.lower('x')", String::new()),
        ("SELECT public.lower('x')", String::new()),
        ("SELECT replace('a', 'b', 'c')", String::new()),
        ("SELECT upper('a')", String::new()),
        ("SELECT max(a) FROM other_table", "Function:public.max".to_owned()),
        // Operators: by sign, and by type where it is a user's.
        ("SELECT a + 'b' FROM other_table", format!("Operator:{CHECKED}")),
        ("SELECT a OPERATOR(pg_catalog.+) 'b' FROM other_table", String::new()),
        ("SELECT a && b, c - d FROM other_table", String::new()),
        ("SELECT 1 FROM other_table a JOIN other_table b ON a = b", String::new()),
        // Casts: from a type that is at hand, or to a type that is named.
        ("SELECT a::boolean FROM other_table", "Cast:public.checked".to_owned()),
        ("SELECT a::text FROM other_table", String::new()),
        ("INSERT INTO other_table VALUES (1)", format!("Cast:{CHECKED}")),
        // A value of a type, by its name and by what has it.
        ("SELECT '1'::fine", format!("Type:{CHECKED}")),
        ("SELECT '{1}'::public.fine[]", format!("Type:{CHECKED}")),
        ("SELECT domain_in('1', 30002, -1)", format!("Type:{CHECKED}")),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn code_of_relations_is_found_by_what_is_done_to_them() {
    const CAST: &str = "Cast:public.checked";
    for (text, expected) in [
        ("SELECT n.told FROM notes n", "Column:public.told".to_owned()),
        ("SELECT (n).told FROM public.notes n", format!("{CAST} Column:public.told")),
        // The row has a column of this name.
        ("SELECT n.id FROM notes n", String::new()),
        ("SELECT n.a FROM notes n WHERE n.a = n.b", String::new()),
        ("SELECT upper(n) FROM notes n", CAST.to_owned()),
        ("SELECT n.told FROM elsewhere.notes n", String::new()),
        (
            "SELECT n IN (SELECT m FROM notes m) FROM notes n",
            format!("{CAST} Operator:public.checked"),
        ),
        ("SELECT 1 FROM shown", "View:public.checked".to_owned()),
        ("SELECT 1 FROM twice", "View:public.checked".to_owned()),
        ("SELECT 1 FROM fines", "Check:public.checked Policy:evil.lower".to_owned()),
        (
            "INSERT INTO fines DEFAULT VALUES",
            "Cast:public.checked Check:public.checked Rule:public.fines.moved".to_owned(),
        ),
        ("INSERT INTO notes (id) VALUES (1)", format!("{CAST} Trigger:public.checked")),
        ("DELETE FROM notes WHERE id IS NULL", "Trigger:public.checked".to_owned()),
        ("DELETE FROM refers WHERE id IS NULL", "Trigger:public.checked".to_owned()),
        ("INSERT INTO refers (id) VALUES (1)", CAST.to_owned()),
        ("DROP SEQUENCE s", "EventTrigger:public.checked".to_owned()),
        ("BEGIN; COMMIT", String::new()),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn what_it_calls_makes_a_statement_code() {
    let code = Code::new(&database());
    let statement = |text: &str| {
        let statement = facts(text, Parsers::Compat).unwrap().statements.remove(0);
        let calls = code.calls(&statement, &[]).into_iter().collect();
        statement.calling(calls)
    };
    let read = statement("SELECT n.told FROM notes n");
    assert_eq!(
        (read.class, read.acts),
        (Class::Code, vec!["call".to_owned(), "select".to_owned()])
    );
    assert!(read.objects.iter().any(|one| one.kind == "function" && one.name == "public.told"));
    // What a write sets off is an act of it, and leaves it the write that it is.
    let fired = statement("DELETE FROM refers WHERE id IS NULL");
    assert_eq!((fired.class, fired.acts.contains(&"call".to_owned())), (Class::Write, true));
    assert!(fired.resources().iter().any(|one| one.name == "public.checked"));
    let made = statement("CREATE TABLE fresh (a integer)");
    assert_eq!((made.class, made.acts.contains(&"call".to_owned())), (Class::Schema, true));
}

#[test]
fn a_parameter_brings_its_type() {
    let code = Code::new(&database());
    let statement = facts("SELECT $1", Parsers::Compat).unwrap().statements.remove(0);
    assert!(code.calls(&statement, &[23]).is_empty());
    let calls: Vec<Call> = code.calls(&statement, &[30003]).into_iter().collect();
    assert_eq!(calls, [Call { function: "public.checked".to_owned(), by: By::Type }]);
    assert!(code.lacks_type(39999) && !code.lacks_type(30003) && !code.lacks_type(23));
}

#[test]
fn a_database_with_nothing_but_extensions_holds_no_code() {
    let mut rows = database();
    let extension = |row: &mut Vec<Option<String>>| row[4] = Some("t".to_owned());
    rows.functions.iter_mut().for_each(extension);
    rows.rules.truncate(2);
    assert!(Code::new(&rows).is_none());
    assert!(Code::new(&CodeRows::default()).is_none());
    assert!(!Code::new(&database()).is_none());
}

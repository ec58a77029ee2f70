//! The extended protocol and its names, portals and pipelines, byte by byte and by a driver.

use portcullis_tests::wire::{bind, close, describe, execute, flush, frame, parse, query, sync};

use crate::case::{Case, effect, honest, leak, tell};

const ORDERS: &str = "SELECT count(*), sum(quantity) FROM orders";
const LARGE_OBJECTS: &str = "SELECT count(*) FROM pg_largeobject_metadata";
const DELETE: &str = "DELETE FROM orders";
const SECRET: &str = "SELECT secret FROM people";
const OPEN: &str = "SELECT name FROM people";

type Runs = Vec<Vec<u8>>;

fn one(parts: &[Vec<u8>]) -> Runs {
    vec![parts.concat()]
}

/// Bind and Execute of a statement through the unnamed portal.
fn run(name: &str) -> Vec<u8> {
    [bind("", name, &[], false), execute("", 0)].concat()
}

fn parsed() -> Runs {
    one(&[parse("", DELETE), run(""), sync()])
}

fn parsed_under_a_name() -> Runs {
    vec![[parse("s", DELETE), sync()].concat(), [run("s"), sync()].concat()]
}

fn with_a_value() -> Runs {
    let sql = "DELETE FROM orders WHERE id = $1::integer";
    one(&[parse("", sql), bind("", "", &["1"], false), execute("", 0), sync()])
}

fn parsed_anew() -> Runs {
    one(&[parse("", "SELECT 1"), run(""), parse("", DELETE), run(""), sync()])
}

fn parsed_anew_in_another_run() -> Runs {
    vec![
        [parse("", "SELECT 1"), sync()].concat(),
        [parse("", DELETE), sync()].concat(),
        [run(""), sync()].concat(),
    ]
}

fn closed_and_parsed_anew() -> Runs {
    vec![
        [parse("s", "SELECT 1"), run("s"), sync()].concat(),
        [close(b'S', "s"), parse("s", DELETE), run("s"), sync()].concat(),
    ]
}

fn closed_by_sql() -> Runs {
    vec![
        [parse("s", "SELECT 1"), sync()].concat(),
        query("DEALLOCATE s; PREPARE s AS DELETE FROM orders"),
        [run("s"), sync()].concat(),
    ]
}

fn a_portal_bound_anew() -> Runs {
    one(&[
        parse("a", "SELECT 1"),
        parse("b", DELETE),
        bind("p", "a", &[], false),
        close(b'P', "p"),
        bind("p", "b", &[], false),
        execute("p", 0),
        sync(),
    ])
}

fn the_unnamed_portal_bound_anew() -> Runs {
    one(&[
        parse("a", "SELECT 1"),
        parse("b", DELETE),
        bind("", "a", &[], false),
        bind("", "b", &[], false),
        execute("", 0),
        sync(),
    ])
}

fn in_the_middle_of_a_pipeline() -> Runs {
    one(&[
        parse("", "SELECT 1"),
        run(""),
        parse("", DELETE),
        run(""),
        parse("", "SELECT 2"),
        run(""),
        sync(),
    ])
}

fn behind_a_failure() -> Runs {
    vec![
        [parse("", "SELECT 1/0"), run(""), parse("", "SELECT 1"), sync()].concat(),
        [parse("", DELETE), run(""), sync()].concat(),
    ]
}

fn behind_a_failure_without_sync() -> Runs {
    vec![
        [parse("s", "SELECT 1"), sync()].concat(),
        [parse("", "nonsense"), parse("s", DELETE), close(b'S', "s"), sync()].concat(),
        [close(b'S', "s"), parse("s", DELETE), sync()].concat(),
        [run("s"), sync()].concat(),
    ]
}

fn a_query_inside_a_pipeline() -> Runs {
    vec![[parse("", "SELECT 1"), run(""), query("DELETE FROM orders WHERE id = 2")].concat()]
}

fn a_query_and_a_pipeline_at_once() -> Runs {
    vec![
        [query("BEGIN"), parse("", DELETE), run(""), sync(), query("COMMIT")].concat(),
        query("SELECT 1"),
        query("SELECT 2"),
        query("SELECT 3"),
    ]
}

fn flushed() -> Runs {
    one(&[parse("", DELETE), flush(), bind("", "", &[], false), flush(), execute("", 0), sync()])
}

fn described_only_before() -> Runs {
    vec![
        [parse("s", DELETE), describe(b'S', "s"), sync()].concat(),
        [bind("p", "s", &[], false), describe(b'P', "p"), execute("p", 0), sync()].concat(),
    ]
}

fn prepared_in_sql() -> Runs {
    vec![query("PREPARE s AS DELETE FROM orders"), [run("s"), sync()].concat()]
}

fn executed_in_sql() -> Runs {
    vec![[parse("s", DELETE), sync()].concat(), query("EXECUTE s")]
}

fn a_row_at_a_time() -> Runs {
    let sql = "DELETE FROM orders RETURNING id";
    one(&[parse("", sql), bind("", "", &[], false), execute("", 1), execute("", 1), sync()])
}

fn a_hundred_names() -> Runs {
    let mut parts = Vec::new();
    for number in 0..100 {
        let sql = if number == 57 { DELETE } else { "SELECT 1" };
        parts.push(parse(&format!("s{number}"), sql));
    }
    parts.push(run("s57"));
    parts.push(sync());
    one(&parts)
}

fn two_queries_at_once() -> Runs {
    vec![[query("SELECT 1"), query(DELETE)].concat(), query("SELECT 1")]
}

fn byte_by_byte_names() -> Runs {
    one(&[parse("\u{1}\u{7f}", DELETE), run("\u{1}\u{7f}"), sync()])
}

fn shown() -> Runs {
    one(&[parse("", SECRET), run(""), sync()])
}

fn shown_in_binary() -> Runs {
    let sql = "SELECT secret, pin, born, profile, key, tags, home, essay FROM people";
    one(&[parse("", sql), bind("", "", &[], true), execute("", 0), sync()])
}

fn shown_row_by_row() -> Runs {
    one(&[
        parse("", SECRET),
        bind("", "", &[], false),
        execute("", 1),
        execute("", 1),
        execute("", 0),
        sync(),
    ])
}

fn shown_in_a_transaction() -> Runs {
    vec![
        query("BEGIN"),
        [parse("", SECRET), bind("p", "", &[], false), execute("p", 1), sync()].concat(),
        [execute("p", 1), sync()].concat(),
        query("FETCH ALL FROM p"),
    ]
}

fn a_cursor_as_a_portal() -> Runs {
    vec![
        query("BEGIN; DECLARE c CURSOR FOR SELECT secret FROM people"),
        [execute("c", 0), sync()].concat(),
    ]
}

fn a_described_cursor_as_a_portal() -> Runs {
    vec![
        query("BEGIN; DECLARE c BINARY CURSOR FOR SELECT secret, tags FROM people"),
        [describe(b'P', "c"), execute("c", 0), sync()].concat(),
    ]
}

fn a_portal_as_a_cursor() -> Runs {
    vec![
        query("BEGIN"),
        [parse("", SECRET), bind("p", "", &[], false), sync()].concat(),
        query("FETCH 1 FROM p; FETCH ALL IN p"),
    ]
}

fn a_portal_bound_to_another_statement() -> Runs {
    vec![
        query("BEGIN"),
        [parse("a", OPEN), bind("p", "a", &[], false), execute("p", 1), sync()].concat(),
        [close(b'P', "p"), parse("b", SECRET), bind("p", "b", &[], false), sync()].concat(),
        [execute("p", 1), sync()].concat(),
    ]
}

fn a_cursor_in_a_portals_place() -> Runs {
    vec![
        query("BEGIN"),
        [parse("a", OPEN), bind("p", "a", &[], false), execute("p", 1), sync()].concat(),
        query("CLOSE p; DECLARE p CURSOR FOR SELECT secret FROM people"),
        [execute("p", 1), sync()].concat(),
    ]
}

fn a_portal_left_by_a_rollback() -> Runs {
    vec![
        query("BEGIN; SAVEPOINT s"),
        [parse("a", OPEN), bind("p", "a", &[], false), execute("p", 1), sync()].concat(),
        query("ROLLBACK TO s"),
        [parse("b", SECRET), bind("p", "b", &[], false), execute("p", 1), sync()].concat(),
    ]
}

fn the_unnamed_statement_after_a_query() -> Runs {
    vec![
        [parse("", OPEN), sync()].concat(),
        query("SELECT 1"),
        [parse("", SECRET), run(""), sync()].concat(),
    ]
}

fn sql_execute_of_a_protocol_statement() -> Runs {
    vec![[parse("s", SECRET), sync()].concat(), query("EXECUTE s")]
}

fn a_protocol_run_of_a_sql_statement() -> Runs {
    vec![
        query("PREPARE s AS SELECT secret FROM people"),
        [run("s"), sync()].concat(),
        [bind("", "s", &[], true), execute("", 0), sync()].concat(),
    ]
}

fn a_statement_whose_view_changes() -> Runs {
    vec![
        query("CREATE VIEW v AS SELECT name AS a FROM people"),
        [parse("s", "SELECT a FROM v"), run("s"), sync()].concat(),
        query("CREATE OR REPLACE VIEW v AS SELECT secret AS a FROM people"),
        [run("s"), sync()].concat(),
        [bind("", "s", &[], true), execute("", 0), sync()].concat(),
    ]
}

fn a_pipeline_that_changes_a_view() -> Runs {
    let change = "CREATE OR REPLACE VIEW contacts AS SELECT id, name, secret AS alias FROM people";
    one(&[parse("", change), run(""), parse("", "SELECT alias FROM contacts"), run(""), sync()])
}

fn a_failure_between_two() -> Runs {
    vec![
        [parse("", SECRET), run(""), parse("", "SELECT 1/0"), run(""), sync()].concat(),
        [parse("", SECRET), run(""), sync()].concat(),
    ]
}

fn one_statement_two_forms() -> Runs {
    one(&[
        parse("s", "SELECT name, secret, pin FROM people"),
        bind("a", "s", &[], true),
        bind("b", "s", &[], false),
        execute("a", 2),
        execute("b", 2),
        execute("a", 0),
        execute("b", 0),
        sync(),
    ])
}

/// Bind with a format for each column: text, binary, text.
fn mixed_forms() -> Runs {
    let mut body = vec![0, 0, 0, 0, 0, 0];
    body.extend([0, 3, 0, 0, 0, 1, 0, 0]);
    let sql = "SELECT secret, pin, born::text FROM people";
    one(&[parse("", sql), frame(b'B', &body), execute("", 0), sync()])
}

fn a_predicate_with_a_value() -> Runs {
    let sql = "SELECT id FROM people WHERE secret LIKE $1";
    one(&[parse("", sql), bind("", "", &["K%"], false), execute("", 0), sync()])
}

fn an_equality_with_values() -> Runs {
    let sql = "SELECT id FROM people WHERE left(secret, 1) = $1";
    let mut parts = vec![parse("s", sql)];
    for letter in ["A", "B", "K", "b"] {
        parts.push(bind("", "s", &[letter], false));
        parts.push(execute("", 0));
    }
    parts.push(sync());
    one(&parts)
}

fn a_value_copied() -> Runs {
    vec![
        [parse("", "INSERT INTO box (body) SELECT secret FROM people"), run(""), sync()].concat(),
        [parse("", "SELECT body FROM box"), run(""), sync()].concat(),
    ]
}

fn an_error_in_a_pipeline() -> Runs {
    let sql = "SELECT secret::integer FROM people";
    one(&[parse("", OPEN), run(""), parse("", sql), run(""), sync()])
}

fn copied_out() -> Runs {
    one(&[parse("", "COPY people (secret) TO STDOUT"), run(""), sync()])
}

fn copied_out_in_binary() -> Runs {
    let sql = "COPY people (secret, pin) TO STDOUT (FORMAT binary)";
    one(&[parse("s", sql), describe(b'S', "s"), run("s"), sync()])
}

fn copied_out_of_a_query() -> Runs {
    let sql = "COPY (SELECT secret AS name FROM people) TO STDOUT";
    vec![[parse("", "SELECT 1"), run(""), parse("", sql), run(""), sync()].concat(), query(sql)]
}

/// A row in two pieces. What comes after the end gives a server that took none of it something
/// to answer.
fn rows_in() -> Vec<u8> {
    [frame(b'd', b"9\tm"), frame(b'd', b"ug\t9\n"), frame(b'c', b""), sync(), query("SELECT 1")]
        .concat()
}

fn copied_in() -> Runs {
    vec![query("COPY orders FROM STDIN"), rows_in()]
}

/// As some drivers do: Sync comes before the rows.
fn copied_in_by_parse() -> Runs {
    vec![[parse("", "COPY orders FROM STDIN"), run(""), sync()].concat(), rows_in()]
}

fn copied_in_behind_another() -> Runs {
    vec![query("SELECT 1; COPY orders FROM STDIN"), rows_in()]
}

/// FunctionCall of the function with this object id, text arguments, a text result.
fn call(oid: u32, arguments: &[&str]) -> Vec<u8> {
    let count = u8::try_from(arguments.len()).expect("a few arguments");
    let mut body = [&oid.to_be_bytes()[..], &[0, 0, 0, count]].concat();
    for argument in arguments {
        let length = u32::try_from(argument.len()).expect("a short argument");
        body.extend([&length.to_be_bytes()[..], argument.as_bytes()].concat());
    }
    body.extend([0, 0]);
    frame(b'F', &body)
}

/// `lo_import(text)`.
fn a_file_by_function_call() -> Runs {
    vec![call(764, &["/etc/hostname"])]
}

/// `query_to_xml(text, boolean, boolean, text)`.
fn a_query_by_function_call() -> Runs {
    vec![call(2924, &["SELECT secret FROM people", "t", "t", ""])]
}

/// `pg_read_file(text)`.
fn a_read_by_function_call() -> Runs {
    vec![call(3826, &["PG_VERSION"])]
}

/// `set_config(text, text, boolean)`.
fn a_setting_by_function_call() -> Runs {
    vec![
        call(2078, &["standard_conforming_strings", "off", "f"]),
        query("SHOW standard_conforming_strings"),
    ]
}

fn open_columns() -> Runs {
    one(&[parse("", OPEN), bind("", "", &[], true), execute("", 1), execute("", 0), sync()])
}

// tidy: table
pub(crate) const CASES: &[Case] = &[
    effect("parsed, bound, executed", "", ORDERS).wire(parsed),
    effect("parsed under a name", "", ORDERS).wire(parsed_under_a_name),
    effect("with a value", "", ORDERS).wire(with_a_value),
    effect("the unnamed statement parsed anew", "", ORDERS).wire(parsed_anew),
    effect("parsed anew in another run", "", ORDERS).wire(parsed_anew_in_another_run),
    effect("a name closed and parsed anew", "", ORDERS).wire(closed_and_parsed_anew),
    effect("a name closed by SQL", "", ORDERS).wire(closed_by_sql).direct(),
    effect("a portal bound anew", "", ORDERS).wire(a_portal_bound_anew),
    effect("the unnamed portal bound anew", "", ORDERS).wire(the_unnamed_portal_bound_anew),
    effect("in the middle of a pipeline", "", ORDERS).wire(in_the_middle_of_a_pipeline),
    effect("behind a failure", "", ORDERS).wire(behind_a_failure),
    effect("behind a failure that skips", "", ORDERS).wire(behind_a_failure_without_sync),
    effect("a query inside a pipeline", "", ORDERS).wire(a_query_inside_a_pipeline),
    effect("a pipeline between queries", "", ORDERS).wire(a_query_and_a_pipeline_at_once),
    effect("flushed part by part", "", ORDERS).wire(flushed),
    effect("described before", "", ORDERS).wire(described_only_before),
    effect("prepared in SQL, run by the protocol", "", ORDERS).wire(prepared_in_sql).direct(),
    effect("parsed by the protocol, executed in SQL", "", ORDERS).wire(executed_in_sql).direct(),
    effect("a row at a time", "", ORDERS).wire(a_row_at_a_time),
    effect("one of a hundred names", "", ORDERS).wire(a_hundred_names),
    effect("two queries at once", "", ORDERS).wire(two_queries_at_once),
    effect("under an odd name", "", ORDERS).wire(byte_by_byte_names),
    leak("a hidden value with nothing described", "").wire(shown),
    leak("hidden values of every type in binary", "").wire(shown_in_binary),
    leak("a hidden value row by row", "").wire(shown_row_by_row),
    leak("a hidden value by portal and cursor", "").wire(shown_in_a_transaction),
    leak("a cursor executed as a portal", "").wire(a_cursor_as_a_portal).direct(),
    leak("a binary cursor described as a portal", "").wire(a_described_cursor_as_a_portal).direct(),
    leak("a portal fetched as a cursor", "").wire(a_portal_as_a_cursor),
    leak("a portal bound to another", "").wire(a_portal_bound_to_another_statement),
    leak("a cursor in a portal's place", "").wire(a_cursor_in_a_portals_place).direct(),
    leak("a portal left by a rollback", "").wire(a_portal_left_by_a_rollback),
    leak("the unnamed statement after a query", "").wire(the_unnamed_statement_after_a_query),
    leak("SQL runs what the protocol parsed", "")
        .wire(sql_execute_of_a_protocol_statement)
        .direct(),
    leak("the protocol runs what SQL prepared", "")
        .wire(a_protocol_run_of_a_sql_statement)
        .direct(),
    leak("a statement whose view changes", "").wire(a_statement_whose_view_changes).writes(),
    leak("a pipeline that changes a view", "").wire(a_pipeline_that_changes_a_view).writes(),
    leak("around a failure", "").wire(a_failure_between_two),
    leak("one statement in two forms", "").wire(one_statement_two_forms),
    leak("columns in different forms", "").wire(mixed_forms),
    tell("a predicate with a value", "").wire(a_predicate_with_a_value),
    tell("guesses as values", "").wire(an_equality_with_values),
    leak("a value copied", "").wire(a_value_copied).writes(),
    leak("an error in a pipeline", "").wire(an_error_in_a_pipeline),
    leak("by a driver", "").driver(&["SELECT secret FROM people"]),
    leak("by a driver, of a row", "").driver(&["SELECT home, tags, profile FROM people"]),
    tell("by a driver, numbers", "").driver(&["SELECT pin, born FROM people"]),
    leak("by a driver, made of it", "").driver(&["SELECT name, secret || '' FROM people"]),
    leak("by a driver, copied", "")
        .driver(&["INSERT INTO box (body) SELECT secret FROM people", "SELECT body FROM box"])
        .writes(),
    leak("by a driver, an error", "").driver(&["SELECT secret::integer FROM people"]),
    effect("by a driver, a change", "", ORDERS).driver(&["DELETE FROM orders RETURNING id"]),
    leak("copied out by parse", "").wire(copied_out).direct(),
    leak("copied out in binary", "").wire(copied_out_in_binary).direct(),
    leak("a query copied out", "").wire(copied_out_of_a_query).direct(),
    effect("rows copied in, in pieces", "", ORDERS).wire(copied_in).direct(),
    effect("rows copied in by parse", "", ORDERS).wire(copied_in_by_parse).direct(),
    effect("rows copied in behind another", "", ORDERS).wire(copied_in_behind_another).direct(),
    effect("a file read in by a function call", "", LARGE_OBJECTS)
        .wire(a_file_by_function_call)
        .direct(),
    leak("a query by a function call", "").wire(a_query_by_function_call).direct(),
    leak("a file by a function call", "").wire(a_read_by_function_call).direct().shows("15"),
    leak("a setting by a function call", "").wire(a_setting_by_function_call).direct().shows("off"),
    honest("open columns, with nothing described", "", "Chidi").wire(open_columns),
];

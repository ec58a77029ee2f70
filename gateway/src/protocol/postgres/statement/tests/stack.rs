//! Texts that nest, on the stack of a tokio worker: each is read or refused, none overflows.

use crate::limits;
use crate::protocol::postgres::statement::{Parsers, facts};

type Shape = (&'static str, usize, fn(usize) -> String);

/// Name, a depth that must be read, and the text of a depth.
const SHAPES: [Shape; 18] = [
    ("sum", 40, |n| format!("SELECT 1{}", "+1".repeat(n))),
    ("conjunction", 2000, |n| format!("SELECT 1 WHERE a=1{}", " AND a=1".repeat(n))),
    ("brackets", 2000, |n| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n))),
    ("rows", 40, |n| format!("SELECT {}1{}", "(1,".repeat(n), ")".repeat(n))),
    ("not", 40, |n| format!("SELECT {} true", "NOT ".repeat(n))),
    ("minus", 2000, |n| format!("SELECT {} 1", "- ".repeat(n))),
    ("union", 90, |n| format!("SELECT 1{}", " UNION SELECT 1".repeat(n))),
    ("case", 40, |n| {
        format!("SELECT {}1{}", "CASE WHEN true THEN 1 ELSE ".repeat(n), " END".repeat(n))
    }),
    ("subselect", 14, |n| format!("SELECT {}1{}", "(SELECT ".repeat(n), ")".repeat(n))),
    ("from", 20, |n| format!("{}SELECT 1{}", "SELECT * FROM (".repeat(n), ") x".repeat(n))),
    ("array", 40, |n| format!("SELECT ARRAY{}1{}", "[".repeat(n), "]".repeat(n))),
    ("cast", 40, |n| format!("SELECT 1{}", "::int".repeat(n))),
    ("call", 40, |n| format!("SELECT {}1{}", "abs(".repeat(n), ")".repeat(n))),
    ("join", 40, |n| format!("SELECT * FROM a{}", " JOIN a ON true".repeat(n))),
    ("with", 15, |n| format!("{}SELECT 1{}", "WITH x AS (".repeat(n), ") SELECT 1".repeat(n))),
    ("subscript", 2000, |n| format!("SELECT a{}", "[1]".repeat(n))),
    ("field", 2000, |n| format!("SELECT (a){}", ".b".repeat(n))),
    // What the second parser alone sees: PostgreSQL reads a comment after the operator.
    ("hidden sum", 40, |n| format!("SELECT 1 </* {}*/ 2", "+1".repeat(n))),
];

/// As much stack as a tokio worker has.
fn on_worker(text: String) -> Result<usize, &'static str> {
    std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(move || {
            facts(&text, Parsers::Strict).map(|f| f.statements.len()).map_err(|fault| fault.code)
        })
        .unwrap()
        .join()
        .unwrap_or(Err("panicked"))
}

#[test]
fn nesting_is_read_or_refused_on_a_worker_stack() {
    for (name, reads, shape) in SHAPES {
        assert_eq!(on_worker(shape(reads)), Ok(1), "{name} {reads}");
        for depth in [100, 400, 1_000, 2_000, 4_000, 20_000, 60_000] {
            let text = shape(depth);
            if text.len() > limits::CLIENT_MESSAGE_BYTES_MAX {
                continue;
            }
            let found = on_worker(text);
            assert!(
                matches!(found, Ok(1) | Err("statement_too_complex" | "parsers_disagree")),
                "{name} {depth}: {found:?}"
            );
        }
    }
}

#[test]
fn the_second_parser_takes_no_exponential_time() {
    let depth = limits::SECOND_OPINION_BRACKETS_MAX + 1;
    for shape in [
        format!("SELECT * FROM {}a{}", "(".repeat(depth), ")".repeat(depth)),
        format!("SELECT {}1{}", "((SELECT ".repeat(10), "))".repeat(10)),
        format!("SELECT {}1{}", "x IN (".repeat(depth), ")".repeat(depth)),
    ] {
        let start = std::time::Instant::now();
        let _ = facts(&shape, Parsers::Strict);
        assert!(start.elapsed().as_secs() < 2, "{shape}: {:?}", start.elapsed());
    }
    let inner = depth - 2;
    for (open, close) in
        [("(", ")"), ("ARRAY[", "]"), ("f(", ")"), ("CASE WHEN (", ") THEN 1 END"), ("(a, ", ")")]
    {
        let text = format!("SELECT {}1{}", open.repeat(inner), close.repeat(inner));
        let start = std::time::Instant::now();
        let _ = facts(&text, Parsers::Strict);
        assert!(start.elapsed().as_secs() < 2, "{open}: {:?}", start.elapsed());
    }
}

#[test]
fn long_texts_are_bounded() {
    let long = format!("SELECT '{}'", "a".repeat(limits::CLIENT_MESSAGE_BYTES_MAX));
    assert_eq!(facts(&long, Parsers::Strict).unwrap_err().code, "statement_too_long");
    let list = format!("SELECT * FROM t WHERE id IN ({}1)", "1,".repeat(120_000));
    assert_eq!(facts(&list, Parsers::Strict).unwrap().statements.len(), 1);
    let wide = format!("SELECT {}1", "a,".repeat(130_000));
    assert_eq!(facts(&wide, Parsers::Strict).unwrap_err().code, "statement_too_complex");
    let prose = format!("SELECT '{}'", "word ".repeat(200_000));
    assert_eq!(facts(&prose, Parsers::Strict).unwrap().statements.len(), 1);
    let open = facts(&format!("SELECT '{}", "a".repeat(100_000)), Parsers::Strict).unwrap_err();
    assert!(open.message.len() < limits::SYNTAX_ERROR_BYTES_MAX + 8);
    let many = "SELECT 1;".repeat(limits::STATEMENTS_PER_MESSAGE_MAX + 1);
    assert_eq!(facts(&many, Parsers::Strict).unwrap_err().code, "statement_too_complex");
}

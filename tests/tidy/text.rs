//! Size budgets, line lengths, names and words.

use crate::rules;
use crate::source::{File, Violation, blank, line_of, places};

/// Every violation of one file.
pub(crate) fn check(file: &File) -> Vec<Violation> {
    let mut found = words(file);
    found.extend(letters(file));
    found.extend(names(file));
    if file.ending() == "rs" {
        found.extend(sizes(file));
        found.extend(functions(file));
    }
    found
}

fn words(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    for (word, advice) in rules::FORBIDDEN {
        for (at, _) in file.text.match_indices(word) {
            found.push(file.at(line_of(&file.text, at), format!("`{word}`: {advice}")));
        }
    }
    found
}

fn letters(file: &File) -> Vec<Violation> {
    let endings = rules::ASCII_ENDINGS;
    if !endings.contains(&file.ending()) && file.name() != "Makefile" && file.name() != "run" {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        if let Some(letter) = line.chars().find(|letter| !letter.is_ascii() || *letter == '\t') {
            if letter == '\t' && !["rs", "toml", "wit", "sql"].contains(&file.ending()) {
                continue;
            }
            let code = u32::from(letter);
            found.push(file.at(number + 1, format!("the character U+{code:04X} in source")));
        }
    }
    found
}

fn names(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    if file.name() == "mod.rs" {
        found.push(file.at(1, "`mod.rs`: write `foo.rs` beside the folder `foo/`"));
    }
    if file.ending() == "rs" {
        for part in file.path.split('/') {
            let part = part.strip_suffix(".rs").unwrap_or(part);
            if rules::EMPTY_NAMES.contains(&part) {
                found.push(file.at(1, format!("`{part}` says nothing: name it for what it does")));
            }
        }
    }
    found
}

fn sizes(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    let lines = file.text.lines().count();
    let bound = if file.path == "gateway/src/main.rs" {
        rules::MAIN_LINES_MAX
    } else if file.is_test() {
        rules::TEST_FILE_LINES_MAX
    } else {
        rules::FILE_LINES_MAX
    };
    if lines > bound && !file.is_table() {
        found.push(file.at(bound + 1, format!("{lines} lines; at most {bound}: split it")));
    }
    for (number, line) in file.text.lines().enumerate() {
        let length = line.chars().count();
        if length > rules::LINE_CHARS_MAX {
            let bound = rules::LINE_CHARS_MAX;
            found.push(file.at(number + 1, format!("{length} characters; at most {bound}")));
        }
    }
    found
}

fn functions(file: &File) -> Vec<Violation> {
    if file.is_table() {
        return Vec::new();
    }
    let code = blank(&file.text);
    let lines: Vec<&str> = file.text.lines().collect();
    let mut found = Vec::new();
    for at in places(&code, "fn") {
        let Some(length) = function_lines(&code, at) else { continue };
        let line = line_of(&code, at);
        let above = lines.get(line.saturating_sub(4)..line.saturating_sub(1)).unwrap_or_default();
        let marked = above.iter().any(|text| text.trim() == rules::TABLE_MARK);
        if length > rules::FUNCTION_LINES_MAX && !marked {
            let bound = rules::FUNCTION_LINES_MAX;
            found.push(file.at(line, format!("a function of {length} lines; at most {bound}")));
        }
    }
    found
}

/// Lines from the `fn` at `at` to its closing brace; `None` for a declaration or a type.
fn function_lines(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_u32;
    let mut nested = 0_u32;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' if depth == 0 => nested += 1,
            // A `fn` type inside another's parentheses ends with them.
            b')' | b']' if depth == 0 => nested = nested.checked_sub(1)?,
            b';' | b',' if depth == 0 && nested == 0 => return None,
            b'{' => depth += 1,
            b'}' if depth == 0 => return None,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(line_of(code, offset) - line_of(code, at) + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn count(path: &str, text: &str) -> usize {
    check(&File::new(path, text)).len()
}

#[test]
fn unfinished_marks_and_machine_paths_are_caught() {
    for (word, _) in rules::FORBIDDEN {
        let found = words(&File::new("docs/x.md", &format!("some {word} here")));
        assert_eq!(found.len(), 1, "{word:?}");
    }
    assert_eq!(count("docs/x.md", "nothing to see"), 0);
}

#[test]
fn letters_that_only_look_like_ascii_are_caught() {
    assert_eq!(count("gateway/src/x.rs", "let \u{430} = 1;"), 1);
    assert_eq!(count("wit/types.wit", "/// a\u{202e}b"), 1);
    assert_eq!(count("README.md", "caf\u{e9}"), 0);
    assert_eq!(count("Makefile", "all:\n\techo"), 0);
}

#[test]
fn files_over_their_budget_are_caught() {
    let long = "x();\n".repeat(rules::FILE_LINES_MAX + 1);
    assert_eq!(count("gateway/src/x.rs", &long), 1);
    assert_eq!(count("gateway/src/x/tests.rs", &long), 0);
    assert_eq!(count("gateway/src/x.rs", &format!("{}\n{long}", rules::TABLE_MARK)), 0);
    let longer = "x();\n".repeat(rules::TEST_FILE_LINES_MAX + 1);
    assert_eq!(count("gateway/src/x/tests.rs", &longer), 1);
    assert_eq!(count("gateway/src/main.rs", &"x();\n".repeat(rules::MAIN_LINES_MAX + 1)), 1);
    assert_eq!(count("gateway/src/x.rs", &"x".repeat(rules::LINE_CHARS_MAX + 1)), 1);
}

#[test]
fn functions_over_their_budget_are_caught() {
    let body = "    x();\n".repeat(rules::FUNCTION_LINES_MAX);
    let code = format!("fn f() -> [u8; 2] {{\n{body}}}\n");
    assert_eq!(count("gateway/src/x.rs", &code), 1);
    assert_eq!(count("gateway/src/x.rs", &format!("{}\n{code}", rules::TABLE_MARK)), 0);
    assert_eq!(count("gateway/src/x.rs", &format!("fn g();\n{}", "x();\n".repeat(80))), 0);
    let field = format!("struct S {{ f: fn(u8) -> u8 }}\nimpl S {{\n{}}}\n", "\n".repeat(80));
    assert_eq!(count("gateway/src/x.rs", &field), 0);
}

#[test]
fn names_that_say_nothing_are_caught() {
    assert_eq!(count("gateway/src/policy/mod.rs", ""), 1);
    assert_eq!(count("gateway/src/policy/utils.rs", ""), 1);
    assert_eq!(count("gateway/src/common/x.rs", ""), 1);
    assert_eq!(count("gateway/src/policy/merge.rs", ""), 0);
}

//! The repository's files, and Rust code with comments and strings blanked out.

use std::fs;
use std::path::Path;

use crate::rules;

/// Folders that are not the repository's text.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "corpus"];
/// Endings of files that are text.
const TEXT: [&str; 11] =
    ["rs", "toml", "md", "wit", "sql", "sh", "mjs", "json", "jsonl", "yml", "txt"];
/// Text files without an ending.
const NAMED: [&str; 2] = ["Makefile", "run"];

/// One text file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Path from the top of the repository, with slashes.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

/// A broken rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Violation {
    /// `path:line`, or the path alone.
    pub(crate) place: String,
    /// What is wrong and what to do.
    pub(crate) what: String,
}

impl File {
    /// A file made up for a test of a rule.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// A violation in line `line`, counted from 1.
    pub(crate) fn at(&self, line: usize, what: impl Into<String>) -> Violation {
        Violation { place: format!("{}:{line}", self.path), what: what.into() }
    }

    /// The ending, without the dot.
    pub(crate) fn ending(&self) -> &str {
        self.path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, e)| e)
    }

    /// The name without folders.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The path inside `gateway/src`, for product code.
    pub(crate) fn product(&self) -> Option<&str> {
        self.path.strip_prefix("gateway/src/").filter(|_| self.ending() == "rs")
    }

    /// True for unit tests and for everything in a test package.
    pub(crate) fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        parts.iter().any(|part| *part == "tests" || *part == "fuzz") || self.name() == "tests.rs"
    }

    /// True when its first lines carry [`rules::TABLE_MARK`].
    pub(crate) fn is_table(&self) -> bool {
        self.text.lines().take(5).any(|line| line.trim() == rules::TABLE_MARK)
    }
}

/// Every text file below `top`, sorted by path.
pub(crate) fn files(top: &Path) -> Vec<File> {
    let mut found = Vec::new();
    walk(top, top, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(top: &Path, dir: &Path, found: &mut Vec<File>) {
    for entry in fs::read_dir(dir).expect("a folder of the repository can be listed") {
        let path = entry.expect("an entry can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(top, &path, found);
            continue;
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if !TEXT.contains(&ending.as_str()) && !NAMED.contains(&name.as_str()) {
            continue;
        }
        let place = path.strip_prefix(top).expect("the walk stays below the top");
        let text = fs::read(&path).expect("a file of the repository can be read");
        let text = String::from_utf8_lossy(&text).into_owned();
        found.push(File { path: place.to_string_lossy().replace('\\', "/"), text });
    }
}

/// `text` with every comment, string and character literal replaced by spaces; line breaks and
/// byte offsets stay.
pub(crate) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        match end {
            Some(end) => {
                for byte in &mut out[at..end] {
                    if *byte != b'\n' {
                        *byte = b' ';
                    }
                }
                at = end;
            }
            None => at += word_length(&bytes[at..]),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Identifiers are stepped over whole, so the `r` of `for"` starts no raw string.
fn word_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_word(**byte)).count().max(1)
}

/// True for bytes of identifiers.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Where the comment or literal that starts at `at` ends; `None` when none starts there.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return Some(find(bytes, at, b"\n"));
    }
    if rest.starts_with(b"/*") {
        return Some(block_end(bytes, at));
    }
    let prefix = rest.iter().take_while(|byte| b"bcr".contains(byte)).count().min(2);
    let quoted = &rest[prefix..];
    let raw = rest[..prefix].contains(&b'r');
    let hashes = quoted.iter().take_while(|byte| raw && **byte == b'#').count();
    match quoted.get(hashes) {
        Some(b'"') if raw => {
            let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            Some((find(bytes, at + prefix + hashes + 1, &close) + close.len()).min(bytes.len()))
        }
        Some(b'"') => Some(quote_end(bytes, at + prefix, b'"')),
        Some(b'\'') if prefix == 0 || rest.starts_with(b"b'") => char_end(bytes, at + prefix),
        _ => None,
    }
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(what.len()).position(|window| window == what).map_or(bytes.len(), |n| from + n)
}

/// Block comments nest in Rust.
fn block_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0;
    let mut here = at;
    while here < bytes.len() {
        if bytes[here..].starts_with(b"/*") {
            depth += 1;
            here += 2;
        } else if bytes[here..].starts_with(b"*/") {
            depth -= 1;
            here += 2;
        } else {
            here += 1;
        }
        if depth == 0 {
            break;
        }
    }
    here.min(bytes.len())
}

fn quote_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut here = at + 1;
    while here < bytes.len() && bytes[here] != quote {
        here += if bytes[here] == b'\\' { 2 } else { 1 };
    }
    (here + 1).min(bytes.len())
}

/// A character literal, told from a lifetime by its closing quote.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'\\' => Some(quote_end(bytes, at, b'\'')),
        first => {
            let width = match *first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            let close = at + 1 + width;
            (bytes.get(close) == Some(&b'\'')).then_some(close + 1)
        }
    }
}

/// The line of a byte offset, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// Every place where `word` stands alone, not as a part of a longer identifier.
pub(crate) fn places(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            let after = bytes.get(at + word.len());
            !before.is_some_and(|byte| is_word(*byte)) && !after.is_some_and(|byte| is_word(*byte))
        })
        .collect()
}

#[test]
fn comments_and_literals_are_blanked_and_code_is_not() {
    let code = "use a; // crate::b\n/* x /* crate::c */ y */ let s = \"crate::d\\\"e\"; f('\"');";
    let blanked = blank(code);
    assert_eq!(blanked.len(), code.len());
    assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), "use a; let s = ; f( );");
    assert_eq!(blank("r#\"crate::x\"# y").trim(), "y");
    assert_eq!(blank("br\"\\\" z").trim(), "z");
    assert_eq!(blank("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    assert_eq!(blank("for\"x\" in").trim_end(), "for    in");
}

#[test]
fn a_word_inside_another_word_is_not_found() {
    assert_eq!(places("tokio_rustls::x rustls::y", "rustls"), [16]);
}

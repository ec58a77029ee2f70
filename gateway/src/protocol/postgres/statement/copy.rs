//! What has to be known of a COPY ... TO STDOUT before its rows can be masked.

use super::syntax;
use super::tree::{self, Tree, Value};
use crate::fault::{Blame, Fault};
use crate::protocol::Statement;
use crate::protocol::postgres::copy::{Format, Options};

/// A COPY ... TO STDOUT: how it writes rows, and a query that has the same columns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CopyOut {
    /// How rows are written.
    pub options: Options,
    /// A query to describe: the statement's own, or one made of its table and columns.
    pub query: String,
    /// Characters of the request before the query; nothing for a query that was made.
    pub query_offset: Option<usize>,
    /// Every column of a table is copied but the generated ones, which the query has too.
    pub stored_only: bool,
}

/// True for a COPY whose rows come from the client.
pub fn copies_in(statement: &Statement) -> bool {
    statement.verb == "copy_from" && ends_at(statement, "stdin")
}

/// True for a COPY whose rows go to the client.
pub fn copies_out(statement: &Statement) -> bool {
    statement.verb == "copy_to" && ends_at(statement, "stdout")
}

fn ends_at(statement: &Statement, end: &str) -> bool {
    statement.attributes.iter().any(|(name, value)| name == "copy" && value == end)
}

/// Reads a statement of `text` that [`copies_out`].
///
/// # Errors
/// An option under which nobody could tell where a value begins and ends.
pub fn copy_out(text: &str, statement: &Statement) -> Result<CopyOut, Fault> {
    let own = text.get(statement.start..statement.end).ok_or_else(unreadable)?;
    let root = root(own)?;
    let options = options(&root)?;
    if let Some(inner) = root.child("query") {
        let (start, end) = brackets(own).ok_or_else(unreadable)?;
        let query = own.get(start..end).ok_or_else(unreadable)?;
        // Two ways to find the query must find the same one.
        if format!("{:?}", self::root(query)?) != format!("{inner:?}") {
            return Err(unreadable());
        }
        let before = text.get(..statement.start.saturating_add(start)).ok_or_else(unreadable)?;
        let query_offset = Some(before.chars().count());
        return Ok(CopyOut { options, query: query.to_owned(), query_offset, stored_only: false });
    }
    let relation = root.child("relation").ok_or_else(unreadable)?;
    let names = ["catalogname", "schemaname", "relname"].map(|field| relation.text(field));
    let names = names.into_iter().filter(|name| !name.is_empty()).map(quoted);
    let table = names.collect::<Vec<_>>().join(".");
    let columns: Vec<String> = root.strings("attlist").into_iter().map(quoted).collect();
    let stored_only = columns.is_empty();
    let columns = if stored_only { "*".to_owned() } else { columns.join(", ") };
    let query = format!("SELECT {columns} FROM ONLY {table}");
    Ok(CopyOut { options, query, query_offset: None, stored_only })
}

/// The tree of a text that holds one statement.
fn root(text: &str) -> Result<Tree, Fault> {
    let stmts = syntax::parse(text)?;
    let [raw] = stmts.as_slice() else { return Err(unreadable()) };
    let node = raw.stmt.as_ref().ok_or_else(unreadable)?;
    match tree::read(node, syntax::READING) {
        Ok(Value::Node(tree)) => Ok(tree),
        Ok(_) | Err(_) => Err(unreadable()),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Where the query of `COPY (query) TO` stands, by PostgreSQL's own lexer.
fn brackets(text: &str) -> Option<(usize, usize)> {
    let tokens = pg_query::scan(text).ok()?.tokens;
    let (mut level, mut start) = (0_usize, None);
    for token in tokens {
        match u8::try_from(token.token) {
            Ok(b'(') => {
                level = level.checked_add(1)?;
                start = start.or(usize::try_from(token.end).ok());
            }
            Ok(b')') => {
                level = level.checked_sub(1)?;
                if level == 0 {
                    return Some((start?, usize::try_from(token.start).ok()?));
                }
            }
            _ => {}
        }
    }
    None
}

fn options(root: &Tree) -> Result<Options, Fault> {
    let list: Vec<(&str, Option<&Tree>)> =
        root.nodes("options").map(|it| (it.text("defname"), it.child("arg"))).collect();
    let find = |wanted: &str| list.iter().find(|(name, _)| *name == wanted).map(|(_, arg)| *arg);
    let format = match find("format").map(word) {
        None => Format::Text,
        Some(Some("text")) => Format::Text,
        Some(Some("csv")) => Format::Csv,
        Some(Some("binary")) => Format::Binary,
        Some(_) => return Err(refused("format")),
    };
    let mut options = Options::of(format);
    for (at, (name, arg)) in list.iter().enumerate() {
        if list.iter().take(at).any(|(before, _)| before == name) {
            return Err(refused(name));
        }
        let known = match *name {
            "delimiter" => byte(*arg).map(|byte| options.delimiter = byte),
            "escape" => byte(*arg).map(|byte| options.escape = byte),
            "quote" => byte(*arg).map(|byte| options.quote = byte),
            "null" => word(*arg).map(|text| options.null = text.as_bytes().to_vec()),
            "header" => flag(*arg).map(|flag| options.header = flag),
            "encoding" => word(*arg).filter(|name| is_utf8(name)).map(|_| ()),
            "force_quote" | "format" | "freeze" => Some(()),
            _ => None,
        };
        known.ok_or_else(|| refused(name))?;
    }
    // The server's default: as the quote is.
    if find("escape").is_none() {
        options.escape = options.quote;
    }
    let standard = options.null == Options::of(Format::Text).null;
    if format == Format::Text && options.null.contains(&b'\\') && !standard {
        return Err(refused("null"));
    }
    Ok(options)
}

fn word(arg: Option<&Tree>) -> Option<&str> {
    arg.filter(|node| node.kind == "String").map(|node| node.text("sval"))
}

fn byte(arg: Option<&Tree>) -> Option<u8> {
    match word(arg)?.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        _ => None,
    }
}

/// As the server reads a flag, without the words that need a guess.
fn flag(arg: Option<&Tree>) -> Option<bool> {
    let Some(arg) = arg else { return Some(true) };
    match (arg.kind, arg.text("sval").to_ascii_lowercase().as_str()) {
        ("Boolean", _) => Some(arg.flag("boolval")),
        ("Integer", _) => Some(arg.number("ival") != 0),
        ("String", "true" | "on") => Some(true),
        ("String", "false" | "off") => Some(false),
        _ => None,
    }
}

fn is_utf8(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode")
}

fn unreadable() -> Fault {
    Fault::new(
        Blame::Client,
        "copy_not_understood",
        "0A000",
        "this COPY can't be masked: its query can't be told from its text",
    )
    .hint("Write it with fewer brackets and comments, or use SELECT.")
}

fn refused(option: &str) -> Fault {
    let message = format!("this COPY can't be masked with its option \"{option}\"");
    Fault::new(Blame::Policy, "copy_option_refused", "0A000", message).hint(
        "Masks apply to format text, csv and binary with ordinary options, in UTF8. Nothing was \
         run and the connection stays usable.",
    )
}

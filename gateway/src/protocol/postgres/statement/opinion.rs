//! The second parser's reading of the same text.
//!
//! `sqlparser` is not the authority and can't be: it glues comments into operators, so that
//! `SELECT 1 >-- '` and what follows on the next lines hide whole statements from it. But it was
//! written by other people, and a text that two independent parsers read alike is very unlikely
//! to be read differently by the server. It lacks much valid PostgreSQL; that it can't read a
//! text says nothing about the text.

use std::collections::BTreeSet;

use sqlparser::ast::{SetExpr, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::tree::{Reading, Tree, Value, read};
use crate::fault::{Blame, Fault};
use crate::limits;

/// What PostgreSQL's grammar saw in one statement, as far as it is compared.
pub(super) struct Outline {
    /// The node kind, such as `SelectStmt`.
    pub(super) kind: &'static str,
    /// Relations by their last name.
    pub(super) relations: BTreeSet<String>,
    /// Names of common table expressions.
    pub(super) with_names: BTreeSet<String>,
}

const READING: Reading =
    Reading { known: |_| true, variants: true, levels_max: limits::SECOND_OPINION_LEVELS_MAX };

/// Compares; the answer is what the facts say of the second opinion.
///
/// # Errors
/// `parsers_disagree` when it reads the text and sees something else.
pub(super) fn compare(text: &str, outlines: &[Outline]) -> Result<&'static str, Fault> {
    let Some(theirs) = read_text(text) else { return Ok("cannot_read") };
    if theirs.len() != outlines.len() {
        // It takes what follows `COPY ... FROM STDIN;` for the data, as psql's files have it.
        if outlines.iter().any(|ours| ours.kind == "CopyStmt") {
            return Ok("cannot_read");
        }
        let seen = format!(
            "PostgreSQL's grammar sees {} and the second parser {}",
            count(outlines.len()),
            count(theirs.len())
        );
        return Err(disagree(seen));
    }
    for (number, (ours, theirs)) in outlines.iter().zip(&theirs).enumerate() {
        differ(ours, theirs).map_or(Ok(()), |what| {
            Err(disagree(format!("statement {}: {what}", number.saturating_add(1))))
        })?;
    }
    Ok("agrees")
}

fn count(statements: usize) -> String {
    if statements == 1 { "1 statement".to_owned() } else { format!("{statements} statements") }
}

fn disagree(detail: String) -> Fault {
    Fault::new(
        Blame::Client,
        "parsers_disagree",
        "42601",
        "two SQL parsers read this text differently, so it is refused",
    )
    .detail(detail)
    .hint(
        "Send one statement at a time, put spaces around operators and comments, and write \
         identifiers without U& escapes.",
    )
}

/// Parses and outlines; `None` when it can't, or when the text could cost too much to try.
fn read_text(text: &str) -> Option<Vec<Seen>> {
    if text.len() > limits::SECOND_OPINION_BYTES_MAX {
        return None;
    }
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().ok()?;
    if !affordable(&tokens) {
        return None;
    }
    let statements = Parser::new(&dialect)
        .with_recursion_limit(limits::SECOND_OPINION_RECURSION_MAX)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .ok()?;
    Some(statements.iter().map(Seen::new).collect())
}

/// Bounds depth and time before the parser sees the words.
fn affordable(tokens: &[TokenWithSpan]) -> bool {
    let (mut words, mut depth, mut deepest) = (0_usize, 0_usize, 0_usize);
    for token in tokens {
        match token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        words = words.saturating_add(1);
    }
    words <= limits::SECOND_OPINION_TOKENS_MAX && deepest <= limits::SECOND_OPINION_BRACKETS_MAX
}

/// What the second parser saw in one statement.
struct Seen {
    /// Its name for the kind of statement; empty for kinds that are not compared.
    kind: &'static str,
    /// `None` when its tree is too deep to read.
    relations: Option<BTreeSet<String>>,
}

impl Seen {
    fn new(statement: &Statement) -> Self {
        let relations = match read(statement, READING) {
            Ok(Value::Node(tree)) => {
                let mut relations = BTreeSet::new();
                gather(&tree, &mut relations);
                Some(relations)
            }
            _ => None,
        };
        Self { kind: kind(statement), relations }
    }
}

// tidy: table
fn kind(statement: &Statement) -> &'static str {
    match statement {
        Statement::Call(_) => "call",
        Statement::Close { .. } => "close",
        Statement::Copy { .. } => "copy",
        Statement::CreateIndex(_) => "create_index",
        Statement::CreateSchema { .. } => "create_schema",
        Statement::CreateTable(_) => "create_table",
        Statement::CreateView(_) => "create_view",
        Statement::Deallocate { .. } => "deallocate",
        Statement::Declare { .. } => "declare",
        Statement::Delete(_) => "delete",
        Statement::Execute { .. } => "execute",
        Statement::Explain { .. } | Statement::ExplainTable { .. } => "explain",
        Statement::Fetch { .. } => "fetch",
        Statement::Insert(_) => "insert",
        Statement::Merge(_) => "merge",
        Statement::Prepare { .. } => "prepare",
        Statement::Query(query) => match query.body.as_ref() {
            // `WITH ... DELETE` is a query whose body is the DELETE.
            SetExpr::Delete(inner)
            | SetExpr::Insert(inner)
            | SetExpr::Merge(inner)
            | SetExpr::Update(inner) => kind(inner),
            _ => "select",
        },
        Statement::Truncate(_) => "truncate",
        Statement::Update(_) => "update",
        _ => "",
    }
}

/// Names of tables as they stand in FROM and as targets.
fn gather(tree: &Tree, relations: &mut BTreeSet<String>) {
    let field = match tree.kind {
        // With arguments it is a function in FROM.
        "Table" if tree.child("args").is_none() => Some("name"),
        "TableName" => Some("0"),
        _ => None,
    };
    if let Some(field) = field {
        let last = tree.list(field).last().and_then(Value::node);
        if let Some(ident) = last.and_then(|part| part.child("0")) {
            relations.insert(folded(ident));
        }
    }
    // `TABLE t`, which is no table in FROM.
    if tree.kind == "Table" {
        relations.extend(tree.child("table_name").map(folded));
    }
    if tree.kind == "SelectInto" {
        // The targets are written as expressions: one name, or several with dots.
        for target in tree.nodes("targets") {
            let parts = target.nodes("0").last().or_else(|| target.child("0"));
            relations.extend(parts.map(folded));
        }
    }
    for (_, value) in tree.fields() {
        gather_value(value, relations);
    }
}

fn gather_value(value: &Value, relations: &mut BTreeSet<String>) {
    match value {
        Value::List(values) => values.iter().for_each(|value| gather_value(value, relations)),
        Value::Node(tree) => gather(tree, relations),
        Value::Nothing | Value::Number(_) | Value::Text(_) => {}
    }
}

/// A name as PostgreSQL folds it: lower case unless quoted, cut to 63 bytes at a character
/// (PostgreSQL: `downcase_truncate_identifier`).
fn folded(ident: &Tree) -> String {
    const NAME_BYTES_MAX: usize = 63;
    let mut name = ident.text("value").to_owned();
    if ident.text("quote_style").is_empty() {
        name.make_ascii_lowercase();
    }
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    name.truncate(end);
    name
}

/// What differs, in words; `None` if nothing that is compared does.
fn differ(ours: &Outline, theirs: &Seen) -> Option<String> {
    if let Some(expected) = counterpart(ours.kind)
        && expected != theirs.kind
    {
        let seen = if theirs.kind.is_empty() { "something else" } else { theirs.kind };
        return Some(format!("{expected} or {seen}"));
    }
    let compared = ["DeleteStmt", "InsertStmt", "MergeStmt", "SelectStmt", "UpdateStmt"];
    let relations = theirs.relations.as_ref().filter(|_| compared.contains(&ours.kind))?;
    if let Some(missing) = ours.relations.iter().find(|name| !relations.contains(*name)) {
        return Some(format!("only PostgreSQL's grammar sees the relation \"{missing}\""));
    }
    let known = |name: &String| ours.relations.contains(name) || ours.with_names.contains(name);
    let extra = relations.iter().find(|name| !known(name))?;
    Some(format!("only the second parser sees a relation \"{extra}\""))
}

/// The second parser's word for a kind of statement; `None` where it has several or none, and
/// the kind is not compared.
fn counterpart(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "CallStmt" => "call",
        "ClosePortalStmt" => "close",
        "CopyStmt" => "copy",
        "CreateSchemaStmt" => "create_schema",
        "CreateStmt" => "create_table",
        "DeallocateStmt" => "deallocate",
        "DeclareCursorStmt" => "declare",
        "DeleteStmt" => "delete",
        "ExecuteStmt" => "execute",
        "ExplainStmt" => "explain",
        "FetchStmt" => "fetch",
        "IndexStmt" => "create_index",
        "InsertStmt" => "insert",
        "MergeStmt" => "merge",
        "PrepareStmt" => "prepare",
        "SelectStmt" => "select",
        "TruncateStmt" => "truncate",
        "UpdateStmt" => "update",
        "ViewStmt" => "create_view",
        _ => return None,
    })
}

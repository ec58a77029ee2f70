//! Files of facts: CSV with a line of names, or TOML with a table for each key.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use super::Mistake;
use super::page::{Item, Page, Section};
use super::secret::{self, said};
use crate::limits::{FACTS_COLUMNS_MAX, FACTS_FILE_BYTES_MAX, FACTS_ROWS_MAX};
use crate::policy::Facts;

/// Reads a file of facts that `item` of a policy names. Its mistakes name their line in it.
pub(super) fn read(section: &Section<'_>, item: &Item<&str>, path: &Path) -> Option<Facts> {
    let wrong = |why: &str| section.mistake(item.at, format!("`facts` {}", said(path, why)));
    let bytes = secret::read(path, FACTS_FILE_BYTES_MAX).map_err(|why| wrong(&why)).ok()?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("is not UTF-8")).ok()?;
    let table = match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => comma_separated(path, text),
        Some("toml") => toml(path, text),
        _ => {
            wrong("has another ending; expected .csv or .toml");
            return None;
        }
    };
    match table {
        Ok((columns, rows)) => Some(Facts::new(path, &bytes, columns, rows)),
        Err(mistakes) => {
            section.page().adopt(mistakes);
            None
        }
    }
}

type Table = (Vec<String>, BTreeMap<String, Vec<String>>);

/// The first column is the key. RFC 4180, with spaces kept as they are.
fn comma_separated(path: &Path, text: &str) -> Result<Table, Vec<Mistake>> {
    let mistake = |line: u64, what: String| {
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        Mistake { file: path.to_owned(), line, column: 1, what }
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let broken = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        let what = match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("a row of {len} columns; expected {expected_len} as in the first line")
            }
            _ => format!("can't be read as CSV: {error}"),
        };
        mistake(line, what)
    };
    let head = reader.headers().map_err(|error| vec![broken(error)])?;
    let columns: Vec<String> = head.iter().skip(1).map(str::to_owned).collect();
    let mut mistakes: Vec<Mistake> =
        names(head.iter()).into_iter().map(|what| mistake(1, what)).collect();
    let mut rows = BTreeMap::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                mistakes.push(broken(error));
                continue;
            }
        };
        let line = record.position().map_or(1, csv::Position::line);
        let mut fields = record.iter().map(str::to_owned);
        let key = fields.next().unwrap_or_default();
        if key.is_empty() {
            mistakes.push(mistake(line, "a row without a key in its first column".to_owned()));
            continue;
        }
        match rows.entry(key) {
            Entry::Vacant(place) => {
                place.insert(fields.collect());
            }
            Entry::Occupied(place) => {
                let shown = place.key().escape_debug();
                mistakes.push(mistake(line, format!("the key \"{shown}\" stands here again")));
            }
        }
        if rows.len() > FACTS_ROWS_MAX {
            mistakes.push(mistake(line, format!("too many rows; expected {FACTS_ROWS_MAX}")));
            break;
        }
    }
    // One wrong quote can make every line wrong.
    mistakes.truncate(MISTAKES_TOLD_MAX);
    if mistakes.is_empty() { Ok((columns, rows)) } else { Err(mistakes) }
}

const MISTAKES_TOLD_MAX: usize = 10;

/// What is wrong with the names of the columns.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<&str> = names.collect();
    let mut wrong = Vec::new();
    if names.len() > FACTS_COLUMNS_MAX {
        wrong.push(format!("{} columns; expected at most {FACTS_COLUMNS_MAX}", names.len()));
    }
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            wrong.push(format!("column {} has no name; expected names in the first line", at + 1));
        } else if names.iter().take(at).any(|other| other == name) {
            wrong.push(format!("two columns are named \"{}\"", name.escape_debug()));
        }
    }
    wrong
}

/// A table for each key, its entries text, numbers or truth values. A row without an entry that
/// others have has an empty text there.
fn toml(path: &Path, text: &str) -> Result<Table, Vec<Mistake>> {
    let page = Page::new(path.to_owned(), text.to_owned());
    let table = page.parse().map(|table| entries(&page, table.get_ref()));
    match table {
        Some(table) if page.is_sound() => Ok(table),
        _ => Err(page.mistakes()),
    }
}

fn entries(page: &Page, table: &toml::de::DeTable<'_>) -> Table {
    use toml::de::DeValue;
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut columns: Vec<String> = Vec::new();
    for (key, value) in table.iter() {
        let Some(row) = value.get_ref().as_table() else {
            page.mistake(key.span().start, "expected a [table] for each key");
            continue;
        };
        let mut cells = BTreeMap::new();
        for (name, cell) in row.iter() {
            let text = match cell.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Float(number) => number.to_string(),
                DeValue::Boolean(boolean) => boolean.to_string(),
                DeValue::Datetime(time) => time.to_string(),
                DeValue::Array(_) | DeValue::Table(_) => {
                    let what = "expected text, a number, a date, true or false";
                    page.mistake(cell.span().start, what);
                    continue;
                }
            };
            let name = name.get_ref().to_string();
            if !columns.contains(&name) && columns.len() <= FACTS_COLUMNS_MAX {
                columns.push(name.clone());
            }
            cells.insert(name, text);
        }
        if columns.len() > FACTS_COLUMNS_MAX || found.len() >= FACTS_ROWS_MAX {
            let what = format!(
                "too large; expected at most {FACTS_ROWS_MAX} keys with {FACTS_COLUMNS_MAX} names"
            );
            page.mistake(key.span().start, what);
            break;
        }
        found.insert(key.get_ref().to_string(), cells);
    }
    columns.sort();
    let whole = |mut cells: BTreeMap<String, String>| {
        columns.iter().map(|name| cells.remove(name).unwrap_or_default()).collect()
    };
    let rows = found.into_iter().map(|(key, cells)| (key, whole(cells))).collect();
    (columns, rows)
}

//! One TOML file with its mistakes: typed access that remembers which keys exist and where.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Mistake;
use super::text::nearest;

/// A file being read.
pub(super) struct Page {
    file: PathBuf,
    text: String,
    mistakes: RefCell<Vec<(usize, String)>>,
    /// Mistakes in files that this one names.
    named: RefCell<Vec<Mistake>>,
}

/// A value and where it stands, as a byte offset.
#[derive(Clone, Debug)]
pub(super) struct Item<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

/// One table of a page. Every key asked for counts as known; [`Section::end`] reports the rest.
pub(super) struct Section<'a> {
    page: &'a Page,
    name: String,
    at: usize,
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl Page {
    pub(super) fn new(file: PathBuf, text: String) -> Self {
        Self { file, text, mistakes: RefCell::default(), named: RefCell::default() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The file itself.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// A path as meant by the file: relative to the folder it stands in.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(text)
    }

    /// Parses the text; a page that isn't TOML gets its mistakes and gives `None`.
    pub(super) fn parse(&self) -> Option<Spanned<DeTable<'_>>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            // The parser's message names what it expected and never quotes the file.
            self.mistake(at, error.message().trim().replace('\n', "; "));
        }
        errors.is_empty().then_some(table)
    }

    pub(super) fn mistake(&self, at: usize, what: impl Into<String>) {
        self.mistakes.borrow_mut().push((at, what.into()));
    }

    /// Whether no mistake was found yet.
    pub(super) fn is_sound(&self) -> bool {
        self.mistakes.borrow().is_empty() && self.named.borrow().is_empty()
    }

    /// Adds the mistakes of a file that this one names.
    pub(super) fn adopt(&self, mistakes: Vec<Mistake>) {
        self.named.borrow_mut().extend(mistakes);
    }

    /// Every mistake, in the order of the file; then those of the files it names.
    pub(super) fn mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort();
        mistakes.dedup();
        let own = mistakes.into_iter().map(|(at, what)| {
            let before = self.text.get(..at).unwrap_or(&self.text);
            let line = before.matches('\n').count() + 1;
            let start = before.rfind('\n').map_or(0, |newline| newline + 1);
            let column = before.get(start..).unwrap_or_default().chars().count() + 1;
            Mistake { file: self.file.clone(), line, column, what }
        });
        own.chain(self.named.into_inner()).collect()
    }
}

impl<'a> Section<'a> {
    /// The top level of a page.
    pub(super) fn top(page: &'a Page, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            page,
            name: "the file".to_owned(),
            at: 0,
            table: Some(table.get_ref()),
            known: Vec::new(),
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn page(&self) -> &'a Page {
        self.page
    }

    pub(super) fn mistake(&self, at: usize, what: impl Into<String>) {
        self.page.mistake(at, what);
    }

    /// Whether the section stands in the file.
    pub(super) fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// Where a key stands, without reading its value.
    pub(super) fn has(&mut self, key: &'static str) -> Option<usize> {
        self.known.push(key);
        self.table?.get_key_value(key).map(|(key, _)| key.span().start)
    }

    /// Forbids a key that people expect: it is known, and never right.
    pub(super) fn forbid(&mut self, key: &'static str, why: &str) {
        if let Some(at) = self.has(key) {
            self.mistake(at, why);
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.table?.get(key)
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let kind = kind(value.get_ref());
        self.mistake(value.span().start, format!("`{key}` is {kind}; expected {expected}"));
    }

    /// Reports a key that must be there.
    pub(super) fn missing(&self, key: &str, expected: &str) {
        self.mistake(self.at, format!("{} has no `{key}`; expected {expected}", self.name));
    }

    /// A string, if it is there.
    pub(super) fn string(&mut self, key: &'static str, expected: &str) -> Option<Item<&'a str>> {
        let value = self.value(key)?;
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(key, value, expected);
            return None;
        };
        Some(Item { value: text, at: value.span().start })
    }

    /// A string that must be there.
    pub(super) fn string_needed(
        &mut self,
        key: &'static str,
        expected: &str,
    ) -> Option<Item<&'a str>> {
        if self.table.is_some_and(|table| !table.contains_key(key)) {
            self.missing(key, expected);
        }
        self.string(key, expected)
    }

    /// One of a few words, else the first of them.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let expected = names.join(" or ");
        let first = words.first().map(|(_, value)| *value);
        if self.table.is_none_or(|table| !table.contains_key(key)) {
            self.known.push(key);
            return first;
        }
        let item = self.string(key, &expected)?;
        let found = words.iter().find(|(word, _)| *word == item.value).map(|(_, value)| *value);
        if found.is_none() {
            let given = item.value.escape_debug();
            self.mistake(item.at, format!("`{key}` is \"{given}\"; expected {expected}"));
        }
        found
    }

    /// A list of strings, empty when it isn't there.
    pub(super) fn strings(&mut self, key: &'static str, expected: &str) -> Vec<Item<&'a str>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value, expected);
            return Vec::new();
        };
        let mut items: Vec<Item<&'a str>> = Vec::new();
        for element in array.iter() {
            let at = element.span().start;
            match element.get_ref().as_str() {
                Some("") => {
                    self.mistake(at, format!("`{key}` holds an empty string; expected {expected}"));
                }
                Some(text) if items.iter().any(|item| item.value == text) => {
                    let text = text.escape_debug();
                    self.mistake(at, format!("`{key}` names \"{text}\" twice; expected it once"));
                }
                Some(text) => items.push(Item { value: text, at }),
                None => self.wrong(key, element, expected),
            }
        }
        items
    }

    /// A list of strings that must hold at least one.
    pub(super) fn strings_needed(
        &mut self,
        key: &'static str,
        expected: &str,
    ) -> Vec<Item<&'a str>> {
        let found = self.table.and_then(|table| table.get(key));
        match found.map(|value| (value.span().start, value.get_ref().as_array())) {
            None if self.table.is_some() => self.missing(key, expected),
            Some((at, Some(array))) if array.is_empty() => {
                self.mistake(at, format!("`{key}` is empty; expected {expected}"));
            }
            _ => {}
        }
        self.strings(key, expected)
    }

    /// A whole number within bounds, if it is there.
    pub(super) fn integer(
        &mut self,
        key: &'static str,
        within: RangeInclusive<u64>,
    ) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", within.start(), within.end());
        let value = self.value(key)?;
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong(key, value, &expected);
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| u64::try_from(number).ok())
            .filter(|number| within.contains(number));
        if number.is_none() {
            let given = integer.to_string();
            self.mistake(value.span().start, format!("`{key}` is {given}; expected {expected}"));
        }
        number
    }

    /// A boolean, if it is there.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<Item<bool>> {
        let value = self.value(key)?;
        let Some(boolean) = value.get_ref().as_bool() else {
            self.wrong(key, value, "true or false");
            return None;
        };
        Some(Item { value: boolean, at: value.span().start })
    }

    /// The `[key]` table; empty when it isn't there.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        let value = self.value(key);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (value, table) {
            self.wrong(key, value, &format!("a [{key}] table"));
        }
        Section {
            page: self.page,
            name: format!("[{key}]"),
            at: value.map_or(self.at, |value| value.span().start),
            table,
            known: Vec::new(),
        }
    }

    /// The `[[key]]` tables, in the order of the file. `name` is how mistakes call one.
    pub(super) fn sections(&mut self, key: &'static str, name: &str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let expected = format!("[[{name}]] tables");
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value, &expected);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for element in array.iter() {
            match element.get_ref().as_table() {
                None => self.wrong(key, element, &expected),
                table => sections.push(Section {
                    page: self.page,
                    name: format!("[[{name}]]"),
                    at: element.span().start,
                    table,
                    known: Vec::new(),
                }),
            }
        }
        sections
    }

    /// The keys of the `[key]` table, each with its string, in the order of the file.
    pub(super) fn named(
        &mut self,
        key: &'static str,
        expected: &str,
    ) -> Vec<(Item<&'a str>, Item<&'a str>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(key, value, &format!("a [{key}] table"));
            return Vec::new();
        };
        let mut items = Vec::new();
        for (name, value) in table.iter() {
            match value.get_ref().as_str() {
                None => self.wrong(name.get_ref(), value, expected),
                Some(text) => items.push((
                    Item { value: &**name.get_ref(), at: name.span().start },
                    Item { value: text, at: value.span().start },
                )),
            }
        }
        items.sort_by_key(|(name, _)| name.at);
        items
    }

    /// A table of anything as JSON; `{}` when it isn't there.
    pub(super) fn json(&mut self, key: &'static str) -> serde_json::Value {
        let Some(value) = self.value(key) else {
            return serde_json::Value::Object(serde_json::Map::new());
        };
        if !value.get_ref().is_table() {
            self.wrong(key, value, &format!("a [{key}] table"));
        }
        self.as_json(value)
    }

    fn as_json(&self, value: &Spanned<DeValue<'_>>) -> serde_json::Value {
        use serde_json::Value;
        let unfit = |what: &str| {
            self.mistake(value.span().start, format!("a setting is {what}; expected {JSON_KINDS}"));
            Value::Null
        };
        match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(boolean) => Value::Bool(*boolean),
            DeValue::Integer(integer) => {
                match i64::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(number) => Value::from(number),
                    Err(_) => unfit("a number beyond 64 bits"),
                }
            }
            DeValue::Float(float) => float
                .as_str()
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .map_or_else(|| unfit("a number that JSON can't hold"), Value::Number),
            DeValue::Datetime(_) => unfit("a date or time"),
            DeValue::Array(array) => array.iter().map(|element| self.as_json(element)).collect(),
            DeValue::Table(table) => table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), self.as_json(value)))
                .collect(),
        }
    }

    /// Reports every key nobody asked for.
    pub(super) fn end(self) {
        for (key, _) in self.table.into_iter().flatten() {
            let text = key.get_ref();
            if self.known.iter().any(|known| known == text) {
                continue;
            }
            let shown = text.escape_debug();
            let hint = match nearest(text, &self.known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let mut known = self.known.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("expected one of {}", known.join(", "))
                }
            };
            let what = format!("{} has no key `{shown}`; {hint}", self.name);
            self.mistake(key.span().start, what);
        }
    }
}

const JSON_KINDS: &str = "text, a number, true, false, a list or a table";

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Array(_) => "a list",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Integer(_) => "a whole number",
        DeValue::String(_) => "text",
        DeValue::Table(_) => "a table",
    }
}

//! The index on disk. It belongs to no proof: it may be damaged, doctored or removed at any time
//! and is made again from the log. It says only where to look; what is shown comes from the log.

use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{BooleanQuery, Occur, PhraseQuery, RangeQuery, TermQuery};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{Index, IndexReader, IndexWriter, Order, ReloadPolicy, TantivyDocument, Term};

use super::document::Document;
use super::query::{Query, What};
use crate::limits::SEARCH_MEMORY_BYTES;

/// Of what is indexed and how. Another one is made anew.
const FORMAT: u32 = 1;

/// How far the index is, kept in each of its commits.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    format: u32,
    /// The log's origin.
    pub(super) origin: String,
    /// Index of the first entry that is not in it.
    pub(super) next: u64,
    /// Leaf hash of the last one that is, hex.
    pub(super) leaf: String,
    /// What the keystore was.
    pub(super) keys: Keys,
}

impl Place {
    pub(super) fn start(origin: String, keys: Keys) -> Self {
        Self { format: FORMAT, origin, next: 0, leaf: String::new(), keys }
    }
}

/// The keystore of the log, as far as erasing shows in it. It only ever grows, unless somebody
/// erases.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Keys {
    inode: u64,
    length: u64,
}

impl Keys {
    /// The keystore as it is.
    pub(super) fn look(file: &Path) -> Self {
        std::fs::metadata(file)
            .map(|meta| Self { inode: meta.ino(), length: meta.len() })
            .unwrap_or_default()
    }

    /// Whether nothing was taken from it since it was like `before`.
    pub(super) fn only_grew_since(&self, before: &Self) -> bool {
        // There was none yet, and so nothing to erase.
        before.inode == 0 || (self.inode == before.inode && self.length >= before.length)
    }
}

#[derive(Clone, Copy)]
struct Fields {
    index: Field,
    time: Field,
    term: Field,
    text: Field,
}

/// An open index.
pub(super) struct Files {
    index: Index,
    fields: Fields,
    reader: IndexReader,
}

/// What a query found.
pub(super) struct Found {
    /// Places in the log, the newest first.
    pub(super) indexes: Vec<u64>,
    /// All that fit, shown or not.
    pub(super) total: u64,
}

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let text = TextFieldIndexing::default()
        .set_tokenizer("whitespace")
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let fields = Fields {
        index: builder.add_u64_field("index", FAST),
        time: builder.add_u64_field("time", FAST | INDEXED),
        term: builder.add_text_field("term", STRING),
        text: builder.add_text_field("text", TextOptions::default().set_indexing_options(text)),
    };
    (builder.build(), fields)
}

impl Files {
    /// Opens what is in the folder, if it is whole and of this format, with how far it is.
    pub(super) fn open(dir: &Path) -> Option<(Self, Place)> {
        let index = Index::open_in_dir(dir).ok()?;
        let (schema, fields) = schema();
        if index.schema() != schema || !index.validate_checksum().ok()?.is_empty() {
            return None;
        }
        let payload = index.load_metas().ok()?.payload?;
        let place: Place = serde_json::from_str(&payload).ok()?;
        if place.format != FORMAT {
            return None;
        }
        Some((Self::ready(index, fields).ok()?, place))
    }

    /// Begins an empty one; whatever is in the folder goes.
    pub(super) fn create(dir: &Path) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", dir.display());
        if dir.exists() {
            std::fs::remove_dir_all(dir).map_err(|error| wrong(&error))?;
        }
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(dir).map_err(|error| wrong(&error))?;
        let closed = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(dir, closed).map_err(|error| wrong(&error))?;
        let (schema, fields) = schema();
        let index = Index::create_in_dir(dir, schema).map_err(|error| wrong(&error))?;
        Self::ready(index, fields).map_err(|error| wrong(&error))
    }

    fn ready(index: Index, fields: Fields) -> tantivy::Result<Self> {
        let tokenizers = index.tokenizers();
        let whitespace = tantivy::tokenizer::WhitespaceTokenizer::default();
        tokenizers.register("whitespace", whitespace);
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, fields, reader })
    }

    pub(super) fn writer(&self) -> Result<Writer, String> {
        let writer = self.index.writer_with_num_threads(1, SEARCH_MEMORY_BYTES);
        let writer = writer.map_err(|error| error.to_string())?;
        Ok(Writer { writer, fields: self.fields, reader: self.reader.clone() })
    }

    /// What fits of the entries before `end`, the newest first.
    pub(super) fn search(&self, query: &Query, end: u64, most: usize) -> Result<Found, String> {
        let words = |error: tantivy::TantivyError| error.to_string();
        let query = self.query(query, end);
        let top = TopDocs::with_limit(most.max(1)).order_by_u64_field("index", Order::Desc);
        let (top, total) = self.reader.searcher().search(&query, &(top, Count)).map_err(words)?;
        let indexes = top.into_iter().filter_map(|(index, _)| index).collect();
        Ok(Found { indexes, total: total as u64 })
    }

    fn query(&self, query: &Query, end: u64) -> BooleanQuery {
        let end = Bound::Excluded(Term::from_field_u64(self.fields.index, end));
        let before = RangeQuery::new(Bound::Unbounded, end);
        let mut all: Vec<(Occur, Box<dyn tantivy::query::Query>)> =
            vec![(Occur::Must, Box::new(before))];
        for clause in &query.clauses {
            let occur = if clause.not { Occur::MustNot } else { Occur::Must };
            all.push((occur, self.clause(&clause.what)));
        }
        BooleanQuery::new(all)
    }

    fn clause(&self, what: &What) -> Box<dyn tantivy::query::Query> {
        let Fields { time, term, text, .. } = self.fields;
        let exact = |field: Field, word: &str| -> Box<dyn tantivy::query::Query> {
            let term = Term::from_field_text(field, word);
            Box::new(TermQuery::new(term, IndexRecordOption::Basic))
        };
        match what {
            What::Any(terms) => {
                let any = terms.iter().map(|word| (Occur::Should, exact(term, word)));
                Box::new(BooleanQuery::new(any.collect()))
            }
            What::Since(at) => {
                let from = Bound::Included(Term::from_field_u64(time, *at));
                Box::new(RangeQuery::new(from, Bound::Unbounded))
            }
            What::Until(at) => {
                let to = Bound::Included(Term::from_field_u64(time, *at));
                Box::new(RangeQuery::new(Bound::Unbounded, to))
            }
            What::Text(words) => match words.as_slice() {
                [word] => exact(text, word),
                words => {
                    let terms = words.iter().map(|word| Term::from_field_text(text, word));
                    Box::new(PhraseQuery::new(terms.collect()))
                }
            },
        }
    }
}

/// Adds to an index.
pub(super) struct Writer {
    writer: IndexWriter,
    fields: Fields,
    reader: IndexReader,
}

impl Writer {
    pub(super) fn add(&self, document: &Document) -> Result<(), String> {
        let mut row = TantivyDocument::default();
        row.add_u64(self.fields.index, document.index);
        row.add_u64(self.fields.time, document.time);
        for term in document.session.iter().chain(&document.terms) {
            row.add_text(self.fields.term, term);
        }
        row.add_text(self.fields.text, document.words.join(" "));
        self.writer.add_document(row).map(|_| ()).map_err(|error| error.to_string())
    }

    /// Makes what was added durable and visible, with how far it is.
    pub(super) fn commit(&mut self, place: &Place) -> Result<(), String> {
        let payload = serde_json::to_string(place).map_err(|error| error.to_string())?;
        let words = |error: tantivy::TantivyError| error.to_string();
        let mut commit = self.writer.prepare_commit().map_err(words)?;
        commit.set_payload(&payload);
        commit.commit().map_err(words)?;
        self.reader.reload().map_err(words)
    }
}

/// The folder of the index.
pub(super) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("search")
}

//! Reads a target's catalogue over a connection of the gateway's own, so that the origin of a
//! result column has a name.
//!
//! What goes over that connection is written here or comes from the server's own catalogue;
//! nothing of a client does.

mod code;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::TargetSettings;
use super::postgres::{Connection, Start, connect};
use super::tls::Tls;
use crate::fault::{Blame, Fault};
use crate::limits::{
    CATALOGUE_AGE_MILLIS_MAX, CATALOGUE_READ_MILLIS_MAX, SERVER_MESSAGE_BYTES_MAX,
};
use crate::protocol::postgres::backend;
use crate::protocol::postgres::code::Code;
use crate::protocol::postgres::frame::{self, Frame};
use crate::protocol::postgres::frontend::{Control, Named};
use crate::protocol::postgres::lineage::{
    ANY_ORIGIN, Catalogue, CatalogueRows, FUNCTIONS_SQL, FieldDescription, INHERITANCE_SQL,
    RELATIONS_SQL, TYPES_SQL, VIEWS_SQL,
};
use crate::protocol::{Column, Facts, dotted};
use crate::session::Session;

pub use code::{CodeReading, Coding};

/// The catalogues of one target, one a database, read when they are first needed.
#[derive(Debug, Default)]
pub struct Catalogues {
    databases: Mutex<HashMap<String, Arc<Database>>>,
}

#[derive(Debug, Default)]
struct Database {
    current: Kept<Catalogue>,
    /// One reader at a time; the others use what it read.
    reading: tokio::sync::Mutex<()>,
    /// Names of functions by object id, and when they were read.
    functions: tokio::sync::Mutex<Option<(HashMap<u32, String>, Instant)>>,
    /// The code that the database holds.
    code: Kept<Code>,
    /// Sessions with a change of it under way: judged, and not known to be committed or undone.
    coding: AtomicUsize,
    /// Counts changes of the schema seen by this gateway.
    epoch: AtomicU64,
    /// Counts beginnings and ends of changes to what things mean.
    lineage: AtomicU64,
    /// Sessions with such a change under way: sent, and not known to be committed or undone.
    relinking: AtomicUsize,
}

/// A session's change of what things mean, under way. Dropping it says that it is over.
#[derive(Debug)]
pub struct Relinking(Arc<Database>);

impl Drop for Relinking {
    fn drop(&mut self) {
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
        self.0.lineage.fetch_add(1, Ordering::SeqCst);
        self.0.relinking.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The result whose columns are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What the server said of its columns.
    pub fields: &'a [FieldDescription],
    /// The statements that may have made it.
    pub facts: &'a Facts,
    /// [`Catalogues::lineage`] when the statement was judged.
    pub lineage: u64,
    /// The session itself has a change of the schema's meaning under way.
    pub relinked: bool,
    /// It is a COPY of a table: generated columns are described and not copied.
    pub stored_only: bool,
}

impl Asked<'_> {
    /// The fields of the result as this reading has them.
    fn fields(&self, catalogue: &Catalogue) -> Cow<'_, [FieldDescription]> {
        if !self.stored_only {
            return Cow::Borrowed(self.fields);
        }
        let stored =
            |field: &&FieldDescription| !catalogue.is_generated(field.table_oid, field.attnum);
        self.fields.iter().filter(stored).cloned().collect()
    }
}

/// What was read of a database at one time.
#[derive(Debug)]
pub struct Dated<T> {
    what: T,
    epoch: u64,
    at: Instant,
}

/// A catalogue as it was read at one time.
pub type Reading = Dated<Catalogue>;

impl Reading {
    /// What was read.
    pub fn catalogue(&self) -> &Catalogue {
        &self.what
    }
}

/// The newest reading of one kind.
#[derive(Debug)]
struct Kept<T>(ArcSwapOption<Dated<T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<T> Kept<T> {
    /// However old it is.
    fn any(&self) -> Option<Arc<Dated<T>>> {
        self.0.load_full()
    }
}

impl Catalogues {
    /// The origins of a result's columns. Reads the catalogue when it is missing, when it is too
    /// old, or when it does not know something that the result names. What is unknown even then,
    /// such as a table of a transaction that is still open, may come from anywhere.
    ///
    /// While a view may be getting another definition, nobody outside the transaction can tell
    /// which one a result was made by, so then a view's columns may come from anywhere too.
    ///
    /// # Errors
    /// The catalogue can't be read.
    pub async fn columns(
        &self,
        target: &TargetSettings,
        tls: Option<&Tls>,
        session: &Session,
        asked: Asked<'_>,
    ) -> Result<Vec<Column>, Fault> {
        let database = self.database(session.database());
        let started = Instant::now();
        let facts = asked.facts;
        if database.is_settled(asked.lineage)
            && let Some(reading) = database.fresh(&database.current)
            && let Ok(columns) =
                reading.what.columns(&asked.fields(&reading.what), &facts.statements)
        {
            return Ok(columns);
        }
        let catalogue = async |epoch| Ok(Catalogue::new(&rows(target, tls, session).await?, epoch));
        let reading = match database.current.any() {
            Some(reading) if !database.is_settled(asked.lineage) => reading,
            _ => database.read(&database.current, started, catalogue).await?,
        };
        let catalogue = &reading.what;
        let fields = asked.fields(catalogue);
        let mut columns = catalogue.columns_guarded(&fields, &facts.statements);
        if asked.relinked || !database.is_settled(asked.lineage) {
            for (column, field) in columns.iter_mut().zip(fields.iter()) {
                if asked.relinked || !catalogue.holds_rows(field.table_oid) {
                    column.origins = vec![ANY_ORIGIN.to_owned()];
                    column.exact = false;
                }
            }
        }
        Ok(columns)
    }

    /// A catalogue that is no older than it may be, and that knows these relations if anybody
    /// outside this session does. `own`: the session has changes under way that nobody else sees,
    /// so that what is not known is its own.
    ///
    /// # Errors
    /// The catalogue can't be read.
    pub async fn reading(
        &self,
        target: &TargetSettings,
        tls: Option<&Tls>,
        session: &Session,
        relations: &[&str],
        own: bool,
    ) -> Result<Arc<Reading>, Fault> {
        let database = self.database(session.database());
        let started = Instant::now();
        let known = |reading: &Arc<Reading>| {
            own || relations.iter().all(|name| !reading.what.resolve(name).is_empty())
        };
        // A change under way may hold a lock on a view, and reading would wait for it.
        let current = match database.relinking.load(Ordering::SeqCst) {
            0 => database.fresh(&database.current),
            _ => database.current.any(),
        };
        let catalogue = async |epoch| Ok(Catalogue::new(&rows(target, tls, session).await?, epoch));
        match current.filter(known) {
            Some(reading) => Ok(reading),
            None => database.read(&database.current, started, catalogue).await,
        }
    }

    /// The name of a function, `schema.name`, by its object id.
    ///
    /// # Errors
    /// The catalogue can't be read.
    pub async fn function(
        &self,
        target: &TargetSettings,
        tls: Option<&Tls>,
        session: &Session,
        oid: u32,
    ) -> Result<Option<String>, Fault> {
        let database = self.database(session.database());
        let mut functions = database.functions.lock().await;
        let age = Duration::from_millis(CATALOGUE_AGE_MILLIS_MAX);
        if functions.as_ref().is_none_or(|(_, at)| at.elapsed() >= age) {
            let at = Instant::now();
            let limit = Duration::from_millis(CATALOGUE_READ_MILLIS_MAX);
            let read = timeout(limit, function_names(target, tls, session));
            let names = read.await.map_err(|_| unreadable("it did not answer in time"))??;
            *functions = Some((names, at));
        }
        Ok(functions.as_ref().and_then(|(names, _)| names.get(&oid).cloned()))
    }

    /// Counts changes of what things mean; what is judged now runs under this lineage or a later.
    pub fn lineage(&self, database: &str) -> u64 {
        self.database(database).lineage.load(Ordering::SeqCst)
    }

    /// A change of what things mean is about to be sent.
    pub fn relinking(&self, database: &str) -> Relinking {
        let database = self.database(database);
        database.relinking.fetch_add(1, Ordering::SeqCst);
        database.lineage.fetch_add(1, Ordering::SeqCst);
        Relinking(database)
    }

    /// The schema may have changed: the next result reads the catalogue again.
    pub fn invalidate(&self, database: &str) {
        self.database(database).epoch.fetch_add(1, Ordering::SeqCst);
    }

    fn database(&self, name: &str) -> Arc<Database> {
        let mut databases = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(databases.entry(name.to_owned()).or_default())
    }
}

impl Database {
    /// Nothing has changed its meaning since `lineage`, and nothing is about to.
    fn is_settled(&self, lineage: u64) -> bool {
        self.relinking.load(Ordering::SeqCst) == 0 && self.lineage.load(Ordering::SeqCst) == lineage
    }

    /// The reading that is kept, if nothing changed since and it is not too old.
    fn fresh<T>(&self, kept: &Kept<T>) -> Option<Arc<Dated<T>>> {
        let reading = kept.any()?;
        let age = Duration::from_millis(CATALOGUE_AGE_MILLIS_MAX);
        let current = reading.epoch == self.epoch.load(Ordering::SeqCst);
        (current && reading.at.elapsed() < age).then_some(reading)
    }

    /// Reads, unless somebody else did since then; keeps what was read.
    async fn read<T>(
        &self,
        kept: &Kept<T>,
        wanted_since: Instant,
        read: impl AsyncFnOnce(u64) -> Result<T, Fault>,
    ) -> Result<Arc<Dated<T>>, Fault> {
        let _turn = self.reading.lock().await;
        if let Some(reading) = self.fresh(kept).filter(|reading| reading.at >= wanted_since) {
            return Ok(reading);
        }
        let epoch = self.epoch.load(Ordering::SeqCst);
        let at = Instant::now();
        let limit = Duration::from_millis(CATALOGUE_READ_MILLIS_MAX);
        let what = timeout(limit, read(epoch))
            .await
            .map_err(|_| unreadable("it did not answer in time"))??;
        let reading = Arc::new(Dated { what, epoch, at });
        kept.0.store(Some(Arc::clone(&reading)));
        Ok(reading)
    }
}

/// Functions: oid, schema, name.
const FUNCTION_NAMES_SQL: &str = "\
SELECT p.oid, n.nspname, p.proname FROM pg_catalog.pg_proc p \
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace";

async fn function_names(
    target: &TargetSettings,
    tls: Option<&Tls>,
    session: &Session,
) -> Result<HashMap<u32, String>, Fault> {
    let mut reader = Reader { connection: own_connection(target, tls, session).await? };
    let rows = reader.query(FUNCTION_NAMES_SQL).await?;
    reader.send(|out| Control::Terminate.encode(out)).await?;
    let named = |row: Row| match row.as_slice() {
        [Some(oid), Some(schema), Some(name)] => {
            Some((oid.parse().ok()?, dotted([schema.as_str(), name])))
        }
        _ => None,
    };
    Ok(rows.into_iter().filter_map(named).collect())
}

async fn own_connection(
    target: &TargetSettings,
    tls: Option<&Tls>,
    session: &Session,
) -> Result<Connection, Fault> {
    let account = target.accounts.iter().find(|account| account.role == session.role());
    let account = account.ok_or_else(|| unreadable("the role has no account"))?;
    // With no schema of users on the path, the server names every relation of a view's
    // definition with its schema, so the text means the same to whoever reads it.
    let settings = vec![
        ("application_name".to_owned(), "portcullis catalogue".to_owned()),
        ("search_path".to_owned(), "pg_catalog".to_owned()),
        ("client_encoding".to_owned(), "UTF8".to_owned()),
    ];
    let start = Start { settings, granted: Vec::new() };
    connect(target, tls, account, session.database(), start).await
}

async fn rows(
    target: &TargetSettings,
    tls: Option<&Tls>,
    session: &Session,
) -> Result<CatalogueRows, Fault> {
    let mut reader = Reader { connection: own_connection(target, tls, session).await? };
    let views = reader.query(VIEWS_SQL).await?;
    let mut view_descriptions = HashMap::new();
    for view in &views {
        let oid = view.first().and_then(|oid| oid.as_deref()?.parse().ok());
        if let (Some(oid), Some(Some(definition))) = (oid, view.get(1))
            && let Some(described) = reader.describe(definition).await?
        {
            view_descriptions.insert(oid, described);
        }
    }
    let rows = CatalogueRows {
        relations: reader.query(RELATIONS_SQL).await?,
        types: reader.query(TYPES_SQL).await?,
        functions: reader.query(FUNCTIONS_SQL).await?,
        inheritance: reader.query(INHERITANCE_SQL).await?,
        views,
        view_descriptions,
        foreign_tables: target.foreign_tables.clone(),
    };
    reader.send(|out| Control::Terminate.encode(out)).await?;
    Ok(rows)
}

struct Reader {
    connection: Connection,
}

type Row = Vec<Option<String>>;

impl Reader {
    /// Runs one of the gateway's own statements.
    async fn query(&mut self, sql: &'static str) -> Result<Vec<Row>, Fault> {
        self.send(|out| frame::put(out, b'Q', |out| frame::put_string(out, sql.as_bytes())))
            .await?;
        let mut rows = Vec::new();
        loop {
            let frame = self.next().await?;
            match frame.tag {
                b'D' => rows.push(
                    backend::text_row(frame.body).map_err(|_| unreadable("a malformed row"))?,
                ),
                b'E' => {
                    let why = backend::report_field(&frame.body, b'M').unwrap_or_default();
                    return Err(unreadable(why));
                }
                b'Z' => return Ok(rows),
                _ => {}
            }
        }
    }

    /// Describes a view's definition without running it; `None` when the server won't.
    async fn describe(&mut self, definition: &str) -> Result<Option<Vec<(u32, i16)>>, Fault> {
        self.send(|out| {
            frame::put(out, b'P', |out| {
                frame::put_string(out, b"");
                frame::put_string(out, definition.as_bytes());
                out.extend_from_slice(&[0, 0]);
            });
            Control::Describe(Named::Statement(bytes::Bytes::new())).encode(out);
            Control::Sync.encode(out);
        })
        .await?;
        let mut described = None;
        loop {
            let frame = self.next().await?;
            match frame.tag {
                b'T' => {
                    let fields = backend::row_description(frame.body)
                        .map_err(|_| unreadable("a malformed description"))?;
                    let origins = fields.iter().map(|field| (field.table_oid, field.attnum));
                    described = Some(origins.collect());
                }
                b'Z' => return Ok(described),
                _ => {}
            }
        }
    }

    async fn send(&mut self, write: impl FnOnce(&mut BytesMut)) -> Result<(), Fault> {
        let mut out = BytesMut::new();
        write(&mut out);
        self.connection.stream.write_all(&out).await.map_err(unreadable)?;
        self.connection.stream.flush().await.map_err(unreadable)
    }

    async fn next(&mut self) -> Result<Frame, Fault> {
        loop {
            let next = frame::next(&mut self.connection.buffer, SERVER_MESSAGE_BYTES_MAX);
            if let Some(frame) = next.map_err(|_| unreadable("a malformed message"))? {
                return Ok(frame);
            }
            let read = self.connection.stream.read_buf(&mut self.connection.buffer).await;
            if read.map_err(unreadable)? == 0 {
                return Err(unreadable("it closed the connection"));
            }
        }
    }
}

fn unreadable(why: impl std::fmt::Display) -> Fault {
    let message = format!("the result is withheld: the target's catalogue can't be read: {why}");
    Fault::new(Blame::Upstream, "catalogue_unreadable", "58000", message)
        .hint("Without it nobody knows which columns to mask. Try again, or tell the operator.")
}

#[cfg(test)]
mod tests;

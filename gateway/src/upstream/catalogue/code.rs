//! The code that a database holds, read beside its relations: a policy that hides no column needs
//! only this.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::TargetSettings;
use super::super::tls::Tls;
use super::{Catalogues, Database, Dated, Reader, own_connection};
use crate::fault::Fault;
use crate::protocol::postgres::code::{self, Code, CodeRows};
use crate::protocol::postgres::frontend::Control;
use crate::session::Session;

/// The code as it was read at one time.
pub type CodeReading = Dated<Code>;

impl CodeReading {
    /// What was read.
    pub fn code(&self) -> &Code {
        &self.what
    }
}

/// A session's change of the code, under way. Dropping it says that it is over.
#[derive(Debug)]
pub struct Coding(Arc<Database>);

impl Drop for Coding {
    fn drop(&mut self) {
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
        self.0.coding.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Catalogues {
    /// The code of a database, no older than it may be, and whether it may be changing now.
    /// `types` are OIDs that it should know.
    ///
    /// # Errors
    /// The catalogue can't be read.
    pub async fn code(
        &self,
        target: &TargetSettings,
        tls: Option<&Tls>,
        session: &Session,
        types: &[u32],
    ) -> Result<(Arc<CodeReading>, bool), Fault> {
        let database = self.database(session.database());
        let started = Instant::now();
        // Asked before it is read: a change that ends in between is in what is read.
        let changing = database.coding.load(Ordering::SeqCst) > 0;
        // The locks of a change may keep a reading waiting.
        let current = if changing { database.code.any() } else { database.fresh(&database.code) };
        let known = |reading: &Arc<CodeReading>| {
            changing || !types.iter().any(|oid| reading.what.lacks_type(*oid))
        };
        let code = async |_| Ok(Code::new(&rows(target, tls, session).await?));
        let reading = match current.filter(known) {
            Some(reading) => reading,
            None => database.read(&database.code, started, code).await?,
        };
        Ok((reading, changing))
    }

    /// A change of the code is about to be sent.
    pub fn coding(&self, database: &str) -> Coding {
        let database = self.database(database);
        database.coding.fetch_add(1, Ordering::SeqCst);
        Coding(database)
    }
}

async fn rows(
    target: &TargetSettings,
    tls: Option<&Tls>,
    session: &Session,
) -> Result<CodeRows, Fault> {
    let mut reader = Reader { connection: own_connection(target, tls, session).await? };
    let rows = CodeRows {
        functions: reader.query(code::FUNCTIONS_SQL).await?,
        aggregates: reader.query(code::AGGREGATES_SQL).await?,
        operators: reader.query(code::OPERATORS_SQL).await?,
        casts: reader.query(code::CASTS_SQL).await?,
        types: reader.query(code::TYPES_SQL).await?,
        columns: reader.query(code::COLUMNS_SQL).await?,
        relations: reader.query(code::RELATIONS_SQL).await?,
        inheritance: reader.query(code::INHERITANCE_SQL).await?,
        triggers: reader.query(code::TRIGGERS_SQL).await?,
        rules: reader.query(code::RULES_SQL).await?,
        holders: reader.query(code::HOLDERS_SQL).await?,
        depends: reader.query(code::DEPENDS_SQL).await?,
        classes: reader.query(code::CLASSES_SQL).await?,
        keys: reader.query(code::KEYS_SQL).await?,
        events: reader.query(code::EVENTS_SQL).await?,
    };
    reader.send(|out| Control::Terminate.encode(out)).await?;
    Ok(rows)
}

//! Commands of a replication session (PostgreSQL 18, section 54.4), read strictly.
//!
//! The server takes a Query of such a session for a command of its WAL sender if its first word
//! is one of a few in capitals, and for SQL otherwise; so does this reader. What it reads is never
//! more than the server's own grammar (`repl_gram.y`) takes: where a text leaves room for doubt it
//! is refused.

mod words;

use self::words::{Word, Words};
use super::statement::text_of;
use crate::fault::{Blame, Fault};
use crate::limits::REPLICATION_COMMAND_BYTES_MAX;
use crate::protocol::{Access, Class, Facts, Object, Statement, dotted};

/// The kind of a replication session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// `replication=database`: logical streams, and SQL.
    Logical,
    /// `replication=true`: the write-ahead log itself, and no SQL.
    Physical,
}

impl Mode {
    /// The value of the start-up parameter.
    pub fn word(self) -> &'static str {
        match self {
            Self::Logical => "database",
            Self::Physical => "true",
        }
    }
}

/// What a target lets replication sessions do.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// None is opened.
    #[default]
    None,
    /// Logical streams: changes of one database, through an output plugin of the server.
    Logical,
    /// Also the whole write-ahead log and base backups: every byte of every database.
    All,
}

impl Scope {
    /// Whether a session of this kind may be opened.
    pub fn opens(self, mode: Mode) -> bool {
        match mode {
            Mode::Logical => self >= Self::Logical,
            Mode::Physical => self == Self::All,
        }
    }
}

const START: &str = "start_replication";
const BACKUP: &str = "base_backup";

/// Whether a statement is a command of a WAL sender.
pub fn is_command(statement: &Statement) -> bool {
    statement.attributes.iter().any(|(key, _)| key == "replication")
}

/// Whether a command answers with a stream in both directions.
pub fn streams(statement: &Statement) -> bool {
    is_command(statement) && statement.verb == START
}

/// Whether a command sends files of the server as rows of a COPY.
pub fn backs_up(statement: &Statement) -> bool {
    is_command(statement) && statement.verb == BACKUP
}

/// Whether a tag may stand in the answer to a command: its own, and those of the results and
/// streams within it. Servers before PostgreSQL 14 end every command with `SELECT`.
pub fn tag_fits(statement: &Statement, tag: &str) -> bool {
    let own = statement.verb.eq_ignore_ascii_case(tag);
    let within = match statement.verb.as_str() {
        START => matches!(tag, "START_STREAMING" | "COPY 0"),
        _ => false,
    };
    own || within || tag == "SELECT" || tag.starts_with("SELECT ")
}

/// What a text of a replication session says; `None` when the server takes it for SQL.
///
/// # Errors
/// A [`Fault`] for the client: `replication_malformed` (42601), or `replication_refused` (42501)
/// for what the target's setting leaves out.
pub fn facts(text: &str, scope: Scope) -> Result<Option<Facts>, Fault> {
    let Some(command) = words::first(text).and_then(Command::of) else {
        return Ok(None);
    };
    if text.len() > REPLICATION_COMMAND_BYTES_MAX {
        return Err(malformed("it is too long"));
    }
    let mut words = Words::read(text).map_err(malformed)?;
    words.next();
    let mut statement = command.statement(&mut words).map_err(malformed)?;
    words.end().map_err(malformed)?;
    let physical =
        statement.attributes.iter().any(|(key, value)| key == "replication" && value == PHYSICAL);
    if physical && scope != Scope::All {
        return Err(not_open(&statement.verb));
    }
    statement.acts = vec![statement.verb.clone()];
    let start = text.len() - text.trim_start_matches(words::is_space).len();
    (statement.start, statement.end) = (start, text.len());
    statement.end = start + text_of(text, &statement).trim_end_matches(words::is_space).len();
    Ok(Some(Facts { statements: vec![statement], second_opinion: "off".to_owned() }))
}

/// The values of the attribute `replication`: what a command reaches.
const LOGICAL: &str = "logical";
const PHYSICAL: &str = "physical";
const ANY: &str = "any";

/// The first words of the commands. `SHOW` is read as the SQL that it also is.
#[derive(Clone, Copy)]
enum Command {
    AlterSlot,
    BaseBackup,
    CreateSlot,
    DropSlot,
    IdentifySystem,
    ReadSlot,
    Show,
    StartReplication,
    TimelineHistory,
    UploadManifest,
}

type Read<T> = Result<T, &'static str>;

impl Command {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "ALTER_REPLICATION_SLOT" => Self::AlterSlot,
            "BASE_BACKUP" => Self::BaseBackup,
            "CREATE_REPLICATION_SLOT" => Self::CreateSlot,
            "DROP_REPLICATION_SLOT" => Self::DropSlot,
            "IDENTIFY_SYSTEM" => Self::IdentifySystem,
            "READ_REPLICATION_SLOT" => Self::ReadSlot,
            "SHOW" => Self::Show,
            "START_REPLICATION" => Self::StartReplication,
            "TIMELINE_HISTORY" => Self::TimelineHistory,
            "UPLOAD_MANIFEST" => Self::UploadManifest,
            _ => return None,
        })
    }

    fn statement(self, words: &mut Words) -> Read<Statement> {
        match self {
            Self::AlterSlot => {
                let mut statement = bare("alter_replication_slot", Class::Admin, ANY);
                slot(&mut statement, words, Access::Write)?;
                options(&mut statement, words)?;
                Ok(statement)
            }
            Self::BaseBackup => base_backup(words),
            Self::CreateSlot => create_slot(words),
            Self::DropSlot => {
                let mut statement = bare("drop_replication_slot", Class::Admin, ANY);
                slot(&mut statement, words, Access::Write)?;
                words.takes("WAIT");
                Ok(statement)
            }
            Self::IdentifySystem => Ok(bare("identify_system", Class::Read, ANY)),
            Self::ReadSlot => {
                let mut statement = bare("read_replication_slot", Class::Read, ANY);
                slot(&mut statement, words, Access::Read)?;
                Ok(statement)
            }
            Self::Show => show(words),
            Self::StartReplication => start_replication(words),
            Self::TimelineHistory => {
                let mut statement = bare("timeline_history", Class::Read, PHYSICAL);
                note(&mut statement, "timeline", words.number()?.to_string());
                Ok(statement)
            }
            Self::UploadManifest => Err("the gateway takes no manifests for incremental backups"),
        }
    }
}

fn bare(verb: &str, class: Class, reach: &str) -> Statement {
    let mut statement = Statement::bare(verb, class);
    note(&mut statement, "replication", reach.to_owned());
    statement
}

fn note(statement: &mut Statement, key: &str, value: String) {
    statement.attributes.push((key.to_owned(), value));
}

fn object(statement: &mut Statement, kind: &str, name: &str, access: Access) {
    let object = Object { kind: kind.to_owned(), name: dotted([name]), access };
    statement.objects.push(object);
    statement.objects.sort();
}

fn slot(statement: &mut Statement, words: &mut Words, access: Access) -> Read<()> {
    let name = words.name()?;
    object(statement, "replication_slot", &name, access);
    Ok(())
}

fn show(words: &mut Words) -> Read<Statement> {
    let mut names = vec![words.name()?];
    while words.takes_sign('.') {
        names.push(words.name()?);
    }
    let mut statement = bare("show", Class::Read, ANY);
    let name = names.join(".").to_ascii_lowercase();
    let name = if name == "all" { "*" } else { &name };
    statement.objects.push(Object {
        kind: "setting".to_owned(),
        name: name.to_owned(),
        access: Access::Read,
    });
    Ok(statement)
}

fn start_replication(words: &mut Words) -> Read<Statement> {
    let mut name = None;
    if words.takes("SLOT") {
        name = Some(words.name()?);
    }
    let logical = name.is_some() && words.takes("LOGICAL");
    let mut statement = bare(START, Class::Admin, if logical { LOGICAL } else { PHYSICAL });
    if let Some(name) = name {
        object(&mut statement, "replication_slot", &name, Access::Write);
    }
    if !logical {
        words.takes("PHYSICAL");
    }
    note(&mut statement, "position", words.position()?);
    if logical {
        if words.is_sign('(') {
            options(&mut statement, words)?;
        }
    } else if words.takes("TIMELINE") {
        note(&mut statement, "timeline", words.number()?.to_string());
    }
    Ok(statement)
}

fn create_slot(words: &mut Words) -> Read<Statement> {
    let name = words.name()?;
    let temporary = words.takes("TEMPORARY");
    let logical = if words.takes("LOGICAL") {
        true
    } else if words.takes("PHYSICAL") {
        false
    } else {
        return Err("LOGICAL or PHYSICAL is missing");
    };
    let reach = if logical { LOGICAL } else { PHYSICAL };
    let mut statement = bare("create_replication_slot", Class::Admin, reach);
    object(&mut statement, "replication_slot", &name, Access::Write);
    if temporary {
        note(&mut statement, "temporary", "true".to_owned());
    }
    if logical {
        note(&mut statement, "output_plugin", words.name()?);
    }
    if words.is_sign('(') {
        options(&mut statement, words)?;
        return Ok(statement);
    }
    const OLD: [&str; 5] =
        ["EXPORT_SNAPSHOT", "NOEXPORT_SNAPSHOT", "USE_SNAPSHOT", "RESERVE_WAL", "TWO_PHASE"];
    while let Some(word) = OLD.into_iter().find(|word| words.takes(word)) {
        note(&mut statement, &format!("option.{}", word.to_ascii_lowercase()), String::new());
    }
    Ok(statement)
}

fn base_backup(words: &mut Words) -> Read<Statement> {
    let mut statement = bare(BACKUP, Class::Admin, PHYSICAL);
    if words.is_sign('(') {
        options(&mut statement, words)?;
    } else {
        old_backup_options(&mut statement, words)?;
    }
    let mut detail = statement.attributes.iter().filter(|(key, _)| key == "option.target_detail");
    if let Some(path) = detail.next().map(|(_, path)| path.clone()) {
        object(&mut statement, "file", &path, Access::Write);
    }
    Ok(statement)
}

/// As clients wrote them before PostgreSQL 15.
fn old_backup_options(statement: &mut Statement, words: &mut Words) -> Read<()> {
    const BARE: [&str; 6] =
        ["PROGRESS", "FAST", "WAL", "NOWAIT", "TABLESPACE_MAP", "NOVERIFY_CHECKSUMS"];
    const TEXTS: [&str; 3] = ["LABEL", "MANIFEST", "MANIFEST_CHECKSUMS"];
    loop {
        let (word, value) = if let Some(word) = BARE.into_iter().find(|word| words.takes(word)) {
            (word, String::new())
        } else if let Some(word) = TEXTS.into_iter().find(|word| words.takes(word)) {
            (word, words.text()?)
        } else if words.takes("MAX_RATE") {
            ("MAX_RATE", words.number()?.to_string())
        } else {
            return Ok(());
        };
        note(statement, &format!("option.{}", word.to_ascii_lowercase()), value);
    }
}

/// A list in parentheses: names, each alone or with a value.
fn options(statement: &mut Statement, words: &mut Words) -> Read<()> {
    if !words.takes_sign('(') {
        return Err("a list of options in parentheses is missing");
    }
    loop {
        let name = words.name()?;
        let value = match words.peek() {
            Some(Word::Number(_)) => words.number()?.to_string(),
            Some(Word::Text(_)) => words.text()?,
            Some(Word::Plain(_) | Word::Quoted(_)) => words.name()?,
            _ => String::new(),
        };
        note(statement, &format!("option.{name}"), value);
        if words.takes_sign(')') {
            return Ok(());
        }
        if !words.takes_sign(',') {
            return Err("a comma or a closing parenthesis is missing");
        }
    }
}

fn malformed(why: &str) -> Fault {
    let message = format!("the replication command can't be judged: {why}");
    Fault::new(Blame::Client, "replication_malformed", "42601", message).hint(
        "Write it as the manual does (\"Streaming Replication Protocol\"), words in capitals.",
    )
}

fn not_open(verb: &str) -> Fault {
    let message = format!("this target is open to logical replication only, not to `{verb}`");
    Fault::new(Blame::Policy, "replication_refused", "42501", message).hint(
        "Physical streams and backups hold every byte of every database; the operator opens a \
         target to them by `replication = \"all\"`.",
    )
}

#[cfg(test)]
mod tests;

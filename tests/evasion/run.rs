//! Runs a case without its guard and with it.

use std::fmt::{Display, Formatter};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis_tests::clients::Psql;
use portcullis_tests::postgres::APP_ROLE;
use portcullis_tests::process::Output;
use portcullis_tests::wire::{Message, Wire, bind, execute, parse, sync};

use crate::canary::Set;
use crate::case::{Attack, Bite, Case, Guard};
use crate::ground::{CODE_SQL, DIRECT_ROLE, Database, Open};

/// Sessions of a database that wait for a lock.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
    AND datname = current_database()";
/// Longest wait for a message to end or to wait.
const WAITS_MAX: Duration = Duration::from_secs(10);

/// What came of one attempt.
#[derive(Debug)]
struct Attempt {
    /// Every byte that the client was shown.
    seen: Vec<u8>,
    /// The answers to the probe, before and after.
    before: String,
    after: String,
}

impl Attempt {
    fn shows(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.seen).contains(text)
    }

    fn quoted(&self) -> String {
        String::from_utf8_lossy(&self.seen).chars().take(1500).collect()
    }
}

/// Where an attempt goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Direct,
    Open,
    Guarded(Guard),
}

/// Why a case failed.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// It proves nothing.
    Case(String),
    /// It got past its guard.
    Through(String),
}

impl Display for Wrong {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Case(why) => write!(out, "{why}"),
            Self::Through(how) => write!(out, "got through: {how}"),
        }
    }
}

/// How a case got past a guard.
#[derive(Debug)]
pub(crate) enum Past {
    /// It shows a hidden value, or did what must not be done.
    Shows(String),
    /// Its answer hangs on hidden values.
    Tells(String),
}

impl Past {
    fn how(self) -> String {
        match self {
            Self::Shows(how) | Self::Tells(how) => how,
        }
    }
}

/// Runs a case without its guard and with it.
pub(crate) fn check(
    open: &Open<'_>,
    databases: &[Database<'_>; 2],
    case: &Case,
) -> Result<(), Wrong> {
    bites(open, databases, case).map_err(Wrong::Case)?;
    stopped(open, databases, case, case.guard).map_err(|past| Wrong::Through(past.how()))
}

fn bites(open: &Open<'_>, databases: &[Database<'_>; 2], case: &Case) -> Result<(), String> {
    let [target, other] = databases;
    let way = if case.direct { Way::Direct } else { Way::Open };
    let bare = attempt(open, target, case, way);
    let bites = match case.bite {
        Bite::Canary => bare.shows_plainly(&target.set),
        Bite::Shows(text) | Bite::Honest(text) => bare.shows(text),
        Bite::Effect(_) => bare.before != bare.after,
        Bite::Differs => alike(&bare, target) != alike(&attempt(open, other, case, way), other),
    };
    if bites { Ok(()) } else { Err(format!("does not bite unguarded: {}", bare.quoted())) }
}

/// Runs a case with a guard, which may be another than its own.
pub(crate) fn stopped(
    open: &Open<'_>,
    databases: &[Database<'_>; 2],
    case: &Case,
    guard: Guard,
) -> Result<(), Past> {
    let [target, other] = databases;
    let way = Way::Guarded(guard);
    let guarded = attempt(open, target, case, way);
    match case.bite {
        Bite::Effect(_) if guarded.before != guarded.after => {
            let (before, after) = (&guarded.before, &guarded.after);
            return Err(Past::Shows(format!("{before} became {after}: {}", guarded.quoted())));
        }
        Bite::Shows(text) if guarded.shows(text) => {
            return Err(Past::Shows(format!("shows {text:?}: {}", guarded.quoted())));
        }
        Bite::Honest(text) if !guarded.shows(text) => {
            return Err(Past::Shows(format!("does not show {text:?}: {}", guarded.quoted())));
        }
        _ => {}
    }
    if case.guard != Guard::Masks {
        return Ok(());
    }
    hidden(&guarded, target)?;
    if let (true, Attack::Message(sql)) = (case.extended, case.attack) {
        target.admin(&target.fill(case.prepared));
        let seen = prepared(open, target, &target.fill(sql), way);
        if case.writes {
            target.refresh();
        }
        hidden(&Attempt { seen, before: String::new(), after: String::new() }, target)?;
    }
    let there = attempt(open, other, case, way);
    hidden(&there, other)?;
    let (here, there) = (alike(&guarded, target), alike(&there, other));
    if here == there {
        return Ok(());
    }
    let how = format!("tells hidden values apart:\n{here}\n--- and with others:\n{there}");
    Err(Past::Tells(how))
}

fn hidden(guarded: &Attempt, database: &Database<'_>) -> Result<(), Past> {
    match database.set.found(&guarded.seen) {
        Some(form) => {
            Err(Past::Shows(format!("shows a hidden value as {form:?}: {}", guarded.quoted())))
        }
        None => Ok(()),
    }
}

impl Attempt {
    fn shows_plainly(&self, set: &Set) -> bool {
        let [pin, ..] = set.pins;
        let [born, ..] = set.born;
        set.canaries().iter().chain([&pin, &born]).any(|canary| self.shows(canary))
    }
}

/// What was seen, less the names that differ from one database to the next.
fn alike(attempt: &Attempt, database: &Database<'_>) -> String {
    let seen = String::from_utf8_lossy(&attempt.seen).replace(&database.name, "DATABASE");
    let mut parts = seen.split("pg_toast_");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    rest.fold(first, |text, part| text + "pg_toast_" + part) + &attempt.after
}

fn attempt(open: &Open<'_>, database: &Database<'_>, case: &Case, way: Way) -> Attempt {
    if case.guard == Guard::Calls {
        database.admin(CODE_SQL);
    }
    database.admin(&database.fill(case.prepared));
    let probe = if let Bite::Effect(probe) = case.bite { probe } else { "" };
    let before = database.admin(&database.fill(probe));
    let seen = send(open, database, case, way);
    let after = database.admin(&database.fill(probe));
    database.admin(&database.fill(case.undo));
    if case.writes {
        database.refresh();
    }
    Attempt { seen, before, after }
}

fn send(open: &Open<'_>, database: &Database<'_>, case: &Case, way: Way) -> Vec<u8> {
    let output = match case.attack {
        Attack::Message(sql) => psql(open, database, case, way).message(&database.fill(sql)),
        Attack::Script(script) => {
            psql(open, database, case, way).run_past_errors(&database.fill(script))
        }
        Attack::Beside(holds, sql) => beside(open, database, case, way, (holds, sql)),
        Attack::Driver(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| database.fill(text)).collect();
            return open.drive(open.gateway(guard(way)), &database.target(), &texts);
        }
        Attack::Wire(runs) => return talk(wire(open, database, way), &runs()),
    };
    format!("{}{}", output.stdout, output.stderr).into_bytes()
}

/// Sends a message while another session holds what it changed, and commits once the message
/// waits or has ended. What the holder is told does not count.
fn beside(
    open: &Open<'_>,
    database: &Database<'_>,
    case: &Case,
    way: Way,
    (holds, sql): (&[&str], &str),
) -> Output {
    let mut holder = wire(open, database, way);
    for text in holds {
        holder.query(&database.fill(text)).expect("the holder is answered");
    }
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| psql(open, database, case, way).message(&database.fill(sql)));
        let end = Instant::now() + WAITS_MAX;
        while !sent.is_finished() && Instant::now() < end && database.admin(WAITING) == "0|" {
            std::thread::sleep(Duration::from_millis(20));
        }
        holder.query("COMMIT").expect("the holder is answered");
        sent.join().expect("the message is sent")
    })
}

fn guard(way: Way) -> Option<Guard> {
    match way {
        Way::Guarded(guard) => Some(guard),
        Way::Direct | Way::Open => None,
    }
}

fn psql(open: &Open<'_>, database: &Database<'_>, case: &Case, way: Way) -> Psql {
    let psql = match way {
        Way::Direct => open.postgres().app().database(&database.name),
        _ => open.gateway(guard(way)).psql(&open.token).database(&database.target()),
    };
    if case.options.is_empty() { psql } else { psql.environment("PGOPTIONS", case.options) }
}

fn wire(open: &Open<'_>, database: &Database<'_>, way: Way) -> Wire {
    if way == Way::Direct {
        let address = SocketAddr::from(([127, 0, 0, 1], open.postgres().port()));
        let mut wire = Wire::connect(address).expect("the server takes connections");
        let last = wire.sign_in(DIRECT_ROLE, &database.name, "").expect("signing in");
        assert_eq!(last.tag, b'Z', "{:?}", last.field(b'M'));
        return wire;
    }
    let mut wire = open.gateway(guard(way)).wire_tls();
    let last = wire.sign_in(APP_ROLE, &database.target(), &open.token).expect("signing in");
    assert_eq!(last.tag, b'Z', "{:?}", last.field(b'M'));
    wire
}

/// Every byte of the answers, less the numbers of tables and types, which are others in each
/// database. A connection that ends has said enough.
fn talk(mut wire: Wire, runs: &[Vec<u8>]) -> Vec<u8> {
    let mut seen = Vec::new();
    'runs: for run in runs {
        if wire.send(run).is_err() {
            break;
        }
        loop {
            let Ok(Message { tag, body }) = wire.message() else { break 'runs };
            seen.push(tag);
            seen.extend(if tag == b'T' { names(&body) } else { body });
            // The server waits for data, too, before it goes on.
            if matches!(tag, b'Z' | b'G' | b'W') {
                break;
            }
        }
    }
    seen
}

/// The columns' names of a RowDescription: a count, then a name and 18 bytes for each.
fn names(body: &[u8]) -> Vec<u8> {
    let mut rest = body.get(2..).unwrap_or_default();
    let mut names = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        names.extend_from_slice(rest.get(..=end).unwrap_or_default());
        rest = rest.get(end + 19..).unwrap_or_default();
    }
    names
}

/// The same statement through Parse, Bind and Execute, with nothing described: the answers in
/// text and in binary.
fn prepared(open: &Open<'_>, database: &Database<'_>, sql: &str, way: Way) -> Vec<u8> {
    let run = |binary| [parse("", sql), bind("", "", &[], binary), execute("", 0), sync()].concat();
    talk(wire(open, database, way), &[run(false), run(true)])
}

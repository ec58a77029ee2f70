//! From a protected connection to an open session: token, claims, target.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::ClientStream;
use super::runtime::{Gateway, Target};
use crate::audit::Recorder;
use crate::fault::{Blame, Fault};
use crate::identity::{Principal, Token};
use crate::limits::AUTH_MESSAGE_BYTES_MAX;
use crate::policy::{Generation, Instances, Judged};
use crate::protocol::postgres::backend;
use crate::protocol::postgres::frame::{self, Fields};
use crate::protocol::postgres::frontend;
use crate::protocol::postgres::replication::Mode;
use crate::protocol::postgres::startup::{self, Startup};
use crate::protocol::{Protocol, State};
use crate::session::{self, Session, Wanted};
use crate::upstream::postgres::Start;

/// Settings that drivers send on their own. Each is harmless to what is judged and masked.
const SETTINGS_USUAL: [&str; 5] =
    ["application_name", "datestyle", "extra_float_digits", "intervalstyle", "timezone"];

/// Asks for the token; `None` when the client leaves instead, as psql does to prompt its user.
pub(super) async fn ask_token(
    stream: &mut ClientStream,
    startup: &Startup,
) -> Result<Option<Token>, Fault> {
    let mut out = BytesMut::new();
    if let Some(negotiation) = startup.negotiation() {
        out.extend_from_slice(&negotiation);
    }
    backend::ask_password(&mut out);
    let mut buffer = BytesMut::new();
    if stream.write_all(&out).await.is_err() || stream.flush().await.is_err() {
        return Ok(None);
    }
    let frame = loop {
        let next = frame::next(&mut buffer, AUTH_MESSAGE_BYTES_MAX);
        if let Some(frame) = next.map_err(|_| malformed("its length is out of bounds"))? {
            break frame;
        }
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) if buffer.is_empty() => return Ok(None),
            Ok(0) | Err(_) => return Err(malformed("it is cut short")),
            Ok(_) => {}
        }
    };
    if frame.tag != b'p' {
        return Err(malformed("another message came in its place"));
    }
    if !buffer.is_empty() {
        return Err(malformed("more bytes came before the answer to it"));
    }
    let mut fields = Fields::new(frame.body);
    let text = fields.string().map_err(|_| malformed("it has no end"))?;
    fields.end().map_err(|_| malformed("bytes are left over"))?;
    let text = String::from_utf8(text.into()).map_err(|_| malformed("it is not UTF-8"))?;
    Ok(Some(Token::new(text)))
}

fn malformed(why: &str) -> Fault {
    let message = format!("the password message is malformed: {why}");
    Fault::new(Blame::Client, "password_malformed", "08P01", message)
}

/// The target that a client names by `dbname=TARGET` or `dbname=TARGET/DATABASE`.
pub(super) fn target<'a>(
    gateway: &Gateway,
    startup: &'a Startup,
) -> Result<(Arc<Target>, &'a str), Fault> {
    let user = startup.parameter("user").unwrap_or_default();
    let named = startup.parameter("database").unwrap_or(user);
    let (name, database) = named.split_once('/').unwrap_or((named, ""));
    let physical = startup::replication(startup) == Ok(Some(Mode::Physical));
    match gateway.target(name) {
        Some(target) if target.settings.protocol == Protocol::Postgres => Ok((target, database)),
        Some(_) | None if physical && name == DATABASE_OF_TOOLS => {
            physical_target(gateway, startup)
        }
        Some(_) | None => Err(Fault::new(
            Blame::Client,
            "target_unknown",
            "3D000",
            format!("there is no target \"{name}\" here"),
        )
        .hint("Connect with dbname=TARGET or dbname=TARGET/DATABASE; the operator names them.")),
    }
}

/// What pg_receivewal and pg_basebackup send as database whatever they are told, up to PostgreSQL
/// 16.
const DATABASE_OF_TOOLS: &str = "replication";
/// Names the target for them, in `options`.
const TARGET_SETTING: &str = "portcullis.target";

/// What a client names its task and ticket by, in `options`; both stay here.
const TASK_SETTING: &str = "portcullis.task";
const TICKET_SETTING: &str = "portcullis.ticket";
const WORK_SETTINGS: [&str; 2] = [TASK_SETTING, TICKET_SETTING];

/// The target of a tool that can't name one: by `options`, or the only one that is open to it.
fn physical_target<'a>(
    gateway: &Gateway,
    startup: &Startup,
) -> Result<(Arc<Target>, &'a str), Fault> {
    let settings = startup::settings(startup).unwrap_or_default();
    let named = settings.iter().find(|(name, _)| name == TARGET_SETTING);
    let found = match named {
        Some((_, name)) => gateway.target(name),
        None => gateway.physical_target(),
    };
    found.map(|target| (target, "")).ok_or_else(|| {
        let message = "it is not clear which target this physical replication is for";
        Fault::new(Blame::Client, "target_unknown", "3D000", message).hint(
            "Name it by options='-c portcullis.target=NAME' (PGOPTIONS); without it the only \
             target with replication = \"all\" is taken, if there is just one.",
        )
    })
}

/// The replication session that the client asks for, if the target is open to it.
pub(super) fn replication(
    startup: &Startup,
    target: &Target,
    session: &Session,
) -> Result<Option<Mode>, Fault> {
    let asked = startup::replication(startup).map_err(unstartable)?;
    let settings = &target.settings;
    match asked {
        Some(mode) if !settings.replication.opens(mode) => {
            let message = format!(
                "target \"{}\" is not open to connections with replication={}",
                settings.name,
                mode.word()
            );
            Err(Fault::new(Blame::Policy, "replication_refused", "0A000", message)
                .hint("The operator opens a target by `replication = \"logical\"` or \"all\"."))
        }
        Some(Mode::Physical) if !session.admitted_to_all(&settings.access, &settings.databases) => {
            let message = "physical replication holds every database, and not all are open to you";
            Err(Fault::new(Blame::Policy, "replication_refused", "42501", message)
                .hint("Use replication=database for the one that you may use."))
        }
        asked => Ok(asked),
    }
}

fn unstartable(refused: startup::Refused) -> Fault {
    let why = match refused {
        startup::Refused::Malformed(why) => why,
        startup::Refused::Version(..) => "the protocol version is not spoken here",
    };
    Fault::new(Blame::Client, "startup_malformed", "08P01", why)
}

/// Opens the session if the claims allow what the client wants.
pub(super) fn open(
    principal: Principal,
    target: &Target,
    startup: &Startup,
    database: &str,
    peer: SocketAddr,
) -> Result<Session, Fault> {
    let settings = &target.settings;
    let first = settings.databases.first().map(String::as_str).unwrap_or_default();
    let database = if database.is_empty() { first } else { database };
    let said = startup::settings(startup).map_err(unstartable)?;
    // As for a server, the last word counts.
    let work = |name: &str| {
        let of = said.iter().rfind(|(said, _)| said.eq_ignore_ascii_case(name));
        of.map(|(_, value)| value.as_str())
    };
    let wanted = Wanted {
        task: work(TASK_SETTING),
        ticket: work(TICKET_SETTING),
        target: &settings.name,
        protocol: "postgres",
        database,
        role: startup.parameter("user").unwrap_or_default(),
        client: startup.parameter("application_name").unwrap_or_default(),
        peer,
    };
    let session = session::open(principal, &settings.access, &wanted)?;
    if !settings.databases.iter().any(|known| known == database) {
        return Err(Fault::new(
            Blame::Client,
            "database_unknown",
            "3D000",
            format!("target \"{}\" has no database \"{database}\"", settings.name),
        )
        .hint(format!("Its databases are: {}.", settings.databases.join(", "))));
    }
    Ok(session)
}

/// Refuses what can't be started with at all, before anything is recorded of the session.
pub(super) fn settings(
    startup: &Startup,
    replication: Option<Mode>,
) -> Result<Vec<(String, String)>, Fault> {
    let mut settings = startup::settings(startup).map_err(unstartable)?;
    settings.retain(|(name, _)| {
        !WORK_SETTINGS.iter().any(|setting| name.eq_ignore_ascii_case(setting))
    });
    if replication == Some(Mode::Physical) {
        settings.retain(|(name, _)| name != TARGET_SETTING);
    }
    Ok(settings)
}

/// Judges the settings that the session is to start with, each as the statement that would set it.
/// What every driver sends, and what changes nothing of what is judged, goes without.
pub(super) async fn judge(
    asked: Vec<(String, String)>,
    target: &Target,
    session: &Session,
    policy: &Generation,
    recorder: &Recorder,
) -> Result<Start, Fault> {
    let mut instances = Instances::new(session, Arc::default());
    let role = Some(session.role().to_owned());
    let state = Arc::new(State { role, ..State::default() });
    let mut start = Start::default();
    let mut pending = Vec::new();
    for (name, value) in asked {
        let folded = name.to_ascii_lowercase();
        if folded == "client_encoding" {
            if !is_utf8(&value) {
                let message = format!("client_encoding \"{value}\" is refused");
                return Err(Fault::new(Blame::Client, "encoding_refused", "22023", message)
                    .hint("Statements are judged as UTF-8: use client_encoding=UTF8."));
            }
            continue;
        }
        if SETTINGS_USUAL.contains(&folded.as_str()) {
            start.settings.push((name, value));
            continue;
        }
        let request = frontend::start_setting(&name, &value, &target.grammar, &state)?;
        let denied = match policy.judge(&mut instances, request) {
            Judged::Decided(decided) => {
                pending.push(recorder.permit(decided).await?);
                continue;
            }
            Judged::Denied(denied) => denied,
            Judged::Held(held) => held.refuse(unasked()),
        };
        recorder.deny(&denied).await?;
        return Err(refused_setting(&name, denied.into_fault()));
    }
    for one in pending {
        start.granted.push(one.await?);
    }
    start.settings.push(("client_encoding".to_owned(), "UTF8".to_owned()));
    Ok(start)
}

fn unasked() -> Fault {
    Fault::new(
        Blame::Policy,
        "setting_held",
        "42501",
        "a person would have to approve it, and nobody can be asked before the session starts",
    )
}

/// The refusal of a setting, by its name.
fn refused_setting(name: &str, fault: Fault) -> Fault {
    let message = format!("the start-up setting \"{name}\" is refused: {}", fault.message);
    Fault { message: message.into(), ..fault }
        .hint("Connect without it. In a session, SET is judged by the same rules.")
}

/// libpq names SQL_ASCII under the C locale, where it means that any bytes pass; ours are UTF-8.
fn is_utf8(value: &str) -> bool {
    let plain: String =
        value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    matches!(plain.as_str(), "utf8" | "unicode" | "sqlascii")
}

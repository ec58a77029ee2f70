//! `sessions replay`: a recorded session once more.

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::Path;
use std::time::Duration;

use super::super::client::Client;
use super::super::{Stop, print};
use super::checked;
use crate::audit::bundle;
use crate::audit::verify::{Judgement, Pins, verify};
use crate::cli::{Against, CastFormat, ReplayArgs, Source};
use crate::demo::sandbox::{self, Sandbox};
use crate::limits::REPLAY_PAUSE_SECS_MAX;
use crate::replay::cast::{Cast, Event, Head, Version};
use crate::replay::{self, Line, Script};

/// Nothing could be compared.
const EXIT_UNSURE: u8 = 3;

pub(super) async fn run(args: ReplayArgs, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    if !(args.speed.is_finite() && args.speed > 0.0) {
        return Err(Stop::usage("--speed is a number above 0"));
    }
    let script = match &args.from {
        Some(file) => script(file)?,
        None => fetched(args.id.as_deref().unwrap_or_default(), &args.source).await?,
    };
    if let (Some(Against::Postgres), Some(schema)) = (args.against, &args.schema) {
        return again(&script, schema, out).await;
    }
    match args.format {
        Some(CastFormat::Asciicast) => cast(&script, Version::V3, out),
        Some(CastFormat::AsciicastV2) => cast(&script, Version::V2, out),
        None => show(&script, &args, out).await,
    }
}

/// Gets a bundle of the session, and the session out of it.
async fn fetched(id: &str, source: &Source) -> Result<Script, Stop> {
    let id = checked(id)?;
    let dir = tempfile::tempdir();
    let dir = dir.map_err(|error| Stop::failed(format!("no folder for the bundle: {error}")))?;
    let file = dir.path().join("session.tar");
    match &source.dir {
        Some(log) => {
            let made = bundle::from_folder(log, id, &file);
            if !made.map_err(|error| Stop::failed(error.to_string()))? {
                return Err(Stop::failed("the log has no such session"));
            }
        }
        None => {
            let client = Client::new(&source.admin)?;
            client.download(&format!("/v1/sessions/{id}/bundle"), &file).await?;
        }
    }
    script(&file)
}

/// Reads a bundle. One of a session that still runs is taken as far as it goes.
fn script(file: &Path) -> Result<Script, Stop> {
    match verify(file, &Pins::default()) {
        Judgement::Intact(_) | Judgement::Incomplete { .. } => {}
        judgement => {
            let code = judgement.exit_code();
            return Err(Stop { code, message: format!("not replayed: {judgement}").into() });
        }
    }
    let bytes = std::fs::read(file)
        .map_err(|error| Stop::failed(format!("can't read {}: {error}", file.display())))?;
    Script::read(&bytes).ok_or_else(|| Stop::failed("it is no bundle of one session"))
}

/// Prints the session: on a terminal with its pauses, elsewhere with its times.
async fn show(
    script: &Script,
    args: &ReplayArgs,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    let live = std::io::stdout().is_terminal();
    let Script { session, agent, target, role, .. } = script;
    print(out, &format!("{session}: {agent} on {target} as {role}"))?;
    let mut before = Duration::ZERO;
    for Line { at, time, text, .. } in replay::lines(script) {
        if args.step {
            out.flush()?;
            let entered = tokio::task::spawn_blocking(|| {
                std::io::stdin().lock().read_line(&mut String::new())
            });
            if matches!(entered.await, Ok(Ok(0) | Err(_)) | Err(_)) {
                return Ok(());
            }
        } else if live {
            out.flush()?;
            let pause = at.saturating_sub(before).as_secs_f64() / args.speed;
            let most = Duration::from_secs(REPLAY_PAUSE_SECS_MAX);
            tokio::time::sleep(Duration::from_secs_f64(pause.min(most.as_secs_f64()))).await;
        }
        before = at;
        if !live || args.step {
            print(out, &format!("{time}  +{:.3} s", at.as_secs_f64()))?;
        }
        print(out, &text)?;
    }
    Ok(())
}

/// Writes the session as a cast of a terminal in which psql ran.
fn cast(script: &Script, version: Version, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let Script { session, agent, target, .. } = script;
    let title = format!("{session}: {agent} on {target}");
    let head = Head { columns: 120, rows: 40, began: script.began / 1_000_000_000, title };
    let mut cast = Cast::begin(out, version, &head)?;
    for Line { at, marker, text, .. } in replay::lines(script) {
        if let Some(marker) = marker {
            cast.event(at, Event::Marker(&marker))?;
        }
        cast.event(at, Event::Output(text.replace('\n', "\r\n").as_bytes()))?;
    }
    cast.end().map(drop).map_err(Stop::from)
}

/// Runs the session again in a server of its own, and says what differs.
async fn again(script: &Script, schema: &Path, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let failed = |error: crate::demo::Error| Stop::failed(error.to_string());
    let schema = sandbox::schema(schema).map_err(failed)?;
    let server = Sandbox::start(&script.role, &schema).await.map_err(failed)?;
    let outcome = replay::against(script, &server.socket(), sandbox::DATABASE).await;
    let outcome = outcome.map_err(Stop::failed)?;
    for skipped in &outcome.skipped {
        print(out, &format!("not run or compared: {skipped}"))?;
    }
    for difference in &outcome.differences {
        let replay::Difference { request, what, recorded, replayed } = difference;
        print(out, &format!("request {request}: {what} were {recorded:?}, are {replayed:?}"))?;
    }
    let (ran, rows, differ) = (outcome.ran, outcome.rows_compared, outcome.differences.len());
    print(
        out,
        &format!("{ran} requests run again, rows of {rows} compared, {differ} differences"),
    )?;
    match (ran, differ) {
        (0, _) => Err(Stop { code: EXIT_UNSURE, message: "nothing could be compared".into() }),
        (_, 0) => Ok(()),
        _ => Err(Stop::failed("the session does not come out the same")),
    }
}

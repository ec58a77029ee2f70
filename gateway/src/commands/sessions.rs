//! `portcullis sessions`: what was recorded, from a running gateway or a folder at rest.

mod replay;
mod work;

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::client::Client;
use super::{Stop, print};
use crate::audit::reader::WorkKind;
use crate::audit::{self, Reader, report};
use crate::cli::{Format, Sessions, Source};

pub(super) async fn run(command: Sessions, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    match command {
        Sessions::List { source, limit } => list(&source, limit, out).await,
        Sessions::Report { task: Some(id), format, bundle, source, .. } => {
            work::report((WorkKind::Task, &id), format, bundle.as_deref(), &source, out).await
        }
        Sessions::Report { ticket: Some(id), format, bundle, source, .. } => {
            work::report((WorkKind::Ticket, &id), format, bundle.as_deref(), &source, out).await
        }
        Sessions::Report { id, bundle: Some(file), source, .. } => {
            bundle(checked(&id.unwrap_or_default())?, &file, &source, out).await
        }
        Sessions::Report { id, format, source, bundle: None, .. } => {
            let id = &id.unwrap_or_default();
            let id = checked(id)?;
            let report = match (&source.dir, format) {
                (Some(dir), format) => at_rest(dir, id, format)?,
                (None, Format::Html) => online(&source, id, "report?format=html").await?,
                (None, Format::Json) => online(&source, id, "report?format=json").await?,
                (None, Format::Text) => online(&source, id, "report?format=text").await?,
            };
            print(out, &report)
        }
        Sessions::Replay(args) => replay::run(args, out).await,
        Sessions::Show { id, source } => {
            let id = checked(&id)?;
            match &source.dir {
                Some(dir) => print(out, &at_rest(dir, id, Format::Json)?),
                None => {
                    let client = Client::new(&source.admin)?;
                    let session = client.read_json(&format!("/v1/sessions/{id}")).await?;
                    print(out, &format!("{session:#}"))
                }
            }
        }
    }
}

async fn online(source: &Source, id: &str, what: &str) -> Result<String, Stop> {
    Client::new(&source.admin)?.read(&format!("/v1/sessions/{id}/{what}")).await
}

/// Writes a session's report bundle to a new file.
async fn bundle(
    id: &str,
    file: &Path,
    source: &Source,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    if file.exists() {
        return Err(Stop::usage(format!("{} exists already", file.display())));
    }
    match &source.dir {
        Some(dir) => {
            let made = audit::bundle::from_folder(dir, id, file);
            if !made.map_err(|error| Stop::failed(error.to_string()))? {
                return Err(Stop::failed("the log has no such session"));
            }
        }
        None => {
            let client = Client::new(&source.admin)?;
            client.download(&format!("/v1/sessions/{id}/bundle"), file).await?;
        }
    }
    print(out, &format!("{}: check it with `portcullis audit verify`", file.display()))
}

async fn list(source: &Source, limit: usize, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    for session in summaries(source, limit).await? {
        print(out, &session.to_string())?;
    }
    Ok(())
}

/// The latest sessions in short, newest first.
pub(super) async fn summaries(source: &Source, limit: usize) -> Result<Vec<Value>, Stop> {
    let sessions = match &source.dir {
        Some(dir) => {
            let sessions = open(dir)?.sessions(limit);
            let sessions = sessions.map_err(|error| Stop::failed(error.to_string()))?;
            json!({ "sessions": sessions })
        }
        None => {
            let client = Client::new(&source.admin)?;
            client.read_json(&format!("/v1/sessions?limit={limit}")).await?
        }
    };
    Ok(sessions.get("sessions").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// The report of one session out of a folder that no gateway holds.
pub(super) fn at_rest(dir: &Path, id: &str, format: Format) -> Result<String, Stop> {
    let reader = open(dir)?;
    let session = reader.session(id).map_err(|error| Stop::failed(error.to_string()))?;
    let session = session.ok_or_else(|| Stop::failed("the log has no such session"))?;
    let report = report::report(&session, reader.public_key());
    match format {
        Format::Json => {
            report::json(&report).map_err(|_| Stop::failed("the report can't be written as JSON"))
        }
        Format::Html => Ok(report::html(&report)),
        Format::Text => Ok(report::text(&report)),
    }
}

fn open(dir: &Path) -> Result<Reader, Stop> {
    Reader::open(dir).map_err(|error| Stop::failed(error.to_string()))
}

pub(super) fn checked(id: &str) -> Result<&str, Stop> {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain && !id.is_empty() {
        return Ok(id);
    }
    Err(Stop::usage("the id of a session looks like ses_0190..."))
}

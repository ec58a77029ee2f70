//! `portcullis sessions`: what was recorded, from a running gateway or a folder at rest.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::client::Client;
use super::{Stop, print};
use crate::audit::Reader;
use crate::audit::entry::Entry;
use crate::audit::reader::{Payload, Record, SessionRecord};
use crate::cli::{Format, Sessions, Source};

pub(super) async fn run(command: Sessions, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    match command {
        Sessions::List { source, limit } => list(&source, limit, out).await,
        Sessions::Report { id, format, admin } => {
            let format = match format {
                Format::Json => "json",
                Format::Text => "text",
            };
            let path = format!("/v1/sessions/{}/report?format={format}", checked(&id)?);
            print(out, &Client::new(&admin)?.read(&path).await?)
        }
        Sessions::Show { id, source } => {
            let id = checked(&id)?;
            let session = match &source.dir {
                Some(dir) => show(dir, id)?,
                None => {
                    let client = Client::new(&source.admin)?;
                    client.read_json(&format!("/v1/sessions/{id}")).await?
                }
            };
            print(out, &format!("{session:#}"))
        }
    }
}

async fn list(source: &Source, limit: usize, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
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
    for session in sessions.get("sessions").and_then(Value::as_array).into_iter().flatten() {
        print(out, &session.to_string())?;
    }
    Ok(())
}

/// One session out of a folder that no gateway holds.
fn show(dir: &Path, id: &str) -> Result<Value, Stop> {
    let session = open(dir)?.session(id).map_err(|error| Stop::failed(error.to_string()))?;
    let Some(session) = session else {
        return Err(Stop::failed("the log has no such session"));
    };
    let SessionRecord { summary, records, gaps, more, checkpoint, inclusion } = session;
    Ok(json!({
        "session": summary,
        "entries": records.iter().map(record).collect::<Vec<Value>>(),
        "entries_not_shown": more,
        "gaps": gaps,
        "checkpoint": checkpoint,
        "inclusion": inclusion,
    }))
}

fn record(record: &Record) -> Value {
    let Record { index, leaf: _, entry, payload } = record;
    let payload = match payload {
        Payload::Damaged => Value::from("damaged"),
        Payload::None => Value::Null,
        Payload::Plain(bytes) => {
            serde_json::from_slice(bytes).unwrap_or_else(|_| "not text".into())
        }
        Payload::Sealed => Value::from("sealed"),
    };
    json!({ "index": index, "kind": entry.kind, "body": body(entry), "payload": payload })
}

fn body(entry: &Entry) -> Value {
    entry.body().unwrap_or_default()
}

fn open(dir: &Path) -> Result<Reader, Stop> {
    Reader::open(dir).map_err(|error| Stop::failed(error.to_string()))
}

fn checked(id: &str) -> Result<&str, Stop> {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain && !id.is_empty() {
        return Ok(id);
    }
    Err(Stop::usage("the id of a session looks like ses_0190..."))
}

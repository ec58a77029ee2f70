//! `portcullis sessions`: what was recorded.

use std::io::Write;

use serde_json::Value;

use super::client::Client;
use super::{Stop, print};
use crate::cli::{Format, Sessions};

pub(super) async fn run(command: Sessions, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    match command {
        Sessions::List { admin, limit } => {
            let path = format!("/v1/sessions?limit={limit}");
            let list = Client::new(&admin)?.read_json(&path).await?;
            for session in list.get("sessions").and_then(Value::as_array).into_iter().flatten() {
                print(out, &session.to_string())?;
            }
            Ok(())
        }
        Sessions::Report { id, format, admin } => {
            let format = match format {
                Format::Json => "json",
                Format::Text => "text",
            };
            let path = format!("/v1/sessions/{}/report?format={format}", checked(&id)?);
            print(out, &Client::new(&admin)?.read(&path).await?)
        }
        Sessions::Show { id, admin } => {
            let path = format!("/v1/sessions/{}", checked(&id)?);
            let session = Client::new(&admin)?.read_json(&path).await?;
            print(out, &format!("{session:#}"))
        }
    }
}

fn checked(id: &str) -> Result<&str, Stop> {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain && !id.is_empty() {
        return Ok(id);
    }
    Err(Stop::usage("the id of a session looks like ses_0190..."))
}

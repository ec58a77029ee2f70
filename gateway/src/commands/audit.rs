//! `portcullis audit`: copies of the log, and the judgement of one.

mod recover;

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::client::Client;
use super::{Stop, print};
use crate::audit::entry::Entry;
use crate::audit::verify::{EXIT_CANNOT_JUDGE, Judgement, Pins, verify};
use crate::audit::{Reader, tiles};
use crate::cli::{AdminArgs, Audit};

pub(super) async fn run(command: Audit, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    match command {
        Audit::Entries { path, kind } => entries(&path, kind.as_deref(), out),
        Audit::Recover { config, by, reason } => recover::run(&config, (&by, &reason), out).await,
        Audit::Reindex { admin } => {
            let client = Client::new(&admin)?;
            client.write("/v1/search/reindex", &json!({})).await?;
            print(out, "the search index is made anew; searches read the log meanwhile")
        }
        Audit::Snapshot { admin, out: file } => {
            let client = Client::new(&admin)?;
            if file.exists() {
                return Err(Stop::usage(format!("{} exists already", file.display())));
            }
            let bytes = client.download("/v1/log/snapshot", &file).await?;
            print(out, &format!("{}: {bytes} bytes", file.display()))
        }
        Audit::Tiles { path, out: dir } => {
            let entries = tiles::export(&path, &dir);
            let entries = entries.map_err(|error| Stop::failed(error.to_string()))?;
            print(out, &format!("{}: {entries} entries", dir.display()))
        }
        Audit::Verify { path, admin, key, checkpoint, json } => {
            let pins = Pins { key_file: key, checkpoint_file: checkpoint };
            let judgement = match path {
                Some(path) => verify(&path, &pins),
                None => live(&admin, &pins).await?,
            };
            told(&judgement, json, out)
        }
    }
}

/// Judges a fresh copy of a running gateway's log. A log that can't be had can't be judged.
async fn live(admin: &AdminArgs, pins: &Pins) -> Result<Judgement, Stop> {
    let unjudged = |stop: Stop| Stop { code: EXIT_CANNOT_JUDGE, ..stop };
    let client = Client::new(admin)?;
    let dir = tempfile::tempdir()
        .map_err(|error| unjudged(Stop::failed(format!("no folder for the copy: {error}"))))?;
    let copy = dir.path().join("copy.redb");
    client.download("/v1/log/snapshot", &copy).await.map_err(unjudged)?;
    Ok(verify(&copy, pins))
}

fn told(judgement: &Judgement, json: bool, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let text = if json {
        serde_json::to_string(judgement)
            .map_err(|_| Stop::failed("the judgement can't be written as JSON"))?
    } else {
        judgement.to_string()
    };
    print(out, &text)?;
    match judgement.exit_code() {
        0 => Ok(()),
        code => Err(Stop { code, message: "".into() }),
    }
}

/// Each entry as it is stored, with its place in the log put before its other fields.
fn entries(path: &Path, wanted: Option<&str>, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let opened = if path.is_dir() { Reader::open(path) } else { Reader::open_copy(path) };
    let reader = opened.map_err(|error| Stop::failed(error.to_string()))?;
    let mut printed = Ok(());
    let read = reader.entries(&mut |index, line| {
        let kind = Entry::read(line).map(|entry| entry.kind);
        if wanted.is_some_and(|wanted| kind.is_ok_and(|kind| kind != wanted)) {
            return true;
        }
        let text = String::from_utf8_lossy(line);
        // An entry that can't be read is shown as what it is, never left out.
        let shown = match text.strip_prefix('{') {
            Some(fields) => format!("{{\"index\":{index},{fields}"),
            None => format!("{{\"index\":{index},\"unreadable\":{}}}", json!(text)),
        };
        printed = print(out, &shown);
        printed.is_ok()
    });
    read.map_err(|error| Stop::failed(error.to_string()))?;
    printed
}

//! `portcullis audit`: copies of the log, and the judgement of one.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::client::Client;
use super::{Stop, print};
use crate::audit::Reader;
use crate::audit::entry::Entry;
use crate::audit::verify::{Pins, verify};
use crate::cli::Audit;

pub(super) async fn run(command: Audit, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    match command {
        Audit::Entries { path, kind } => entries(&path, kind.as_deref(), out),
        Audit::Snapshot { admin, out: file } => {
            let client = Client::new(&admin)?;
            if file.exists() {
                return Err(Stop::usage(format!("{} exists already", file.display())));
            }
            let bytes = client.download("/v1/log/snapshot", &file).await?;
            print(out, &format!("{}: {bytes} bytes", file.display()))
        }
        Audit::Verify { path, key, checkpoint, json } => {
            let judgement = verify(&path, &Pins { key_file: key, checkpoint_file: checkpoint });
            let text = if json {
                serde_json::to_string(&judgement)
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

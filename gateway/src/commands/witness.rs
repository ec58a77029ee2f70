//! `portcullis witness`: remembers checkpoints of logs elsewhere.

use std::io::Write;
use std::path::Path;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::Stop;
use crate::cli::WitnessArgs;
use crate::note::VerifierKey;
use crate::witness::{Book, Settings, Witness};

/// Prints one JSON line with its address and public key, then `{"ready":true}`.
pub(super) async fn run(args: WitnessArgs, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let WitnessArgs { listen, dir, name, log, certificate, key } = args;
    let logs = log.iter().map(|file| log_key(file)).collect::<Result<Vec<_>, Stop>>()?;
    let book = Book::open(&dir, &name, logs).map_err(Stop::usage)?;
    let public = book.key().text();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let settings = Settings { listen, tls: certificate.zip(key) };
    let witness = Witness::bind(&settings, book).await.map_err(Stop::usage)?;
    let address = witness.address().to_string();
    writeln!(out, "{}", json!({ "listening": "witness", "address": address, "key": public }))?;
    writeln!(out, "{}", json!({ "ready": true }))?;
    out.flush()?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    witness.serve(stop).await;
    Ok(())
}

fn log_key(file: &Path) -> Result<VerifierKey, Stop> {
    let wrong = |why: String| Stop::usage(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    VerifierKey::read(&text).map_err(|error| wrong(error.to_string()))
}

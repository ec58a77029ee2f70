//! `portcullis serve`: the gateway, until it is told to stop.

use std::io::Write;
use std::path::Path;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::Stop;
use crate::cli::{EXIT_CONTRADICTED, EXIT_FAILED};
use crate::{config, pipeline};

/// Prints one JSON line for each address it answers on, then `{"ready":true}`, so that whoever
/// starts it with port 0 learns the real ports. Ends in good order on SIGTERM and SIGINT.
pub(super) async fn run(file: &Path, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let config = config::load(file).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Stop::usage(lines.join("\n"))
    })?;
    // Taken before anything starts, so that no signal falls between.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = pipeline::start(config).await.map_err(|why| {
        let message = why.errors.join("\n").into();
        Stop { code: if why.contradicted { EXIT_CONTRADICTED } else { EXIT_FAILED }, message }
    })?;
    for bound in running.bound() {
        let line = json!({
            "listening": bound.kind,
            "name": bound.name,
            "address": bound.address.to_string(),
        });
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{}", json!({ "ready": true }))?;
    out.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

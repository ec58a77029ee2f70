//! `portcullis exports`: how far each sink has the log.

use std::io::Write;

use serde_json::Value;

use super::client::Client;
use super::{Stop, print};
use crate::cli::AdminArgs;

pub(super) async fn run(admin: &AdminArgs, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let status = Client::new(admin)?.read_json("/v1/status").await?;
    let exports = status.get("exports").and_then(Value::as_array);
    for export in exports.into_iter().flatten() {
        let text = |name: &str| export.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| export.get(name).and_then(Value::as_u64).unwrap_or(0);
        let mut line = format!(
            "{} ({}, {}): {} entries acknowledged, {} behind",
            text("name"),
            text("sink"),
            text("format"),
            number("acknowledged"),
            number("behind"),
        );
        if number("waiting_secs") > 0 {
            line.push_str(&format!(" for {} s", number("waiting_secs")));
        }
        if export.get("blocking") == Some(&Value::Bool(true)) {
            line.push_str(", stopping the sessions");
        }
        if !text("last_error").is_empty() {
            line.push_str(&format!("; {}", text("last_error")));
        }
        print(out, &line)?;
    }
    Ok(())
}

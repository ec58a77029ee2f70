//! `portcullis search`: what of the log fits a query.

use std::io::Write;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::client::Client;
use super::{Stop, print};
use crate::cli::AdminArgs;

pub(super) async fn run(
    admin: &AdminArgs,
    query: &str,
    limit: usize,
    as_json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    let client = Client::new(admin)?;
    let text = client.write("/v1/search", &json!({ "query": query, "limit": limit })).await?;
    if as_json {
        return print(out, &text);
    }
    let answer: Value = serde_json::from_str(&text)
        .map_err(|_| Stop::failed("the gateway did not answer in JSON"))?;
    let hits = answer.get("hits").and_then(Value::as_array);
    for hit in hits.into_iter().flatten() {
        print(out, &line(hit))?;
    }
    let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    let shown = hits.map_or(0, Vec::len);
    let mut end = format!("{shown} of {} hits", number("total"));
    if answer.get("complete") != Some(&Value::Bool(true)) {
        let (indexed, entries) = (number("indexed"), number("entries"));
        end.push_str(&format!(
            "; the index has {indexed} of {entries} entries, ask again when it has all"
        ));
    }
    print(out, &end)
}

/// One hit: index, time, who, target, verdict, and what was asked.
fn line(hit: &Value) -> String {
    let text = |name: &str| hit.get(name).and_then(Value::as_str).unwrap_or("-");
    let index = hit.get("index").and_then(Value::as_u64).unwrap_or(0);
    let nanos = hit.get("time").and_then(Value::as_u64).unwrap_or(0);
    let time = OffsetDateTime::from_unix_timestamp_nanos(
        i128::from(nanos / 1_000_000_000) * 1_000_000_000,
    );
    let time = time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default();
    let what = match text("statement") {
        "-" => text("detail"),
        statement => statement,
    };
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "{index:>8}  {time}  {}  {} for {}  {}  {}  {}  {what}",
        text("type"),
        text("agent"),
        text("person"),
        text("target"),
        text("verdict"),
        text("session"),
    )
}

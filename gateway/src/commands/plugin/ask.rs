//! `plugin run`, `plugin test` and `plugin bench`: asking a plugin what cases ask.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::super::{Stop, print};
use super::trial;
use crate::cli::plugin::Subject;
use crate::limits::GOLDEN_FILE_BYTES_MAX;
use crate::policy::{Answer, Figures, Golden, Heard, Shown};

/// Asks one question and prints the answer.
pub(super) fn run(
    subject: &Subject,
    case: &Path,
    as_json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    let json = trial::bytes(case, GOLDEN_FILE_BYTES_MAX)?;
    let trial = trial::load(subject)?.map_err(Stop::failed)?;
    let answer = trial.run(&json);
    let answer = answer.map_err(|why| Stop::failed(format!("{}: {why}", case.display())))?;
    let text = match &answer {
        _ if as_json => serde_json::to_string(&answer)
            .map_err(|_| Stop::failed("the answer can't be written as JSON"))?,
        Answer::Heard(heard) => heard_text(heard),
        Answer::Shown(shown) => shown_text(shown),
    };
    print(out, &text)
}

fn heard_text(heard: &Heard) -> String {
    let decision = format!("{:?}", heard.decision).to_lowercase();
    let mut lines = vec![format!("{decision}, risk {}", heard.risk)];
    let why = heard.rule.iter().zip(&heard.reason);
    lines.extend(why.map(|(rule, reason)| format!("  {rule}: {reason}")));
    if !heard.approvers.is_empty() {
        lines.push(format!("  approvers: {}", heard.approvers.join(", ")));
    }
    let findings = heard.findings.iter();
    lines.extend(findings.map(|one| format!("  {} ({}): {}", one.rule, one.score, one.message)));
    lines.join("\n")
}

fn shown_text(shown: &Shown) -> String {
    let mut lines: Vec<String> =
        shown.hidden.iter().map(|column| format!("hidden  {column}")).collect();
    match &shown.rows {
        None => lines.push("withheld".to_owned()),
        Some(rows) => {
            let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
            let row =
                |row: &Vec<Option<String>>| row.iter().map(cell).collect::<Vec<_>>().join(" | ");
            lines.extend(rows.iter().map(row));
        }
    }
    lines.join("\n")
}

/// Runs a plugin's own tests.
pub(super) fn test(
    subject: &Subject,
    cases: &Path,
    as_json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    let golden = golden(cases)?;
    let (engine, settings) = trial::parts(subject)?;
    let results = engine.test(&settings, &golden);
    let results = results.map_err(|found| Stop::failed(trial::problems(&found)))?;
    let failed = results.iter().filter(|one| one.failure.is_some()).count();
    if as_json {
        let list: Vec<_> =
            results.iter().map(|one| json!({ "name": one.name, "failure": one.failure })).collect();
        let passed = results.len() - failed;
        let told = json!({ "passed": passed, "failed": failed, "cases": list });
        print(out, &told.to_string())?;
    } else {
        for one in &results {
            match &one.failure {
                None => print(out, &format!("pass  {}", one.name))?,
                Some(why) => print(out, &format!("FAIL  {}: {why}", one.name))?,
            }
        }
        print(out, &format!("{} passed, {failed} failed", results.len() - failed))?;
    }
    if failed == 0 { Ok(()) } else { Err(Stop::failed("")) }
}

/// Measures a plugin on its own tests.
pub(super) fn bench(
    subject: &Subject,
    cases: &Path,
    millis: u64,
    as_json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    let golden = golden(cases)?;
    let trial = trial::load(subject)?.map_err(Stop::failed)?;
    let figures = trial.bench(&golden, Duration::from_millis(millis)).map_err(Stop::failed)?;
    if as_json {
        let text = serde_json::to_string(&figures)
            .map_err(|_| Stop::failed("the figures can't be written as JSON"))?;
        return print(out, &text);
    }
    figures.iter().try_for_each(|one| print(out, &figures_text(one)))
}

fn figures_text(figures: &Figures) -> String {
    let rate = figures.bytes_per_sec.map(|bytes| format!(", {} MB/s", bytes / 1_000_000));
    format!(
        "{}\n  call {} ns (p99 {}){}; start {} us; {} KiB; {} calls",
        figures.name,
        figures.call_nanos,
        figures.call_nanos_p99,
        rate.unwrap_or_default(),
        figures.start_nanos / 1000,
        figures.memory_bytes / 1024,
        figures.calls
    )
}

fn golden(file: &Path) -> Result<Golden, Stop> {
    let json = trial::bytes(file, GOLDEN_FILE_BYTES_MAX)?;
    Golden::read(&json).map_err(|why| Stop::usage(format!("{}: {why}", file.display())))
}

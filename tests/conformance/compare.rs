//! The gateway's run beside the direct one; what differs must be accepted, with a reason.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use portcullis_tests::{folder, process};

use crate::kit::{Run, read};

/// Longest run of diff(1).
const DIFF_SECS_MAX: Duration = Duration::from_secs(60);
/// Lines of a difference that are shown; the whole of it is in the folder of the reports.
const SHOWN_LINES_MAX: usize = 30;

/// What a comparison found.
#[derive(Default)]
pub(crate) struct Verdict {
    /// Differences that were reviewed and accepted.
    pub(crate) accepted: Vec<String>,
    /// Everything else: the run fails.
    pub(crate) faults: Vec<String>,
}

/// Compares two runs of `suite`. A test that did as PostgreSQL expects is right by that alone.
pub(crate) fn compare(suite: &str, direct: &Run, gateway: &Run, reports: &Path) -> Verdict {
    let mut verdict = Verdict::default();
    if direct.passed() < direct.tests.len() {
        let what = "fails without the gateway, so nothing can be said";
        verdict.faults.push(format!("{suite} {what}:\n{}", direct.differences()));
    }
    for (test, _) in direct.tests.iter().filter(|(test, _)| !has(gateway, test)) {
        verdict.faults.push(format!("{suite}/{test} did not run through the gateway"));
    }
    let folder = reports.join(suite);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder beside the programs can be made");
    folder::write(&folder.join("log"), &gateway.said);
    for (test, passed) in &gateway.tests {
        let file = accepted_file(suite, test);
        if *passed {
            if file.is_file() {
                let what = format!("{suite}/{test} is right; remove {}", file.display());
                verdict.faults.push(what);
            }
            continue;
        }
        let found = difference(&direct.result(test), &gateway.result(test));
        folder::write(&folder.join(format!("{test}.diff")), &found);
        if file.is_file() && body(&read(&file)) == found {
            verdict.accepted.push(format!("{suite}/{test}: {}", reason(&read(&file))));
        } else {
            verdict.faults.push(fault(suite, test, &found, file.is_file()));
        }
    }
    verdict
}

fn has(run: &Run, test: &str) -> bool {
    run.tests.iter().any(|(name, _)| name == test)
}

/// Where an accepted difference of a test stands, if there is one: lines of `#` that say why,
/// then the difference.
fn accepted_file(suite: &str, test: &str) -> PathBuf {
    let here = folder::repository().join("tests/conformance/accepted");
    here.join(suite).join(format!("{test}.diff"))
}

fn reason(accepted: &str) -> String {
    let lines = accepted.lines().take_while(|line| line.starts_with('#'));
    lines.map(|line| line.trim_start_matches('#').trim()).collect::<Vec<_>>().join(" ")
}

fn body(accepted: &str) -> String {
    let lines = accepted.lines().skip_while(|line| line.starts_with('#'));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// What diff(1) says, without the files' names and times.
fn difference(direct: &Path, gateway: &Path) -> String {
    let mut command = Command::new("diff");
    command.args(["--text", "--unified", "--label", "direct", "--label", "gateway"]);
    command.arg(direct).arg(gateway);
    process::run(command, "", DIFF_SECS_MAX).stdout
}

fn fault(suite: &str, test: &str, found: &str, other_accepted: bool) -> String {
    let mut text = format!("{suite}/{test} differs");
    if other_accepted {
        text.push_str(", and not as accepted");
    }
    for line in found.lines().take(SHOWN_LINES_MAX) {
        write!(text, "\n    {line}").expect("a string can be written to");
    }
    let left = found.lines().count().saturating_sub(SHOWN_LINES_MAX);
    if left > 0 {
        write!(text, "\n    ... and {left} lines more").expect("a string can be written to");
    }
    text
}

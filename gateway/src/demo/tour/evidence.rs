//! What remains: the report of a session, and a log that shows when it was changed.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use super::{Tour, limit, program};
use crate::demo::Error;
use crate::demo::child::{Child, Ran};
use crate::demo::show::Show;
use crate::limits::DEMO_TAMPER_TRIES;

const REPORT_FILE: &str = "report.txt";
const SNAPSHOT_FILE: &str = "log-copy.redb";
const CHANGED_FILE: &str = "log-changed.redb";

/// The approver in the entry of the approval, as it is stored, and what somebody might make of
/// it.
const STORED: &[u8] = b"\"subject\":\"bob@shop.example\"";
const CHANGED: &[u8] = b"\"subject\":\"rob@shop.example\"";

/// The report of the session that waited.
pub(super) async fn report(
    tour: &Tour<'_>,
    show: &mut Show<'_>,
    session: &str,
) -> Result<(), Error> {
    show.heading("5. The report of the session that waited: who did what, in order")?;
    let ran = tour.bob(show, &["sessions", "report", session]).await?;
    let file = tour.place.folder().write(REPORT_FILE, &ran.text)?;
    if show.output_cut(&ran.text)? {
        show.item("...", &format!("whole in {}", show.path(&file)))?;
    } else {
        show.item("kept in", &show.path(&file))?;
    }
    let told = |what: &str| ran.text.contains(what);
    show.check(ran.code == Some(0) && told(session), "an auditor can read it")?;
    show.check(
        told("alice@shop.example") && told("0oa1shopagent"),
        "it names Alice and the agent",
    )?;
    show.check(told("DELETE FROM orders"), "it has the statement word for word")?;
    show.check(told("bob@shop.example"), "it names who said yes")?;
    Ok(())
}

/// A copy of the live log is intact; with one byte of an entry changed it is not.
pub(super) async fn verified(tour: &Tour<'_>, show: &mut Show<'_>) -> Result<(), Error> {
    show.heading("6. The log proves itself: one changed byte is found")?;
    let copy = tour.file(SNAPSHOT_FILE);
    let shown = show.path(&copy);
    let ran = tour.bob(show, &["audit", "snapshot", "--out", &shown]).await?;
    show.output(&ran.text)?;
    if !show.check(ran.code == Some(0), "the running gateway gives out a copy of its log")? {
        return Ok(());
    }
    let intact = verify(show, &copy, true).await?;
    show.output(&intact.text)?;
    let good = intact.code == Some(0) && intact.text.contains("intact");
    show.check(good, "the copy is intact")?;

    let changed = tour.file(CHANGED_FILE);
    show.say("Now somebody makes it Rob who said yes: in a copy, one letter of one entry.")?;
    let found = tamper(show, &copy, &changed).await?;
    let typed = verify_typed(show, &changed)?;
    show.command(&typed)?;
    if let Some(found) = &found {
        show.output(&found.text)?;
    }
    let named =
        found.is_some_and(|ran| ran.code == Some(1) && ran.text.contains("first bad entry"));
    show.check(named, "the verifier names the first bad entry and exits with 1")?;
    Ok(())
}

/// Changes one stored byte and verifies. A store may keep stale pieces of pages that hold the
/// same text and are no entry, so the places are tried in turn.
async fn tamper(show: &mut Show<'_>, from: &Path, to: &Path) -> Result<Option<Ran>, Error> {
    let failed = |error: std::io::Error| Error::file("copy", from, &error);
    let bytes = fs::read(from).map_err(failed)?;
    for at in places(&bytes, STORED).into_iter().take(DEMO_TAMPER_TRIES) {
        let mut changed = bytes.clone();
        if let Some(stored) = changed.get_mut(at..at + STORED.len()) {
            stored.copy_from_slice(CHANGED);
        }
        fs::write(to, &changed).map_err(|error| Error::file("write", to, &error))?;
        let ran = verify(show, to, false).await?;
        if ran.code != Some(0) {
            return Ok(Some(ran));
        }
    }
    Ok(None)
}

/// Every place where `wanted` stands in `bytes`.
fn places(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(wanted.len()).enumerate();
    windows.filter(|(_, window)| *window == wanted).map(|(at, _)| at).collect()
}

async fn verify(show: &mut Show<'_>, file: &Path, typed: bool) -> Result<Ran, Error> {
    if typed {
        let typed = verify_typed(show, file)?;
        show.command(&typed)?;
    }
    let mut command = Command::new(program()?);
    command.args(["audit", "verify"]).arg(file);
    Child::start(command, "", limit(1)).await?.end().await
}

fn verify_typed(show: &Show<'_>, file: &Path) -> Result<String, Error> {
    Ok(format!("{} audit verify {}", show.path(&program()?), show.path(file)))
}

#[cfg(test)]
mod tests;

//! `audit recover`: a person begins a new log in place of one that an anchor contradicts.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::super::{Stop, print};
use crate::audit::{AnchorOutcome, Log, put_aside};
use crate::config::{self, Config};
use crate::export::anchor::{AnchorPlace, Anchors};

pub(super) async fn run(
    file: &Path,
    (by, reason): (&str, &str),
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    if by.trim().is_empty() || reason.trim().is_empty() {
        return Err(Stop::usage("--by and --reason go into the log; neither may be empty"));
    }
    let config = config::load(file).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Stop::usage(lines.join("\n"))
    })?;
    let failed = |error: crate::audit::Error| Stop::failed(error.to_string());
    let compared = {
        // Takes the log for itself, and so finds a gateway that runs.
        let prepared = Log::prepare(&config.log).map_err(failed)?;
        let standing = prepared.standing().map_err(failed)?;
        let compared =
            Anchors::compare(&config.anchors, &config.anchor_dir, standing.as_ref()).await;
        compared.map_err(|errors| Stop::failed(errors.join("\n")))?
    };
    let against: Vec<&str> = compared
        .checks
        .iter()
        .filter(|check| check.outcome == AnchorOutcome::Contradicts)
        .map(|check| check.anchor.as_str())
        .collect();
    if against.is_empty() {
        return Err(Stop::failed(
            "no anchor contradicts the log: there is nothing to recover from",
        ));
    }
    let moved = files_aside(&config, &against)?;
    let kept = put_aside(&config.log, (by, reason), compared.checks.clone()).map_err(failed)?;
    for (from, to) in &moved {
        print(out, &format!("{} is kept as {}", from.display(), to.display()))?;
    }
    print(out, &format!("the log is kept as {}", kept.display()))?;
    print(out, "the next start begins a new log; give its log.vkey to the witnesses")
}

/// Puts the files of these anchors aside, so that the new log may use the place.
fn files_aside(config: &Config, against: &[&str]) -> Result<Vec<(PathBuf, PathBuf)>, Stop> {
    let mut moved = Vec::new();
    for anchor in config.anchors.iter().filter(|it| against.contains(&it.name.as_str())) {
        let AnchorPlace::File { path } = &anchor.place else { continue };
        let aside = (1_u32..).map(|number| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".kept-{number}"));
            PathBuf::from(name)
        });
        let Some(aside) = aside.into_iter().find(|path| !path.exists()) else { continue };
        std::fs::rename(path, &aside)
            .map_err(|error| Stop::failed(format!("can't move {}: {error}", path.display())))?;
        moved.push((path.clone(), aside));
    }
    Ok(moved)
}

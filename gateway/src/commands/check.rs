//! `portcullis check`: every mistake of a configuration, and nothing is started.

use std::io::Write;
use std::path::Path;

use super::{Stop, print};
use crate::config;

pub(super) fn run(file: &Path, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    match config::load(file) {
        Ok(config) => {
            let plugins: usize = config.targets.iter().map(|t| t.policy.plugins.len()).sum();
            let line = format!(
                "{}: no mistake (issuers {}, listeners {}, targets {}, plugins {plugins})",
                file.display(),
                config.issuers.len(),
                config.listeners.len(),
                config.targets.len(),
            );
            print(out, &line)
        }
        Err(mistakes) => {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            Err(Stop::usage(lines.join("\n")))
        }
    }
}

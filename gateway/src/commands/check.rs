//! `portcullis check`: every mistake of a configuration, and nothing is started.

use std::io::Write;
use std::path::Path;

use super::{Stop, print};
use crate::config;
use crate::policy::{Engine, Problem};

pub(super) fn run(file: &Path, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let config = config::load(file).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Stop::usage(lines.join("\n"))
    })?;
    // A component that can't be loaded, or that refuses its settings, would stop `serve` too.
    let engine = Engine::new(None).map_err(|problem| Stop::failed(problem.to_string()))?;
    let mut problems = Vec::new();
    let mut plugins = 0;
    for target in &config.targets {
        plugins += target.policy.plugins.len();
        let told = |problem: Problem| {
            let Problem { plugin, message, .. } = problem;
            let plugin = plugin.map(|name| format!("plugin \"{name}\": ")).unwrap_or_default();
            format!("{}: {plugin}{message}", target.policy.file.display())
        };
        problems.extend(engine.load(&target.policy).err().into_iter().flatten().map(told));
    }
    if !problems.is_empty() {
        // Targets that share a policy share its problems.
        problems.sort();
        problems.dedup();
        return Err(Stop::usage(problems.join("\n")));
    }
    let line = format!(
        "{}: no mistake (issuers {}, listeners {}, targets {}, plugins {plugins})",
        file.display(),
        config.issuers.len(),
        config.listeners.len(),
        config.targets.len(),
    );
    print(out, &line)
}

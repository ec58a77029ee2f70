//! `portcullis check`: every mistake of a configuration, and nothing is started.

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use super::{Stop, print};
use crate::config;
use crate::policy::{Engine, Mode, OnError, PluginSettings, Problem, RiskAcceptance};

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
    print(out, &line)?;
    for target in &config.targets {
        for plugin in &target.policy.plugins {
            for looser in looser(plugin) {
                let (name, plugin) = (&target.name, &plugin.name);
                print(out, &format!("target \"{name}\": plugin \"{plugin}\" {looser}"))?;
            }
        }
    }
    Ok(())
}

/// What is looser of a plugin than it could be.
fn looser(plugin: &PluginSettings) -> Vec<String> {
    let mut said = Vec::new();
    match &plugin.mode {
        Mode::Enforce => {}
        Mode::Shadow => said.push("does not act (mode shadow)".to_owned()),
        Mode::Canary { percent, principals } => said.push(format!(
            "acts in {percent} of a hundred sessions and for {} subjects (mode canary)",
            principals.len()
        )),
    }
    if let OnError::Allow(RiskAcceptance { by, because, .. }) = &plugin.on_error {
        said.push(format!("lets through what it fails to judge; {by} answers for it: {because}"));
    }
    if let OnError::Allow(accepted) = &plugin.on_error
        && !accepted.holds_at(SystemTime::now())
    {
        said.push("denies what it fails to judge, for that acceptance has ended".to_owned());
    }
    said
}

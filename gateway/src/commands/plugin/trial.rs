//! A plugin as the commands try it: from a file and what the command line gives it, or from a
//! policy.

use std::path::{Path, PathBuf};

use super::super::Stop;
use crate::cli::plugin::Subject;
use crate::config::{self, Mistake};
use crate::limits::CONFIG_FILE_BYTES_MAX;
use crate::policy::{Engine, PluginSettings, PolicySettings, Problem, Trial, component};

/// The engine of the commands. What it compiles is kept with the tools, since an interpreter in a
/// component takes long to compile.
pub(super) fn engine() -> Result<Engine, Stop> {
    let kept = Engine::new(Some(&component::tools().join("compiled")));
    kept.or_else(|_| Engine::new(None)).map_err(|problem| Stop::failed(problem.to_string()))
}

/// The engine, and the plugin that the command line names.
pub(super) fn parts(subject: &Subject) -> Result<(Engine, PluginSettings), Stop> {
    let settings = policy(subject)?.plugins.into_iter().next();
    let settings = settings.ok_or_else(|| Stop::usage("the policy has no such plugin"))?;
    Ok((engine()?, settings))
}

/// Loads the plugin that the command line names. The inner error is the plugin's.
pub(super) fn load(subject: &Subject) -> Result<Result<Trial, String>, Stop> {
    let (engine, settings) = parts(subject)?;
    Ok(engine.trial(&settings).map_err(|found| problems(&found)))
}

/// A policy of the one plugin alone, which allows what it does not object to.
fn policy(subject: &Subject) -> Result<PolicySettings, Stop> {
    if let Some(file) = &subject.policy {
        let mut policy = config::load_policy(file).map_err(mistakes)?;
        let name = subject.plugin.to_string_lossy();
        policy.plugins.retain(|plugin| plugin.name == *name);
        if policy.plugins.is_empty() {
            let what = format!("{} has no plugin named \"{name}\"", file.display());
            return Err(Stop::usage(what));
        }
        return Ok(policy);
    }
    let lines = [("memory_mib_max", subject.memory_mib), ("call_millis_max", subject.call_millis)];
    let lines = lines.iter().filter_map(|(key, value)| Some(format!("{key} = {}\n", (*value)?)));
    alone(
        &subject.plugin,
        subject.settings.as_deref(),
        &subject.grants,
        ("", &lines.collect::<String>()),
    )
}

/// A policy of a component alone. `lines` go to its top and into its plugin's table.
pub(super) fn alone(
    file: &Path,
    settings: Option<&Path>,
    grants: &[String],
    lines: (&str, &str),
) -> Result<PolicySettings, Stop> {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| PathBuf::from(file));
    // JSON's strings and lists of them are TOML's too.
    let (path, grants) = (serde_json::json!(absolute), serde_json::json!(grants));
    let (top, rest) = lines;
    let text = format!(
        "default = \"allow\"\n[settings]\ndeny = []\n{top}[[plugins]]\nname = \"plugin\"\n\
         file = {path}\ngrants = {grants}\n{rest}"
    );
    let mut policy = config::policy_of(text).map_err(|found| {
        let lines: Vec<&str> = found.iter().map(|mistake| mistake.what.as_str()).collect();
        Stop::usage(lines.join("\n"))
    })?;
    if let Some(file) = settings {
        let json = json(file)?;
        for plugin in &mut policy.plugins {
            plugin.settings_json = json.to_string();
        }
    }
    Ok(policy)
}

/// A JSON file of the person who runs us.
pub(super) fn json(file: &Path) -> Result<serde_json::Value, Stop> {
    let told = |why: String| Stop::usage(format!("{}: {why}", file.display()));
    serde_json::from_slice(&bytes(file, CONFIG_FILE_BYTES_MAX)?)
        .map_err(|error| told(error.to_string()))
}

/// A small file of the person who runs us.
pub(super) fn bytes(file: &Path, most: u64) -> Result<Vec<u8>, Stop> {
    use std::io::Read as _;
    let told = |why: String| Stop::usage(format!("{}: {why}", file.display()));
    let open = std::fs::File::open(file).map_err(|error| told(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = open.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| told(error.to_string()))?;
    if bytes.len() as u64 > most {
        return Err(told(format!("is longer than {most} bytes")));
    }
    Ok(bytes)
}

/// Every mistake of a policy file.
pub(super) fn mistakes(found: Vec<Mistake>) -> Stop {
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    Stop::usage(lines.join("\n"))
}

/// Every reason why a plugin can't be loaded.
pub(super) fn problems(found: &[Problem]) -> String {
    found.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("\n")
}

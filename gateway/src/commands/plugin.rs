//! `portcullis plugin`: from an idea to a signed component.

mod ask;
mod backtest;
mod look;
mod new;
mod sign;
mod trial;

use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use super::{Stop, print};
use crate::cli::plugin::Plugin;
use crate::policy::component;

pub(super) async fn run(command: Plugin, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    match command {
        Plugin::Backtest(args) => backtest::run(args, out).await,
        Plugin::Bench { subject, cases, millis, json } => {
            ask::bench(&subject, &cases, millis, json, out)
        }
        Plugin::Check { subject, json } => look::check(&subject, json, out),
        Plugin::Inspect { file, trusted, json } => look::inspect(&file, &trusted, json, out),
        Plugin::Run { subject, case, json } => ask::run(&subject, &case, json, out),
        Plugin::Test { subject, cases, json } => ask::test(&subject, &cases, json, out),
        Plugin::Build { dirs, out: folder, json } => build(&dirs, &folder, json, out),
        Plugin::Keygen { name, out: file, json } => sign::keygen(&name, &file, json, out),
        Plugin::New { name, lang, kind, dir, json } => {
            new::run(&name, lang, kind, dir.as_deref(), json, out)
        }
        Plugin::Sign { files, key, json } => sign::sign(&files, &key, json, out),
    }
}

fn build(
    dirs: &[PathBuf],
    folder: &PathBuf,
    as_json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Stop::failed(format!("can't make {}: {error}", folder.display())))?;
    for dir in dirs {
        let built = component::build(dir, folder);
        let built = built.map_err(|error| Stop::failed(error.to_string()))?;
        if as_json {
            print(out, &json!({ "file": built.file, "sha256": built.sha256 }).to_string())?;
        } else {
            // As sha256sum prints it; the digest is what a policy pins.
            print(out, &format!("{}  {}", built.sha256, built.file.display()))?;
        }
    }
    Ok(())
}

//! `plugin inspect` and `plugin check`.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::super::{Stop, print};
use super::trial;
use crate::cli::plugin::Subject;
use crate::note::VerifierKey;
use crate::policy::{component, signature};

/// Shows what a component is, without running it.
pub(super) fn inspect(
    file: &Path,
    trusted: &[String],
    as_json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    let mut keys = Vec::new();
    for text in trusted {
        keys.push(VerifierKey::read(text).map_err(|why| Stop::usage(format!("{text}: {why}")))?);
    }
    let bytes = component::read(file).map_err(Stop::failed)?;
    let shape = trial::engine()?.shape(&bytes);
    let shape = shape.map_err(|why| Stop::failed(format!("{}: {why}", file.display())))?;
    let signed = signed(file, &bytes, &keys).map_err(Stop::failed)?;
    let grants = grants(&shape.imports);
    if as_json {
        let mut told = serde_json::to_value(&shape)
            .map_err(|_| Stop::failed("the component can't be written as JSON"))?;
        told["file"] = json!(file);
        told["grants_needed"] = json!(grants);
        told["signature"] = signed;
        return print(out, &told.to_string());
    }
    let list = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    let text = format!(
        "file       {} ({} bytes)\nsha256     {}\nimports    {}\nexports    {}\n\
         grants     {}\nmemory     {} KiB at the start, in {}\ntables     {}, of at most {} \
         elements\nsignature  {}",
        file.display(),
        shape.bytes,
        shape.sha256,
        list(&shape.imports),
        list(&shape.exports),
        list(&grants),
        shape.memory_bytes_initial / 1024,
        shape.memories,
        shape.tables,
        shape.table_elements_initial,
        signed["words"].as_str().unwrap_or_default()
    );
    print(out, &text)
}

/// How the signature beside a component stands.
fn signed(file: &Path, bytes: &[u8], keys: &[VerifierKey]) -> Result<Value, String> {
    let Some(note) = signature::read(file)? else {
        return Ok(json!({ "state": "none", "words": "none" }));
    };
    Ok(match signature::verify(bytes, &signature::name_of(file), &note, keys) {
        Ok(by) => {
            let words = format!("valid, by {by}");
            json!({ "state": "valid", "by": by, "words": words })
        }
        Err(signature::SignatureError::Untrusted) if keys.is_empty() => {
            let words = "there; give --trusted KEY to verify it";
            json!({ "state": "unverified", "words": words })
        }
        Err(error) => json!({ "state": "invalid", "words": error.to_string() }),
    })
}

/// The grants that a component's imports need.
fn grants(imports: &[String]) -> Vec<String> {
    let interface = |name: &String| {
        let rest = name.strip_prefix("portcullis:policy/")?;
        let interface = rest.split_once('@').map_or(rest, |(interface, _)| interface);
        (interface != "types").then(|| interface.to_owned())
    };
    imports.iter().filter_map(interface).collect()
}

/// Loads a plugin as a gateway would, and configures it.
pub(super) fn check(
    subject: &Subject,
    as_json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    let loaded = trial::load(subject)?;
    let (name, version) = match loaded.and_then(|trial| trial.manifest()) {
        Ok(manifest) => manifest,
        Err(why) if as_json => {
            let problems: Vec<&str> = why.lines().collect();
            print(out, &json!({ "ok": false, "problems": problems }).to_string())?;
            return Err(Stop::failed(""));
        }
        Err(why) => return Err(Stop::failed(why)),
    };
    if as_json {
        let told = json!({ "ok": true, "name": name, "version": version });
        return print(out, &told.to_string());
    }
    print(out, &format!("{name} {version}: loads, and takes its settings"))
}

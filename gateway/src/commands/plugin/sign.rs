//! `plugin keygen` and `plugin sign`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::{Stop, print};
use crate::config::read_secret;
use crate::limits::SECRET_BYTES_MAX;
use crate::note::SigningKey;
use crate::policy::{component, signature};

pub(super) fn keygen(
    name: &str,
    file: &Path,
    as_json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    if !crate::note::is_name(name) {
        return Err(Stop::usage("a key's name is not empty and holds no white space and no `+`"));
    }
    let key = SigningKey::generate(name);
    let secret = key.as_ref().and_then(SigningKey::secret_text);
    let (Some(key), Some(secret)) = (key, secret) else {
        return Err(Stop::failed("the system gives no random bytes for a key"));
    };
    let public_file = with_ending(file, "pub");
    let public = key.key().text();
    // The public half first: what is left after a failure is no secret.
    write_new(&public_file, public.as_bytes(), 0o644)?;
    write_new(file, secret.as_bytes(), 0o600).inspect_err(|_| {
        let _ = std::fs::remove_file(&public_file);
    })?;
    if as_json {
        let told = json!({ "key": file, "public_file": public_file, "public": public });
        return print(out, &told.to_string());
    }
    print(out, &public)
}

pub(super) fn sign(
    files: &[PathBuf],
    key_file: &Path,
    as_json: bool,
    out: &mut (dyn Write + Send),
) -> Result<(), Stop> {
    let told = |why: &dyn std::fmt::Display| Stop::usage(format!("{} {why}", key_file.display()));
    let bytes = read_secret(key_file, SECRET_BYTES_MAX).map_err(|why| told(&why))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| told(&"is not UTF-8"))?;
    let key = SigningKey::read(text).map_err(|why| told(&format!("can't be used: {why}")))?;
    for file in files {
        let bytes = component::read(file).map_err(Stop::failed)?;
        if !component::is_component(&bytes) {
            let file = file.display();
            return Err(Stop::failed(format!("{file} is no WebAssembly component; not signed")));
        }
        let note = signature::sign(&key, &signature::name_of(file), &bytes);
        let beside = signature::file_of(file);
        component::replace(&beside, note.as_bytes())
            .map_err(|error| Stop::failed(format!("can't write {}: {error}", beside.display())))?;
        let (sha256, by) = (component::sha256(&bytes), key.key().id());
        if as_json {
            let told = json!({
                "file": file, "sha256": sha256, "signature": beside, "signed_by": by,
            });
            print(out, &told.to_string())?;
        } else {
            print(out, &format!("{sha256}  {}  signed by {by}", file.display()))?;
        }
    }
    Ok(())
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

/// A file that was not there before: no key is ever overwritten.
fn write_new(file: &Path, bytes: &[u8], mode: u32) -> Result<(), Stop> {
    let written = || {
        let mut open: File =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
        open.write_all(bytes)?;
        open.write_all(b"\n")?;
        open.sync_all()
    };
    written().map_err(|error| Stop::failed(format!("can't write {}: {error}", file.display())))
}

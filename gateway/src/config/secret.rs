//! Files that hold secrets and certificates, and secrets from the environment.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::page::{Item, Section};
use crate::limits::{CONFIG_FILE_BYTES_MAX, SECRET_BYTES_MAX};
use crate::upstream::Secret;

/// Permission bits that would let somebody else read a secret.
const OTHERS: u32 = 0o077;

/// Reads a whole file of at most `most` bytes.
pub(super) fn read(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, String> {
    let file = File::open(path).map_err(|error| format!("can't be read: {error}"))?;
    read_open(file, most)
}

/// The same, and nobody but the owner may read it.
///
/// # Errors
/// What is wrong with the file, to be put after its name.
pub(crate) fn read_secret(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, String> {
    let file = File::open(path).map_err(|error| format!("can't be read: {error}"))?;
    // Asked of the open file, so that it can't be swapped in between.
    let metadata = file.metadata().map_err(|error| format!("can't be read: {error}"))?;
    let mode = metadata.permissions().mode();
    if metadata.is_file() && mode & OTHERS != 0 {
        return Err(format!("has mode {:04o}; expected 0600 or 0400 (chmod 600)", mode & 0o7777));
    }
    read_open(file, most)
}

fn read_open(file: File, most: u64) -> Result<Zeroizing<Vec<u8>>, String> {
    let regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
    if !regular {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let read = file.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("can't be read: {error}"))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(format!("is longer than {most} bytes"));
    }
    Ok(bytes)
}

/// The keys of one secret: in place, which is a mistake, in a file, or in the environment.
struct Keys {
    /// What it is called.
    what: &'static str,
    inline: &'static str,
    file: &'static str,
    env: &'static str,
}

const PASSWORD: Keys =
    Keys { what: "password", inline: "password", file: "password_file", env: "password_env" };
const TOKEN: Keys = Keys { what: "token", inline: "token", file: "token_file", env: "token_env" };
const SECRET_KEY: Keys = Keys {
    what: "secret key",
    inline: "secret_key",
    file: "secret_key_file",
    env: "secret_key_env",
};

/// Reads the password of an account from `password_file` or `password_env`. `None` when there is
/// a mistake.
pub(super) fn password(section: &mut Section<'_>) -> Option<Secret> {
    read_by(section, &PASSWORD, true)
}

/// Reads a receiver's token from `token_file` or `token_env`. `None` when there is a mistake, or
/// none is given where none is needed.
pub(super) fn token(section: &mut Section<'_>, needed: bool) -> Option<Secret> {
    read_by(section, &TOKEN, needed)
}

/// Reads the secret of an access key from `secret_key_file` or `secret_key_env`.
pub(super) fn secret_key(section: &mut Section<'_>) -> Option<Secret> {
    read_by(section, &SECRET_KEY, true)
}

fn read_by(section: &mut Section<'_>, keys: &Keys, needed: bool) -> Option<Secret> {
    let Keys { what, inline, file: file_key, env: env_key } = keys;
    let expected = format!("`{file_key}` or `{env_key}`");
    let forbidden = format!("a {what} must not stand in the configuration; expected {expected}");
    section.forbid(inline, &forbidden);
    let inline = section.has(inline).is_some();
    let file = section.string(file_key, "a path");
    let env = section.string(env_key, "the name of an environment variable");
    let given = section.has(file_key).is_some() || section.has(env_key).is_some();
    match (file, env) {
        (Some(_), Some(env)) => {
            section.mistake(env.at, format!("two {what}s are given; expected {expected}"));
            None
        }
        (Some(file), None) => secret_file(section, keys, &file),
        (None, Some(env)) => secret_env(section, keys, &env),
        (None, None) => {
            if !inline && !given && needed {
                section.missing(file_key, &expected);
            }
            None
        }
    }
}

fn secret_file(section: &Section<'_>, keys: &Keys, item: &Item<&str>) -> Option<Secret> {
    let path = section.page().path(item.value);
    let outcome = read_secret(&path, SECRET_BYTES_MAX).and_then(|bytes| {
        let text = std::str::from_utf8(&bytes).map_err(|_| "is not UTF-8".to_owned())?;
        // Editors and `echo` end a file with a line feed that isn't part of the secret.
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        usable(text, keys.what)
    });
    let key = keys.file;
    outcome.map_err(|why| section.mistake(item.at, format!("`{key}` {}", said(&path, &why)))).ok()
}

fn secret_env(section: &Section<'_>, keys: &Keys, item: &Item<&str>) -> Option<Secret> {
    let (key, shown) = (keys.env, item.value.escape_debug());
    let named =
        item.value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            && !item.value.is_empty();
    if !named {
        // It may be the secret itself, so it isn't quoted.
        let what =
            format!("`{key}` is not the name of a variable; expected one such as SHOP_PASSWORD");
        section.mistake(item.at, what);
        return None;
    }
    let outcome = match std::env::var(item.value).map(Zeroizing::new) {
        Ok(text) => usable(&text, keys.what),
        Err(_) => Err("is not set".to_owned()),
    };
    outcome
        .map_err(|why| section.mistake(item.at, format!("`{key}` names {shown}, which {why}")))
        .ok()
}

fn usable(text: &str, what: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err(format!("is empty; expected a {what}"));
    }
    // SCRAM and the PostgreSQL wire end a password at a NUL.
    if text.contains(['\0', '\n', '\r']) {
        return Err("holds a NUL or a line break; expected one line".to_owned());
    }
    Ok(Secret::new(text.to_owned()))
}

/// Reads `certificate_file` and `key_file`: both must parse, and the key must be the
/// certificate's.
pub(super) fn certificate(section: &mut Section<'_>) -> Option<(PathBuf, PathBuf)> {
    let page = section.page();
    let chain_item = section.string_needed("certificate_file", "a PEM file");
    let key_item = section.string_needed("key_file", "a PEM file of mode 0600");
    let chain_at = chain_item.as_ref().map(|item| (page.path(item.value), item.at));
    let key_at = key_item.as_ref().map(|item| (page.path(item.value), item.at));
    let chain = chain_at.as_ref().and_then(|(path, at)| {
        certificates(path)
            .map_err(|why| page.mistake(*at, format!("`certificate_file` {}", said(path, &why))))
            .ok()
    });
    let key = key_at.as_ref().and_then(|(path, at)| {
        private_key(path)
            .map_err(|why| page.mistake(*at, format!("`key_file` {}", said(path, &why))))
            .ok()
    });
    let ((chain_path, _), (key_path, at)) = (chain_at?, key_at?);
    if let Err(why) = pair(chain?, &key?) {
        page.mistake(at, format!("`key_file` {}", said(&key_path, &why)));
    }
    Some((chain_path, key_path))
}

/// Reads `key` as a PEM file of certificates, if it is given.
pub(super) fn authority(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    let item = section.string(key, "a PEM file of CA certificates")?;
    let path = section.page().path(item.value);
    if let Err(why) = certificates(&path) {
        section.mistake(item.at, format!("`{key}` {}", said(&path, &why)));
    }
    Some(path)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(path, CONFIG_FILE_BYTES_MAX)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|_| "is not PEM; expected certificates".to_owned())?;
    if chain.is_empty() {
        return Err("holds no certificate; expected PEM with BEGIN CERTIFICATE".to_owned());
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = read_secret(path, CONFIG_FILE_BYTES_MAX)?;
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| "holds no private key; expected PEM with BEGIN PRIVATE KEY".to_owned())
}

fn pair(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<(), String> {
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key)
        .map_err(|_| "is of a kind that TLS can't use; expected ECDSA, RSA or Ed25519")?;
    CertifiedKey::new(chain, key)
        .keys_match()
        .map_err(|_| "does not belong to the certificate; expected its private key".to_owned())
}

/// A path and what is wrong with it.
pub(super) fn said(path: &Path, why: &str) -> String {
    format!("{} {why}", path.display().to_string().escape_debug())
}

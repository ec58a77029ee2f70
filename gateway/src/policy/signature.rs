//! Signatures of plugins: who vouches for a component, checked offline at every load.
//!
//! Beside `NAME.wasm` stands `NAME.wasm.sig`, a C2SP signed note ([`crate::note`]) of three
//! lines: what it is, the name that the component was signed under, and its SHA-256. The name is
//! that of the file, so that of two signed plugins neither can stand in for the other. A note of
//! another kind, such as a checkpoint of a log, is no signature of a plugin whoever signed it.

use std::path::{Path, PathBuf};

use super::digest;
use crate::limits::SIGNATURE_FILE_BYTES_MAX;
use crate::note::{SigningKey, VerifierKey};

/// The first line of every note that signs a plugin.
const KIND: &str = "portcullis plugin signature 1";

/// Whom a gateway trusts to sign plugins. Plain data, checked by the configuration reader.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Signing {
    /// The trusted keys.
    pub keys: Vec<VerifierKey>,
    /// A plugin without a signature is refused. One with a signature that does not hold always is,
    /// once there are trusted keys.
    pub required: bool,
}

/// Why a signature was not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignatureError {
    /// Not a signature of a plugin.
    #[error("the signature is not one of a plugin: {0}")]
    Form(&'static str),
    /// A signature of other bytes.
    #[error("the signature is for a file with the SHA-256 {0}")]
    Bytes(String),
    /// A signature of another plugin.
    #[error("the signature is for the plugin \"{0}\"")]
    Name(String),
    /// No trusted key made it.
    #[error("the signature is by no trusted key")]
    Untrusted,
}

/// The text that is signed for a component.
fn text(name: &str, sha256: &str) -> String {
    format!("{KIND}\n{name}\n{sha256}\n")
}

/// Signs a component under a name; the note to put beside it.
pub fn sign(key: &SigningKey, name: &str, bytes: &[u8]) -> String {
    key.sign(&text(name, &digest::sha256(bytes)))
}

/// Checks that one of the trusted keys signed exactly these bytes under this name. Gives the
/// key's id, `name+hash`.
///
/// # Errors
/// What does not fit; the first of form, bytes, name and key.
pub fn verify(
    bytes: &[u8],
    name: &str,
    note: &[u8],
    trusted: &[VerifierKey],
) -> Result<String, SignatureError> {
    let form = SignatureError::Form;
    let note = std::str::from_utf8(note).map_err(|_| form("it is not UTF-8"))?;
    if note.is_empty() {
        return Err(form("it is empty"));
    }
    let (head, signatures) = note.split_once("\n\n").ok_or(form("it is cut short"))?;
    let [kind, signed_name, signed_digest] = *head.split('\n').collect::<Vec<_>>() else {
        return Err(form("it has not three lines"));
    };
    if kind != KIND {
        return Err(form("it is a note of another kind"));
    }
    let sha256 = digest::sha256(bytes);
    if signed_digest != sha256 {
        return Err(SignatureError::Bytes(shown(signed_digest)));
    }
    if signed_name != name {
        return Err(SignatureError::Name(shown(signed_name)));
    }
    let text = text(name, &sha256);
    let by = trusted.iter().find(|key| key.signed(&text, signatures));
    by.map(VerifierKey::id).ok_or(SignatureError::Untrusted)
}

/// The name that a component file is signed under: its own, without folder and `.wasm`.
pub fn name_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where the signature of a component file stands.
pub fn file_of(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// The id of the trusted key that vouches for the component at `file`, whose bytes are `bytes`.
/// Nobody does when it has no signature and needs none.
pub(super) fn check(
    file: &Path,
    bytes: &[u8],
    signing: &Signing,
) -> Result<Option<String>, String> {
    if signing.keys.is_empty() && !signing.required {
        return Ok(None);
    }
    let note = match read(file)? {
        Some(note) => note,
        None if signing.required => {
            return Err(format!(
                "{} has no signature, and this gateway takes only signed plugins; sign it with \
                 `portcullis plugin sign`",
                file.display()
            ));
        }
        None => return Ok(None),
    };
    let verified = verify(bytes, &name_of(file), &note, &signing.keys);
    verified.map(Some).map_err(|error| format!("{}: {error}", file_of(file).display()))
}

/// The signature beside a component, if there is one.
///
/// # Errors
/// It can't be read, or is longer than [`SIGNATURE_FILE_BYTES_MAX`].
pub fn read(file: &Path) -> Result<Option<Vec<u8>>, String> {
    use std::io::Read as _;
    let path = file_of(file);
    let open = match std::fs::File::open(&path) {
        Ok(open) => open,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("can't read {}: {error}", path.display())),
    };
    let mut bytes = Vec::new();
    let read = open.take(SIGNATURE_FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("can't read {}: {error}", path.display()))?;
    if bytes.len() as u64 > SIGNATURE_FILE_BYTES_MAX {
        return Err(format!("{} is larger than a signature", path.display()));
    }
    Ok(Some(bytes))
}

/// A word of a note that nobody vouches for.
fn shown(word: &str) -> String {
    super::text::sentence(word)
}

#[cfg(test)]
mod tests;

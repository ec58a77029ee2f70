//! Keys beside the log: the signing key, the master key, and the session keys it wraps.
//!
//! ```text
//! signing.key    Ed25519, PKCS#8 in PEM, mode 0600
//! master.key     32 bytes in base64, mode 0600: wraps the session keys
//! session.keys   one line a session: id, space, base64(nonce || wrapped key || tag), mode 0600
//! log.vkey       the public key, name+hash+key (C2SP signed-note); written once the log has begun
//! ```
//!
//! None of the secrets is ever in the store, so a copy of the store alone reveals no payload.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Error;
use super::seal::{KEY_BYTES, cipher, fresh_key};
use super::store::PUBLIC_FILE;

const SIGNING_FILE: &str = "signing.key";
const MASTER_FILE: &str = "master.key";
const SESSION_FILE: &str = "session.keys";
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
const PEM_WIDTH: usize = 64;
const SECRET_MODE: u32 = 0o600;
/// Mode bits that would let somebody else read a secret.
const OTHERS: u32 = 0o077;

fn failed(path: &Path, act: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, act, source }
}

/// Makes the names in a folder durable.
pub(in crate::audit) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir, "sync"))
}

/// Writes a file that was not there before, durably.
pub(in crate::audit) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed(path, "create"))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed(path, "write"))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Reads a secret that nobody else may read; `None` when there is no such file.
fn read_secret(path: &Path) -> Result<Option<Zeroizing<String>>, Error> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, "open")(error)),
    };
    let mode = file.metadata().map_err(failed(path, "look at"))?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(Error::Exposed { path: path.to_owned() });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed(path, "read"))?;
    Ok(Some(text))
}

fn bad_key(path: &Path) -> Error {
    Error::Key { path: path.to_owned() }
}

/// The signing key of a log; made when `make`, else a missing one is an error.
pub(in crate::audit) fn signing_key(dir: &Path, make: bool) -> Result<Ed25519KeyPair, Error> {
    let path = dir.join(SIGNING_FILE);
    if let Some(text) = read_secret(&path)? {
        let inner = text.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END));
        let inner: Zeroizing<String> =
            inner.ok_or_else(|| bad_key(&path))?.split_whitespace().collect::<String>().into();
        let document = Zeroizing::new(STANDARD.decode(&*inner).map_err(|_| bad_key(&path))?);
        return Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document).map_err(|_| bad_key(&path));
    }
    if !make {
        return Err(Error::KeyMissing { path });
    }
    let pair = Ed25519KeyPair::generate().map_err(|_| bad_key(&path))?;
    let document = pair.to_pkcs8v1().map_err(|_| bad_key(&path))?;
    let encoded = Zeroizing::new(STANDARD.encode(document.as_ref()));
    let mut pem = Zeroizing::new(format!("{PEM_BEGIN}\n"));
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, later) = rest.split_at(PEM_WIDTH.min(rest.len()));
        pem.push_str(line);
        pem.push('\n');
        rest = later;
    }
    pem.push_str(PEM_END);
    pem.push('\n');
    write_new(&path, pem.as_bytes(), SECRET_MODE)?;
    Ok(pair)
}

/// Writes the public key for verifiers, unless it is there.
pub(in crate::audit) fn publish(dir: &Path, key: &str) -> Result<(), Error> {
    let path = dir.join(PUBLIC_FILE);
    if path.exists() { Ok(()) } else { write_new(&path, format!("{key}\n").as_bytes(), 0o644) }
}

/// Wraps and unwraps session keys. It has no `Debug`.
pub(in crate::audit) struct MasterKey {
    key: LessSafeKey,
    dir: PathBuf,
}

impl MasterKey {
    /// The master key of a log; made when `make`, else a missing one is an error.
    pub(in crate::audit) fn open(dir: &Path, make: bool) -> Result<Self, Error> {
        let path = dir.join(MASTER_FILE);
        let bytes = match read_secret(&path)? {
            Some(text) => Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| bad_key(&path))?),
            None if make => {
                let fresh = fresh_key().map_err(|_| bad_key(&path))?;
                let line = Zeroizing::new(format!("{}\n", STANDARD.encode(fresh.as_slice())));
                write_new(&path, line.as_bytes(), SECRET_MODE)?;
                Zeroizing::new(fresh.to_vec())
            }
            None => return Err(Error::KeyMissing { path }),
        };
        let key = cipher(&bytes).map_err(|_| bad_key(&path))?;
        Ok(Self { key, dir: dir.to_owned() })
    }

    /// The keystore.
    pub(in crate::audit) fn file(&self) -> PathBuf {
        self.dir.join(SESSION_FILE)
    }

    fn bound(session: &str) -> Aad<Vec<u8>> {
        Aad::from(format!("portcullis session key 1\n{session}").into_bytes())
    }

    /// The keystore line for a session's key; `None` when the random source or cipher failed.
    pub(in crate::audit) fn wrap(&self, session: &str, key: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        let mut wrapped = key.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Self::bound(session),
                &mut wrapped,
            )
            .ok()?;
        let bytes = [nonce.as_slice(), &wrapped].concat();
        Some(format!("{session} {}\n", STANDARD.encode(bytes)))
    }

    /// A session's key; `None` when the keystore has none (erased) or a changed one.
    pub(in crate::audit) fn session(
        &self,
        session: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let path = self.dir.join(SESSION_FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, "open")(error)),
        };
        for line in BufReader::new(file).lines() {
            let line = line.map_err(failed(&path, "read"))?;
            if let Some((id, wrapped)) = line.split_once(' ')
                && id == session
            {
                return Ok(self.unwrap(session, wrapped));
            }
        }
        Ok(None)
    }

    fn unwrap(&self, session: &str, wrapped: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = STANDARD.decode(wrapped).ok()?;
        let (nonce, wrapped) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut key = Zeroizing::new(wrapped.to_vec());
        self.key.open_in_place(nonce, Self::bound(session), &mut key).ok()?;
        key.truncate(KEY_BYTES);
        Some(key)
    }
}

/// The keystore, open for the committer alone to append to.
#[derive(Debug)]
pub(in crate::audit) struct Keystore {
    file: File,
}

impl Keystore {
    /// Opens the keystore; a line that a crash cut short is cut off.
    pub(in crate::audit) fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(SESSION_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(SECRET_MODE)
            .open(&path)
            .map_err(failed(&path, "open"))?;
        let whole = whole_lines(&mut file).map_err(failed(&path, "read"))?;
        file.set_len(whole).map_err(failed(&path, "shorten"))?;
        sync_dir(dir)?;
        Ok(Self { file })
    }

    /// Appends lines and waits until they are durable.
    pub(in crate::audit) fn append(&mut self, lines: &[u8]) -> std::io::Result<()> {
        self.file.write_all(lines)?;
        self.file.sync_data()
    }
}

/// Length of the file up to and with its last line feed.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    const STEP: u64 = 4096;
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests;

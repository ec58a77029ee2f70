//! Report bundles: one session's evidence in one file, checked offline with the log's key.
//!
//! `FORMAT.md` describes the files. One inclusion proof suffices for the whole session: each
//! entry names the hash of the one before it, and the proof is that of the last.

pub(in crate::audit) mod archive;

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::archive::Writer;
use super::checkpoint::{Signer, hex};
use super::entry::Entry;
use super::reader::{Payload, Record, SessionRecord};
use super::tree::sha256;
use super::{Error, Reader, keys, report};

/// The first line of a manifest. It has spaces, which no origin has, so that a manifest can't
/// be taken for a checkpoint.
pub(in crate::audit) const MANIFEST_TITLE: &str = "portcullis report bundle 1";
pub(in crate::audit) const MANIFEST: &str = "manifest";
pub(in crate::audit) const LEAVES: &str = "leaves.jsonl";
pub(in crate::audit) const PROOF: &str = "session.tlog-proof";
pub(in crate::audit) const CHECKPOINT: &str = "checkpoint";
pub(in crate::audit) const KEY: &str = "log.vkey";
pub(in crate::audit) const PAYLOAD_KEY: &str = "payload.key";
const POLICY: &str = "policy";
const README: &str = "VERIFY.txt";

const INSTRUCTIONS: &str = include_str!("bundle/VERIFY.txt");

/// The name of an entry's payload in a bundle; `None` for an entry that has none.
pub(in crate::audit) fn payload_name(sequence: u64, entry: &Entry) -> Option<String> {
    let media = &entry.pl.as_ref()?.media;
    let plain = !media.is_empty() && media.bytes().all(|byte| byte.is_ascii_lowercase());
    plain.then(|| format!("payload/{sequence}.{media}"))
}

/// Writes the bundle of a session in a folder that no gateway holds to a new file; false when
/// the log has no such session. The folder's signing key signs its list of files.
///
/// # Errors
/// The log or its signing key can't be read, or the file can't be written.
pub fn from_folder(dir: &Path, id: &str, path: &Path) -> Result<bool, Error> {
    let reader = Reader::open(dir)?;
    let pair = keys::signing_key(dir, false)?;
    let origin = reader.public_key().split('+').next().unwrap_or_default();
    let signer = Signer::new(origin, pair).ok_or(Error::Key { path: dir.to_owned() })?;
    if signer.key().text() != reader.public_key() {
        return Err(Error::Key { path: dir.to_owned() });
    }
    create(&reader, &signer, id, path)
}

pub(in crate::audit) fn create(
    reader: &Reader,
    signer: &Signer,
    id: &str,
    path: &Path,
) -> Result<bool, Error> {
    let Some(record) = reader.session(id)? else { return Ok(false) };
    let unfit = |why: &str| Error::Unfit { id: id.to_owned(), why: why.to_owned() };
    if record.more > 0 {
        return Err(unfit("it has more entries than one report shows"));
    }
    if let Some(gap) = record.gaps.first() {
        return Err(unfit(gap));
    }
    let damaged = |record: &&Record| record.payload == Payload::Damaged;
    if let Some(bad) = record.records.iter().find(damaged) {
        return Err(unfit(&format!("the payload of entry {} is damaged", bad.index)));
    }
    let key = reader.payload_key(id)?;
    let failed = |act| move |source| Error::File { path: path.to_owned(), act, source };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(failed("create"))?;
    let mut out = BufWriter::new(file);
    let written = write(&mut out, &record, signer, key.as_ref().map(|key| key.as_slice()));
    written.and_then(|()| out.flush()).map_err(failed("write"))?;
    out.get_ref().sync_all().map_err(failed("sync"))?;
    Ok(true)
}

/// Files on their way into the archive, each noted in the manifest.
struct Files<W> {
    archive: Writer<W>,
    manifest: String,
}

impl<W: Write> Files<W> {
    fn add(&mut self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        self.manifest.push_str(&format!("{} {name}\n", hex(&sha256(&[bytes]))));
        self.archive.file(name, bytes)
    }
}

fn write(
    out: impl Write,
    record: &SessionRecord,
    signer: &Signer,
    key: Option<&[u8]>,
) -> std::io::Result<()> {
    let origin = signer.key().name();
    let vkey = signer.key().text();
    let id = &record.summary.id;
    let mut files = Files {
        archive: Writer::new(out),
        manifest: format!("{MANIFEST_TITLE}\n{origin}\n{id}\n"),
    };
    let report = report::report(record, &vkey);
    files.add(README, INSTRUCTIONS.replace("SESSION", id).as_bytes())?;
    files.add("report.txt", report::text(&report).as_bytes())?;
    files.add("report.html", report::html(&report).as_bytes())?;
    files.add("report.json", report::json(&report)?.as_bytes())?;
    let lines = record.records.iter().flat_map(|record| [record.line.as_slice(), b"\n"]);
    files.add(LEAVES, &lines.collect::<Vec<_>>().concat())?;
    for (record, sequence) in record.records.iter().zip(0..) {
        if let (Payload::Plain(plain), Some(name)) =
            (&record.payload, payload_name(sequence, &record.entry))
        {
            files.add(&name, plain)?;
        }
    }
    if let Some(key) = key {
        files.add(PAYLOAD_KEY, format!("{}\n", STANDARD.encode(key)).as_bytes())?;
    }
    files.add(PROOF, record.proof.text().as_bytes())?;
    files.add(CHECKPOINT, record.checkpoint.as_bytes())?;
    files.add(KEY, format!("{vkey}\n").as_bytes())?;
    files.add(POLICY, format!("log {vkey}\nquorum none\n").as_bytes())?;
    let Files { mut archive, manifest } = files;
    archive.file(MANIFEST, signer.sign_text(&manifest).as_bytes())?;
    archive.end().map(drop)
}

#[cfg(test)]
mod tests;

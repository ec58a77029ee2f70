//! Report bundles: one session's evidence in one file, checked offline with the log's key.
//!
//! `FORMAT.md` describes the files. One inclusion proof suffices for the whole session: each
//! entry names the hash of the one before it, and the proof is that of the last.

pub(in crate::audit) mod archive;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use self::archive::Writer;
use super::checkpoint::{Signer, hex};
use super::entry::Entry;
use super::reader::{Payload, Record, SessionRecord, WorkKind, WorkRecord};
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

/// The first line of the manifest of a task's or ticket's bundle.
pub(in crate::audit) const WORK_TITLE: &str = "portcullis work bundle 1";
/// What the name of a session's bundle inside of such a one ends with.
pub(in crate::audit) const SESSION_ENDING: &str = ".tar";
const WORK_INSTRUCTIONS: &str = include_str!("bundle/WORK.txt");

const INSTRUCTIONS: &str = include_str!("bundle/VERIFY.txt");

/// The name of an entry's payload in a bundle; `None` for an entry that has none.
pub(in crate::audit) fn payload_name(sequence: u64, entry: &Entry) -> Option<String> {
    let media = &entry.pl.as_ref()?.media;
    let plain = !media.is_empty() && media.bytes().all(|byte| byte.is_ascii_lowercase());
    plain.then(|| format!("payload/{sequence}.{media}"))
}

/// The entries of a session's bundle that was judged intact, in order, each with its payload where
/// the bundle has it; `None` when it is no such bundle.
pub fn entries(bytes: &[u8]) -> Option<Vec<(Entry, Option<Vec<u8>>)>> {
    let files: HashMap<&str, &[u8]> = archive::read(bytes)?.into_iter().collect();
    let lines = files.get(LEAVES)?.strip_suffix(b"\n")?;
    let mut entries = Vec::new();
    for (line, sequence) in lines.split(|byte| *byte == b'\n').zip(0..) {
        let entry = Entry::read(line).ok()?;
        let payload = payload_name(sequence, &entry).and_then(|name| files.get(name.as_str()));
        let payload = payload.map(|payload| payload.to_vec());
        entries.push((entry, payload));
    }
    Some(entries)
}

/// Writes the bundle of a session in a folder that no gateway holds to a new file; false when
/// the log has no such session. The folder's signing key signs its list of files.
///
/// # Errors
/// The log or its signing key can't be read, or the file can't be written.
pub fn from_folder(dir: &Path, id: &str, path: &Path) -> Result<bool, Error> {
    let (reader, signer) = folder(dir)?;
    create(&reader, &signer, id, path)
}

/// The same for every session of a task or ticket, in one file.
///
/// # Errors
/// As for one session.
pub fn work_from_folder(dir: &Path, kind: WorkKind, id: &str, path: &Path) -> Result<bool, Error> {
    let (reader, signer) = folder(dir)?;
    create_work(&reader, &signer, (kind, id), path)
}

fn folder(dir: &Path) -> Result<(Reader, Signer), Error> {
    let reader = Reader::open(dir)?;
    let pair = keys::signing_key(dir, false)?;
    let origin = reader.public_key().split('+').next().unwrap_or_default();
    let signer = Signer::new(origin, pair).ok_or(Error::Key { path: dir.to_owned() })?;
    if signer.key().text() != reader.public_key() {
        return Err(Error::Key { path: dir.to_owned() });
    }
    Ok((reader, signer))
}

pub(in crate::audit) fn create_work(
    reader: &Reader,
    signer: &Signer,
    (kind, id): (WorkKind, &str),
    path: &Path,
) -> Result<bool, Error> {
    let Some(record) = reader.work(kind, id)? else { return Ok(false) };
    let mut bundles = Vec::new();
    for session in &record.sessions {
        let id = &session.summary.id;
        let key = sound(reader, session)?;
        let mut bytes = Vec::new();
        let written = write(&mut bytes, session, signer, key.as_ref().map(|key| key.as_slice()));
        written.map_err(failed(path, "write"))?;
        bundles.push((format!("{id}{SESSION_ENDING}"), bytes));
    }
    let mut out = new_file(path)?;
    let written = write_work(&mut out, &record, &bundles, signer);
    written.and_then(|()| out.flush()).map_err(failed(path, "write"))?;
    out.get_ref().sync_all().map_err(failed(path, "sync"))?;
    Ok(true)
}

fn write_work(
    out: impl Write,
    record: &WorkRecord,
    bundles: &[(String, Vec<u8>)],
    signer: &Signer,
) -> std::io::Result<()> {
    let (origin, vkey) = (signer.key().name(), signer.key().text());
    let (kind, id) = (record.kind.word(), &record.id);
    let mut files = Files {
        archive: Writer::new(out),
        manifest: format!("{WORK_TITLE}\n{origin}\n{kind} {id}\n"),
    };
    let report = report::work(record, &vkey);
    files.add(README, WORK_INSTRUCTIONS.replace("WORK", &format!("{kind} {id}")).as_bytes())?;
    files.add("report.txt", report.written(report::Form::Text)?.as_bytes())?;
    files.add("report.html", report.written(report::Form::Html)?.as_bytes())?;
    files.add("report.json", report.written(report::Form::Json)?.as_bytes())?;
    for (name, bytes) in bundles {
        files.add(name, bytes)?;
    }
    files.add(KEY, format!("{vkey}\n").as_bytes())?;
    let Files { mut archive, manifest } = files;
    archive.file(MANIFEST, signer.sign_text(&manifest).as_bytes())?;
    archive.end().map(drop)
}

pub(in crate::audit) fn create(
    reader: &Reader,
    signer: &Signer,
    id: &str,
    path: &Path,
) -> Result<bool, Error> {
    let Some(record) = reader.session(id)? else { return Ok(false) };
    let key = sound(reader, &record)?;
    let mut out = new_file(path)?;
    let written = write(&mut out, &record, signer, key.as_ref().map(|key| key.as_slice()));
    written.and_then(|()| out.flush()).map_err(failed(path, "write"))?;
    out.get_ref().sync_all().map_err(failed(path, "sync"))?;
    Ok(true)
}

fn failed(path: &Path, act: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, act, source }
}

fn new_file(path: &Path) -> Result<BufWriter<File>, Error> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map(BufWriter::new).map_err(failed(path, "create"))
}

/// The session's payload key, once nothing stands against a bundle of it.
fn sound(reader: &Reader, record: &SessionRecord) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let id = &record.summary.id;
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
    reader.payload_key(id)
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

//! Judging a report bundle. Nothing is read before a hash that the checkpoint reaches says that
//! it is genuine: the proof first, then the entries from the last to the first, then their
//! payloads, then every other file.

mod work;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::judgement::{Checked, Form, Judged, Judgement, KeySource};
use super::{Chain, archive};
use crate::audit::bundle::{
    CHECKPOINT, KEY, LEAVES, MANIFEST, MANIFEST_TITLE, PAYLOAD_KEY, PROOF, WORK_TITLE, payload_name,
};
use crate::audit::checkpoint::{VerifierKey, hex};
use crate::audit::entry::{Entry, SessionStart, kind};
use crate::audit::proof::{Proof, Refused};
use crate::audit::seal::{is_payload, key_commitment};
use crate::audit::tree::{Hash, leaf_hash, sha256};
use crate::note::Note;

fn bad<T>(index: Option<usize>, what: impl Into<String>) -> Judged<T> {
    Err(Box::new(Judgement::tampered(index.map(|index| index as u64), what)))
}

fn missing<T>(name: &str) -> Judged<T> {
    Err(Box::new(Judgement::Incomplete { what: format!("{name} is missing") }))
}

/// The files of a bundle.
struct Bundle<'a>(BTreeMap<&'a str, &'a [u8]>);

impl<'a> Bundle<'a> {
    fn get(&self, name: &str) -> Judged<&'a [u8]> {
        self.0.get(name).map_or_else(|| missing(name), |bytes| Ok(*bytes))
    }

    fn text(&self, name: &str) -> Judged<&'a str> {
        let text = std::str::from_utf8(self.get(name)?);
        text.map_or_else(|_| bad(None, format!("{name} is not text")), Ok)
    }
}

/// Judges the bytes of a bundle: of one session, or of all those of a task or ticket.
pub(super) fn judge(bytes: &[u8], pinned: Option<&VerifierKey>) -> Judged<Checked> {
    opened(bytes, |bundle, files| {
        let manifest = bundle.0.get(MANIFEST);
        if manifest.is_some_and(|manifest| manifest.starts_with(WORK_TITLE.as_bytes())) {
            return work::judge(bundle, files, pinned);
        }
        session(bundle, files, pinned)
    })
}

/// Reads the archive, and hands it on.
fn opened(
    bytes: &[u8],
    judge: impl FnOnce(&Bundle<'_>, &[(&str, &[u8])]) -> Judged<Checked>,
) -> Judged<Checked> {
    let Some(files) = archive::read(bytes) else {
        return bad(None, "the archive is not as a bundle is written");
    };
    let bundle = Bundle(files.iter().copied().collect());
    if bundle.0.len() != files.len() {
        return bad(None, "the archive has two files of one name");
    }
    judge(&bundle, &files)
}

/// Judges the bundle of one session.
fn session(
    bundle: &Bundle<'_>,
    files: &[(&str, &[u8])],
    pinned: Option<&VerifierKey>,
) -> Judged<Checked> {
    let key = key(bundle, pinned)?;
    let Some(proof) = Proof::read(bundle.text(PROOF)?) else {
        return bad(None, "the proof is not in the form of a tlog-proof");
    };
    let lines = lines(bundle.get(LEAVES)?)?;
    let hashes: Vec<Hash> = lines.iter().map(|line| leaf_hash(line)).collect();
    let last = hashes.len() - 1;
    let leaf = hashes.last().copied().unwrap_or_default();
    let checkpoint = match proof.check(&leaf, &key) {
        Ok(checkpoint) => checkpoint,
        Err(Refused::Checkpoint(error)) => return bad(None, format!("the checkpoint: {error}")),
        Err(Refused::Hashes(error)) => return bad(Some(last), error.to_string()),
    };
    if bundle.text(CHECKPOINT)? != proof.checkpoint {
        return bad(None, "the checkpoint is not that of the proof");
    }
    let entries = chained(&lines, &hashes)?;
    let payloads = payloads(bundle, &entries)?;
    manifest(bundle, files, &key, entries.first().and_then(|entry| entry.sess.as_deref()))?;
    let ended = entries
        .last()
        .is_some_and(|entry| matches!(entry.kind.as_str(), kind::SESSION_END | kind::SESSION_TORN));
    if !ended {
        let what = "the session had not ended when this was made; later entries are not in it";
        return Err(Box::new(Judgement::Incomplete { what: what.to_owned() }));
    }
    Ok(Checked {
        form: Form::Bundle,
        origin: checkpoint.origin,
        entries: entries.len() as u64,
        root: hex(&checkpoint.root),
        checkpoints: 1,
        signatures: 1,
        sessions: 1,
        open: 0,
        payloads,
        key_source: if pinned.is_some() { KeySource::Pinned } else { KeySource::Store },
        pinned_checkpoint: false,
    })
}

fn key(bundle: &Bundle<'_>, pinned: Option<&VerifierKey>) -> Judged<VerifierKey> {
    let text = bundle.text(KEY)?;
    let key = match pinned {
        Some(key) => key.clone(),
        None => match VerifierKey::read(text) {
            Ok(key) => key,
            Err(error) => return bad(None, format!("{KEY}: {error}")),
        },
    };
    if format!("{}\n", key.text()) != text {
        return bad(None, format!("{KEY} is not the log's public key"));
    }
    Ok(key)
}

/// The entries' bytes.
fn lines(leaves: &[u8]) -> Judged<Vec<&[u8]>> {
    match leaves.strip_suffix(b"\n") {
        Some(lines) => Ok(lines.split(|byte| *byte == b'\n').collect()),
        None => bad(None, "the last entry does not end"),
    }
}

/// The entries, each known to be genuine before it is read: from the last, whose hash is proven,
/// to the first.
fn chained(lines: &[&[u8]], hashes: &[Hash]) -> Judged<Vec<Entry>> {
    let mut entries = Vec::with_capacity(lines.len());
    let mut expected: Option<String> = None;
    for (at, (line, hash)) in lines.iter().zip(hashes).enumerate().rev() {
        if expected.is_some_and(|expected| expected != hex(hash)) {
            return bad(Some(at), "the entry after it names another hash");
        }
        let Ok(entry) = Entry::read(line) else {
            return bad(Some(at), "it is no entry of this format");
        };
        if entry.sprev.is_none() != (at == 0) {
            return bad(Some(at), "the session begins elsewhere");
        }
        expected = entry.sprev.clone();
        entries.push(entry);
    }
    entries.reverse();
    let mut chain = Chain::default();
    let session = entries.first().and_then(|entry| entry.sess.clone());
    for (at, (entry, hash)) in entries.iter().zip(hashes).enumerate() {
        if entry.sess.is_none() || entry.sess != session {
            return bad(Some(at), "it belongs to another session");
        }
        if let Err(what) = chain.follow(entry, *hash) {
            return bad(Some(at), what);
        }
    }
    Ok(entries)
}

/// Checks every payload against its entry; gives their number.
fn payloads(bundle: &Bundle<'_>, entries: &[Entry]) -> Judged<u64> {
    if !bundle.0.contains_key(PAYLOAD_KEY) {
        return Ok(0);
    }
    let text = bundle.text(PAYLOAD_KEY)?;
    let key = text.strip_suffix('\n').and_then(|text| STANDARD.decode(text).ok());
    let Some(key) = key else { return bad(None, format!("{PAYLOAD_KEY} is no key")) };
    let start = entries.first().and_then(|entry| entry.body::<SessionStart>().ok());
    if let Some(said) = start.and_then(|start| start.payload_key)
        && said != key_commitment(&key)
    {
        return bad(None, format!("{PAYLOAD_KEY} is not the session's key"));
    }
    let mut count = 0;
    for (at, entry) in entries.iter().enumerate() {
        let Some(reference) = &entry.pl else { continue };
        let Some(name) = payload_name(at as u64, entry) else {
            return bad(Some(at), "its payload has no name");
        };
        let session = entry.sess.as_deref().unwrap_or_default();
        if !is_payload(&key, session, reference, bundle.get(&name)?) {
            return bad(Some(at), format!("{name} is not what it commits to"));
        }
        count += 1;
    }
    Ok(count)
}

/// Checks the signed list of files of a session's bundle.
fn manifest(
    bundle: &Bundle<'_>,
    files: &[(&str, &[u8])],
    key: &VerifierKey,
    session: Option<&str>,
) -> Judged<()> {
    let head = format!("{MANIFEST_TITLE}\n{}\n{}\n", key.name(), session.unwrap_or_default());
    listed(bundle, files, key, &head)
}

/// Checks the signed list of files, which begins with `head`, against the files.
fn listed(
    bundle: &Bundle<'_>,
    files: &[(&str, &[u8])],
    key: &VerifierKey,
    head: &str,
) -> Judged<()> {
    let text = bundle.text(MANIFEST)?;
    let note = match Note::read(text) {
        Ok(note) if note.signed(key) => note,
        Ok(_) => return bad(None, format!("{MANIFEST}: the log's key did not sign it")),
        Err(error) => return bad(None, format!("{MANIFEST}: {error}")),
    };
    let Some(list) = note.text().strip_prefix(head) else {
        return bad(None, format!("{MANIFEST} is that of another bundle"));
    };
    let mut listed = Vec::new();
    for line in list.split_terminator('\n') {
        let Some((hash, name)) = line.split_once(' ') else {
            return bad(None, format!("{MANIFEST} has a line that names no file"));
        };
        if hex(&sha256(&[bundle.get(name)?])) != hash {
            return bad(None, format!("{name} is not the file that was signed"));
        }
        listed.push(name);
    }
    listed.push(MANIFEST);
    let order: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    if listed != order {
        return bad(None, "the archive has other files than were signed, or in another order");
    }
    Ok(())
}

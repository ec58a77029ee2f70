//! Judging the bundle of a task or ticket: its list of files, then each session's bundle in it.

use super::super::judgement::{Checked, Form, Judged, Judgement, KeySource};
use super::{Bundle, archive, bad, key, listed, opened, session};
use crate::audit::bundle::{LEAVES, MANIFEST, SESSION_ENDING, WORK_TITLE};
use crate::audit::checkpoint::VerifierKey;
use crate::audit::entry::{Entry, SessionStart};
use crate::audit::reader::WorkKind;

pub(super) fn judge(
    bundle: &Bundle<'_>,
    files: &[(&str, &[u8])],
    pinned: Option<&VerifierKey>,
) -> Judged<Checked> {
    let key = &key(bundle, pinned)?;
    let key_source = if pinned.is_some() { KeySource::Pinned } else { KeySource::Store };
    let head = format!("{WORK_TITLE}\n{}\n", key.name());
    let named = bundle.text(MANIFEST)?.strip_prefix(head.as_str());
    let named = named.and_then(|rest| rest.split_once('\n')).map(|(named, _)| named);
    let Some(named) = named else {
        return bad(None, format!("{MANIFEST} is that of another bundle"));
    };
    listed(bundle, files, key, &format!("{head}{named}\n"))?;
    let mut together: Option<Checked> = None;
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(SESSION_ENDING)) {
        let checked = opened(bytes, |inner, files| session(inner, files, Some(key)));
        let checked = checked.map_err(|judgement| inside(name, *judgement))?;
        if !is_for(bytes, named) {
            return bad(None, format!("{name} is of a session for something else"));
        }
        together = Some(match together {
            None => checked,
            Some(before) => Checked {
                entries: before.entries + checked.entries,
                checkpoints: before.checkpoints + checked.checkpoints,
                signatures: before.signatures + checked.signatures,
                sessions: before.sessions + checked.sessions,
                payloads: before.payloads + checked.payloads,
                ..checked
            },
        });
    }
    match together {
        Some(checked) => Ok(Checked { form: Form::Bundle, key_source, ..checked }),
        None => bad(None, "no session is in it"),
    }
}

/// The same judgement, with the file that it is about.
fn inside(name: &str, judgement: Judgement) -> Box<Judgement> {
    Box::new(match judgement {
        Judgement::Tampered { index, what } => {
            Judgement::Tampered { index, what: format!("{name}: {what}") }
        }
        Judgement::Incomplete { what } => Judgement::Incomplete { what: format!("{name}: {what}") },
        other => other,
    })
}

/// Whether the session of a bundle that is genuine is for this task or ticket.
fn is_for(bytes: &[u8], named: &str) -> bool {
    let files = archive::read(bytes).unwrap_or_default();
    let leaves = files.iter().find(|(name, _)| *name == LEAVES).map_or(&[][..], |(_, it)| it);
    let first = leaves.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let start = Entry::read(first).ok().and_then(|entry| entry.body::<SessionStart>().ok());
    start.is_some_and(|start| {
        [WorkKind::Task, WorkKind::Ticket].into_iter().any(|kind| {
            kind.named(&start).is_some_and(|id| format!("{} {id}", kind.word()) == named)
        })
    })
}

//! `[[anchor]]`: who remembers the log's newest checkpoint.

use super::export::url;
use super::page::Section;
use super::secret::{self, said};
use super::text::name;
use crate::export::anchor::{AnchorPlace, AnchorSettings};
use crate::limits::ANCHORS_MAX;
use crate::note::cosignature::CosignerKey;

#[derive(Clone, Copy)]
enum Kind {
    File,
    Witness,
}

/// Reads every anchor.
pub(super) fn anchors(top: &mut Section<'_>) -> Vec<AnchorSettings> {
    let sections = top.sections("anchor", "anchor");
    if let Some(extra) = sections.get(ANCHORS_MAX) {
        let what = format!("there are more than {ANCHORS_MAX} [[anchor]] sections");
        extra.mistake(extra.at(), what);
    }
    let (mut anchors, mut taken) = (Vec::new(), Vec::new());
    for mut section in sections {
        let name = name(&mut section, "name", &taken);
        taken.push(name.clone());
        anchors.extend(anchor(section, name));
    }
    anchors
}

/// `None` when there is a mistake.
fn anchor(mut section: Section<'_>, name: String) -> Option<AnchorSettings> {
    // What else belongs to a section can't be told without it.
    section.string_needed("kind", "\"file\" or \"witness\"")?;
    let kind = section.word("kind", &[("file", Kind::File), ("witness", Kind::Witness)])?;
    let place = match kind {
        Kind::File => file(&mut section),
        Kind::Witness => witness(&mut section),
    };
    let required = section.boolean("required").is_some_and(|item| item.value);
    section.end();
    Some(AnchorSettings { name, place: place?, required })
}

fn file(section: &mut Section<'_>) -> Option<AnchorPlace> {
    let item =
        section.string_needed("path", "a file on another disk, or a share of another machine")?;
    let path = section.page().path(item.value);
    if item.value.is_empty() {
        section.mistake(item.at, "`path` is empty; expected a file");
        return None;
    }
    // Its folder may be away: that is told at the start, and stops nothing unless `required`.
    if path.exists() && !path.is_file() {
        section.mistake(item.at, format!("`path` {}", said(&path, "is not a regular file")));
        return None;
    }
    Some(AnchorPlace::File { path })
}

fn witness(section: &mut Section<'_>) -> Option<AnchorPlace> {
    let url = url(section);
    let ca_file = secret::authority(section, "ca_file");
    let item = section.string_needed("key", "the witness's public key, name+hash+key")?;
    let key = match CosignerKey::read(item.value) {
        Ok(key) => key,
        Err(error) => {
            section.mistake(item.at, format!("`key` is no witness's key: {error}"));
            return None;
        }
    };
    Some(AnchorPlace::Witness { url: url?, key, ca_file })
}

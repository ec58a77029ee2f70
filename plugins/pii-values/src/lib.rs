//! Finds personal data and secrets in values and hides them. Settings: `README.md`.

mod check;
mod contact;
mod digits;
mod hide;
mod kind;
mod lettered;
mod numbers;
mod phone;
mod scan;
mod secret;
mod settings;

use std::collections::BTreeMap;

use portcullis_plugin::{
    Cells, Column, ColumnPlan, Edit, Masker, Plugin, Problem, Refusal, SessionInfo,
};

use crate::hide::hide;
use crate::kind::Kind;
use crate::scan::{Found, Scanner, Scratch};
use crate::settings::How;
pub use crate::settings::Settings;

/// The plugin.
#[derive(Debug)]
pub struct PiiValues {
    settings: Settings,
    scanner: Scanner,
    masks: BTreeMap<Kind, How>,
}

impl Plugin for PiiValues {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let problems = settings.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let scanner = Scanner::new(settings.wanted());
        let masks = settings.masks();
        Ok(Self { settings, scanner, masks })
    }
}

impl Masker for PiiValues {
    fn column(&self, session: &SessionInfo, column: &Column) -> ColumnPlan {
        match self.settings.looks_at(session, &column.origins, &column.type_name) {
            true => ColumnPlan::Inspect,
            false => ColumnPlan::Pass,
        }
    }

    fn scan(&self, cells: &Cells<'_>, edit: &mut Edit) -> Result<(), Refusal> {
        let mut scratch = Scratch::default();
        for (number, cell) in cells.iter() {
            let Some(cell) = cell else { continue };
            self.scanner.find(cell, &mut scratch);
            if scratch.found.is_empty() {
                continue;
            }
            let how = |found: &Found| self.masks.get(&found.kind).unwrap_or(&How::Null);
            // Not text as a whole, but with something in it: nothing of it is shown.
            let hidden = std::str::from_utf8(cell).ok();
            match hidden.and_then(|text| hide(text, &scratch.found, how)) {
                Some(text) => edit.replace(number, &text),
                None => edit.null(number),
            }
        }
        Ok(())
    }
}

portcullis_plugin::masker!(PiiValues);

#[cfg(test)]
mod tests;

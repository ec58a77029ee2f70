//! Hides columns by where their values come from, and secrets wherever they stand in a text.

use portcullis_plugin::{
    Cells, Column, ColumnPlan, Edit, Mask, Masker, Pattern, Plugin, Problem, Refusal, SessionInfo,
    masker,
};
use serde::Deserialize;

/// The `[plugins.settings]` table of the policy file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Columns to hide, such as `public.customers.*`.
    columns: Vec<Pattern>,
    /// A cell that holds one of these is hidden whole.
    #[serde(default)]
    secrets: Vec<String>,
}

pub struct Hide(Settings);

impl Plugin for Hide {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        match settings.secrets.iter().position(String::is_empty) {
            Some(at) => Err(vec![Problem::at(format!("secrets[{at}]"), "is empty")]),
            None => Ok(Self(settings)),
        }
    }
}

impl Masker for Hide {
    fn column(&self, _session: &SessionInfo, column: &Column) -> ColumnPlan {
        if self.0.columns.iter().any(|origin| column.comes_from(origin)) {
            return ColumnPlan::masked(Mask::Fixed("[hidden]".into()), "hide.column");
        }
        match column.type_name.as_str() {
            "text" | "varchar" | "bpchar" | "json" | "jsonb" => ColumnPlan::Inspect,
            _ => ColumnPlan::Pass,
        }
    }

    fn scan(&self, cells: &Cells<'_>, edit: &mut Edit) -> Result<(), Refusal> {
        for (number, cell) in cells.iter() {
            let text = String::from_utf8_lossy(cell.unwrap_or_default());
            if self.0.secrets.iter().any(|secret| text.contains(secret.as_str())) {
                edit.replace(number, "[secret]");
            }
        }
        Ok(())
    }
}

masker!(Hide);

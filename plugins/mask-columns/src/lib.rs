//! Hides values in results by the column they come from. Settings: `README.md`.

mod values;

use std::collections::BTreeMap;

use portcullis_plugin::{
    Cells, Column, ColumnPlan, Edit, Mask, Masker, Pattern, Plugin, Prefiltered, Problem, Refusal,
    SessionInfo,
};
use serde::Deserialize;

use crate::values::Find;

const HIDDEN: &str = "****";
const FIXED_BYTES_MAX: usize = 256;

/// The `[plugins.settings]` table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Columns whose values are hidden.
    #[serde(default)]
    columns: Vec<Rule>,
    /// Columns whose values are looked at: `schema.table.column` patterns.
    #[serde(default)]
    inspect: Vec<Pattern>,
    /// What is hidden inside the values that are looked at.
    #[serde(default)]
    find: Vec<Find>,
    /// Which columns have a tag: `schema.table.column` patterns.
    #[serde(default)]
    tags: BTreeMap<String, Vec<Pattern>>,
}

/// One way to hide some columns.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Where the values come from: a `schema.table.column` pattern.
    origin: Option<Pattern>,
    /// A pattern for the column's own name, of its origin or in the result.
    name: Option<Pattern>,
    /// All columns of a tag.
    tag: Option<String>,
    /// Who sees them as they are.
    #[serde(default)]
    except: Except,
    mask: How,
    /// Named in the log; default: made from the pattern.
    rule: Option<String>,
}

/// Those for whom a rule does not hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Except {
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    principals: Vec<String>,
}

impl Except {
    fn names(&self, session: &SessionInfo) -> bool {
        self.principals.contains(&session.principal)
            || self.groups.iter().any(|group| session.groups.contains(group))
    }
}

/// How values are hidden.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    Null,
    Fixed(String),
    Hash,
    KeepFirst(u8),
    KeepLast(u8),
}

impl How {
    fn mask(&self) -> Mask {
        match self {
            Self::Null => Mask::NullOut,
            Self::Fixed(text) => Mask::Fixed(text.clone()),
            Self::Hash => Mask::Hash,
            Self::KeepFirst(kept) => Mask::KeepFirst(*kept),
            Self::KeepLast(kept) => Mask::KeepLast(*kept),
        }
    }
}

/// The plugin.
#[derive(Debug)]
pub struct MaskColumns(Settings);

impl Plugin for MaskColumns {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for (at, rule) in settings.columns.iter().enumerate() {
            let place = format!("columns[{at}]");
            if let Some(message) = mistake(rule) {
                problems.push(Problem::at(place, message));
            } else if rule.tag.as_ref().is_some_and(|tag| !settings.tags.contains_key(tag)) {
                problems.push(Problem::at(format!("{place}.tag"), "no column has it in `tags`"));
            }
        }
        for (tag, patterns) in &settings.tags {
            for (at, _) in patterns.iter().enumerate().filter(|(_, it)| it.segments() != 3) {
                let message = "needs three parts, `schema.table.column`; `*` stands for any";
                problems.push(Problem::at(format!("tags.{tag}[{at}]"), message));
            }
        }
        for (at, pattern) in settings.inspect.iter().enumerate() {
            if pattern.segments() > 3 {
                problems
                    .push(Problem::at(format!("inspect[{at}]"), "is longer than a column's name"));
            }
        }
        if settings.inspect.is_empty() != settings.find.is_empty() {
            problems.push(Problem::at("find", "`inspect` and `find` are given together"));
        }
        if problems.is_empty() { Ok(Self(settings)) } else { Err(problems) }
    }
}

fn mistake(rule: &Rule) -> Option<&'static str> {
    let ways = [rule.origin.is_some(), rule.name.is_some(), rule.tag.is_some()];
    if ways.iter().filter(|given| **given).count() != 1 {
        return Some("needs one of `origin`, `name` and `tag`");
    }
    match (&rule.origin, &rule.name, &rule.mask) {
        (Some(origin), _, _) if origin.segments() != 3 => {
            Some("`origin` needs three parts, `schema.table.column`; `*` stands for any")
        }
        (_, Some(name), _) if name.segments() != 1 => Some("`name` is one part, without dots"),
        (_, _, How::Fixed(text)) if text.len() > FIXED_BYTES_MAX || text.contains('\0') => {
            Some("`fixed` is at most 256 bytes, without NUL")
        }
        _ => None,
    }
}

impl Rule {
    fn hides(&self, column: &Column, tags: &BTreeMap<String, Vec<Pattern>>) -> bool {
        let tagged = self.tag.as_ref().and_then(|tag| tags.get(tag));
        let named = |name: &Pattern| {
            name.matches_part(&column.name)
                || column.origins.iter().any(|origin| origin == "*" || name.matches(origin))
        };
        self.origin.as_ref().is_some_and(|origin| column.comes_from(origin))
            || self.name.as_ref().is_some_and(named)
            || tagged.is_some_and(|all| all.iter().any(|origin| column.comes_from(origin)))
    }

    fn id(&self, at: usize) -> String {
        self.rule.clone().unwrap_or_else(|| format!("mask.columns[{at}]"))
    }
}

impl Masker for MaskColumns {
    /// The strictest of all rules that match; a computed column can match several.
    fn column(&self, session: &SessionInfo, column: &Column) -> ColumnPlan {
        let holds = |rule: &Rule| !rule.except.names(session) && rule.hides(column, &self.0.tags);
        let matching = self.0.columns.iter().enumerate().filter(|(_, rule)| holds(rule));
        let mut strictest: Option<(Mask, String)> = None;
        for (at, rule) in matching {
            let mask = rule.mask.mask();
            strictest = Some(match strictest {
                None => (mask, rule.id(at)),
                Some(before) => stricter(before, (mask, rule.id(at))),
            });
        }
        match strictest {
            Some((mask, rule)) => ColumnPlan::masked(mask, rule),
            None if self.0.inspect.iter().any(|origin| column.comes_from(origin)) => {
                ColumnPlan::Inspect
            }
            None => ColumnPlan::Pass,
        }
    }

    fn scan(&self, cells: &Cells<'_>, edit: &mut Edit) -> Result<(), Refusal> {
        for (number, cell) in cells.iter() {
            let Some(cell) = cell else { continue };
            match std::str::from_utf8(cell) {
                Ok(text) => {
                    if let Some(hidden) = values::hide(text, &self.0.find) {
                        edit.replace(number, &hidden);
                    }
                }
                // Not text, so nothing can be found in it.
                Err(_) => edit.null(number),
            }
        }
        Ok(())
    }
}

impl Prefiltered for MaskColumns {
    fn patterns(&self) -> Vec<String> {
        self.0.find.iter().map(|find| find.pattern().to_owned()).collect()
    }
}

fn stricter(one: (Mask, String), other: (Mask, String)) -> (Mask, String) {
    use Mask::{KeepFirst, KeepLast};
    match (&one.0, &other.0) {
        (KeepFirst(a), KeepFirst(b)) | (KeepLast(a), KeepLast(b)) => {
            if b < a {
                other
            } else {
                one
            }
        }
        // Each would show what the other hides.
        (KeepFirst(_), KeepLast(_)) | (KeepLast(_), KeepFirst(_)) => {
            (Mask::Fixed(HIDDEN.to_owned()), one.1)
        }
        (a, b) if rank(b) > rank(a) => other,
        _ => one,
    }
}

fn rank(mask: &Mask) -> u8 {
    match mask {
        Mask::NullOut => 3,
        Mask::Fixed(_) => 2,
        Mask::Hash => 1,
        Mask::KeepFirst(_) | Mask::KeepLast(_) => 0,
    }
}

portcullis_plugin::export!(MaskColumns: masker, prefilter);

#[cfg(test)]
mod tests;

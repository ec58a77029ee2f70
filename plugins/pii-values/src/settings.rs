//! The `[plugins.settings]` table.

use std::collections::BTreeMap;

use portcullis_plugin::{Pattern, Problem, SessionInfo};
use serde::Deserialize;

use crate::kind::{GROUPS_DEFAULT, KINDS, Kind, Kinds};

const FIXED_BYTES_MAX: usize = 64;
const KEPT_MAX: u8 = 8;

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Kinds and groups of kinds that are looked for.
    find: Option<Vec<String>>,
    /// Kinds and groups that are not looked for all the same.
    #[serde(default)]
    ignore: Vec<String>,
    /// How they are hidden, where `masks` says nothing else.
    #[serde(default)]
    mask: How,
    /// How single kinds or groups are hidden.
    #[serde(default)]
    masks: BTreeMap<String, How>,
    /// Columns whose values are looked at: `schema.table.column` patterns. Without it, every
    /// column that holds text.
    inspect: Option<Vec<Pattern>>,
    /// Columns whose values are not looked at.
    #[serde(default)]
    skip: Vec<Pattern>,
    /// Who sees values as they are.
    #[serde(default)]
    except: Vec<Exception>,
}

/// How a find is hidden.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Its kind in brackets: `[card]`.
    #[default]
    Label,
    /// A star for each letter and digit.
    Stars,
    /// Stars for all but the last so many letters and digits.
    KeepLast(u8),
    /// This text.
    Fixed(String),
    /// The whole value is NULL.
    Null,
}

/// Somebody who sees some columns as they are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Groups of the subject.
    #[serde(default)]
    groups: Vec<String>,
    /// Subjects.
    #[serde(default)]
    principals: Vec<String>,
    /// Columns; empty = all.
    #[serde(default)]
    columns: Vec<Pattern>,
}

impl Settings {
    /// Every mistake with its place.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut word = |place: String, word: &str| {
            if Kind::named(word).is_empty() {
                problems.push(Problem::at(place, format!("is no kind; there are {}", words())));
            }
        };
        for (at, name) in self.find.iter().flatten().enumerate() {
            word(format!("find[{at}]"), name);
        }
        self.ignore.iter().enumerate().for_each(|(at, name)| word(format!("ignore[{at}]"), name));
        self.masks.keys().for_each(|name| word(format!("masks.{name}"), name));
        let masks = self.masks.iter().map(|(name, how)| (format!("masks.{name}"), how));
        for (place, how) in masks.chain([("mask".to_owned(), &self.mask)]) {
            problems.extend(how.mistake().map(|message| Problem::at(place, message)));
        }
        let columns = [("inspect", self.inspect.as_deref().unwrap_or_default())];
        for (name, patterns) in columns.into_iter().chain([("skip", self.skip.as_slice())]) {
            for (at, _) in patterns.iter().enumerate().filter(|(_, it)| it.segments() > 3) {
                let place = format!("{name}[{at}]");
                problems.push(Problem::at(place, "is longer than `schema.table.column`"));
            }
        }
        for (at, exception) in self.except.iter().enumerate() {
            if exception.groups.is_empty() && exception.principals.is_empty() {
                let message = "names nobody: needs `groups` or `principals`";
                problems.push(Problem::at(format!("except[{at}]"), message));
            }
        }
        if self.wanted().is_empty() {
            problems.push(Problem::at("find", "nothing is left to look for"));
        }
        problems
    }

    /// What is looked for.
    pub(crate) fn wanted(&self) -> Kinds {
        let all = |words: &[String]| {
            let mut kinds = Kinds::default();
            words.iter().for_each(|word| kinds.join(Kind::named(word)));
            kinds
        };
        let found = match &self.find {
            Some(words) => all(words),
            None => all(&GROUPS_DEFAULT.map(str::to_owned)),
        };
        let ignored = all(&self.ignore);
        let mut wanted = Kinds::default();
        let kept = KINDS.iter().map(|(kind, _, _)| *kind);
        kept.filter(|kind| found.has(*kind) && !ignored.has(*kind))
            .for_each(|kind| wanted.add(kind));
        wanted
    }

    /// How each kind is hidden: what is said of it, of its group, of all.
    pub(crate) fn masks(&self) -> BTreeMap<Kind, How> {
        let how = |(kind, name, group): &(Kind, &str, &str)| {
            let how = self.masks.get(*name).or_else(|| self.masks.get(*group));
            (*kind, how.unwrap_or(&self.mask).clone())
        };
        KINDS.iter().map(how).collect()
    }

    /// Whether the values of a column are looked at for a session.
    pub(crate) fn looks_at(
        &self,
        session: &SessionInfo,
        origins: &[String],
        type_name: &str,
    ) -> bool {
        // What can't be told may come from a column that is looked at, and from none that is not.
        let any = |patterns: &[Pattern]| {
            origins.iter().any(|it| it == "*" || patterns.iter().any(|name| name.matches(it)))
        };
        let all = |patterns: &[Pattern]| {
            let known = |it: &String| it != "*" && patterns.iter().any(|name| name.matches(it));
            !origins.is_empty() && origins.iter().all(known)
        };
        let wanted = match &self.inspect {
            Some(patterns) => any(patterns),
            None => TEXT_TYPES.contains(&type_name.strip_suffix("[]").unwrap_or(type_name)),
        };
        let excepted = self.except.iter().any(|exception| {
            let group = exception.groups.iter().any(|group| session.groups.contains(group));
            (group || exception.principals.contains(&session.principal))
                && (exception.columns.is_empty() || all(&exception.columns))
        });
        wanted && !excepted && !all(&self.skip)
    }
}

/// Types whose values may hold text of any kind. A name that is not known is one of them.
const TEXT_TYPES: [&str; 11] = [
    "", "text", "varchar", "bpchar", "name", "citext", "unknown", "json", "jsonb", "xml", "hstore",
];

impl How {
    fn mistake(&self) -> Option<String> {
        match self {
            Self::Fixed(text) if text.len() > FIXED_BYTES_MAX || text.contains('\0') => {
                Some(format!("`fixed` is at most {FIXED_BYTES_MAX} bytes, without NUL"))
            }
            Self::KeepLast(kept) if !(1..=KEPT_MAX).contains(kept) => {
                Some(format!("`keep_last` is 1 to {KEPT_MAX}"))
            }
            _ => None,
        }
    }
}

fn words() -> String {
    let mut groups: Vec<&str> = KINDS.iter().map(|(_, _, group)| *group).collect();
    groups.sort_unstable();
    groups.dedup();
    let kinds = KINDS.iter().map(|(_, name, _)| *name);
    groups.into_iter().chain(kinds).collect::<Vec<_>>().join(", ")
}

//! What a statement may do with a hidden column besides showing it masked.
//!
//! A mask holds for values in results. A statement that compares, copies or computes with them
//! can tell them all the same, so each such way (a door) is open or closed by the policy's mode.
//! `docs/masking.md` has the table.

use std::collections::HashMap;
use std::sync::Arc;

use super::host::wit;
use super::mask;
use super::{Denied, Finding, Judged, Ruling, Verdict};
use crate::fault::{Blame, Fault};
use crate::protocol::postgres::lineage::Catalogue;
use crate::protocol::postgres::statement::is_opaque;
use crate::protocol::{Access, How, Request, Statement, Use, dotted};

/// How much a statement may do with columns that are hidden from its session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MaskingMode {
    /// Show them, masked; nothing else.
    #[default]
    Strict,
    /// Also look for a given value in them, and join them with each other.
    Standard,
    /// Anything: only the values in results are masked.
    Values,
}

impl MaskingMode {
    /// The word of the policy file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Standard => "standard",
            Self::Values => "values",
        }
    }
}

/// The `[masking]` section of a policy.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Masking {
    /// The mode.
    pub mode: MaskingMode,
    /// Functions that may be called although nobody can see into them, `schema.name`.
    pub functions: Vec<String>,
}

/// A column that is hidden from a session.
#[derive(Clone, Debug)]
pub struct HiddenColumn {
    pub(super) mask: wit::Mask,
    /// Its values are those of one column of a table, unchanged.
    pub(super) exact: bool,
}

/// The hidden columns of one relation, by name.
pub type Hidden = Arc<HashMap<String, HiddenColumn>>;

/// A door that a mode keeps closed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Breach {
    /// Stable rule id.
    pub rule: &'static str,
    what: String,
    instead: &'static str,
}

impl Breach {
    /// What the caller is told.
    pub fn fault(&self, mode: MaskingMode) -> Fault {
        let (what, word) = (&self.what, mode.word());
        let message = format!("{what}, which masking mode \"{word}\" refuses (rule {})", self.rule);
        Fault::new(Blame::Policy, "masking_refused", "42501", message).hint(format!(
            "Nothing was run and the connection stays usable. {} The same statement gets the \
             same answer, so do not retry it unchanged.",
            self.instead
        ))
    }

    /// What was done, for the log.
    pub fn what(&self) -> &str {
        &self.what
    }
}

/// What a statement is held against.
#[derive(Clone, Copy, Debug)]
pub struct Guarded<'a> {
    /// The mode that decides.
    pub mode: MaskingMode,
    /// The policy's section.
    pub masking: &'a Masking,
    /// The target's catalogue.
    pub catalogue: &'a Catalogue,
    /// What is hidden of each relation that the statement names; all others hide nothing.
    pub hidden: &'a HashMap<u32, Hidden>,
}

impl Guarded<'_> {
    /// The first closed door that a statement would go through.
    pub fn breach(&self, statement: &Statement) -> Option<Breach> {
        if self.mode == MaskingMode::Values {
            return None;
        }
        self.verbs(statement)
            .or_else(|| self.functions(statement))
            .or_else(|| self.explained(statement))
            .or_else(|| statement.uses.iter().find_map(|one| self.used(statement, one)))
    }

    fn strict(&self) -> bool {
        self.mode == MaskingMode::Strict
    }

    /// Statements that bring code, reach elsewhere, or copy what can't be seen.
    fn verbs(&self, statement: &Statement) -> Option<Breach> {
        let acts = || statement.acts.iter().map(String::as_str);
        let found = |rule, verb: &str, why: &str, instead| {
            Some(Breach { rule, what: format!("`{verb}` {why}"), instead })
        };
        if let Some(verb) = acts().find(|verb| brings_code(verb)) {
            let instead = "Run the statements themselves, one by one.";
            return found("masking.code", verb, "runs code that can't be judged", instead);
        }
        let elsewhere = acts().find(|verb| reaches_elsewhere(verb));
        let file = statement.objects.iter().any(|object| object.kind == "file");
        if elsewhere.is_some() || file {
            let verb = elsewhere.unwrap_or(&statement.verb);
            let why = "reaches files or servers whose values have no known origin";
            return found("masking.outside", verb, why, "Read from tables instead.");
        }
        let stored = acts().any(|verb| matches!(verb, "create_table_as" | "select_into"));
        if stored && acts().any(|verb| verb == "execute") {
            let instead = "Write the query itself in place of EXECUTE.";
            return found("masking.copy", "create_table_as", "stores what EXECUTE gives", instead);
        }
        if self.strict() && acts().any(|verb| verb == "listen") {
            let why = "receives what other sessions send, which can't be masked";
            return found("masking.listen", "listen", why, "Ask for the rows with SELECT.");
        }
        if acts().any(|verb| verb == "alter_schema") {
            let why = "can rename a schema by which columns are hidden";
            return found("masking.rename", "alter_schema", why, "Leave its name as it is.");
        }
        None
    }

    /// Functions and operators that can read what their arguments don't name.
    fn functions(&self, statement: &Statement) -> Option<Breach> {
        for object in statement.objects.iter().filter(|object| object.access == Access::Read) {
            let name = object.name.as_str();
            match object.kind.as_str() {
                "function" if is_opaque(name) => {
                    return Some(Breach {
                        rule: "masking.outside",
                        what: format!(
                            "the function {name} returns data that its arguments only name"
                        ),
                        instead: "Select from the tables themselves.",
                    });
                }
                _ if !self.strict() || self.listed(name) => {}
                "function" if self.catalogue.is_unseen(name) => {
                    return Some(unseen("function", name));
                }
                "operator" => return Some(unseen("operator", name)),
                _ => {}
            }
        }
        if !self.strict() {
            return None;
        }
        // `t.f` is a call of `f` when `t` has no such column.
        let called = statement.columns.iter().find(|name| {
            let mut schemas = self.catalogue.function_schemas(name);
            schemas.next().is_some() && self.may_call(statement, name) && !self.listed(name)
        });
        called.map(|name| unseen("function", name))
    }

    fn may_call(&self, statement: &Statement, name: &str) -> bool {
        let lacks = |relation: &str| {
            let oids = self.catalogue.resolve(relation);
            oids.iter().any(|oid| !self.catalogue.has_column(*oid, name))
        };
        let mut uses = statement.uses.iter().filter(|one| one.column == name);
        let named = uses.any(|one| !one.relation.is_empty() && lacks(&one.relation));
        let oids = self.touched(statement);
        named || !oids.iter().any(|oid| self.catalogue.has_column(*oid, name))
    }

    /// Whether the policy lists every function that a name may mean.
    fn listed(&self, name: &str) -> bool {
        let listed = |full: &str| self.masking.functions.iter().any(|one| one == full);
        if name.contains('.') {
            return listed(name);
        }
        let mut schemas = self.catalogue.function_schemas(name).peekable();
        schemas.peek().is_some() && schemas.all(|schema| listed(&dotted([schema, name])))
    }

    /// EXPLAIN that runs its statement counts the rows that conditions hold for.
    fn explained(&self, statement: &Statement) -> Option<Breach> {
        let analyze = statement.acts.iter().any(|act| act == "explain_analyze");
        let verbose = statement.attributes.iter().any(|(key, _)| key == "explain");
        let unseen = statement.acts.iter().any(|act| act == "execute");
        if !analyze && !verbose {
            return None;
        }
        let mut uses = statement.uses.iter();
        let column = uses.find_map(|one| self.hidden_columns(statement, one).pop());
        let what = match column {
            Some((name, _)) => format!("hidden column {name}"),
            None if unseen => "what EXECUTE may read".to_owned(),
            None => return None,
        };
        Some(Breach {
            rule: "masking.explain",
            what: format!("EXPLAIN with ANALYZE or VERBOSE tells of {what}"),
            instead: "Use EXPLAIN without these options.",
        })
    }

    fn used(&self, statement: &Statement, one: &Use) -> Option<Breach> {
        if one.how == How::Shown {
            return None;
        }
        let hidden = self.hidden_columns(statement, one);
        let (name, _) = hidden.iter().find(|(_, column)| !self.permits(statement, one, column))?;
        let (rule, what, instead) = match &one.how {
            How::Compared | How::Joined { .. } | How::Matched => (
                "masking.predicate",
                format!("the statement decides by the values of hidden column {name}"),
                "Choose rows by columns that are not hidden, such as a key.",
            ),
            How::Computed { by } => (
                "masking.function",
                format!("{by} computes with hidden column {name}"),
                "Select the column itself; it comes masked.",
            ),
            How::Copied { .. } => (
                "masking.copy",
                format!("the statement stores values of hidden column {name} elsewhere"),
                "Leave the column out, or give the values as literals.",
            ),
            How::Moved => (
                "masking.rename",
                format!("the statement gives hidden column {name} another name or other kin"),
                "Ask the operator of this gateway, whose policy names the column.",
            ),
            How::Ordered => (
                "masking.order",
                format!("the statement sorts or groups by hidden column {name}"),
                "Sort and group by columns that are not hidden.",
            ),
            How::Shown => return None,
        };
        Some(Breach { rule, what, instead })
    }

    /// Whether the mode lets a hidden column be used so.
    fn permits(&self, statement: &Statement, one: &Use, column: &HiddenColumn) -> bool {
        let standard = self.mode == MaskingMode::Standard;
        match &one.how {
            How::Computed { by } => self.listed(by),
            How::Copied { into: Some((relation, name)) } => {
                // Under the same mask the copy shows no more than the original.
                let oids = self.catalogue.resolve(relation);
                column.exact
                    && self.all_hidden(&oids, name, |to| mask::same(&to.mask, &column.mask))
            }
            How::Joined { with } if standard => {
                let oids = match with.0.as_str() {
                    "" => self.touched(statement),
                    relation => self.catalogue.resolve(relation),
                };
                column.exact && self.all_hidden(&oids, &with.1, |to| to.exact)
            }
            How::Matched => standard && column.exact,
            How::Shown => true,
            _ => false,
        }
    }

    /// Whether every relation with a column of this name hides it so, and there is one.
    fn all_hidden(&self, oids: &[u32], name: &str, so: impl Fn(&HiddenColumn) -> bool) -> bool {
        let mut having =
            oids.iter().filter(|oid| self.catalogue.has_column(**oid, name)).peekable();
        having.peek().is_some()
            && having.all(|oid| {
                self.hidden.get(oid).and_then(|columns| columns.get(name)).is_some_and(&so)
            })
    }

    /// Every relation that a statement names.
    fn touched(&self, statement: &Statement) -> Vec<u32> {
        let relations = statement.objects.iter().filter(|object| object.kind == "relation");
        relations.flat_map(|object| self.catalogue.resolve(&object.name)).collect()
    }

    /// The hidden columns that a use may mean, by `relation.column`.
    fn hidden_columns(&self, statement: &Statement, one: &Use) -> Vec<(String, &HiddenColumn)> {
        let oids = match one.relation.as_str() {
            "" => self.touched(statement),
            relation => self.catalogue.resolve(relation),
        };
        let mut found = Vec::new();
        for oid in oids {
            let Some(columns) = self.hidden.get(&oid) else { continue };
            let relation = self.catalogue.relation_name(oid).unwrap_or_default();
            for (name, column) in columns.iter() {
                if one.column == "*" || one.column == *name {
                    found.push((format!("{relation}.{name}"), column));
                }
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found
    }
}

impl Judged {
    /// The request, unless it is denied already.
    pub fn open(&self) -> Option<&Request> {
        match self {
            Self::Decided(decided) => Some(decided.request()),
            Self::Denied(_) => None,
            Self::Held(held) => Some(held.request()),
        }
    }

    /// The same judgement after a look at what it does with hidden columns: a fault denies it,
    /// under this rule. Nothing is loosened.
    pub fn refused(self, rule: &str, fault: Fault) -> Self {
        let (request, mut ruling) = match self {
            Self::Decided(decided) => (decided.request, decided.ruling),
            Self::Held(held) => (held.request, held.ruling),
            denied @ Self::Denied(_) => return denied,
        };
        ruling.verdict = Verdict::Deny;
        note(&mut ruling, rule, 100, fault.message.to_string());
        Self::Denied(Denied { request, ruling, fault })
    }

    /// The same judgement, with a finding that a looser mode let something through.
    pub fn noted(mut self, rule: &str, message: String) -> Self {
        match &mut self {
            Self::Decided(decided) => note(&mut decided.ruling, rule, 0, message),
            Self::Held(held) => note(&mut held.ruling, rule, 0, message),
            Self::Denied(_) => {}
        }
        self
    }
}

fn note(ruling: &mut Ruling, rule: &str, score: u8, message: String) {
    let (plugin, rule) = ("core".to_owned(), rule.to_owned());
    let finding = Finding { plugin, rule, score, message };
    // An Execute keeps the findings of its Bind.
    if !ruling.findings.contains(&finding) {
        ruling.findings.push(finding);
    }
}

fn unseen(kind: &str, name: &str) -> Breach {
    Breach {
        rule: "masking.code",
        what: format!("the {kind} {name} runs code that may read hidden columns"),
        instead: "Use PostgreSQL's own functions and operators, or ask the operator of this \
                  gateway to list it under [masking] functions.",
    }
}

/// Verbs that run or make code of the client's.
fn brings_code(verb: &str) -> bool {
    matches!(
        verb,
        "alter_event_trigger"
            | "alter_extension"
            | "alter_function"
            | "alter_operator"
            | "alter_procedure"
            | "alter_routine"
            | "create_access_method"
            | "create_aggregate"
            | "create_cast"
            | "create_conversion"
            | "create_event_trigger"
            | "create_extension"
            | "create_function"
            | "create_language"
            | "create_operator"
            | "create_operator_class"
            | "create_operator_family"
            | "create_procedure"
            | "create_rule"
            | "create_transform"
            | "create_trigger"
            | "do"
            | "load"
    )
}

/// Verbs that read or write past the tables of this database.
fn reaches_elsewhere(verb: &str) -> bool {
    matches!(
        verb,
        "alter_foreign_data_wrapper"
            | "alter_publication"
            | "alter_server"
            | "alter_subscription"
            | "alter_system"
            | "alter_user_mapping"
            | "copy_program"
            | "create_foreign_data_wrapper"
            | "create_foreign_table"
            | "create_publication"
            | "create_server"
            | "create_subscription"
            | "create_user_mapping"
            | "import_foreign_schema"
    )
}

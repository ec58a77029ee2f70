//! A plugin's own tests: cases, each with the answer that its author expects.
//!
//! A policy names them with `tests`; a plugin that fails one is not put in force. `portcullis
//! plugin test` runs the same file. The file is JSON:
//!
//! ```json
//! {
//!   "format": 1,
//!   "session": { "principal": "ann", "groups": ["sales"], "target": "shop" },
//!   "cases": [
//!     { "name": "a table can't be dropped",
//!       "sql": "DROP TABLE orders",
//!       "expect": { "decision": "deny", "rule": "sql.drop" } },
//!     { "name": "a bound value is seen",
//!       "sql": "DELETE FROM orders WHERE id = $1", "parameters": ["7"], "risk": 40,
//!       "expect": { "decision": "hold", "approvers": ["dba"], "risk": 40 } },
//!     { "name": "e-mail is hidden, NULL stays",
//!       "columns": [ { "name": "email", "origins": ["public.customers.email"] } ],
//!       "rows": [["ann@example.com"], [null]],
//!       "expect": { "rows": [["****"], [null]] } }
//!   ]
//! }
//! ```
//!
//! A case has either `sql`, or `columns` with `rows`. SQL is read by the gateway's own grammar, as
//! a query, or with `parameters` (text, or null for NULL) as a prepared statement; of several
//! statements the strictest answer counts. `risk` is what other plugins scored. A column's `type`
//! is `text` unless it says otherwise; without `origins` it may come from anywhere (`*`); it is
//! `exact` (its origin's value, unchanged) if it has one origin, unless it says otherwise.
//! `session` stands for all cases, and a case may have its own.
//!
//! Instead of `sql` a case may have an `operation` of another kind, in the shape of
//! `wit/types.wit`: `kind`, `verb`, `class`, `text`, and where there are any `acts` (the verb if it
//! is left out), `resources` (`kind`, `name`, `write`), `body` (JSON, the one parameter) and
//! `attributes` (pairs). Or a `part` of a result for a plugin that counts: `rows`, `bytes`,
//! `rows_before`, `bytes_before`, `approved`; an end is the decision `deny`, a note is a finding.
//!
//! `expect` has at least one of `decision` (`abstain`, `allow`, `hold`, `deny`), `rule` (of the
//! hold or the denial), `approvers`, `risk` (the score), `findings` (rules, in order), `rows` and
//! `withheld` (true: the plugin stopped the result). What it leaves out is not compared. Hash
//! masks use a fixed key in tests: 32 zero bytes.

mod answer;
mod asked;
mod request;
mod trial;

use asked::{Asked, Given};

pub use answer::{Answer, Heard, Shown, Table};
#[cfg(test)]
pub(super) use request::request;
pub use trial::{Figures, Trial};

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::host::{Engine, wit};
use super::plugin::Plugin;
use super::signature::Signing;
use super::{PluginSettings, Problem};
use crate::limits::{GOLDEN_CASES_MAX, GOLDEN_MILLIS_MAX};

const FORMAT: u32 = 1;

/// The cases of one plugin.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    format: u32,
    #[serde(default)]
    session: Who,
    cases: Vec<Case>,
}

/// The session of a case, as a plugin is told of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Who {
    id: String,
    target: String,
    protocol: String,
    database: String,
    role: String,
    principal: String,
    agent: String,
    groups: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    name: String,
    session: Option<Who>,
    sql: Option<String>,
    operation: Option<Asked>,
    part: Option<Given>,
    #[serde(default)]
    parameters: Vec<Option<String>>,
    risk: Option<u8>,
    columns: Option<Vec<Described>>,
    #[serde(default)]
    rows: Vec<Vec<Option<String>>>,
    #[serde(default)]
    expect: Expect,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    #[serde(rename = "type", default = "text")]
    type_name: String,
    #[serde(default = "anywhere")]
    origins: Vec<String>,
    exact: Option<bool>,
}

fn text() -> String {
    "text".to_owned()
}

fn anywhere() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What a case expects; what is `None` is not compared.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    decision: Option<Decision>,
    rule: Option<String>,
    approvers: Option<Vec<String>>,
    risk: Option<u8>,
    findings: Option<Vec<String>>,
    rows: Option<Vec<Vec<Option<String>>>>,
    withheld: Option<bool>,
}

/// What a plugin decides; strictest last.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the decisions of wit/types.wit")]
pub enum Decision {
    Abstain,
    Allow,
    Hold,
    Deny,
}

/// What became of one case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// What differs from what was expected; none when it passed.
    pub failure: Option<String>,
}

impl Golden {
    /// Reads cases.
    ///
    /// # Errors
    /// What is wrong, with the line where there is one.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let golden: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if golden.format != FORMAT {
            return Err(format!("`format` is {}; expected {FORMAT}", golden.format));
        }
        if golden.cases.is_empty() || golden.cases.len() > GOLDEN_CASES_MAX {
            let count = golden.cases.len();
            return Err(format!("{count} cases; expected 1 to {GOLDEN_CASES_MAX}"));
        }
        golden.cases.iter().try_for_each(Case::check)?;
        Ok(golden)
    }
}

impl Case {
    fn check(&self) -> Result<(), String> {
        let fail = |what: &str| Err(format!("case \"{}\": {what}", self.name));
        if self.name.is_empty() {
            return Err("a case has no `name`".to_owned());
        }
        if self.expect == Expect::default() {
            return fail("`expect` is empty, so it can't fail");
        }
        self.shape()
    }

    /// Whether it asks one thing, and expects what can be had of it.
    fn shape(&self) -> Result<(), String> {
        let fail = |what: &str| Err(format!("case \"{}\": {what}", self.name));
        let expect = &self.expect;
        let judged = expect.decision.is_some()
            || expect.rule.is_some()
            || expect.approvers.is_some()
            || expect.risk.is_some()
            || expect.findings.is_some();
        let masked = expect.rows.is_some() || expect.withheld.is_some();
        let others = [self.sql.is_some(), self.operation.is_some(), self.part.is_some()];
        let judging = others.into_iter().filter(|there| *there).count();
        match (judging == 1, &self.columns) {
            _ if judging > 1 => fail("expected one of `sql`, `operation`, `part`"),
            (true, None) if masked => fail("a case without `columns` has no rows to expect"),
            (true, None) if !self.rows.is_empty() => fail("`rows` needs `columns`"),
            (true, None) => Ok(()),
            (false, Some(_)) if judged => {
                fail("a case with `columns` expects `rows` or `withheld`")
            }
            (false, Some(_)) if self.rows.is_empty() => fail("`columns` needs `rows`"),
            (false, Some(columns)) if self.rows.iter().any(|row| row.len() != columns.len()) => {
                fail("a row has another number of values than there are columns")
            }
            (false, Some(_)) => Ok(()),
            _ => fail("expected either `sql`, `operation` or `part`, or `columns` and `rows`"),
        }
    }
}

impl Engine {
    /// Loads a plugin to try it. What the policy itself names as tests is not run.
    ///
    /// # Errors
    /// The plugin can't be loaded at all.
    pub fn trial(&self, settings: &PluginSettings) -> Result<Trial, Vec<Problem>> {
        let settings = PluginSettings { tests: None, ..settings.clone() };
        let plugin = Plugin::load(self, &settings, &Signing::default(), Arc::default())?;
        Ok(Trial::new(self, Arc::new(plugin)))
    }

    /// Loads a plugin and runs its tests. What the policy itself names as tests is not run.
    ///
    /// # Errors
    /// The plugin can't be loaded at all.
    pub fn test(
        &self,
        settings: &PluginSettings,
        golden: &Golden,
    ) -> Result<Vec<CaseResult>, Vec<Problem>> {
        let trial = self.trial(settings)?;
        Ok(run(self, trial.plugin(), golden))
    }
}

/// Runs every case, each with an instance of its own that has stored nothing.
pub(super) fn run(engine: &Engine, plugin: &Arc<Plugin>, golden: &Golden) -> Vec<CaseResult> {
    let deadline = Instant::now() + Duration::from_millis(GOLDEN_MILLIS_MAX);
    let one = |case: &Case| {
        let trial = Trial::new(engine, Arc::new(plugin.apart()));
        let failure = if Instant::now() > deadline {
            Some(format!("not run: all cases may take {GOLDEN_MILLIS_MAX} ms together"))
        } else {
            let who = case.session.as_ref().unwrap_or(&golden.session);
            trial.ask(who, case).and_then(|answer| answer.compare(&case.expect)).err()
        };
        CaseResult { name: case.name.clone(), failure }
    };
    golden.cases.iter().map(one).collect()
}

fn fixed_key() -> Arc<hmac::Key> {
    Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]))
}

impl Who {
    fn info(&self) -> wit::SessionInfo {
        let or = |given: &String, default: &str| {
            if given.is_empty() { default.to_owned() } else { given.clone() }
        };
        wit::SessionInfo {
            id: or(&self.id, "ses_00000000000000000000000000000000"),
            target: or(&self.target, "target"),
            protocol: or(&self.protocol, "postgres"),
            database: or(&self.database, "database"),
            role: or(&self.role, "role"),
            principal: or(&self.principal, "principal"),
            agent: or(&self.agent, "agent"),
            groups: self.groups.clone(),
        }
    }
}

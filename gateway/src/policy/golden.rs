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
//! A case has either `sql` or `columns` with `rows`. SQL is read by the gateway's own grammar, as
//! a query, or with `parameters` (text, or null for NULL) as a prepared statement; of several
//! statements the strictest answer counts. `risk` is what other plugins scored. A column's `type`
//! is `text` unless it says otherwise; without `origins` it may come from anywhere (`*`); it is
//! `exact` (its origin's value, unchanged) if it has one origin, unless it says otherwise.
//! `session` stands for all cases, and a case may have its own.
//!
//! `expect` has at least one of `decision` (`abstain`, `allow`, `hold`, `deny`), `rule` (of the
//! hold or the denial), `approvers`, `risk` (the score), `findings` (rules, in order), `rows` and
//! `withheld` (true: the plugin stopped the result). What it leaves out is not compared. Hash
//! masks use a fixed key in tests: 32 zero bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;

use super::generation::Generation;
use super::host::{Engine, Failure, wit};
use super::instances::Instances;
use super::operation::{Transactions, operation};
use super::plugin::{Live, Plugin};
use super::signature::Signing;
use super::{Finding, PluginSettings, Problem};
use crate::fault::Fault;
use crate::limits::{GOLDEN_CASES_MAX, GOLDEN_MILLIS_MAX};
use crate::protocol::postgres::frame::{self, Frame};
use crate::protocol::postgres::frontend::{self, Grammar, Step};
use crate::protocol::postgres::names::{Answer, Names, Prepared};
use crate::protocol::postgres::rows;
use crate::protocol::postgres::statement::{self, Parsers};
use crate::protocol::{Column, Facts, Request, Rows, State};

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
    name: String,
    session: Option<Who>,
    sql: Option<String>,
    #[serde(default)]
    parameters: Vec<Option<String>>,
    risk: Option<u8>,
    columns: Option<Vec<Described>>,
    #[serde(default)]
    rows: Vec<Vec<Option<String>>>,
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

/// Strictest last.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
enum Decision {
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
        let expect = &self.expect;
        if *expect == Expect::default() {
            return fail("`expect` is empty, so it can't fail");
        }
        let judged = expect.decision.is_some()
            || expect.rule.is_some()
            || expect.approvers.is_some()
            || expect.risk.is_some()
            || expect.findings.is_some();
        let masked = expect.rows.is_some() || expect.withheld.is_some();
        match (&self.sql, &self.columns) {
            (Some(_), None) if masked => fail("a case with `sql` has no rows to expect"),
            (Some(_), None) if !self.rows.is_empty() => fail("`rows` needs `columns`"),
            (Some(_), None) => Ok(()),
            (None, Some(_)) if judged => fail("a case with `columns` expects `rows` or `withheld`"),
            (None, Some(_)) if self.rows.is_empty() => fail("`columns` needs `rows`"),
            (None, Some(columns)) if self.rows.iter().any(|row| row.len() != columns.len()) => {
                fail("a row has another number of values than there are columns")
            }
            (None, Some(_)) => Ok(()),
            _ => fail("expected either `sql`, or `columns` and `rows`"),
        }
    }
}

impl Engine {
    /// Loads a plugin and runs its tests. What the policy itself names as tests is not run.
    ///
    /// # Errors
    /// The plugin can't be loaded at all.
    pub fn test(
        &self,
        settings: &PluginSettings,
        golden: &Golden,
    ) -> Result<Vec<CaseResult>, Vec<Problem>> {
        let settings = PluginSettings { tests: None, ..settings.clone() };
        let plugin = Plugin::load(self, &settings, &Signing::default())?;
        Ok(run(self, &Arc::new(plugin), golden))
    }
}

/// Runs every case, each with an instance of its own.
pub(super) fn run(engine: &Engine, plugin: &Arc<Plugin>, golden: &Golden) -> Vec<CaseResult> {
    let deadline = Instant::now() + Duration::from_millis(GOLDEN_MILLIS_MAX);
    let generation = Generation::of_one(engine, Arc::clone(plugin), fixed_key());
    let one = |case: &Case| {
        let who = case.session.as_ref().unwrap_or(&golden.session).info();
        let failure = match (&case.sql, &case.columns) {
            _ if Instant::now() > deadline => {
                Some(format!("not run: all cases may take {GOLDEN_MILLIS_MAX} ms together"))
            }
            (Some(sql), _) => judge(plugin, &who, sql, case).err(),
            (None, columns) => {
                let columns = columns.as_deref().unwrap_or_default();
                mask(&generation, who, columns, case).err()
            }
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

/// The strictest answer so far.
#[derive(Debug)]
struct Heard {
    decision: Decision,
    rule: Option<String>,
    approvers: Vec<String>,
    risk: u8,
    findings: Vec<Finding>,
}

fn judge(
    plugin: &Arc<Plugin>,
    who: &wit::SessionInfo,
    sql: &str,
    case: &Case,
) -> Result<(), String> {
    let request = request(sql, &case.parameters).map_err(|fault| fault.to_string())?;
    let failed = |failure: Failure| format!("the plugin failed: {}", failure.what);
    let mut live = plugin.start().map_err(failed)?;
    let mut heard = Heard {
        decision: Decision::Abstain,
        rule: None,
        approvers: Vec::new(),
        risk: 0,
        findings: Vec::new(),
    };
    let mut transactions = Transactions::new(&request);
    for (seq, one) in request.facts().statements.iter().enumerate() {
        let place = transactions.next(one);
        let operation = operation(seq, one, &request, place)
            .ok_or_else(|| format!("`{}` is not where its facts say", one.verb))?;
        heard.ask(plugin, &mut live, who, operation, case.risk).map_err(failed)?;
    }
    heard.compare(&case.expect)
}

impl Heard {
    fn ask(
        &mut self,
        plugin: &Plugin,
        live: &mut Live,
        who: &wit::SessionInfo,
        mut operation: wit::Operation,
        others: Option<u8>,
    ) -> Result<(), Failure> {
        let mut risk = others.unwrap_or(0);
        if plugin.scores() {
            let (score, findings) = live.score(who, &operation)?;
            self.risk = self.risk.max(score);
            self.findings.extend(findings);
            risk = risk.max(score);
        }
        if !plugin.guards() {
            return Ok(());
        }
        operation.attributes.push(("risk".into(), risk.to_string()));
        let (decision, findings) = live.check(who, &operation)?;
        self.findings.extend(findings);
        let (decision, rule, approvers) = match decision {
            wit::Decision::Abstain => (Decision::Abstain, None, Vec::new()),
            wit::Decision::Allow => (Decision::Allow, None, Vec::new()),
            wit::Decision::Hold(ask) => (Decision::Hold, Some(ask.rule), ask.approvers),
            wit::Decision::Deny(no) => (Decision::Deny, Some(no.rule), Vec::new()),
        };
        if decision > self.decision {
            (self.decision, self.rule, self.approvers) = (decision, rule, approvers);
        }
        Ok(())
    }

    fn compare(&self, expect: &Expect) -> Result<(), String> {
        let rules: Vec<String> = self.findings.iter().map(|finding| finding.rule.clone()).collect();
        let rule = expect.rule.as_ref().map(Some);
        let differs = [
            differs("decision", expect.decision.as_ref(), &self.decision),
            differs("rule", rule, &self.rule.as_ref()),
            differs("approvers", expect.approvers.as_ref(), &self.approvers),
            differs("risk", expect.risk.as_ref(), &self.risk),
            differs("findings", expect.findings.as_ref(), &rules),
        ];
        let differs: Vec<String> = differs.into_iter().flatten().collect();
        if differs.is_empty() { Ok(()) } else { Err(differs.join("; ")) }
    }
}

/// What is wrong with a part of an answer, if anything is.
fn differs<E, T>(what: &str, expected: Option<E>, got: &T) -> Option<String>
where
    E: std::borrow::Borrow<T> + std::fmt::Debug,
    T: PartialEq + std::fmt::Debug,
{
    let expected = expected.filter(|expected| expected.borrow() != got)?;
    Some(format!("{what}: expected {expected:?}, got {got:?}"))
}

fn mask(
    generation: &Generation,
    who: wit::SessionInfo,
    described: &[Described],
    case: &Case,
) -> Result<(), String> {
    let columns: Vec<Column> = described.iter().map(column).collect();
    let mut instances = Instances::of(who);
    let rows = Rows::new(frames(&case.rows), case.rows.len() as u64);
    let masked = generation.plan(&mut instances, &columns).and_then(|mut plan| plan.mask(&rows));
    let stopped = match &masked {
        Err(fault) if fault.code == "policy_denied" => true,
        Err(fault) => return Err(failed(fault)),
        Ok(_) => false,
    };
    if let Some(what) = differs("withheld", case.expect.withheld.as_ref(), &stopped) {
        return Err(what);
    }
    let Some(expected) = &case.expect.rows else { return Ok(()) };
    let masked = masked.map_err(|fault| failed(&fault))?;
    let got = cells(masked.frames(), columns.len()).map_err(|fault| failed(&fault))?;
    differs("rows", Some(expected), &got).map_or(Ok(()), Err)
}

fn failed(fault: &Fault) -> String {
    let detail = fault.detail.as_deref().unwrap_or_default();
    format!("{} {detail}", fault.message).trim_end().to_owned()
}

fn column(described: &Described) -> Column {
    let one = matches!(described.origins.as_slice(), [one] if one != "*");
    Column {
        name: described.name.clone(),
        type_name: described.type_name.clone(),
        type_oid: 0,
        binary: false,
        origins: described.origins.clone(),
        exact: described.exact.unwrap_or(one),
    }
}

fn frames(table: &[Vec<Option<String>>]) -> Bytes {
    let mut out = BytesMut::new();
    for row in table {
        frame::put(&mut out, b'D', |out| {
            out.put_i16(i16::try_from(row.len()).unwrap_or(i16::MAX));
            for value in row {
                let length = value.as_ref().map(|value| i32::try_from(value.len()));
                out.put_i32(length.map_or(-1, |length| length.unwrap_or(i32::MAX)));
                out.put_slice(value.as_deref().unwrap_or_default().as_bytes());
            }
        });
    }
    out.freeze()
}

fn cells(frames: &[u8], columns: usize) -> Result<Vec<Vec<Option<String>>>, Fault> {
    let mut table: Vec<Vec<Option<String>>> = Vec::new();
    rows::each(frames, columns, |_, column, value| {
        if column == 0 {
            table.push(Vec::new());
        }
        let value = value.map(|value| String::from_utf8_lossy(value).into_owned());
        if let Some(row) = table.last_mut() {
            row.push(value);
        }
        Ok(())
    })?;
    Ok(table)
}

/// PostgreSQL's grammar alone: a test is about the plugin.
struct Plain;

impl Grammar for Plain {
    fn facts(&self, text: &Arc<str>) -> Result<Arc<Facts>, Fault> {
        statement::facts(text, Parsers::Compat).map(Arc::new)
    }
}

/// The request that a client would make of a text, through the gateway's own codec.
pub(super) fn request(sql: &str, parameters: &[Option<String>]) -> Result<Request, Fault> {
    let mut names = Names::default();
    if parameters.is_empty() {
        let mut body = BytesMut::new();
        frame::put_string(&mut body, sql.as_bytes());
        return match step(b'Q', body, &mut names)? {
            Step::Query { request } => Ok(request),
            other => Err(refusal(other)),
        };
    }
    let mut body = BytesMut::from(&b"\0"[..]);
    frame::put_string(&mut body, sql.as_bytes());
    body.put_i16(0);
    match step(b'P', body, &mut names)? {
        Step::Parse { request, name, id, types } => {
            let prepared = Prepared::new(request.shared_text(), request.shared_facts(), types);
            frontend::parse_sent(&mut names, &name, id, prepared)?;
            names.settle(&name, id, Answer::Done);
        }
        other => return Err(refusal(other)),
    }
    let mut body = BytesMut::from(&b"\0\0\0\0"[..]);
    body.put_i16(i16::try_from(parameters.len()).unwrap_or(i16::MAX));
    for value in parameters {
        let length = value.as_ref().map(|value| i32::try_from(value.len()));
        body.put_i32(length.map_or(-1, |length| length.unwrap_or(i32::MAX)));
        body.put_slice(value.as_deref().unwrap_or_default().as_bytes());
    }
    body.put_i16(0);
    match step(b'B', body, &mut names)? {
        Step::Bind { request, .. } => Ok(request),
        other => Err(refusal(other)),
    }
}

fn step(tag: u8, body: BytesMut, names: &mut Names) -> Result<Step, Fault> {
    let state = Arc::new(State::default());
    frontend::step(Frame { tag, body: body.freeze() }, names, &Plain, &state)
}

fn refusal(step: Step) -> Fault {
    match step {
        Step::Refuse { fault, .. } => fault,
        _ => crate::fault::Fault::new(
            crate::fault::Blame::Bug,
            "golden_request",
            "XX000",
            "the statement could not be made into a request",
        ),
    }
}

//! Asking a plugin what a case asks, and comparing its answer.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use super::request::request;
use super::{Case, Decision, Described, Expect};
use crate::fault::Fault;
use crate::policy::Finding;
use crate::policy::generation::Generation;
use crate::policy::host::exports::meter::{Metering, Part};
use crate::policy::host::{Failure, wit};
use crate::policy::instances::Instances;
use crate::policy::operation::{Transactions, operation};
use crate::policy::plugin::{Live, Plugin};
use crate::protocol::postgres::{frame, rows};
use crate::protocol::{Column, Request, Rows};

/// What a plugin says of a statement: its strictest answer.
#[derive(Clone, Debug, Serialize)]
pub struct Heard {
    /// What it decided.
    pub decision: Decision,
    /// The rule of the hold or the denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Its reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Groups that it names as approvers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// The score, 0 to 100.
    pub risk: u8,
    /// What it noticed.
    pub findings: Vec<Finding>,
}

/// What a plugin leaves of rows.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// The rows as a client would get them; null where the plugin stopped the result.
    pub rows: Option<Table>,
    /// The plugin stopped the result.
    pub withheld: bool,
    /// The columns that are hidden whole, and by which rules.
    pub hidden: Vec<String>,
}

/// Rows of cells, `None` for NULL.
pub type Table = Vec<Vec<Option<String>>>;

/// A plugin's answer to one case.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To a statement.
    Heard(Heard),
    /// To rows.
    Shown(Shown),
}

impl Answer {
    /// What differs from what a case expects.
    pub(super) fn compare(&self, expect: &Expect) -> Result<(), String> {
        match self {
            Self::Heard(heard) => heard.compare(expect),
            Self::Shown(shown) => shown.compare(expect),
        }
    }
}

/// Asks about a statement, an operation or a part of a result.
pub(super) fn judge(
    plugin: &Arc<Plugin>,
    who: &wit::SessionInfo,
    case: &Case,
) -> Result<Heard, String> {
    let question = Question::of(case)?;
    let mut live = plugin.alone().map_err(broken)?;
    hear(plugin, &mut live, who, &question, case.risk).map_err(broken)
}

/// What a case asks that no rows are shown for.
pub(super) enum Question {
    Operation(wit::Operation),
    Part(Part),
    Request(Request),
}

impl Question {
    pub(super) fn of(case: &Case) -> Result<Self, String> {
        if let Some(asked) = &case.operation {
            return Ok(Self::Operation(asked.operation()));
        }
        if let Some(given) = &case.part {
            return Ok(Self::Part(given.part()));
        }
        let sql = case.sql.as_deref().unwrap_or_default();
        let request = request(sql, &case.parameters).map_err(|fault| fault.to_string())?;
        Ok(Self::Request(request))
    }
}

/// The operations of a request, as plugins are told of them.
fn operations(request: &Request) -> Result<Vec<wit::Operation>, Failure> {
    let mut transactions = Transactions::new(request);
    let all = request.facts().statements.iter().enumerate().map(|(seq, one)| {
        let operation = operation(seq, one, request, transactions.next(one));
        operation.ok_or_else(|| Failure::answer("core", "a statement is not where its facts say"))
    });
    all.collect()
}

pub(super) fn hear(
    plugin: &Plugin,
    live: &mut Live,
    who: &wit::SessionInfo,
    question: &Question,
    risk: Option<u8>,
) -> Result<Heard, Failure> {
    let mut heard = Heard {
        decision: Decision::Abstain,
        rule: None,
        reason: None,
        approvers: Vec::new(),
        risk: 0,
        findings: Vec::new(),
    };
    match question {
        Question::Operation(operation) => heard.ask(plugin, live, who, operation.clone(), risk)?,
        Question::Part(part) => heard.count(live, who, part)?,
        Question::Request(request) => {
            for operation in operations(request)? {
                heard.ask(plugin, live, who, operation, risk)?;
            }
        }
    }
    Ok(heard)
}

pub(super) fn broken(failure: Failure) -> String {
    format!("the plugin failed: {}", failure.what)
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
        let (decision, why, approvers) = match decision {
            wit::Decision::Abstain => (Decision::Abstain, None, Vec::new()),
            wit::Decision::Allow => (Decision::Allow, None, Vec::new()),
            wit::Decision::Hold(ask) => {
                (Decision::Hold, Some((ask.rule, ask.reason)), ask.approvers)
            }
            wit::Decision::Deny(no) => (Decision::Deny, Some((no.rule, no.reason)), Vec::new()),
        };
        if decision > self.decision {
            (self.decision, self.approvers) = (decision, approvers);
            (self.rule, self.reason) = why.unzip();
        }
        Ok(())
    }

    fn count(
        &mut self,
        live: &mut Live,
        who: &wit::SessionInfo,
        part: &Part,
    ) -> Result<(), Failure> {
        let (answer, note) = live.observe(who, part)?;
        self.findings.extend(note);
        if let Metering::Stop(refusal) = answer {
            self.decision = Decision::Deny;
            (self.rule, self.reason) = (Some(refusal.rule), Some(refusal.reason));
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

/// Shows rows.
pub(super) fn mask(
    generation: &Generation,
    who: wit::SessionInfo,
    described: &[Described],
    case: &Case,
) -> Result<Shown, String> {
    let columns = columns(described);
    let mut instances = Instances::of(who);
    let rows = rows_of(&case.rows);
    let plan = generation.plan(&mut instances, &columns);
    let masked = plan.and_then(|mut plan| plan.mask(&rows));
    match masked {
        Err(fault) if fault.code == "policy_denied" => {
            Ok(Shown { rows: None, withheld: true, hidden: Vec::new() })
        }
        Err(fault) => Err(failed(&fault)),
        Ok(masked) => {
            let rows = cells(masked.frames(), columns.len()).map_err(|fault| failed(&fault))?;
            let hidden = masked.hidden().iter().map(|it| format!("{}: {}", it.name, it.rule));
            Ok(Shown { rows: Some(rows), withheld: false, hidden: hidden.collect() })
        }
    }
}

/// The columns of a case.
pub(super) fn columns(described: &[Described]) -> Vec<Column> {
    described.iter().map(column).collect()
}

/// The rows of a case, as a target would send them.
pub(super) fn rows_of(table: &[Vec<Option<String>>]) -> Rows {
    Rows::new(frames(table), table.len() as u64)
}

impl Shown {
    fn compare(&self, expect: &Expect) -> Result<(), String> {
        if let Some(what) = differs("withheld", expect.withheld.as_ref(), &self.withheld) {
            return Err(what);
        }
        let Some(expected) = &expect.rows else { return Ok(()) };
        match &self.rows {
            Some(got) => differs("rows", Some(expected), got).map_or(Ok(()), Err),
            None => Err("rows: the plugin stopped the result".to_owned()),
        }
    }
}

pub(super) fn failed(fault: &Fault) -> String {
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

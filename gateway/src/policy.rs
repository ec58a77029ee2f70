//! Judging: a [`Request`] becomes [`Decided`], [`Held`] or [`Denied`]; a reply becomes [`Masked`].

pub mod approval;
mod backtest;
mod call;
pub mod component;
mod copy;
mod core;
mod decision;
mod digest;
pub mod document;
mod failing;
mod generation;
mod golden;
mod host;
mod instances;
mod lane;
mod large;
mod mask;
mod masking;
mod merge;
mod meter;
mod mode;
mod operation;
mod plan;
mod plugin;
mod prefilter;
mod report;
mod scan;
mod settings;
mod shape;
pub mod signature;
mod text;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::fault::{Blame, Fault};
use crate::limits::{APPROVAL_IN_TRANSACTION_SECS, APPROVAL_LATE_SECS};
use crate::protocol::{Kind, Outcome, Request, State};

pub use backtest::Caller;
pub use call::function_result;
pub use copy::data;
pub use failing::{FailedPlugin, OnError, PluginTrap, RiskAcceptance, Troubles};
pub use generation::{Change, Generation, Policies};
pub use golden::{Answer, CaseResult, Decision, Figures, Golden, Heard, Shown, Table, Trial};
pub use host::{Capabilities, Engine, Facts, GRANTS, KvQuota, VaultKey, grants_listed};
pub use instances::Instances;
pub use large::{LargeRow, Piece};
pub use masking::{Breach, Guarded, Hidden, HiddenColumn, Masking, MaskingMode};
pub use mode::{Marks, Mode, ShadowMasking, ShadowVerdict};
pub use plan::{Learned, MaskedColumn, ResultPlan};
pub use report::{completion, report, words};
pub use settings::{DENIED, SettingRules};
pub use shape::Shape;

/// Why a policy can't be loaded, in words for the operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The target whose policy it is, when known.
    pub target: Option<String>,
    /// The plugin's configured name, when it is about one.
    pub plugin: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    fn of(plugin: &str, message: impl Into<String>) -> Self {
        Self { target: None, plugin: Some(plugin.to_owned()), message: message.into() }
    }
    fn general(message: impl Into<String>) -> Self {
        Self { target: None, plugin: None, message: message.into() }
    }
    fn on(self, target: &str) -> Self {
        Self { target: Some(target.to_owned()), ..self }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(target) = &self.target {
            write!(f, "target \"{target}\": ")?;
        }
        if let Some(plugin) = &self.plugin {
            write!(f, "plugin \"{plugin}\": ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Something a plugin or a core rule noticed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The plugin's configured name, or `core`.
    pub plugin: String,
    /// Stable rule id such as `sql.drop`.
    pub rule: String,
    /// 0 to 100.
    pub score: u8,
    /// One sentence.
    pub message: String,
}

/// Which plugin took part, pinned by digest.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct PluginStamp {
    /// The configured name.
    pub name: String,
    /// SHA-256 of the component, hex.
    pub digest: String,
    /// SHA-256 of the settings as given to the plugin, hex.
    pub settings_digest: String,
    /// The trusted key that signed the component, `name+hash`; none where signatures are not
    /// asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// `shadow` or `canary` where it does not act in every session.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode: Option<String>,
    /// `redact` or `allow` where a failure does not deny.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_error: Option<String>,
}

/// How a request was judged; strictest last.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// May run.
    Allow,
    /// May run once a person approves.
    Hold,
    /// Must not run.
    Deny,
}

/// The reasons behind a verdict; goes into the log whole.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ruling {
    /// The merged verdict.
    pub verdict: Verdict,
    /// The highest score of any risk-scorer, 0 to 100.
    pub risk: u8,
    /// Everything noticed, by every plugin asked.
    pub findings: Vec<Finding>,
    /// SHA-256 of the policy file, hex.
    pub policy_digest: String,
    /// The plugins asked. Shared: it is the same for every request of a generation.
    pub plugins: Arc<[PluginStamp]>,
    /// What the plugins that do not act in this session would have said.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shadow: Vec<ShadowVerdict>,
}

/// What a hold asks for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ask {
    /// Why a person is asked.
    pub reason: String,
    /// Groups whose members may approve; empty = any configured approver.
    pub approvers: Vec<String>,
    /// Seconds until the question expires, which is a denial.
    pub decide_within_secs: u32,
}

/// A person's recorded yes, as the log names it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ApprovalStamp {
    /// The approval's id, `apr_...`.
    pub id: String,
    /// Who approved: `issuer subject`.
    pub approver: String,
    /// Hash of what was approved, hex: the exact bytes, parameters, state and principal.
    pub binding: String,
}

/// Proof that a request may run. Only this stage makes one.
#[derive(Debug)]
pub struct Decided {
    request: Request,
    ruling: Ruling,
    approval: Option<ApprovalStamp>,
}

/// A request that waits for a person. [`Held::grant`] turns it into [`Decided`].
#[derive(Debug)]
pub struct Held {
    request: Request,
    ruling: Ruling,
    ask: Ask,
    terms: ApprovalTerms,
}

/// What a policy says of the time that questions have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ApprovalTerms {
    /// Most seconds that a question may wait inside a transaction, whose locks wait with it.
    pub in_transaction_secs: u32,
    /// Seconds after its end in which a question may still be answered, and a yes be used by an
    /// identical repeat; 0 = not at all.
    pub late_secs: u32,
}

impl Default for ApprovalTerms {
    fn default() -> Self {
        Self { in_transaction_secs: APPROVAL_IN_TRANSACTION_SECS, late_secs: APPROVAL_LATE_SECS }
    }
}

/// A request that must not run.
#[derive(Debug)]
pub struct Denied {
    request: Request,
    ruling: Ruling,
    fault: Fault,
}

impl Decided {
    /// What may run.
    pub fn request(&self) -> &Request {
        &self.request
    }
    /// Why.
    pub fn ruling(&self) -> &Ruling {
        &self.ruling
    }
    /// The approval it runs under, if it was held.
    pub fn approval(&self) -> Option<&ApprovalStamp> {
        self.approval.as_ref()
    }
    /// Gives the request back, when it is refused after all.
    pub fn into_request(self) -> Request {
        self.request
    }
    /// Test double for the stages to the right.
    #[cfg(test)]
    pub(crate) fn for_test(request: Request, ruling: Ruling) -> Self {
        Self { request, ruling, approval: None }
    }
}

impl Held {
    /// Lets the preparation of a held request go on: a Parse or a Bind runs nothing, and the
    /// question is asked when the portal is executed. Any other request stays held.
    ///
    /// # Errors
    /// The request is no preparation; the session must end, for the gateway has a defect.
    pub fn defer(self) -> Result<Decided, Fault> {
        match self.request.kind() {
            Kind::SqlBind | Kind::SqlParse => {
                Ok(Decided { request: self.request, ruling: self.ruling, approval: None })
            }
            Kind::KubernetesRequest
            | Kind::SqlCopyData
            | Kind::SqlExecute
            | Kind::SqlFunctionCall
            | Kind::SqlQuery
            | Kind::SqlReplication
            | Kind::SqlSetting => {
                let message = "a held request was about to run unasked";
                Err(Fault::new(Blame::Bug, "hold_skipped", "XX000", message))
            }
        }
    }
    /// The same with the session's state as it is now: what is asked about is what would run.
    #[must_use]
    pub fn in_state(self, state: Arc<State>) -> Self {
        Self { request: self.request.in_state(state), ..self }
    }
    /// What waits.
    pub fn request(&self) -> &Request {
        &self.request
    }
    /// Why.
    pub fn ruling(&self) -> &Ruling {
        &self.ruling
    }
    /// What is asked of whom.
    pub fn ask(&self) -> &Ask {
        &self.ask
    }
    /// Test double for the stages to the right.
    #[cfg(test)]
    pub(crate) fn for_test(request: Request, ruling: Ruling, ask: Ask) -> Self {
        Self { request, ruling, ask, terms: ApprovalTerms::default() }
    }
}

impl Denied {
    /// What must not run.
    pub fn request(&self) -> &Request {
        &self.request
    }
    /// Why, for the log.
    pub fn ruling(&self) -> &Ruling {
        &self.ruling
    }
    /// Why, for the caller.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }
    /// Why, for the caller, once it is recorded.
    pub fn into_fault(self) -> Fault {
        self.fault
    }
    /// Test double for the stages to the right.
    #[cfg(test)]
    pub(crate) fn for_test(request: Request, ruling: Ruling, fault: Fault) -> Self {
        Self { request, ruling, fault }
    }
}

impl Masked {
    /// The masked frames.
    pub fn frames(&self) -> &Bytes {
        &self.frames
    }
    /// How many rows the frames hold.
    pub fn rows(&self) -> u64 {
        self.rows
    }
    /// How many cells were replaced.
    pub fn masked_cells(&self) -> u64 {
        self.masked_cells
    }
    /// The columns of its rows that are hidden, and by which rules.
    pub fn hidden(&self) -> &[MaskedColumn] {
        &self.hidden
    }
    /// What its record says of the plugins that were asked about it.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }
    /// How the request ended, if it ended in this part.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }
    /// Test double for the stages to the right.
    #[cfg(test)]
    pub(crate) fn for_test(frames: Bytes, rows: u64, outcome: Option<Outcome>) -> Self {
        let (hidden, marks) = (Arc::default(), Arc::default());
        Self { frames, rows, masked_cells: 0, hidden, outcome, marks }
    }
}

/// Refuses a request that no policy was asked about, such as a statement that can't be read.
pub fn refuse(request: Request, fault: Fault) -> Denied {
    let finding = Finding {
        plugin: "core".to_owned(),
        rule: fault.code.to_owned(),
        score: 100,
        message: fault.message.to_string(),
    };
    let ruling = Ruling {
        verdict: Verdict::Deny,
        risk: 0,
        findings: vec![finding],
        policy_digest: String::new(),
        plugins: Arc::from([]),
        shadow: Vec::new(),
    };
    Denied { request, ruling, fault }
}

/// What became of a request.
#[derive(Debug)]
pub enum Judged {
    /// May run.
    Decided(Decided),
    /// Must not run.
    Denied(Denied),
    /// Waits for a person.
    Held(Held),
}

/// Proof that a part of a reply was masked. Only this stage makes one.
#[derive(Debug)]
pub struct Masked {
    frames: Bytes,
    rows: u64,
    masked_cells: u64,
    hidden: Arc<[MaskedColumn]>,
    outcome: Option<Outcome>,
    marks: Arc<Marks>,
}

/// One plugin of a policy. Plain data, checked by the configuration reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PluginSettings {
    /// Unique in its policy.
    pub name: String,
    /// The component file.
    pub file: std::path::PathBuf,
    /// Pinned SHA-256 of the file, hex; a file that differs is refused.
    pub sha256: Option<String>,
    /// Its own tests ([`Golden`]), which it must pass to be put in force.
    pub tests: Option<std::path::PathBuf>,
    /// Host interfaces granted beyond `types`: some of [`GRANTS`].
    pub grants: Vec<String>,
    /// What it finds behind them.
    pub capabilities: Capabilities,
    /// Whether it acts.
    pub mode: Mode,
    /// What a failure means.
    pub on_error: OnError,
    /// Settings handed to the plugin's `configure`, a JSON object.
    pub settings_json: String,
    /// Linear memory and tables together, bytes.
    pub memory_bytes_max: usize,
    /// Longest single call, milliseconds.
    pub call_millis_max: u64,
}

impl PolicySettings {
    /// One plugin, and nothing else that decides.
    fn of_one(plugin: PluginSettings) -> Self {
        Self {
            file: plugin.file.clone(),
            digest: String::new(),
            default_verdict: Verdict::Allow,
            plugins: vec![plugin],
            risk_deny_at: None,
            risk_hold_at: None,
            settings: SettingRules::default(),
            approvers: Vec::new(),
            decide_within_secs: crate::limits::APPROVAL_DECIDE_WITHIN_SECS,
            masking: Masking::default(),
            approval_terms: ApprovalTerms::default(),
            signing: signature::Signing::default(),
        }
    }
}

/// The policy of one target. Plain data, checked by the configuration reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicySettings {
    /// The file it was read from.
    pub file: std::path::PathBuf,
    /// SHA-256 of that file, hex.
    pub digest: String,
    /// Verdict when nobody objects and nobody allows; allow or deny.
    pub default_verdict: Verdict,
    /// In the order they are asked.
    pub plugins: Vec<PluginSettings>,
    /// Risk at or above which a request is denied.
    pub risk_deny_at: Option<u8>,
    /// Risk at or above which a request is held.
    pub risk_hold_at: Option<u8>,
    /// Settings of the target that sessions may not change, or not unasked.
    pub settings: SettingRules,
    /// Groups that may approve; empty = whoever the admin section names as approvers.
    pub approvers: Vec<String>,
    /// Seconds until a question expires.
    pub decide_within_secs: u32,
    /// What statements may do with hidden columns.
    pub masking: Masking,
    /// More of the time that questions have.
    pub approval_terms: ApprovalTerms,
    /// Whose signatures its plugins need; the gateway's own word, not the policy file's.
    pub signing: signature::Signing,
}

#[cfg(test)]
mod tests;

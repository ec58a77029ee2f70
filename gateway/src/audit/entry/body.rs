//! What each type of entry says.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{TokenBinding, clip_to};
use crate::limits::ENTRY_LIST_ITEMS_MAX;
use crate::policy::{
    ApprovalStamp, FailedPlugin, Finding, PluginStamp, ShadowMasking, ShadowVerdict, Verdict,
};
use crate::protocol::{Class, Facts, Kind, Object, Statement};
use crate::session::Work;

/// The gateway opened the log. Entry 0 of every log is one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Boot {
    /// `audit.<organization>/<gateway>/<epoch>`.
    pub origin: String,
    /// The log's public key, `name+hash+key`.
    pub key: String,
    /// The gateway's version.
    pub gateway_version: String,
    /// SHA-256 over the configuration, hex.
    pub config_digest: String,
    /// Entries found; 0 in a new log.
    pub entries_before: u64,
    /// Root found, hex; none in a new log.
    pub root_before: Option<String>,
    /// The previous run said that it stopped, or the log is new.
    pub clean: bool,
    /// Sessions that the previous run left open; each gets a `session_torn`.
    pub torn: u64,
}

/// A session's first entry.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionStart {
    /// The configured name of the target.
    pub target: String,
    /// `postgres`, ...
    pub protocol: String,
    /// The database, for protocols that have one.
    pub database: String,
    /// The role used on the target.
    pub role: String,
    /// What the client calls itself; not trusted.
    pub client: String,
    /// The caller's address.
    pub peer: String,
    /// Who acts: the outermost actor, else the OAuth client, else the subject.
    pub agent: String,
    /// The task that it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub task: Option<Work>,
    /// The ticket that it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ticket: Option<Work>,
    /// What the token said.
    pub token: TokenBinding,
    /// Hash of the key of the session's payloads
    /// ([`key_commitment`](crate::audit::seal::key_commitment)), hex.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload_key: Option<String>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// Refused.
    Denied,
    /// Waits for a person.
    Held,
    /// Sent to the target, or about to be.
    Permitted,
}

/// One thing noticed, without the words, which may quote the statement.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FindingBrief {
    /// The plugin's configured name, or `core`.
    pub plugin: String,
    /// Stable rule id.
    pub rule: String,
    /// 0 to 100.
    pub score: u8,
}

/// A request with its verdict. The exact text is in the payload ([`RequestPayload`]).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Request {
    /// Number in the session, 1 first. A held request keeps its number when it is permitted.
    pub number: u64,
    /// What became of it.
    pub state: RequestState,
    /// The kind of request.
    pub kind: Kind,
    /// How the policy judged it.
    pub verdict: Verdict,
    /// Highest risk, 0 to 100.
    pub risk: u8,
    /// SHA-256 of the policy file, hex.
    pub policy: String,
    /// The plugins asked, the first ones of many.
    #[serde(skip_serializing_if = "<[_]>::is_empty", default)]
    pub plugins: Arc<[PluginStamp]>,
    /// What plugins that do not act in this session would have said; the reasons are in the
    /// payload.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shadow: Vec<ShadowVerdict>,
    /// The most severe class of its statements.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<Class>,
    /// Verbs of the first statements.
    pub verbs: Vec<String>,
    /// Number of statements.
    pub statements: u64,
    /// The first objects touched.
    pub objects: Vec<Object>,
    /// Number of objects touched; more than listed when the list was cut.
    pub objects_total: u64,
    /// The first findings.
    pub findings: Vec<FindingBrief>,
    /// Number of findings.
    pub findings_total: u64,
    /// Length of the text, bytes.
    pub text_bytes: u64,
    /// Number of bound values.
    pub parameters: u64,
    /// The approval it runs under.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approval: Option<ApprovalStamp>,
    /// The approval it waits for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approval_id: Option<String>,
    /// What is to be approved, hex.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub binding: Option<String>,
    /// When the question expires, seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decide_by: Option<i64>,
    /// The reason of a refusal, for machines.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<String>,
    /// SQLSTATE of a refusal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sqlstate: Option<String>,
}

impl Request {
    /// Fills in what the facts say, cut to what an entry may list.
    pub(in crate::audit) fn describe(&mut self, facts: &Facts, findings: &[Finding]) {
        let objects = || facts.statements.iter().flat_map(Statement::resources);
        self.class = facts.statements.iter().map(|statement| statement.class).max();
        self.statements = facts.statements.len() as u64;
        let verbs = facts.statements.iter().take(ENTRY_LIST_ITEMS_MAX);
        self.verbs = verbs.map(|statement| clip_to(&statement.verb, 64)).collect();
        self.objects_total = objects().count() as u64;
        let object = |object: &Object| Object {
            kind: clip_to(&object.kind, 32),
            name: clip_to(&object.name, 128),
            access: object.access,
        };
        let first = objects().take(ENTRY_LIST_ITEMS_MAX);
        self.objects = first.map(|one| object(&one)).collect();
        self.findings_total = findings.len() as u64;
        let finding = |finding: &Finding| FindingBrief {
            plugin: clip_to(&finding.plugin, 64),
            rule: clip_to(&finding.rule, 64),
            score: finding.score,
        };
        self.findings = findings.iter().take(ENTRY_LIST_ITEMS_MAX).map(finding).collect();
    }

    /// Drops the lists, for the case that escaping made the entry too long.
    pub(in crate::audit) fn shorten(&mut self) {
        self.verbs.clear();
        self.objects.clear();
        self.findings.clear();
    }
}

/// As many plugins as an entry lists. The policy's own entry, and a request's payload, have all.
pub(in crate::audit) fn listed(plugins: &Arc<[PluginStamp]>) -> Arc<[PluginStamp]> {
    match plugins.get(..ENTRY_LIST_ITEMS_MAX) {
        Some(first) => first.into(),
        None => Arc::clone(plugins),
    }
}

/// What plugins that do not act would have said, as far as an entry lists it, without the reasons.
pub(in crate::audit) fn overheard(shadow: &[ShadowVerdict]) -> Vec<ShadowVerdict> {
    let brief = |one: &ShadowVerdict| ShadowVerdict { reason: String::new(), ..one.clone() };
    shadow.iter().take(ENTRY_LIST_ITEMS_MAX).map(brief).collect()
}

/// One bound value of a request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Parameter {
    /// True for the binary format.
    pub binary: bool,
    /// The value in base64; none for NULL.
    pub value: Option<String>,
    /// The type's OID on the target; 0 when it was not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub type_oid: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The payload of a `request`: what must not stand in clear.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RequestPayload<'a> {
    /// The exact text judged.
    pub text: std::borrow::Cow<'a, str>,
    /// Bound values.
    pub parameters: Vec<Parameter>,
    /// Everything the grammar said.
    pub facts: std::borrow::Cow<'a, Facts>,
    /// Everything noticed, in words.
    pub findings: std::borrow::Cow<'a, [Finding]>,
    /// The plugins asked.
    pub plugins: std::borrow::Cow<'a, [PluginStamp]>,
    /// What those that do not act would have said, with their reasons.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shadow: Vec<ShadowVerdict>,
    /// The upstream was in a transaction block.
    pub in_transaction: bool,
    /// The effective role, when it was known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role: Option<std::borrow::Cow<'a, str>>,
    /// `search_path`, when it was known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub search_path: Option<std::borrow::Cow<'a, str>>,
    /// SHA-256 of the bytes for the target, hex.
    pub wire_sha256: String,
    /// Why it was held or refused, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Groups that may approve.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub approvers: Vec<String>,
}

/// How a question to a person ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalDecision {
    /// Yes.
    Approved,
    /// No.
    Denied,
    /// Nobody answered in time, which is a no.
    Expired,
    /// The session ended or the agent gave up.
    Withdrawn,
}

/// A person decided, or nobody did in time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Approval {
    /// The request.
    pub number: u64,
    /// The approval.
    pub id: String,
    /// How it ended.
    pub decision: ApprovalDecision,
    /// The person, by the token they signed in with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<TokenBinding>,
    /// What they wrote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// The session that asked, when the answer came too late for it: this request is the
    /// identical repeat that runs under it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asked_in: Option<String>,
}

/// How a request ended, without the words of an error, which may quote data.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct OutcomeBrief {
    /// The command tag.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tag: Option<String>,
    /// The SQLSTATE of an error.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sqlstate: Option<String>,
}

/// A masked part of a reply. The frames, as the client gets them, are the payload.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Response {
    /// The request.
    pub number: u64,
    /// Rows in this part.
    pub rows: u64,
    /// Cells replaced in this part.
    pub masked_cells: u64,
    /// The columns that were hidden, the first ones of many. By position: a name is the
    /// client's own word and could quote a value.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub hidden: Vec<HiddenColumn>,
    /// The plugins of the policy that rows were masked by, the first ones of many.
    #[serde(skip_serializing_if = "<[_]>::is_empty", default)]
    pub plugins: Arc<[PluginStamp]>,
    /// Plugins that failed and were gone on without.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed: Vec<FailedPlugin>,
    /// What plugins that do not act in this session would have done.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shadow: Vec<ShadowMasking>,
    /// Bytes of the frames.
    pub bytes: u64,
    /// How the request ended, if it did in this part: the first ones of many.
    pub outcomes: Vec<OutcomeBrief>,
    /// Number of outcomes.
    pub outcomes_total: u64,
    /// The payload is not whole frames but a piece of one, too large to be taken whole.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub piece: Option<FramePiece>,
}

impl Response {
    /// Nothing said yet of this request.
    pub(in crate::audit) fn of(number: u64) -> Self {
        Self {
            number,
            rows: 0,
            masked_cells: 0,
            hidden: Vec::new(),
            plugins: Arc::default(),
            failed: Vec::new(),
            shadow: Vec::new(),
            bytes: 0,
            outcomes: Vec::new(),
            outcomes_total: 0,
            piece: None,
        }
    }
}

/// Where a piece stands in its frame.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FramePiece {
    /// Bytes of the frame before the piece.
    pub offset: u64,
    /// Length of the frame with its header, bytes.
    pub of: u64,
}

/// A column that was hidden from the client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HiddenColumn {
    /// Position in its result, from 1.
    pub position: u32,
    /// The rule that hides it.
    pub rule: String,
    /// The plugin whose rule it is.
    pub plugin: String,
}

/// A session's last entry.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionEnd {
    /// Why, for machines.
    pub reason: String,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// Entries of the session before this one.
    pub entries: u64,
    /// RFC 6962 root over the leaf hashes of those entries, hex.
    pub session_root: String,
    /// Leaf hash of the last of them, hex; equal to `sprev`.
    pub chain_head: String,
    /// Requests.
    pub requests: u64,
    /// Requests refused.
    pub denied: u64,
    /// Requests that waited for a person.
    pub held: u64,
    /// Rows returned.
    pub rows: u64,
    /// Cells replaced.
    pub masked_cells: u64,
    /// Bytes returned.
    pub bytes: u64,
}

/// A session that ended without saying so: what came after its last entry is not known.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionTorn {
    /// `gateway_stopped`, or `dropped` when the session's task went away.
    pub reason: String,
    /// Entries of the session before this one.
    pub entries: u64,
}

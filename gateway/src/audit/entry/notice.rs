//! Entries that are neither request nor reply: notes, refusals, events.

use serde::{Deserialize, Serialize};

use super::{ApprovalDecision, TokenBinding, clip, clip_to};
use crate::limits::ENTRY_LIST_ITEMS_MAX;
use crate::policy::PluginStamp;

/// Something of a session that is neither request nor reply.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum SessionNote {
    /// The client asked to cancel a running request.
    CancelRequested {
        /// Where the demand came from.
        peer: String,
    },
    /// Anything else worth recording.
    Other {
        /// Stable name, lower snake case.
        what: String,
        /// In words.
        detail: String,
    },
    /// The client or the target broke the protocol.
    ProtocolViolation {
        /// In words; never data.
        detail: String,
    },
}

impl SessionNote {
    /// The same note, cut to what an entry may hold.
    pub(in crate::audit) fn clipped(&self) -> Self {
        match self {
            Self::CancelRequested { peer } => Self::CancelRequested { peer: clip(peer) },
            Self::Other { what, detail } => Self::Other { what: clip(what), detail: clip(detail) },
            Self::ProtocolViolation { detail } => Self::ProtocolViolation { detail: clip(detail) },
        }
    }
}

/// An attempt that became no session.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// The configured name of the listener.
    pub listener: String,
    /// The caller's address.
    pub peer: String,
    /// The stage that refused.
    pub stage: String,
    /// Why, for machines.
    pub code: String,
    /// Why, in words.
    pub message: String,
    /// More, for the operator.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// What the token said, when it was verified.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token: Option<TokenBinding>,
    /// Refusals before this one that were counted but not recorded.
    pub suppressed: u64,
}

/// What an anchor said of the log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorOutcome {
    /// The log begins with all that it has seen.
    Agrees,
    /// The log is not what it was.
    Contradicts,
    /// It has seen nothing of the log yet.
    Empty,
    /// It could not be asked.
    Unreachable,
}

/// An anchor's word on the log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AnchorCheck {
    /// The anchor's configured name.
    pub anchor: String,
    /// What it said.
    pub outcome: AnchorOutcome,
    /// Entries that it has seen, when it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// More, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Who began a log anew in place of another, and why.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The person, as they name themselves; the file system vouches for no more.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Origin of the log that was put aside; empty when there was none.
    pub origin: String,
    /// Entries that it had.
    pub size: u64,
    /// Root over them, hex.
    pub root: String,
    /// The folder that it was put aside as.
    pub kept_as: String,
    /// What the anchors said of it.
    pub anchors: Vec<AnchorCheck>,
}

/// Something of the gateway itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// What the anchors remember is not this log; nothing is recorded behind this of sessions.
    AnchorContradicts {
        /// The anchor.
        anchor: String,
        /// What it says.
        detail: String,
    },
    /// The log was compared with what the anchors remember, before this run added to it.
    AnchorsChecked {
        /// Each anchor's word.
        anchors: Vec<AnchorCheck>,
    },
    /// A person looked at the log.
    AuditAccess {
        /// Who: `issuer subject`.
        who: String,
        /// What they asked for.
        what: String,
    },
    /// The wall clock moved against the machine's own time: was set, or jumped.
    ClockStep {
        /// By how much since the entry before, milliseconds; negative: back.
        step_millis: i64,
    },
    /// A new configuration is in force.
    ConfigChange {
        /// SHA-256 over it, hex.
        digest: String,
    },
    /// A new configuration was refused; the old one stays.
    ConfigRejected {
        /// Why.
        reason: String,
    },
    /// A receiver of the log will never take one entry; the export went on behind it.
    ExportRefused {
        /// The export's configured name.
        export: String,
        /// The entry.
        index: u64,
        /// What the receiver said.
        reason: String,
    },
    /// The disk was full: nothing was recorded, so nothing ran, from the entry before on.
    Halt {
        /// What the system said.
        reason: String,
        /// Sessions that were open; a `session_torn` for each follows.
        sessions: u64,
    },
    /// An issuer's keys changed, or could not be fetched.
    IssuerKeys {
        /// The issuer's configured name.
        issuer: String,
        /// What happened.
        detail: String,
    },
    /// A person answered a question that nobody waited for any more. A yes lets one identical
    /// repeat run; the session that runs it names the approval.
    LateAnswer {
        /// The approval.
        id: String,
        /// The session that asked.
        session: String,
        /// Who: `issuer subject`.
        by: String,
        /// `approved` or `denied`.
        decision: ApprovalDecision,
        /// Hash of what was asked, hex.
        binding: String,
        /// What they wrote.
        note: String,
    },
    /// A plugin failed.
    PluginTrap {
        /// The target.
        target: String,
        /// The session that it failed in. Failures of one plugin in one session are told once a
        /// minute.
        session: String,
        /// The plugin.
        plugin: PluginStamp,
        /// What happened; never data.
        detail: String,
        /// What the policy says of it: `deny`, `redact` or `allow`.
        on_error: String,
        /// Failures before this one that were counted but not told.
        untold: u64,
    },
    /// A policy is in force.
    PolicyLoaded {
        /// The target.
        target: String,
        /// SHA-256 of the policy file, hex.
        digest: String,
        /// Its plugins.
        plugins: Vec<PluginStamp>,
    },
    /// A policy was refused; the old one stays.
    PolicyRejected {
        /// The target.
        target: String,
        /// Why.
        reason: String,
    },
    /// This log was begun by a person in place of one that an anchor contradicted.
    Recovered(Recovery),
    /// There is room again after a halt.
    Resume {
        /// How long the halt took, milliseconds.
        halted_millis: u64,
    },
    /// The gateway stops in good order; the last entry of a run.
    Shutdown {
        /// Why.
        reason: String,
    },
}

impl Event {
    /// The same event, cut to what an entry may hold.
    pub(in crate::audit) fn clipped(mut self) -> Self {
        match &mut self {
            Self::AnchorsChecked { anchors } => clip_checks(anchors),
            Self::Recovered(Recovery { by, reason, anchors, .. }) => {
                *by = clip(by);
                *reason = clip(reason);
                clip_checks(anchors);
            }
            Self::AnchorContradicts { anchor: a, detail: b }
            | Self::AuditAccess { who: a, what: b }
            | Self::ExportRefused { export: a, reason: b, .. }
            | Self::IssuerKeys { issuer: a, detail: b }
            | Self::PolicyRejected { target: a, reason: b } => {
                *a = clip(a);
                *b = clip(b);
            }
            Self::LateAnswer { by, note, .. } => {
                *by = clip(by);
                *note = clip(note);
            }
            Self::PluginTrap { target, detail, .. } => {
                *target = clip(target);
                *detail = clip(detail);
            }
            Self::ConfigChange { digest: text }
            | Self::ConfigRejected { reason: text }
            | Self::Halt { reason: text, .. }
            | Self::Shutdown { reason: text } => *text = clip(text),
            Self::ClockStep { .. } | Self::Resume { .. } => {}
            Self::PolicyLoaded { target, plugins, .. } => {
                *target = clip(target);
                plugins.truncate(ENTRY_LIST_ITEMS_MAX);
            }
        }
        self
    }
}

/// Bytes of one anchor's words: all of them fit into one entry.
const ANCHOR_DETAIL_BYTES_MAX: usize = 300;

fn clip_checks(checks: &mut Vec<AnchorCheck>) {
    checks.truncate(ENTRY_LIST_ITEMS_MAX);
    for check in checks {
        check.detail = clip_to(&check.detail, ANCHOR_DETAIL_BYTES_MAX);
    }
}

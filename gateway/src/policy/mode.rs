//! Whether a plugin acts: always (enforce), never (shadow), or for a part of the sessions (canary).

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::{FailedPlugin, PluginStamp};

/// Whether a plugin acts. In a session where it does not, it is asked all the same, and what it
/// would have done is recorded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// In every session.
    #[default]
    Enforce,
    /// In no session.
    Shadow,
    /// In these sessions.
    Canary {
        /// Of a hundred sessions, by their ids.
        percent: u8,
        /// And in every session of these subjects.
        principals: Vec<String>,
    },
}

impl Mode {
    /// The word of the policy file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Canary { .. } => "canary",
        }
    }

    /// Whether it acts in a session.
    pub(super) fn acts(&self, draw: u8, principal: &str) -> bool {
        match self {
            Self::Enforce => true,
            Self::Shadow => false,
            Self::Canary { percent, principals } => {
                draw < *percent || principals.iter().any(|one| one == principal)
            }
        }
    }
}

/// The number from 0 to 99 that a session has for canaries: the first 8 bytes of the SHA-256 of
/// its id, big-endian, modulo 100. Anybody who reads the log can work it out again.
pub(super) fn draw(session: &str) -> u8 {
    let hash = digest::digest(&digest::SHA256, session.as_bytes());
    let first = hash.as_ref().first_chunk::<8>().copied().unwrap_or_default();
    u8::try_from(u64::from_be_bytes(first) % 100).unwrap_or(0)
}

/// What a plugin that does not act would have said of a request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ShadowVerdict {
    /// The plugin's configured name.
    pub plugin: String,
    /// `abstain`, `allow`, `hold`, `deny`, or `failed`; the strictest of all statements.
    pub verdict: String,
    /// The rule of a hold or a denial.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub rule: String,
    /// Why, or what failed.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reason: String,
    /// Its score, 0 to 100.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub risk: u8,
}

/// What a plugin that does not act would have done with a part of a result.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ShadowMasking {
    /// The plugin's configured name.
    pub plugin: String,
    /// Positions of the columns that it would have hidden, from 1; the first of many.
    pub hidden: Vec<u32>,
    /// Cells that it would have replaced on looking at them.
    #[serde(skip_serializing_if = "is_zero_cells", default)]
    pub cells: u64,
    /// It failed, or would have withheld the rest.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub ended: String,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(risk: &u8) -> bool {
    *risk == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero_cells(cells: &u64) -> bool {
    *cells == 0
}

/// What the record of a masked part says of the plugins that were asked about it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Marks {
    /// The plugins of the policy that it was masked by.
    pub plugins: std::sync::Arc<[PluginStamp]>,
    /// Those that failed and were gone on without.
    pub failed: Vec<FailedPlugin>,
    /// What those that do not act would have done.
    pub shadow: Vec<ShadowMasking>,
}

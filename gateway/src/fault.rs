//! Whose fault it is, and what each protocol says to its client: one table.

use std::borrow::Cow;

use crate::limits::CLAIM_SHOWN_CHARS_MAX;

/// Whose fault a refusal or failure is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// A defect in the gateway.
    Bug,
    /// The caller sent what can't be accepted.
    Client,
    /// The configuration or the machine is at fault.
    Operator,
    /// A policy plugin failed.
    Plugin,
    /// A policy refused it; nobody is at fault.
    Policy,
    /// The guarded system failed.
    Upstream,
}

/// One reason to refuse or end something, in words for the caller and a stable code for machines.
///
/// `message`, `detail` and `hint` go to the caller, so they never hold a token, a secret or an
/// unmasked value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Who is to blame.
    pub blame: Blame,
    /// Stable machine-readable reason such as `token_expired`, lower snake case.
    pub code: &'static str,
    /// One sentence for the caller.
    pub message: Cow<'static, str>,
    /// More, if there is more.
    pub detail: Option<String>,
    /// What the caller can do now.
    pub hint: Option<String>,
    /// SQLSTATE on the PostgreSQL wire (PostgreSQL Appendix A, or `YA0xx` for approvals).
    pub sqlstate: &'static str,
}

impl Fault {
    /// A fault with no detail and no hint.
    pub fn new(
        blame: Blame,
        code: &'static str,
        sqlstate: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { blame, code, message: message.into(), detail: None, hint: None, sqlstate }
    }

    /// The same fault with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same fault with a detail.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// Text of a caller as an error may repeat it: quoted, ASCII, escaped and clipped.
pub fn shown(text: &str) -> String {
    let mut out = String::from("\"");
    for (index, symbol) in text.chars().enumerate() {
        if index == CLAIM_SHOWN_CHARS_MAX {
            out.push_str("...");
            break;
        }
        out.extend(symbol.escape_default());
    }
    out.push('"');
    out
}

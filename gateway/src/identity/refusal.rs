//! The words of a refusal: one stable code per reason, and never the text of a token.

use crate::fault::{Blame, Fault, shown};

/// SQLSTATE `invalid_authorization_specification` (PostgreSQL Appendix A).
pub(super) const SQLSTATE: &str = "28000";
/// SQLSTATE `config_file_error` (PostgreSQL Appendix A).
const SQLSTATE_CONFIG: &str = "F0000";

/// The caller's token is refused for the reason `code`.
pub(super) fn refuse(code: &'static str, message: impl Into<String>) -> Fault {
    Fault::new(Blame::Client, code, SQLSTATE, message.into())
}

/// The settings of an issuer can't be used.
pub(super) fn misconfigured(message: impl Into<String>) -> Fault {
    Fault::new(Blame::Operator, "issuer_settings_bad", SQLSTATE_CONFIG, message.into())
}

/// The gateway has no usable keys of this issuer; the caller is not to blame.
pub(super) fn unavailable(issuer_name: &str, why: &str) -> Fault {
    Fault::new(
        Blame::Operator,
        "issuer_keys_unavailable",
        SQLSTATE,
        format!("the signing keys of issuer {} can't be checked now: {why}", shown(issuer_name)),
    )
    .hint("try again in a minute; if it stays, ask the gateway's operator to look at its status")
}

/// Seconds since the epoch as RFC 3339 in UTC, for people.
pub(super) fn clock(seconds: i64) -> String {
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} s after the Unix epoch"))
}

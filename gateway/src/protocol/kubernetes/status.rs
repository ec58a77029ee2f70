//! The `Status` object by which an API server says no: kubectl prints its message word for word
//! (`k8s.io/apimachinery/pkg/apis/meta/v1.Status`).

use serde_json::{Value, json};

use crate::fault::{Blame, Fault};

/// The HTTP status and the `Status` for a fault. What the caller can do stands in the message,
/// since clients show nothing else.
pub fn status(fault: &Fault) -> (u16, Value) {
    let (code, reason) = code(fault);
    let mut message = fault.message.to_string();
    for more in [&fault.detail, &fault.hint].into_iter().flatten() {
        if !message.ends_with('.') {
            message.push('.');
        }
        message.push(' ');
        message.push_str(more);
    }
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("portcullis: {message}"),
        "reason": reason,
        "details": { "causes": [{ "reason": fault.code, "message": fault.message }] },
        "code": code,
    });
    (code, body)
}

/// A status that stock clients understand. None of them is one that they answer by trying again
/// or by asking in another way, unless that is meant.
fn code(fault: &Fault) -> (u16, &'static str) {
    match fault.code {
        "approval_pending" => return (429, "TooManyRequests"),
        "target_unknown" => return (404, "NotFound"),
        "body_unreadable" => return (415, "UnsupportedMediaType"),
        "body_too_large" => return (413, "RequestEntityTooLarge"),
        _ => {}
    }
    match (fault.blame, fault.sqlstate) {
        // Class 28: who is asking is not known, or may not.
        (Blame::Client, "28000" | "28P01") => (401, "Unauthorized"),
        (Blame::Policy, _) | (_, "28000" | "28P01") => (403, "Forbidden"),
        (Blame::Client, _) => (400, "BadRequest"),
        (Blame::Upstream, _) => (502, "InternalError"),
        (Blame::Bug | Blame::Operator | Blame::Plugin, _) => (500, "InternalError"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Blame, Fault, status};

    #[test]
    fn a_fault_is_told_whole() {
        let fault = Fault::new(Blame::Policy, "policy_denied", "42501", "no").hint("Ask Bob.");
        let (code, body) = status(&fault);
        assert_eq!((code, &body["reason"]), (403, &"Forbidden".into()));
        assert_eq!(body["message"], "portcullis: no. Ask Bob.");
        assert_eq!(body["details"]["causes"][0]["reason"], "policy_denied");
        let fault = Fault::new(Blame::Client, "token_expired", "28000", "the token has expired");
        assert_eq!(status(&fault).0, 401);
    }
}

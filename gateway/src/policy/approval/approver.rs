//! Who may answer: a person, not the requester in any shape, of a group that may.

use crate::fault::{Blame, Fault};
use crate::identity::{Claims, Principal};

/// `sub_profile` of an AI agent in Okta's agent tokens.
const AGENT_PROFILE: &str = "ai_agent";

/// Accepts the token of a person who presents it themselves.
///
/// # Errors
/// `approver_is_agent` for an AI agent as the subject or anywhere in the chain,
/// `approver_is_delegated` for any other token with an actor, `approver_is_service` for a
/// client's own token.
pub fn person(principal: &Principal) -> Result<(), Fault> {
    let claims = principal.claims();
    let agent = |profile: &Option<String>| {
        profile.as_deref().is_some_and(|profile| profile.eq_ignore_ascii_case(AGENT_PROFILE))
    };
    if agent(&claims.profile) || claims.actors.iter().any(|actor| agent(&actor.profile)) {
        return Err(refusal("approver_is_agent", "an AI agent can't use this"));
    }
    // Whoever is named in `act` holds the token, so it doesn't show that the subject agrees.
    if !claims.actors.is_empty() {
        return Err(refusal("approver_is_delegated", "this token is used on behalf of another"));
    }
    // OAuth client credentials: the client is its own subject (RFC 9068 section 2.2), and there
    // is no user id.
    let own = claims.client.as_deref().is_some_and(|client| same(client, &claims.subject));
    if own && claims.uid.is_none() {
        return Err(refusal("approver_is_service", "a service's own token can't use this"));
    }
    Ok(())
}

/// Four eyes, over the whole chain: no name of the approver is a name of the requester.
///
/// The OAuth client counts too: a client that holds the requester's token could hold the
/// approver's as well. Issuers are not told apart, because one person often has an account at
/// each.
pub(super) fn not_the_requester(approver: &Principal, requester: &Principal) -> Result<(), Fault> {
    let requester = requester.claims();
    let chain = requester.actors.iter().map(|actor| actor.subject.as_str());
    let theirs: Vec<&str> = names(requester).chain(chain).collect();
    if names(approver.claims()).any(|name| theirs.iter().any(|other| same(name, other))) {
        return Err(refusal(
            "approver_is_requester",
            "whoever asks can't answer, nor can anyone in the chain that asks",
        )
        .hint("another person of an approver group must answer, signed in with another client"));
    }
    Ok(())
}

/// The approver is in one of `groups`.
pub(super) fn in_group(approver: &Principal, groups: &[String]) -> Result<(), Fault> {
    if approver.claims().groups.iter().any(|group| groups.contains(group)) {
        return Ok(());
    }
    Err(refusal("approver_group", "you are in no group that may answer this question"))
}

fn names(claims: &Claims) -> impl Iterator<Item = &str> {
    let optional = [&claims.uid, &claims.email, &claims.client];
    std::iter::once(claims.subject.as_str()).chain(optional.into_iter().flatten().map(|n| &**n))
}

/// Compares names without case, and mail addresses without their `+tag`.
fn same(a: &str, b: &str) -> bool {
    folded(a) == folded(b)
}

fn folded(name: &str) -> String {
    let name = name.trim().to_lowercase();
    match name.rsplit_once('@') {
        Some((local, domain)) => {
            let local = local.split_once('+').map_or(local, |(plain, _)| plain);
            format!("{local}@{domain}")
        }
        None => name,
    }
}

fn refusal(code: &'static str, message: &'static str) -> Fault {
    Fault::new(Blame::Client, code, "42501", message)
}

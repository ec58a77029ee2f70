//! One pass over a text: most bytes are looked up in a table and left; at a digit, an `@` or a
//! rare byte of a token's beginning, what stands around it is looked at.

use crate::digits::{Cluster, Window, byte_before};
use crate::kind::{Kind, Kinds};
use crate::{contact, lettered, numbers, phone, secret};

/// A find.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) kind: Kind,
}

/// What a byte may begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Pass,
    Digit,
    Mark,
}

/// Looks for some kinds.
#[derive(Debug)]
pub(crate) struct Scanner {
    wanted: Kinds,
    steps: [Step; 256],
}

/// Memory that is used again from one text to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    cluster: Cluster,
    taken: Vec<bool>,
    pub(crate) found: Vec<Found>,
}

impl Scanner {
    pub(crate) fn new(wanted: Kinds) -> Self {
        let mut steps = [Step::Pass; 256];
        let mut set = |byte: u8, step: Step| {
            if let Some(slot) = steps.get_mut(usize::from(byte)) {
                *slot = step;
            }
        };
        let tokens = [
            Kind::AwsKey,
            Kind::GithubToken,
            Kind::StripeKey,
            Kind::SlackToken,
            Kind::GoogleApiKey,
            Kind::VendorKey,
            Kind::Jwt,
            Kind::PrivateKey,
            Kind::Secret,
        ];
        for kind in tokens.into_iter().filter(|kind| wanted.has(*kind)) {
            secret::marks(kind).into_iter().for_each(|byte| set(byte, Step::Mark));
        }
        if wanted.any_of(&[Kind::Email, Kind::UrlPassword]) {
            set(b'@', Step::Mark);
        }
        let numbers = wanted.any_of(&numbers::NUMBERED) || wanted.any_of(&lettered::LETTERED);
        if numbers || wanted.any_of(&[Kind::Phone, Kind::Ip]) {
            (b'0'..=b'9').for_each(|byte| set(byte, Step::Digit));
        }
        Self { wanted, steps }
    }

    /// Everything found in the text, in order and without overlaps, into `scratch.found`.
    pub(crate) fn find(&self, text: &[u8], scratch: &mut Scratch) {
        scratch.found.clear();
        let mut at = 0;
        while let Some((skipped, step)) = self.next(text.get(at..).unwrap_or_default()) {
            at += skipped;
            at = match step {
                Step::Digit => self.digits(text, at, scratch),
                _ => self.mark(text, at, &mut scratch.found).max(at + 1),
            };
        }
        merge(&mut scratch.found);
    }

    fn next(&self, text: &[u8]) -> Option<(usize, Step)> {
        let step = |byte: u8| self.steps.get(usize::from(byte)).copied().unwrap_or(Step::Pass);
        let at = text.iter().position(|byte| step(*byte) != Step::Pass)?;
        text.get(at).map(|byte| (at, step(*byte)))
    }

    /// What is known by a byte that is no digit. Returns where to go on.
    fn mark(&self, text: &[u8], at: usize, found: &mut Vec<Found>) -> usize {
        let mut add = |kind: Kind, place: Option<(usize, usize)>| {
            let (from, to) = place.filter(|_| self.wanted.has(kind))?;
            found.push(Found { from, to, kind });
            Some(to)
        };
        let byte = text.get(at).copied().unwrap_or(0);
        let special = match byte {
            b'@' => add(Kind::UrlPassword, contact::url_password(text, at))
                .or_else(|| add(Kind::Email, contact::email(text, at))),
            b'J' => add(Kind::Jwt, secret::jwt(text, at)),
            b'-' if byte_before(text, at) != b'-' => {
                add(Kind::PrivateKey, secret::private_key(text, at))
            }
            b'=' | b':' => add(Kind::Secret, secret::announced(text, at)),
            _ => None,
        };
        if let Some(to) = special {
            return to;
        }
        if let Some((kind, from, to)) = secret::token(text, at)
            && let Some(to) = add(kind, Some((from, to)))
        {
            return to;
        }
        at
    }

    /// What is known by the digits that begin at `at`. Returns where to go on.
    fn digits(&self, text: &[u8], at: usize, scratch: &mut Scratch) -> usize {
        let Scratch { cluster, taken, found } = scratch;
        let end = cluster.read(text, at);
        taken.clear();
        taken.resize(cluster.groups(), false);
        let mut on = end;
        for place in 0..cluster.groups() {
            let Some(from) = cluster.group(place).map(|group| group.from) else { break };
            if let Some((kind, from, to)) = lettered::find(text, from, self.wanted) {
                found.push(Found { from, to, kind });
                take(cluster, taken, from, to);
                on = on.max(to);
            } else if self.wanted.has(Kind::Ip)
                && let Some((from, to)) = contact::ipv4(text, from)
            {
                found.push(Found { from, to, kind: Kind::Ip });
                take(cluster, taken, from, to);
            }
        }
        let mut strong = |window: &Window<'_>| {
            let kind = numbers::kind(window, self.wanted)?;
            // The check character that is no digit.
            let more = usize::from(kind == Kind::CnResidentId && window.digits.len() == 17);
            Some(Found { from: window.from, to: window.to + more, kind })
        };
        windows(text, cluster, taken, found, &mut strong);
        if self.wanted.has(Kind::Phone) {
            let mut weak = |window: &Window<'_>| {
                let (from, to) = (phone::begins(window), phone::ends(text, window.to));
                phone::is_phone(window).then_some(Found { from, to, kind: Kind::Phone })
            };
            windows(text, cluster, taken, found, &mut weak);
        }
        on
    }
}

/// Most digits of any kind.
const DIGITS_MAX: usize = 19;
/// Fewest digits of any kind.
const DIGITS_MIN: usize = 7;

/// Shows every window over groups that belong to no find yet, from left to right. Of what begins
/// at one place, the strongest kind counts, and of that the longest.
fn windows(
    text: &[u8],
    cluster: &Cluster,
    taken: &mut [bool],
    found: &mut Vec<Found>,
    judge: &mut dyn FnMut(&Window<'_>) -> Option<Found>,
) {
    for first in 0..taken.len() {
        let mut best: Option<Found> = None;
        for last in first..taken.len() {
            let free = taken.get(last) == Some(&false);
            let Some(window) = cluster.window(text, first, last).filter(|_| free) else { break };
            if window.digits.len() > DIGITS_MAX {
                break;
            }
            if window.digits.len() >= DIGITS_MIN
                && let Some(it) = judge(&window)
                && best.is_none_or(|best| it.kind >= best.kind)
            {
                best = Some(it);
            }
        }
        if let Some(best) = best {
            take(cluster, taken, best.from, best.to);
            found.push(best);
        }
    }
}

/// The groups of a find belong to no other.
fn take(cluster: &Cluster, taken: &mut [bool], from: usize, to: usize) {
    for (place, taken) in taken.iter_mut().enumerate() {
        let inside = |at: usize| (from..to).contains(&at);
        *taken |= cluster.group(place).is_some_and(|group| inside(group.from));
    }
}

/// Puts finds in order and makes one of those that overlap, of the strongest kind.
fn merge(found: &mut Vec<Found>) {
    found.sort_unstable_by_key(|it| it.from);
    found.dedup_by(|next, before| {
        let overlaps = next.from < before.to;
        if overlaps {
            before.to = before.to.max(next.to);
            before.kind = before.kind.max(next.kind);
        }
        overlaps
    });
}

#[cfg(test)]
mod tests;

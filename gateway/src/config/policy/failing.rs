//! What a plugin's failure means, and whether the plugin acts.

use time::format_description::well_known::Iso8601;
use time::{Date, Time};

use crate::config::page::{Item, Section};
use crate::config::text::owned;
use crate::policy::{Mode, OnError, RiskAcceptance};

#[derive(Clone, Copy)]
enum Word {
    Allow,
    Deny,
    Redact,
}

/// `on_error`, and who answers for a looser one.
pub(super) fn on_error(section: &mut Section<'_>) -> Option<OnError> {
    let words = [("deny", Word::Deny), ("redact", Word::Redact), ("allow", Word::Allow)];
    let at = section.has("on_error");
    let word = section.word("on_error", &words)?;
    let given = ["risk_accepted_by", "risk_accepted_because", "risk_accepted_until"]
        .map(|key| section.has(key));
    let by = section.string("risk_accepted_by", "the name of who answers for it");
    let because = section.string("risk_accepted_because", "why the risk is taken");
    let until = until(section);
    match word {
        Word::Allow => {
            let (by, because) = (said(by.as_ref()), said(because.as_ref()));
            let (Some(by), Some(because)) = (by, because) else {
                let what = "`on_error` is \"allow\", so what this plugin can't judge goes \
                            through; expected `risk_accepted_by` and `risk_accepted_because` \
                            beside it";
                section.mistake(at.unwrap_or(section.at()), what);
                return None;
            };
            Some(OnError::Allow(RiskAcceptance { by, because, until: until? }))
        }
        word => {
            if let Some(at) = given.into_iter().flatten().next() {
                let what = "a risk is accepted, but a failure lets nothing through; expected \
                            `on_error = \"allow\"` with it";
                section.mistake(at, what);
            }
            Some(if matches!(word, Word::Redact) { OnError::Redact } else { OnError::Deny })
        }
    }
}

/// A text that says something.
fn said(item: Option<&Item<&str>>) -> Option<String> {
    item.map(|item| item.value.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The end of the day before which the acceptance holds; the inner option is a key left out.
fn until(section: &mut Section<'_>) -> Option<Option<u64>> {
    let expected = "a day such as \"2026-12-31\", the last one on which it holds";
    let Some(item) = section.string("risk_accepted_until", expected) else { return Some(None) };
    let day = Date::parse(item.value, &Iso8601::DATE).ok().and_then(Date::next_day);
    let end = day.map(|day| day.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp());
    let end = end.and_then(|end| u64::try_from(end).ok());
    if end.is_none() {
        let shown = item.value.escape_debug();
        section
            .mistake(item.at, format!("`risk_accepted_until` is \"{shown}\"; expected {expected}"));
    }
    end.map(Some)
}

#[derive(Clone, Copy, PartialEq)]
enum Acts {
    Canary,
    Enforce,
    Shadow,
}

/// `mode`, and which sessions a canary acts in.
pub(super) fn mode(section: &mut Section<'_>) -> Option<Mode> {
    let words = [("enforce", Acts::Enforce), ("shadow", Acts::Shadow), ("canary", Acts::Canary)];
    let at = section.has("mode");
    let acts = section.word("mode", &words)?;
    let given = ["canary_percent", "canary_principals"].map(|key| section.has(key));
    let percent = section.integer("canary_percent", 0..=99);
    let principals = owned(section.strings("canary_principals", "subjects (`sub`) of tokens"));
    if acts != Acts::Canary {
        if let Some(at) = given.into_iter().flatten().next() {
            section.mistake(at, "a canary is described; expected `mode = \"canary\"` with it");
        }
        return Some(if acts == Acts::Shadow { Mode::Shadow } else { Mode::Enforce });
    }
    let percent = percent.and_then(|percent| u8::try_from(percent).ok()).unwrap_or(0);
    if percent == 0 && principals.is_empty() {
        let what = "`mode` is \"canary\", but for nobody; expected `canary_percent` from 1 to 99, \
                    or `canary_principals`";
        section.mistake(at.unwrap_or(section.at()), what);
    }
    Some(Mode::Canary { percent, principals })
}

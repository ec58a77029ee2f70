#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::audit::entry::TokenBinding;
use crate::audit::report::{Clock, json};

const ATTACK: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u{202e}\u{1b}[2J";

/// Puts the attack into every text of a JSON document.
fn attacked(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => *text = ATTACK.to_owned(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(attacked),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(attacked),
        _ => {}
    }
}

/// What stands between tags must be text: the tags of the page are those that we write.
fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|rest| rest.split(['>', ' ', '\n']).next().unwrap()).collect()
}

#[tokio::test]
async fn nothing_that_others_wrote_becomes_a_part_of_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let record = crate::audit::report::tests::recorded(dir.path()).await;
    let clean = crate::audit::report::report(&record, "key");
    let plain = html(&clean);
    assert!(plain.contains("ada@example.com") && plain.contains("a***"));

    let mut token = serde_json::to_value(clean.token.as_ref().unwrap()).unwrap();
    attacked(&mut token);
    let mut session = clean.session.clone();
    for text in [
        &mut session.id,
        &mut session.agent,
        &mut session.subject,
        &mut session.issuer,
        &mut session.target,
        &mut session.protocol,
        &mut session.database,
        &mut session.role,
    ] {
        *text = ATTACK.to_owned();
    }
    session.reason = Some(ATTACK.to_owned());
    let gaps = [ATTACK.to_owned()];
    let mut report = crate::audit::report::report(&record, ATTACK);
    report.token = Some(serde_json::from_value::<TokenBinding>(token).unwrap());
    (report.session, report.gaps, report.checkpoint) = (&session, &gaps, ATTACK);
    for text in [&mut report.peer, &mut report.client, &mut report.started] {
        *text = ATTACK.to_owned();
    }
    report.clock = Clock { step_millis: 60, reboots: 1 };
    // Bodies go through their types; what no longer fits one is shown as it stands.
    let bodies: Vec<Box<serde_json::value::RawValue>> = report
        .timeline
        .iter()
        .map(|moment| {
            let mut body = serde_json::from_str(moment.body.get()).unwrap();
            attacked(&mut body);
            serde_json::value::to_raw_value(&body).unwrap()
        })
        .collect();
    for (moment, body) in report.timeline.iter_mut().zip(&bodies) {
        moment.body = body;
        moment.time = ATTACK.to_owned();
        if let Some(command) = &mut moment.command {
            (command.text, command.reason) = (ATTACK.to_owned(), Some(ATTACK.to_owned()));
            for finding in &mut command.findings {
                (finding.plugin, finding.rule) = (ATTACK.to_owned(), ATTACK.to_owned());
                finding.message = ATTACK.to_owned();
            }
        }
        for table in &mut moment.results {
            table.columns.iter_mut().for_each(|name| *name = ATTACK.to_owned());
            table.rows.iter_mut().flatten().for_each(|cell| *cell = Some(ATTACK.to_owned()));
            table.words.iter_mut().for_each(|words| *words = ATTACK.to_owned());
        }
    }
    let page = html(&report);
    assert!(page.matches("&lt;script&gt;").count() > 30, "the attack is shown");
    for forbidden in ["<script", "<img", "\u{202e}", "\u{1b}", "'>", "onerror=alert(2)>"] {
        assert!(!page.contains(forbidden), "{forbidden:?}");
    }
    let known = tags(&plain);
    let strange: Vec<&str> =
        tags(&page).into_iter().filter(|tag| !known.contains(tag) && *tag != "/p").collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert!(json(&report).is_ok());
}

#[test]
fn what_means_something_in_html_is_escaped() {
    assert_eq!(escaped("<a b=\"c\">'&"), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;");
    assert_eq!(escaped("a\nb\u{7}\u{202e}"), "a\nb\\u{7}\\u{202e}");
}

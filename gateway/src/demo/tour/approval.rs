//! A statement that waits for a person.

use super::{Tour, word};
use crate::demo::Error;
use crate::demo::people::ALICE_TOKEN;
use crate::demo::show::Show;

const RETURNED: &str = "SELECT count(*) FROM orders WHERE status = 'returned'";

/// A DELETE waits, its requester can't answer, somebody else does, it runs. Gives the session's
/// id.
pub(super) async fn held(tour: &Tour<'_>, show: &mut Show<'_>) -> Result<Option<String>, Error> {
    show.heading("3. It deletes rows: the statement waits for another person's yes")?;
    let before = tour.place.database().rows(RETURNED).await?.concat();
    let script =
        format!("{RETURNED};\nDELETE FROM orders WHERE status = 'returned';\n{RETURNED};\n");
    let mut psql = tour.script(show, &script).await?;
    let asked = psql.says("apr_").await?;
    // What the agent sees while it waits; the rest of its output comes below.
    let seen = psql.text()?;
    show.output(&seen)?;
    let id = word(&seen, "apr_").map(str::to_owned);
    show.check(asked && id.is_some(), "the agent is told the question's id while it waits")?;
    let Some(id) = id else { return Ok(None) };

    let listed = tour.bob(show, &["approvals", "list"]).await?;
    show.output(&listed.text)?;
    let whole = listed.text.contains(&id) && listed.text.contains("DELETE FROM orders");
    show.check(whole, "an approver sees who asks, why, and the exact statement")?;
    let session = word(&listed.text, "ses_").map(str::to_owned);

    show.say("Alice may answer questions, but not those of an agent that acts for her:")?;
    let own = tour.person(show, ALICE_TOKEN, &["approvals", "approve", &id]).await?;
    show.output(&own.text)?;
    show.check(own.code == Some(1), "whoever asks can't say yes")?;

    show.say("Bob is somebody else:")?;
    let note = ["approvals", "approve", &id, "--note", "clean-up"];
    let approved = tour.bob(show, &note).await?;
    show.output(&approved.text)?;
    show.check(approved.code == Some(0), "another person's yes counts, once it is recorded")?;

    let ran = psql.end().await?;
    show.say("And the agent's psql goes on:")?;
    show.output(ran.text.strip_prefix(&seen).unwrap_or(&ran.text))?;
    let done = format!("DELETE {before}");
    let deleted = ran.code == Some(0) && ran.text.lines().any(|line| line.trim() == done);
    show.check(deleted, &format!("the statement ran: {done}"))?;
    let left = tour.place.database().rows(RETURNED).await?.concat();
    show.check(left == "0" && before != "0", "the rows are gone from the database")?;
    Ok(session)
}

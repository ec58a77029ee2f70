//! Steps of the agent alone: masked, refused, not let in.

use super::Tour;
use crate::demo::Error;
use crate::demo::people::{AGENT_TOKEN, FOREIGN_TOKEN};
use crate::demo::show::Show;

/// Every value of the database that the policy protects.
const PROTECTED: &str = "SELECT email FROM customers UNION SELECT phone FROM customers \
    UNION SELECT card_number FROM customers UNION SELECT national_id FROM customers";
/// How the card of the first customer must look.
const CARD_MASKED: &str = "SELECT repeat('*', length(card_number) - 4) || right(card_number, 4) \
    FROM customers ORDER BY id LIMIT 1";
const CUSTOMERS: &str = "SELECT count(*) FROM customers";

/// Reads of protected columns: plain, renamed through a view, computed.
pub(super) async fn masked(tour: &Tour<'_>, show: &mut Show<'_>) -> Result<(), Error> {
    show.heading("1. It reads customers: values are masked by the column they come from")?;
    let ran = tour
        .psql(
            show,
            AGENT_TOKEN,
            &[
                "SELECT name, email, phone, card_number, national_id FROM customers \
                 ORDER BY id LIMIT 4",
                "SELECT customer, paid_with AS harmless FROM customer_orders \
                 ORDER BY order_id LIMIT 2",
                "SELECT name, upper(email) AS shouted FROM customers ORDER BY id LIMIT 2",
            ],
        )
        .await?;
    let protected = tour.place.database().rows(PROTECTED).await?;
    let card = tour.place.database().rows(CARD_MASKED).await?.concat();
    let name = "SELECT name FROM customers ORDER BY id LIMIT 1";
    let name = tour.place.database().rows(name).await?.concat();
    let shown = |value: &str| !value.is_empty() && ran.text.contains(value);
    show.check(ran.code == Some(0), "psql ran all three statements")?;
    show.check(shown(&name), "what is not protected is there, such as a name")?;
    show.check(
        !protected.is_empty() && !any_shown(&ran.text, &protected),
        "no e-mail, phone, card or national id of the database is in it",
    )?;
    show.check(shown(&card), &format!("a card shows its last four digits: {card}"))?;
    Ok(())
}

/// True when any of `values` stands in `text`, in upper or lower case.
fn any_shown(text: &str, values: &[String]) -> bool {
    let text = text.to_lowercase();
    values.iter().any(|value| !value.is_empty() && text.contains(&value.to_lowercase()))
}

/// A refused statement that leaves the connection as it was.
pub(super) async fn refused(tour: &Tour<'_>, show: &mut Show<'_>) -> Result<(), Error> {
    show.heading("2. It drops a table: refused, and the connection lives on")?;
    let before = tour.place.database().rows(CUSTOMERS).await?;
    let script = "SELECT pg_backend_pid() AS connection;\n\
                  DROP TABLE customers CASCADE;\n\
                  SELECT pg_backend_pid() AS connection, count(*) AS customers FROM customers;\n";
    let ran = tour.script(show, script).await?.end().await?;
    show.output(&ran.text)?;
    let refusal = ran.text.lines().find(|line| line.contains("ERROR:")).unwrap_or_default();
    let readable = refusal.contains("policy") && refusal.contains("drops an object");
    show.check(readable, "the error says who refused it, and why")?;
    let numbers = numbers(&ran.text);
    let (first, count) = (numbers.first(), numbers.last());
    let same =
        first.is_some() && numbers.iter().filter(|number| Some(*number) == first).count() > 1;
    show.check(same && ran.code == Some(0), "the same connection answered before and after")?;
    let after = tour.place.database().rows(CUSTOMERS).await?;
    let kept = before == after && count.map(ToString::to_string) == after.first().cloned();
    show.check(kept, "every customer is still there")?;
    Ok(())
}

/// The numbers that stand alone in a table of psql, in order.
fn numbers(text: &str) -> Vec<u64> {
    let cells = text.lines().filter(|line| !line.contains(':')).flat_map(|line| line.split('|'));
    cells.filter_map(|cell| cell.trim().parse().ok()).collect()
}

/// A token for another service.
pub(super) async fn wrong_audience(tour: &Tour<'_>, show: &mut Show<'_>) -> Result<(), Error> {
    show.heading("4. It brings a token that was made for another service: not let in")?;
    show.command(&format!("export PGPASSWORD=$(cat {})", tour.shown(show, FOREIGN_TOKEN)))?;
    let ran = tour.psql(show, FOREIGN_TOKEN, &["SELECT 1"]).await?;
    show.check(ran.code == Some(2), "psql could not connect")?;
    show.check(ran.text.contains("audience"), "the error says that the audience is wrong")?;
    show.check(!ran.text.contains("eyJ"), "the token is not in the error")?;
    Ok(())
}

#[cfg(test)]
mod tests;

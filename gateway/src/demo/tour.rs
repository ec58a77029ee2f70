//! The tour: a stock `psql` as the agent, this program's own commands for the people.
//!
//! Every step prints its commands as a user would type them, what came of them, and whether
//! that is what should have come.

mod approval;
mod evidence;
mod statements;

use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;

use super::Error;
use super::child::{Child, Ran};
use super::people::{AGENT_TOKEN, BOB_TOKEN};
use super::place::Place;
use super::show::Show;
use crate::limits::DEMO_COMMAND_SECS_MAX;

/// Shows every step; what failed is in `show`.
pub(super) async fn walk(place: &Place, show: &mut Show<'_>) -> Result<(), Error> {
    let tour = Tour { place };
    show.heading("The tour: what an AI agent with a stock psql sees")?;
    show.say("The agent's password is its token. The shop's real password stays in the gateway.")?;
    let connection = place.connection(&show.path(&place.ca_file()));
    show.command(&format!("SHOP=\"{connection}\""))?;
    show.command(&format!("export PGPASSWORD=$(cat {})", tour.shown(show, AGENT_TOKEN)))?;
    statements::masked(&tour, show).await?;
    statements::refused(&tour, show).await?;
    let held = approval::held(&tour, show).await?;
    statements::wrong_audience(&tour, show).await?;
    if let Some(session) = &held {
        evidence::report(&tour, show, session).await?;
    } else {
        show.check(false, "a session to report on")?;
    }
    evidence::verified(&tour, show).await
}

/// What the steps run.
struct Tour<'a> {
    place: &'a Place,
}

impl Tour<'_> {
    /// A file of the run folder as it is typed.
    fn shown(&self, show: &Show<'_>, name: &str) -> String {
        show.path(&self.file(name))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.folder().file(name)
    }

    /// Runs `psql` as the agent, shown as `psql "$SHOP" ...`.
    async fn psql(
        &self,
        show: &mut Show<'_>,
        token_file: &str,
        commands: &[&str],
    ) -> Result<Ran, Error> {
        let typed: Vec<String> = commands.iter().map(|sql| format!("-c \"{sql}\"")).collect();
        show.command(&format!("psql \"$SHOP\" {}", typed.join(" \\\n     ")))?;
        let mut psql = self.place.agent(token_file)?;
        for sql in commands {
            psql.args(["-c", sql]);
        }
        let ran = Child::start(psql, "", limit(1)).await?.end().await?;
        show.output(&ran.text)?;
        Ok(ran)
    }

    /// Starts `psql` as the agent with a script, shown as a here-document.
    async fn script(&self, show: &mut Show<'_>, script: &str) -> Result<Child, Error> {
        show.command(&format!("psql \"$SHOP\" <<SQL\n{}\nSQL", script.trim_end()))?;
        let psql = self.place.agent(AGENT_TOKEN)?;
        // People answer in between, so it may take as long as a few commands.
        Child::start(psql, script, limit(4)).await
    }

    /// Runs this program as a person with a token.
    async fn person(
        &self,
        show: &mut Show<'_>,
        token_file: &str,
        arguments: &[&str],
    ) -> Result<Ran, Error> {
        let file = self.file(token_file);
        let url = self.place.admin_url();
        let shown = self.shown(show, token_file);
        let typed = arguments.join(" ");
        show.command(&format!(
            "{} {typed} --admin {url} --token-file {shown}",
            show.path(&program()?)
        ))?;
        let mut command = Command::new(program()?);
        command.args(arguments).args(["--admin", &url]).arg("--token-file").arg(file);
        Child::start(command, "", limit(1)).await?.end().await
    }

    /// Runs this program as Bob, who answers and reads reports.
    async fn bob(&self, show: &mut Show<'_>, arguments: &[&str]) -> Result<Ran, Error> {
        self.person(show, BOB_TOKEN, arguments).await
    }
}

/// This program.
pub(super) fn program() -> Result<PathBuf, Error> {
    std::env::current_exe()
        .map_err(|error| Error::new(format!("this program can't find itself: {error}")))
}

fn limit(commands: u64) -> Duration {
    Duration::from_secs(DEMO_COMMAND_SECS_MAX.saturating_mul(commands))
}

/// The first word in `text` that begins with `prefix`, such as the id behind `apr_`.
fn word<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let mut words = text.split(|ch: char| !ch.is_ascii_alphanumeric() && ch != '_' && ch != '-');
    words.find(|word| word.len() > prefix.len() && word.starts_with(prefix))
}

#[cfg(test)]
mod tests;

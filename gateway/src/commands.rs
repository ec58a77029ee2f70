//! What the command line does: one file a command.

mod approvals;
mod audit;
mod check;
mod client;
mod demo;
mod exports;
mod plugin;
mod search;
mod serve;
mod sessions;
mod witness;

use std::borrow::Cow;
use std::io::{self, Write};

use crate::cli::{Cli, Command, EXIT_FAILED, EXIT_USAGE};
use crate::policy::approval::shown;

/// Why a command ended early, and its exit code.
#[derive(Debug)]
pub struct Stop {
    /// The exit code.
    pub code: u8,
    /// For standard error; empty = nothing more to say.
    pub message: Cow<'static, str>,
}

impl Stop {
    fn failed(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: EXIT_FAILED, message: message.into() }
    }

    fn usage(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: EXIT_USAGE, message: message.into() }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        // A reader such as `head` that has seen enough is no failure to talk about.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::failed("");
        }
        Self::failed(format!("can't write the output: {error}"))
    }
}

/// Runs one command; its output goes to `out`.
///
/// # Errors
/// Why it ended early; the caller prints the message and exits with the code.
pub async fn run(cli: Cli, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    match cli.command {
        Command::Approvals(command) => approvals::run(command, out).await,
        Command::Audit(command) => audit::run(command, out).await,
        Command::Check { config } => check::run(&config, out),
        Command::Demo(args) => demo::run(args, out).await,
        Command::Exports { admin } => exports::run(&admin, out).await,
        Command::Plugin(command) => plugin::run(command, out).await,
        Command::Search { query, limit, json, admin } => {
            search::run(&admin, &query, limit, json, out).await
        }
        Command::Serve { config } => serve::run(&config, out).await,
        Command::Sessions(command) => sessions::run(command, out).await,
        Command::Witness(args) => witness::run(args, out).await,
    }
}

/// Prints text that came from elsewhere, with whatever a terminal would obey written out.
fn print(out: &mut (dyn Write + Send), text: &str) -> Result<(), Stop> {
    let text = shown(text);
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! The command line: types only; `commands` does the work.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::limits::ADMIN_PORT;

/// A policy gateway between AI agents and the infrastructure they touch.
///
/// Exit codes: 0 done; 1 failed or refused; 64 wrong usage or configuration. `audit verify` has
/// its own: see there.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List and answer what waits for a person.
    #[command(subcommand)]
    Approvals(Approvals),
    /// Copy the log of a running gateway.
    #[command(subcommand)]
    Audit(Audit),
    /// Check a configuration and every file it names, and start nothing.
    Check {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Build policy plugins.
    #[command(subcommand)]
    Plugin(Plugin),
    /// Look into recorded sessions.
    #[command(subcommand)]
    Sessions(Sessions),
}

/// Where the admin endpoint is, and the token of the person who asks.
///
/// A token is never an argument: arguments show in the process list.
#[derive(Args, Clone, Debug)]
pub struct AdminArgs {
    /// The admin endpoint, on this machine.
    #[arg(long, value_name = "URL", default_value_t = format!("http://127.0.0.1:{ADMIN_PORT}"))]
    pub admin: String,
    /// File of mode 0600 with your access token; without it the environment variable
    /// PORTCULLIS_TOKEN is read.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// `portcullis approvals`.
#[derive(Debug, Subcommand)]
pub enum Approvals {
    /// Let a waiting request run, once.
    Approve(AnswerArgs),
    /// Refuse a waiting request.
    Deny(AnswerArgs),
    /// Show every open question.
    List {
        /// Whom to ask.
        #[command(flatten)]
        admin: AdminArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// An answer to one question.
#[derive(Args, Debug)]
pub struct AnswerArgs {
    /// The question's id, `apr_...`.
    pub id: String,
    /// Why; goes into the log.
    #[arg(long, default_value = "")]
    pub note: String,
    /// Whom to tell.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// `portcullis audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Fetch a consistent copy of the log from a running gateway.
    Snapshot {
        /// Whom to ask.
        #[command(flatten)]
        admin: AdminArgs,
        /// The file to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// `portcullis plugin`.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Compile Rust plugins and encode each as a component, OUT/NAME.wasm.
    Build {
        /// Folders of the plugins, each with a Cargo.toml.
        #[arg(required = true, value_name = "DIR")]
        dirs: Vec<PathBuf>,
        /// Folder for the components.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// `portcullis sessions`.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// List the latest sessions, newest first, one JSON object a line.
    List {
        /// Whom to ask.
        #[command(flatten)]
        admin: AdminArgs,
        /// How many at most.
        #[arg(long, default_value_t = crate::limits::ADMIN_SESSIONS_LISTED)]
        limit: usize,
    },
    /// Print the report of a session: everything it did, in order.
    Report {
        /// The session's id, `ses_...`.
        id: String,
        /// How to write it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Whom to ask.
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Show one session as JSON.
    Show {
        /// The session's id, `ses_...`.
        id: String,
        /// Whom to ask.
        #[command(flatten)]
        admin: AdminArgs,
    },
}

/// How a report is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// One JSON object.
    Json,
    /// Text for people.
    Text,
}

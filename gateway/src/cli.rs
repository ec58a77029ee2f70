//! The command line: its types and exit codes; `commands` does the work.

pub mod plugin;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::limits::ADMIN_PORT;

/// Everything went well.
pub const EXIT_DONE: u8 = 0;
/// It failed or was refused.
pub const EXIT_FAILED: u8 = 1;
/// Wrong usage or configuration (sysexits.h: `EX_USAGE`).
pub const EXIT_USAGE: u8 = 64;

/// The log is not what an anchor remembers of it (sysexits.h: `EX_DATAERR`).
pub const EXIT_CONTRADICTED: u8 = 65;

/// A policy gateway between AI agents and the infrastructure they touch.
///
/// Exit codes: 0 done; 1 failed or refused; 64 wrong usage or configuration; 65 an anchor
/// contradicts the log. `audit verify` has its own: see there.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What is logged when the environment doesn't say: a demonstration is read by a person.
    pub fn log_default(&self) -> &'static str {
        match self.command {
            Command::Demo(_) => "error",
            _ => "info",
        }
    }

    /// Reads the program's arguments; prints help, the version or what is wrong with them.
    ///
    /// # Errors
    /// The exit code to end with.
    pub fn read() -> Result<Self, u8> {
        Self::try_parse().map_err(|error| {
            // Help and version are asked for and go to standard output; the rest is a mistake.
            let printed = error.print().is_ok();
            if error.use_stderr() || !printed { EXIT_USAGE } else { EXIT_DONE }
        })
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List and answer what waits for a person.
    #[command(subcommand)]
    Approvals(Approvals),
    /// Copy the log of a running gateway, and judge a copy.
    #[command(subcommand)]
    Audit(Audit),
    /// Check a configuration and every file it names, and start nothing.
    Check {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Run a gateway to play with: a real PostgreSQL, an issuer, and a tour of both with psql.
    ///
    /// Everything is on loopback, made for this run and removed with it, and nothing of a real
    /// issuer or database is touched. Ctrl-C ends it.
    Demo(DemoArgs),
    /// Write, build, prove and sign policy plugins.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Show how far each export of a running gateway is.
    Exports {
        /// Whom to ask.
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Run the gateway until SIGTERM or Ctrl-C.
    Serve {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Search the log of a running gateway, newest first.
    ///
    /// All words must hold: `field:value`, `-field:value` for what must not, and words or "a few
    /// words in a row" of statements and messages. Fields: agent, approver, column, database,
    /// object, person, role, rule, session, table, target, token, type, verdict; and since and
    /// until with 90s, 15m, 3h, 2d, 4w, a day such as 2026-11-23, or an RFC 3339 time. Looking is
    /// itself recorded.
    Search {
        /// What to look for, such as 'agent:reporter column:customers.email since:2d'.
        #[arg(allow_hyphen_values = true)]
        query: String,
        /// How many hits at most.
        #[arg(long, default_value_t = crate::limits::SEARCH_HITS)]
        limit: usize,
        /// Print the whole answer as JSON.
        #[arg(long)]
        json: bool,
        /// Whom to ask.
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Look into recorded sessions.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Run a witness for logs of gateways elsewhere (C2SP tlog-witness), until SIGTERM or Ctrl-C.
    ///
    /// It keeps the newest checkpoint of each log that it is told of and cosigns only what follows,
    /// so a gateway whose log was put back finds out. Run it on another machine than the gateway.
    Witness(WitnessArgs),
}

/// `portcullis witness`.
#[derive(Args, Debug)]
pub struct WitnessArgs {
    /// The address; one that others reach needs a certificate.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8471")]
    pub listen: std::net::SocketAddr,
    /// Folder for its key and for what it has seen, made when it is not there. Losing what it has
    /// seen makes it worthless: then take a new folder, and a new key with it.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Its name in cosignatures, such as witness.example/w1.
    #[arg(long)]
    pub name: String,
    /// File with the public key of a log that it is to know, log.vkey; once for each.
    #[arg(long, value_name = "FILE", required = true)]
    pub log: Vec<PathBuf>,
    /// PEM file of its certificate.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// PEM file of the certificate's key.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
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

/// Where recorded sessions are read: a running gateway, or a log at rest.
#[derive(Args, Clone, Debug)]
pub struct Source {
    /// The running gateway.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Read this log folder instead, with no gateway and no token; no gateway may hold it.
    #[arg(long, value_name = "LOG", conflicts_with_all = ["admin", "token_file"])]
    pub dir: Option<PathBuf>,
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
    /// Print the entries of a log that no gateway holds, or of a copy, one JSON object a line.
    ///
    /// Payloads stay sealed; `sessions report` opens those of a session.
    Entries {
        /// The log's folder, or a copy made by `audit snapshot`.
        path: PathBuf,
        /// Only entries of this type, such as `refusal` or `event`.
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
    },
    /// Begin a new log in place of one that an anchor contradicts.
    ///
    /// The old one is put aside whole, beside it, and so is what an anchor's file holds; nothing is
    /// removed. The next start begins a log with an origin of its own, whose first entries say who
    /// did this, why, and what each anchor said. A witness has to be told the new log's key.
    Recover {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// Your name, for the log.
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Why, for the log.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Have a running gateway make its search index anew from the log.
    Reindex {
        /// Whom to ask.
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Fetch a consistent copy of the log from a running gateway.
    Snapshot {
        /// Whom to ask.
        #[command(flatten)]
        admin: AdminArgs,
        /// The file to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write a log that no gateway holds, or a copy of one, as plain files: its entries and
    /// hashes as C2SP tlog-tiles, which other verifiers read. Payloads are not part of it.
    Tiles {
        /// The log's folder, or a copy made by `audit snapshot`.
        path: PathBuf,
        /// The directory to make.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Judge a log, a copy of one, a directory of tiles or a report bundle, offline.
    ///
    /// Exit codes: 0 intact; 1 tampered; 2 rolled back or incomplete; 3 can't judge; 64 wrong
    /// usage.
    Verify {
        /// The log's folder (no gateway may hold it), a copy made by `audit snapshot`, a
        /// directory made by `audit tiles`, or a bundle made by `sessions report --bundle`;
        /// without it, a fresh copy of a running gateway's log.
        path: Option<PathBuf>,
        /// The running gateway, when no path is given.
        #[command(flatten)]
        admin: AdminArgs,
        /// The log's public key, kept elsewhere: who can change the log can change the key
        /// beside it.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// A checkpoint of the log, kept elsewhere: without one, a log put back to an older
        /// state looks intact.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// `portcullis demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// End after the tour; exit with 0 only if every step showed what it should.
    #[arg(long)]
    pub tour: bool,
    /// Folder for the files of the run, emptied first; default: `demo` in cargo's target folder
    /// of this program, or else a temporary folder.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Folder of the built first-party plugins; default: `plugins` in cargo's target folder of
    /// this program.
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
}

/// `portcullis sessions`.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// List the latest sessions, newest first, one JSON object a line.
    List {
        /// Where to look.
        #[command(flatten)]
        source: Source,
        /// How many at most.
        #[arg(long, default_value_t = crate::limits::ADMIN_SESSIONS_LISTED)]
        limit: usize,
    },
    /// Print the report of a session, or of all sessions of a task or ticket: everything done, in
    /// order.
    Report {
        /// The session's id, `ses_...`.
        #[arg(required_unless_present_any = ["task", "ticket"])]
        id: Option<String>,
        /// Every session that was for this task instead.
        #[arg(long, value_name = "ID", conflicts_with_all = ["id", "ticket"])]
        task: Option<String>,
        /// Every session that was for this ticket instead.
        #[arg(long, value_name = "ID", conflicts_with = "id")]
        ticket: Option<String>,
        /// How to write it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Write the report with its entries, payloads and proof to this new file instead; anybody
        /// can check it offline with the log's public key.
        #[arg(long, value_name = "FILE", conflicts_with = "format")]
        bundle: Option<PathBuf>,
        /// Where to look.
        #[command(flatten)]
        source: Source,
    },
    /// Step through a session as its client saw it, or run it again and compare.
    ///
    /// On a terminal the pauses of the session are kept; elsewhere the times are printed instead.
    /// What is shown comes out of a bundle that is checked first. Exit codes with --against: 0 all
    /// answers are the same; 1 some differ; 3 nothing could be compared.
    Replay(ReplayArgs),
    /// Show one session as JSON.
    Show {
        /// The session's id, `ses_...`.
        id: String,
        /// Where to look.
        #[command(flatten)]
        source: Source,
    },
}

/// `portcullis sessions replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The session's id, `ses_...`.
    #[arg(required_unless_present = "from")]
    pub id: Option<String>,
    /// Take the session out of this bundle, made by `sessions report --bundle`, with no gateway.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "dir", "admin", "token_file"])]
    pub from: Option<PathBuf>,
    /// How fast, on a terminal: 2 halves the pauses.
    #[arg(long, default_value_t = 1.0)]
    pub speed: f64,
    /// Wait for Enter before each step.
    #[arg(long, conflicts_with = "speed")]
    pub step: bool,
    /// Write an asciicast instead, for players such as asciinema.
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["step", "speed"])]
    pub format: Option<CastFormat>,
    /// Run it again in a throw-away server of this kind, and compare tags, errors, numbers of rows,
    /// and the rows where nothing was masked.
    #[arg(long, value_enum, requires = "schema", conflicts_with_all = ["step", "speed", "format"])]
    pub against: Option<Against>,
    /// SQL to load into the throw-away server first: a schema, or a dump in plain format. It is run
    /// as superuser of that server, so take one that you trust.
    #[arg(long, value_name = "FILE", requires = "against")]
    pub schema: Option<PathBuf>,
    /// Where to look.
    #[command(flatten)]
    pub source: Source,
}

/// Versions of the asciicast format.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CastFormat {
    /// Version 3.
    Asciicast,
    /// Version 2, which older players want.
    AsciicastV2,
}

/// What a session is run again in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Against {
    /// This machine's own PostgreSQL.
    Postgres,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// One HTML page, with no scripts and nothing to fetch.
    Html,
    /// One JSON object.
    Json,
    /// Text for people.
    Text,
}

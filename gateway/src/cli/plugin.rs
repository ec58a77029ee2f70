//! `portcullis plugin`: its command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Source;

/// `portcullis plugin`.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Judge recorded sessions again and show each verdict that would differ.
    ///
    /// With FILE, the plugin is added to what was in force then: the stricter of its verdict and
    /// the recorded one counts. With --policy, that policy stands in place of what was in force.
    /// Values in results are not judged: the log holds them as the client got them, masked. Nor
    /// is what the gateway refused before or beside any policy.
    ///
    /// Exit codes: 0 nothing differs; 1 a verdict differs; 3 can't judge; 64 wrong usage.
    Backtest(BacktestArgs),
    /// Measure a plugin on its own tests: calls, throughput, starts, memory.
    Bench {
        /// The plugin.
        #[command(flatten)]
        subject: Subject,
        /// Its tests, as for `plugin test`.
        #[arg(long, value_name = "FILE")]
        cases: PathBuf,
        /// How long each case is asked.
        #[arg(long, value_name = "MS", default_value_t = 500)]
        millis: u64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make components of plugins, OUT/NAME.wasm.
    ///
    /// Rust needs cargo and its target wasm32-unknown-unknown. Python needs componentize-py,
    /// JavaScript node and componentize-js; where they are missing this says how to install them.
    Build {
        /// Folders of the plugins, each with a Cargo.toml or a plugin.json.
        #[arg(required = true, value_name = "DIR")]
        dirs: Vec<PathBuf>,
        /// Folder for the components.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Load a plugin as a gateway would: imports, version, exports, grants and settings.
    Check {
        /// The plugin.
        #[command(flatten)]
        subject: Subject,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what a component imports, exports and needs, and who signed it; nothing of it runs.
    Inspect {
        /// The component.
        file: PathBuf,
        /// A public key, `name+hash+key`, to verify its signature with; may be given again.
        #[arg(long, value_name = "KEY")]
        trusted: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a key to sign plugins with: KEY, of mode 0600, and KEY.pub.
    ///
    /// Prints the public key, which goes into `[signing]` of the gateway's configuration.
    Keygen {
        /// The key's name, such as `policy-team`: no spaces, no `+`.
        name: String,
        /// The file for the private key; it must not exist.
        #[arg(long, value_name = "KEY")]
        out: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Start a plugin: a folder with code, settings and tests that pass.
    New {
        /// Its name: a-z, 0-9 and `-`.
        name: String,
        /// What it is written in.
        #[arg(long, value_enum, default_value_t = Language::Rust)]
        lang: Language,
        /// What it does.
        #[arg(long, value_enum, default_value_t = Kind::Masker)]
        kind: Kind,
        /// Its folder; NAME by default.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask a plugin about one statement or some rows, and print its answer.
    Run {
        /// The plugin.
        #[command(flatten)]
        subject: Subject,
        /// The question, JSON: a case of `plugin test` without `expect`.
        #[arg(long, value_name = "FILE")]
        case: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sign components: FILE.sig is written beside each.
    ///
    /// The signature is for the file's bytes and its name, so sign a file again after renaming it.
    Sign {
        /// The components.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The private key that `plugin keygen` made, of mode 0600.
        #[arg(long, value_name = "KEY")]
        key: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a plugin's own tests.
    Test {
        /// The plugin.
        #[command(flatten)]
        subject: Subject,
        /// The tests, JSON: statements or rows, and what the plugin must say of them.
        #[arg(long, value_name = "FILE")]
        cases: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A plugin to be tried, and what it is given.
#[derive(Args, Clone, Debug)]
pub struct Subject {
    /// The component; with --policy, the plugin's name in it.
    #[arg(value_name = "FILE")]
    pub plugin: PathBuf,
    /// Take the plugin, its settings and its grants from this policy file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["settings", "grants", "memory_mib"])]
    pub policy: Option<PathBuf>,
    /// Its settings, a JSON file; `{}` by default.
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// A host interface to grant, such as `log`; may be given again.
    #[arg(long = "grant", value_name = "NAME")]
    pub grants: Vec<String>,
    /// Memory it may have, as `memory_mib_max` in a policy.
    #[arg(long, value_name = "MIB")]
    pub memory_mib: Option<u64>,
    /// Longest single call, as `call_millis_max` in a policy.
    #[arg(long, value_name = "MS", conflicts_with = "policy")]
    pub call_millis: Option<u64>,
}

/// `portcullis plugin backtest`.
#[derive(Args, Clone, Debug)]
pub struct BacktestArgs {
    /// The component to add.
    #[arg(value_name = "FILE", required_unless_present = "policy")]
    pub plugin: Option<PathBuf>,
    /// The policy to judge by.
    #[arg(long, value_name = "FILE", conflicts_with = "plugin")]
    pub policy: Option<PathBuf>,
    /// The component's settings, a JSON file; `{}` by default.
    #[arg(long, value_name = "FILE", requires = "plugin")]
    pub settings: Option<PathBuf>,
    /// A host interface to grant, such as `log`; may be given again.
    #[arg(long = "grant", value_name = "NAME", requires = "plugin")]
    pub grants: Vec<String>,
    /// Memory it may have, as `memory_mib_max` in a policy.
    #[arg(long, value_name = "MIB", requires = "plugin")]
    pub memory_mib: Option<u64>,
    /// Risk at or above which the component's score denies.
    #[arg(long, value_name = "RISK", requires = "plugin")]
    pub deny_at: Option<u8>,
    /// Risk at or above which the component's score holds.
    #[arg(long, value_name = "RISK", requires = "plugin")]
    pub hold_at: Option<u8>,
    /// Only sessions on this target.
    #[arg(long)]
    pub target: Option<String>,
    /// Only this session; may be given again.
    #[arg(long = "session", value_name = "ID")]
    pub sessions: Vec<String>,
    /// How many sessions at most, the newest first.
    #[arg(long, default_value_t = crate::limits::ADMIN_SESSIONS_LISTED)]
    pub limit: usize,
    /// Where to look.
    #[command(flatten)]
    pub source: Source,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Language {
    /// JavaScript, by componentize-js.
    Js,
    /// Python, by componentize-py.
    Python,
    /// Rust, with the SDK.
    Rust,
}

impl Language {
    /// As the command line and `plugin.json` call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Js => "js",
            Self::Python => "python",
            Self::Rust => "rust",
        }
    }
}

/// What a plugin does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Kind {
    /// Decides about statements: refuses them, or has a person approve them.
    Approver,
    /// Hides values in results.
    Masker,
    /// Scores statements.
    RiskScorer,
}

impl Kind {
    /// The interface it exports.
    pub fn export(self) -> &'static str {
        match self {
            Self::Approver => "guard",
            Self::Masker => "mask",
            Self::RiskScorer => "risk",
        }
    }
}

//! The rules, as data. Change them here; `docs` of each says why it is a rule.

/// The stages in flow order: a stage imports itself and those to its left, never to its right.
/// The codecs of `protocol` stand first: they are pure and know no stage.
pub(crate) const STAGES: [&str; 10] = [
    "protocol",
    "listener",
    "identity",
    "session",
    "policy",
    "audit",
    "upstream",
    "downstream",
    "export",
    "search",
];

/// What every stage may import beside the stages: they import no stage themselves.
pub(crate) const GROUND: [&str; 3] = ["limits", "fault", "note"];

/// Modules above the stages; no stage imports one.
pub(crate) const ABOVE: [&str; 9] =
    ["pipeline", "admin", "cli", "commands", "config", "demo", "replay", "shutdown", "witness"];

/// Outside crates and where each may be named: a path prefix of `gateway/src`, where a `.rs`
/// ending means that one file. A crate that is swapped or audited is then one place to look at.
// tidy: table
pub(crate) const HOMES: [(&str, &[&str]); 22] = [
    ("clap", &["cli.rs", "cli/"]),
    ("csv", &["config/facts.rs"]),
    (
        "hyper",
        &[
            "admin",
            "commands",
            "demo/",
            "export/sink/http",
            "identity",
            "listener/kubernetes",
            "upstream/kubernetes",
            "witness",
        ],
    ),
    ("hyper_rustls", &["identity", "export/sink/http", "upstream/kubernetes"]),
    (
        "hyper_util",
        &[
            "admin",
            "commands",
            "demo/",
            "export/sink/http",
            "identity",
            "listener/kubernetes",
            "upstream/kubernetes",
            "witness",
        ],
    ),
    ("jsonwebtoken", &["identity"]),
    ("mimalloc", &["main.rs"]),
    ("openidconnect", &["identity"]),
    ("pg_query", &["protocol/postgres/"]),
    ("postgres_protocol", &["protocol/postgres/", "upstream"]),
    ("rcgen", &["demo"]),
    ("redb", &["audit/store"]),
    ("regex", &["policy/prefilter"]),
    ("rustix", &["main.rs", "search.rs"]),
    ("rustls", &["config", "downstream", "export/sink/syslog", "identity", "listener", "upstream"]),
    ("sqlparser", &["protocol/postgres/"]),
    ("tantivy", &["search/index"]),
    ("tokio_rustls", &["downstream", "export/sink/syslog", "listener", "upstream"]),
    ("toml", &["config"]),
    ("wasmtime", &["policy/"]),
    ("wasmtime_wasi", &["policy/"]),
    ("wit_component", &["policy/component"]),
];

/// What `protocol` must not name: codecs do no I/O and read no clock, so that they can be
/// fuzzed, replayed and moved to a crate of their own.
pub(crate) const PROTOCOL_BANS: [&str; 13] = [
    "tokio",
    "hyper",
    "rustls",
    "tokio_rustls",
    "wasmtime",
    "redb",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::env",
];

/// Exceptions to [`PROTOCOL_BANS`]: plain data.
pub(crate) const PROTOCOL_ALLOWS: [&str; 2] = ["std::net::SocketAddr", "std::net::IpAddr"];

/// Calls that open a proof, and the only stages that may make them: whoever else could read the
/// bytes out of a permit could send them somewhere else.
pub(crate) const PROOF_CALLS: [(&str, &[&str]); 3] = [
    (".into_wire(", &["audit", "upstream"]),
    (".into_frames(", &["audit", "downstream"]),
    // A request that no codec made: it has no bytes, and is judged only to be looked at.
    ("Request::recorded(", &["commands"]),
];

/// Most lines of a source file.
pub(crate) const FILE_LINES_MAX: usize = 500;
/// Most lines of a file of unit tests.
pub(crate) const TEST_FILE_LINES_MAX: usize = 800;
/// Most lines of the program's entry point.
pub(crate) const MAIN_LINES_MAX: usize = 80;
/// Most lines of a function, from `fn` to its closing brace.
pub(crate) const FUNCTION_LINES_MAX: usize = 70;
/// Longest line, characters.
pub(crate) const LINE_CHARS_MAX: usize = 100;
/// Exempts a file (in its first lines) or a function (in the lines above) from the line counts.
pub(crate) const TABLE_MARK: &str = "// tidy: table";

/// Words that no file may hold, split so that this file does not hold them either.
pub(crate) const FORBIDDEN: [(&str, &str); 11] = [
    (concat!("TO", "DO"), "finish it or leave it out"),
    (concat!("FIX", "ME"), "finish it or leave it out"),
    (concat!("XX", "X"), "finish it or leave it out"),
    (concat!("todo", "!("), "finish it or leave it out"),
    (concat!("unimplemented", "!("), "finish it or leave it out"),
    (concat!("/ro", "ot/"), "no path of one machine"),
    (concat!("/wo", "rk/"), "no path of one machine"),
    (concat!("/ho", "me/"), "no path of one machine"),
    (concat!("/Us", "ers/"), "no path of one machine"),
    (concat!("wo", "rktree"), "the reader has no such thing"),
    ("\u{feff}", "no byte order mark"),
];

/// Endings of files that hold only ASCII: look-alike letters hide in source, not in prose.
pub(crate) const ASCII_ENDINGS: [&str; 6] = ["rs", "toml", "wit", "sql", "sh", "mjs"];

/// Module and file names that say nothing.
pub(crate) const EMPTY_NAMES: [&str; 7] =
    ["util", "utils", "common", "helpers", "manager", "handler", "service"];

/// Dependencies that no path in the source names, and why they are there all the same.
pub(crate) const SILENT_DEPENDENCIES: [(&str, &str); 2] = [
    ("hyper-rustls", "chosen for its features; named through hyper-util's client"),
    ("libfuzzer-sys", "named only when the feature `libfuzzer` is on"),
];

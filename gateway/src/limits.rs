//! Every bound in the system: one constant each, the unit last in its name.
//!
//! A bound that an operator may change lives in the configuration; its default is here.

/// Longest start-up packet that a PostgreSQL client may send (PostgreSQL: `MAX_STARTUP_PACKET_LENGTH`).
pub const STARTUP_PACKET_BYTES_MAX: usize = 10_000;
/// Longest password message, and so longest token on the PostgreSQL wire
/// (PostgreSQL: `PG_MAX_AUTH_TOKEN_LENGTH`).
pub const AUTH_MESSAGE_BYTES_MAX: usize = 65_535;
/// How long a client may take from connecting until it is signed in.
pub const SIGN_IN_MILLIS_MAX: u64 = 20_000;
/// Longest client message after sign-in; a statement can't be longer.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Longest token of any protocol.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Prepared statements a session may hold at once.
pub const PREPARED_STATEMENTS_MAX: usize = 10_000;
/// Portals a session may hold at once.
pub const PORTALS_MAX: usize = 1_000;
/// Longest message of a target that is taken whole.
pub const SERVER_MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Longest message of a target before sign-in is done.
pub const SERVER_AUTH_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// How long connecting to a target and signing in there may take.
pub const UPSTREAM_CONNECT_MILLIS_MAX: u64 = 10_000;
/// Iterations of SCRAM that a target may ask for (CVE-2026-6664 and its kind: a bound on its work).
pub const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;
/// Bytes read from a socket at once.
pub const READ_BYTES: usize = 64 * 1024;
/// Connections that one listener serves at once.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Longest pause of the accept loop after errors such as too many open files.
pub const ACCEPT_BACKOFF_MILLIS_MAX: u64 = 1_000;
/// Messages a client may send ahead of the answers.
pub const PIPELINE_MESSAGES_MAX: usize = 20_000;
/// How often a held client is told that it still waits.
pub const HOLD_NOTICE_SECS: u64 = 15;
/// Longest hold inside a transaction block, which keeps locks.
pub const HOLD_IN_TRANSACTION_SECS_MAX: u64 = 60;
/// Bytes a held client may send ahead.
pub const HOLD_READ_AHEAD_BYTES_MAX: usize = 256 * 1024;
/// How often the configuration and the plugin files are looked at for changes.
pub const RELOAD_POLL_MILLIS: u64 = 250;
/// How long sessions may go on after the order to stop.
pub const DRAIN_MILLIS_MAX: u64 = 5_000;
/// Cancel requests under way at once.
pub const CANCELS_MAX: usize = 64;
/// How long a refused connection stays open so that the client can read why.
pub const LINGER_MILLIS_MAX: u64 = 500;
/// Bytes that are still read from a refused connection.
pub const LINGER_BYTES_MAX: usize = 64 * 1024;

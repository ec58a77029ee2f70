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

// Approvals.

/// Questions that one session may have open.
pub const APPROVALS_PENDING_SESSION_MAX: usize = 3;
/// Questions that one principal may have open, over all its sessions.
pub const APPROVALS_PENDING_PRINCIPAL_MAX: usize = 20;
/// Questions open in the whole gateway.
pub const APPROVALS_PENDING_MAX: usize = 1_000;
/// How long a question may stay open at most; a policy may ask for less.
pub const APPROVAL_DECIDE_WITHIN_SECS_MAX: u32 = 3_600;
/// How long a question stays open when the policy doesn't say.
pub const APPROVAL_DECIDE_WITHIN_SECS: u32 = 600;
/// How long after its approval a request may still start.
pub const APPROVAL_RUN_WITHIN_SECS: u64 = 60;
/// Longest note of an approver.
pub const APPROVAL_NOTE_BYTES_MAX: usize = 2_000;
/// Longest statement shown in a list of questions; one question is always shown whole.
pub const APPROVAL_STATEMENT_SHOWN_BYTES_MAX: usize = 16 * 1024;
/// Longest parameter shown in a question.
pub const APPROVAL_PARAMETER_SHOWN_BYTES_MAX: usize = 1_024;
/// How long a question stays open at least.
pub const APPROVAL_DECIDE_WITHIN_SECS_MIN: u32 = 10;

// Configuration.

/// Longest configuration, policy, certificate or key file.
pub const CONFIG_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Longest name that an operator gives to something.
pub const CONFIG_NAME_BYTES_MAX: usize = 63;
/// Longest file of a password.
pub const SECRET_BYTES_MAX: u64 = 4 * 1024;
/// Longest role or database name (PostgreSQL: `NAMEDATALEN` - 1).
pub const POSTGRES_NAME_BYTES_MAX: usize = 63;
/// Port of the admin endpoint when the configuration doesn't say.
pub const ADMIN_PORT: u16 = 8470;
/// Clock skew allowed between the issuer and this machine when the configuration doesn't say.
pub const CLOCK_SKEW_SECS: u64 = 30;
/// Clock skew that may be allowed at most.
pub const CLOCK_SKEW_SECS_MAX: u64 = 120;
/// Shortest bound on a token's age that makes sense.
pub const TOKEN_AGE_SECS_MIN: u64 = 60;
/// Longest bound on a token's age: a week.
pub const TOKEN_AGE_SECS_MAX: u64 = 7 * 24 * 3_600;
/// Plugins of one policy.
pub const POLICY_PLUGINS_MAX: usize = 32;
/// Longest plugin file.
pub const PLUGIN_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Memory of a plugin when the policy doesn't say.
pub const PLUGIN_MEMORY_MIB: u64 = 16;
/// Memory that a policy may give a plugin.
pub const PLUGIN_MEMORY_MIB_MAX: u64 = 256;
/// Longest single call of a plugin when the policy doesn't say.
pub const PLUGIN_CALL_MILLIS: u64 = 100;
/// Longest single call that a policy may allow a plugin.
pub const PLUGIN_CALL_MILLIS_MAX: u64 = 10_000;

// Admin endpoint.

/// Connections served at once.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Longest request head, token included (hyper takes no less than 8 KiB).
pub const ADMIN_HEAD_BYTES_MAX: usize = 32 * 1024;
/// Headers of a request.
pub const ADMIN_HEADERS_MAX: usize = 64;
/// How long a request head may take.
pub const ADMIN_HEAD_SECS_MAX: u64 = 10;
/// Longest request body.
pub const ADMIN_BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a request body may take.
pub const ADMIN_BODY_SECS_MAX: u64 = 10;
/// How long a session may take to record an approver's answer.
pub const ADMIN_RECORD_SECS_MAX: u64 = 10;
/// How long a connection may take, the download of a snapshot included.
pub const ADMIN_CONNECTION_SECS_MAX: u64 = 900;
/// How long requests under way may take once the gateway stops.
pub const ADMIN_DRAIN_SECS_MAX: u64 = 5;
/// Pause after a failed accept.
pub const ACCEPT_RETRY_MILLIS: u64 = 100;
/// Sessions listed when the caller doesn't say.
pub const ADMIN_SESSIONS_LISTED: usize = 100;
/// Sessions listed at most.
pub const ADMIN_SESSIONS_LISTED_MAX: usize = 1_000;
/// Piece of a snapshot that is sent at once.
pub const SNAPSHOT_PIECE_BYTES: usize = 64 * 1024;
/// Pieces of a snapshot that wait for a slow reader.
pub const SNAPSHOT_PIECES_QUEUED: usize = 4;

// Command line.

/// Longest answer of the admin endpoint that a command reads, a snapshot excepted.
pub const ADMIN_REPLY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long the admin endpoint may take to answer a command, a snapshot excepted.
pub const ADMIN_REPLY_SECS_MAX: u64 = 60;

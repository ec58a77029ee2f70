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

// audit

/// Longest entry, bytes of its JSON line; larger things go into its payload.
pub const ENTRY_BYTES_MAX: usize = 8 * 1024;
/// Longest free text inside an entry (names, reasons, notes), bytes.
pub const ENTRY_TEXT_BYTES_MAX: usize = 512;
/// Most objects, findings and statements that one entry lists; the payload has them all.
pub const ENTRY_LIST_ITEMS_MAX: usize = 16;
/// Ciphertext of one payload part, tag included: below 60 KiB, since a value just above a power
/// of two takes twice its size in the store.
pub const PAYLOAD_PART_BYTES_MAX: usize = 60 * 1024;
/// Plain bytes of one payload.
pub const PAYLOAD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes that may wait for the committer, entries and payloads together.
pub const LOG_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long an entry may wait for room in that queue.
pub const LOG_QUEUE_MILLIS_MAX: u64 = 2_000;
/// Entries in one commit.
pub const LOG_BATCH_ENTRIES_MAX: usize = 4_096;
/// Payload bytes in one commit, unless one entry alone has more.
pub const LOG_BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Cache of the store, bytes.
pub const LOG_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Newest leaves that are hashed again from stored bytes when the log is opened.
pub const RECOVERY_LEAVES: u64 = 512;
/// Refusals recorded each second, after a burst; the rest are counted.
pub const REFUSALS_PER_SECOND: u64 = 50;
/// Refusals recorded at once.
pub const REFUSAL_BURST: u64 = 100;
/// Approvals of one session whose request number is remembered.
pub const SESSION_HOLDS_MAX: usize = 1_024;
/// Checkpoint signatures that the verifier checks, newest first; roots are always checked.
pub const VERIFY_SIGNATURES_MAX: usize = 10_000;
/// Session chains that the verifier follows at once.
pub const VERIFY_SESSIONS_MAX: usize = 1_000_000;
/// Rows that a report shows of one result.
pub const REPORT_ROWS_MAX: usize = 20;
/// Columns that a report shows of one result.
pub const REPORT_COLUMNS_MAX: usize = 32;
/// Characters that a report shows of one cell.
pub const REPORT_CELL_CHARS_MAX: usize = 60;
/// Entries that a report shows of one session.
pub const REPORT_ENTRIES_MAX: usize = 100_000;

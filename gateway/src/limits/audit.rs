//! Bounds of the log, of what is sent on of it, and of searching it.

// Log.

/// Longest entry, bytes of its JSON line; larger things go into its payload.
pub const ENTRY_BYTES_MAX: usize = 8 * 1024;
/// Longest free text inside an entry (names, reasons, notes), bytes.
pub const ENTRY_TEXT_BYTES_MAX: usize = 512;
/// Most objects, findings and statements that one entry lists; the payload has them all.
pub const ENTRY_LIST_ITEMS_MAX: usize = 16;
/// Ciphertext of one payload part, tag included: below 60 KiB, since a value just above a power
/// of two takes twice its size in the store.
pub const PAYLOAD_PART_BYTES_MAX: usize = 60 * 1024;
/// Longest value that holds several entries or payload parts: one full part with its head.
pub const STORE_VALUE_BYTES_MAX: usize = PAYLOAD_PART_BYTES_MAX + 16;
/// Plain bytes of one payload.
pub const PAYLOAD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Longest JSON of a statement's facts that a session keeps for the next request.
pub const MEMO_BYTES_MAX: usize = 8 * 1024;
/// Bytes that may wait for the committer, entries and payloads together.
pub const LOG_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long an entry may wait for room in that queue.
pub const LOG_QUEUE_MILLIS_MAX: u64 = 2_000;
/// How long entries that nobody waits for linger, so that many share one commit: what a crash may
/// take from a target with `log = "buffered"`, beside the commit under way.
pub const LOG_LINGER_MILLIS: u64 = 100;
/// Entries in one commit.
pub const LOG_BATCH_ENTRIES_MAX: usize = 4_096;
/// Payload bytes in one commit, unless one entry alone has more.
pub const LOG_BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes kept on the disk so that a full one still takes the entry that says so.
pub const LOG_RESERVE_BYTES: u64 = 4 * 1024 * 1024;
/// How often a log without room looks for some.
pub const LOG_HALT_TICK_MILLIS: u64 = 250;
/// A wall clock that moves by more than this against the machine's own time was set.
pub const CLOCK_STEP_MILLIS: u64 = 50;
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
/// Longest report bundle that the verifier reads.
pub const BUNDLE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Step of the wall clock that a report warns of.
pub const REPORT_CLOCK_STEP_MILLIS: u64 = 50;
/// Rows that a report shows of one result.
pub const REPORT_ROWS_MAX: usize = 20;
/// Columns that a report shows of one result.
pub const REPORT_COLUMNS_MAX: usize = 32;
/// Characters that a report shows of one cell.
pub const REPORT_CELL_CHARS_MAX: usize = 60;
/// Characters shown of one line of a document.
pub const REPORT_LINE_CHARS_MAX: usize = 400;
/// Entries that a report shows of one session.
pub const REPORT_ENTRIES_MAX: usize = 100_000;
/// Sessions of one task or ticket that one report holds.
pub const WORK_SESSIONS_MAX: usize = 200;
/// Longest pause that a replay in a terminal keeps.
pub const REPLAY_PAUSE_SECS_MAX: u64 = 5;
/// Longest call an operator may configure.
pub const PLUGIN_CALL_MILLIS_MAX: u64 = 10_000;
/// Largest component file.
pub const PLUGIN_FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Longest signature file of a plugin.
pub const SIGNATURE_FILE_BYTES_MAX: u64 = 16 * 1024;
/// Keys that a gateway may trust to sign plugins.
pub const SIGNING_KEYS_MAX: usize = 64;

// Export and search.

/// Sessions whose beginning and key are remembered while the log is followed.
pub const FOLLOWED_SESSIONS_MAX: usize = 4_096;
/// Entries in one delivery to a sink.
pub const EXPORT_BATCH_ENTRIES_MAX: usize = 500;
/// Bytes of their entries, statements not counted.
pub const EXPORT_BATCH_BYTES_MAX: usize = 512 * 1024;
/// Longest statement that an export carries; a longer one is cut, with a mark.
pub const EXPORT_STATEMENT_BYTES_MAX: usize = 8 * 1024;
/// Longest statement in CEF, whose string fields end at 4,000 characters.
pub const EXPORT_CEF_STATEMENT_BYTES_MAX: usize = 3_900;
/// How often a sink that has everything looks for more.
pub const EXPORT_POLL_MILLIS: u64 = 250;
/// How often the checkpoint goes to a sink, at most.
pub const EXPORT_ANCHOR_MILLIS: u64 = 1_000;
/// Pause before the second try of a delivery; it doubles up to [`EXPORT_RETRY_MILLIS_MAX`].
pub const EXPORT_RETRY_MILLIS: u64 = 250;
/// Longest pause between two tries.
pub const EXPORT_RETRY_MILLIS_MAX: u64 = 30_000;
/// How long one delivery may take, its acknowledgement included.
pub const EXPORT_DELIVERY_SECS_MAX: u64 = 90;
/// How long a connection to a sink may take.
pub const EXPORT_CONNECT_SECS_MAX: u64 = 10;
/// How long a syslog receiver may take to close a connection that was closed to it.
pub const EXPORT_CLOSE_SECS_MAX: u64 = 20;
/// How often an indexer's acknowledgement is asked for.
pub const EXPORT_ACK_POLL_MILLIS: u64 = 200;
/// Longest answer read from a sink.
pub const EXPORT_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Characters of a sink's answer that are shown to the operator.
pub const EXPORT_ANSWER_SHOWN_CHARS_MAX: usize = 200;
/// Shortest time after which a sink that is behind may be told to stop the sessions.
pub const EXPORT_FAIL_CLOSED_SECS_MIN: u64 = 5;
/// Longest such time: a week.
pub const EXPORT_FAIL_CLOSED_SECS_MAX: u64 = 7 * 24 * 3_600;
/// Sinks of one gateway.
pub const EXPORTS_MAX: usize = 16;
/// How long entries for an object store gather before they become an object.
pub const EXPORT_OBJECT_SECS: u64 = 10;
/// The longest that an operator may let them gather.
pub const EXPORT_OBJECT_SECS_MAX: u64 = 3_600;
/// Instances that `plugin bench` starts for one figure.
pub const BENCH_STARTS: usize = 30;
/// Longest query.
pub const SEARCH_QUERY_BYTES_MAX: usize = 4 * 1024;
/// Conditions of one query.
pub const SEARCH_CLAUSES_MAX: usize = 64;
/// Longest term of the index; a longer one is cut on both sides of a comparison.
pub const SEARCH_TERM_BYTES_MAX: usize = 256;
/// Terms of one entry.
pub const SEARCH_TERMS_MAX: usize = 4_096;
/// Memory in which new entries gather before they are written.
pub const SEARCH_MEMORY_BYTES: usize = 16 * 1024 * 1024;
/// Entries read from the log at once.
pub const SEARCH_BATCH_ENTRIES: usize = 2_000;
/// Their bytes.
pub const SEARCH_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Entries after which the index commits.
pub const SEARCH_COMMIT_ENTRIES: usize = 20_000;
/// Time after which it commits what it has.
pub const SEARCH_COMMIT_MILLIS: u64 = 1_000;
/// How often the indexer looks for more.
pub const SEARCH_POLL_MILLIS: u64 = 250;
/// Niceness of the indexer: on a busy machine it gets a tenth of what a session gets.
pub const SEARCH_NICENESS: i32 = 10;
/// Pause after a failure.
pub const SEARCH_RETRY_MILLIS: u64 = 2_000;
/// Entries not yet in the index that one query looks through.
pub const SEARCH_TAIL_ENTRIES_MAX: u64 = 20_000;
/// Characters of a statement that a hit shows.
pub const SEARCH_EXCERPT_CHARS: usize = 200;
/// Hits when the caller doesn't say.
pub const SEARCH_HITS: usize = 50;
/// Hits at most.
pub const SEARCH_HITS_MAX: usize = 1_000;

// Anchors.

/// Anchors of one gateway: what all of them say fits into one entry.
pub const ANCHORS_MAX: usize = 8;
/// How often a checkpoint goes to each anchor, at most.
pub const ANCHOR_MILLIS: u64 = 1_000;
/// How long one exchange with an anchor may take.
pub const ANCHOR_SECS_MAX: u64 = 5;
/// How far the time in a witness's cosignature may be from the gateway's clock: an older one may be
/// one that was kept and shown again.
pub const ANCHOR_SKEW_SECS_MAX: u64 = 600;
/// Longest request to a witness.
pub const WITNESS_REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Lines of a consistency proof (C2SP tlog-witness).
pub const WITNESS_PROOF_LINES_MAX: usize = 63;
/// Connections to a witness at once.
pub const WITNESS_CONNECTIONS_MAX: usize = 256;
/// How long a client of a witness may take for the head of a request, and for its body.
pub const WITNESS_READ_SECS_MAX: u64 = 10;

//! Bounds of judging: what waits for people, what a plugin may use, and what the host takes from
//! it.

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
/// How long a question inside a transaction, which keeps locks, stays open when the policy doesn't
/// say.
pub const APPROVAL_IN_TRANSACTION_SECS: u32 = 60;
/// How long after its end a question may still be answered when the policy doesn't say.
pub const APPROVAL_LATE_SECS: u32 = 900;
/// The longest that a policy may say.
pub const APPROVAL_LATE_SECS_MAX: u32 = 86_400;
/// Questions of one principal that nobody waits for any more.
pub const APPROVALS_LATE_PRINCIPAL_MAX: usize = 20;
/// The same of the whole gateway.
pub const APPROVALS_LATE_MAX: usize = 1_000;
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

/// How often the plugin clock ticks; a call is stopped at most two ticks after its deadline. A
/// faster clock costs an idle gateway more wake-ups than it is worth.
pub const PLUGIN_TICK_MILLIS: u64 = 5;
/// Ticks after which a call leaves the thread of its session and goes on by turns.
pub const PLUGIN_INLINE_TICKS: u64 = 2;
/// Calls that may be slow at once, over all sessions; each holds a thread while it is.
pub const PLUGIN_SLOW_CALLS_MAX: usize = 64;
/// Failures of a plugin in a row, in one session, after which it is not asked for a while.
pub const PLUGIN_STRIKES: u32 = 3;
/// How long that while is at first; it doubles with each failure that follows.
pub const PLUGIN_BACKOFF_MILLIS: u64 = 1_000;
/// How long it is at most.
pub const PLUGIN_BACKOFF_MILLIS_MAX: u64 = 60_000;
/// How often one session's failures of one plugin become an event of the log.
pub const PLUGIN_TRAP_SECS: u64 = 60;
/// Most memory an operator may give one instance of a plugin, memories and tables together.
pub const PLUGIN_MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many times a call's budget the first `configure` at load may take.
pub const PLUGIN_LOAD_BUDGET_CALLS: u64 = 10;
/// Largest file of a plugin's own tests.
pub const GOLDEN_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Cases of a plugin's own tests.
pub const GOLDEN_CASES_MAX: usize = 1000;
/// How long all of them may take when a policy is loaded.
pub const GOLDEN_MILLIS_MAX: u64 = 30_000;
/// Instances of all plugins alive at once: those kept by sessions, and one for each judgement or
/// inspected result under way. Each reserves about 6 GiB of address space (not memory).
pub const PLUGIN_INSTANCES_MAX: u32 = 1000;
/// Instances of all plugins kept between requests; the rest of [`PLUGIN_INSTANCES_MAX`] stays
/// free for sessions that find no place here.
pub const PLUGIN_INSTANCES_KEPT_MAX: u32 = 750;
/// Calls after which an instance is replaced by a fresh one, so that a leak stays small.
pub const PLUGIN_INSTANCE_CALLS_MAX: u32 = 1_000;
/// Core modules inside one component: in Rust its own and the two that `wit-component` adds, in
/// Python those of its interpreter and libraries.
pub const PLUGIN_MODULES_MAX: u32 = 64;
/// Tables of one component.
pub const PLUGIN_TABLES_MAX: u32 = 4;
/// Elements of one table.
pub const PLUGIN_TABLE_ELEMENTS_MAX: usize = 20_000;
/// Stack of a plugin call; the thread it runs on has at least four times that.
pub const PLUGIN_STACK_BYTES_MAX: usize = 256 * 1024;
/// What one call may make the host allocate for its answer.
pub const PLUGIN_ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Log lines of one plugin about one request or result; more are dropped.
pub const PLUGIN_LOG_LINES_MAX: u32 = 64;
/// Values and counters that a plugin may store for a target, when the policy doesn't say.
pub const KV_ENTRIES: usize = 10_000;
/// The most that a policy may say.
pub const KV_ENTRIES_MAX: u64 = 1_000_000;
/// Bytes of them, when the policy doesn't say.
pub const KV_KIB: usize = 4 * 1024;
/// The most that a policy may say.
pub const KV_KIB_MAX: u64 = 256 * 1024;
/// Values and counters that a plugin may store for one session, when the policy doesn't say.
pub const KV_SESSION_ENTRIES: usize = 256;
/// The most that a policy may say.
pub const KV_SESSION_ENTRIES_MAX: u64 = 100_000;
/// Bytes of them, when the policy doesn't say.
pub const KV_SESSION_KIB: usize = 64;
/// The most that a policy may say.
pub const KV_SESSION_KIB_MAX: u64 = 16 * 1024;
/// What a stored value or counter is charged beside its name and value.
pub const KV_ENTRY_BYTES: usize = 128;
/// Longest name of a stored value or a counter.
pub const KV_KEY_BYTES_MAX: usize = 256;
/// Longest stored value.
pub const KV_VALUE_BYTES_MAX: usize = 64 * 1024;
/// Longest window of a counter: 31 days.
pub const KV_WINDOW_SECS_MAX: u32 = 31 * 24 * 3_600;
/// Steps that a window moves in; a counter remembers one number for each.
pub const KV_WINDOW_STEPS: u64 = 60;
/// Tables or keys of one plugin.
pub const PLUGIN_NAMED_FILES_MAX: usize = 32;
/// Largest file of facts.
pub const FACTS_FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Rows of a table of facts.
pub const FACTS_ROWS_MAX: usize = 1_000_000;
/// Columns of a table of facts, the key included.
pub const FACTS_COLUMNS_MAX: usize = 64;
/// Keys of a table that a plugin gets at once.
pub const FACTS_KEYS_LISTED_MAX: usize = 10_000;
/// Longest value that a plugin may have hashed at once.
pub const VAULT_VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Longest prefix of a token.
pub const VAULT_PREFIX_BYTES_MAX: usize = 16;
/// Longest file of a vault key: its digits and a line break.
pub const VAULT_KEY_FILE_BYTES_MAX: u64 = 256;
/// Longest bound value shown to a plugin.
pub const PARAMETER_SHOWN_BYTES_MAX: usize = 64 * 1024;
/// All bound values of one operation shown to a plugin.
pub const PARAMETERS_SHOWN_BYTES_MAX: usize = 1024 * 1024;
/// Longest text taken from a plugin for a person to read.
pub const PLUGIN_TEXT_BYTES_MAX: usize = 512;
/// Longest rule id taken from a plugin.
pub const PLUGIN_RULE_BYTES_MAX: usize = 64;
/// Findings kept of one answer.
pub const PLUGIN_FINDINGS_MAX: usize = 8;
/// Problems shown of one `configure`.
pub const PLUGIN_PROBLEMS_MAX: usize = 20;
/// Approver groups taken from one answer.
pub const PLUGIN_APPROVERS_MAX: usize = 16;
/// Findings kept of one request; the ones with the highest scores.
pub const RULING_FINDINGS_MAX: usize = 64;
/// Statements of one request that are judged; a request with more is refused.
pub const STATEMENTS_JUDGED_MAX: usize = 1000;
/// Columns of a result (PostgreSQL: `MaxTupleAttributeNumber`).
pub const RESULT_COLUMNS_MAX: usize = 1664;
/// Cells of one batch shown to a plugin, bytes together.
pub const SCAN_BATCH_BYTES_MAX: usize = 64 * 1024;
/// Rows of one batch shown to a plugin.
pub const SCAN_BATCH_ROWS_MAX: usize = 512;
/// Largest cell shown to a plugin; a larger one becomes NULL.
pub const SCAN_CELL_BYTES_MAX: usize = 1024 * 1024;
/// Patterns that a plugin may have the host look for in cells.
pub const PREFILTER_PATTERNS_MAX: usize = 256;
/// Longest of them.
pub const PREFILTER_PATTERN_BYTES_MAX: usize = 4 * 1024;
/// All of them together.
pub const PREFILTER_PATTERNS_BYTES_MAX: usize = 64 * 1024;
/// What they may take once they are compiled.
pub const PREFILTER_COMPILED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many times the size of its batch a plugin's replacements may take.
pub const SCAN_GROWTH_MAX: usize = 4;
/// Longest fixed text that replaces a value.
pub const MASK_TEXT_BYTES_MAX: usize = 256;
/// Files of compiled plugins that are read back; larger ones are compiled again.
pub const COMPILED_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Reasons shown in one question to an approver.
pub const APPROVAL_REASONS_MAX: usize = 8;
/// What each cell of a batch adds to that, so that a short value can become a longer word.
pub const SCAN_EDIT_BYTES_FREE: usize = 64;

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

// Policy: what a plugin may use, and what the host takes from it.

/// How often the plugin clock ticks; a call's deadline is met within one tick.
pub const PLUGIN_TICK_MILLIS: u64 = 1;
/// Largest component file.
pub const PLUGIN_FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Most memory an operator may give one instance of a plugin, memories and tables together.
pub const PLUGIN_MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest call an operator may configure.
pub const PLUGIN_CALL_MILLIS_MAX: u64 = 10_000;
/// How many times a call's budget the first `configure` at load may take.
pub const PLUGIN_LOAD_BUDGET_CALLS: u64 = 10;
/// Instances of all plugins alive at once: one a judgement under way, one an inspected result.
/// Each reserves about 6 GiB of address space (not memory).
pub const PLUGIN_INSTANCES_MAX: u32 = 1000;
/// Core modules inside one component: its own and the two that `wit-component` adds.
pub const PLUGIN_MODULES_MAX: u32 = 8;
/// Tables of one component.
pub const PLUGIN_TABLES_MAX: u32 = 4;
/// Elements of one table.
pub const PLUGIN_TABLE_ELEMENTS_MAX: usize = 20_000;
/// Stack of a plugin call; the thread it runs on has at least four times that.
pub const PLUGIN_STACK_BYTES_MAX: usize = 256 * 1024;
/// What one call may make the host allocate for its answer.
pub const PLUGIN_ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Log lines of one instance; more are dropped.
pub const PLUGIN_LOG_LINES_MAX: u32 = 64;
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

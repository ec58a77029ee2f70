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

// SQL statements: gateway/src/protocol/postgres/{statement,lineage}.rs

/// Most statements in one text; more than any client sends at once, few enough to log.
pub const STATEMENTS_PER_MESSAGE_MAX: usize = 10_000;
/// Most levels of structs and lists in a parse tree. The decoder of PostgreSQL's tree stops at
/// 100 structs by itself; with the lists between them this is never the tighter bound, and it
/// holds should the decoder's ever be lifted.
pub const STATEMENT_LEVELS_MAX: usize = 256;
/// Most words and signs in one text, as counted without knowing quotes. A tree takes about two
/// kilobytes a word, so this bounds memory before the parser is asked: 125,000 elements of an IN
/// list, or a megabyte of prose in one literal.
pub const STATEMENT_WORDS_MAX: usize = 250_000;
/// Most nodes in one statement's parse tree: a second line behind [`STATEMENT_WORDS_MAX`].
pub const STATEMENT_NODES_MAX: usize = 1_000_000;
/// Longest text that is parsed without waiting for other long ones, which take their turns so
/// that their trees are not in memory at once.
pub const STATEMENT_LONG_BYTES: usize = 64 * 1024;
/// Longest text of a syntax error; the parser quotes the rest of the text when a quote is open.
pub const SYNTAX_ERROR_BYTES_MAX: usize = 1_024;
/// How many places of a word are tried to find where a syntax error lies; each costs a parse.
pub const SYNTAX_ERROR_PLACES_MAX: usize = 8;
/// Longest text that the second parser is asked to read.
pub const SECOND_OPINION_BYTES_MAX: usize = 64 * 1024;
/// Most words of a text that the second parser is asked to read. It builds chains of operators
/// without counting levels, so the words bound the depth of its tree.
pub const SECOND_OPINION_TOKENS_MAX: usize = 4_096;
/// Deepest brackets of a text that the second parser is asked to read. It tries several readings
/// of one bracket, so its time doubles with each level.
pub const SECOND_OPINION_BRACKETS_MAX: usize = 12;
/// Most levels of the second parser's tree whose relations are compared; of deeper ones only
/// count and kind are. A level takes up to 20 KiB of stack without optimisation.
pub const SECOND_OPINION_LEVELS_MAX: usize = 48;
/// How deep the second parser may recurse.
pub const SECOND_OPINION_RECURSION_MAX: usize = 50;
/// Facts of texts seen before, all sessions together.
pub const FACTS_CACHE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest single entry among them.
pub const FACTS_CACHE_ENTRY_BYTES_MAX: usize = 64 * 1024;
/// Longest value of a setting that is copied into a statement's attributes.
pub const ATTRIBUTE_BYTES_MAX: usize = 256;
/// How deep views on views are followed.
pub const VIEW_LEVELS_MAX: usize = 64;
/// Most origins listed for one result column; more become `*`.
pub const COLUMN_ORIGINS_MAX: usize = 4_096;
